"""OpenNeuro ds000030 (UCLA CNP, Poldrack et al. 2016, CC0): its balloon task, one row a button press.

The onset and the reaction time of the data become ``onset_t_us`` and ``latency_us``, exactly: decimal text to whole
microseconds. CONTROL rows (a balloon that cannot burst) are not part of the game and are counted as skipped. A row that cannot be
read leaves a hole in the session's sequence, so that the session is seen to be incomplete rather than shorter.
"""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TextIO, cast

from agents.event_logger import Verdict
from importers.importing import Parsed

_COLUMNS = {"participant_id", "onset", "reaction_time", "trial_number", "trial_type", "action"}
MAX_PUMPS = 12
VALUE_PER_PUMP_C = 5  # points; the study paid by points
_SECONDS_MAX = 1_000_000  # far beyond what the schemas allow, and far below what an int64 holds

_Row = tuple[int, dict[str, str]]  # line number in the file, columns


class NotOfThisForm(Exception):
    """The file is none of this study's balloon task; the message says what is missing."""


def balloon_events(path: Path, skipped: Counter[str]) -> Iterator[Parsed]:
    """Every event of every person, session by session; ``skipped`` counts the rows that are not of the game.

    Raises NotOfThisForm, OSError.
    """
    people: dict[str, list[_Row]] = {}
    for line, row in _rows(path):
        if row["trial_type"] != "BALOON":  # so spelt in the data
            skipped[f"trial_type {row['trial_type']}"] += 1
            continue
        people.setdefault(row["participant_id"], []).append((line, row))
    for participant_id, rows in people.items():
        yield from _session(participant_id, rows)


def _rows(path: Path) -> Iterator[_Row]:
    with path.open("rb") as raw:
        is_gzip = raw.read(2) == b"\x1f\x8b"
    try:
        with _text(path, is_gzip=is_gzip) as text:
            first = text.readline()
            delimiter = "\t" if "\t" in first else ","
            header = next(csv.reader([first], delimiter=delimiter), [])
            reader = csv.DictReader(text, header, delimiter=delimiter)
            missing = _COLUMNS - set(reader.fieldnames or ())
            if missing:
                raise NotOfThisForm(
                    f"{path} has no column {', '.join(sorted(missing))}: is it a bart_events file of ds000030?"
                )
            for row in reader:
                yield (
                    reader.line_num + 1,
                    {name: value or "" for name, value in row.items() if name is not None},
                )
    except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError, csv.Error) as error:
        raise NotOfThisForm(f"{path} cannot be read as a table: {error}") from error


def _text(path: Path, *, is_gzip: bool) -> TextIO:
    """UTF-8, with or without a byte order mark."""
    if is_gzip:
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _session(participant_id: str, rows: list[_Row]) -> Iterator[Parsed]:
    session_id = f"ds000030.{participant_id}"
    balloons: list[list[_Row]] = []
    for line, row in rows:
        if not balloons or balloons[-1][0][1]["trial_number"] != row["trial_number"]:
            balloons.append([])
        balloons[-1].append((line, row))
    config = {
        "balloons": len(balloons),
        "burst_law": "uniform",
        "max_pumps": MAX_PUMPS,
        "value_per_pump_c": VALUE_PER_PUMP_C,
    }
    started = {
        "kind": "session.started",
        "t_us": 0,
        "subject_id": participant_id,
        "consent_basis": "public_dataset:ds000030:CC0",
        "battery": "ds000030",
        "protocol": {"games": [{"config": config, "game": "balloon_risk"}]},
        "device_input": "button_box",
    }
    place = f"line {rows[0][0]}"
    events: list[tuple[str, dict[str, object] | Verdict]] = [
        (place, started),
        (place, {"kind": "balloon_risk.game_started", "t_us": 0, "config": config}),
    ]
    bank_c = t_us = 0
    for i, presses in enumerate(balloons, 1):
        made, bank_c = _balloon(i, presses, bank_c)
        events += made
        t_us = max([t_us, *(int(str(event["t_us"])) for _, event in made if isinstance(event, dict))])
    place = f"line {rows[-1][0]}"
    events += [
        (place, {"kind": "balloon_risk.game_completed", "t_us": t_us, "reason": "finished"}),
        (place, {"kind": "session.completed", "t_us": t_us, "last_seq": len(events) + 1}),
    ]
    for seq, (where, event) in enumerate(events):
        if isinstance(event, dict):
            yield Parsed(where, {"session_id": session_id, "seq": seq, **event})
        else:
            yield Parsed(where, event)


def _balloon(
    i: int, presses: list[_Row], bank_c: int
) -> tuple[list[tuple[str, dict[str, object] | Verdict]], int]:
    """The events of one balloon and the bank after it; a balloon whose end is missing simply has none."""
    made: list[tuple[str, dict[str, object] | Verdict]] = []
    pumps, is_shown = 0, False
    for line, row in presses:
        place = f"line {line}"
        try:
            onset_t_us, latency_us = _us(row, "onset"), _us(row, "reaction_time")
        except ValueError as error:
            made.append((place, _rejected(row, str(error))))
            continue
        if not is_shown:
            is_shown = True
            shown = {"kind": "balloon_risk.shown", "t_us": onset_t_us, "i": i, "color": "none"}
            shown |= {"max_pumps": MAX_PUMPS, "value_per_pump_c": VALUE_PER_PUMP_C, "practice": False}
            made.append((place, shown))
        times = {"t_us": onset_t_us + latency_us, "onset_t_us": onset_t_us, "latency_us": latency_us}
        match row["action"]:
            case "ACCEPT":
                pumps += 1
                made.append((place, {"kind": "balloon_risk.pumped", **times, "i": i, "k": pumps}))
            case "CASHOUT":
                earned_c = pumps * VALUE_PER_PUMP_C
                bank_c += earned_c
                money = {"pumps": pumps, "earned_c": earned_c, "bank_c": bank_c}
                made.append((place, {"kind": "balloon_risk.collected", **times, "i": i, **money}))
            case "EXPLODE":
                made.append(
                    (place, {"kind": "balloon_risk.exploded", "t_us": onset_t_us, "i": i, "at_pump": pumps})
                )
            case action:
                made.append(
                    (place, _rejected(row, f"action is {action!r}; known are ACCEPT, CASHOUT, EXPLODE"))
                )
    return made, bank_c


def _us(row: dict[str, str], column: str) -> int:
    """Seconds as text to whole microseconds, exactly."""
    try:
        seconds = Decimal(row[column])
        if not abs(seconds) < _SECONDS_MAX:
            raise ValueError(f"{column} is {row[column][:30]!r}, beyond any session")
        return int((seconds * 1_000_000).to_integral_exact())
    except ArithmeticError as error:
        raise ValueError(f"{column} is {row[column]!r}, no number of seconds") from error


def _rejected(row: dict[str, str], message: str) -> Verdict:
    return Verdict(
        status="rejected",
        session_id=f"ds000030.{row['participant_id']}",
        code="malformed",
        pointer="",
        message=message,
        suggestion="mend the row, or leave the person out",
    )
