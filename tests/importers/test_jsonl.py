"""JSON lines, and the counting and closing that every import shares: ``importers/jsonl.py`` and its neighbours."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from agents.local import LocalWorker, RowTable
from importers import jsonl
from importers.importing import Imported, Parsed, bring_in
from streams.memory import MemoryLog
from tests.agents.doors import CODEC, Fields, door, metrics, paused, people, scoring, size, the_log
from tests.agents.test_seed_form import collect, end, pump


def lines(events: Iterable[object]) -> list[bytes]:
    return [json.dumps(event).encode() + b"\n" for event in events]


def brought(
    folder: Path, content: list[bytes], *, close: bool = True, log: MemoryLog | None = None
) -> tuple[Imported, MemoryLog]:
    log = log if log is not None else MemoryLog()
    return bring_in(jsonl.events(content), door(folder, log), close=close), log


def kinds(log: MemoryLog) -> list[str]:
    return [CODEC.decode(record.value).kind for record in the_log(log)]


MALFORMED = {
    "no JSON": b"pumped",
    "half an object": b'{"kind": "session.paused"',
    "a list": b"[1]",
    "a number": b"5",
    "null": b"null",
    "two objects": b'{"a": 1} {"b": 2}',
    "no UTF-8": b'{"kind": "\xff"}',
    "half a character": b'{"kind": "\\ud800"}',
    "no UTF-8 at all": b"\xff\xfe{\x00",
    "no end of lists": b'{"kind":' + b"[" * 200_000,
    "a number beyond all": b'{"t_us": 1e400}',
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_line_is_named_and_costs_the_others_nothing(name: str, tmp_path: Path) -> None:
    """Whatever stands in it: a rejection with the line's number, counted as blank lines count too."""
    content = [lines([paused(seq=0)])[0], b"\n", b"  \r\n", MALFORMED[name] + b"\n", *lines([paused(seq=1)])]
    imported, log = brought(tmp_path, content, close=False)
    assert (imported.read, imported.accepted, imported.rejected) == (3, 2, 1)
    (refusal,) = imported.refusals
    assert (refusal.place, refusal.verdict.code) == ("line 4", "malformed")
    assert "line 4" in str(refusal.verdict.message)
    assert size(log) == 2


def test_an_event_that_the_door_refuses_is_named_by_its_line(tmp_path: Path) -> None:
    """The verdict is the door's, with pointer and remedy; the place is the file's."""
    imported, _ = brought(tmp_path, lines([paused(seq=0), paused(seq=-1), paused(seq=2)]), close=False)
    (refusal,) = imported.refusals
    assert (refusal.place, refusal.verdict.code, refusal.verdict.pointer) == (
        "line 2",
        "out_of_range",
        "/seq",
    )


def test_both_forms_of_an_event_are_taken_from_one_file(tmp_path: Path) -> None:
    """Ours by ``kind``, the seed's by ``event_type``; a session of either that ends needs no closer."""
    ours = [{**event, "session_id": "ours"} for event in people(1)[0]]
    seeds = [pump(1, 500), collect(1, 900), end(1000)]
    imported, log = brought(tmp_path, lines([*ours, *seeds]))
    assert (imported.accepted, imported.rejected, imported.closed) == (len(ours) + 3, 0, 0)
    LocalWorker(log, RowTable(Path(":memory:")), scoring()).catch_up()
    assert {record.session_id for record in metrics(log)} == {"ours", "s"}
    assert all(b'"closed":"completed"' in record.measures for record in metrics(log))


@pytest.mark.parametrize("form", ["ours", "seed"])
def test_a_session_without_an_end_is_closed_at_the_end_of_the_input(form: str, tmp_path: Path) -> None:
    """Nothing more will come, so it is measured as far as it went; to keep it open has to be asked for."""
    events: list[Fields] = [pump(1, 500), pump(2, 900)] if form == "seed" else [*people(1)[0][:-1]]
    imported, log = brought(tmp_path, lines(events))
    assert imported.closed == 1
    assert kinds(log)[-1] == "session.abandoned"
    assert CODEC.fields(the_log(log)[-1].value)[1]["reason"] == "input_ended"
    kept, log = brought(tmp_path, lines(events), close=False)
    assert (kept.closed, "session.abandoned" in kinds(log)) == (0, False)


def test_a_session_with_a_hole_is_closed_for_its_gaps(tmp_path: Path) -> None:
    """Its own end is there, but one before it was refused: it would wait for ever."""
    events = [dict(event) for event in people(1)[0]]
    events[5]["t_us"] = -1
    imported, log = brought(tmp_path, lines(events))
    assert (imported.rejected, imported.closed) == (1, 1)
    assert CODEC.fields(the_log(log)[-1].value)[1]["reason"] == "gaps"


def test_a_session_of_which_nothing_was_accepted_is_not_closed(tmp_path: Path) -> None:
    """A close would be its only event."""
    imported, log = brought(tmp_path, lines([paused("never", seq=-1), paused("ever", seq=0)]))
    assert imported.closed == 1
    assert {record.key for record in the_log(log)} == {b"ever"}


def test_a_session_may_come_in_two_files(tmp_path: Path) -> None:
    """The first kept open, the second with the end: it closes as it would have in one."""
    events = [dict(event) for event in people(1)[0]]
    _, log = brought(tmp_path, lines(events[:50]), close=False)
    brought(tmp_path, lines(events[50:]), log=log)
    LocalWorker(log, RowTable(Path(":memory:")), scoring()).catch_up()
    (measured,) = metrics(log)
    assert b'"closed":"completed"' in measured.measures


def test_what_came_in_is_what_became_of_it(tmp_path: Path) -> None:
    """read = accepted + duplicate + rejected over batches, and the log holds accepted + duplicate + closes."""
    events = [dict(event) for session in people(12) for event in session]
    content = lines([*events, *events[:300], *(paused(seq=-1) for _ in range(1_200))])
    content[100:100] = [b"\n"] * 7
    seen: list[int] = []
    log = MemoryLog()
    imported = bring_in(jsonl.events(content), door(tmp_path, log), on_batch=seen.append)
    assert (imported.accepted, imported.duplicate, imported.rejected) == (len(events), 300, 1_200)
    assert imported.read == len(content) - 7
    assert size(log) == len(events) + 300 + imported.closed
    assert seen == [*range(1_000, imported.read, 1_000), imported.read]
    assert len(imported.refusals) == 1_000


def test_an_event_of_no_session_is_counted_and_closes_nothing(tmp_path: Path) -> None:
    """There is nothing to close, and the line is told."""
    imported, log = brought(tmp_path, lines([{}, {"kind": "session.paused", "session_id": 5}]))
    assert (imported.read, imported.rejected, imported.closed, size(log)) == (2, 2, 0, 0)


def test_an_input_of_nothing_is_nothing(tmp_path: Path) -> None:
    """No lines, no events, no sessions."""
    imported, log = brought(tmp_path, [])
    assert (imported.read, imported.closed, size(log)) == (0, 0, 0)
    assert bring_in(iter(list[Parsed]()), door(tmp_path)).read == 0
