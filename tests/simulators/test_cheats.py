"""Cheats and dirt: ``simulators/cheats.py``, judged by core@1.0.0. Each is refused at the door, or makes the session impossible, or
costs so much quality that nothing is scored, or leaves too little to score, or changes nothing at all.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from agents.event_logger import EventLogger
from agents.local import LocalWorker, RowTable
from agents.scoring import Scoring
from agents.trait_inferencer import TraitInferencer
from science.mapping import load
from science.measure import Measures
from science.quality import quality
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.cheats import CHEATS, _moved, bent
from simulators.people import crowd, protocol_of
from simulators.sitting import Fields
from streams.memory import MemoryLog
from tests.agents.doors import CODEC, counts, known, metrics, profiles
from tests.simulators.folding import plays_of

CORE = load("core@1.0.0")
RULE = CORE.mapping.quality
DESIGNS: Mapping[str, Sequence[Any]] = {
    "balloon_risk": [balloon_risk.Design()],
    "memory_cards": [memory_cards.Design()],
    "reaction_timer": [reaction_timer.Design()],
    "choice": [reaction_timer.Design(kind="choice")],
    "gonogo": [reaction_timer.Design(kind="gonogo")],
    "all_games": [balloon_risk.Design(), reaction_timer.Design(), memory_cards.Design()],
}
PEOPLE = 2
SMALL = memory_cards.Design(rounds=2, n_pairs=3, rows=2, cols=3)
UNHARMED = {"duplicated", "reordered", "double_terminal"}


def games_of(name: str) -> list[str]:
    """The games of a design."""
    return [game.name for game, _ in protocol_of(DESIGNS[name])]


CASES = [
    (cheat, name)
    for cheat, about in CHEATS.items()
    for name in DESIGNS
    if about.bends(games_of(name))
    and cheat != "replayed_session"  # its own test: from within it is without fault
    and (cheat != "one_key" or name in {"choice", "gonogo"})  # where one stimulus comes it is the right one
]


@cache
def honest(name: str) -> tuple[tuple[Fields, ...], ...]:
    """People who play to the end."""
    played = [events for _, sitting, events in crowd(PEOPLE + 4, 11, *DESIGNS[name]) if sitting.is_finished]
    return tuple(tuple(events) for events in played[:PEOPLE])


class Outcome(NamedTuple):
    """How many of a session's events the door refuses, and what the others amount to."""

    refused: int
    measures: Measures
    scored: set[str]  # the traits

    @property
    def quality(self) -> int:
        return quality(self.measures, RULE).score


@cache
def as_honest(name: str) -> tuple[Outcome, ...]:
    """What they amount to."""
    return tuple(through(events) for events in honest(name))


def through(events: Sequence[Fields]) -> Outcome:
    """Through the door and the whole chain; what is not whole then is abandoned."""
    log = MemoryLog()
    logger = EventLogger(log, control_url="sqlite://", codec=CODEC)
    verdicts = logger.record([known(event) for event in events])
    worker = LocalWorker(log, RowTable(Path(":memory:")), Scoring(CODEC, [TraitInferencer(CORE)]))
    worker.catch_up()
    if not metrics(log):
        logger.close_session(str(events[0]["session_id"]), "gaps")
        worker.catch_up()
    measures = msgspec.json.decode(metrics(log)[-1].measures, type=Measures)
    traits = msgspec.json.decode(profiles(log)[-1].profile)["traits"]
    scored = {name for name, trait in traits.items() if trait["status"] == "scored"}
    return Outcome(counts(verdicts)[2], measures, scored)


def fate(events: Sequence[Fields], before: Outcome) -> str | None:
    """How these events fail to be scored as they stand, or None; ``before`` is what the honest session came to."""
    now = through(events)
    if now.measures.events_digest == before.measures.events_digest:
        return "equal"
    if now.scored:
        return None
    if now.refused:
        return "refused at the door"
    if any(noticed.severity == "integrity" for noticed in now.measures.findings):
        return "impossible"
    if now.quality < CORE.mapping.minimum.quality:
        return "careless"
    return "not scored" if before.scored else None


@pytest.mark.parametrize(("cheat", "name"), CASES)
def test_a_cheat_does_not_pay(cheat: str, name: str) -> None:
    """None of those who cheat like this is scored as if they had not."""
    for events, before in zip(honest(name), as_honest(name), strict=True):
        assert before.refused == 0
        found = fate(bent(cheat, events), before)
        assert found is not None, f"{cheat} passes"
        assert (found == "equal") == (cheat in UNHARMED)


def test_the_honest_are_scored() -> None:
    """Or nothing would be shown by refusing the others. Two traits rest on one game; reactions alone carry none by this mapping."""
    found = {name: set.union(*(one.scored for one in as_honest(name))) for name in DESIGNS}
    assert found["balloon_risk"] == {"risk_tolerance"}
    assert found["memory_cards"] == {"learning"}
    assert found["all_games"] >= {"risk_tolerance", "consistency", "learning", "decision_speed"}
    assert not found["reaction_timer"] | found["choice"] | found["gonogo"]


@pytest.mark.parametrize("late_us", [0, 4_000])
@pytest.mark.parametrize("name", DESIGNS)
def test_an_automaton_is_known_by_its_latencies(name: str, late_us: int) -> None:
    """In every game; with the jitter of a browser's timer too. Who answers honestly is none."""
    dice = random.Random(name)
    for events, before in zip(honest(name), as_honest(name), strict=True):
        assert before.measures.conduct.failed == ()
        sent = bent("bot_constant", events)
        for event in sent:
            if "latency_us" in event:
                event["t_us"] += dice.randint(0, late_us)
                event["latency_us"] = event["t_us"] - event["onset_t_us"]
        assert {play.conduct().failed for play in plays_of(sent)} == {("automaton",)}


@pytest.mark.parametrize(
    ("cheat", "name"), [(cheat, name) for cheat in ("blur_storm", "clock_back") for name in DESIGNS]
)
def test_what_changes_no_metric_costs_the_quality(cheat: str, name: str) -> None:
    """Latencies are differences of one clock around each response, so a clock that is set back leaves them right; only a reaction
    whose stimulus was shown by the clock before has none (R3).
    """
    now, before = through(bent(cheat, honest(name)[0])), as_honest(name)[0]
    if (cheat, name) in {
        ("clock_back", "balloon_risk"),
        ("clock_back", "memory_cards"),
    } or cheat == "blur_storm":
        assert now.measures.metrics == before.measures.metrics
        assert "integrity" not in {noticed.severity for noticed in now.measures.findings}
    assert now.quality < CORE.mapping.minimum.quality < before.quality


@pytest.mark.parametrize("name", ["balloon_risk", "memory_cards"])
def test_a_glitch_of_the_clock_costs_little(name: str) -> None:
    """Two milliseconds back, once, wherever in a turn or a balloon: nothing is impossible, and the same traits are scored."""
    events, before = honest(name)[0], as_honest(name)[0]
    middle, noted = len(events) // 2, 0
    at_once = [
        place for place in range(middle, len(events)) if events[place]["t_us"] == events[place - 1]["t_us"]
    ]
    for place in [*range(middle, middle + 6), *at_once[:3]]:  # only what follows at once is then before it
        now = through([*events[:place], *(_moved(event, -2_000) for event in events[place:])])
        assert (now.scored, now.measures.metrics) == (before.scored, before.measures.metrics)
        assert now.quality >= before.quality - 5_000_000
        assert {(found.code, found.severity) for found in now.measures.findings} <= {("Q_CLOCK", "quality")}
        noted += len(now.measures.findings)
    assert noted > 0


def test_a_replayed_session_is_not_found_from_within() -> None:
    """Today it is scored: as a session of its own it is without fault. What gives it away is beside it in the log: the same
    commitment twice, which no two honest sessions share, for each holds 128 random bits.
    """
    events = honest("balloon_risk")[0]
    twice = bent("replayed_session", events)
    first, again = twice[: len(events)], twice[len(events) :]
    assert tuple(first) == events
    assert {event["session_id"] for event in again} == {f"{events[0]['session_id']}.replay"}
    assert again[0]["participant_ref"] != events[0]["participant_ref"]
    now, before = through(again), as_honest("balloon_risk")[0]
    assert (now.refused, now.measures.findings, now.scored) == (0, [], before.scored)
    assert now.measures.metrics == before.measures.metrics
    assert now.measures.events_digest != before.measures.events_digest
    commits = [event["seed_commit"] for event in twice if "seed_commit" in event]
    assert len(commits) == 2
    assert len(set(commits)) == 1
    others = [
        event["seed_commit"]
        for events in honest("balloon_risk")
        for event in events
        if "seed_commit" in event
    ]
    assert len(set(others)) == PEOPLE


# ------------------------------------------------------------------------------------------------------------ the bends alone


@pytest.mark.parametrize("cheat", CHEATS)
def test_everyone_can_cheat(cheat: str) -> None:
    """Who leaves early too, in a session of all games: what comes out has the form of events, and is the same each time."""
    for _, _, events in crowd(
        40, 12, balloon_risk.Design(balloons=5), SMALL, reaction_timer.Design(trials=5, kind="gonogo")
    ):
        kept = msgspec.json.encode(events)
        sent = bent(cheat, events)
        assert sent == bent(cheat, events)
        assert msgspec.json.encode(events) == kept, "the honest events are left as they were"
        assert all({"session_id", "seq", "t_us", "kind"} <= set(event) for event in sent)
        for event in sent:
            if "latency_us" in event:
                assert event["latency_us"] == event["t_us"] - event["onset_t_us"]


def test_bends_do_what_they_say() -> None:
    """Zero pumps, all bursts, one key, equal times; and the numbers of a bent session are without holes again."""
    balloons, gonogo = honest("balloon_risk")[0], honest("gonogo")[0]
    zero = [event for event in bent("all_zero_pumps", balloons) if event["kind"] == "balloon_risk.collected"]
    assert [event["pumps"] for event in zero] == [0] * 30
    most = [event["kind"] for event in bent("all_max", balloons)]
    assert most.count("balloon_risk.exploded") == 30
    assert "balloon_risk.collected" not in most
    pressed = [event for event in bent("one_key", gonogo) if event["kind"] == "reaction_timer.responded"]
    assert len(pressed) + sum(event["kind"] == "reaction_timer.false_start" for event in gonogo) == 30
    equal = {event["latency_us"] for event in bent("bot_constant", balloons) if "latency_us" in event}
    assert equal == {200_000}
    for cheat in ("all_zero_pumps", "all_max", "blur_storm"):
        sent = bent(cheat, balloons)
        assert [event["seq"] for event in sent] == list(range(len(sent)))
        assert sent[-1]["last_seq"] == len(sent) - 1
    assert sum(event["kind"] == "session.interaction" for event in bent("blur_storm", balloons)) > 60
