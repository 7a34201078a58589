"""The reliability command: how reliable the metrics are among the people of the log, into a table and onto the screen."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any
from uuid import uuid4

import click
import msgspec

from cli.feeding import progress
from cli.options import common, emit, settings_of
from cli.wiring import house
from projections.rows import SESSION, EventRow, ReliabilityRow, SessionMetricRow
from projections.store import Store
from science.exact import MICRO
from science.games import GAMES
from science.mapping import NormSet, load
from science.reliability import (
    PERMUTATIONS,
    Cohort,
    Played,
    Retest,
    Sitting,
    SplitHalf,
    cohort,
    retest,
    split_half,
)
from telemetry.version import ENGINE_VERSION


@click.command()
@click.option("--mapping", help="By whose norm sets, id@semver (default: the settings' mapping).")
@click.option(
    "--permutations",
    type=click.IntRange(1, 100_000),
    default=PERMUTATIONS,
    show_default=True,
    help="Random halves of each person: a thousand take about a minute for 200 people who played three games.",
)
@common
def reliability(
    mapping: str | None, permutations: int, data: str | None, log: str | None, *, as_json: bool
) -> None:
    """How reliable each metric is among the people of the log, by norm set: split halves, and retest."""
    with house(settings_of(data, log)) as parts:
        parts.catch_up()
        norm_sets = load(mapping or parts.settings.mapping).norms
        rows = studied(parts.store, list(norm_sets.values()), permutations)
        parts.store.write(rows, source=f"reliability:{uuid4()}")  # never dropped as a repeat
    for _, of_set in groupby(rows, key=lambda row: row.norm_set):
        for place, row in enumerate(of_set):
            heading = "" if place else f"{_heading(row)}\n"
            emit(_told(row), heading + _text(row), as_json=as_json)


def studied(store: Store, norm_sets: Sequence[NormSet], permutations: int) -> list[ReliabilityRow]:
    """A row a metric of each norm set. Norm sets that fit the same sessions share their halves, which are measured once."""
    position, sittings = store.position(), sittings_of(store)
    shared: dict[str, list[tuple[NormSet, Cohort]]] = {}
    for norms in norm_sets:
        people = cohort(sittings, norms)
        shared.setdefault(people.digest(), []).append((norms, people))
    rows = []
    for digest, sharing in shared.items():
        _, people = sharing[0]  # those that count are the same; the left out may have other reasons
        game = GAMES[people.game]
        metrics = sorted({metric for norms, _ in sharing for metric in norms.metrics})
        halved = split_half(game, _counted(people.firsts), metrics, permutations)
        again = retest(game, people.pairs, metrics)
        facts = {
            "permutations": permutations,
            "input_digest": digest,
            "position": position,
            "engine_version": ENGINE_VERSION,
        }
        for norms, people in sharing:
            rows += [
                _row(norms, metric, halved[metric], again[metric], **facts, **_counts(people))
                for metric in sorted(norms.metrics)
            ]
    return sorted(rows, key=lambda row: (row.norm_set, row.metric))


def sittings_of(store: Store) -> list[Sitting]:
    """Every session of the store. It began when its first event says by the device's clock, else when that came in."""
    starts: dict[str, EventRow] = {}
    for row in store.events_of("session.started"):
        starts.setdefault(row.session_id, row)  # the first of them, by seq
    played = {
        row.session_id: msgspec.json.decode(row.measures, type=Played)
        for row in store.every(SessionMetricRow)
        if row.metric == SESSION
    }
    return [
        Sitting(
            session_id=summary.session_id,
            withdrawn=summary.status == "withdrawn",
            played=played.get(summary.session_id),
            **_start(starts.get(summary.session_id)),
        )
        for summary in store.sessions()
    ]


def _start(row: EventRow | None) -> dict[str, Any]:
    """Who played, and when they began."""
    if row is None:
        return {"subject_id": None, "began_ms": 0}
    began_ms = row.received_time if row.device_time is None else row.device_time
    return {"subject_id": msgspec.json.decode(row.payload)["subject_id"], "began_ms": began_ms}


def _counted(people: Iterable[Played]) -> Iterator[Played]:
    """The people, counted on a terminal."""
    with progress("people") as on_person:
        for place, one in enumerate(people, 1):
            yield one
            on_person(place)


def _counts(people: Cohort) -> dict[str, Any]:
    return {
        "game": people.game,
        "units": people.units,
        "sessions": people.sessions,
        "first_sessions": len(people.firsts),
        "second_sessions": len(people.pairs),
        "left_out": people.left_out,
    }


def _row(norms: NormSet, metric: str, halved: SplitHalf, again: Retest, **facts: Any) -> ReliabilityRow:
    published = norms.metrics[metric]
    return ReliabilityRow(
        norm_set=norms.name,
        metric=metric,
        people=halved.people,
        split_half_micro=halved.value,
        split_half_low_micro=halved.low,
        split_half_high_micro=halved.high,
        split_half_reason=halved.reason,
        pairs=again.pairs,
        retest_micro=again.value,
        retest_reason=again.reason,
        published_micro=published.reliability,
        published_units=published.length,
        published_retest_micro=published.retest,
        **facts,
    )


# ------------------------------------------------------------------------------------------------------------ telling it


def _told(row: ReliabilityRow) -> dict[str, Any]:
    """The row with decimals instead of millionths."""
    return {
        name.removesuffix("_micro"): value / MICRO if name.endswith("_micro") and value is not None else value
        for name, value in msgspec.structs.asdict(row).items()
    }


def _heading(row: ReliabilityRow) -> str:
    reasons = ", ".join(f"{reason} {count}" for reason, count in row.left_out.items())
    left_out = f"{sum(row.left_out.values())} left out" + (f" ({reasons})" if reasons else "")
    return (
        f"{row.norm_set}: {row.first_sessions} people of {row.units} units; {row.sessions} sessions = "
        f"{row.first_sessions} first + {row.second_sessions} second + {left_out}\n"
        f"  {'metric':30} {'people':>6}  {'split half':22} {'published':14} {'pairs':>6}  {'retest':14} published"
    )


def _text(row: ReliabilityRow) -> str:
    halved, again = row.split_half_reason or "", row.retest_reason or _decimal(row.retest_micro)
    if not halved:
        low, high = _decimal(row.split_half_low_micro), _decimal(row.split_half_high_micro)
        halved = f"{_decimal(row.split_half_micro)} [{low}, {high}]"
    published = _decimal(row.published_micro) + (f" of {row.published_units}" if row.published_units else "")
    return (
        f"  {row.metric:30} {row.people:>6}  {halved:22} {published:14} {row.pairs:>6}  {again:14} "
        f"{_decimal(row.published_retest_micro)}"
    )


def _decimal(micro: int | None) -> str:
    return "-" if micro is None else f"{micro / MICRO:.3f}"
