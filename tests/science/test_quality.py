"""The quality score: each sign costs its weight by its rate, no more, and nobody goes below 0."""

import msgspec
import pytest

from science.game import Conduct
from science.measure import Measures, Noticed
from science.quality import Penalty, Quality, QualityRule, quality
from science.walk import Attention
from tests.science.builders import measures_of, pilot, session_events

RULE = pilot().mapping.quality
POINT = 1_000_000


def judged(
    *,
    conduct: Conduct | None = None,
    attention: Attention | None = None,
    clock: int = 0,
    duration_us: int = 100 * POINT,
) -> Quality:
    """The quality of a session of 100 events with this conduct and attention."""
    findings = [Noticed("Q_CLOCK", "quality", clock, 0)] if clock else []
    measures: Measures = msgspec.structs.replace(
        measures_of(session_events()),
        conduct=conduct or Conduct(responses=100, units=100),
        attention=attention or Attention(100, 0, 0, 0, 0),
        findings=findings,
        duration_us=duration_us,
    )
    return quality(measures, RULE)


def test_a_careful_session_has_all_hundred() -> None:
    """Nothing is lost by nothing."""
    found = judged()
    assert found.score == 100 * POINT
    assert set(found.lost.values()) == {0}
    assert found.failed is None


@pytest.mark.parametrize(
    ("sign", "field", "count", "points"),
    [
        ("missing", "units_missed", 5, 6),  # .30 of 5 % / 25 %
        ("missing", "units_missed", 25, 30),
        ("missing", "units_missed", 100, 30),
        ("anticipations", "anticipations", 4, 5),  # .25 of 4 % / 20 %
        ("anticipations", "anticipations", 20, 25),
        ("anticipations", "anticipations", 60, 25),
        ("slow", "units_slow", 1, 2),  # .10 of 1 % / 5 %
        ("slow", "units_slow", 5, 10),
        ("slow", "units_slow", 50, 10),
    ],
)
def test_a_rate_costs_its_share_of_the_weight(sign: str, field: str, count: int, points: int) -> None:
    """w times rate over full rate, at most w."""
    found = judged(conduct=Conduct(responses=100, units=100, **{field: count}))
    assert found.lost[sign] == points * POINT
    assert found.score == (100 - points) * POINT


@pytest.mark.parametrize(("blurs", "points"), [(1, 5), (2, 10), (3, 15), (9, 15)])
def test_shifts_of_focus_cost_a_third_each(blurs: int, points: int) -> None:
    """.15 of shifts / 3."""
    assert judged(attention=Attention(100, blurs, 0, 0, 0)).lost["focus"] == points * POINT


def test_of_shifts_and_blurred_time_the_larger_counts() -> None:
    """One shift that lasted 8 % of the session costs 12, not 17 and not 5."""
    assert judged(attention=Attention(100, 1, 8 * POINT, 0, 0)).lost["focus"] == 12 * POINT
    assert judged(attention=Attention(100, 1, 1 * POINT, 0, 0)).lost["focus"] == 5 * POINT


@pytest.mark.parametrize(("count", "points"), [(1, 5), (2, 10), (7, 10)])
def test_clock_anomalies_are_a_rate_of_the_events(count: int, points: int) -> None:
    """.10 of the rate over 2 %."""
    assert judged(clock=count).lost["clock"] == points * POINT


def test_a_pattern_costs_its_whole_weight() -> None:
    """0 or 1 (rulings H)."""
    assert judged(conduct=Conduct(responses=100, units=100, patterned=True)).lost["pattern"] == 10 * POINT


def test_doing_nothing_is_a_hard_fail() -> None:
    """Score 0 whatever else, with the reason named."""
    found = judged(conduct=Conduct(responses=100, units=100, failed=("automaton", "inert")))
    assert (found.score, found.failed) == (0, "inert")


def test_a_mapping_fails_nobody_by_a_sign_that_it_does_not_know() -> None:
    """A sign that is found later changes no profile by an earlier mapping."""
    found = judged(conduct=Conduct(responses=100, units=100, failed=("automaton",)))
    assert (found.score, found.failed) == (100 * POINT, None)
    measures = msgspec.structs.replace(
        measures_of(session_events()), conduct=Conduct(responses=100, units=100, failed=("automaton",))
    )
    later = msgspec.structs.replace(RULE, fails=("inert", "automaton"))
    assert quality(measures, later).failed == "automaton"


def test_all_signs_together_leave_nothing_and_not_less() -> None:
    """The weights sum to 1."""
    worst = Conduct(
        responses=100, anticipations=100, units=100, units_missed=100, units_slow=100, patterned=True
    )
    found = judged(conduct=worst, attention=Attention(100, 9, 0, 0, 0), clock=100)
    assert found.score == 0
    assert sum(found.lost.values()) == 100 * POINT


def test_weights_beyond_one_never_go_below_zero() -> None:
    """Another mapping may weigh as it likes."""
    heavy = QualityRule(*(Penalty(POINT, POINT) for _ in range(7)))
    measures = msgspec.structs.replace(
        measures_of(session_events()), conduct=Conduct(responses=1, anticipations=1, units=1, units_missed=1)
    )
    assert quality(measures, heavy).score == 0


def test_nothing_played_loses_nothing() -> None:
    """A share with nothing under it counts as 0."""
    found = judged(conduct=Conduct(), attention=Attention(0, 0, 5, 0, 0), duration_us=0)
    assert set(found.lost.values()) == {0}


def test_a_loss_is_rounded_down_to_a_micro_unit() -> None:
    """One of three units missed: 30 at the full rate; 1 of 7 responses: .25 of 1/7 over .2 is 17.857142."""
    found = judged(conduct=Conduct(responses=7, anticipations=1, units=3, units_missed=1))
    assert found.lost["missing"] == 30 * POINT
    assert found.lost["anticipations"] == 17_857_142
