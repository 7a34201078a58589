"""What a closed session amounts to: metrics, findings and counts, from a walk over its events (``science/walk.py``)."""

from collections.abc import Sequence
from functools import cache
from math import isqrt
from operator import itemgetter
from typing import Any

import msgspec

from science.canonical import digest
from science.estimate import covariances
from science.game import Conduct, Finding, Game, Metric, Play, Severity, Tally
from science.games import GAMES
from science.kinds import KINDS
from science.session import Session
from science.walk import Attention, Walk


class GameMeasures(msgspec.Struct, frozen=True, gc=False):
    """One play: what it may be compared with, and the fate of its units."""

    game: str
    match: dict[str, int | str]
    tally: Tally


class Noticed(msgspec.Struct, frozen=True, gc=False):
    """A finding with how often it came up, and at which event first. Its words stay out: they may be bettered."""

    code: str
    severity: Severity
    count: int
    seq: int


class Precision(msgspec.Struct, frozen=True, gc=False):
    """How well a game's metrics are known: from how many resampling units, and each pair's covariance in squared micro-units.

    A pair stands once, under the later of its names.
    """

    units: int
    covariances: dict[str, dict[str, int]]


class Measures(msgspec.Struct, frozen=True, gc=False):
    """All that a profile may be inferred from. Integers and strings only; metrics in micro-units.

    ``unplayed`` counts the units of games that the protocol plans and that were never begun. ``samples`` are the resampling units
    of each game, from which all its metrics follow, and can be worked out again for units drawn anew; a session of more than 8,000
    events does not carry them, so that measures always fit into a record.
    ``definitions`` is the hash of the definitions of the metrics, ``schemas`` names the SHA-256 of each schema that counted.
    """

    session_id: str
    closed: str
    events_digest: str
    definitions: str
    schemas: dict[str, str]
    device_input: str
    duration_us: int
    counted: int
    missing: int
    conflicting: int
    voided: int
    games: list[GameMeasures]
    unplayed: dict[str, int]
    attention: Attention
    conduct: Conduct
    findings: list[Noticed]
    metrics: dict[str, Metric]
    precisions: dict[str, Precision]
    samples: dict[str, list[Any]]


# A unit takes at most 25 bytes of canonical JSON an event, and a record of measures holds 262,144.
SAMPLED_EVENTS_MAX = 8_000


def measure(session: Session) -> Measures:
    """Measure a closed session. Pure: equal sets of events give equal measures."""
    assert session.closed is not None, "a session is measured once it is closed"
    walk = Walk(session.entries, max(session.entries, default=-1))
    walk.run()
    by_game: dict[str, list[Play]] = {}
    for game, play in walk.plays:
        by_game.setdefault(game.name, []).append(play)
    metrics: dict[str, Metric] = {}
    precisions: dict[str, Precision] = {}
    samples: dict[str, list[Any]] = {}
    for name, plays in by_game.items():
        samples[name] = list(GAMES[name].sample(plays))
        found, precisions[name] = measured(GAMES[name], samples[name])
        metrics.update(found)
    entries = [entry for _, entry in sorted(session.entries.items(), key=itemgetter(0)) if entry is not None]
    times = [entry.t_us for entry in entries]
    by_schema = {entry.schema_sha256: entry for entry in entries}  # a schema is of one kind
    return Measures(
        session_id=session.session_id,
        closed=session.closed,
        events_digest=session.events_digest(),
        definitions=definitions_of(tuple(sorted(by_game))),
        schemas={schema.hex(): KIND_OF[type(entry.payload)] for schema, entry in by_schema.items()},
        device_input=walk.started.device_input if walk.started else "unknown",
        duration_us=max(times) - min(times) if times else 0,
        counted=len(entries),
        missing=len(session.missing()),
        conflicting=len(session.entries) - len(entries),
        voided=len(walk.voided),
        games=[GameMeasures(game.name, dict(play.match()), play.tally()) for game, play in walk.plays],
        unplayed=walk.unplayed(),
        attention=walk.attention(len(entries)),
        conduct=conducted([play.conduct() for _, play in walk.plays], is_set_back=walk.is_set_back),
        findings=_grouped(walk.findings + [found for _, play in walk.plays for found in play.findings]),
        metrics=metrics,
        precisions=precisions,
        samples=samples if len(entries) <= SAMPLED_EVENTS_MAX else {},
    )


@cache
def definitions_of(games: tuple[str, ...]) -> str:
    return digest([GAMES[name].definitions for name in games])


def measured(game: Game, sample: Sequence[Any]) -> tuple[dict[str, Metric], Precision]:
    """The metrics of a sample, each with its standard error where the influences of the units give one."""
    gathered = game.gather([game.account(unit) for unit in sample])
    found = covariances(game.influences(gathered))
    return with_errors(game.measure(gathered), found), Precision(len(sample), found)


def with_errors(metrics: dict[str, Metric], found: dict[str, dict[str, int]]) -> dict[str, Metric]:
    """The metrics, those without a standard error of their own with what their variance gives."""
    for name, row in found.items():
        own = metrics[name]
        if own.se is None:
            metrics[name] = Metric(own.value, own.n, own.unit, isqrt(row[name]), own.reason)
    return metrics


KIND_OF = {payload_type: kind for kind, payload_type in KINDS.items()}


def conducted(conducts: list[Conduct], *, is_set_back: bool) -> Conduct:
    """Counts add up over the plays; a pattern in one play is a pattern."""
    failed = [why for conduct in conducts for why in conduct.failed] + ["clock_set_back"] * is_set_back
    return Conduct(
        responses=sum(conduct.responses for conduct in conducts),
        anticipations=sum(conduct.anticipations for conduct in conducts),
        units=sum(conduct.units for conduct in conducts),
        units_missed=sum(conduct.units_missed for conduct in conducts),
        units_slow=sum(conduct.units_slow for conduct in conducts),
        patterned=any(conduct.patterned for conduct in conducts),
        failed=tuple(dict.fromkeys(failed)),
    )


def _grouped(findings: list[Finding]) -> list[Noticed]:
    """One line a code, so that a stream of oddities cannot make the record grow without end."""
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.code, finding.severity), []).append(finding)
    grouped = []
    for (code, severity), members in sorted(groups.items()):
        grouped.append(Noticed(code, severity, len(members), min(finding.seq for finding in members)))
    return grouped
