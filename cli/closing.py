"""closer: ends the sessions that do not end."""

import signal
import threading
from collections.abc import Sequence

import click
import msgspec

from agents import live, local
from agents.closer import Abandonment, Closer, Limits
from cli.options import common, emit, settings_of
from cli.upkeep import check_topics
from cli.wiring import House, house
from projections.store import StoreUnavailable
from streams.log import LogUnavailable
from telemetry.clock import Clock, SystemClock


@click.command()
@click.option("--once", is_flag=True, help="Sweep once and end.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Seconds between sweeps."
)
@common
def closer(data: str | None, log: str | None, *, once: bool, every: float, as_json: bool) -> None:
    """Write session.abandoned where a session is open too long, or its gaps do not fill after its end.

    What the worker has not scored yet is left alone. On the embedded log `up` does the same, and this command scores by itself.
    """
    settings = settings_of(data, log)
    if settings.log == "kafka":
        check_topics(settings)
    with house(settings) as parts:
        one, clock = closer_of(parts), SystemClock()
        abandoned = sweep(parts, one, clock)
        show(abandoned, as_json=as_json)
        if once:
            emit(None, None if abandoned else "nothing to abandon", as_json=False)
            return
        stop = _stop_signal()
        click.echo(f"waiting for {one.open_sessions} open sessions; end with Ctrl-C", err=True)
        while not stop.wait(every):
            try:
                show(sweep(parts, one, clock), as_json=as_json)
            except (LogUnavailable, StoreUnavailable) as reason:
                click.echo(f"waiting: {reason}", err=True)


def closer_of(parts: House) -> Closer:
    """The closer over the log, behind the worker that scores it."""
    settings = parts.settings
    scored_by = local.GROUP if parts.is_embedded else live.GROUP
    limits = Limits(
        session_ms=1_000 * settings.session_duration_max_s, terminal_ms=1_000 * settings.terminal_gap_max_s
    )
    return Closer(parts.log, parts.codec, parts.logger(), limits=limits, scored_by=scored_by)


def sweep(parts: House, one: Closer, clock: Clock) -> list[Abandonment]:
    """One sweep; on the embedded log what lies there is scored before, and what was abandoned after. Raises LogUnavailable, OffsetsLost,
    StoreUnavailable.
    """
    if parts.is_embedded:
        parts.catch_up()
    abandoned = one.sweep(clock.now_ms())
    if abandoned and parts.is_embedded:
        parts.catch_up()
    return abandoned


def show(abandoned: Sequence[Abandonment], *, as_json: bool) -> None:
    """A line for each."""
    for one in abandoned:
        emit(msgspec.to_builtins(one), f"{one.session_id} abandoned: {one.reason}", as_json=as_json)


def _stop_signal() -> threading.Event:
    """Set by SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
