"""Reaction timer: its invariants R1-R11, and what tears, missed trials and practice do to a trial."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import cycle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.event import Event, Payload
from science.game import Tally
from science.games.reaction_timer import GAME, begin, planned
from science.games.reaction_timer.play import Config
from science.games.reaction_timer.vocabulary import (
    FalseStart,
    GameCompleted,
    GameStarted,
    Missed,
    Responded,
    StimulusShown,
    TrialStarted,
)
from science.vocabulary import EventVoided
from tests.science.builders import Step, codes_of, measures_of
from tests.science.reaction_builders import (
    KEYS,
    TIMEOUT_US,
    TYPICAL,
    Trial,
    after,
    bent,
    config_of,
    event,
    events_of,
    measured,
    nth,
    session_steps,
    simple,
    tally_of,
    without,
)

THREE: list[Trial] = simple([300_100, 402_003, 350_007])
CHOICE: list[Trial] = [("left", ("f", 400_001)), ("right", ("f", 380_003)), ("right", ("j", 420_007))]
GONOGO: list[Trial] = [("go", ("space", 400_001)), ("stop", "missed"), ("stop", ("space", 390_005))]


def outcomes(steps: list[Step]) -> list[str]:
    """How each scored trial came out, in order."""
    sample = measured(steps).samples["reaction_timer"]
    return [trial.outcome for block in sample for trial in block.trials]


def assert_breaks(steps: list[Step], code: str, *, scored: int) -> None:
    """The steps break this invariant, once, as an integrity finding that names its event; so many trials still count."""
    measures = measured(steps)
    assert codes_of(measures) == {code: 1}
    noticed = measures.findings[0]
    assert noticed.severity == "integrity"
    assert noticed.seq in range(len(steps))
    assert tally_of(measures).scored == scored


@pytest.mark.parametrize(
    ("kind", "trials"), [("simple", TYPICAL), ("choice", CHOICE * 4), ("gonogo", GONOGO * 4)]
)
def test_a_lawful_game_has_no_findings(kind: str, trials: list[Trial]) -> None:
    """Ordinary trials of every kind break nothing, and all of them are scored."""
    measures = measured(session_steps(trials, kind=kind))
    assert codes_of(measures) == {}
    assert tally_of(measures) == Tally(
        planned=len(trials), scored=len(trials), timed_out=0, unfinished=0, void=0, practice=0
    )


# ------------------------------------------------------------------------------------------------------- configurations


def config(**fields: object) -> dict[str, object]:
    """A lawful configuration of a simple game, with some fields changed."""
    lawful: dict[str, object] = msgspec.json.decode(config_of(30))
    return lawful | fields


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("simple", {"dot": "space"}),
        ("choice", {"left": "f", "right": "j"}),
        ("choice", {"a": "f", "b": "f", "c": "j"}),
        ("gonogo", {"go": "space", "stop": None}),
        ("gonogo", {"a": "f", "b": "j", "stop": None, "wait": None}),
    ],
)
def test_a_configuration_of_its_kind_begins_a_play(kind: str, keys: Mapping[str, str | None]) -> None:
    """Simple: one stimulus; choice: two keys or more; go/no-go: at least one of each."""
    lawful = config(kind=kind, keys=keys)
    assert planned(lawful) == 30
    play = begin(lawful, GameStarted("", None))
    assert play.match() == {"kind": kind, "trials": 30}


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("simple", {}),
        ("simple", {"dot": None}),
        ("simple", {"dot": "space", "ring": "space"}),
        ("choice", {"left": "f"}),
        ("choice", {"left": "f", "right": "f"}),
        ("choice", {"left": "f", "right": "j", "none": None}),
        ("gonogo", {"go": "space"}),
        ("gonogo", {"stop": None}),
        ("gonogo", {}),
        ("simple", {"dot": ""}),
        ("simple", {"": "space"}),
        ("simple", {"dot": "s" * 257}),
        ("triple", {"dot": "space"}),
    ],
)
def test_a_configuration_of_another_kind_is_refused(kind: str, keys: Mapping[str, str | None]) -> None:
    """A map of keys in which nothing is to be decided, or something that the kind does not know, is none of it."""
    with pytest.raises(msgspec.ValidationError):
        planned(config(kind=kind, keys=keys))


@pytest.mark.parametrize(
    "fields",
    [
        {"foreperiod_min_us": 4_000_001},
        {"foreperiod_min_us": -1},
        {"foreperiod_max_us": 600_000_001},
        {"timeout_us": 0},
        {"timeout_us": 600_000_001},
        {"trials": 0},
        {"trials": 10_001},
        {"trials": "30"},
        {"colour": "red"},
    ],
)
def test_a_configuration_out_of_its_bounds_is_refused(fields: dict[str, object]) -> None:
    """Everything has a limit, and an unknown field is a misunderstanding."""
    with pytest.raises(msgspec.ValidationError):
        planned(config(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"foreperiod_min_us": 0, "foreperiod_max_us": 0},
        {"foreperiod_max_us": 600_000_000},
        {"timeout_us": 1},
        {"timeout_us": 600_000_000},
        {"keys": {"d": "s" * 256}},
        {"trials": 1},
        {"trials": 10_000},
    ],
)
def test_a_configuration_at_its_bounds_is_lawful(fields: dict[str, object]) -> None:
    """The shortest foreperiod may be the longest."""
    assert planned(config(**fields)) == fields.get("trials", 30)


# ------------------------------------------------------------------------------------------------------------- R1 - R11

ENDS: list[Payload] = [
    Responded(onset_t_us=0, latency_us=0, i=1, key="space"),
    Missed(1, TIMEOUT_US),
    FalseStart(1),
    StimulusShown(1, "dot", 0),
]


def named(payload: Payload) -> str:
    return type(payload).__name__


@pytest.mark.parametrize("again", ENDS, ids=named)
@pytest.mark.parametrize("answer", [300_001, "missed", "false_start"])
def test_r1_a_trial_ends_once(answer: int | str, again: Payload) -> None:
    """After its end a trial takes nothing more; it ended lawfully, so it still counts."""
    kind = {300_001: Responded, "missed": Missed, "false_start": FalseStart}[answer]
    assert_breaks(after(session_steps(simple([answer, 350_001])), kind, again), "R1", scored=2)


@pytest.mark.parametrize("early", [ENDS[0], ENDS[1]], ids=named)
def test_r1_nothing_is_answered_before_it_is_shown(early: Payload) -> None:
    """A response, or a timeout, to a stimulus that was not there yet voids the trial; what follows is not judged."""
    assert_breaks(after(session_steps(THREE), TrialStarted, early), "R1", scored=2)


def test_r1_a_stimulus_is_shown_once() -> None:
    """A second stimulus in a trial: which of the two was answered?"""
    assert_breaks(after(session_steps(THREE), StimulusShown, ENDS[3]), "R1", scored=2)


def test_r1_nothing_happens_before_the_first_trial() -> None:
    """No trial is open then."""
    assert_breaks(after(session_steps(THREE), GameStarted, FalseStart(1)), "R1", scored=3)


def test_r2_a_start_is_false_only_before_the_stimulus() -> None:
    """After it the press would have been a response."""
    assert_breaks(after(session_steps(THREE), StimulusShown, FalseStart(1)), "R2", scored=2)


@pytest.mark.parametrize("off_us", [-1, 1])
def test_r3_a_reaction_runs_from_the_onset_of_its_stimulus(off_us: int) -> None:
    """Exactly: both readings are of one clock, and one number."""
    steps = session_steps(THREE)
    onset_us = steps[nth(steps, StimulusShown)][1].stim_onset_t_us  # type: ignore[attr-defined]
    assert_breaks(bent(steps, Responded, onset_t_us=onset_us + off_us), "R3", scored=2)


def test_r3_no_reaction_is_slower_than_the_timeout() -> None:
    """At the timeout it counts, 1 us later it is impossible."""
    assert codes_of(measured(session_steps(simple([300_100, TIMEOUT_US])))) == {}
    assert_breaks(session_steps(simple([300_100, TIMEOUT_US + 1])), "R3", scored=1)


@pytest.mark.parametrize("early_us", [1, 2_000])
def test_r3_a_press_just_before_the_onset_is_a_false_start(early_us: int) -> None:
    """Real people's data hold them: noted as a matter of the clock, counted as before the stimulus, and in no time metric."""
    steps = session_steps(simple([300_100, -early_us, 402_003]))
    measures = measured(steps)
    assert codes_of(measures) == {"Q_CLOCK": 1}
    assert measures.findings[0].severity == "quality"
    assert outcomes(steps) == ["right", "false_start", "right"]
    assert measures.metrics["rt.n_anticipations"].value == 0
    assert measures.metrics["rt.n_false_start"].value == 1_000_000
    assert measures.conduct.anticipations == 1


@pytest.mark.parametrize(
    ("off_us", "findings"),
    [(50_000, {}), (-50_000, {}), (50_001, {"Q_CLOCK": 1}), (-50_001, {"Q_CLOCK": 1})],
)
def test_r4_the_stimulus_comes_at_the_end_of_its_foreperiod(off_us: int, findings: dict[str, int]) -> None:
    """Within 50 ms of it; more is a clock anomaly, and the reaction still runs from where the stimulus was."""
    steps = session_steps(THREE)
    onset_us = steps[nth(steps, StimulusShown, 2)][1].stim_onset_t_us + off_us  # type: ignore[attr-defined]
    steps = bent(bent(steps, StimulusShown, 2, stim_onset_t_us=onset_us), Responded, 2, onset_t_us=onset_us)
    measures = measured(steps)
    assert codes_of(measures) == findings
    assert {noticed.severity for noticed in measures.findings} <= {"quality"}
    assert tally_of(measures).scored == 3


@pytest.mark.parametrize(
    ("foreperiod_us", "lawful"), [(999_999, False), (1_000_000, True), (4_000_001, False)]
)
def test_r4_a_foreperiod_is_of_the_configuration(foreperiod_us: int, lawful: bool) -> None:
    """Between the shortest and the longest, or it is another game than the one that norms are for (S3)."""
    steps = session_steps(THREE, foreperiods_us=(1_000_000, foreperiod_us, 4_000_000))
    if lawful:
        assert codes_of(measured(steps)) == {}
    else:
        assert_breaks(steps, "S3", scored=2)


def test_a_trial_is_of_the_kind_of_its_game() -> None:
    """A choice trial in a simple game is another game (S3)."""
    assert_breaks(bent(session_steps(THREE), TrialStarted, 2, trial_kind="choice"), "S3", scored=2)


def test_a_stimulus_is_of_the_configuration() -> None:
    """Without its key nobody can say what was right (S3)."""
    assert_breaks(bent(session_steps(THREE), StimulusShown, 2, stim="ring"), "S3", scored=2)


def test_a_trial_is_missed_after_the_timeout_of_the_configuration() -> None:
    """Whoever had less time was not playing this game (S3)."""
    trials = simple([300_100, "missed", 350_007])
    assert_breaks(bent(session_steps(trials), Missed, timeout_us=TIMEOUT_US - 1), "S3", scored=2)


@pytest.mark.parametrize("i", [1, 3, 9])
def test_r5_trials_come_in_order(i: int) -> None:
    """The trial after the first is the second: a repeated or a skipped number is impossible, and it does not count."""
    steps = session_steps(simple([300_100, 402_003]))
    for kind in (TrialStarted, StimulusShown, Responded):
        steps = bent(steps, kind, 2, i=i)
    assert_breaks(steps, "R5", scored=1)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (StimulusShown, 300_100),
        (Responded, 300_100),
        (Missed, "missed"),
        (FalseStart, "false_start"),
    ],
)
def test_r5_only_the_open_trial_is_played(kind: type[Payload], answer: int | str) -> None:
    """An event of another trial than the open one voids the open one."""
    assert_breaks(bent(session_steps(simple([answer, 402_003])), kind, i=2), "R5", scored=1)


def test_r6_what_is_right_is_found_from_the_key() -> None:
    """Whatever a client may think: the configuration says which key a stimulus asks for."""
    assert outcomes(session_steps(CHOICE, kind="choice")) == ["right", "wrong", "right"]
    swapped = {"left": "j", "right": "f"}
    assert outcomes(session_steps(CHOICE, kind="choice", keys=swapped)) == ["wrong", "right", "wrong"]
    assert outcomes(session_steps([("dot", ("enter", 300_100))])) == ["wrong"]


def test_r7_not_to_press_is_right_where_nothing_was_asked_for() -> None:
    """A no-go stimulus that was let pass is a correct rejection; a go stimulus is missed."""
    trials: list[Trial] = [*GONOGO, ("go", "missed")]
    assert outcomes(session_steps(trials, kind="gonogo")) == ["right", "rejected", "commission", "missed"]


@pytest.mark.parametrize(
    ("rt_us", "outcome"), [(0, "anticipation"), (99_999, "anticipation"), (100_000, "right")]
)
def test_faster_than_100_ms_is_anticipated(rt_us: int, outcome: str) -> None:
    """Nobody sees and presses within 100 ms (Basner & Dinges 2011): legal, and no valid reaction."""
    assert outcomes(session_steps(simple([rt_us]))) == [outcome]
    asked = {"right": "right", "anticipation": "anticipation"}[outcome]
    assert outcomes(session_steps([("left", ("f", rt_us))], kind="choice")) == [asked]


@pytest.mark.parametrize(("stim", "key"), [("go", "space"), ("go", "enter"), ("stop", "space")])
def test_an_anticipation_is_neither_right_nor_wrong(stim: str, key: str) -> None:
    """A press that cannot have seen the stimulus says nothing of what the stimulus asked for."""
    assert outcomes(session_steps([(stim, (key, 99_999))], kind="gonogo")) == ["anticipation"]


def test_r8_practice_never_counts() -> None:
    """A practice trial is in no metric, in no conduct, and beside the plan; only the numbers run on."""
    practised = measured(session_steps([*simple(["false_start", "missed"]), *THREE], planned=3, practice=2))
    assert codes_of(practised) == {}
    assert tally_of(practised) == Tally(
        planned=3, scored=3, timed_out=0, unfinished=0, void=0, practice=2
    )  # fmt: skip
    plain = measured(session_steps(THREE))
    assert practised.metrics == plain.metrics
    assert practised.conduct == plain.conduct


@pytest.mark.parametrize(
    ("step_us", "n", "findings"),
    [
        (4_000, 10, {"Q_COARSE_CLOCK": 1}),
        (16_000, 10, {"Q_COARSE_CLOCK": 1}),
        (3_999, 10, {}),
        (16_000, 9, {}),
    ],
)
def test_r9_a_coarse_clock_is_noted(step_us: int, n: int, findings: dict[str, int]) -> None:
    """Ten reaction times that are all multiples of 4 ms or more come from a clock that cannot tell less."""
    measures = measured(session_steps(simple([step_us * (80 + k) for k in range(n)])))
    assert codes_of(measures) == findings
    assert {noticed.severity for noticed in measures.findings} <= {"note"}


def test_r9_one_fine_time_shows_a_fine_clock() -> None:
    """Also that of a wrong response; not that of practice, which does not count."""
    coarse: list[Trial] = [("left", ("f", 8_000 * (40 + k))) for k in range(10)]
    fine: Trial = ("left", ("j", 400_001))
    assert codes_of(measured(session_steps([*coarse, fine], kind="choice"))) == {}
    practised = session_steps([fine, *coarse], kind="choice", practice=1, planned=10)
    assert codes_of(measured(practised)) == {"Q_COARSE_CLOCK": 1}


def committed(foreperiods: str, *, reveal: str | None = None, reason: str = "finished") -> list[Step]:
    """THREE with foreperiods committed to; what is revealed is the same unless given."""
    commit = sha256(f"salt\n{foreperiods}".encode()).hexdigest()
    completion = GameCompleted(reason, "salt", foreperiods if reveal is None else reveal)
    return session_steps(THREE, seed_commit=commit, completion=completion)


KEPT = "[1000000,2500000,1750000]"


def test_r10_a_kept_commitment_is_silent() -> None:
    """The foreperiods were fixed before the first trial, and so they were."""
    assert codes_of(measured(committed(KEPT))) == {}
    assert codes_of(measured(committed("[1000000,2500000,1750000,1]"))) == {}


@pytest.mark.parametrize(
    "foreperiods",
    [
        "[1000000,2500000,1750001]",
        "[1000000,2500000]",
        "[1000000,2500000,null]",
        "[1000000,2500000,1750000.0]",
        '{"1":1000000}',
        "4",
        "[1000000,",
        "",
    ],
)
def test_r10_what_happened_is_what_was_committed_to(foreperiods: str) -> None:
    """Any other foreperiod, or none, breaks the commitment; the fold never raises on it."""
    measures = measured(committed(foreperiods))
    assert codes_of(measures) == {"R10": 1}
    assert measures.findings[0].severity == "integrity"


def test_r10_the_reveal_opens_the_commitment() -> None:
    """Foreperiods that fit the play but were not committed to are refused."""
    assert codes_of(measured(committed("[1,2,3]", reveal=KEPT))) == {"R10": 1}


@pytest.mark.parametrize("reason", ["finished", "aborted", "timeout"])
@pytest.mark.parametrize("hidden", ["reveal_seed", "reveal_foreperiods"])
def test_r10_a_whole_game_reveals(reason: str, hidden: str) -> None:
    """Who played all that was planned opens the commitment, whatever reason is given for the end."""
    steps = bent(committed(KEPT, reason=reason), GameCompleted, **{hidden: None})
    assert codes_of(measured(steps)) == {"R10": 1}


@pytest.mark.parametrize(("seed", "foreperiods"), [(None, None), ("salt", None), (None, KEPT)])
def test_r10_a_game_cut_short_need_not_reveal(seed: str | None, foreperiods: str | None) -> None:
    """Otherwise a client that broke down would look like a cheat."""
    commit = sha256(f"salt\n{KEPT}".encode()).hexdigest()
    steps = session_steps(
        THREE, planned=4, seed_commit=commit, completion=GameCompleted("aborted", seed, foreperiods)
    )
    assert codes_of(measured(steps)) == {}


def test_r10_without_a_commitment_nothing_is_checked() -> None:
    """A reveal that nobody was promised proves nothing and breaks nothing."""
    steps = session_steps(THREE, completion=GameCompleted("finished", "salt", "[1,1,1]"))
    assert codes_of(measured(steps)) == {}


def test_r10_only_trials_that_count_are_held_to_it() -> None:
    """A trial without an end has no place in the game."""
    commit = sha256(b"salt\n[1,2500000]").hexdigest()
    completion = GameCompleted("finished", "salt", "[1,2500000]")
    trials = simple(["unfinished", 300_100])
    measures = measured(session_steps(trials, seed_commit=commit, completion=completion))
    assert codes_of(measures) == {"unfinished": 1}


def test_r11_no_more_trials_than_planned() -> None:
    """Three trials of two planned."""
    assert_breaks(session_steps(THREE, planned=2), "R11", scored=3)
    assert codes_of(measured(session_steps(THREE, planned=4))) == {}


def test_several_flaws_are_all_noted_and_never_raise() -> None:
    """A flaw voids its trial; what follows until the next one starts is neither judged nor counted."""
    steps = bent(bent(session_steps(THREE), StimulusShown, 1, stim="ring"), Responded, 2, onset_t_us=1)
    measures = measured(steps)
    assert codes_of(measures) == {"S3": 1, "R3": 1}
    assert (tally_of(measures).scored, tally_of(measures).void) == (1, 2)


# -------------------------------------------------------------------------------------------- trials that do not count


@pytest.mark.parametrize("answer", ["unfinished", "unshown"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_unfinished_trial_is_dropped_and_noted(place: int, answer: str) -> None:
    """Whether its stimulus was shown or not: dropped, noted, no integrity finding."""
    trials = simple([answer if place == n else time for n, time in enumerate((300_100, 402_003, 350_007))])
    measures = measured(session_steps(trials))
    assert codes_of(measures) == {"unfinished": 1}
    assert measures.findings[0].severity == "note"
    assert tally_of(measures) == Tally(
        planned=3, scored=2, timed_out=0, unfinished=1, void=0, practice=0
    )  # fmt: skip


def test_a_game_may_simply_stop() -> None:
    """Without game_completed the trials played count as they are."""
    measures = measured(session_steps(THREE, completion=None))
    assert codes_of(measures) == {}
    assert tally_of(measures).scored == 3


def test_a_game_without_trials_has_nothing_to_say() -> None:
    """And says so without raising."""
    measures = measured(session_steps([], planned=30))
    assert codes_of(measures) == {}
    assert measures.samples["reaction_timer"] == []
    assert tally_of(measures).scored == measures.conduct.units == 0


# --------------------------------------------------------------------------------------------------------------- tears


def with_gap(events: list[Event], seq: int) -> list[Event]:
    """The event never arrived."""
    return [one for one in events if one.seq != seq]


def with_conflict(events: list[Event], seq: int) -> list[Event]:
    """Another event claims the same place, before the session is whole."""
    return [event(seq, events[seq].t_us or 0, FalseStart(999)), *events]


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
def test_a_torn_event_takes_its_trial_with_it_and_no_other(
    tear: Callable[[list[Event], int], list[Event]], code: str
) -> None:
    """Whichever event of a trial is missing, conflicting or voided: that trial is out, all the others count as before."""
    events = events_of(session_steps(simple([300_100, "missed", "false_start", 402_003])))
    touched = set()
    for one in events:
        i = getattr(one.payload, "i", None)
        if i is None:
            continue
        touched.add(i)
        assert one.seq is not None
        measures = measures_of(tear(events, one.seq))
        assert codes_of(measures) == {code: 1}, (one, measures.findings)
        kept = [trial.i for block in measures.samples["reaction_timer"] for trial in block.trials]
        assert kept == [number for number in (1, 2, 3, 4) if number != i], one
        fate = tally_of(measures)
        assert (fate.void, fate.unfinished) == (int(not isinstance(one.payload, TrialStarted)), 0), one
    assert touched == {1, 2, 3, 4}


@pytest.mark.parametrize(("tear", "code"), TEARS, ids=[code for _, code in TEARS])
def test_a_torn_end_of_the_game_costs_nothing(
    tear: Callable[[list[Event], int], list[Event]], code: str
) -> None:
    """Between trials there is nothing to void."""
    events = events_of(session_steps(THREE))
    place = next(one.seq for one in events if isinstance(one.payload, GameCompleted))
    assert place is not None
    measures = measures_of(tear(events, place))
    assert codes_of(measures) == {code: 1}
    assert tally_of(measures).scored == 3


def test_a_gap_may_swallow_whole_trials() -> None:
    """Ten missing events: the trials in them are out, and their numbers are not missed in the next one."""
    events = events_of(session_steps())
    first, last = nth(session_steps(), StimulusShown, 3), nth(session_steps(), Responded, 6)
    measures = measures_of([one for one in events if not first <= (one.seq or 0) <= last])
    assert codes_of(measures) == {"sequence_gap": last - first + 1}
    assert (tally_of(measures).scored, tally_of(measures).void) == (26, 1)


def test_after_a_tear_numbers_still_do_not_go_back() -> None:
    """What is missing may have been trials, but never the one that is over."""
    steps = session_steps(THREE)
    for kind in (TrialStarted, StimulusShown, Responded):
        steps = bent(steps, kind, 3, i=1)
    events = [one for one in events_of(steps) if one.seq != nth(steps, Responded, 2)]
    assert codes_of(measures_of(events)) == {"sequence_gap": 1, "R5": 1}


# ------------------------------------------------------------------------------------------------------------- conduct


def test_conduct_counts_what_the_quality_asks_for() -> None:
    """Every press is a response, those before 100 ms are anticipated; missed trials, and those slower than 3 s, are units."""
    trials = simple([300_100, 99_999, "false_start", "missed", 3_000_000, 3_000_001])
    conduct = measured(session_steps(trials)).conduct
    assert (conduct.responses, conduct.anticipations) == (5, 2)
    assert (conduct.units, conduct.units_missed, conduct.units_slow) == (6, 1, 1)
    assert (conduct.patterned, conduct.failed) == (False, ())


def test_a_rejection_is_neither_missed_nor_a_response() -> None:
    """It is what was asked for."""
    conduct = measured(session_steps(GONOGO, kind="gonogo")).conduct
    assert (conduct.responses, conduct.units, conduct.units_missed) == (2, 3, 0)


@pytest.mark.parametrize(
    ("alike", "of", "patterned"), [(3, 11, True), (3, 12, False), (3, 10, True), (9, 9, False)]
)
def test_one_time_again_and_again_is_a_pattern(alike: int, of: int, patterned: bool) -> None:
    """One identical time in more than a quarter of at least ten valid ones."""
    times: list[int | str] = [333_333] * alike + [300_001 + 1_117 * k for k in range(of - alike)]
    others: list[int | str] = ["missed", 50_000, 50_000]
    assert measured(session_steps(simple([*times, *others]))).conduct.patterned is patterned


@pytest.mark.parametrize(
    ("times", "failed"),
    [
        ([149_999] * 10, "too_fast"),
        ([150_000] * 10, "automaton"),
        ([145_000, 155_000] * 5, None),
        ([149_999] * 9, None),
        ([120_000] * 5 + [179_999] * 5, "too_fast"),
        ([120_000] * 5 + [180_000] * 5, None),
        ([50_000] * 6 + [400_000] * 5, "too_fast"),
        ([50_000] * 5 + [200_000] * 6, None),
    ],
)
def test_a_median_below_150_ms_cannot_be_believed(times: list[int], failed: str | None) -> None:
    """The limit of the SRO study's quality control, over all responses, from ten on."""
    assert measured(session_steps(simple(times))).conduct.failed == ((failed,) if failed else ())


@pytest.mark.parametrize(
    ("answers", "failed"),
    [
        (["missed"] * 10, "inert"),
        (["missed"] * 9, None),
        (["missed"] * 10 + [300_100], None),
        (["missed"] * 10 + ["false_start"], None),
    ],
)
def test_never_to_press_is_inert(answers: list[int | str], failed: str | None) -> None:
    """Ten trials and no press at all; one press anywhere is something done."""
    assert measured(session_steps(simple(answers))).conduct.failed == ((failed,) if failed else ())


def of_choice(pressed: str, asked: str) -> list[Trial]:
    """A choice trial for each pair of letters: f or j pressed, f or j asked for; - is missed."""
    stims = {"f": "left", "j": "right"}
    times = cycle((312_400, 287_150, 401_900, 333_333, 298_760))
    return [
        (stims[right], "missed" if key == "-" else (key, next(times)))
        for key, right in zip(pressed, asked, strict=True)
    ]


@pytest.mark.parametrize(
    ("pressed", "asked", "failed"),
    [
        ("f" * 20, "fj" * 10, "one_key"),
        ("f" * 19 + "j", "fj" * 10, None),  # 95 % are not more than 95 %
        ("f" * 20 + "j", "fj" * 10 + "j", "one_key"),
        ("f" * 9, "fj" * 4 + "f", None),
        ("f" * 9 + "-", "fj" * 5, None),
        ("f" * 10 + "-" * 10, "fj" * 10, "one_key"),
        ("f" * 10, "f" * 10, None),  # nothing else was asked for
        ("f" * 20, "f" * 19 + "j", "one_key"),
        ("f" * 21, "f" * 20 + "j", None),
    ],
)
def test_one_key_throughout_is_no_choice(pressed: str, asked: str, failed: str | None) -> None:
    """More than 95 % of at least ten responses are one key, though at least 5 % of the stimuli asked for another."""
    trials = of_choice(pressed, asked)
    assert measured(session_steps(trials, kind="choice")).conduct.failed == ((failed,) if failed else ())


def of_gonogo(answers: str, asked: str) -> list[Trial]:
    """A go/no-go trial for each pair: p pressed or - not; g for go, n for no-go."""
    stims = {"g": "go", "n": "stop"}
    times = cycle((312_400, 287_150, 401_900, 333_333, 298_760))
    return [
        (stims[kind], ("space", next(times)) if answer == "p" else "missed")
        for answer, kind in zip(answers, asked, strict=True)
    ]


@pytest.mark.parametrize(
    ("answers", "asked", "failed"),
    [
        ("p" * 20, "gggn" * 5, "one_key"),
        ("p" * 19 + "-", "gggn" * 5, None),
        ("-" * 20, "gggn" * 5, "inert"),
        ("-" * 24 + "p", "gggn" * 6 + "g", "one_key"),
        ("p" * 9, "gggn" * 2 + "g", None),
        ("p" * 39 + "-", "g" * 39 + "n", None),  # hardly ever a no-go: always pressing is nearly right
    ],
)
def test_always_or_hardly_ever_to_press_is_no_inhibition(
    answers: str, asked: str, failed: str | None
) -> None:
    """In go/no-go not to press is an answer: either answer in more than 95 % of at least ten trials is one key."""
    trials = of_gonogo(answers, asked)
    assert measured(session_steps(trials, kind="gonogo")).conduct.failed == ((failed,) if failed else ())


def test_a_simple_game_has_one_key_and_nothing_to_choose() -> None:
    """Thirty times the same key is what was asked for; another key is wrong, and no choice either."""
    assert measured(session_steps()).conduct.failed == ()
    other: list[Trial] = [("dot", ("enter", 300_001 + 1_117 * k)) for k in range(20)]
    assert measured(session_steps(other)).conduct.failed == ()


# ------------------------------------------------------------------------------------------------------------- the game


def test_the_game_says_what_it_is() -> None:
    """Name, kinds and unit are what the registry relies on."""
    assert GAME.name == "reaction_timer"
    assert all(kind.startswith("reaction_timer.") for kind in GAME.kinds)
    assert measured(session_steps()).games[0].match == {"kind": "simple", "trials": 30}


def test_what_cannot_be_a_game_is_no_play() -> None:
    """A configuration of no kind is found by the walk over the session (S3)."""
    steps = session_steps(THREE)
    broken = bent(steps, GameStarted, config=config_of(3, keys={}))
    assert "S3" in codes_of(measured(broken))


PAYLOADS: st.SearchStrategy[Payload] = st.one_of(
    st.builds(
        TrialStarted,
        st.integers(1, 4),
        st.sampled_from(["gonogo", "choice"]),
        st.sampled_from([0, 1_000_000, 5_000_000]),
        st.booleans(),
    ),
    st.builds(
        StimulusShown, st.integers(1, 4), st.sampled_from(["go", "stop", "?"]), st.integers(0, 9_000_000)
    ),
    st.builds(
        Responded,
        onset_t_us=st.integers(0, 9_000_000),
        latency_us=st.integers(-5, 5_000_000),
        i=st.integers(1, 4),
        key=st.sampled_from(["space", "enter"]),
    ),
    st.builds(FalseStart, st.integers(1, 4)),
    st.builds(Missed, st.integers(1, 4), st.sampled_from([1, TIMEOUT_US])),
    st.builds(
        GameCompleted,
        st.just("finished"),
        st.none() | st.text(max_size=3),
        st.none() | st.text(alphabet="[]1,x", max_size=5),
    ),
)


@given(st.lists(PAYLOADS | st.none(), max_size=30), st.none() | st.just("0" * 64))
def test_no_sequence_of_events_makes_it_raise(
    payloads: list[Payload | None], seed_commit: str | None
) -> None:
    """Whatever comes, in whatever order (None is a tear): findings, a tally that adds up, and a sample that is measured."""
    lawful = msgspec.json.decode(config_of(4, kind="gonogo"), type=Config)
    play = begin(msgspec.to_builtins(lawful), GameStarted("", seed_commit))
    for seq, payload in enumerate(payloads):
        if payload is None:
            play.tear(seq)
        else:
            play.take(seq, seq * 500_000, payload)
    play.end(len(payloads))
    fate, conduct = play.tally(), play.conduct()
    real = [trial for trial in play.trials if not trial.practice]
    assert fate.scored + fate.unfinished + fate.void == len(real)
    assert fate.practice == len(play.trials) - len(real)
    assert conduct.units == fate.scored
    assert conduct.anticipations <= conduct.responses <= conduct.units
    sample = GAME.sample([play])
    assert sum(len(block.trials) for block in sample) == fate.scored
    told = GAME.gather([GAME.account(block) for block in sample])
    assert GAME.measure(told).keys() == {definition.id for definition in GAME.definitions}
    assert {len(values) for values in GAME.influences(told).values()} <= {len(sample)}


def test_keys_are_those_of_the_builders() -> None:
    """The builders' configurations are lawful for their kinds."""
    for kind in KEYS:
        assert planned(msgspec.json.decode(config_of(3, kind=kind))) == 3


def test_without_its_stimulus_a_response_is_impossible() -> None:
    """A client that forgot to say what it showed."""
    assert_breaks(without(session_steps(THREE), StimulusShown, 2), "R1", scored=2)
