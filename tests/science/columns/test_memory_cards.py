"""Memory cards by columns: what goes by them is what the walk finds, to the byte, and whatever is odd is walked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, product
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

import tests.science.test_memory_cards as own
from science.canonical import canonical
from science.columns import memory_cards as columns
from science.columns.events import columns_of
from science.columns.measure import clean_measures, measure_all
from science.estimate import sums
from science.games.memory_cards.play import MemoryPlay
from science.games.memory_cards.vocabulary import (
    CardFlipped,
    GameStarted,
    RoundCompleted,
    RoundStarted,
    RoundTimedOut,
    TurnResolved,
)
from science.measure import Measures, measure
from science.session import Session
from science.vocabulary import CheckAnswered, Interaction
from simulators import memory_cards
from simulators.cheats import CHEATS
from simulators.cheats import bent as cheated
from simulators.people import crowd
from tests.agents.doors import known
from tests.science import memory_builders
from tests.science.builders import close, ended, events_of, fold, started
from tests.science.memory_builders import (
    FINISHED,
    Pick,
    Step,
    blind,
    config_of,
    dealt,
    forgetful,
    perfect,
    round_steps,
)
from tests.science.test_memory_cards import LAYOUT, PICKS, bent, small
from tests.science.test_reproducible import sealed


def session_of(steps: Sequence[Step], name: str = "s-1", terminal: str | None = "completed") -> Session:
    """A closed session of one game, of which these are the steps."""
    first = steps[0][1]
    assert isinstance(first, GameStarted)
    game = {"config": msgspec.json.decode(first.config), "game": "memory_cards"}
    frame = started(canonical({"games": [game]}).decode())
    return close(fold(events_of(ended([(0, frame), *steps], terminal), name)))


def compared(sessions: Sequence[Session]) -> list[Measures | None]:
    """What the columns make of sessions, which is what the walk makes of each; they have no words for a finding, nor a need of the
    walk without one.
    """
    walked = [measure(session) for session in sessions]
    assert measure_all(sessions) == walked
    found = clean_measures(columns_of(sessions))
    for one, other in zip(found, walked, strict=True):
        assert (one is None) == bool(other.findings), (other.session_id, other.findings)
        assert one is None or canonical(one) == canonical(other)
    return found


# ------------------------------------------------------------------------------------------------------ people who play


@pytest.mark.parametrize(
    "design",
    [
        memory_cards.Design(),
        memory_cards.Design(rounds=3, n_pairs=6, rows=3, cols=4),
        memory_cards.Design(rounds=12, n_pairs=1, rows=1, cols=2, lockout_us=0),
        memory_cards.Design(rounds=1, n_pairs=18, rows=6, cols=6),
    ],
    ids=lambda design: f"{design.rounds} of {design.n_pairs}",
)
def test_simulated_people_go_by_columns(design: memory_cards.Design) -> None:
    """In every configuration, also who leaves early; some cheat, or have a bad network."""
    cheats = [name for name, cheat in CHEATS.items() if cheat.bends(["memory_cards"])]
    honest, dishonest = [], []
    for n, (_, _, fields) in enumerate(crowd(12, 7, design)):
        honest.append(close(fold(sealed([known(one) for one in fields]))))
        events = sealed([known(one) for one in cheated(cheats[n % len(cheats)], fields)])
        dishonest += [close(fold([one for one in events if one.session_id == events[0].session_id]))]
    assert None not in compared(honest)
    whole = [session for session in dishonest if session.contiguous == len(session.entries)]
    compared([session for session in whole if None not in session.entries.values()])
    assert measure_all(dishonest) == [measure(session) for session in dishonest]


# --------------------------------------------------------------------------------------------- what the game's own tests play


def own_plays() -> Iterator[list[Step]]:
    """Every play of the game's own tests that nothing is torn out of: impossible, noted or in order."""
    kept: list[list[Step]] = []

    def keeping(steps: Sequence[Step], *, torn: Iterable[int] = ()) -> MemoryPlay:
        if not list(torn):
            kept.append(list(steps))
        return real(steps, torn=torn)

    real = memory_builders.played
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "played", keeping)
        patch.setattr(memory_builders, "played", keeping)
        for name, test in vars(own).items():
            if name.startswith("test_") and not hasattr(test, "hypothesis"):
                for options in parameters_of(test):
                    test(**options)
    yield from kept


def parameters_of(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """What a test is called with."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for values in product(*[mark.args[1] for mark in marks]):
        options: dict[str, Any] = {}
        for mark, value in zip(marks, values, strict=True):
            names = mark.args[0] if isinstance(mark.args[0], tuple) else (mark.args[0],)
            options |= zip(names, value if isinstance(mark.args[0], tuple) else (value,), strict=True)
        yield options


def test_whatever_the_games_own_tests_play() -> None:
    """Each alone, so that none hides another, and then all of them at once."""
    plays = list(own_plays())
    assert len(plays) > 130
    alone = [compared([session_of(steps, f"s-{n}")])[0] for n, steps in enumerate(plays)]
    at_once = compared([session_of(steps, f"s-{n}") for n, steps in enumerate(plays)])
    assert alone == at_once
    assert 50 < alone.count(None) < len(alone) - 30


# ---------------------------------------------------------------------------------------------------- one oddity at a time


def short(picks: list[Pick] = PICKS[:1], layout: list[str] = LAYOUT) -> list[Step]:
    """A round of two pairs that is taken away after these turns, so that nothing is found out in the end."""
    start = GameStarted(config_of(n_pairs=2))
    return [(0, start), *round_steps(layout, picks, outcome="timed_out")]


def practised(picks: int = 3, **started_as: Any) -> list[Step]:
    """A practice round of two pairs, of which so many turns are played, before a round that counts."""
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=2)))]
    outcome = "completed" if picks == len(PICKS) else "timed_out"
    steps += round_steps(LAYOUT, PICKS[:picks], practice=True, outcome=outcome, salt="salt")
    steps += round_steps(LAYOUT, PICKS, r=2, begin_us=steps[-1][0])
    return bent([*steps, (steps[-1][0], FINISHED)], RoundStarted, **started_as)


@pytest.mark.parametrize(
    ("steps", "goes"),
    [
        (small(), True),
        (practised(), True),
        (practised(picks=1), True),
        (practised(picks=1, lockout_us=7), True),  # practice is beside the plan
        (practised(rows=1, cols=4), True),
        (practised(rows=3), False),
        (practised(r=2), False),
        (practised(practice=False), False),
        (bent(practised(), RoundCompleted, salt="pepper"), False),
        (bent(small(), CardFlipped, 4, flip=3), False),
        (bent(small(), CardFlipped, 1, flip=0), False),
        (small(PICKS[:1], outcome="unfinished"), False),
        (small([]), False),
        (short(), True),
        (bent(short(), RoundStarted, rows=4, n_pairs=4), False),
        (bent(short(), RoundStarted, cols=4, n_pairs=4), False),
        (bent(short(), CardFlipped, 2, pos=-1), False),
        (bent(short(), CardFlipped, 2, pos=4), False),
        (bent(short([(0, 1), (0, 2)]), CardFlipped, 3, face="c"), False),
        (bent(short([(0, 1), (1, 2)], ["a", "a", "b", "b"]), CardFlipped, 3, face="c"), False),
        (short([(0, 0)]), False),
        (bent(short(), TurnResolved, matched=True), False),
        (short([(0, 3), (0, 1)]), False),
        (short([(0, 1), (2, 3)], ["a", "b", "a", "a"]), False),
        (bent(small(PICKS[:1], outcome="timed_out"), RoundTimedOut, r=2), False),
        (small([(0, 3)], outcome="timed_out"), True),
        (small(waits=(99_999, 100_000, 3_000_000, 3_000_001)), True),
        (small(lockout_us=0), True),
        (small()[:1], True),  # begun, and left
        (small([], outcome="timed_out"), True),
        (small(waits=(600_000_000,)), True),
    ],
)
def test_one_thing_at_a_time(steps: list[Step], goes: bool) -> None:
    """What the game's own tests leave out."""
    assert (compared([session_of(steps)])[0] is not None) is goes


def test_longer_latencies_than_any_are_walked() -> None:
    """No schema lets them in, and the columns do not hold them."""
    for latency_us in ((1 << 30) - 1, 1 << 30, 1 << 40):
        session = session_of(bent(small(), CardFlipped, 2, latency_us=latency_us))
        assert measure_all([session]) == [measure(session)]
        assert (clean_measures(columns_of([session])) == [None]) == (latency_us >= 1 << 30)


def test_places_beyond_all_tables_are_walked() -> None:
    """A practice round may be of any size; the columns know five hundred pairs, as the schema does."""
    steps = bent(practised(picks=1), RoundStarted, n_pairs=600, rows=30, cols=40)
    session = session_of(bent(steps, CardFlipped, 2, pos=1_100, face="z"))
    assert measure(session).findings == []
    assert clean_measures(columns_of([session])) == [None]
    assert measure_all([session]) == [measure(session)]


def test_a_round_that_is_left_open_is_noted() -> None:
    """In the middle and at the end, wherever it is left; however the session ends."""
    steps = small(rounds=2, salt="salt")[:-1]
    for kept in range(1, len(steps) + 1):
        for terminal in ("completed", "aborted", None):
            compared([session_of([*steps[:kept], (steps[kept - 1][0], FINISHED)], terminal=terminal)])
            compared([session_of(steps[:kept], terminal=terminal)])


def test_what_happens_beside_the_game_does_not_matter() -> None:
    """Checks and other windows lie between its events."""
    steps = small(rounds=2)
    for place in range(len(steps)):
        t_us = steps[place][0]
        beside = [(t_us, Interaction("blur")), (t_us, CheckAnswered("a", passed=True))]
        (found,) = compared([session_of([*steps[: place + 1], *beside, *steps[place + 1 :]])])
        assert found is not None


def test_nobody_is_no_play() -> None:
    """No session, and no round."""
    assert clean_measures(columns_of([session_of([(0, GameStarted(config_of()))])])) != [None]
    assert compared([]) == []


@pytest.mark.parametrize("most", [True, False])
def test_squares_fit(most: bool) -> None:
    """The sums of the greatest and the least logarithms of a whole session are those of integers without bounds."""
    value = (1 << 38) - 1 if most else 1
    values = np.full(8_000, value, dtype=np.int64)
    owner = np.repeat([0, 2], 4_000)
    part = sums([value] * 4_000)
    assert columns._sums(values, owner, 4) == [part, (0, 0, 0), part, (0, 0, 0)]


# ------------------------------------------------------------------------------------------------------------- corruption


def any_game(rng: Random) -> list[Step]:
    """Some game, in order: practice, time-outs within turns, commitments; finished, or left after any round."""
    n_pairs, rounds = rng.choice([1, 2, 2, 3, 4, 6]), rng.randint(1, 4)
    lockout_us = rng.choice([0, 300_000, 1_000_000])
    waits = [int(rng.lognormvariate(13, 0.8)) for _ in range(31)]
    if rng.random() < 0.1:
        waits = [rng.randint(90_000, 160_000) for _ in range(5)]
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=n_pairs, rounds=rounds, lockout_us=lockout_us)))]
    practice = rng.choice([0, 0, 1])
    for r in range(1, practice + rng.randint(0, rounds) + 1):
        layout = dealt(n_pairs, rng)
        picks = rng.choice([perfect, forgetful, forgetful, blind])(layout, rng)
        options: dict[str, Any] = {"practice": r <= practice, "salt": rng.choice([None, f"salt {r}"])}
        begin_us = steps[-1][0] + rng.choice([0, 1_000])
        done = round_steps(
            layout, picks, r=r, begin_us=begin_us, lockout_us=lockout_us, waits=cycle(waits), **options
        )
        if rng.random() < 0.25:
            cut = rng.randrange(1, len(done) - 1)
            done = [*done[:cut], (done[cut - 1][0], RoundTimedOut(r))]
        steps += done
    return steps if rng.random() < 0.1 else [*steps, (steps[-1][0], FINISHED)]


def another(value: Any, rng: Random) -> Any:
    """Another value of the same kind, often a likely one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        near = [value - 1, value + 1, value + 2, 0, 1, 2, 3, value + 50_001, value - 50_001, -value]
        return max(-600_000_000, min(600_000_000, rng.choice(near)))
    return rng.choice(["face 0", "face 1", "another", '["face 0","face 0"]', "salt 1", "salt 2"])


def harmed(steps: list[Step], rng: Random) -> list[Step]:
    """The steps with a field changed, or one taken out, put in twice, or in the place of another, or at another time."""
    place = rng.randrange(1, len(steps))
    t_us, payload = steps[place]
    match rng.choice(["field", "field", "field", "field", "drop", "double", "swap", "copy", "time", "later"]):
        case "field":
            name = rng.choice(payload.__struct_fields__)
            value = another(getattr(payload, name), rng)
            if name in {"layout", "salt", "layout_commit"} and rng.random() < 0.3:
                value = None
            steps[place] = t_us, msgspec.structs.replace(payload, **{name: value})
        case "drop":
            del steps[place]
        case "double":
            steps.insert(place, steps[place])
        case "swap":
            other = rng.choice([place - 1, rng.randrange(1, len(steps))]) or 1
            steps[place], steps[other] = (t_us, steps[other][1]), (steps[other][0], payload)
        case "copy":
            steps[place] = t_us, rng.choice(steps[1:])[1]
        case "time":
            steps[place] = t_us + rng.choice([-50_001, -50_000, 50_000, 50_001, -300_000]), payload
        case _:
            by_us = rng.choice([-50_001, -50_000, -1, 50_001, -299_999])
            steps[place:] = [(of_us + by_us, one) for of_us, one in steps[place:]]
    return steps


def corrupted(n: int) -> list[Step]:
    """The n-th game, with up to three harms; time goes on or stands, so that the columns look at it."""
    rng = Random(f"harm {n}")
    steps = any_game(rng)
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        steps = harmed(steps, rng) if len(steps) > 1 else steps
    latest_us, forward = 0, []
    for t_us, payload in steps:
        latest_us = max(latest_us, t_us)
        forward.append((latest_us, payload))
    return forward


def careless(n: int) -> list[Step]:
    """The n-th game of a client that lets anybody flip anything, on tables where anything lies, and tells the truth of it."""
    rng = Random(f"careless {n}")
    n_pairs, lockout_us = rng.choice([1, 2, 2, 3]), rng.choice([0, 200_000])
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=n_pairs, rounds=3, lockout_us=lockout_us)))]
    for r in range(1, 4):
        layout = dealt(n_pairs, rng) if rng.random() < 0.9 else rng.choices("abc", k=2 * n_pairs)
        picks = forgetful(layout, rng) if layout[0].startswith("face") else []
        for _ in range(rng.choice([0, 0, 0, 0, 1, 2])):
            pick = rng.randrange(2 * n_pairs), rng.randrange(2 * n_pairs)
            picks.insert(rng.randrange(len(picks) + 1), pick)
        begin_us, outcome = steps[-1][0], rng.choice(["completed", "completed", "timed_out"])
        picks = picks[: rng.randrange(len(picks) + 1)] if outcome == "timed_out" else picks
        waits = cycle(
            [rng.choice([110_000, 149_999, 150_000, 160_000, 400_000, 3_000_001]) for _ in range(9)]
        )
        steps += round_steps(
            layout,
            picks,
            r=r,
            begin_us=begin_us,
            lockout_us=lockout_us,
            outcome=outcome,
            waits=waits,
            salt="s",
        )
    return [*steps, (steps[-1][0], FINISHED)]


def test_no_harm_goes_by_columns() -> None:
    """Of clean games with a little wrong the walk finds something, or the columns find the same."""
    sessions = [
        session_of(corrupted(n), f"s-{n}", "aborted" if n % 7 == 0 else "completed") for n in range(400)
    ]
    found = compared(sessions)
    assert 100 < found.count(None) < 300


def test_no_cards_are_too_odd() -> None:
    """Any places, any faces: cards that are gone, flipped twice, of a kind of three or of one."""
    found = compared([session_of(careless(n), f"s-{n}") for n in range(400)])
    assert 100 < found.count(None) < 350
