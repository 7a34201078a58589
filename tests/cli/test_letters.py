"""The dead letters as people look after them: ``kymograph dlq``."""

import json
import sqlite3
from pathlib import Path

import pytest

from agents.breaker import Limits
from agents.event_logger import EventLogger
from agents.inbox import Inbox, InboxReader
from agents.places import Places
from cli.settings import Settings
from streams.codec import Codec
from streams.log import Message
from streams.schemas import Registry
from streams.sqlite import SqliteLog
from streams.topics import DEAD_LETTERS, EVENTS, INBOX
from tests.agents.doors import CODEC, sealed, size, the_log
from tests.agents.malformed import AVRO, flat
from tests.agents.test_event_logger import PUMPED
from tests.agents.test_seed_form import pump
from tests.cli.kymograph import kymograph, told

# Of a house that was not told of pumps yet.
OLD = Codec(Registry(tuple(s for s in Registry.load().schemas if s.kind != "balloon_risk.pumped")))
BAD = flat({**PUMPED, "k": 0})
GOOD_ONCE = (b"s-1", AVRO)  # once its schema is published
ESCAPE = (b"s-1", b"\x1b[2J no event")


def fill(folder: Path, *records: tuple[bytes, bytes], codec: Codec = OLD) -> None:
    """Let an older house read these from its inbox."""
    folder.mkdir(exist_ok=True)
    log = SqliteLog(folder / "log.sqlite")
    log.append(INBOX.name, [Message(key, value) for key, value in records])
    door = EventLogger(log, control_url=f"sqlite:///{folder / 'control.sqlite'}", codec=codec)
    InboxReader(log, Inbox(door, codec)).catch_up()
    log.close()


def sizes(folder: Path) -> tuple[int, int]:
    """How many events and dead letters there are."""
    log = SqliteLog(folder / "log.sqlite")
    found = size(log, EVENTS.name), size(log, DEAD_LETTERS.name)
    log.close()
    return found


def positions(folder: Path) -> list[str]:
    return [letter["position"] for letter in told(kymograph("dlq", "list", "--json", data=folder))]


def seed_sessions(folder: Path) -> int:
    """How many sessions of the seed's form the control plane counts."""
    with sqlite3.connect(folder / "control.sqlite") as connection:
        (count,) = connection.execute("SELECT count(*) FROM seed_sessions").fetchone()
    connection.close()
    return int(count)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two letters that stay wrong, around one that today's house can read."""
    folder = tmp_path / "data"
    fill(folder, BAD, GOOD_ONCE, ESCAPE)
    return folder


def test_list_names_place_reason_and_source(data: Path) -> None:
    """One line a letter, the counts on the error stream; nothing of the payload."""
    result = kymograph("dlq", "list", "--json", data=data)
    partition = told(result)[0]["source_partition"]
    first = {
        "position": f"{partition}:0",
        "state": "waiting",
        "code": "unknown_kind",
        "pointer": "",
        "stage": "event_logger",
        "source_topic": "kymograph.inbox.v1",
        "source_partition": partition,
        "source_offset": 0,
        "bytes": len(BAD[1]),
        "attempts": 1,
        "is_repeat": False,
    }
    assert {name: value for name, value in told(result)[0].items() if name != "time_ms"} == first
    assert [letter["code"] for letter in told(result)] == ["unknown_kind", "unknown_schema", "malformed"]
    assert "dead letters: 3, shown 3, unknown_kind 1, unknown_schema 1, malformed 1" in result.stderr
    plain = kymograph("dlq", "list", data=data).stdout.splitlines()
    assert plain[1] == f"{partition}:1  waiting  unknown_schema  from {INBOX.name} {partition}:1  attempts 1"


def test_list_is_bounded_and_chosen_by_code(data: Path) -> None:
    """All are counted, so many are printed; a code chooses."""
    result = kymograph("dlq", "list", "--max", 1, "--json", data=data)
    assert len(told(result)) == 1
    assert "dead letters: 3, shown 1" in result.stderr
    chosen = kymograph("dlq", "list", "--code", "malformed", "--json", data=data)
    assert [letter["code"] for letter in told(chosen)] == ["malformed"]
    assert kymograph("dlq", "list", "--code", "no_such", data=data).stdout == "dead letters: 0, shown 0\n"


def test_show_prints_the_whole(data: Path) -> None:
    """Reason, advice, and the raw bytes as hexadecimal digits, and as text where they are one."""
    json_bytes, avro_bytes, _ = positions(data)
    (whole,) = told(kymograph("dlq", "show", json_bytes, "--json", data=data))
    assert bytes.fromhex(whole["value_hex"]) == BAD[1] == whole["value_text"].encode()
    assert (whole["key_text"], whole["code"]) == ("s-1", "unknown_kind")
    assert whole["message"]
    assert whole["suggestion"]
    (whole,) = told(kymograph("dlq", "show", avro_bytes, "--json", data=data))
    assert (bytes.fromhex(whole["value_hex"]), whole["value_text"]) == (AVRO, None)


def test_show_sends_no_control_characters_to_a_terminal(data: Path) -> None:
    """A sender's bytes are shown, not obeyed."""
    *_, escape = positions(data)
    text = kymograph("dlq", "show", escape, data=data).stdout
    assert "\x1b" not in text
    assert r"\u001b[2J no event" in text


@pytest.mark.parametrize("position", ["3", "a:b", "3:", "3:-1", "3:1:2", "99:0", "0:99", "0:" + "9" * 40])
def test_a_position_that_is_none_is_a_usage_error(data: Path, position: str) -> None:
    """It says how one is written, or where to look."""
    result = kymograph("dlq", "show", position, data=data, code=2)
    assert "PARTITION:OFFSET" in result.stderr or "kymograph dlq list" in result.stderr


def test_what_was_mended_is_taken_once_and_only_once(tmp_path: Path) -> None:
    """A new schema makes old letters readable: accepted, in the log as any other, and never again."""
    fill(tmp_path, GOOD_ONCE)
    result = kymograph("dlq", "replay", "--json", data=tmp_path)
    assert "1 letters wait; 1 are tried now" in result.stderr
    assert told(result)[0] == {
        "policy": "stop-on-error",
        "dry_run": False,
        "tried": 1,
        "accepted": 1,
        "refused": 0,
        "codes": {},
        "final": 0,
        "unreadable": 0,
        "repeats": 0,
        "left": 0,
        "stopped_at": None,
    }
    assert sizes(tmp_path) == (1, 1)
    log = SqliteLog(tmp_path / "log.sqlite")
    (record,) = the_log(log)
    assert CODEC.decode(record.value).digest == CODEC.decode(AVRO).digest
    log.close()
    for _ in range(2):
        assert told(kymograph("dlq", "replay", "--json", data=tmp_path))[0]["tried"] == 0
    assert sizes(tmp_path) == (1, 1)
    assert told(kymograph("dlq", "list", "--json", data=tmp_path))[0]["state"] == "handled"


def test_what_was_handled_stays_so_when_the_broker_forgot_every_group(tmp_path: Path) -> None:
    """Kafka drops the offsets of a group without members after seven days; letters are kept for thirty."""
    fill(tmp_path, BAD, GOOD_ONCE)
    kymograph("dlq", "replay", "--policy", "drop", data=tmp_path, code=1)
    log = sqlite3.connect(tmp_path / "log.sqlite")
    with log:
        log.execute("DELETE FROM committed")
    log.close()
    assert told(kymograph("dlq", "replay", "--json", data=tmp_path))[0]["tried"] == 0
    states = [letter["state"] for letter in told(kymograph("dlq", "list", "--json", data=tmp_path))]
    assert states == ["handled", "handled"]


def test_a_place_is_of_the_log_that_it_was_kept_for(tmp_path: Path) -> None:
    """Where the log is another, nothing of it was handled."""
    fill(tmp_path, GOOD_ONCE, GOOD_ONCE)
    kymograph("dlq", "replay", data=tmp_path)
    for path in tmp_path.glob("log.sqlite*"):
        path.unlink()
    fill(tmp_path, GOOD_ONCE)
    assert told(kymograph("dlq", "replay", "--json", data=tmp_path))[0]["accepted"] == 1


def test_a_letter_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    """A crash between the letters and the commit repeats them: they are marked, and not tried again, whenever that is."""
    fill(tmp_path, BAD, GOOD_ONCE)
    log = SqliteLog(tmp_path / "log.sqlite")
    twice = [Message(record.key, record.value, record.headers) for record in the_log(log, DEAD_LETTERS.name)]
    log.append(DEAD_LETTERS.name, twice)
    log.close()
    result = kymograph("dlq", "list", "--json", data=tmp_path)
    assert [letter["is_repeat"] for letter in told(result)] == [False, False, True, True]
    counted = "dead letters: 2, shown 4, unknown_kind 1, unknown_schema 1; 2 more were written twice"
    assert counted in result.stderr
    assert kymograph("dlq", "list", data=tmp_path).stdout.count("(written twice)") == 2
    first = kymograph("dlq", "replay", "--policy", "drop", "--max", 2, "--json", data=tmp_path, code=1)
    assert "2 letters wait; 2 are tried now" in first.stderr
    second = told(kymograph("dlq", "replay", "--policy", "drop", "--json", data=tmp_path))[0]
    assert [told(first)[0]["tried"], second["tried"], second["repeats"]] == [2, 0, 2]
    assert sizes(tmp_path) == (1, 4)
    third = told(kymograph("dlq", "replay", "--json", data=tmp_path))[0]
    assert (third["tried"], third["repeats"]) == (0, 0)


def test_stop_on_error_stops_there_and_stays(data: Path) -> None:
    """The first that is refused again is named, nothing behind it is touched, and the next run begins with it."""
    first, *_ = positions(data)
    for _ in range(2):
        result = kymograph("dlq", "replay", "--json", data=data, code=1)
        (done,) = told(result)
        assert (done["tried"], done["accepted"], done["left"], done["stopped_at"]) == (1, 0, 3, first)
        assert done["codes"] == {"out_of_range": 1}  # today's reason, not the old one
    assert sizes(data) == (0, 3)
    assert f"kymograph dlq show {first}" in kymograph("dlq", "replay", data=data, code=1).stdout


def test_drop_passes_by_what_is_refused_again(data: Path) -> None:
    """For good: it stays in the topic as long as that is kept, and is not tried again."""
    (done,) = told(kymograph("dlq", "replay", "--policy", "drop", "--json", data=data, code=1))
    assert (done["tried"], done["accepted"], done["refused"], done["left"]) == (3, 1, 2, 0)
    assert sizes(data) == (1, 3)
    assert told(kymograph("dlq", "replay", "--policy", "drop", "--json", data=data))[0]["tried"] == 0


def test_reinsert_puts_it_behind_the_others_as_one_more_attempt(data: Path) -> None:
    """With where it came from and today's reason; a run does not meet what it put there itself."""
    before = told(kymograph("dlq", "list", "--json", data=data))
    (done,) = told(kymograph("dlq", "replay", "--policy", "reinsert", "--json", data=data, code=1))
    assert (done["tried"], done["accepted"], done["refused"], done["left"]) == (3, 1, 2, 2)
    assert sizes(data) == (1, 5)
    after = told(kymograph("dlq", "list", "--json", data=data))
    assert [letter["state"] for letter in after] == ["handled"] * 3 + ["waiting"] * 2
    assert [letter["attempts"] for letter in after] == [1, 1, 1, 2, 2]
    assert [letter["source_offset"] for letter in after[3:]] == [before[0]["source_offset"], 2]
    assert [letter["code"] for letter in after[3:]] == ["out_of_range", "malformed"]
    assert not any(letter["is_repeat"] for letter in after)
    assert "2 of them were put back" in kymograph("dlq", "list", data=data).stdout
    kymograph("dlq", "replay", "--policy", "reinsert", data=data, code=1)
    assert [letter["attempts"] for letter in told(kymograph("dlq", "list", "--json", data=data))[5:]] == [
        3,
        3,
    ]


def test_a_dry_run_writes_nothing(data: Path) -> None:
    """It says what would become of them, and neither the log, nor progress, nor the control plane moves."""
    fill(data, flat(pump(1, session="seed"), b"seed"))
    for _ in range(2):
        result = kymograph("dlq", "replay", "--policy", "drop", "--dry-run", "--json", data=data, code=1)
        (done,) = told(result)
        assert (done["dry_run"], done["tried"], done["accepted"], done["refused"]) == (True, 4, 2, 2)
        assert done["left"] == 4
        assert seed_sessions(data) == 0
    assert sizes(data) == (0, 4)
    assert {letter["state"] for letter in told(kymograph("dlq", "list", "--json", data=data))} == {"waiting"}
    kymograph("dlq", "replay", "--policy", "drop", data=data, code=1)
    assert seed_sessions(data) == 1


def test_a_run_is_bounded(tmp_path: Path) -> None:
    """So many are tried, the rest waits and is counted."""
    fill(
        tmp_path,
        *[
            (message.key, message.value)
            for message in sealed()
            if CODEC.decode(message.value).kind == "balloon_risk.pumped"
        ],
    )
    there = sizes(tmp_path)[1]
    assert there > 3
    result = kymograph("dlq", "replay", "--max", 2, "--json", data=tmp_path)
    assert f"{there} letters wait; 2 are tried now" in result.stderr
    assert (told(result)[0]["tried"], told(result)[0]["left"]) == (2, there - 2)
    rest = told(kymograph("dlq", "replay", "--json", data=tmp_path))[0]
    assert (rest["tried"], rest["left"]) == (there - 2, 0)
    assert sizes(tmp_path) == (there, there)


def test_letters_of_the_log_and_unreadable_ones_are_passed_by_and_told(tmp_path: Path) -> None:
    """The log is immutable, so what the fold refused stays refused; what is no letter is shown as such."""
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(EVENTS.name, [Message(b"s-1", b"written past the door")])
    log.append(DEAD_LETTERS.name, [Message(b"s-1", b"no letter")])
    log.close()
    kymograph("sessions", data=tmp_path)
    fill(tmp_path, GOOD_ONCE)
    result = kymograph("dlq", "replay", "--json", data=tmp_path)
    assert "1 are of the log, which is immutable: they cannot be re-driven" in result.stderr
    assert "1 cannot be read" in result.stderr
    (done,) = told(result)
    assert (done["accepted"], done["final"], done["unreadable"]) == (1, 1, 1)
    states = [letter["state"] for letter in told(kymograph("dlq", "list", "--json", data=tmp_path))]
    assert states == ["unreadable", "final", "handled"]
    (shown,) = told(kymograph("dlq", "show", positions(tmp_path)[0], "--json", data=tmp_path))
    assert (shown["code"], shown["state"]) == ("malformed", "unreadable")


def test_the_limits_of_the_settings_are_those_of_the_breaker() -> None:
    """One default, said in two places."""
    settings = Settings()
    assert Limits() == Limits(
        consecutive=settings.inbox_dead_letters_max_consecutive,
        ratio=settings.inbox_dead_letters_max_ratio,
        window=settings.inbox_dead_letters_window,
    )


def test_an_inbox_that_stopped_goes_on_when_it_is_told_to(tmp_path: Path) -> None:
    """Every start stops again, and diverts nothing; after ``resume`` as many letters are written as the limits allow."""
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(INBOX.name, [Message(b"s-1", b"no event")] * 10)
    log.close()
    limits = {"inbox_dead_letters_max_consecutive": "3"}
    for _ in range(4):
        stopped = kymograph("sessions", data=tmp_path, code=3, **limits)
        assert "4 records in a row are refused, 3 are allowed" in stopped.stderr
        assert "kymograph dlq resume" in stopped.stderr
        assert sizes(tmp_path) == (0, 3)
    (resumed,) = told(kymograph("dlq", "resume", "--json", data=tmp_path))
    assert resumed["resumed"].endswith(":3")
    kymograph("sessions", data=tmp_path, code=3, **limits)
    assert sizes(tmp_path) == (0, 6)
    kymograph("dlq", "resume", data=tmp_path)
    kymograph("sessions", data=tmp_path)  # by the defaults the rest is within the limits
    assert sizes(tmp_path) == (0, 10)
    assert kymograph("dlq", "resume", data=tmp_path).stdout == "the inbox was not stopped\n"


def test_an_empty_house_has_no_letters(tmp_path: Path) -> None:
    """Nothing to list, nothing to replay, exit 0; a log that cannot be reached is exit 3."""
    assert kymograph("dlq", "list", data=tmp_path).stdout == "dead letters: 0, shown 0\n"
    assert "tried 0" in kymograph("dlq", "replay", data=tmp_path).stdout
    (tmp_path / "file").write_text("")
    for command in (("list",), ("show", "0:0"), ("replay",)):
        kymograph("dlq", *command, data=tmp_path / "file", code=3)


def test_a_crash_between_taking_and_remembering_repeats_one_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is in the log twice, and once in the fold: the same identity and digest."""
    fill(tmp_path, (b"s-1", json.dumps({**PUMPED, "seq": 1}).encode()))
    put = Places.put
    monkeypatch.setattr(Places, "put", lambda *_: (_ for _ in ()).throw(OSError("killed")))
    kymograph("dlq", "replay", data=tmp_path, code=3)
    monkeypatch.setattr(Places, "put", put)
    kymograph("dlq", "replay", data=tmp_path)
    log = SqliteLog(tmp_path / "log.sqlite")
    one, two = (CODEC.decode(record.value) for record in the_log(log))
    assert (one.session_id, one.seq, one.digest) == (two.session_id, two.seq, two.digest)
    log.close()
