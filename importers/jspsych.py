"""jsPsych's data, as ``jsPsych.data.get()`` gives them to ``.json()`` or ``.csv()``: files of trials to sessions of games.

A JSON file is one array of trials, or several one after the other, as JATOS exports them; each is somebody's run. Everybody's trials
may also stand in one file and be told apart by columns. What the games are made of says ``jspsych_games``.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import msgspec

from importers.importing import Parsed
from importers.jspsych_games import Design, Fields, Record, Run, attention, is_reaction, planned_keys
from importers.sessions import session_events
from importers.tables import NotOfThisForm, opened, rows

PERSON_COLUMNS = (
    *("subject_id", "subject", "participant_id", "participant"),
    *("PROLIFIC_PID", "workerId", "worker_id"),
)
RUN_COLUMNS = ("run_id", "session_id", "SESSION_ID")

# In a table everything is text; these cells hold JSON. A cell without anything is a trial without it.
_JSON_COLUMNS = {
    *("trial_type", "time_elapsed", "rt", "response", "key_press", "correct_response"),
    *("pumps", "popped", "points_earned", "pump_times", "collect_time"),
    *("event", "time", "interactions", "interaction_data"),
}
_BLANKS = re.compile(r"[ \t\r\n]*")


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What the data do not say of the people: by which column they are told apart, and why their data may be processed.

    ``session_column``'s values become the sessions' names and stand in the log in clear. Without it a session is what has one run
    and one person, and is named by the digest of its trials: the same trials have the same name, and nobody's identity is in it.
    """

    consent_basis: str
    session_column: str | None = None


def events(
    paths: Sequence[Path], design: Design, sources: Sources, skipped: Counter[str]
) -> Iterator[Parsed]:
    """Every event of every session of the files; ``skipped`` counts the trials that are of none of the games.

    Raises NotOfThisForm before the first event, OSError.
    """
    for path, count in Counter(path.resolve() for path in paths).items():
        if count > 1:
            raise NotOfThisForm(f"{path} is named twice: its trials would count twice")
    records = [record for path in paths for record in _records(path)]
    if not any("trial_type" in record.fields and "time_elapsed" in record.fields for record in records):
        raise NotOfThisForm("no trial has trial_type and time_elapsed: is this jsPsych's data?")
    design = planned_keys(records, design)
    runs = _runs(records, sources.session_column)
    if design.max_pumps is None and any(record.fields.get("trial_type") == "bart" for record in records):
        raise NotOfThisForm(
            "the data do not say how often a balloon could be pumped at most: give --max-pumps"
        )
    for (session, person, _), run in runs.items():
        session_id = f"jspsych.{session or _digest(run)}"
        games = Run(session_id, design, skipped).games(run)
        if not games:
            continue
        answered = {str(one.fields.get("trial_type")) for one in run if is_reaction(one.fields, design)}
        by_keyboard = bool(answered) and all("keyboard" in trial_type for trial_type in answered)
        opening = {
            "participant_ref": person or session_id,
            "consent_basis": sources.consent_basis,
            "battery": "jspsych",
            "device_input": "keyboard" if by_keyboard else "unknown",
        }
        yield from session_events(session_id, opening, games, attention(run, skipped))


# ------------------------------------------------------------------------------------------------ reading


def _records(path: Path) -> Iterator[Record]:
    """The trials of a file, in order."""
    with opened(path) as text:
        start = text.read(1024).lstrip()[:1]
    if start in {"[", "{"}:
        yield from _from_json(path)
        return
    needed = {"trial_type", "time_elapsed"}
    for place, row in rows(path, needed, "jsPsych's data, as JSON or as a table"):
        fields: Fields = {
            name: _cell(text) if name in _JSON_COLUMNS else text
            for name, text in row.items()
            if text or name in _JSON_COLUMNS
        }
        yield Record(place, str(path), fields)


def _from_json(path: Path) -> Iterator[Record]:
    with opened(path) as text:
        whole = text.read()
    place = _past_blanks(whole, 0)
    number = 0
    while place < len(whole):
        number += 1
        try:
            trials, place = _JSON.raw_decode(whole, place)
        except (ValueError, RecursionError) as error:
            raise NotOfThisForm(f"{path} is no JSON: {error}") from error
        place = _past_blanks(whole, place)
        if not isinstance(trials, list) or not all(isinstance(trial, dict) for trial in trials):
            raise NotOfThisForm(f"{path} is no array of trials, each an object")
        array = "" if number == 1 else f" array {number}"
        for index, fields in enumerate(trials, 1):
            yield Record(f"{path.name}{array} trial {index}", f"{path}{array}", fields)


def _cell(text: str) -> object:
    if not text:
        return None
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError):
        return text


def _past_blanks(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    assert found is not None  # it matches nothing, too
    return found.end()


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


_JSON = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number)


# ------------------------------------------------------------------------------------------------ whose trials they are

_Key = tuple[
    str, str, str
]  # the session's name, if a column gives it; the person; what else tells runs apart


def _runs(records: Sequence[Record], session_column: str | None) -> dict[_Key, list[Record]]:
    """The trials by session, in the order of the input. A record that names nobody belongs to the one before it."""
    person_column = _first_of(PERSON_COLUMNS, records)
    run_column = None if session_column else _first_of(RUN_COLUMNS, records)
    if session_column is not None and _first_of((session_column,), records) is None:
        raise NotOfThisForm(f"no trial has {session_column}: name another column with --session-from")
    runs: dict[_Key, list[Record]] = {}
    source = session = person = run = ""
    for record in records:
        if record.source != source:
            source, session, person, run = record.source, "", "", ""
        session = _text(record.fields, session_column) or session
        person = _text(record.fields, person_column) or person
        run = _text(record.fields, run_column) or run
        apart = "" if session else f"{run} {source}"
        runs.setdefault((session, person, apart), []).append(record)
    if session_column is not None:
        named = Counter(session for session, _, _ in runs if session)
        shared = [name for name, count in named.items() if count > 1]
        if shared:
            raise NotOfThisForm(f"{session_column} {shared[0]!r} stands for several people")
    return runs


def _first_of(names: Sequence[str], records: Sequence[Record]) -> str | None:
    there = {name for record in records for name in record.fields}
    return next((name for name in names if name in there), None)


def _text(fields: Mapping[str, object], column: str | None) -> str:
    value = None if column is None else fields.get(column)
    return "" if value is None else str(value)


def _digest(run: Sequence[Record]) -> str:
    trials = [record.fields for record in run]
    return sha256(json.dumps(trials, sort_keys=True, default=str).encode()).hexdigest()[:32]
