"""Small sessions in the words of the game, for every test that needs one.

``session_steps`` writes a session as (t_us, payload) pairs, which a test may cut, double or bend; ``events_of`` numbers them
and gives them digests; ``session_events`` does both. Everything is a function of its arguments.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from itertools import cycle

import msgspec

from science.canonical import canonical
from science.columns.measure import measure_all
from science.event import Event, Payload
from science.game import Metric
from science.games.balloon_risk.vocabulary import (
    Collected,
    Exploded,
    GameCompleted,
    GameStarted,
    Pumped,
    Shown,
    TimedOut,
)
from science.kinds import KINDS
from science.mapping import Published, load
from science.measure import Measures, measure
from science.profile import Profile, TraitScore, infer
from science.session import Session
from science.vocabulary import Abandoned, Aborted, Completed, Started

Step = tuple[int, Payload]
Balloon = tuple[int, str]  # pumps; collected, exploded, timed_out, unfinished

KIND_OF = {payload_type: kind for kind, payload_type in KINDS.items()}

# Twenty balloons of an ordinary person: six bursts, intended pumps about 4.5.
TYPICAL: list[Balloon] = [
    *[(4, "collected"), (5, "collected"), (2, "exploded"), (4, "collected"), (5, "collected")],
    *[(3, "exploded"), (4, "collected"), (6, "collected"), (5, "exploded"), (3, "collected")],
    *[(5, "collected"), (4, "collected"), (1, "exploded"), (5, "collected"), (4, "collected")],
    *[(6, "collected"), (4, "exploded"), (4, "collected"), (5, "collected"), (3, "exploded")],
]
LATENCIES_US = (430_000, 510_000, 380_000, 620_000, 450_000, 700_000, 395_000)
FINISHED = GameCompleted("finished", None, None)
COLLECTED_ALIKE: list[Balloon] = [(4, "collected")] * 12


def game_config(planned: int, *, max_pumps: int = 12, value_c: int = 5, burst_law: str = "uniform") -> str:
    """The configuration of balloon risk as the protocol says it."""
    config = {
        "balloons": planned,
        "burst_law": burst_law,
        "max_pumps": max_pumps,
        "value_per_pump_c": value_c,
    }
    return canonical(config).decode()


def protocol_of(configs: Iterable[str]) -> str:
    """A protocol of one balloon game for each configuration."""
    games = [{"config": msgspec.json.decode(config), "game": "balloon_risk"} for config in configs]
    return canonical({"games": games}).decode()


def started(protocol: str, **fields: object) -> Started:
    """The first event of a session of this protocol."""
    first = Started(
        subject_id="0f" * 16,
        key_id=None,
        consent_basis="public data",
        battery="test",
        protocol=protocol,
        config_hash=sha256(protocol.encode()).hexdigest(),
        device_input="mouse",
        refresh_hz=60,
        ua_family=None,
        latency_bias_us=None,
        latency_sd_us=None,
    )
    return msgspec.structs.replace(first, **fields)


def game_steps(
    balloons: Sequence[Balloon],
    config: str,
    *,
    begin_us: int = 0,
    practice: int = 0,
    latencies_us: Sequence[int] = LATENCIES_US,
    gap_us: int = 2_000_000,
    seed_commit: str | None = None,
    completion: GameCompleted | None = FINISHED,
) -> list[Step]:
    """One game of balloon risk; the first ``practice`` balloons are practice. Latencies come round again and again."""
    settings = msgspec.json.decode(config)
    value_c, waits = settings["value_per_pump_c"], cycle(latencies_us)
    t_us, bank_c, steps = begin_us, 0, []
    steps.append((t_us, GameStarted(config, seed_commit)))
    for i, (pumps, outcome) in enumerate(balloons, 1):
        t_us += gap_us
        steps.append((t_us, Shown(i, "none", settings["max_pumps"], value_c, i <= practice)))
        for k in range(1, pumps + 1):
            onset_us, latency_us = t_us, next(waits)
            t_us += latency_us
            steps.append((t_us, Pumped(onset_t_us=onset_us, latency_us=latency_us, i=i, k=k)))
        if outcome == "collected":
            onset_us, latency_us = t_us, next(waits)
            t_us += latency_us
            bank_c += pumps * value_c
            earned = {"pumps": pumps, "earned_c": pumps * value_c, "bank_c": bank_c}
            steps.append((t_us, Collected(onset_t_us=onset_us, latency_us=latency_us, i=i, **earned)))
        elif outcome == "exploded":
            steps.append((t_us, Exploded(i, pumps)))
        elif outcome == "timed_out":
            steps.append((t_us, TimedOut(i)))
        else:
            assert outcome == "unfinished"
    if completion is not None:
        steps.append((t_us, completion))
    return steps


def session_steps(
    balloons: Sequence[Balloon] = TYPICAL,
    *,
    planned: int | None = None,
    max_pumps: int = 12,
    value_c: int = 5,
    burst_law: str = "uniform",
    terminal: str | None = "completed",
    **game: object,
) -> list[Step]:
    """A whole session of one game. ``planned`` is the number of balloons of the protocol; by default those played."""
    config = game_config(
        len(balloons) if planned is None else planned,
        max_pumps=max_pumps,
        value_c=value_c,
        burst_law=burst_law,
    )
    steps: list[Step] = [(0, started(protocol_of([config]))), *game_steps(balloons, config, **game)]
    return ended(steps, terminal)


def ended(steps: list[Step], terminal: str | None = "completed") -> list[Step]:
    """The steps with the client's terminal after them; ``events_of`` fills in its ``last_seq``."""
    last_us = steps[-1][0]
    if terminal is None:
        return steps
    return [*steps, (last_us, Completed(0) if terminal == "completed" else Aborted(0, "left"))]


def event(seq: int | None, t_us: int | None, payload: Payload, session_id: str = "s-1") -> Event:
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


def events_of(steps: Iterable[Step], session_id: str = "s-1") -> list[Event]:
    """The steps as events, numbered from 0; a terminal names its own place."""
    return [event(seq, t_us, _placed(payload, seq), session_id) for seq, (t_us, payload) in enumerate(steps)]


def _placed(payload: Payload, seq: int) -> Payload:
    if isinstance(payload, Completed | Aborted):
        return msgspec.structs.replace(payload, last_seq=seq)
    return payload


def session_events(balloons: Sequence[Balloon] = TYPICAL, **options: object) -> list[Event]:
    """The events of a session of these balloons, in order; the options are those of ``session_steps``."""
    return events_of(session_steps(balloons, **options))


def abandoned(session_id: str = "s-1") -> Event:
    """What the closer writes."""
    return event(None, None, Abandoned("timeout"), session_id)


def fold(events: Sequence[Event]) -> Session:
    """The session after these deliveries, in this order."""
    session = Session(events[0].session_id)
    for one in events:
        session.step(one)
    return session


def close(session: Session) -> Session:
    """The same session, closed by the closer if no one else did."""
    if session.closed is None:
        session.step(abandoned(session.session_id))
    return session


def measures_of(events: Sequence[Event]) -> Measures:
    """What the session of these deliveries amounts to, one by one and by columns."""
    session = close(fold(events))
    measures = measure(session)
    assert measure_all([session]) == [measures], "columns and the walk differ"
    return measures


@cache
def pilot() -> Published:
    """The first mapping."""
    return load("pilot@0.1.0")


def profile_of(events: Sequence[Event], published: Published | None = None) -> Profile:
    """The profile of these deliveries; by the pilot unless another mapping is given."""
    return infer(measures_of(events), published or pilot())


def risk_of(events: Sequence[Event], published: Published | None = None) -> TraitScore:
    """The trait risk_tolerance of these deliveries."""
    return profile_of(events, published).traits["risk_tolerance"]


def metric_of(balloons: Sequence[Balloon], name: str, **options: object) -> Metric:
    """One metric of a session of these balloons, by its name without the game."""
    return measures_of(session_events(balloons, **options)).metrics[f"balloon.{name}"]


def codes_of(measures: Measures) -> dict[str, int]:
    """The findings by code, with how often each came up."""
    return {noticed.code: noticed.count for noticed in measures.findings}
