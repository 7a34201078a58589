"""JSON lines, and the counting and closing that every import shares: ``importers/jsonl.py`` and its neighbours."""

import gzip
import io
import json
from collections.abc import Iterable
from math import log
from pathlib import Path
from statistics import mean, stdev

import pytest

from agents.local import LocalWorker, RowTable
from importers import jsonl
from importers.importing import Imported, Parsed, bring_in
from importers.tables import NotOfThisForm
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


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_no_part_of_the_first_line(*, packed: bool, tmp_path: Path) -> None:
    """As some editors write it; only at the beginning, for anywhere else it is no JSON."""
    mark = b"\xef\xbb\xbf"
    content = mark + b"".join([*lines([paused(seq=0)]), mark, *lines([paused(seq=1), paused(seq=2)])])
    file = io.BytesIO(gzip.compress(content) if packed else content)
    imported = bring_in(jsonl.events_of(file), door(tmp_path), close=False)
    assert (imported.read, imported.accepted) == (3, 2)
    assert [refusal.place for refusal in imported.refusals] == ["line 2"]


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


# ------------------------------------------------------------------------------------------------ golden


def written_by_hand() -> list[Fields]:
    """A session as somebody may write it down: four balloons of at most 10 pumps at 2 cents; the third bursts."""
    config = {"balloons": 4, "burst_law": "uniform", "max_pumps": 10, "value_per_pump_c": 2}
    events: list[Fields] = [
        {
            "kind": "session.started",
            "participant_ref": "somebody",
            "consent_basis": "declared:test",
            "battery": "by hand",
            "protocol": {"games": [{"game": "balloon_risk", "config": config}]},
            "device_input": "mouse",
            "t_us": 0,
        },
        {"kind": "balloon_risk.game_started", "config": config, "t_us": 0},
    ]
    t_us, bank_c = 1_000_000, 0
    for i, (pumps, how) in enumerate(
        [(4, "collected"), (2, "collected"), (3, "exploded"), (6, "collected")], 1
    ):
        shown = {"i": i, "color": "red", "max_pumps": 10, "value_per_pump_c": 2, "practice": False}
        events.append({"kind": "balloon_risk.shown", **shown, "t_us": t_us})
        for k in range(1, pumps + 1):
            latency_us = 400_000 + 50_000 * k
            times = {"onset_t_us": t_us, "latency_us": latency_us, "t_us": t_us + latency_us}
            events.append({"kind": "balloon_risk.pumped", "i": i, "k": k, **times})
            t_us += latency_us + 100_000
        if how == "collected":
            bank_c += 2 * pumps
            money = {"pumps": pumps, "earned_c": 2 * pumps, "bank_c": bank_c}
            times = {"onset_t_us": t_us, "latency_us": 700_000, "t_us": t_us + 700_000}
            events.append({"kind": "balloon_risk.collected", "i": i, **money, **times})
        else:
            events.append({"kind": "balloon_risk.exploded", "i": i, "at_pump": pumps, "t_us": t_us})
        t_us += 1_500_000
    events.append({"kind": "balloon_risk.game_completed", "reason": "finished", "t_us": t_us})
    events.append({"kind": "session.completed", "last_seq": len(events), "t_us": t_us})
    return [{**event, "session_id": "by-hand", "seq": seq} for seq, event in enumerate(events)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_session_written_by_hand_gives_the_metrics_worked_out_by_hand(
    *, packed: bool, tmp_path: Path
) -> None:
    """Compressed or not. Collected 4, 2 and 6 pumps, burst at 3; a second import is all duplicates."""
    content = b"".join(lines(written_by_hand()))
    records = MemoryLog()
    logger = door(tmp_path, records)
    sent = gzip.compress(content) if packed else content
    first, second = (bring_in(jsonl.events_of(io.BytesIO(sent)), logger) for _ in range(2))
    assert (first.read, first.accepted, first.closed) == (27, 27, 0)
    assert (second.read, second.duplicate, second.closed) == (27, 27, 0)
    LocalWorker(records, RowTable(Path(":memory:")), scoring()).catch_up()
    (record,) = metrics(records)
    found = json.loads(record.measures)["metrics"]
    latencies_ms = [400 + 50 * k for pumps in (4, 2, 3, 6) for k in range(1, pumps + 1)]
    golden = {
        "balloon.n": 4,
        "balloon.n_exploded": 1,
        "balloon.n_pumps": 15,
        "balloon.aap": 4,
        "balloon.sd_adj": 2,
        "balloon.cv_adj": 0.5,
        "balloon.mean_pumps_all": 3.75,
        "balloon.efficiency": 12 / (4 * 5 * 0.5),
        "balloon.intended_km": 1 + 1 + 3 / 4 + 3 / 4 + 3 / 8 + 3 / 8,
        "balloon.mean_ln_latency": mean(map(log, latencies_ms)),
        "balloon.sd_ln_latency": stdev(map(log, latencies_ms)),
        "balloon.collect_ln": log(700),
    }
    for name, value in golden.items():
        assert found[name]["value"] / 1_000_000 == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("cut", [20, -4, None])
def test_a_broken_compression_is_not_the_end_of_the_input(cut: int | None, tmp_path: Path) -> None:
    """What came before it is kept and open; the whole input, sent again, is then whole."""
    content = b"".join(lines([event for session in people(60) for event in session]))
    packed = bytearray(gzip.compress(content))
    if cut is None:
        packed[len(packed) // 2] ^= 0xFF
    records = MemoryLog()
    logger = door(tmp_path, records)
    with pytest.raises(NotOfThisForm, match="send the whole input again"):
        bring_in(jsonl.events_of(io.BytesIO(bytes(packed[:cut]))), logger)
    assert "session.abandoned" not in kinds(records)
    again = bring_in(jsonl.events_of(io.BytesIO(gzip.compress(content))), logger)
    assert (again.rejected, again.closed) == (0, 0)
    assert again.accepted + again.duplicate == again.read == len(content.splitlines())
