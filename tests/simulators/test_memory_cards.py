"""People with known traits who play memory cards: ``simulators/memory_cards.py``."""

import math
import random
from itertools import pairwise
from statistics import correlation, fmean

import msgspec
import pytest

from science.games.memory_cards.vocabulary import CardFlipped
from simulators.memory_cards import PERFECT, Design, Person, person, play_round
from simulators.people import crowd
from simulators.sitting import Fields
from tests.simulators.folding import payload_of, plays_of

ORDINARY = Person(encode=0.8, decay=20.0, slip=0.03)
BLANK = Person(encode=0.0, decay=20.0, slip=0.0)


def mean_turns(someone: Person, n_pairs: int, games: int, seed: int = 1) -> float:
    dice, faces = random.Random(seed), [n // 2 for n in range(2 * n_pairs)]
    turns = 0
    for _ in range(games):
        dice.shuffle(faces)
        turns += len(play_round(someone, dice, faces))
    return turns / games


def a_person(dice: random.Random, design: Design) -> Person:
    return person(lambda _: dice.gauss(0, 1), design)


def flips(events: list[Fields]) -> list[Fields]:
    return [event for event in events if event["kind"] == "memory_cards.card_flipped"]


@pytest.mark.parametrize(
    ("n_pairs", "games", "expected", "within"),
    [(8, 20_000, 12.392985, 0.02), (4, 5_000, 5.923810, 0.03), (12, 2_000, 18.849791, 0.06)],
)
def test_perfect_memory_needs_the_turns_of_perfect_play(
    n_pairs: int, games: int, expected: float, within: float
) -> None:
    """The exact law of Velleman & Warrington 2013; over 20,000 games of 8 pairs the standard error is .005."""
    found = mean_turns(PERFECT, n_pairs, games)
    print(f"{n_pairs} pairs: {found:.4f} turns, perfect play needs {expected}")
    assert abs(found - expected) <= within


def test_who_remembers_nothing_needs_the_square() -> None:
    """The sum of 2j - 1: 64 turns for 8 pairs; the standard error of 2,000 games is .56."""
    found = mean_turns(BLANK, 8, 2_000)
    print(f"no memory: {found:.2f} turns")
    assert abs(found - 64) <= 2


@pytest.mark.parametrize(
    "worse",
    [{"encode": 0.6}, {"decay": 8.0}, {"slip": 0.2}],
    ids=["notices less", "forgets sooner", "slips more"],
)
def test_every_weakness_costs_turns(worse: dict[str, float]) -> None:
    """And each of them leaves more turns than perfect memory needs."""
    ordinary = mean_turns(ORDINARY, 12, 400)
    assert mean_turns(PERFECT, 12, 400) + 1 < ordinary
    assert ordinary + 0.5 < mean_turns(msgspec.structs.replace(ORDINARY, **worse), 12, 400)


def test_who_learns_needs_fewer_turns_later() -> None:
    """``learning`` is added to what is noticed, round by round, up to all of it."""
    learns = msgspec.structs.replace(ORDINARY, encode=0.6, learning=0.05)
    assert learns.encode_in(1) == 0.6
    assert learns.encode_in(20) == 1.0
    dice, faces, by_round = random.Random(2), [n // 2 for n in range(24)], {1: 0, 9: 0}
    for r in by_round:
        for _ in range(300):
            dice.shuffle(faces)
            by_round[r] += len(play_round(learns, dice, faces, r))
    assert by_round[9] + 300 < by_round[1]


def test_a_slip_misses_by_one_card() -> None:
    """Of cards that are left, one beside the remembered place is turned instead; a player like this never ends on purpose."""
    slips = Person(encode=1.0, decay=math.inf, slip=0.999)
    dice, faces = random.Random(3), [0, 1, 2, 0, 1, 2]
    turns = play_round(slips, dice, faces)
    known = [turn for turn in turns if turn.second_known]
    assert any(faces[turn.first] != faces[turn.second] for turn in known)
    assert all(turn.first != turn.second for turn in turns)


def test_the_traits_are_distributed_as_published() -> None:
    """encode ~ Beta(12, 3), decay ~ logN(3, .5), slip ~ Beta(1, 30), learning ~ |N(0, .03)|."""
    dice = random.Random(4)
    people = [a_person(dice, Design()) for _ in range(4_000)]
    assert abs(fmean(someone.encode for someone in people) - 12 / 15) < 0.01
    assert abs(fmean((someone.encode - 0.8) ** 2 for someone in people) - 36 / (15**2 * 16)) < 0.001
    assert abs(fmean(math.log(someone.decay) for someone in people) - 3) < 0.03
    assert abs(fmean(someone.slip for someone in people) - 1 / 31) < 0.003
    assert abs(fmean(someone.learning for someone in people) - 0.03 * math.sqrt(2 / math.pi)) < 0.001


def test_who_played_well_once_plays_well_again() -> None:
    """Excess turns of 6 rounds of 12 pairs are reliable: two sessions of the same people agree."""
    dice, faces, found = random.Random(5), [n // 2 for n in range(24)], []
    for _ in range(150):
        someone = a_person(dice, Design())
        sums = [0, 0]
        for session in (0, 1):
            for r in range(1, 7):
                dice.shuffle(faces)
                sums[session] += len(play_round(someone, dice, faces, r))
        found.append(sums)
    r = correlation([one for one, _ in found], [two for _, two in found])
    print(f"parallel sessions of memory cards: r = {r:.3f}")
    assert r >= 0.8


# --------------------------------------------------------------------------------------------------------------- the events


def test_the_play_finds_nothing_wrong_with_them() -> None:
    """Layouts are those committed to, no flip falls into a lockout, and every round is scored."""
    for _, sitting, events in crowd(20, 1, Design()):
        (play,) = plays_of(events)
        assert play.findings == []
        assert play.tally().scored == sitting.parts[0].units
        assert play.conduct().failed == ()


def test_a_layout_that_was_changed_is_found() -> None:
    """The commitment binds: two cards exchanged in what is revealed is an impossible round."""
    ((_, _, events),) = crowd(1, 1, Design(rounds=1))
    completed = next(event for event in events if event["kind"] == "memory_cards.round_completed")
    layout = msgspec.json.decode(completed["layout"])
    completed["layout"] = msgspec.json.encode(layout[::-1]).decode()
    (play,) = plays_of(events)
    assert [found.code for found in play.findings] == ["M9"]


def test_events_are_the_turns_that_were_played() -> None:
    """Two flips a turn, matched where the faces are equal, and as many turns as the round says."""
    ((_, _, events),) = crowd(1, 6, Design(rounds=1, n_pairs=6, rows=3, cols=4))
    shown = flips(events)
    resolved = [event for event in events if event["kind"] == "memory_cards.turn_resolved"]
    assert [event["matched"] for event in resolved] == [
        first["face"] == second["face"] for first, second in zip(shown[::2], shown[1::2], strict=True)
    ]
    assert sum(event["matched"] for event in resolved) == 6
    assert events[-3]["turns"] == len(resolved)
    assert isinstance(payload_of(shown[0]), CardFlipped)


def test_a_flip_waits_for_the_end_of_the_lockout() -> None:
    """After a mismatch the onset is 800 ms later than the turn; after a match at once."""
    ((_, _, events),) = crowd(1, 8, Design())
    lockouts = {True: set(), False: set()}
    for before, after in pairwise(events):
        if before["kind"] == "memory_cards.turn_resolved" and after["kind"] == "memory_cards.card_flipped":
            lockouts[before["matched"]].add(after["onset_t_us"] - before["t_us"])
    assert lockouts == {True: {0}, False: {800_000}}


def test_what_is_remembered_is_turned_faster() -> None:
    """Flips that make a pair are mostly of known places; a slower person is slower throughout."""
    fast, slow = [], []
    for _, _, events in crowd(30, 9, Design(rounds=2)):
        shown = flips(events)
        for first, second in zip(shown[::2], shown[1::2], strict=True):
            (fast if first["face"] == second["face"] else slow).append(math.log(second["latency_us"]))
    assert fmean(fast) + 0.05 < fmean(slow)


def test_a_round_of_one_pair_can_be_played() -> None:
    """The smallest game there is has nothing to leave early from."""
    for _, sitting, events in crowd(40, 2, Design(rounds=1, n_pairs=1, rows=1, cols=2)):
        assert sitting.is_finished
        assert len(flips(events)) == 2
