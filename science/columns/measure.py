"""Measures of many sessions: what ``science/measure.py`` makes of each, to the last bit."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import compress
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from science.columns import balloon_risk, memory_cards, reaction_timer
from science.columns.events import UNITS, Events, columns_of
from science.columns.plays import Played, Plays
from science.games import GAMES
from science.measure import (
    SAMPLED_EVENTS_MAX,
    GameMeasures,
    Measures,
    conducted,
    definitions_of,
    measure,
)
from science.session import DIGEST_BYTES, DIGEST_HEAD, Entry, Session
from science.vocabulary import EventVoided, Paused, Resumed
from science.walk import Begun, Walk

# A game that is not here is measured one session at a time.
_PLAYED: Mapping[str, Callable[[Plays], list[Played | None]]] = {
    "balloon_risk": balloon_risk.played,
    "memory_cards": memory_cards.played,
    "reaction_timer": reaction_timer.played,
}

_GAME = [next(n for n, game in enumerate(GAMES.values()) if unit in game.kinds.values()) for unit in UNITS]
_GAME_OF_UNIT = np.array([*_GAME, -1], dtype=np.int64)  # the last is that of the frame

_EVENTS_MAX = 1 << 23  # a logarithm is below 2**37, a half of its square below 2**38

_TEARING = frozenset({EventVoided, Paused, Resumed})


def measure_all(sessions: Sequence[Session]) -> list[Measures]:
    """The measures of closed sessions, in order."""
    whole = [is_whole(session) for session in sessions]
    found = iter(clean_measures(columns_of(list(compress(sessions, whole)))))
    by_columns = [next(found) if goes else None for goes in whole]
    return [one or measure(session) for one, session in zip(by_columns, sessions, strict=True)]


def is_whole(session: Session) -> bool:
    """Whether nothing is missing in it, and nothing in conflict."""
    return session.contiguous == len(session.entries) > 0 and None not in session.entries.values()


def clean_measures(events: Events) -> list[Measures | None]:
    """The measures of every session, in order; None where one must be walked, because anything in it is odd."""
    assert len(events.unit) <= _EVENTS_MAX, (
        "sums over more events than that may leave int64: take fewer sessions"
    )
    skims = _skims(events)
    plays = _played(events, skims)
    texts, starts, schemas = _digest_texts(events), events.starts.tolist(), _schemas(events)
    lasted = (events.t_us[events.starts[1:] - 1] - events.t_us[events.starts[:-1]]).tolist()
    found: list[Measures | None] = []
    for n, (skim, played) in enumerate(zip(skims, plays, strict=True)):
        if skim is None or played is None:
            found.append(None)
            continue
        (session_id, closed), counted = events.sessions[n], starts[n + 1] - starts[n]
        names = [of.game.name for of in skim.begun]
        walk = skim.walk
        assert walk.started is not None  # or the walk objects
        found.append(
            Measures(
                session_id=session_id,
                closed=closed,
                events_digest=sha256(
                    b"".join([DIGEST_HEAD, texts[starts[n] : starts[n + 1]].tobytes(), closed.encode()])
                ).hexdigest(),
                definitions=definitions_of(tuple(sorted(names))),
                schemas=schemas[n],
                device_input=walk.started.device_input,
                duration_us=lasted[n],
                counted=counted,
                missing=0,
                conflicting=0,
                voided=0,
                games=[
                    GameMeasures(of.game.name, dict(of.play.match()), one.tally)
                    for of, one in zip(skim.begun, played, strict=True)
                ],
                unplayed=walk.unplayed(),
                attention=walk.attention(counted),
                conduct=conducted([one.conduct for one in played], is_set_back=False),
                findings=[],
                metrics={name: metric for one in played for name, metric in one.metrics.items()},
                precisions={name: one.precision for name, one in zip(names, played, strict=True)},
                samples={name: one.sample for name, one in zip(names, played, strict=True)},
            )
        )
    return found


class _Skim(NamedTuple):
    walk: Walk
    begun: list[Begun]


def _skims(events: Events) -> list[_Skim | None]:
    """The frame of every session, or None where it is torn, unsteady, too long or objected to."""
    counts = np.diff(events.starts)
    before = np.concatenate(([0], events.t_us[:-1]))
    before[events.starts[:-1]] = 0
    odd = counts > SAMPLED_EVENTS_MAX
    odd[events.session[events.t_us < before]] = True
    starts, last_t_us = events.starts.tolist(), events.t_us[events.starts[1:] - 1].tolist()
    frames: list[dict[int, Entry]] = [{} for _ in events.sessions]
    for (row, entry), n in zip(
        events.frame.items(), events.session[list(events.frame)].tolist(), strict=True
    ):
        frames[n][row - starts[n]] = entry
    return [
        None if is_odd else _skim(frames[n], starts[n + 1] - starts[n] - 1, last_t_us[n])
        for n, is_odd in enumerate(odd.tolist())
    ]


def _skim(frame: Mapping[int, Entry], last_seq: int, last_t_us: int) -> _Skim | None:
    if any(type(entry.payload) in _TEARING for entry in frame.values()):
        return None
    walk = Walk(frame, last_seq)
    begun = walk.skim(last_t_us)
    games = {of.game.name for of in begun}
    return (
        _Skim(walk, begun)
        if not walk.findings and len(games) == len(begun) and games <= _PLAYED.keys()
        else None
    )


def _played(events: Events, skims: Sequence[_Skim | None]) -> list[list[Played] | None]:
    """The plays of every session in order; None where one is odd, or an event of a game is outside of its play."""
    odd = np.array([skim is None for skim in skims], dtype=np.bool_)
    found: list[dict[str, Played]] = [{} for _ in skims]
    games = _GAME_OF_UNIT[events.unit]
    for number, name in enumerate(GAMES):
        begun = [(n, of) for n, skim in enumerate(skims) if skim for of in skim.begun if of.game.name == name]
        start, end, place = np.zeros((3, len(skims)), dtype=np.int64)
        for at, (n, of) in enumerate(begun):
            start[n], end[n], place[n] = of.start, of.end, at
        rows = np.flatnonzero(games == number)
        session = events.session[rows]
        seq = rows - events.starts[session]
        inside = (start[session] < seq) & (seq < end[session])
        odd[session[~inside]] = True
        if not begun:
            continue
        plays = Plays(events, rows[inside], place[session[inside]], [of for _, of in begun])
        for (n, _), one in zip(begun, _PLAYED[name](plays), strict=True):
            if one is None:
                odd[n] = True
            else:
                found[n][name] = one
    return [
        None if skim is None or is_odd else [found[n][of.game.name] for of in skim.begun]
        for n, (skim, is_odd) in enumerate(zip(skims, odd.tolist(), strict=True))
    ]


_PLACED = np.dtype([("seq", ">u4"), ("digest", f"V{DIGEST_BYTES}")])


def _digest_texts(events: Events) -> npt.NDArray[np.void]:
    """Of every event its place and its digest, as they are hashed."""
    placed = np.empty(len(events.unit), dtype=_PLACED)
    placed["seq"] = np.arange(len(events.unit)) - events.starts[events.session]
    placed["digest"] = events.digest.view(f"V{DIGEST_BYTES}")[:, 0]
    return placed


def _schemas(events: Events) -> list[dict[str, str]]:
    """Of every session the schemas that occur in it, with the kind of each."""
    occurs = np.zeros((len(events.sessions), len(events.schemas)), dtype=np.bool_)
    occurs[events.session, events.schema] = True
    known: dict[bytes, dict[str, str]] = {}
    found = []
    for row in occurs:
        key = row.tobytes()
        if key not in known:
            known[key] = {schema.hex(): kind for schema, kind in compress(events.schemas, row)}
        found.append(dict(known[key]))
    return found
