"""The door: ``agents/event_logger.py``."""

import sqlite3
import uuid
from hashlib import sha256
from pathlib import Path

import pytest

import agents.event_logger
from agents.control import ControlUnavailable
from agents.event_logger import EventLogger
from science.canonical import canonical
from streams.log import LogUnavailable
from streams.memory import MemoryLog
from streams.schemas import Registry
from streams.sqlite import SqliteLog
from tests.agents.doors import (
    CODEC,
    NOW_MS,
    Fields,
    HandClock,
    counts,
    door,
    paused,
    people,
    size,
    started,
    the_log,
)

PUMPED: Fields = {
    "kind": "balloon_risk.pumped",
    "session_id": "s-1",
    "seq": 3,
    "t_us": 900,
    "onset_t_us": 400,
    "latency_us": 500,
    "i": 1,
    "k": 1,
}
JANE: Fields = {"participant_ref": None, "subject_id": "jane.doe", "consent_basis": "declared:x"}
TIMES = {"event_id": str(uuid.UUID(int=7)), "sent_time_ms": 5, "received_time_ms": 6}


def nested(depth: int) -> list[object]:
    tree: list[object] = []
    for _ in range(depth):
        tree = [tree]
    return tree


def wire(kind: str = "session.paused", **fields: object) -> bytes:
    return CODEC.encode(kind, {**TIMES, "session_id": "s-1", "seq": 1, "t_us": 1, **fields})


def started_in_bytes(**changes: object) -> bytes:
    """The first event of a session from a fleet, which seals no participant."""
    fields = started(protocol='{"games":[]}', **{"participant_ref": None, **changes})
    config_hash = sha256(b'{"games":[]}').hexdigest()
    return wire(
        "session.started", **{k: v for k, v in fields.items() if k != "kind"}, config_hash=config_hash
    )


REFUSED: dict[str, tuple[object, str, str | None]] = {
    "a text for a number": ({**PUMPED, "k": "1"}, "wrong_type", "/k"),
    "a truth value for a number": ({**PUMPED, "k": True}, "wrong_type", "/k"),
    "a fraction for a number": ({**PUMPED, "k": 1.0}, "wrong_type", "/k"),
    "a pump zero": ({**PUMPED, "k": 0}, "out_of_range", "/k"),
    "a seq beyond the cap": (paused(seq=65_536), "out_of_range", "/seq"),
    "a negative seq": (paused(seq=-1), "out_of_range", "/seq"),
    "an endless latency": (
        {**PUMPED, "t_us": 600_000_401, "latency_us": 600_000_001},
        "out_of_range",
        "/latency_us",
    ),
    "a latency that is no difference": ({**PUMPED, "latency_us": 501}, "inconsistent", "/latency_us"),
    "an unknown kind": ({**PUMPED, "kind": "balloon_risk.burst"}, "unknown_kind", ""),
    "a record's kind": ({**PUMPED, "kind": "trait_profile"}, "unknown_kind", ""),
    "no kind": ({"session_id": "s-1"}, "missing_field", "/kind"),
    "a kind that is no text": ({"kind": ["session.paused"]}, "missing_field", "/kind"),
    "a field too many": ({**PUMPED, "mood": "good"}, "unknown_field", "/mood"),
    "a name with a slash": ({**PUMPED, "a/b~c": 1}, "unknown_field", "/a~1b~0c"),
    "a field too few": ({k: v for k, v in PUMPED.items() if k != "i"}, "missing_field", "/i"),
    "no session": ({k: v for k, v in PUMPED.items() if k != "session_id"}, "missing_field", "/session_id"),
    "a session with a blank": (paused("s 1"), "bad_pattern", "/session_id"),
    "half a character": (paused("\ud800"), "bad_pattern", "/session_id"),
    "no consent": (started(consent_basis=None), "consent_missing", "/consent_basis"),
    "an empty consent": (started(consent_basis=""), "consent_missing", "/consent_basis"),
    "a blank consent": (started(consent_basis=" \t"), "consent_missing", "/consent_basis"),
    "a consent that is no text": (started(consent_basis=1), "wrong_type", "/consent_basis"),
    "no participant at all": (started(participant_ref=None), "missing_field", "/subject_id"),
    "two names of one person": (started(subject_id="x"), "wrong_type", "/participant_ref"),
    "a name for a subject": (started(**JANE), "bad_pattern", "/subject_id"),
    "a name for a subject in bytes": (started_in_bytes(**JANE), "bad_pattern", "/subject_id"),
    "a subject in capitals": (started(**{**JANE, "subject_id": "0F" * 16}), "bad_pattern", "/subject_id"),
    "a subject a digit too long": (
        started_in_bytes(**{**JANE, "subject_id": "0" * 33}),
        "bad_pattern",
        "/subject_id",
    ),
    "a blank consent in bytes": (
        started_in_bytes(subject_id="0f" * 16, consent_basis=" \t"),
        "consent_missing",
        "/consent_basis",
    ),
    "a blank participant": (started(participant_ref="  "), "wrong_type", "/participant_ref"),
    "a numbered participant": (started(participant_ref=5), "wrong_type", "/participant_ref"),
    "half a participant": (started(participant_ref="Ada \udc00"), "out_of_range", "/participant_ref"),
    "an endless participant": (started(participant_ref="a" * 513), "out_of_range", "/participant_ref"),
    "a participant elsewhere": ({**PUMPED, "participant_ref": "Ada"}, "unknown_field", "/participant_ref"),
    "a fraction in the protocol": (started(protocol={"games": [0.5]}), "wrong_type", "/protocol"),
    "a protocol without bottom": (started(protocol=nested(100_000)), "wrong_type", "/protocol"),
    "a deep protocol": (started(protocol=nested(100)), "not_canonical", "/protocol"),
    "a number no browser holds": (started(protocol={"n": 2**70}), "not_canonical", "/protocol"),
    "a protocol of half a character": (started(protocol="\ud800"), "bad_pattern", "/protocol"),
    "a protocol that is not canonical": (started(protocol='{"games": []}'), "not_canonical", "/protocol"),
    "a protocol that is none": (started(protocol="games"), "not_canonical", "/protocol"),
    "too long a protocol": (started(protocol=["x" * 40_000]), "out_of_range", "/protocol"),
    "an event id that is none": (paused(event_id="one"), "bad_pattern", "/event_id"),
    "an abandonment": ({**paused(), "kind": "session.abandoned", "reason": "gaps"}, "unknown_kind", "/kind"),
    "a withdrawal": ({**paused(), "kind": "session.withdrawn"}, "unknown_kind", "/kind"),
    "nothing": (None, "wrong_type", ""),
    "a text": ("session.paused", "wrong_type", ""),
    "a list": ([1], "wrong_type", ""),
    "a numbered field": ({**paused(), 1: 2}, "wrong_type", ""),
    "no bytes": (b"", "malformed", ""),
    "bytes without a frame": (b"pumped", "malformed", ""),
    "a body cut short": (wire()[:-1], "malformed", ""),
    "a byte too many": (wire() + b"\0", "trailing_bytes", ""),
    "an unknown schema": (b"\xc3\x01" + bytes(8), "unknown_schema", ""),
    "an unknown number": (b"\0\0\0\xff\xff", "unknown_schema", ""),
    "too many bytes": (b"\xc3\x01" + bytes(65_535), "oversize", ""),
    "an abandonment in bytes": (
        CODEC.encode("session.abandoned", {**TIMES, "session_id": "s-1", "reason": "gaps"}),
        "unknown_kind",
        "/kind",
    ),
    "a withdrawal in bytes": (
        CODEC.encode("session.withdrawn", {**TIMES, "session_id": "s-1", "receipt_id": "r"}),
        "unknown_kind",
        "/kind",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_event_is_refused_with_place_and_remedy_and_spoils_nothing(name: str, tmp_path: Path) -> None:
    """One bad event costs the others nothing, is told what is wrong, and leaves nothing in the log."""
    event, code, pointer = REFUSED[name]
    log = MemoryLog()
    before, verdict, after = door(tmp_path, log).record([paused(seq=8), event, paused(seq=9)])  # type: ignore[list-item]
    assert (verdict.status, verdict.code, verdict.pointer) == ("rejected", code, pointer)
    assert verdict.message
    assert verdict.suggestion
    assert (verdict.partition, verdict.offset) == (None, None)
    assert [before.status, after.status] == ["accepted", "accepted"]
    assert [CODEC.decode(record.value).seq for record in the_log(log)] == [8, 9]


def test_every_event_of_a_crowd_gets_a_verdict_that_names_its_place(tmp_path: Path) -> None:
    """accepted + duplicate + rejected is what came in, and the end offsets are accepted + duplicate."""
    log = MemoryLog()
    logger = door(tmp_path, log)
    events: list[Fields] = [event for session in people(5) for event in session]
    batch = [*events, *events[:40], {**events[0], "seq": -1}]
    verdicts = logger.record(batch)
    assert counts(verdicts) == (len(events), 40, 1)
    assert size(log) == len(events) + 40
    for verdict in verdicts[:-1]:
        assert verdict.partition is not None
        assert verdict.offset is not None
        (record,) = log.read("kymograph.events.v1", verdict.partition, verdict.offset, verdict.offset + 1)
        event = CODEC.decode(record.value)
        assert (event.session_id, event.seq, event.event_id) == (
            verdict.session_id,
            verdict.seq,
            verdict.event_id,
        )
        assert record.key == event.session_id.encode()


def test_a_batch_of_nothing_is_answered_with_nothing(tmp_path: Path) -> None:
    """No events, no verdicts, no records."""
    log = MemoryLog()
    assert door(tmp_path, log).record([]) == []
    assert size(log) == 0


def test_a_duplicate_is_annotated_yet_appended(tmp_path: Path) -> None:
    """A cache that drops what it has seen loses data when it is wrong, so the fold decides."""
    log = MemoryLog()
    logger = door(tmp_path, log)
    statuses = [logger.run(paused())["status"] for _ in range(3)]
    assert statuses == ["accepted", "duplicate", "duplicate"]
    assert size(log) == 3


def test_the_same_place_with_other_content_is_no_duplicate(tmp_path: Path) -> None:
    """Same identity, other digest: that is for the fold to judge, not for the door."""
    logger = door(tmp_path)
    assert counts(logger.record([paused(t_us=1), paused(t_us=2)])) == (2, 0, 0)


def test_the_memory_for_duplicates_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was forgotten is accepted again: the bound costs an annotation and no data."""
    monkeypatch.setattr(agents.event_logger, "_REMEMBERED_MAX", 3)
    log = MemoryLog()
    logger = door(tmp_path, log)
    assert counts(logger.record([paused(seq=seq) for seq in range(5)])) == (5, 0, 0)
    assert [seq for _, seq in logger._seen] == [2, 3, 4]  # the oldest are forgotten
    assert counts(logger.record([paused(seq=4), paused(seq=0)])) == (1, 1, 0)
    assert size(log) == 7


def test_no_byte_of_the_folder_tells_who_took_part(tmp_path: Path) -> None:
    """The log never holds an identity in clear, from its first record on, nor does the key store."""
    log = SqliteLog(tmp_path / "log.sqlite")
    logger = door(tmp_path, log)
    reference = "ada.lovelace@example.org"
    logger.record(
        [started("s-1", participant_ref=reference), started("s-2", participant_ref=reference, seq=-1)]
    )
    logger.record([{**PUMPED, "participant_ref": reference}])
    files = sorted(tmp_path.iterdir())
    assert {"log.sqlite", "log.sqlite-wal", "control.sqlite"} <= {file.name for file in files}
    for file in files:
        content = file.read_bytes()
        for secret in (reference, reference.upper(), "lovelace"):
            assert secret.encode() not in content, file.name
            assert secret.encode("utf-16-le") not in content, file.name
    log.close()


def test_one_participant_is_one_subject_and_another_is_another(tmp_path: Path) -> None:
    """A person is found again over sessions and processes, however the name is written, and by nobody else."""
    log = MemoryLog()
    refs = ["Ada Lovelace", "  ada LOVELACE ", "Ada\u00a0Lovelace", "Charles Babbage"]
    for number, reference in enumerate(refs):
        door(tmp_path, log).record([started(f"s-{number}", participant_ref=reference)])
    payloads = {
        event.session_id: event.payload for event in map(CODEC.decode, (r.value for r in the_log(log)))
    }
    subjects = [payloads[f"s-{number}"].subject_id for number in range(4)]  # type: ignore[attr-defined]
    assert len(set(subjects[:3])) == 1
    assert subjects[3] != subjects[0]
    assert all(len(subject) == 32 and int(subject, 16) for subject in subjects)


@pytest.mark.parametrize(
    ("subject_id", "basis"), [("0f" * 16, "declared:x"), ("sub-10159", "public_dataset:ds000030")]
)
def test_a_subject_that_is_random_or_public_is_taken_as_it_is(
    subject_id: str, basis: str, tmp_path: Path
) -> None:
    """JSON and Avro bytes alike: no name can be in it, or it is out in the world with the data set."""
    log = MemoryLog()
    given: Fields = {"subject_id": subject_id, "consent_basis": basis}
    batch = [started("s-1", participant_ref=None, **given), started_in_bytes(**given)]
    assert counts(door(tmp_path, log).record(batch)) == (1, 1, 0)
    assert {CODEC.fields(record.value)[1]["subject_id"] for record in the_log(log)} == {subject_id}


def test_objects_become_their_canonical_text(tmp_path: Path) -> None:
    """The log holds one text for one value, whatever order the client sent its keys in."""
    log = MemoryLog()
    protocol = {"games": [{"game": "balloon_risk", "config": {"max_pumps": 12, "balloons": 30}}]}
    config = {"max_pumps": 12, "burst_law": "uniform", "balloons": 30, "value_per_pump_c": 5}
    game = {"kind": "balloon_risk.game_started", "session_id": "s-1", "seq": 1, "t_us": 0, "config": config}
    end = {
        **paused(seq=2),
        "kind": "balloon_risk.game_completed",
        "reason": "finished",
        "reveal_burst_points": [3, 1],
    }
    accepted = door(tmp_path, log).record([started(protocol=protocol), game, end])
    assert counts(accepted) == (3, 0, 0)
    first, second, third = (CODEC.fields(record.value)[1] for record in the_log(log))
    assert first["protocol"] == canonical(protocol).decode()
    assert second["config"] == '{"balloons":30,"burst_law":"uniform","max_pumps":12,"value_per_pump_c":5}'
    assert third["reveal_burst_points"] == "[3,1]"
    assert counts(door(tmp_path).record([started(protocol=canonical(protocol).decode())])) == (1, 0, 0)


def test_an_event_id_is_made_where_none_is_given_and_kept_where_one_is(tmp_path: Path) -> None:
    """Version 7 of RFC 9562: its first 48 bits are the door's time, and no two are equal."""
    logger = door(tmp_path)
    made = [uuid.UUID(str(logger.run(paused(seq=seq))["event_id"])) for seq in range(50)]
    assert {(one.version, one.variant, one.int >> 80) for one in made} == {(7, uuid.RFC_4122, NOW_MS)}
    assert len(set(made)) == 50
    own = str(uuid.uuid4())
    assert logger.run(paused(seq=99, event_id=own))["event_id"] == own


def test_when_the_house_took_an_event_is_for_the_house_to_say(tmp_path: Path) -> None:
    """A client's word about our clock is not taken, in JSON or in bytes; its own sending time is."""
    log = MemoryLog()
    door(tmp_path, log).record([paused(received_time_ms=1, sent_time_ms=2), wire()])
    first, second = map(CODEC.decode, (record.value for record in the_log(log)))
    assert (first.received_time_ms, first.sent_time_ms) == (NOW_MS, 2)
    assert (second.received_time_ms, second.sent_time_ms) == (NOW_MS, 5)


def test_an_event_in_bytes_is_the_same_event(tmp_path: Path) -> None:
    """Avro from a fleet, in either frame, and JSON from a browser give one digest."""
    number = next(schema.number for schema in Registry.load().schemas if schema.kind == "session.paused")
    confluent = b"\0" + number.to_bytes(4, "big") + wire()[10:]
    log = MemoryLog()
    assert counts(door(tmp_path, log).record([paused(), wire(), confluent])) == (1, 2, 0)
    assert len({CODEC.decode(record.value).digest for record in the_log(log)}) == 1
    assert {record.value[:2] for record in the_log(log)} == {b"\xc3\x01"}


def test_a_log_that_is_away_loses_nothing_and_counts_nothing(tmp_path: Path) -> None:
    """The same batch sent again gives what it would have given, the seed's numbering included."""
    path = tmp_path / "log.sqlite"
    log = SqliteLog(path, timeout_s=0.05)
    logger = door(tmp_path, log)
    seed = {
        "session_id": "seed",
        "event_type": "balloon_risk",
        "event_data": {"balloon_id": "b", "pump_number": 1, "timestamp_milliseconds": NOW_MS},
    }
    batch: list[Fields] = [started(), {"kind": "none"}, seed]
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"log\.sqlite"):
            logger.record(batch)
        with pytest.raises(LogUnavailable):
            logger.close_session("s-1", "timeout")
    assert logger.get_performance_metrics()["processed_count"] == 0
    blocker.execute("ROLLBACK")
    blocker.close()
    assert size(log) == 0
    verdicts = logger.record(batch)
    assert [verdict.status for verdict in verdicts] == ["accepted", "rejected", "accepted"]
    assert verdicts[2].seq == 3
    assert size(log) == 1 + 4
    assert logger.get_performance_metrics()["processed_count"] == 3
    log.close()


def test_a_control_plane_that_breaks_is_named_and_nothing_is_appended(tmp_path: Path) -> None:
    """The key store away means no sealing, and no half of a batch."""
    log = MemoryLog()
    logger = door(tmp_path, log)
    with sqlite3.connect(tmp_path / "control.sqlite") as connection:
        connection.execute("DROP TABLE subjects")
    connection.close()
    with pytest.raises(ControlUnavailable, match="subjects"):
        logger.record([paused(), started()])
    assert size(log) == 0


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "nosuch://host/db",
        "postgresql+nodriver://host/db",
        "sqlite:////no/such/folder/control.sqlite",
    ],
)
def test_a_control_plane_that_cannot_be_opened_is_said_so(url: str) -> None:
    """Whatever is wrong with the address, one exception says it."""
    with pytest.raises(ControlUnavailable, match="control database"):
        EventLogger(MemoryLog(), control_url=url)


def test_the_house_closes_a_session_with_an_event_of_its_own(tmp_path: Path) -> None:
    """``session.abandoned`` has no place in the client's numbering, and lies under the session's key."""
    log = MemoryLog()
    logger = door(tmp_path, log)
    logger.record([paused()])
    logger.close_session("s-1", "input_ended")
    record = the_log(log)[-1]
    event = CODEC.decode(record.value)
    assert (event.kind, event.seq, event.t_us) == ("session.abandoned", None, None)
    assert record.key == b"s-1"


def test_run_answers_a_plain_dict_for_one_event(tmp_path: Path) -> None:
    """The seed's call: what is not known of a verdict is left out."""
    answer = door(tmp_path).run(paused())
    assert set(answer) == {"status", "session_id", "seq", "event_id", "partition", "offset"}
    refused = door(tmp_path).run({"kind": "session.paused", "session_id": "s-1"})
    assert set(refused) == {"status", "session_id", "code", "pointer", "message", "suggestion"}


def test_the_performance_metrics_are_the_six_that_the_seed_shows(tmp_path: Path) -> None:
    """Names and types as the seed's readers type them; a rejected event is processed and an error."""
    clock = HandClock()
    url = f"sqlite:///{tmp_path / 'control.sqlite'}"
    logger = EventLogger(MemoryLog(), control_url=url, codec=CODEC, clock=clock)
    logger.record([*(paused(seq=seq) for seq in range(198)), paused(seq=0), paused(seq=-1)])
    clock.s += 3600.9
    assert logger.get_performance_metrics() == {
        "agent_name": "event_logger",
        "uptime_seconds": 3600,
        "processed_count": 200,
        "error_count": 1,
        "success_rate": 0.995,
        "last_activity": "2026-09-21T14:13:20Z",
    }


def test_without_arguments_it_stands_on_the_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``EventLogger()`` reads KYMOGRAPH__DATA_DIR alone, makes the folder, and by default takes ./.kymograph."""
    monkeypatch.setenv("KYMOGRAPH__DATA_DIR", str(tmp_path / "a" / "b"))
    EventLogger().run(paused())
    assert {"log.sqlite", "control.sqlite"} <= {file.name for file in (tmp_path / "a" / "b").iterdir()}
    monkeypatch.delenv("KYMOGRAPH__DATA_DIR")
    monkeypatch.chdir(tmp_path)
    EventLogger().run(paused())
    assert (tmp_path / ".kymograph" / "log.sqlite").is_file()
