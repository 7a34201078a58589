"""OpenNeuro ds000030 (UCLA CNP, Poldrack et al. 2016, CC0): its balloon task and its choice reactions, people as sessions.

Onset and reaction time of the data become ``onset_t_us`` and ``latency_us``: decimal text, rounded to the nearest microsecond. Rows
that are not of the games are counted as skipped: CONTROL, a balloon that cannot burst, and STOP, a trial that asks for no response. A
row that cannot be read leaves a hole in the session's sequence.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from importers.balloons import BalloonGame
from importers.importing import Parsed
from importers.reactions import ReactionGame
from importers.sessions import Game, session_events, unreadable
from importers.tables import SECOND_US, Row, micros, rows

MAX_PUMPS = 12
VALUE_PER_PUMP_C = 5  # points; the study paid by points
PRESSES = {"onset", "reaction_time", "trial_number", "trial_type", "action"}
# The study's trials begin 1.9 s apart or more, and nobody answered later than 1.6 s.
TIMEOUT_US = 2 * SECOND_US
_TRIALS = {
    *("onset", "trial_type", "PresentedStimulusArrowDirection", "ReactionTime"),
    *("SubjectResponseButton", "TrialOutcome"),
}
_KEYS = {"LEFT": "LEFT", "RIGHT": "RIGHT"}
_OUTCOMES = ("SuccessfulGo", "UnuccessfulGo", "JUNK")  # so spelt in the data
_GAP_US = SECOND_US  # between two games of one session, whose files each begin at 0


def events(bart: Path | None, choice_rt: Path | None, skipped: Counter[str]) -> Iterator[Parsed]:
    """Every event of every person, session by session; who is in both tables plays two games, balloons first.

    ``skipped`` counts the rows that are not of the games. Raises NotOfThisForm, OSError.
    """
    presses = _people(bart, PRESSES, "a bart_events", "BALOON", skipped)  # so spelt in the data
    trials = _people(choice_rt, _TRIALS, "a stopsignaltraining_events", "GO", skipped)
    for participant_id in {**presses, **trials}:
        session_id = f"ds000030.{participant_id}"
        games = []
        if participant_id in presses:
            games.append(balloons(session_id, presses[participant_id]))
        if participant_id in trials:
            begin_t_us = games[0].end_t_us + _GAP_US if games else 0
            games.append(_reactions(session_id, trials[participant_id], begin_t_us))
        opening = {
            "subject_id": participant_id,
            "consent_basis": "public_dataset:ds000030:CC0",
            "battery": "ds000030",
            "device_input": "button_box",
        }
        yield from session_events(session_id, opening, games)


def _people(
    path: Path | None, needed: set[str], form: str, trial_type: str, skipped: Counter[str]
) -> dict[str, list[Row]]:
    """The rows of this trial type by person. The study's own files name the person in the file's name alone."""
    people: dict[str, list[Row]] = {}
    if path is None:
        return people
    person = re.match(r"(sub-[A-Za-z0-9]+)_", path.name)
    known = {"participant_id": person[1]} if person else {}
    for place, row in rows(path, {*needed, "participant_id"}, f"{form} table of ds000030", known=known):
        if row["trial_type"] != trial_type:
            skipped[f"trial_type {row['trial_type']}"] += 1
            continue
        people.setdefault(row["participant_id"], []).append((place, row))
    return people


def balloons(session_id: str, presses: Sequence[Row]) -> Game:
    """One row a button press. A balloon whose end is missing simply has none."""
    game = BalloonGame(max_pumps=MAX_PUMPS, value_per_pump_c=VALUE_PER_PUMP_C)
    trial_number = None
    for place, row in presses:
        if row["trial_number"] != trial_number:
            trial_number = row["trial_number"]
            game.begin()
        try:
            _press(game, place, row)
        except ValueError as error:
            game.refuse(place, unreadable(session_id, error))
    return game.told()


def _press(game: BalloonGame, place: str, row: dict[str, str]) -> None:
    """Tell of one press. Raises ValueError where it cannot be read."""
    onset_t_us, latency_us = micros(row, "onset"), micros(row, "reaction_time")
    if not game.is_shown:
        game.show(place, onset_t_us)
    match row["action"]:
        case "ACCEPT":
            game.pump(place, onset_t_us, latency_us)
        case "CASHOUT":
            game.collect(place, onset_t_us, latency_us)
        case "EXPLODE":
            game.explode(place, onset_t_us)
        case action:
            raise ValueError(f"action is {action[:30]!r}; known are ACCEPT, CASHOUT, EXPLODE")


def _reactions(session_id: str, trials: Sequence[Row], begin_t_us: int) -> Game:
    """One row a trial; its onsets run from ``begin_t_us``."""
    game = ReactionGame("choice", _KEYS, timeout_us=TIMEOUT_US)
    for (place, row), following in zip_longest(trials, trials[1:]):
        try:
            _trial(game, place, row, following, begin_t_us)
        except ValueError as error:
            game.refuse(place, unreadable(session_id, error))
    return game.told(begin_t_us)


def _trial(
    game: ReactionGame, place: str, row: dict[str, str], following: Row | None, begin_t_us: int
) -> None:
    """Tell of one trial. Raises ValueError where it cannot be read.

    The outcome decides. A reaction time of 0 is the study's word for no response, whatever else the row says.
    """
    arrow, outcome = row["PresentedStimulusArrowDirection"], row["TrialOutcome"]
    if arrow not in _KEYS:
        raise ValueError(f"PresentedStimulusArrowDirection is {arrow[:30]!r}; known are {', '.join(_KEYS)}")
    if outcome not in _OUTCOMES:
        raise ValueError(f"TrialOutcome is {outcome[:30]!r}; known are {', '.join(_OUTCOMES)}")
    onset_t_us = begin_t_us + micros(row, "onset")
    latency_us = 0 if outcome == "UnuccessfulGo" else micros(row, "ReactionTime")
    if latency_us == 0:
        game.miss(place, arrow, onset_t_us, _over(onset_t_us, following, begin_t_us))
    else:
        game.respond(place, arrow, _key(row, arrow, outcome), onset_t_us, latency_us)


def _key(row: dict[str, str], arrow: str, outcome: str) -> str:
    """The key that was pressed. Of a wrong one the data often do not say which it was: then it is ``not`` the right one."""
    if outcome == "SuccessfulGo":
        return arrow
    button = row["SubjectResponseButton"]
    return button if button not in {"", "n/a", arrow} else f"not {arrow}"


def _over(onset_t_us: int, following: Row | None, begin_t_us: int) -> int:
    """When a trial without a response is over: at its timeout, or as the next one begins."""
    over_t_us = onset_t_us + TIMEOUT_US
    try:
        next_t_us = over_t_us if following is None else begin_t_us + micros(following[1], "onset")
    except ValueError:
        return over_t_us
    return max(onset_t_us, min(over_t_us, next_t_us))
