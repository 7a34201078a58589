"""Commands that keep the house: topics, schemas, migrate, config."""

import click
import msgspec

from cli.options import DIFFERENT, common, emit, settings_of
from cli.settings import shown
from cli.wiring import house
from projections import migrate as migrations
from projections.clickhouse import ClickHouseStore
from streams import schemas as registry
from streams.topics import TOPICS


@click.group()
def topics() -> None:
    """The topics of the log, as one table defines them."""


@topics.command("list")
@common
def topics_list(data: str | None, log: str | None, *, as_json: bool) -> None:
    """What they are, and how long they are kept."""
    for topic in TOPICS:
        kept = "for ever" if topic.retention_ms is None else f"{topic.retention_ms // 86_400_000} d"
        text = f"{topic.name:32} {topic.partitions} partitions  {kept:8}  {topic.meaning}"
        emit(msgspec.to_builtins(topic), text, as_json=as_json)


@topics.command("apply")
@common
def topics_apply(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Create on Kafka what is missing."""
    from agents.worker import CHANGELOG  # noqa: PLC0415
    from streams.kafka import KafkaLog  # noqa: PLC0415

    settings = settings_of(data, log)
    kafka = KafkaLog(
        settings.kafka_bootstrap_servers, (*TOPICS, CHANGELOG), timeout_s=settings.kafka_timeout_s
    )
    for name in kafka.create_topics(replication_factor=settings.kafka_replication_factor):
        emit({"created": name}, f"created {name}", as_json=as_json)


@topics.command("check")
@common
def topics_check(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Compare Kafka with the table; exit 1 if they differ."""
    from agents.worker import CHANGELOG  # noqa: PLC0415
    from streams.kafka import KafkaLog  # noqa: PLC0415

    settings = settings_of(data, log)
    kafka = KafkaLog(
        settings.kafka_bootstrap_servers, (*TOPICS, CHANGELOG), timeout_s=settings.kafka_timeout_s
    )
    _differences(kafka.check_topics(replication_factor=settings.kafka_replication_factor), as_json=as_json)


@click.group()
def schemas() -> None:
    """The Avro schemas: the folder is the registry, published.lock freezes it."""


@schemas.command("check")
@common
def schemas_check(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Lint, lock and full transitive compatibility; exit 1 on any breach."""
    _differences(registry.check(), as_json=as_json)


@schemas.command("lock")
@common
def schemas_lock(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Publish the schemas that are new; one that is published is never changed."""
    for line in registry.lock():
        emit({"published": line}, f"published {line}", as_json=as_json)


@click.group()
def migrate() -> None:
    """The tables of ClickHouse."""


@migrate.command("up")
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
@common
def migrate_up(data: str | None, log: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Apply what is pending."""
    with house(settings_of(data, log)) as parts:
        dsn = parts.settings.clickhouse_dsn
        store = ClickHouseStore.server(dsn) if dsn is not None else parts.store
        for migration in migrations.up(store, dry_run=dry_run):
            did = "would apply" if dry_run else "applied"
            emit({did: migration.name}, f"{did} {migration.name}", as_json=as_json)


@migrate.command("status")
@common
def migrate_status(data: str | None, log: str | None, *, as_json: bool) -> None:
    """What is applied and what is pending."""
    with house(settings_of(data, log)) as parts:
        for status in migrations.status(parts.store):
            emit(msgspec.to_builtins(status), str(status), as_json=as_json)


@click.group()
def config() -> None:
    """The effective settings."""


@config.command("show")
@common
def config_show(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Every setting with its value; secrets are left out."""
    values = shown(settings_of(data, log))
    emit(values, "\n".join(f"{name} = {value}" for name, value in values.items()), as_json=as_json)


def _differences(found: list[str], *, as_json: bool) -> None:
    for difference in found:
        emit({"difference": difference}, difference, as_json=as_json)
    if found:
        raise SystemExit(DIFFERENT)
    emit({"difference": None}, "no differences", as_json=as_json)
