"""Commands that stay: up, worker, inbox, project. Each ends on SIGINT and SIGTERM."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

import agents.inbox
from agents import live
from agents.live_inbox import LiveInbox
from agents.watch import DoorWatch, FoldWatch
from cli.closing import closer_of, show
from cli.options import common, settings_of
from cli.settings import Settings
from cli.upkeep import check_topics
from cli.wiring import House, house
from projections.projector import RETRY_S_MAX
from projections.store import StoreUnavailable
from streams.log import LogUnavailable
from telemetry.clock import SystemClock
from telemetry.health import Health, Limits
from telemetry.metrics import Metrics
from telemetry.server import Server

_POLL_S = 0.5


@click.command()
@common
def up(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Embedded, in one process: scores and projects whatever reaches the log of this folder."""
    settings = settings_of(data, log)
    if settings.log != "sqlite":
        raise click.UsageError("up is embedded: on Kafka run kymograph worker and kymograph project")
    with house(settings) as parts:
        follow(parts)


@click.command()
@common
def worker(data: str | None, log: str | None, *, as_json: bool) -> None:
    """The Faust worker on Kafka: folds the log and emits metrics and profiles."""
    from agents.worker import run  # noqa: PLC0415  # Faust is loaded by its own commands alone

    settings = settings_of(data, log or "kafka")
    check_topics(settings)
    clock, metrics = SystemClock(), Metrics()
    health = Health(clock)
    watch = FoldWatch(metrics, health, clock, mapping=settings.mapping)
    with house(settings) as parts, _served(metrics, health, settings):
        run(
            settings.kafka_bootstrap_servers,
            parts.live(),
            parts.log,
            watch,
            group=live.GROUP,
            folder=settings.data_dir,
        )


@click.command()
@click.option("--skip-lost", is_flag=True, help="Go on where records left the inbox before they were read.")
@common
def inbox(data: str | None, log: str | None, *, skip_lost: bool, as_json: bool) -> None:
    """EventLogger on Kafka's inbox: checks and seals what direct producers send. As many processes as it takes."""
    from agents.worker import run  # noqa: PLC0415  # Faust is loaded by its own commands alone

    settings = settings_of(data, log or "kafka")
    if settings.log != "kafka":
        raise click.UsageError(
            "on the embedded log every command reads the inbox, and kymograph up stays to do so"
        )
    check_topics(settings)
    clock, metrics = SystemClock(), Metrics()
    health = Health(clock)
    with house(settings) as parts, _served(metrics, health, settings):
        door = parts.inbox(metrics)
        work, watch = (
            LiveInbox(parts.log, door, skips_lost=skip_lost),
            DoorWatch(metrics, health, clock, inbox=door),
        )
        run(
            settings.kafka_bootstrap_servers,
            work,
            parts.log,
            watch,
            group=agents.inbox.GROUP,
            folder=settings.data_dir,
        )


@contextmanager
def _served(metrics: Metrics, health: Health, settings: Settings) -> Iterator[None]:
    """/metrics and /health, where a port is set."""
    if settings.metrics_port is None:
        yield
        return
    try:
        server = Server(metrics, health, host=settings.metrics_host, port=settings.metrics_port)
    except OSError as error:
        place = f"{settings.metrics_host}:{settings.metrics_port}"
        raise click.UsageError(
            f"{place} cannot be listened on ({error}): set another metrics_port"
        ) from error
    with server:
        yield


@click.command()
@common
def project(data: str | None, log: str | None, *, as_json: bool) -> None:
    """The projector: from the log into ClickHouse."""
    settings = settings_of(data, log or "kafka")
    clock, metrics = SystemClock(), Metrics()
    health = Health(clock, Limits(beat_s_max=2 * RETRY_S_MAX))  # it waits so long for a store that is away
    with house(settings) as parts, _served(metrics, health, settings):
        projector = parts.projector(metrics, health)
        stop = _stop_signal()
        click.echo("projecting", err=True)
        projector.run(stop, poll_s=_POLL_S)


def follow(parts: House) -> None:
    """Score and project what is new, until a signal. What is away is waited for."""
    parts.catch_up()
    closer, clock = closer_of(parts), SystemClock()
    stop = _stop_signal()
    click.echo(f"following the log in {parts.settings.data_dir}; end with Ctrl-C", err=True)
    while not stop.wait(_POLL_S):
        try:
            outcomes, _ = parts.catch_up()
            show(closer.sweep(clock.now_ms()), as_json=False)
        except (LogUnavailable, StoreUnavailable) as reason:
            click.echo(f"waiting: {reason}", err=True)
            continue
        if outcomes:
            click.echo(", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items())))


def _stop_signal() -> threading.Event:
    """Set by SIGINT or SIGTERM. To be called after the embedded engine is open, which takes handlers of its own."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
