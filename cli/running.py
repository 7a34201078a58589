"""Commands that stay: up, worker, project. Each ends on SIGINT and SIGTERM."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from cli.closing import closer_of, show
from cli.options import common, settings_of
from cli.settings import Settings
from cli.upkeep import check_topics
from cli.wiring import House, house
from projections.store import StoreUnavailable
from streams.log import LogUnavailable
from telemetry.clock import SystemClock
from telemetry.health import Health
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
    from agents.watch import Watch  # noqa: PLC0415
    from agents.worker import run  # noqa: PLC0415  # Faust is loaded by its own command alone

    settings = settings_of(data, log or "kafka")
    check_topics(settings)
    clock, metrics = SystemClock(), Metrics()
    health = Health(clock)
    watch = Watch(metrics, health, clock, mapping=settings.mapping)
    with house(settings) as parts, _served(metrics, health, settings):
        run(settings.kafka_bootstrap_servers, parts.live(), parts.log, watch, folder=settings.data_dir)


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
def inbox(data: str | None, log: str | None, *, as_json: bool) -> None:
    """EventLogger on the inbox: checks and seals what direct producers send. One process at a time."""
    with house(settings_of(data, log or "kafka")) as parts:
        reader, stop = parts.inbox(), _stop_signal()
        click.echo("sealing what reaches the inbox", err=True)
        while not stop.wait(_POLL_S):
            try:
                reader.catch_up()
            except LogUnavailable as reason:
                click.echo(f"waiting: {reason}", err=True)


@click.command()
@common
def project(data: str | None, log: str | None, *, as_json: bool) -> None:
    """The projector: from the log into ClickHouse."""
    with house(settings_of(data, log or "kafka")) as parts:
        projector = parts.projector()
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
