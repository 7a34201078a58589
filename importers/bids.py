"""Events tables of a balloon task in the Brain Imaging Data Structure (BIDS): ``sub-<label>[_<entity>-<label>...]_events.tsv``.

One file is one session: a run has its own clock. Two forms of columns are read:

- as in OpenNeuro ds000001 (Schonberg et al. 2012): ``onset``, ``trial_type`` (pumps_demean, cash_demean, explode_demean,
  control_pumps_demean, also without ``_demean``) and ``response_time``. A balloon ends with its cash or explode row; the last pump
  before an explode row is the one that burst it, for an explosion has no response time: it is shown, as in ds000030, after that
  pump. Control rows are no part of the game. A pump is worth 25 cents. The highest number of pumps and the law of bursting are not
  in the table: they are given, or assumed.
- as in OpenNeuro ds000030: ``onset``, ``reaction_time``, ``trial_number``, ``trial_type`` and ``action``, in that study's terms.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from importers import ds000030
from importers.balloons import BalloonGame
from importers.importing import Parsed
from importers.sessions import Game, session_events, unreadable
from importers.tables import NotOfThisForm, Row, columns, micros, rows

VALUE_PER_PUMP_C = 25
_NAME = re.compile(r"((sub-[A-Za-z0-9]+)(?:_[a-z]+-[A-Za-z0-9]+)*)_events\.tsv(?:\.gz)?")
_DEMEANED = {"onset", "trial_type", "response_time"}
_FORM = (
    f"the events table of a balloon task, with {', '.join(sorted(_DEMEANED))} (as in ds000001) "
    f"or with {', '.join(sorted(ds000030.PRESSES))} (as in ds000030)"
)
_TYPES = {"pumps", "cash", "explode"}


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the tables do not say."""

    dataset: str
    consent_basis: str
    max_pumps: int
    burst_law: str


def events(paths: Sequence[Path], terms: Terms, skipped: Counter[str]) -> Iterator[Parsed]:
    """Every event of every file, session by session; ``skipped`` counts the rows that are not of the game.

    Raises NotOfThisForm before the first event, OSError.
    """
    sessions: dict[str, tuple[str, Game]] = {}
    for path in paths:
        name = _NAME.fullmatch(path.name)
        if name is None:
            message = (
                f"{path} is not named sub-<label>[_<entity>-<label>...]_events.tsv: whose events are they?"
            )
            raise NotOfThisForm(message)
        session_id = f"{terms.dataset}.{name[1]}"
        if session_id in sessions:
            raise NotOfThisForm(f"two of the files are named {path.name}: import one data set at a time")
        sessions[session_id] = (name[2], _game(session_id, path, terms, skipped))
    for session_id, (subject, game) in sessions.items():
        opening = {
            "participant_ref": f"{terms.dataset}.{subject}",
            "consent_basis": terms.consent_basis,
            "battery": terms.dataset,
            "device_input": "button_box",
        }
        yield from session_events(session_id, opening, [game])


def _game(session_id: str, path: Path, terms: Terms, skipped: Counter[str]) -> Game:
    if "action" in columns(path):
        table = rows(path, ds000030.PRESSES, _FORM)
        presses = [*_of_the_game(table, {"BALOON"}, skipped)]  # so spelt in the data
        told = ds000030.balloons(session_id, presses) if presses else None
    else:
        told = _demeaned(session_id, rows(path, _DEMEANED, _FORM), terms, skipped)
    if told is None:
        raise NotOfThisForm(f"{path} has no row of a balloon that can burst: is it {_FORM}?")
    return told


def _of_the_game(table: Iterator[Row], wanted: set[str], skipped: Counter[str]) -> Iterator[Row]:
    for place, row in table:
        if row["trial_type"] in wanted:
            yield place, row
        else:
            skipped[f"trial_type {row['trial_type']}"] += 1


def _demeaned(session_id: str, table: Iterator[Row], terms: Terms, skipped: Counter[str]) -> Game | None:
    """The rows of ds000001's form; None where none is of the game."""
    game = BalloonGame(
        max_pumps=terms.max_pumps, value_per_pump_c=VALUE_PER_PUMP_C, burst_law=terms.burst_law
    )
    is_open = is_played = after_control = False
    for place, row in table:
        trial_type = row["trial_type"].removesuffix("_demean")
        of_control = trial_type == "cash" and after_control  # money without a pump of the game before it
        if trial_type not in _TYPES or of_control:
            skipped[f"trial_type {row['trial_type']}{' of a control balloon' if of_control else ''}"] += 1
            is_open, after_control = False, trial_type == "control_pumps"  # what was open has no end
            continue
        if not is_open:
            game.begin()
        is_open, is_played, after_control = trial_type == "pumps", True, False
        try:
            _press(game, place, row, trial_type)
        except ValueError as error:
            game.refuse(place, unreadable(session_id, error))
    return game.told() if is_played else None


def _press(game: BalloonGame, place: str, row: dict[str, str], trial_type: str) -> None:
    """Tell of one row. Raises ValueError where it cannot be read."""
    onset_t_us = micros(row, "onset")
    if trial_type == "explode":
        if not game.pumps:  # only what was refused is then behind it
            unread = "the pump before it could not be read"
            raise ValueError(unread if game.is_shown else "an explosion without a pump before it")
        game.explode(place, onset_t_us)
        return
    latency_us = micros(row, "response_time")
    if not game.is_shown:
        game.show(place, onset_t_us)
    if trial_type == "pumps":
        game.pump(place, onset_t_us, latency_us)
    else:
        game.collect(place, onset_t_us, latency_us)
