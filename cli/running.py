"""Commands that stay: up, worker, project. Each ends on SIGINT and SIGTERM."""

import signal
import threading

import click

from cli.options import common, settings_of
from cli.upkeep import check_topics
from cli.wiring import House, house
from projections.store import StoreUnavailable
from streams.log import LogUnavailable

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
    from agents.worker import run  # noqa: PLC0415  # Faust is loaded by its own command alone

    settings = settings_of(data, log or "kafka")
    check_topics(settings)
    with house(settings) as parts:
        run(settings.kafka_bootstrap_servers, parts.live(), parts.log, folder=settings.data_dir)


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
    stop = _stop_signal()
    click.echo(f"following the log in {parts.settings.data_dir}; end with Ctrl-C", err=True)
    while not stop.wait(_POLL_S):
        try:
            outcomes, _ = parts.catch_up()
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
