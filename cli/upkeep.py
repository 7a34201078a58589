"""Commands that keep the house: topics, schemas, migrate, config."""

from typing import TYPE_CHECKING

import click
import msgspec

from cli.options import common, differences, emit, settings_of
from cli.settings import Settings, shown
from cli.wiring import house
from projections import migrate as migrations
from projections.clickhouse import ClickHouseStore
from streams import schemas as registry
from streams.log import LogUnavailable
from streams.topics import TOPICS

if TYPE_CHECKING:
    from streams.kafka import KafkaLog


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
    settings = settings_of(data, log)
    created = _administration(settings).create_topics(replication_factor=settings.kafka_replication_factor)
    for name in created:
        emit({"created": name}, f"created {name}", as_json=as_json)


@topics.command("check")
@common
def topics_check(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Compare Kafka with the table; exit 1 if they differ."""
    differences(_topic_differences(settings_of(data, log)), as_json=as_json)


def check_topics(settings: Settings) -> None:
    """Refuse to work on topics that are not as the table says. Raises LogUnavailable."""
    found = _topic_differences(settings)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise LogUnavailable(
            f"the topics at {settings.kafka_bootstrap_servers} are not as they must be: {found[0]}{more}. "
            "See `kymograph topics check`; `kymograph topics apply` creates what is missing"
        )


def _topic_differences(settings: Settings) -> list[str]:
    return _administration(settings).check_topics(replication_factor=settings.kafka_replication_factor)


def _administration(settings: Settings) -> "KafkaLog":
    from streams.kafka import KafkaLog  # noqa: PLC0415  # librdkafka is loaded where it is used

    return KafkaLog(settings.kafka_bootstrap_servers, timeout_s=settings.kafka_timeout_s)


@click.group()
def schemas() -> None:
    """The Avro schemas: the folder is the registry, published.lock freezes it."""


@schemas.command("check")
@common
def schemas_check(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Lint, lock and full transitive compatibility; exit 1 on any breach."""
    differences(registry.check(), as_json=as_json)


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
