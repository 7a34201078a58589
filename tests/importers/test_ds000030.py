"""The balloon task of ds000030: ``importers/ds000030.py``."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from agents.event_logger import Verdict
from importers.ds000030 import events
from importers.importing import bring_in
from importers.tables import NotOfThisForm
from streams.memory import MemoryLog
from tests.agents.doors import CODEC, door, size, the_log
from tests.importers.tables import HEADER, Press, Taken, presses, table, taken

SESSION = "ds000030.sub-1"
CAREFUL = presses()


def measured(result: Taken, session: str = SESSION) -> dict[str, object]:
    return json.loads(result.measures[session])  # type: ignore[no-any-return]


def tally(result: Taken) -> dict[str, int]:
    return measured(result)["games"][0]["tally"]  # type: ignore[index,no-any-return]


def codes(result: Taken, session: str = SESSION) -> set[str]:
    return {found["code"] for found in measured(result, session)["findings"]}  # type: ignore[attr-defined]


def test_every_press_becomes_an_event_with_its_own_times(tmp_path: Path) -> None:
    """Onset and reaction time go over exactly, as whole microseconds; the session closes by itself."""
    result = taken(tmp_path, table(CAREFUL))
    assert result.imported.read == result.imported.accepted == 2 + 12 + len(CAREFUL) + 2 == size(result.log)
    assert (result.imported.rejected, result.imported.closed) == (0, 0)
    assert (measured(result)["closed"], codes(result)) == ("completed", set())
    assert tally(result)["scored"] == 12
    told = [CODEC.fields(record.value) for record in the_log(result.log)]
    first = next(fields for kind, fields in told if kind == "balloon_risk.pumped")
    assert (first["onset_t_us"], first["latency_us"], first["t_us"]) == (1_000_000, 413_000, 1_413_000)
    started = told[0][1]
    assert (started["subject_id"], started["key_id"]) == ("sub-1", None)
    assert str(started["consent_basis"]).startswith("public_dataset")


@pytest.mark.parametrize(
    "dress",
    [
        "plain",
        "gzip",
        "tabs",
        "tabs and gzip",
        "windows",
        "a byte order mark",
        "quotes",
        "other order",
        "an index",
    ],
)
def test_one_table_in_any_dress_gives_one_profile(dress: str, tmp_path: Path) -> None:
    """Separator, compression, line ends, quotes, order of columns and rows' numbers are no part of the data."""
    text = table(CAREFUL, "\t" if "tabs" in dress else ",")
    if dress == "windows":
        text = text.replace("\n", "\r\n")
    if dress == "quotes":
        text = "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in text.splitlines())
    if dress == "other order":
        text = "".join(",".join(reversed(line.split(","))) + "\n" for line in text.splitlines())
    if dress == "an index":  # as a data frame is written with tabs: the first column has no name
        lines = table(CAREFUL, "\t").splitlines()
        text = "".join(f"{number or ''}\t{line}\n" for number, line in enumerate(lines))
    path = tmp_path / "bart"
    content = text.encode("utf-8-sig" if dress == "a byte order mark" else "utf-8")
    path.write_bytes(gzip.compress(content) if "gzip" in dress else content)
    assert Taken(path).profiles == taken(tmp_path, table(CAREFUL)).profiles


@pytest.mark.parametrize("column", [name for name in HEADER if name != "row"])
def test_a_table_without_a_needed_column_is_refused_before_anything_is_recorded(
    column: str, tmp_path: Path
) -> None:
    """The message names what is missing."""
    text = table(CAREFUL).replace(column, "something", 1)
    with pytest.raises(NotOfThisForm, match=column):
        taken(tmp_path, text)


def broken_gzip(place: int | None) -> bytes:
    whole = bytearray(gzip.compress(table(CAREFUL).encode()))
    if place is None:
        return bytes(whole[: len(whole) // 2])
    whole[place] ^= 0xFF
    return bytes(whole)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\xff\xfe\x00",
        table(CAREFUL).encode() + b"\xff\n",
        broken_gzip(None),
        broken_gzip(40),
        broken_gzip(-6),
    ],
    ids=[
        "empty",
        "a blank line",
        "no text",
        "no text at its end",
        "cut gzip",
        "bent gzip",
        "gzip of another sum",
    ],
)
def test_what_is_no_table_is_refused_before_anything_is_recorded(content: bytes, tmp_path: Path) -> None:
    """Whatever the bytes: one exception, and nothing in the log."""
    path = tmp_path / "bart"
    path.write_bytes(content)
    log = MemoryLog()
    with pytest.raises(NotOfThisForm, match="bart"):
        bring_in(events(path, None, Counter()), door(tmp_path, log))
    assert size(log) == 0


def other(rows: list[Press]) -> list[Press]:
    return [("sub-2", *row[1:]) for row in rows]


UNREADABLE = [
    "",
    "n/a",
    "NaN",
    "sNaN",
    "inf",
    "-Infinity",
    "1,5",
    "1.5s",
    "1_0",
    "\uff11.\uff15",
    "\u0663",
    "1e400",
    "1e5000",
    "1e999999999",
    "9" * 5000,
]


@pytest.mark.parametrize("column", [1, 2])
@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: text[:12] or "nothing")
def test_a_row_that_cannot_be_read_is_named_and_leaves_a_hole(column: int, text: str, tmp_path: Path) -> None:
    """The session is seen to be incomplete rather than shorter, and nobody else is harmed."""
    rows = [*other(CAREFUL), *CAREFUL]
    bad = list(rows[len(CAREFUL) + 5])
    bad[column] = f'"{text}"' if "," in text else text
    rows[len(CAREFUL) + 5] = tuple(bad)  # type: ignore[call-overload]
    result = taken(tmp_path, table(rows))
    (refusal,) = result.imported.refusals
    assert refusal.place == f"bart.csv line {len(CAREFUL) + 7}"
    assert refusal.verdict.message is not None
    assert len(refusal.verdict.message) < 200
    assert (refusal.verdict.code, refusal.verdict.session_id) == ("malformed", SESSION)
    assert (result.imported.rejected, result.imported.closed) == (1, 1)
    assert result.imported.read == result.imported.accepted + 1
    assert (measured(result)["closed"], codes(result)) == ("abandoned", {"sequence_gap"})
    assert tally(result)["void"] == 1
    assert b"R_INTEGRITY" in result.profiles[SESSION]
    alone = taken(tmp_path, table(other(CAREFUL)))
    assert result.profiles["ds000030.sub-2"] == alone.profiles["ds000030.sub-2"]


def test_the_named_line_is_the_line_of_the_file(tmp_path: Path) -> None:
    """Blank lines and cells over two lines do not shift it."""
    lines = table(CAREFUL).splitlines()
    lines[7] = lines[7].replace("ACCEPT", "JUMP")
    lines.insert(4, "")
    lines[2] += ',"two\nlines"'
    (refusal,) = taken(tmp_path, "\n".join(lines) + "\n").imported.refusals
    text = (tmp_path / "bart.csv").read_text().splitlines()
    assert "JUMP" in text[int(refusal.place.removeprefix("bart.csv line ")) - 1]


@pytest.mark.parametrize("column", [1, 2])
@pytest.mark.parametrize("place", [0, 4, 12])
def test_a_balloon_whose_first_press_cannot_be_read_is_not_scored(
    place: int, column: int, tmp_path: Path
) -> None:
    """Its other presses must not pass for a whole balloon of fewer pumps, be it cashed in or burst."""
    rows = list(CAREFUL)
    bad = list(rows[place])
    bad[column] = "n/a"
    rows[place] = tuple(bad)  # type: ignore[assignment]
    result = taken(tmp_path, table(rows))
    assert result.imported.rejected == 1
    assert (tally(result)["planned"], tally(result)["scored"]) == (12, 11)
    assert codes(result) == {"sequence_gap"}
    pumps = measured(result)["metrics"]["balloon.n_pumps"]["value"]  # type: ignore[index]
    assert pumps == 11 * 3 * 1_000_000


def test_an_unknown_action_is_refused_and_named(tmp_path: Path) -> None:
    """A press that the study does not know is no pump."""
    rows = list(CAREFUL)
    rows[6] = (*rows[6][:5], "JUMP")
    result = taken(tmp_path, table(rows))
    (refusal,) = result.imported.refusals
    assert "'JUMP'" in str(refusal.verdict.message)
    assert "ACCEPT, CASHOUT, EXPLODE" in str(refusal.verdict.message)
    assert tally(result) == {
        "planned": 12, "scored": 11, "timed_out": 0, "unfinished": 0, "void": 1, "practice": 0
    }  # fmt: skip


def test_a_last_balloon_without_an_end_is_dropped_and_counts_against_completeness(tmp_path: Path) -> None:
    """It was planned and shown, and nobody knows how far it would have gone."""
    result = taken(tmp_path, table([*CAREFUL, *presses(balloons=13)[-4:-1]]))
    assert measured(result)["closed"] == "completed"
    assert (tally(result)["planned"], tally(result)["scored"], tally(result)["unfinished"]) == (13, 12, 1)


def test_a_cash_out_at_zero_pumps_counts(tmp_path: Path) -> None:
    """Such rows are in the real data: the balloon is scored with no pumps, and noted."""
    rows = [*CAREFUL, ("sub-1", "90.0", "0.5", "13", "BALOON", "CASHOUT")]
    result = taken(tmp_path, table(rows))
    assert (tally(result)["scored"], codes(result)) == (13, {"Q_NO_PUMP"})


def test_a_press_before_its_onset_counts_and_is_noted(tmp_path: Path) -> None:
    """Real clocks disagree by a little: the negative time goes over exactly."""
    rows = list(CAREFUL)
    rows[4] = (*rows[4][:2], "-0.0015", *rows[4][3:])
    result = taken(tmp_path, table(rows))
    latencies = [CODEC.fields(record.value)[1].get("latency_us") for record in the_log(result.log)]
    assert -1500 in latencies
    assert (result.imported.rejected, tally(result)["scored"]) == (0, 12)
    assert "Q_CLOCK" in codes(result)


def test_rows_of_other_trials_are_counted_and_not_played(tmp_path: Path) -> None:
    """A CONTROL balloon cannot burst, so it is none of the game; it may even lack its times."""
    control = [("sub-1", "", "", "99", "CONTROL", "ACCEPT"), ("sub-1", "5", "1", "98", "REST", "")]
    result = taken(tmp_path, table([control[0], *CAREFUL, control[1], control[0]]))
    assert result.skipped == {"trial_type CONTROL": 2, "trial_type REST": 1}
    assert result.profiles == taken(tmp_path, table(CAREFUL)).profiles


def test_a_table_of_control_rows_alone_is_nobody(tmp_path: Path) -> None:
    """No people, no sessions, no events, and the rows are counted."""
    result = taken(tmp_path, table([("sub-1", "5", "1", "1", "CONTROL", "ACCEPT")]))
    assert (result.imported.read, size(result.log), sum(result.skipped.values())) == (0, 0, 1)


@pytest.mark.parametrize(
    ("person", "pointer"),
    [
        ("sub 1", "/session_id"),
        ("", "/subject_id"),
        ("   ", "/session_id"),
        ("sub/1", "/session_id"),
        ("x" * 60, "/session_id"),
    ],
)
def test_a_person_without_a_usable_name_is_refused_once(person: str, pointer: str, tmp_path: Path) -> None:
    """In one line, with nothing of the session in the log; the others go through."""
    rows = [(person, *row[1:]) for row in CAREFUL]
    rows[5] = (*rows[5][:5], "JUMP")  # a hole of a session that is none
    result = taken(tmp_path, table([*rows, *other(CAREFUL)]))
    (refusal,) = result.imported.refusals
    assert (refusal.place, refusal.verdict.pointer) == ("bart.csv line 2", pointer)
    assert f"{4 + 12 + len(rows)} events" in str(refusal.verdict.message)
    assert result.imported.read == result.imported.accepted + 1
    assert {record.key for record in the_log(result.log)} == {b"ds000030.sub-2"}
    assert b'"closed":"completed"' in result.measures["ds000030.sub-2"]


def test_the_presses_of_people_may_lie_mixed(tmp_path: Path) -> None:
    """The participant's id says whose a row is, not its place."""
    mixed = [row for pair in zip(CAREFUL, other(CAREFUL), strict=True) for row in pair]
    assert (
        taken(tmp_path, table(mixed)).profiles == taken(tmp_path, table([*CAREFUL, *other(CAREFUL)])).profiles
    )


def test_a_second_import_of_the_same_table_is_all_duplicates(tmp_path: Path) -> None:
    """And so is a third one by another process: the profile stays what it was."""
    path = tmp_path / "bart.csv"
    path.write_text(table([*CAREFUL, *other(CAREFUL)]), encoding="utf-8")
    log = MemoryLog()
    logger = door(tmp_path, log)
    first, second = (bring_in(events(path, None, Counter()), logger) for _ in range(2))
    assert (first.accepted, first.duplicate) == (second.duplicate, second.accepted) == (first.read, 0)
    assert all(not isinstance(item.event, Verdict) for item in events(path, None, Counter()))
