"""How long a session takes: decode, fold, measure, infer; each as a ratio to decoding, in one run.

Sessions of 30 balloons, of 30 trials, of 6 rounds, and of all three; scored by core@1.0.0. One JSON line a step. Machines are noisy,
so the ratio is what to compare; the median of five rounds is taken. ``score`` goes from a folded session to the bytes of its profile;
``boil`` to ``move`` are parts of ``measure``: logarithms and sums of each unit and of all, the metrics of these, and the influences
with their covariances.
"""

import json
import time
from collections.abc import Callable
from statistics import median

import msgspec

from agents.event_logger import EventLogger
from agents.metric_extractor import MetricExtractor
from agents.tables import freeze, thaw
from agents.trait_inferencer import TraitInferencer
from science.estimate import covariances
from science.games import GAMES
from science.mapping import load
from science.measure import measure
from science.profile import infer
from science.session import Session
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from simulators.sitting import Design
from streams.codec import Codec
from streams.memory import MemoryLog
from streams.topics import EVENTS

SESSIONS, ROUNDS = 100, 5


PROTOCOLS: dict[str, tuple[Design, ...]] = {
    "balloon_risk": (balloon_risk.Design(),),
    "reaction_timer": (reaction_timer.Design(),),
    "memory_cards": (memory_cards.Design(),),
    "all": (balloon_risk.Design(), reaction_timer.Design(), memory_cards.Design()),
}


def main() -> None:
    """Print the steps of every kind of session."""
    for games, designs in PROTOCOLS.items():
        _steps(games, designs)


def _steps(games: str, designs: tuple[Design, ...]) -> None:
    codec, log, published = Codec(), MemoryLog(), load("core@1.0.0")
    logger = EventLogger(log, control_url="sqlite://", codec=codec)
    for _, _, events in crowd(SESSIONS, 1, *designs):
        logger.record(events)
    records = [record for partition in range(16) for record in log.read(EVENTS.name, partition, 0)]
    events = [codec.decode(record.value) for record in records]

    def fold() -> list[Session]:
        sessions: dict[str, Session] = {}
        for event in events:
            sessions.setdefault(event.session_id, Session(event.session_id)).step(event)
        return list(sessions.values())

    sessions = fold()
    measured = [measure(session) for session in sessions]
    samples = [
        (GAMES[name], msgspec.convert(units, list[GAMES[name].unit]))  # type: ignore[misc]
        for one in measured
        for name, units in one.samples.items()
    ]
    boiled = [(game, game.gather([game.account(unit) for unit in units])) for game, units in samples]
    extractor, inferencer = MetricExtractor(codec), TraitInferencer(published)

    def chain() -> None:
        rows = {}
        for record in records:
            advance = extractor.advance(rows.get(record.key), record)
            rows[record.key] = advance.row
            if advance.metrics is not None:
                inferencer.infer(advance.metrics)

    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: [codec.decode(record.value) for record in records],
        "fold": fold,
        "measure": lambda: [measure(session) for session in sessions],
        "boil": lambda: [game.gather([game.account(unit) for unit in units]) for game, units in samples],
        "metrics": lambda: [game.measure(gathered) for game, gathered in boiled],
        "move": lambda: [covariances(game.influences(gathered)) for game, gathered in boiled],
        "infer": lambda: [infer(one, published).canonical() for one in measured],
        "score": lambda: [infer(measure(session), published).canonical() for session in sessions],
        "decode_fold_measure_infer": chain,
    }
    seconds = {name: median(_timed(step) for _ in range(ROUNDS)) for name, step in steps.items()}
    for name, taken in seconds.items():
        line = {
            "games": games,
            "events_per_session": round(len(events) / len(sessions)),
            "step": name,
            "ms_per_session": round(1000 * taken / len(sessions), 4),
            "events_per_s": round(len(events) / taken),
            "ratio_to_decode": round(taken / seconds["decode"], 3),
        }
        print(json.dumps(line))
    rows = {}
    for record in records:
        rows[record.key] = extractor.advance(rows.get(record.key), record).row
    sizes = sorted(len(freeze(row)) for row in rows.values())
    assert all(freeze(thaw(freeze(row))) == freeze(row) for row in rows.values())
    print(
        json.dumps(
            {"games": games, "state_bytes_median": sizes[len(sizes) // 2], "state_bytes_max": sizes[-1]}
        )
    )


def _timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
