"""Digit span: what is measured, and what an impossible or missing event does to it."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from science.canonical import canonical
from science.event import Payload
from science.games import digit_span
from tests.science.builders import KIND_OF, ended, events_of, measures_of, started

List = tuple[str, str]  # shown, recalled
TYPICAL: list[List] = [("417", "417"), ("5829", "5829"), ("60413", "60431"), ("92746", "92746")] * 3
LATENCY_US = 2_400_000


def game_steps(lists: Sequence[List] = TYPICAL, begin_us: int = 0) -> list[tuple[int, Payload]]:
    """One game of these lists, each a second a digit."""
    t_us, steps = begin_us, []
    steps.append((t_us, digit_span.GameStarted(canonical({"lists": len(lists)}).decode())))
    for i, (shown, recalled) in enumerate(lists, 1):
        onset_us = t_us + 1_000_000 * len(shown)
        t_us = onset_us + LATENCY_US
        steps.append((onset_us, digit_span.Shown(i, shown)))
        recall = {"latency_us": LATENCY_US, "i": i, "digits": recalled}
        steps.append((t_us, digit_span.Recalled(onset_t_us=onset_us, **recall)))
    return [*steps, (t_us, digit_span.GameCompleted("finished"))]


def session_steps(lists: Sequence[List] = TYPICAL) -> list[tuple[int, Payload]]:
    """A session of one game of these lists."""
    protocol = canonical({"games": [{"config": {"lists": len(lists)}, "game": "digit_span"}]}).decode()
    return ended([(0, started(protocol)), *game_steps(lists)])


def json_events(session_id: str, lists: Sequence[List] = TYPICAL) -> list[dict[str, Any]]:
    """The session as a client sends it."""
    return [
        {"kind": KIND_OF[type(one.payload)], "session_id": session_id, "seq": one.seq, "t_us": one.t_us}
        | {name: value for name, value in msgspec.structs.asdict(one.payload).items() if value is not None}
        for one in events_of(session_steps(lists), session_id)
    ]


def test_lists_are_measured() -> None:
    """Nine of twelve lists are right, the longest of them has five digits."""
    measures = measures_of(events_of(session_steps()))
    assert measures.findings == []
    metrics = {name: (metric.value, metric.n) for name, metric in measures.metrics.items()}
    assert metrics == {
        "digit_span.n": (12_000_000, 12),
        "digit_span.span": (5_000_000, 12),
        "digit_span.right_rate": (750_000, 12),
        "digit_span.mean_ln_latency": (7_783_224, 12),  # ln 2400
    }
    assert measures.metrics["digit_span.right_rate"].se == pytest.approx(130_558, abs=2)  # sqrt(.75 .25 / 11)
    assert (measures.games[0].tally.scored, measures.games[0].tally.planned) == (12, 12)


def test_without_a_list_there_is_no_number() -> None:
    """Absence is not zero."""
    steps = session_steps()
    metrics = measures_of(events_of([*steps[:2], *steps[-2:]])).metrics
    assert {name for name, metric in metrics.items() if metric.value is None} == metrics.keys() - {
        "digit_span.n"
    }


def test_a_missing_event_voids_its_list() -> None:
    """It may have been anything; the lists around it count."""
    events = events_of(session_steps())
    del events[5]  # the recall of list 2
    measures = measures_of(events)
    assert (measures.games[0].tally.scored, measures.games[0].tally.void) == (11, 1)
    assert [finding.code for finding in measures.findings] == ["sequence_gap"]


@pytest.mark.parametrize("swap", [(2, 4), (3, 5)])
def test_an_impossible_sequence_is_found(swap: tuple[int, int]) -> None:
    """Lists out of order, and a recall of a list that was not shown."""
    steps = session_steps()
    one, other = swap
    steps[one], steps[other] = (steps[one][0], steps[other][1]), (steps[other][0], steps[one][1])
    assert "D1" in {finding.code for finding in measures_of(events_of(steps)).findings}


@pytest.mark.parametrize("config", [{}, {"lists": 0}, {"lists": 5, "more": 1}])
def test_a_configuration_that_is_none_is_refused(config: dict[str, object]) -> None:
    """No list, or what nobody knows."""
    with pytest.raises(msgspec.ValidationError):
        digit_span.begin(config, digit_span.GameStarted("{}"))
