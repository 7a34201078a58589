"""Small sessions of reaction timer, for every test that needs one; the frame around them is that of ``builders``.

A trial is written as (stimulus, answer): the answer is a key with its reaction time in us, or what else ended the trial.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import cycle

import msgspec

from science.canonical import canonical
from science.event import Event, Payload
from science.game import Tally
from science.games.reaction_timer.vocabulary import (
    KINDS,
    FalseStart,
    GameCompleted,
    GameStarted,
    Missed,
    Responded,
    StimulusShown,
    TrialStarted,
)
from science.measure import Measures
from science.vocabulary import KINDS as FRAME_KINDS
from science.vocabulary import Aborted, Completed
from tests.science.builders import Step, ended, measures_of, started

Answer = tuple[str, int] | str  # (key, reaction time in us), or: missed, false_start, unfinished, unshown
Trial = tuple[str, Answer]

KIND_OF = {payload_type: kind for kind, payload_type in {**FRAME_KINDS, **KINDS}.items()}

KEYS: dict[str, dict[str, str | None]] = {
    "simple": {"dot": "space"},
    "choice": {"left": "f", "right": "j"},
    "gonogo": {"go": "space", "stop": None},
}
TIMES_US = (312_400, 287_150, 401_900, 333_333, 298_760, 350_010, 265_505, 545_301, 310_007, 371_110)
FOREPERIODS_US = (1_000_000, 2_500_000, 1_750_000, 3_990_000)
FINISHED = GameCompleted("finished", None, None)
TIMEOUT_US = 4_000_000


def simple(times_us: Iterable[int | str]) -> list[Trial]:
    """Trials of a simple game: a reaction time, or what else became of the trial."""
    return [("dot", time if isinstance(time, str) else ("space", time)) for time in times_us]


# Thirty reactions of an ordinary person.
TYPICAL: list[Trial] = simple([TIMES_US[n % 10] + 1_117 * n for n in range(30)])


def config_of(
    planned: int,
    *,
    kind: str = "simple",
    keys: Mapping[str, str | None] | None = None,
    timeout_us: int = TIMEOUT_US,
    foreperiod_us: tuple[int, int] = (1_000_000, 4_000_000),
) -> str:
    """The configuration of reaction timer as the protocol says it."""
    config = {
        "foreperiod_max_us": foreperiod_us[1],
        "foreperiod_min_us": foreperiod_us[0],
        "keys": KEYS[kind] if keys is None else keys,
        "kind": kind,
        "timeout_us": timeout_us,
        "trials": planned,
    }
    return canonical(config).decode()


def protocol_of(configs: Iterable[str]) -> str:
    """A protocol of one game of reaction timer for each configuration."""
    games = [{"config": msgspec.json.decode(config), "game": "reaction_timer"} for config in configs]
    return canonical({"games": games}).decode()


def game_steps(
    trials: Sequence[Trial],
    config: str,
    *,
    begin_us: int = 0,
    practice: int = 0,
    foreperiods_us: Sequence[int] = FOREPERIODS_US,
    gap_us: int = 500_000,
    seed_commit: str | None = None,
    completion: GameCompleted | None = FINISHED,
) -> list[Step]:
    """One game of reaction timer; the first ``practice`` trials are practice. Foreperiods come round again and again."""
    settings = msgspec.json.decode(config)
    t_us, waits, steps = begin_us, cycle(foreperiods_us), []
    steps.append((t_us, GameStarted(config, seed_commit)))
    for i, (stim, answer) in enumerate(trials, 1):
        t_us += gap_us
        foreperiod_us = next(waits)
        steps.append((t_us, TrialStarted(i, settings["kind"], foreperiod_us, i <= practice)))
        if answer == "false_start":
            t_us += foreperiod_us // 2
            steps.append((t_us, FalseStart(i)))
        elif answer != "unshown":
            onset_us = t_us = t_us + foreperiod_us
            early_us = (
                min(0, answer[1]) if isinstance(answer, tuple) else 0
            )  # a press before its onset is sent after it
            steps.append((t_us + early_us, StimulusShown(i, stim, onset_us)))
            if isinstance(answer, tuple):
                key, rt_us = answer
                t_us += rt_us
                steps.append((t_us, Responded(onset_t_us=onset_us, latency_us=rt_us, i=i, key=key)))
            elif answer == "missed":
                t_us += settings["timeout_us"]
                steps.append((t_us, Missed(i, settings["timeout_us"])))
            else:
                assert answer == "unfinished"
    if completion is not None:
        steps.append((t_us, completion))
    return steps


def session_steps(
    trials: Sequence[Trial] = TYPICAL,
    *,
    planned: int | None = None,
    kind: str = "simple",
    keys: Mapping[str, str | None] | None = None,
    timeout_us: int = TIMEOUT_US,
    foreperiod_us: tuple[int, int] = (1_000_000, 4_000_000),
    **game: object,
) -> list[Step]:
    """A whole session of one game. ``planned`` is the number of trials of the protocol; by default those played."""
    config = config_of(
        max(1, len(trials)) if planned is None else planned,
        kind=kind,
        keys=keys,
        timeout_us=timeout_us,
        foreperiod_us=foreperiod_us,
    )
    return ended([(0, started(protocol_of([config]))), *game_steps(trials, config, **game)])


def events_of(steps: Iterable[Step], session_id: str = "s-1") -> list[Event]:
    """The steps as events, numbered from 0; a terminal names its own place."""
    return [event(seq, t_us, _placed(payload, seq), session_id) for seq, (t_us, payload) in enumerate(steps)]


def event(seq: int, t_us: int, payload: Payload, session_id: str = "s-1") -> Event:
    """One event; its digest is the SHA-256 of what it says, and each kind has a schema of its own."""
    kind = KIND_OF[type(payload)]
    return Event(
        session_id=session_id,
        seq=seq,
        t_us=t_us,
        kind=kind,
        payload=payload,
        digest=sha256(repr((session_id, seq, t_us, payload)).encode()).digest(),
        schema_sha256=sha256(kind.encode()).digest(),
        event_id=f"{session_id}/{seq}",
        device_time_ms=None,
        sent_time_ms=0,
        received_time_ms=0,
    )


def _placed(payload: Payload, seq: int) -> Payload:
    if isinstance(payload, Completed | Aborted):
        return msgspec.structs.replace(payload, last_seq=seq)
    return payload


def measured(steps: Iterable[Step]) -> Measures:
    """What these steps amount to."""
    return measures_of(events_of(steps))


def tally_of(measures: Measures) -> Tally:
    """The fate of the trials of the one game."""
    return measures.games[0].tally


def nth(steps: Sequence[Step], kind: type[Payload], n: int = 1) -> int:
    """Where the n-th payload of this kind stands."""
    return [place for place, (_, payload) in enumerate(steps) if isinstance(payload, kind)][n - 1]


def bent(steps: Sequence[Step], kind: type[Payload], n: int = 1, **fields: object) -> list[Step]:
    """The steps with some fields of the n-th payload of this kind changed."""
    place = nth(steps, kind, n)
    t_us, payload = steps[place]
    return [*steps[:place], (t_us, msgspec.structs.replace(payload, **fields)), *steps[place + 1 :]]


def without(steps: Sequence[Step], kind: type[Payload], n: int = 1) -> list[Step]:
    """The steps as a client would have sent them that never had this one."""
    place = nth(steps, kind, n)
    return [*steps[:place], *steps[place + 1 :]]


def after(steps: Sequence[Step], kind: type[Payload], payload: Payload, n: int = 1) -> list[Step]:
    """The steps with another payload right after the n-th of this kind."""
    place = nth(steps, kind, n)
    return [*steps[: place + 1], (steps[place][0], payload), *steps[place + 1 :]]
