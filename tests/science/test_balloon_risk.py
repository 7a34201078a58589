"""Balloon risk: its invariants B1-B11, and what tears, timeouts and practice do to a balloon."""

from collections.abc import Callable
from hashlib import sha256

import msgspec
import pytest

from science.event import Event, Payload
from science.game import Tally, is_automaton
from science.games.balloon_risk.vocabulary import (
    Collected,
    Exploded,
    GameCompleted,
    Pumped,
    Shown,
    TimedOut,
)
from science.measure import Measures
from science.vocabulary import EventVoided
from tests.science.builders import (
    TYPICAL,
    Balloon,
    Step,
    codes_of,
    event,
    events_of,
    measures_of,
    session_events,
    session_steps,
)

THREE: list[Balloon] = [(3, "collected"), (2, "exploded"), (4, "collected")]


def nth(steps: list[Step], kind: type[Payload], n: int = 1) -> int:
    """Where the n-th payload of this kind stands."""
    return [place for place, (_, payload) in enumerate(steps) if isinstance(payload, kind)][n - 1]


def bent(steps: list[Step], kind: type[Payload], n: int = 1, **fields: object) -> list[Step]:
    """The steps with some fields of the n-th payload of this kind changed."""
    place = nth(steps, kind, n)
    t_us, payload = steps[place]
    return [*steps[:place], (t_us, msgspec.structs.replace(payload, **fields)), *steps[place + 1 :]]


def without(steps: list[Step], kind: type[Payload], n: int = 1) -> list[Step]:
    """The steps as a client would have sent them that never had this one."""
    place = nth(steps, kind, n)
    return [*steps[:place], *steps[place + 1 :]]


def after(steps: list[Step], kind: type[Payload], payload: Payload, n: int = 1) -> list[Step]:
    """The steps with another payload right after the n-th of this kind."""
    place = nth(steps, kind, n)
    return [*steps[: place + 1], (steps[place][0], payload), *steps[place + 1 :]]


def measured(steps: list[Step]) -> Measures:
    """What these steps amount to."""
    return measures_of(events_of(steps))


def tally_of(measures: Measures) -> Tally:
    """The fate of the balloons of the one game."""
    return measures.games[0].tally


def assert_breaks(steps: list[Step], code: str, *, scored: int) -> None:
    """The steps break this invariant, once, as an integrity finding that names its event; so many balloons still count."""
    measures = measured(steps)
    assert codes_of(measures) == {code: 1}
    noticed = measures.findings[0]
    assert noticed.severity == "integrity"
    assert noticed.seq in range(len(steps))
    assert tally_of(measures).scored == scored


def test_a_lawful_game_has_no_findings() -> None:
    """Twenty ordinary balloons break nothing."""
    measures = measured(session_steps())
    assert codes_of(measures) == {}
    assert tally_of(measures) == Tally(
        planned=20, scored=20, timed_out=0, unfinished=0, void=0, practice=0
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- B1 - B11


@pytest.mark.parametrize("i", [1, 3, 9])
def test_b1_balloons_come_in_order(i: int) -> None:
    """The balloon after the first is the second: a repeated or a skipped number is impossible, and it does not count."""
    steps = session_steps([(3, "collected"), (2, "collected")])
    bent_steps = bent(steps, Shown, 2, i=i)
    for n in (4, 5):
        bent_steps = bent(bent_steps, Pumped, n, i=i)
    assert_breaks(bent(bent_steps, Collected, 2, i=i), "B1", scored=1)


@pytest.mark.parametrize("kind", [Pumped, Collected])
def test_b1_only_the_open_balloon_is_played(kind: type[Payload]) -> None:
    """A response to another balloon than the open one voids the open one."""
    assert_breaks(bent(session_steps(THREE), kind, i=2), "B1", scored=2)


@pytest.mark.parametrize("k", [1, 3])
def test_b2_pumps_count_up_by_one(k: int) -> None:
    """The second pump is number 2."""
    assert_breaks(bent(session_steps(THREE), Pumped, 2, k=k), "B2", scored=2)


def test_b2_no_pump_beyond_the_largest() -> None:
    """Of three possible pumps the fourth is impossible."""
    balloons = [(4, "exploded"), (1, "collected")]
    assert_breaks(session_steps(balloons, max_pumps=3), "B2", scored=1)


def test_b3_a_burst_follows_a_pump() -> None:
    """A balloon that nobody pumped cannot burst."""
    assert_breaks(session_steps([(0, "exploded"), (2, "collected")]), "B3", scored=1)


@pytest.mark.parametrize("at_pump", [1, 3])
def test_b3_a_burst_is_at_the_last_pump(at_pump: int) -> None:
    """The bursting pump counts as a pump, so at_pump is the number of pumps."""
    assert_breaks(bent(session_steps(THREE), Exploded, at_pump=at_pump), "B3", scored=2)


@pytest.mark.parametrize(
    "again",
    [
        Pumped(onset_t_us=0, latency_us=0, i=1, k=4),
        Collected(onset_t_us=0, latency_us=0, i=1, pumps=3, earned_c=15, bank_c=30),
        Exploded(1, 3),
        TimedOut(1),
    ],
    ids=lambda payload: type(payload).__name__,
)
def test_b4_nothing_happens_to_a_balloon_after_its_end(again: Payload) -> None:
    """A cashed balloon takes nothing more; it was cashed lawfully, so it still counts."""
    assert_breaks(after(session_steps(THREE), Collected, again), "B4", scored=3)


@pytest.mark.parametrize(
    "fields", [{"pumps": 4}, {"earned_c": 16}, {"bank_c": 20}, {"pumps": 4, "earned_c": 20}]
)
def test_b5_the_money_is_the_pumps(fields: dict[str, int]) -> None:
    """pumps, earned_c and bank_c follow from the pumps that were made."""
    assert_breaks(bent(session_steps(THREE), Collected, **fields), "B5", scored=2)


def test_b5_a_burst_earns_nothing() -> None:
    """A bank that grew by the burst balloon is impossible."""
    assert_breaks(bent(session_steps(THREE), Collected, 2, bank_c=15 + 10 + 20), "B5", scored=2)


@pytest.mark.parametrize(("early_us", "findings"), [(50_000, {}), (50_001, {"Q_CLOCK": 1})])
def test_b6_no_response_is_possible_before_its_cause(early_us: int, findings: dict[str, int]) -> None:
    """An onset may precede the event before it by 50 ms of browser jitter; more is a clock anomaly, and no void."""
    steps = session_steps(THREE)
    place = nth(steps, Pumped, 2)
    measures = measured(bent(steps, Pumped, 2, onset_t_us=steps[place - 1][0] - early_us))
    assert codes_of(measures) == findings
    assert tally_of(measures).scored == 3
    assert {noticed.severity for noticed in measures.findings} <= {"quality"}


def test_b6_a_press_before_it_was_possible_counts_without_its_latency() -> None:
    """Real people's data hold presses up to 2 ms before their onset: the pump is made, its latency is no answer time."""
    steps = session_steps(THREE)
    place = nth(steps, Pumped, 2)
    early = measured(bent(steps, Pumped, 2, onset_t_us=steps[place][0] + 2_000, latency_us=-2_000))
    plain = measured(steps)
    assert codes_of(early) == {"Q_CLOCK": 1}
    assert early.metrics["balloon.n_pumps"] == plain.metrics["balloon.n_pumps"]
    assert early.metrics["balloon.mean_ln_latency"].n == plain.metrics["balloon.mean_ln_latency"].n - 1
    assert early.conduct.anticipations == 1


def committed(points: str, *, reveal: str | None = None, reason: str = "finished") -> list[Step]:
    """THREE with burst points committed to; what is revealed is the same unless given."""
    commit = sha256(f"salt\n{points}".encode()).hexdigest()
    completion = GameCompleted(reason, "salt", points if reveal is None else reveal)
    return session_steps(THREE, seed_commit=commit, completion=completion)


def test_b7_a_kept_commitment_is_silent() -> None:
    """Bursts at their points and cash-outs before them: the game was fair."""
    assert codes_of(measured(committed("[4,2,12]"))) == {}


@pytest.mark.parametrize(
    "points",
    [
        "[3,2,12]",  # collected at the burst point
        "[2,2,12]",  # collected beyond it
        "[4,3,12]",  # burst before it
        "[4,1,12]",  # burst after it
        "[4,2]",  # nothing for the third
        "[4,2,null]",
        "[4,2,12.0]",
        '{"1":4}',
        "4",
        "[4,2,",  # no JSON at all
        "",
    ],
)
def test_b7_what_happened_is_what_was_committed_to(points: str) -> None:
    """Any other burst point, or none, breaks the commitment; the fold never raises on it."""
    measures = measured(committed(points))
    assert codes_of(measures) == {"B7": 1}
    assert measures.findings[0].severity == "integrity"


def test_b7_the_reveal_opens_the_commitment() -> None:
    """Points that fit the play but were not committed to are refused."""
    assert codes_of(measured(committed("[4,2,11]", reveal="[4,2,12]"))) == {"B7": 1}


@pytest.mark.parametrize(
    ("reason", "findings"), [("finished", {"B7": 1}), ("aborted", {"B7": 1}), ("timeout", {"B7": 1})]
)
@pytest.mark.parametrize("hidden", ["reveal_seed", "reveal_burst_points"])
def test_b7_a_finished_game_reveals(reason: str, findings: dict[str, int], hidden: str) -> None:
    """Who played all that was planned opens the commitment, whatever reason is given for the end."""
    steps = bent(committed("[4,2,12]", reason=reason), GameCompleted, **{hidden: None})
    assert codes_of(measured(steps)) == findings


def test_b7_without_a_commitment_nothing_is_checked() -> None:
    """A reveal that nobody was promised proves nothing and breaks nothing."""
    steps = session_steps(THREE, completion=GameCompleted("finished", "salt", "[1,1,1]"))
    assert codes_of(measured(steps)) == {}


def test_b7_only_balloons_that_count_are_held_to_it() -> None:
    """A balloon taken away without an answer has no outcome to compare."""
    balloons = [(3, "timed_out"), (2, "collected")]
    commit = sha256(b"salt\n[1,3]").hexdigest()
    completion = GameCompleted("finished", "salt", "[1,3]")
    measures = measured(session_steps(balloons, seed_commit=commit, completion=completion))
    assert codes_of(measures) == {}


def test_b8_the_last_pump_bursts() -> None:
    """Bursts uniform on 1..P leave no balloon at P pumps to cash in; under another law that may be."""
    balloons: list[Balloon] = [(3, "collected"), (2, "collected")]
    assert_breaks(session_steps(balloons, max_pumps=3), "B8", scored=1)
    assert codes_of(measured(session_steps(balloons, max_pumps=3, burst_law="geometric"))) == {}


def test_b9_no_more_balloons_than_planned() -> None:
    """Three balloons of two planned."""
    assert_breaks(session_steps(THREE, planned=2), "B9", scored=3)


def test_b9_practice_is_beside_the_plan() -> None:
    """Practice balloons are none of the planned ones."""
    assert codes_of(measured(session_steps(THREE, planned=2, practice=1))) == {}


def test_b10_practice_never_counts() -> None:
    """A practice balloon is in no metric, and the balloon after it follows neither a win nor a loss."""
    even = (500_000,)
    practised = session_steps([(9, "collected"), *TYPICAL], planned=20, practice=1, latencies_us=even)
    measures = measured(practised)
    assert tally_of(measures).practice == 1
    assert measures.metrics == measured(session_steps(latencies_us=even)).metrics


def test_b11_cashing_at_once_is_legal() -> None:
    """Zero pumps are an answer: it counts, and is noted."""
    measures = measured(session_steps([(0, "collected"), *THREE]))
    assert codes_of(measures) == {"Q_NO_PUMP": 1}
    assert measures.findings[0].severity == "note"
    assert tally_of(measures).scored == 4


def test_a_balloon_of_another_size_is_not_of_this_configuration() -> None:
    """max_pumps is the configuration's, or norms would be compared across it (S3)."""
    assert_breaks(bent(session_steps(THREE), Shown, 2, max_pumps=64), "S3", scored=2)


def test_several_flaws_are_all_noted_and_never_raise() -> None:
    """A flaw voids its balloon; what follows until the next one is shown is neither judged nor counted."""
    steps = bent(bent(session_steps(THREE), Pumped, 2, k=7), Exploded, at_pump=9)
    measures = measured(steps)
    assert codes_of(measures) == {"B2": 1, "B3": 1}
    assert (tally_of(measures).scored, tally_of(measures).void) == (1, 2)


# ------------------------------------------------------------------------------------------ balloons that do not count


def test_a_timed_out_balloon_is_missed() -> None:
    """It is not scored, counts as missed in the quality, and the next balloon follows neither loss nor win."""
    balloons: list[Balloon] = [(3, "collected"), (2, "timed_out"), (0, "timed_out"), (4, "collected")]
    measures = measured(session_steps(balloons))
    assert codes_of(measures) == {}
    assert tally_of(measures) == Tally(
        planned=4, scored=2, timed_out=2, unfinished=0, void=0, practice=0
    )  # fmt: skip
    assert (measures.conduct.units, measures.conduct.units_missed) == (4, 2)
    assert measures.metrics["balloon.post_win_escalation"].n == 0


def test_a_practice_balloon_that_times_out_is_not_missed() -> None:
    """Practice is beside everything."""
    measures = measured(session_steps([(2, "timed_out"), *THREE], planned=3, practice=1))
    assert tally_of(measures).timed_out == 0
    assert (measures.conduct.units, measures.conduct.units_missed) == (3, 0)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_unfinished_balloon_is_dropped_and_noted(place: int) -> None:
    """The real study has one that the scanner cut off: dropped, noted, no integrity finding."""
    balloons = [(pumps, "unfinished" if i == place else end) for i, (pumps, end) in enumerate(THREE)]
    measures = measured(session_steps(balloons))
    assert codes_of(measures) == {"unfinished": 1}
    assert measures.findings[0].severity == "note"
    assert tally_of(measures) == Tally(
        planned=3, scored=2, timed_out=0, unfinished=1, void=0, practice=0
    )  # fmt: skip


def test_a_game_may_simply_stop() -> None:
    """Without game_completed the balloons played count as they are."""
    measures = measured(session_steps(THREE, completion=None))
    assert codes_of(measures) == {}
    assert tally_of(measures).scored == 3


# --------------------------------------------------------------------------------------------------------------- tears


def with_gap(events: list[Event], seq: int) -> list[Event]:
    """The event never arrived."""
    return [one for one in events if one.seq != seq]


def with_conflict(events: list[Event], seq: int) -> list[Event]:
    """Another event claims the same place, before the session is whole."""
    other = event(seq, events[seq].t_us, TimedOut(999))
    return [other, *events]


def with_void(events: list[Event], seq: int) -> list[Event]:
    """The client took the event back, in the last event but one."""
    steps = [(one.t_us or 0, one.payload) for one in events]
    return events_of([*steps[:-1], (steps[-1][0], EventVoided(seq, "mistake")), steps[-1]])


TEARS: list[tuple[Callable[[list[Event], int], list[Event]], str]] = [
    (with_gap, "sequence_gap"),
    (with_conflict, "identity_conflict"),
    (with_void, "event_voided"),
]


@pytest.mark.parametrize(("tear", "code"), TEARS, ids=[code for _, code in TEARS])
def test_a_torn_event_takes_its_balloon_with_it_and_no_other(
    tear: Callable[[list[Event], int], list[Event]], code: str
) -> None:
    """Whichever event of a balloon is missing, conflicting or voided: that balloon is out, all the others count as before."""
    events = session_events(
        [(3, "collected"), (2, "exploded"), (1, "timed_out"), (4, "collected"), (0, "collected")]
    )
    whole = {1: "c", 2: "e", 4: "c", 5: "c"}
    touched = set()
    for one in events:
        i = getattr(one.payload, "i", None)
        if i is None:
            continue
        touched.add(i)
        assert one.seq is not None
        measures = measures_of(tear(events, one.seq))
        assert codes_of(measures).keys() - {"Q_NO_PUMP"} == {code}, (one, measures.findings)
        left = {number: end for number, end in whole.items() if number != i}
        assert measures.metrics["balloon.n"].n == len(left), one
        fate = tally_of(measures)
        assert (fate.void, fate.unfinished) == (int(not isinstance(one.payload, Shown)), 0), one
        assert measures.metrics["balloon.n_exploded"].value == 1_000_000 * len(
            [e for e in left.values() if e == "e"]
        )
    assert touched == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("tear", "code"), TEARS, ids=[code for _, code in TEARS])
def test_a_torn_end_of_the_game_costs_nothing(
    tear: Callable[[list[Event], int], list[Event]], code: str
) -> None:
    """Between balloons there is nothing to void."""
    events = session_events(THREE)
    place = next(one.seq for one in events if isinstance(one.payload, GameCompleted))
    assert place is not None
    measures = measures_of(tear(events, place))
    assert codes_of(measures) == {code: 1}
    assert tally_of(measures).scored == 3


def test_the_bank_is_unknown_after_a_tear_and_known_again_after_a_collect() -> None:
    """A balloon that is out takes its money with it: the next bank is believed, the one after that is checked."""
    steps = session_steps([(3, "collected"), (2, "collected"), (4, "collected")])
    torn = events_of(bent(steps, Collected, 3, bank_c=99))
    assert codes_of(measures_of(with_gap(torn, nth(steps, Collected, 1)))) == {"sequence_gap": 1, "B5": 1}
    believed = events_of(bent(bent(steps, Collected, 2, bank_c=70), Collected, 3, bank_c=90))
    assert codes_of(measures_of(with_gap(believed, nth(steps, Collected, 1)))) == {"sequence_gap": 1}


def test_a_gap_may_swallow_whole_balloons() -> None:
    """Ten missing events: the balloons in them are out, and their numbers are not missed in the next one."""
    events = session_events(TYPICAL)
    first = next(one.seq for one in events if isinstance(one.payload, Shown) and one.payload.i == 3)
    last = next(one.seq for one in events if isinstance(one.payload, Exploded) and one.payload.i == 6)
    assert first is not None
    assert last is not None
    measures = measures_of([one for one in events if not first <= (one.seq or 0) <= last])
    assert codes_of(measures) == {"sequence_gap": last - first + 1}
    assert tally_of(measures).scored == 16


# ------------------------------------------------------------------------------------------------------------- conduct


def test_conduct_counts_what_the_quality_asks_for() -> None:
    """Responses with cash-outs, those under 100 ms, balloons with one over 3 s, and missed ones."""
    balloons: list[Balloon] = [(2, "collected"), (2, "exploded"), (1, "timed_out")]
    waits = (99_999, 100_000, 3_000_001, 3_000_000, 500_000, 50_000)
    conduct = measured(session_steps(balloons, latencies_us=waits)).conduct
    assert (conduct.responses, conduct.anticipations) == (5, 1)
    assert (conduct.units, conduct.units_missed, conduct.units_slow) == (3, 1, 1)


@pytest.mark.parametrize(
    ("odd", "patterned"),
    [(0, True), (1, False)],
    ids=["all alike", "nineteen of twenty are not more than 95 %"],
)
def test_one_answer_throughout_is_a_pattern(odd: int, patterned: bool) -> None:
    """More than 95 % identical pump counts."""
    balloons = [(4, "collected")] * (20 - odd) + [(5, "collected")] * odd
    assert measured(session_steps(balloons)).conduct.patterned is patterned


def test_one_balloon_is_no_pattern() -> None:
    """A single balloon repeats nothing."""
    assert measured(session_steps([(4, "collected")])).conduct.patterned is False


def test_never_pumping_is_inert() -> None:
    """All balloons cashed at 0 pumps; one pump anywhere is something done, and nothing played is not inert."""
    assert measured(session_steps([(0, "collected")] * 12)).conduct.failed == ("inert",)
    assert measured(session_steps([*[(0, "collected")] * 12, (1, "exploded")])).conduct.failed == ()
    assert measured(session_steps([(0, "timed_out")] * 12)).conduct.failed == ()


@pytest.mark.parametrize(
    ("latencies_us", "is_one"),
    [
        ([200_000] * 9, False),
        ([200_000] * 10, True),
        ([196_000, 204_000] * 10, True),  # the median lies half way
        ([195_999, 204_000] * 10, False),
        ([195_999, *[199_999] * 4, *[200_000] * 5], False),  # below a median of 199,999.5 alone
        ([*[199_999] * 5, *[200_000] * 4, 204_000], False),  # above it alone
        ([200_000] * 97 + [900_000] * 3, False),
        ([200_000] * 98 + [900_000] * 2, True),
        ([200_000] * 32 + [900_000], False),
        ([200_000] * 33 + [900_000], True),
        ([50_000, 90_000, 400_000] * 20, False),  # impatient, but no clock
    ],
)
def test_who_answers_like_a_clock_is_an_automaton(latencies_us: list[int], is_one: bool) -> None:
    """More than 97 % within 4 ms of the median, in any order, from ten on; of all games alike (``science/game.py``)."""
    assert is_automaton(latencies_us) is is_one
    assert is_automaton(latencies_us[::-1]) is is_one
    balloons: list[Balloon] = [(len(latencies_us) - 1, "collected")]
    steps = session_steps(balloons, max_pumps=200, latencies_us=latencies_us)
    assert measured(steps).conduct.failed == (("automaton",) if is_one else ())
