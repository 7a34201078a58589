"""Memory cards: its invariants M1-M10, and what tears, timeouts and practice do to a round."""

from collections.abc import Callable
from hashlib import sha256
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.event import Payload
from science.game import Tally
from science.games import GAMES
from science.games.memory_cards.play import Config, MemoryPlay
from science.games.memory_cards.sample import Round, sample
from science.games.memory_cards.vocabulary import (
    CardFlipped,
    GameCompleted,
    GameStarted,
    RoundCompleted,
    RoundStarted,
    RoundTimedOut,
    TurnResolved,
)
from tests.science.memory_builders import (
    FINISHED,
    LOCKOUT_US,
    Pick,
    Step,
    blind,
    codes_of,
    config_of,
    game_steps,
    influences_of,
    metrics_of,
    played,
    round_steps,
    rounds_of,
    session_of,
)

LAYOUT = ["a", "b", "b", "a"]
PICKS: list[Pick] = [(0, 1), (2, 1), (3, 0)]  # no pair; the b's; the a's


def small(picks: list[Pick] = PICKS, *, rounds: int = 1, **options: object) -> list[Step]:
    """Rounds of two pairs, played alike."""
    lockout_us = options.get("lockout_us", LOCKOUT_US)
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=2, rounds=rounds, lockout_us=lockout_us)))]
    for r in range(1, rounds + 1):
        steps += round_steps(LAYOUT, picks, r=r, begin_us=steps[-1][0] + 1_000, **options)
    return [*steps, (steps[-1][0], FINISHED)]


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


def a_flip(turn: int, flip: int, pos: int, *, r: int = 1, face: str | None = None) -> CardFlipped:
    """A flip that comes at once."""
    shown = LAYOUT[pos] if face is None else face
    return CardFlipped(onset_t_us=10**9, latency_us=0, r=r, turn=turn, flip=flip, pos=pos, face=shown)


def assert_breaks(steps: list[Step], code: str, *, scored: int) -> None:
    """The steps break this invariant, once, as an integrity finding that names its event; so many rounds still count."""
    play = played(steps)
    assert codes_of(play) == {code: 1}, play.findings
    assert play.findings[0].severity == "integrity"
    assert play.findings[0].seq in range(len(steps))
    assert play.tally().scored == scored == len(sample([play]))


def test_a_lawful_game_has_no_findings() -> None:
    """Six ordinary rounds of twelve pairs, the default protocol, break nothing."""
    play = played(game_steps(12, 6, salt="pepper", rows=4))
    assert play.findings == []
    assert play.tally() == Tally(planned=6, scored=6, timed_out=0, unfinished=0, void=0, practice=0)
    assert play.match() == {"n_pairs": 12, "rounds": 6}


# ------------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    "changes",
    [
        {"n_pairs": 5},
        {"rows": 3},
        {"cols": 1},
        {"rounds": 0},
        {"rounds": 1_001},
        {"n_pairs": 0, "rows": 0},
        {"n_pairs": 501, "rows": 2, "cols": 501},
        {"lockout_us": -1},
        {"lockout_us": 60_000_001},
        {"rounds": "6"},
        {"surprise": 1},
    ],
)
def test_a_configuration_is_complete_and_fits(changes: dict[str, object]) -> None:
    """Every place holds a card, and nothing is unknown."""
    config = {"cols": 4, "lockout_us": 0, "n_pairs": 4, "rounds": 6, "rows": 2}
    assert msgspec.convert(config, Config).rounds == 6
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(config | changes, Config)


def test_the_game_is_begun_and_counted_by_its_configuration() -> None:
    """Both refuse what is none of memory cards."""
    game = GAMES["memory_cards"]
    config = msgspec.json.decode(config_of(n_pairs=2, rounds=3))
    play = game.begin(config, GameStarted("{}"))
    assert (play.tally().planned, game.planned(config)) == (3, 3)
    with pytest.raises(msgspec.ValidationError):
        game.begin({**config, "rows": 7}, GameStarted("{}"))
    with pytest.raises(msgspec.ValidationError):
        game.planned({})


def test_a_whole_session_is_measured_as_its_game() -> None:
    """The walk over a session hands the play its events, and the metrics get their standard errors."""
    steps = game_steps(4, 6, salt="pepper")
    measures = session_of(steps)
    assert measures.findings == []
    assert measures.games[0].tally == played(steps).tally()
    assert measures.samples == {"memory_cards": rounds_of(steps)}
    assert {name: metric.value for name, metric in measures.metrics.items()} == {
        f"memory.{name}": metric.value for name, metric in metrics_of(steps).items()
    }
    sure = {name for name, metric in measures.metrics.items() if metric.se is not None}
    assert sure == {f"memory.{name}" for name in influences_of(rounds_of(steps))}
    assert measures.precisions["memory_cards"].units == 6


@pytest.mark.parametrize(
    "shape",
    [
        {"rows": 1, "cols": 2, "n_pairs": 1},
        {"rows": 2, "cols": 1, "n_pairs": 1},
        {"rows": 1, "cols": 1_000, "n_pairs": 500},
        {"rows": 1_000, "cols": 1, "n_pairs": 500},
    ],
)
@pytest.mark.parametrize("most", [False, True])
def test_a_configuration_may_reach_its_bounds(shape: dict[str, int], most: bool) -> None:
    """From one pair to five hundred, however they lie."""
    bounds = {"lockout_us": 60_000_000, "rounds": 1_000} if most else {"lockout_us": 0, "rounds": 1}
    assert msgspec.to_builtins(msgspec.convert(shape | bounds, Config)) == shape | bounds


# ------------------------------------------------------------------------------------------------------------- M1 - M10


@pytest.mark.parametrize("fields", [{"rows": 3}, {"cols": 3}, {"n_pairs": 3}])
def test_m1_every_place_holds_a_card(fields: dict[str, int]) -> None:
    """rows times cols is twice the pairs."""
    assert_breaks(bent(small(rounds=2), RoundStarted, 2, **fields), "M1", scored=1)


@pytest.mark.parametrize("pos", [-1, 4])
def test_m1_no_card_lies_beside_the_table(pos: int) -> None:
    """Places are 0 to 3 where four cards lie."""
    assert_breaks(bent(small(rounds=2), CardFlipped, 4, pos=pos), "M1", scored=1)


def test_m2_a_card_stays_what_it_is() -> None:
    """Place 1 showed b; it cannot show a later."""
    assert_breaks(bent(small(rounds=2), CardFlipped, 4, face="c"), "M2", scored=1)


def test_m2_no_face_has_three_cards() -> None:
    """a lies at 0 and 3; a third a is impossible."""
    steps = small([(0, 3), (1, 2)], rounds=2)
    assert_breaks(bent(steps, CardFlipped, 3, face="a"), "M2", scored=1)


def test_m3_a_turn_flips_two_cards() -> None:
    """The second flip is of another card."""
    assert_breaks(bent(small(rounds=2), CardFlipped, 2, pos=0, face="a"), "M3", scored=1)


@pytest.mark.parametrize("flip", [5, 6])
def test_m4_a_found_card_is_gone(flip: int) -> None:
    """The b's are found in turn 2, so neither flip of turn 3 can be of one."""
    assert_breaks(bent(small(rounds=2), CardFlipped, flip, pos=1, face="b"), "M4", scored=1)


def test_m4_nothing_is_left_after_the_last_pair() -> None:
    """When all are found there is no card to flip."""
    assert_breaks(after(small(rounds=2), TurnResolved, a_flip(4, 1, 0), 3), "M4", scored=1)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda steps: bent(steps, CardFlipped, 3, turn=3),
        lambda steps: bent(steps, CardFlipped, 3, turn=1),
        lambda steps: bent(steps, CardFlipped, 1, flip=2),
        lambda steps: bent(steps, CardFlipped, 2, flip=1),
        lambda steps: bent(steps, CardFlipped, 2, turn=2),
        lambda steps: bent(steps, TurnResolved, 2, turn=3),
        lambda steps: bent(steps, CardFlipped, 2, r=2),
        lambda steps: bent(steps, TurnResolved, 1, r=2),
        lambda steps: bent(steps, RoundCompleted, 1, r=2),
        lambda steps: without(steps, CardFlipped, 2),
        lambda steps: without(steps, TurnResolved, 1),
        lambda steps: after(steps, CardFlipped, a_flip(1, 2, 3), 2),
        lambda steps: after(steps, TurnResolved, TurnResolved(1, 2, matched=True), 1),
        lambda steps: after(steps, CardFlipped, RoundCompleted(1, 1, None, None), 1),
        lambda steps: after(steps, CardFlipped, RoundCompleted(1, 1, None, None), 2),
    ],
)
def test_m5_turns_are_two_flips_and_their_end(break_it: Callable[[list[Step]], list[Step]]) -> None:
    """Turn after turn: flip 1, flip 2, resolved, all of the round that is open; anything else voids the round."""
    assert_breaks(break_it(small(rounds=2)), "M5", scored=1)


def numbered(*numbers: int) -> list[Step]:
    """Rounds of these numbers, each lawful in itself."""
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=2, rounds=len(numbers))))]
    for r in numbers:
        steps += round_steps(LAYOUT, PICKS, r=r, begin_us=steps[-1][0])
    return steps


@pytest.mark.parametrize("r", [1, 3])
def test_m5_rounds_come_in_order(r: int) -> None:
    """The round after the first is the second: a repeated or a skipped number is impossible, and it does not count."""
    assert_breaks(numbered(1, r), "M5", scored=1)
    assert_breaks(numbered(2), "M5", scored=0)


@pytest.mark.parametrize(
    "late",
    [a_flip(4, 1, 0), TurnResolved(1, 4, matched=False), RoundCompleted(1, 3, None, None), RoundTimedOut(1)],
    ids=lambda payload: type(payload).__name__,
)
def test_m5_nothing_happens_between_rounds(late: Payload) -> None:
    """The round before ended lawfully, so it still counts."""
    assert_breaks(after(small(rounds=2), RoundCompleted, late), "M5", scored=2)


@pytest.mark.parametrize("turn", [1, 2])
def test_m6_a_pair_is_two_equal_faces(turn: int) -> None:
    """What the client calls a pair is compared with what the cards showed."""
    steps = small(rounds=2)
    resolved = steps[nth(steps, TurnResolved, turn)][1]
    assert isinstance(resolved, TurnResolved)
    assert_breaks(bent(steps, TurnResolved, turn, matched=not resolved.matched), "M6", scored=1)


def test_m7_a_round_is_complete_when_all_pairs_are_found() -> None:
    """A pair is left."""
    assert_breaks(small(PICKS[:2], rounds=1), "M7", scored=0)


@pytest.mark.parametrize("turns", [2, 4])
def test_m7_the_turns_are_those_played(turns: int) -> None:
    """Three turns were played."""
    assert_breaks(bent(small(rounds=2), RoundCompleted, turns=turns), "M7", scored=1)


def test_m7_a_round_whose_pairs_are_found_cannot_time_out() -> None:
    """It is complete."""
    assert_breaks(small(outcome="timed_out"), "M7", scored=0)


def moved(steps: list[Step], kind: type[Payload], n: int, by_us: int) -> list[Step]:
    """From the n-th of this kind on the clock shows another time; every latency is what it was."""
    place, sent = nth(steps, kind, n), []
    for t_us, payload in steps[place:]:
        onset = {"onset_t_us": payload.onset_t_us + by_us} if isinstance(payload, CardFlipped) else {}
        sent.append((t_us + by_us, msgspec.structs.replace(payload, **onset)))
    return [*steps[:place], *sent]


@pytest.mark.parametrize(
    ("early_us", "breaks"), [(0, False), (50_000, False), (50_001, True), (1_050_000, True)]
)
def test_m8_no_flip_before_the_lockout_ends(early_us: int, breaks: bool) -> None:
    """After a mismatch both cards lie open for a while; 50 ms of browser jitter are forgiven. The clock runs on: it was possible
    to flip when the cards lay open, and that is not the game.
    """
    steps = small(rounds=2)
    place = nth(steps, CardFlipped, 3)
    flip = steps[place][1]
    assert isinstance(flip, CardFlipped)
    t_us = flip.onset_t_us - early_us
    times = {"onset_t_us": min(flip.onset_t_us, t_us), "latency_us": 0}
    steps[place] = t_us, msgspec.structs.replace(flip, **times)
    if breaks:
        assert_breaks(steps, "M8", scored=1)
    else:
        assert played(steps).findings == []


def test_m8_the_flip_itself_counts_too() -> None:
    """An honest onset with a flip long before it is a flip within the lockout."""
    steps = small(rounds=2)
    place = nth(steps, CardFlipped, 3)
    steps[place] = steps[place][0] - 700_000, steps[place][1]
    assert_breaks(steps, "M8", scored=1)


@pytest.mark.parametrize(
    ("back_us", "noted"),
    [
        (2_000, {}),  # real data hold such steps
        (50_000, {}),
        (50_001, {"Q_CLOCK": 1}),
        (480_000, {"Q_CLOCK": 1}),  # as long as the latency: the flip is at the end of the lockout
        (
            1_050_001,
            {"Q_CLOCK": 1},
        ),  # the flip falls into the lockout, but would have been possible before it
        (1_530_001, {"Q_CLOCK": 1}),
        (11_000_000, {"Q_CLOCK": 1}),
    ],
)
def test_a_clock_that_is_set_back_makes_no_flip_impossible(back_us: int, noted: dict[str, int]) -> None:
    """During a lockout too: what came before says when it was possible to flip, by a clock that is not this one any more. The walk
    over the session notes every event whose time went back (Q_CLOCK); no round is lost, and no latency is other than it was.
    """
    steps = small(rounds=2)
    back = moved(steps, CardFlipped, 3, -back_us)
    assert codes_of(played(back)) == noted
    assert rounds_of(back) == rounds_of(steps)


def test_an_onset_within_the_lockout_is_a_matter_of_the_clock() -> None:
    """The flip came after it; only its latency is too long."""
    steps = small(rounds=2)
    flip = steps[nth(steps, CardFlipped, 3)][1]
    assert isinstance(flip, CardFlipped)
    onset = {"onset_t_us": flip.onset_t_us - 50_001, "latency_us": flip.latency_us + 50_001}
    play = played(bent(steps, CardFlipped, 3, **onset))
    assert codes_of(play) == {"Q_CLOCK": 1}
    assert play.tally().scored == 2


def test_m8_a_match_locks_nothing() -> None:
    """The flip after a pair may come at once, and so may any flip in a game without a lockout."""
    at_once = (1_000_000, 1_000_000, 110_000)
    for steps in (
        small([(1, 2), (0, 3)], waits=at_once),
        small(lockout_us=0, waits=at_once),
        small(rounds=2, waits=at_once),  # the lockout of one round is over in the next
    ):
        assert played(steps).findings == []


def test_m8_a_lockout_does_not_outlive_its_round() -> None:
    """A round taken away right after a mismatch: the next one begins when it begins."""
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=2, rounds=2)))]
    steps += round_steps(LAYOUT, PICKS[:1], r=1, outcome="timed_out")
    steps += round_steps(LAYOUT, PICKS, r=2, begin_us=steps[-1][0], waits=(100_000,))
    assert played(steps).findings == []


# ------------------------------------------------------------------------------------------------------ M9: fair layouts


def committed(revealed: str, **reveal: str | None) -> list[Step]:
    """Two rounds of which the first committed to this layout, and reveals it unless told otherwise."""
    commit = sha256(f"{revealed}\nsalt".encode()).hexdigest()
    steps = bent(small(rounds=2), RoundStarted, layout_commit=commit)
    return bent(steps, RoundCompleted, **{"layout": revealed, "salt": "salt", **reveal})


def test_m9_a_kept_commitment_is_silent() -> None:
    """The layout is what the cards showed."""
    assert played(committed('["a","b","b","a"]')).findings == []


def test_m9_the_bytes_are_text_newline_salt() -> None:
    """Anyone can check it by hand: printf '["a","b","b","a"]\\nsalt' | sha256sum."""
    by_hand = "39f5888481c44e50a6c445db2e2f2f9c7359eaf49e12a1c8bbd8d186c253161d"
    steps = bent(small(), RoundStarted, layout_commit=by_hand)
    assert played(bent(steps, RoundCompleted, layout='["a","b","b","a"]', salt="salt")).findings == []


@pytest.mark.parametrize(
    "layout",
    [
        '["a","b","a","b"]',
        '["a","b","b"]',
        '["a","b","b","a","a"]',
        '["a","b","b",null]',
        "[1,2,2,1]",
        '{"0":"a"}',
        '"abba"',
        '["a",',
        "",
    ],
)
def test_m9_what_was_shown_is_what_was_committed_to(layout: str) -> None:
    """Any other layout, or none, breaks the commitment; the fold never raises on it."""
    assert_breaks(committed(layout), "M9", scored=1)


@pytest.mark.parametrize(
    "reveal", [{"salt": "pepper"}, {"layout": '["a", "b", "b", "a"]'}, {"layout": None}, {"salt": None}]
)
def test_m9_a_finished_round_opens_its_commitment(reveal: dict[str, str | None]) -> None:
    """Another salt, another text of the same layout, or nothing at all."""
    assert_breaks(committed('["a","b","b","a"]', **reveal), "M9", scored=1)


@pytest.mark.parametrize(
    ("text", "salt"),
    [(None, None), (None, "salt"), ('["a","b","b","a"]', None)],
    ids=["both", "text", "salt"],
)
def test_m9_nothing_is_no_reveal(text: str | None, salt: str | None) -> None:
    """Whoever commits to the word None and then reveals nothing has not revealed."""
    commit = sha256(f"{text}\n{salt}".encode()).hexdigest()
    steps = bent(small(rounds=2), RoundStarted, layout_commit=commit)
    assert_breaks(bent(steps, RoundCompleted, layout=text, salt=salt), "M9", scored=1)


def test_m9_without_a_commitment_nothing_is_checked() -> None:
    """A reveal that nobody was promised proves nothing and breaks nothing."""
    assert played(bent(small(), RoundCompleted, layout='["x"]', salt="salt")).findings == []


def test_m9_a_round_that_timed_out_reveals_nothing() -> None:
    """Its cards may be dealt again."""
    assert played(small(PICKS[:2], salt="salt", outcome="timed_out")).findings == []


# ----------------------------------------------------------------------------------------------------------- M10: clocks


@pytest.mark.parametrize(("early_us", "findings"), [(50_000, {}), (50_001, {"Q_CLOCK": 1})])
def test_m10_no_flip_is_possible_before_its_cause(early_us: int, findings: dict[str, int]) -> None:
    """An onset may precede the event before it by 50 ms of browser jitter; more is a clock anomaly, and no void."""
    steps = small(rounds=2)
    place = nth(steps, CardFlipped, 2)
    onset_us = steps[place - 1][0] - early_us
    fields = {"onset_t_us": onset_us, "latency_us": steps[place][0] - onset_us}
    play = played(bent(steps, CardFlipped, 2, **fields))
    assert codes_of(play) == findings
    assert play.tally().scored == 2
    assert all(found.severity == "quality" for found in play.findings)


def test_m10_a_flip_before_its_onset_counts_and_its_latency_does_not() -> None:
    """Two ms before it was possible: a clock anomaly, a turn like any other, and no time."""
    play = played(bent(small(), CardFlipped, 2, latency_us=-2_000))
    assert codes_of(play) == {"Q_CLOCK": 1}
    assert play.tally().scored == 1
    assert play.conduct().anticipations == 1


def test_m10_a_flip_may_come_the_moment_it_is_possible() -> None:
    """Zero is an anticipation, and no flaw of the clock."""
    play = played(small(waits=(0, 500_000)))
    assert play.findings == []
    assert play.conduct().anticipations == 3


# ------------------------------------------------------------------------------------------------ S3: the configuration


@pytest.mark.parametrize("fields", [{"rows": 1, "cols": 4}, {"n_pairs": 3, "cols": 3}, {"lockout_us": 5}])
def test_a_round_of_another_size_is_not_of_this_configuration(fields: dict[str, int]) -> None:
    """Size and lockout are the configuration's, or norms would be compared across them (S3)."""
    assert_breaks(bent(small(rounds=2), RoundStarted, 2, **fields), "S3", scored=1)


def test_no_more_rounds_than_planned() -> None:
    """Three rounds of two planned: the third does not count."""
    steps = bent(small(rounds=3), GameStarted, config=config_of(n_pairs=2, rounds=2))
    assert_breaks(steps, "S3", scored=2)


def test_a_round_that_does_not_count_was_one_of_those_planned() -> None:
    """Whoever spoils a round cannot play another for it."""
    steps = bent(small(rounds=3), GameStarted, config=config_of(n_pairs=2, rounds=2))
    play = played(bent(steps, RoundStarted, rows=1, cols=4))
    assert codes_of(play) == {"S3": 2}
    assert [round_.r for round_ in sample([play])] == [2]


def test_practice_is_beside_the_plan_and_never_counts() -> None:
    """A practice round may be smaller than the others; it is in no sample, and its time-out is no miss."""
    plan = config_of(n_pairs=2, rounds=1)
    for outcome in ("completed", "timed_out"):
        steps: list[Step] = [(0, GameStarted(plan))]
        picks = [(0, 1)] if outcome == "completed" else []
        steps += round_steps(["a", "a"], picks, rows=1, practice=True, outcome=outcome)
        steps += round_steps(LAYOUT, PICKS, r=2, begin_us=steps[-1][0])
        play = played(steps)
        assert play.findings == []
        assert play.tally() == Tally(planned=1, scored=1, timed_out=0, unfinished=0, void=0, practice=1)
        assert [round_.r for round_ in sample([play])] == [2]
        assert (play.conduct().units, play.conduct().units_missed) == (3, 0)


# ------------------------------------------------------------------------------------------- rounds that do not count


def test_a_timed_out_round_is_missed() -> None:
    """It is not scored; each pair that it leaves is a turn missed."""
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=2, rounds=3)))]
    for r, (picks, outcome) in enumerate(
        [(PICKS, "completed"), (PICKS[:2], "timed_out"), ([], "timed_out")], 1
    ):
        steps += round_steps(LAYOUT, picks, r=r, begin_us=steps[-1][0], outcome=outcome)
    play = played(steps)
    assert play.findings == []
    assert play.tally() == Tally(planned=3, scored=1, timed_out=2, unfinished=0, void=0, practice=0)
    conduct = play.conduct()
    assert (conduct.units, conduct.units_missed, conduct.responses) == (3 + 1 + 2, 3, 6)


@pytest.mark.parametrize("flips", [1, 2])
def test_a_round_may_time_out_within_a_turn(flips: int) -> None:
    """After one flip, or after two that are not resolved."""
    steps = small(rounds=2)
    place = nth(steps, CardFlipped, flips)
    cut = [*steps[: place + 1], (steps[place][0], RoundTimedOut(1)), *steps[nth(steps, RoundStarted, 2) :]]
    play = played(cut)
    assert play.findings == []
    assert (play.tally().timed_out, play.tally().scored) == (1, 1)


@pytest.mark.parametrize("kept", range(1, 11))
def test_an_unfinished_round_is_dropped_and_noted(kept: int) -> None:
    """Wherever the first round stops, the second counts; also where all pairs were found but nobody said so."""
    steps = small(rounds=2)
    second = nth(steps, RoundStarted, 2)
    play = played([*steps[: 1 + kept], *steps[second:]])
    assert codes_of(play) == {"unfinished": 1}
    assert play.findings[0].severity == "note"
    assert play.tally() == Tally(planned=2, scored=1, timed_out=0, unfinished=1, void=0, practice=0)


def test_a_game_may_simply_stop() -> None:
    """Without game_completed the rounds that were finished count; the open one is noted at the end."""
    steps = small(rounds=2)
    play = played(steps[: nth(steps, TurnResolved, 5)])
    assert codes_of(play) == {"unfinished": 1}
    assert (play.tally().scored, play.tally().unfinished) == (1, 1)


# --------------------------------------------------------------------------------------------------------------- tears


def test_a_torn_event_takes_its_round_with_it_and_no_other() -> None:
    """Whichever event of a round is missing: that round is out, all the others count as before."""
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=2, rounds=4)))]
    for r in range(1, 5):
        outcome, picks = ("timed_out", PICKS[:2]) if r == 2 else ("completed", PICKS)
        steps += round_steps(LAYOUT, picks, r=r, begin_us=steps[-1][0], outcome=outcome, salt=f"salt {r}")
    touched = set()
    for seq, (_, payload) in enumerate(steps[1:], 1):
        r = payload.r  # type: ignore[attr-defined]  # every step but the first is of a round
        touched.add(r)
        play = played(steps, torn=[seq])
        assert play.findings == [], (payload, play.findings)
        assert [round_.r for round_ in sample([play])] == [left for left in (1, 3, 4) if left != r]
        fate = play.tally()
        assert (fate.void, fate.unfinished) == (int(not isinstance(payload, RoundStarted)), 0), payload
        assert fate.timed_out == int(r != 2)
    assert touched == {1, 2, 3, 4}


def test_a_torn_end_of_the_game_costs_nothing() -> None:
    """Between rounds there is nothing to void."""
    steps = small(rounds=2)
    play = played(steps, torn=[len(steps) - 1])
    assert play.findings == []
    assert (play.tally().scored, play.tally().void) == (2, 0)


def test_a_gap_may_swallow_whole_rounds() -> None:
    """The rounds in it are out, and their numbers are not missed in the next one."""
    steps = small(rounds=4)
    gap = range(nth(steps, CardFlipped, 8), nth(steps, CardFlipped, 14))
    play = played(steps, torn=gap)
    assert play.findings == []
    assert [round_.r for round_ in sample([play])] == [1, 4]


def test_a_number_that_was_there_does_not_come_again_after_a_gap() -> None:
    """A gap hides rounds; it does not bring one back."""
    steps = numbered(1, 2, 1)
    play = played(steps, torn=[nth(steps, RoundCompleted, 2)])
    assert codes_of(play) == {"M5": 1}
    assert [round_.r for round_ in sample([play])] == [1]


def test_what_follows_a_flaw_is_neither_judged_nor_counted() -> None:
    """One finding a round: after the first flaw nothing is known for certain until the next round is dealt."""
    steps = bent(bent(small(rounds=2), CardFlipped, 2, pos=9), TurnResolved, 2, matched=False)
    play = played(steps)
    assert codes_of(play) == {"M1": 1}
    assert (play.tally().scored, play.tally().void) == (1, 1)


# ------------------------------------------------------------------------------------------------------------- conduct


def test_conduct_counts_what_the_quality_asks_for() -> None:
    """Flips, anticipations, turns, and turns of which a flip took more than three seconds."""
    waits = (99_999, 100_000, 3_000_000, 500_000, 500_000, 3_000_001)
    conduct = played(small(waits=waits)).conduct()
    assert (conduct.responses, conduct.anticipations) == (6, 1)
    assert (conduct.units, conduct.units_missed, conduct.units_slow) == (3, 0, 1)
    assert (conduct.patterned, conduct.failed) == (False, ())


def test_a_game_that_nobody_finished_has_no_conduct() -> None:
    """Nothing to count, and nothing raises."""
    conduct = played(small(PICKS[:1], outcome="unfinished")).conduct()
    assert (conduct.responses, conduct.units, conduct.failed) == (0, 0, ())


@pytest.mark.parametrize(
    ("rounds", "waits", "failed"),
    [
        (4, (149_999,), "too_fast"),
        (4, (150_000,), "automaton"),
        (4, (145_000, 155_000), None),
        (4, (140_000, 160_000), None),  # 24 flips: the median lies half way
        (4, (140_000, 159_999), "too_fast"),
        (4, (2_000_000, 140_000, 140_000), "too_fast"),
        (4, (90_000, 200_000, 200_000), None),
    ],
)
def test_nobody_plays_with_a_median_below_150_ms(
    rounds: int, waits: tuple[int, ...], failed: str | None
) -> None:
    """From twenty flips on such a game cannot be believed."""
    assert played(small(rounds=rounds, waits=waits)).conduct().failed == ((failed,) if failed else ())


@pytest.mark.parametrize(("rounds", "failed"), [(4, None), (5, "too_fast")])
def test_fewer_than_twenty_flips_prove_nothing(rounds: int, failed: str | None) -> None:
    """Four flips a round."""
    assert played(small([(0, 3), (1, 2)], rounds=rounds, waits=(110_000, 130_000))).conduct().failed == (
        (failed,) if failed else ()
    )


# ------------------------------------------------------------------------------------------------------------ the sample


def test_the_sample_says_what_could_be_known() -> None:
    """Worked by hand. Cards: a b c c b a."""
    layout = ["a", "b", "c", "c", "b", "a"]
    picks = [(0, 1), (1, 2), (2, 0), (5, 4), (4, 1), (3, 2), (0, 5)]
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=3)))]
    steps += round_steps(layout, picks, waits=(1_000_000, 2_000_000))
    (round_,) = rounds_of(steps)
    known = [(t.matched, t.first_seen, t.mate_lag, t.second_seen) for t in round_.turns]
    assert known == [
        (False, False, 0, False),
        (False, True, 0, False),  # b again, though its mate is unknown
        (False, True, 0, True),  # c again, and then a again
        (False, False, 1, False),  # a is new, its mate was shown by the flip before: a miss
        (True, True, 6, True),  # b: shown by flip 3, and now it is flip 9
        (True, False, 6, True),  # c: by flip 5, now 11
        (True, True, 6, True),  # a: place 5 by flip 7, now 13
    ]
    assert {(t.first_latency_us, t.second_latency_us) for t in round_.turns} == {(1_000_000, 2_000_000)}


def test_a_sample_survives_being_written_down() -> None:
    """It is stored as arrays and read back as it was."""
    rounds = rounds_of(game_steps(4, 3))
    written = msgspec.json.encode(rounds)
    assert written.startswith(b"[[1,4,[[630000,910000,false,false,0,false],")
    assert msgspec.json.decode(written, type=list[Round]) == rounds


def test_plays_of_one_session_follow_each_other() -> None:
    """Two games give one sample."""
    plays = [played(game_steps(3, 2, seed=seed)) for seed in (1, 2)]
    assert [round_.r for round_ in sample(plays)] == [1, 2, 1, 2]


@given(st.integers(0, 10_000), st.permutations(range(8)), st.integers(1, 9))
def test_neither_places_nor_pictures_matter(seed: int, places: list[int], name: int) -> None:
    """The same play on a table turned about, with other pictures on the cards, is the same sample."""
    layout = ["a", "b", "c", "d"] * 2
    picks = blind(layout, Random(seed))
    moved = [""] * 8
    for pos, face in enumerate(layout):
        moved[places[pos]] = f"{face}{name}"
    config = (0, GameStarted(config_of(n_pairs=4)))
    one = rounds_of([config, *round_steps(layout, picks)])
    other = rounds_of([config, *round_steps(moved, [(places[a], places[b]) for a, b in picks])])
    assert one == other


@given(st.integers(0, 10_000), st.lists(st.tuples(st.sampled_from("tsd"), st.integers(1, 200)), max_size=6))
def test_the_play_never_raises_and_only_whole_rounds_count(seed: int, harm: list[tuple[str, int]]) -> None:
    """Tear, swap and double any events: whatever is left in the sample is a round as it was played."""
    steps = game_steps(3, 3, seed=seed, salt="salt")
    whole = rounds_of(steps)
    torn = []
    for kind, at in harm:
        place = 1 + at % (len(steps) - 1)
        if kind == "t":
            torn.append(place)
        elif kind == "s" and place + 1 < len(steps):
            steps[place : place + 2] = [steps[place + 1], steps[place]]
        elif kind == "d":
            steps.insert(place, steps[place])
    play = played(steps, torn=torn)
    left = sample([play])
    assert len(left) == play.tally().scored
    assert all(round_ in whole for round_ in left)
    fate = play.tally()
    assert fate.scored + fate.timed_out + fate.unfinished + fate.void + fate.practice == len(play.boards)


def test_an_event_after_the_game_is_over_is_noted() -> None:
    """The play takes what it is given."""
    play = MemoryPlay(msgspec.json.decode(config_of(), type=Config))
    play.take(1, 0, GameCompleted("aborted"))
    play.take(2, 0, RoundTimedOut(1))
    assert codes_of(play) == {"M5": 1}
