"""Reaction timer by columns: clean plays of every kind, and whatever may be wrong with one."""

from collections.abc import Iterable
from hashlib import sha256
from random import Random

import msgspec
import numpy as np
import pytest

from science.columns.events import columns_of
from science.columns.exact import ln
from science.columns.measure import clean_measures, is_whole, measure_all
from science.event import Payload
from science.games.reaction_timer.vocabulary import (
    FalseStart,
    GameCompleted,
    GameStarted,
    Missed,
    Responded,
    StimulusShown,
    TrialStarted,
)
from science.measure import measure
from science.session import Session
from science.vocabulary import Aborted
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from simulators.sitting import Design
from tests.agents.doors import known
from tests.science.builders import Step, abandoned, fold
from tests.science.reaction_builders import (
    KEYS,
    TIMEOUT_US,
    TYPICAL,
    Trial,
    after,
    bent,
    events_of,
    nth,
    session_steps,
    simple,
    without,
)
from tests.science.test_reproducible import sealed


def fold_of(steps: Iterable[Step], number: int = 0) -> Session:
    """The session of these steps, ended by the closer if by nobody else."""
    return fold([*events_of(steps, f"s-{number}"), abandoned(f"s-{number}")])


def goes(*sessions: Session) -> list[bool]:
    """Which of them go by columns: those in which nothing was found, and something is scored. All are as the walk has them."""
    walked = [measure(session) for session in sessions]
    assert measure_all(sessions) == walked
    found = [one is not None for one in clean_measures(columns_of(sessions))]
    assert found == [
        not one.findings and bool(one.games) and all(of.tally.scored for of in one.games) for one in walked
    ]
    return found


# ------------------------------------------------------------------------------------------------------------- people


@pytest.mark.parametrize(
    "designs",
    [
        (reaction_timer.Design(),),
        (reaction_timer.Design(trials=19, timeout_us=450_000),),
        (reaction_timer.Design(trials=52, kind="choice", foreperiod_min_us=0, foreperiod_max_us=300_000),),
        (reaction_timer.Design(trials=40, kind="gonogo"),),
        (balloon_risk.Design(balloons=5), reaction_timer.Design(trials=12), memory_cards.Design(rounds=2)),
    ],
)
def test_simulated_people_go_by_columns(designs: tuple[Design, ...]) -> None:
    """All games of a session go, but who leaves before the first trial is over; foreperiods are committed to, and revealed."""
    sessions: dict[str, Session] = {}
    for one in sealed([known(event) for _, _, events in crowd(40, 7, *designs) for event in events]):
        sessions.setdefault(one.session_id, Session(one.session_id)).step(one)
    found = goes(*sessions.values())
    assert sum(found) >= 36


def drawn(rng: Random, kind: str) -> tuple[dict[str, str | None], list[Trial]]:
    """A configuration's keys, and trials of somebody who may answer anything."""
    keys = KEYS[kind]
    if kind != "simple" and rng.random() < 0.3:
        keys = {**keys, "third": "k", "unseen": "unpressed"}
    median_us = rng.choice([90_000, 140_000, 300_000, 500_000])
    fast, spread = rng.choice([(1, 0), (1, 1_000), (1, 90_000), (1, 2_500_000), (50_000, 1)])
    trials: list[Trial] = []
    for _ in range(rng.choice([1, 2, 4, 5, 9, 10, 11, 19, 20, 21, 33, 60])):
        rt_us = fast * ((median_us + rng.randint(0, spread)) // fast)
        pressed = rng.choice([key for key in keys.values() if key] + ["other"] * (rng.random() < 0.1))
        stim = rng.choice([stim for stim in keys if stim != "unseen"])
        answer = rng.choices([(pressed, rt_us), "missed", "false_start"], [90, 6, 4])[0]
        trials.append((stim, answer))
    return keys, trials


def people(seed: str, number: int) -> list[list[Step]]:
    """Games of every kind and size, with and without practice, misses, a plan fulfilled, commitments, a completion and an end."""
    rng = Random(seed)
    made = []
    for n in range(number):
        kind = rng.choice(list(KEYS))
        keys, trials = drawn(rng, kind)
        practice = rng.choice([0, 0, 0, 2])
        waits = [rng.choice([1_000_000, rng.randint(1_000_000, 4_000_000)]) for _ in trials]
        text = msgspec.json.encode(waits).decode()
        revealing = GameCompleted("finished", "salt", text)
        steps = session_steps(
            trials,
            kind=kind,
            keys=keys,
            planned=max(1, len(trials) - practice + rng.choice([0, 0, 0, 7])),
            practice=practice,
            foreperiods_us=waits,
            gap_us=rng.choice([0, 600_000]),
            seed_commit=sha256(f"salt\n{text}".encode()).hexdigest() if n % 2 else None,
            completion=rng.choice([revealing, revealing, GameCompleted("aborted", None, None), None]),
        )
        end = rng.choice([steps[-1], None, (steps[-1][0], Aborted(0, "left"))])
        made.append([*steps[:-1], end] if end is not None else steps[:-1])
    return made


def test_people_of_every_kind_are_as_the_walk_has_them() -> None:
    """In one batch, and by themselves; most of them go by columns."""
    sessions = [fold_of(steps, n) for n, steps in enumerate(people("kinds", 300))]
    found = goes(*sessions)
    assert 150 < sum(found) < 250
    assert found[:20] == [went for session in sessions[:20] for went in goes(session)]


def test_a_logarithm_never_falls() -> None:
    """So the logarithms of the times in the middle are in the middle; within a cell it is plain, and from one to the next it holds."""
    borders = np.array([(128 + cell << exponent) >> 7 for exponent in range(30) for cell in range(129)])
    around = np.maximum(borders[:, None] + np.arange(-3, 4), 1)
    assert (np.diff(ln(around)) >= 0).all()


# -------------------------------------------------------------------------------------------------- what is not odd

THREE: list[Trial] = simple([300_100, 402_003, 350_007])
LONG: list[Trial] = simple([300_100 + 1_117 * k * k % 200_001 for k in range(24)])
CHOICE: list[Trial] = [("left", ("f", 400_001)), ("right", ("f", 380_003)), ("right", ("j", 420_007))]
GONOGO: list[Trial] = [("go", ("space", 400_001)), ("stop", "missed"), ("stop", ("space", 390_005))]
COARSE: list[Trial] = simple([4_000 * (80 + k * k) for k in range(10)])
KEPT = "[1000000,2500000,1750000]"
COMMIT = sha256(f"salt\n{KEPT}".encode()).hexdigest()
REVEALED = GameCompleted("finished", "salt", KEPT)


def shown_off(off_us: int) -> list[Step]:
    """The second of three stimuli comes that much after the end of its foreperiod, and so does its response."""
    steps = session_steps(THREE)
    onset_us = steps[nth(steps, StimulusShown, 2)][1].stim_onset_t_us + off_us  # type: ignore[attr-defined]
    return bent(bent(steps, StimulusShown, 2, stim_onset_t_us=onset_us), Responded, 2, onset_t_us=onset_us)


def at_end(steps: list[Step], payload: Payload) -> list[Step]:
    """The steps with this payload just before the game is completed."""
    place = nth(steps, GameCompleted)
    return [*steps[:place], (steps[place][0], payload), *steps[place:]]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(session_steps(), id="typical"),
        pytest.param(session_steps(CHOICE * 4, kind="choice"), id="choice"),
        pytest.param(session_steps(GONOGO * 4, kind="gonogo"), id="go/no-go"),
        pytest.param(session_steps([("go", "missed"), *GONOGO], kind="gonogo"), id="missed or rejected"),
        pytest.param(session_steps(simple([300_100, TIMEOUT_US])), id="at the timeout"),
        pytest.param(session_steps(simple([300_100, 0, 99_999, 100_000])), id="anticipated"),
        pytest.param(session_steps(simple([0] * 12)), id="gcd of nothing"),
        pytest.param(session_steps(simple([499_999, 500_000, "missed"])), id="lapses"),
        pytest.param(session_steps(simple(["missed"] * 12)), id="inert"),
        pytest.param(session_steps(simple(["false_start"] * 6)), id="false starts alone"),
        pytest.param(session_steps(simple([149_999] * 9 + [149_998])), id="too fast"),
        pytest.param(session_steps(simple([150_000] * 9 + [150_001])), id="an automaton"),
        pytest.param(session_steps(simple([3_000_000, 3_000_001])), id="slow"),
        pytest.param(session_steps([("dot", ("enter", 300_001 + 7 * k)) for k in range(12)]), id="wrong key"),
        pytest.param(session_steps([("left", ("f", 300_001 + 7 * k * k)) for k in range(30)], kind="choice")),
        pytest.param(session_steps(LONG, foreperiods_us=(1_000_000,)), id="one foreperiod"),
        pytest.param(
            session_steps([("left", ("f", 300_003 + k * 9_001)) for k in range(19)] + CHOICE, kind="choice"),
            id="one key",
        ),
        pytest.param(
            session_steps([("stop", "missed")] * 39 + [("go", ("space", 300_100))], kind="gonogo"),
            id="hardly ever to press is right",
        ),
        pytest.param(shown_off(50_000), id="late"),
        pytest.param(shown_off(-50_000), id="early"),
        pytest.param(
            session_steps(THREE, foreperiods_us=(1_000_000, 4_000_000)), id="foreperiods at their limits"
        ),
        pytest.param(session_steps(THREE, foreperiods_us=(0, 600_000_000), foreperiod_us=(0, 600_000_000))),
        pytest.param(
            session_steps(simple([600_000_000] * 3 + [1] * 30), timeout_us=600_000_000), id="slowest"
        ),
        pytest.param(session_steps(THREE, planned=4), id="left early"),
        pytest.param(session_steps(THREE, completion=None), id="not completed"),
        pytest.param(
            session_steps(THREE, completion=GameCompleted("finished", None, "[")), id="no commitment"
        ),
        pytest.param(session_steps([*TYPICAL[:2], *THREE], planned=3, practice=2), id="practice"),
        pytest.param(bent(session_steps(LONG, planned=40), TrialStarted, 7, practice=True), id="amidst"),
        pytest.param(session_steps(COARSE[:9]), id="nine of a coarse clock"),
        pytest.param(session_steps([*COARSE, *THREE]), id="coarse until the last"),
        pytest.param(session_steps(simple([3_999 * (80 + k) for k in range(10)])), id="just fine enough"),
    ],
)
def test_what_is_in_order_goes_by_columns(steps: list[Step]) -> None:
    """To the limit of every rule; alone and among others."""
    assert goes(fold_of(steps)) == [True]
    others = [fold_of(session_steps(trials), n) for n, trials in enumerate((THREE, TYPICAL))]
    assert goes(others[0], fold_of(steps, 2), others[1]) == [True] * 3


def test_equal_times_of_two_people_are_no_pattern() -> None:
    """The slowest of one and the fastest of the next are twice the same, four in a row."""
    one, other = ([300_001 + 1_117 * k for k in ks] for ks in ((*range(8), 8, 8), (8, 8, *range(9, 17))))
    goes(*[fold_of(session_steps(simple(times)), n) for n, times in enumerate((one, other))])


# ------------------------------------------------------------------------------------------------------ what is odd

ENDS: list[Payload] = [
    Responded(onset_t_us=0, latency_us=0, i=1, key="space"),
    Missed(1, TIMEOUT_US),
    FalseStart(1),
    StimulusShown(1, "dot", 0),
]
END_OF = {300_001: Responded, "missed": Missed, "false_start": FalseStart}


def renumbered(i: int) -> list[Step]:
    """Two trials, the second of another number."""
    steps = session_steps(simple([300_100, 402_003]))
    for kind in (TrialStarted, StimulusShown, Responded):
        steps = bent(steps, kind, 2, i=i)
    return steps


def left_open(place: int, answer: str) -> list[Step]:
    """Three trials one of which has no end."""
    return session_steps(simple([answer if place == n else 300_100 + n for n in range(3)]))


@pytest.mark.parametrize(
    "steps",
    [
        *[
            pytest.param(
                after(session_steps(simple([answer, 350_001])), kind, again),
                id=f"R1 {kind.__name__}, {type(again).__name__}",
            )
            for answer, kind in END_OF.items()
            for again in ENDS
        ],
        *[pytest.param(at_end(session_steps(THREE), again), id="R1 at the end") for again in ENDS],
        pytest.param(after(session_steps(THREE), TrialStarted, ENDS[0]), id="R1 answered unseen"),
        pytest.param(after(session_steps(THREE), TrialStarted, ENDS[1]), id="R1 missed unseen"),
        pytest.param(after(session_steps(THREE), StimulusShown, ENDS[3]), id="R1 shown twice"),
        pytest.param(without(session_steps(THREE), StimulusShown, 2), id="R1 never shown"),
        pytest.param(without(session_steps(THREE), TrialStarted, 1), id="R1 no first trial"),
        *[
            pytest.param(after(session_steps(THREE), GameStarted, before), id="R1 before the first trial")
            for before in ENDS
        ],
        pytest.param(after(session_steps(THREE), StimulusShown, FalseStart(1)), id="R2"),
        *[
            pytest.param(bent(session_steps(THREE), Responded, 2, onset_t_us=onset_us), id="R3 another onset")
            for onset_us in (0, 4_800_099, 4_800_101)
        ],
        pytest.param(session_steps(simple([300_100, TIMEOUT_US + 1])), id="R3 after the timeout"),
        pytest.param(session_steps(simple([300_100, -1])), id="R3 before it was possible"),
        pytest.param(session_steps(simple([300_100, -2_000, 402_003])), id="R3 long before"),
        pytest.param(shown_off(50_001), id="R4 late"),
        pytest.param(shown_off(-50_001), id="R4 early"),
        pytest.param(
            session_steps(THREE, foreperiods_us=(1_000_000, 999_999)), id="S3 too short a foreperiod"
        ),
        pytest.param(
            session_steps(THREE, foreperiods_us=(1_000_000, 4_000_001)), id="S3 too long a foreperiod"
        ),
        pytest.param(bent(session_steps(THREE), TrialStarted, 2, trial_kind="choice"), id="S3 another kind"),
        pytest.param(
            bent(session_steps(THREE[:1]), TrialStarted, trial_kind="choice"), id="S3 no kind of it"
        ),
        pytest.param(bent(session_steps(THREE), StimulusShown, 2, stim="ring"), id="S3 unknown stimulus"),
        pytest.param(bent(session_steps(THREE), StimulusShown, 2, stim="space"), id="S3 a key is none"),
        pytest.param(bent(session_steps(THREE[:1]), StimulusShown, stim="ring"), id="S3 unknown alone"),
        pytest.param(bent(session_steps(THREE), StimulusShown, 2, stim="simple"), id="S3 a kind is none"),
        pytest.param(
            bent(session_steps(simple([300_100, "missed"])), Missed, timeout_us=TIMEOUT_US - 1),
            id="S3 timeout",
        ),
        *[pytest.param(renumbered(i), id=f"R5 {i} for 2") for i in (1, 3, 9)],
        *[
            pytest.param(bent(session_steps(simple([answer, 402_003])), kind, i=2), id=f"R5 {kind.__name__}")
            for kind, answer in ((StimulusShown, 300_100), *((end, answer) for answer, end in END_OF.items()))
        ],
        pytest.param(bent(session_steps(THREE), TrialStarted, 3, i=4), id="R5 TrialStarted"),
        *[
            pytest.param(left_open(place, answer), id=f"{answer} {place}")
            for place in range(3)
            for answer in ("unfinished", "unshown")
        ],
        pytest.param(
            session_steps([("dot", "unfinished"), *THREE], practice=1, planned=3), id="open practice"
        ),
        pytest.param(session_steps(COARSE), id="R9"),
        pytest.param(session_steps([*COARSE, *simple(["missed", "false_start"])]), id="R9 missed"),
        pytest.param(
            session_steps([("left", ("fj"[k % 2], 8_000 * (40 + k))) for k in range(10)], kind="choice"),
            id="R9 wrong",
        ),
        pytest.param(session_steps([*THREE[:1], *COARSE], practice=1, planned=10), id="R9 after practice"),
        pytest.param(session_steps(THREE, planned=2), id="R11"),
        pytest.param(session_steps([], planned=30), id="no trial"),
        pytest.param(session_steps(THREE, planned=3, practice=3), id="practice alone"),
    ],
)
def test_whatever_is_odd_is_walked(steps: list[Step]) -> None:
    """The columns do not judge it, nor what is beside it by it."""
    beside = [fold_of(session_steps(trials), n) for n, trials in enumerate((THREE, TYPICAL))]
    assert goes(beside[0], fold_of(steps, 2), beside[1]) == [True, False, True]
    assert goes(fold_of(steps)) == [False]


def committed(
    completion: GameCompleted | None = REVEALED, commit: str = COMMIT, **options: object
) -> list[Step]:
    """Three trials with their foreperiods committed to."""
    return session_steps(THREE, **({"planned": 3} | options), seed_commit=commit, completion=completion)


def of_text(text: str) -> list[Step]:
    """Three trials with this committed to, and revealed."""
    commit = sha256(f"salt\n{text}".encode()).hexdigest()
    return committed(GameCompleted("finished", "salt", text), commit)


@pytest.mark.parametrize(
    ("steps", "is_clean"),
    [
        (committed(), True),
        (committed(planned=30), True),
        (committed(planned=2, practice=1), True),
        (of_text("[1000000,2500000,1750000,1]"), True),
        (of_text(f"[1000000,2500000,1750000,{10**30}]"), True),
        (of_text("[1000000,2500000,1750001]"), False),
        (of_text("[1000001,2500000,1750000]"), False),
        (of_text(f"[1000000,2500000,{10**30}]"), False),
        (of_text("[1000000,2500000]"), False),
        (of_text("[1000000,2500000,null]"), False),
        (of_text("{}"), False),
        (of_text("["), False),
        (committed(GameCompleted("finished", "salt", "[1,2,3]")), False),
        (committed(GameCompleted("finished", "pepper", KEPT)), False),
        (committed(GameCompleted("finished", "pepper", KEPT), planned=30), False),
        (committed(GameCompleted("finished", None, KEPT)), False),
        (committed(GameCompleted("finished", "salt", None)), False),
        (committed(None), False),
        (committed(GameCompleted("finished", None, KEPT), planned=4), True),
        (committed(GameCompleted("finished", "salt", None), planned=4), True),
        (committed(None, planned=4), True),
        (committed(None, planned=3, practice=1), True),
        (committed(None, planned=2, practice=1), False),
    ],
)
def test_a_commitment_is_kept_or_the_session_is_walked(steps: list[Step], is_clean: bool) -> None:
    """What was revealed is what happened; a game that was not played to its end need not reveal."""
    assert goes(fold_of(steps)) == [is_clean]


# -------------------------------------------------------------------------------------------------------- corruption


def corrupted(rng: Random, steps: list[Step]) -> list[Step]:
    """The steps with one to three of the game's events bent, dropped, doubled or swapped; times stay in order."""
    times, payloads = [t_us for t_us, _ in steps], [payload for _, payload in steps]
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(2, len(payloads) - 1)
        match rng.randrange(8):
            case 0:
                payloads[place] = payloads[place - 1]
            case 1:
                payloads[place], payloads[place - 1] = payloads[place - 1], payloads[place]
            case 2 if len(payloads) > 6:
                del payloads[place], times[place]
            case 3:
                times[place] = rng.choice([times[place - 1], min(times[place] + 50_000, times[place + 1])])
            case _:
                payloads[place] = _bent(rng, payloads[place])
    return list(zip(sorted(times), payloads, strict=True))


def _bent(rng: Random, payload: Payload) -> Payload:
    if not payload.__struct_fields__:
        return payload
    name = rng.choice(payload.__struct_fields__)
    value = getattr(payload, name)
    if isinstance(value, bool):
        changed: object = not value
    elif isinstance(value, int):
        changed = value + rng.choice([-1, 1, -50_001, 50_000, 250_000, 700_000_000, -value])
    else:
        words = ["dot", "left", "right", "go", "stop", "f", "j", "space", "simple", "choice", "gonogo", "new"]
        changed = rng.choice(words)
    return msgspec.structs.replace(payload, **{name: changed})


def corrupted_sessions(seed: str, number: int) -> list[Session]:
    """Sessions of people in which something is off."""
    rng = Random(seed)
    steps = [corrupted(rng, steps) for steps in people(seed, number) if len(steps) > 6]
    return [session for n, of in enumerate(steps) if is_whole(session := fold_of(of, n))]


def test_no_corruption_makes_columns_and_walk_differ() -> None:
    """Hundreds of sessions in which something is off."""
    found = goes(*corrupted_sessions("corrupted", 400))
    assert 30 < sum(found) < len(found) - 100
