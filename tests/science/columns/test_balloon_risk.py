"""Balloon risk by columns: clean plays of every kind, and whatever may be wrong with one."""

from hashlib import sha256
from random import Random

import msgspec
import pytest

from science.columns.events import columns_of
from science.columns.measure import clean_measures, is_whole, measure_all
from science.event import Payload
from science.games.balloon_risk.vocabulary import (
    Collected,
    Exploded,
    GameCompleted,
    Pumped,
    Shown,
    TimedOut,
)
from science.measure import measure
from science.session import Session
from tests.science.builders import TYPICAL, Balloon, Step, abandoned, events_of, fold, session_steps
from tests.science.test_balloon_risk import THREE, bent, committed


def fold_of(steps: list[Step], number: int = 0) -> Session:
    """The session of these steps, ended by the closer if by nobody else."""
    events = [*events_of(steps), abandoned()]
    return fold([msgspec.structs.replace(one, session_id=f"s-{number}") for one in events])


def goes(*sessions: Session) -> list[bool]:
    """Which of them go by columns. All are as the walk has them."""
    assert measure_all(sessions) == [measure(session) for session in sessions]
    return [one is not None for one in clean_measures(columns_of(sessions))]


def people(seed: str, number: int) -> list[list[Step]]:
    """Games of all sizes, honest in their bursts or not, with and without practice, timeouts, commitments and an end."""
    rng = Random(seed)
    made = []
    for n in range(number):
        max_pumps = rng.choice([3, 12, 12, 64, 900])
        points = [rng.randint(1, max_pumps) for _ in range(rng.choice([1, 2, 7, 15, 40]))]
        balloons: list[Balloon] = []
        for point in points:
            wanted = rng.randint(1, max(2, min(max_pumps // 2, 150)))
            ends = (
                (point, "exploded")
                if point <= wanted
                else (wanted, rng.choice(["collected"] * 9 + ["timed_out"]))
            )
            balloons.append(ends)
        text = msgspec.json.encode(points).decode()
        commit = sha256(f"salt\n{text}".encode()).hexdigest() if n % 3 else None
        whole = len(points) + rng.choice([0, 0, 3])
        completion = GameCompleted("finished", "salt", text) if n % 7 else None
        practice = rng.choice([0, 0, 2])
        floor = rng.choice([40_000, 150_000, 400_000])
        latencies = [
            int(rng.lognormvariate(0, rng.choice([0.1, 0.5])) * floor) for _ in range(rng.choice([1, 5, 400]))
        ]
        steps = session_steps(
            balloons,
            planned=whole,
            max_pumps=max_pumps,
            value_c=rng.choice([1, 5]),
            practice=practice,
            latencies_us=latencies,
            seed_commit=commit,
            completion=completion,
            terminal=rng.choice(["completed", "aborted", None]),
        )
        made.append(steps)
    return made


def test_people_of_every_kind_are_as_the_walk_has_them() -> None:
    """In one batch; most of them go by columns."""
    found = goes(*[fold_of(steps, n) for n, steps in enumerate(people("kinds", 300))])
    assert 200 < sum(found) < 300


def corrupted(rng: Random, steps: list[Step]) -> list[Step]:
    """The steps with one to three of a game's events bent, dropped, doubled or swapped; the times stay as they were."""
    payloads = [payload for _, payload in steps]
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(2, len(payloads) - 1)
        match rng.randrange(6):
            case 2:
                payloads[2] = rng.choice(payloads[3:])  # no balloon is shown at first
            case 0:
                payloads[place] = payloads[place - 1]
            case 1:
                payloads[place], payloads[place - 1] = payloads[place - 1], payloads[place]
            case _:
                payloads[place] = _bent(rng, payloads[place])
    return [(t_us, payload) for (t_us, _), payload in zip(steps, payloads, strict=True)]


def _bent(rng: Random, payload: Payload) -> Payload:
    names = [name for name in payload.__struct_fields__ if isinstance(getattr(payload, name), int)]
    if not names:
        return payload
    name = rng.choice(names)
    value = getattr(payload, name)
    changed = not value if isinstance(value, bool) else value + rng.choice([-1, 1, -50_001, 2, 700_000_000])
    return msgspec.structs.replace(payload, **{name: changed})


def test_no_corruption_makes_columns_and_walk_differ() -> None:
    """Hundreds of sessions in which something is off."""
    rng = Random("corrupted")
    sessions = [
        fold_of(corrupted(rng, steps), n)
        for n, steps in enumerate(people("to corrupt", 400))
        if len(steps) > 5
    ]
    found = goes(*[session for session in sessions if is_whole(session)])
    assert 10 < sum(found) < len(found) - 100


PLAIN = session_steps(THREE)


def with_end(*payloads: Payload) -> list[Step]:
    """A plain game whose last balloon, of four pumps, ends by these."""
    steps = session_steps([*THREE[:2], (4, "unfinished")])
    place = [at for at, (_, payload) in enumerate(steps) if isinstance(payload, Pumped)][-1]
    return [*steps[: place + 1], *((steps[place][0], payload) for payload in payloads), *steps[place + 1 :]]


def test_a_plain_game_goes_by_columns() -> None:
    """Or the next test would show nothing."""
    assert goes(fold_of(PLAIN)) == [True]
    assert goes(fold_of(bent(PLAIN, Pumped, onset_t_us=1_950_000))) == [True]  # 50 ms early
    assert goes(fold_of(with_end(TimedOut(3)))) == [True]
    assert goes(fold_of(session_steps(THREE, max_pumps=5))) == [True]
    assert goes(fold_of(session_steps(THREE, max_pumps=4, burst_law="geometric"))) == [True]
    assert goes(fold_of(session_steps(THREE, planned=2, practice=1))) == [True]


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(bent(PLAIN, Shown, i=2), id="another first"),
        pytest.param(bent(PLAIN, Shown, 2, i=3), id="one left out"),
        pytest.param(bent(PLAIN, Shown, 2, max_pumps=13), id="another size"),
        pytest.param(bent(PLAIN, Shown, 2, value_per_pump_c=6), id="another value"),
        pytest.param(bent(PLAIN, Pumped, 2, i=2), id="of another balloon"),
        pytest.param(bent(PLAIN, Pumped, 2, k=3), id="another pump"),
        pytest.param(session_steps([(5, "exploded")], max_pumps=4), id="beyond the largest"),
        pytest.param(bent(PLAIN, Exploded, at_pump=1), id="burst elsewhere"),
        pytest.param(bent(PLAIN, Collected, pumps=2), id="other pumps"),
        pytest.param(bent(PLAIN, Collected, earned_c=14), id="other money"),
        pytest.param(bent(PLAIN, Collected, 2, bank_c=36), id="another bank"),
        pytest.param(session_steps(THREE, max_pumps=4), id="the last pump without a burst"),
        pytest.param(session_steps([(0, "collected"), *THREE]), id="no pump"),
        pytest.param(session_steps([(0, "exploded"), *THREE]), id="burst without a pump"),
        pytest.param(bent(PLAIN, Pumped, 2, latency_us=-1), id="before it was possible"),
        pytest.param(bent(PLAIN, Pumped, 2, latency_us=600_000_001), id="longer than the schema has it"),
        pytest.param(bent(PLAIN, Pumped, onset_t_us=1_949_999), id="onset before its cause"),
        pytest.param(bent(PLAIN, Collected, onset_t_us=0), id="onset before the pumps"),
        pytest.param(session_steps(THREE, planned=2), id="more than planned"),
        pytest.param(with_end(), id="no end"),
        pytest.param(with_end(TimedOut(3), TimedOut(3)), id="two ends"),
        pytest.param(session_steps([(2, "unfinished"), *THREE]), id="an end left out"),
        pytest.param(session_steps([(2, "timed_out")]), id="none scored"),
        pytest.param(session_steps([], planned=1), id="none played"),
    ],
)
def test_whatever_is_odd_is_walked(steps: list[Step]) -> None:
    """The columns do not judge it."""
    assert goes(fold_of(steps)) == [False]


HEADLESS = [
    pytest.param([(500_000, Pumped(onset_t_us=0, latency_us=500_000, i=1, k=1))], id="pumped"),
    pytest.param([(500_000, TimedOut(1))], id="timed out"),
    pytest.param([(500_000, Exploded(1, 1))], id="burst"),
    pytest.param(
        [(500_000, Collected(onset_t_us=0, latency_us=500_000, i=1, pumps=0, earned_c=0, bank_c=0))],
        id="cashed",
    ),
]


@pytest.mark.parametrize("head", HEADLESS)
@pytest.mark.parametrize("has_balloons", [True, False])
def test_what_one_play_does_without_a_balloon_is_no_other_play_s(
    head: list[Step], has_balloons: bool
) -> None:
    """Its rows stand between those of its neighbours in the batch, and are of neither's balloons."""
    plain = session_steps(THREE, planned=9)
    odd = [*plain[:2], *head, *(plain[2:] if has_balloons else plain[-2:])]
    sessions = [fold_of(plain), fold_of(odd, 1), fold_of(plain, 2), fold_of(odd, 3)]
    assert goes(*sessions) == [True, False, True, False]
    assert goes(*sessions[1:3]) == [False, True]


def test_clean_and_corrupted_plays_do_not_see_each_other() -> None:
    """In any order."""
    rng = Random("neighbours")
    made = people("neighbours", 150)
    sessions = [fold_of(steps, n) for n, steps in enumerate(made)]
    sessions += [fold_of(corrupted(rng, steps), n) for n, steps in enumerate(made, 1_000) if len(steps) > 5]
    for _ in range(4):
        rng.shuffle(sessions)
        goes(*[session for session in sessions if is_whole(session)])


@pytest.mark.parametrize(
    ("steps", "is_clean"),
    [
        (committed("[4,2,5]"), True),
        (committed("[4,2,5,9]"), True),
        (committed("[3,2,5]"), False),
        (committed("[4,1,5]"), False),
        (committed("[4,3,5]"), False),
        (committed("[4,2]"), False),
        (committed("[4,2,null]"), False),
        (committed(f"[4,2,{10**30}]"), True),
        (bent(committed("[4,2,5]"), GameCompleted, reveal_seed="pepper"), False),
        (bent(committed("[4,2,5]"), GameCompleted, reveal_seed=None), False),
        (bent(committed("[4,2,5]"), GameCompleted, reveal_burst_points=None), False),
        (session_steps(THREE, seed_commit="0" * 64, completion=None), False),
        (session_steps(THREE, seed_commit="0" * 64, completion=None, planned=4), True),
        (session_steps(THREE, seed_commit="0" * 64, planned=4), True),
    ],
)
def test_a_commitment_is_kept_or_the_session_is_walked(steps: list[Step], is_clean: bool) -> None:
    """What was revealed is what happened; a game that was not played to its end need not reveal."""
    assert goes(fold_of(steps)) == [is_clean]


def test_what_float64_cannot_decide_is_decided_by_integers() -> None:
    """Two cashed balloons move the standard deviation by nothing at all; hundreds of pumps on the mean are too many for a square."""
    alike = session_steps([(3, "collected"), (5, "collected"), (4, "collected")] * 4)
    far = session_steps([(300, "collected"), (500, "collected"), (444, "collected")] * 4, max_pumps=1_000)
    assert goes(fold_of(alike), fold_of(far, 1), fold_of(session_steps(TYPICAL), 2)) == [True, True, True]
