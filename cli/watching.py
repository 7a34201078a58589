"""A command that watches from outside: lag."""

import signal
import threading
from collections.abc import Mapping, Sequence
from itertools import groupby

import click
import msgspec

from agents import inbox, live, local
from cli.options import common, emit, settings_of
from cli.wiring import House, house
from projections import migrate, projector
from projections.store import StoreUnavailable
from streams.lag import EVERY_S, Lag, measure_lag, watch
from streams.topics import DEAD_LETTERS, EVENTS, INBOX, SESSION_METRICS, TRAIT_PROFILES
from telemetry.clock import SystemClock
from telemetry.health import Health, Limits
from telemetry.metrics import BUILD_INFO, Metrics
from telemetry.server import Server
from telemetry.version import ENGINE_VERSION

_PROJECTED = (EVENTS.name, SESSION_METRICS.name, TRAIT_PROFILES.name, DEAD_LETTERS.name)
_TURN_S_MAX = 120.0  # a measurement of many partitions, each waited for until it times out


@click.command()
@click.option(
    "--group", "named", multiple=True, help="Only this group, on the log of events (may be repeated)."
)
@click.option(
    "--every", type=click.FloatRange(min=0.1), help="Measure again every so many seconds, until a signal."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Answer /metrics and /health/... here meanwhile (0: any free port).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where --port listens.")
@common
def lag(
    data: str | None,
    log: str | None,
    *,
    named: tuple[str, ...],
    every: float | None,
    port: int | None,
    host: str,
    as_json: bool,
) -> None:
    """How far the worker and the projector are behind, asked of the log alone."""
    with house(settings_of(data, log)) as parts:
        groups = dict.fromkeys(named, (EVENTS.name,)) or _groups(parts)
        if every is None and port is None:
            now_ms = SystemClock().now_ms()
            for group, topics in groups.items():
                _show(measure_lag(parts.log, group, topics, now_ms=now_ms), as_json=as_json)
        else:
            _stay(parts, groups, every_s=every or EVERY_S, place=(host, port), as_json=as_json)


def _groups(parts: House) -> Mapping[str, Sequence[str]]:
    """Who reads what: the worker the events, EventLogger the inbox, and the projector, where the store can be asked for its group, all that it shows."""
    if parts.is_embedded:  # `up` projects as it scores, and its store serves one process at a time
        return {local.GROUP: (EVENTS.name,)}

    groups: dict[str, Sequence[str]] = {live.GROUP: (EVENTS.name,), inbox.GROUP: (INBOX.name,)}
    if parts.settings.clickhouse_dsn is not None:
        try:
            groups[f"{projector.GROUP}-{migrate.identity(parts.store)}"] = _PROJECTED
        except StoreUnavailable as reason:
            click.echo(f"without the projector: {reason}", err=True)
    return groups


def _stay(
    parts: House,
    groups: Mapping[str, Sequence[str]],
    *,
    every_s: float,
    place: tuple[str, int | None],
    as_json: bool,
) -> None:
    """Measure until a signal; an exporter of its own, so that a dead worker's lag is still told."""
    clock, metrics, (host, port) = SystemClock(), Metrics(), place
    health = Health(clock, Limits(beat_s_max=every_s + _TURN_S_MAX, contact_s_max=every_s + _TURN_S_MAX))
    health.note_assigned(())
    metrics.set(BUILD_INFO, 1, version=ENGINE_VERSION, mapping=parts.settings.mapping)

    def told(lags: list[Lag] | None) -> None:
        health.beat()
        if lags is not None:
            health.note_contact()
            _show(lags, as_json=as_json)

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = Server(metrics, health, host=host, port=port) if port is not None else None
    try:
        if server is not None:
            server.start()
            click.echo(f"http://{host}:{server.port}/metrics", err=True)
        watch(parts.log, groups, metrics, clock=clock, stop=stop, every_s=every_s, told=told)
    finally:
        if server is not None:
            server.close()


def _show(lags: Sequence[Lag], *, as_json: bool) -> None:
    """A JSON object a partition; for people a line a topic, and one for each partition that is behind."""
    if as_json:
        for one in lags:
            emit(msgspec.to_builtins(one), None, as_json=True)
        return
    for (group, topic), found in groupby(lags, key=lambda one: (one.group, one.topic)):
        of_topic = list(found)
        behind = [one for one in of_topic if one.records]
        click.echo(
            f"{group}  {topic}  {sum(one.records for one in behind)} records behind, {_oldest(behind)}"
        )
        for one in behind:
            place = "nothing committed" if one.committed is None else f"committed {one.committed}"
            click.echo(f"  partition {one.partition}: {place}, end {one.end}, {_oldest([one])}")


def _oldest(behind: Sequence[Lag]) -> str:
    if any(one.seconds is None for one in behind):
        return "some of them are no longer kept"
    return f"the oldest {max((one.seconds or 0.0 for one in behind), default=0.0):.1f} s old"
