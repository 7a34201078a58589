"""What stands in the store, made again and compared byte for byte: ``agents/replayer.py``."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agents.local import LocalWorker, RowTable
from agents.replayer import Replayer, Verification
from projections.rows import SessionMetricRow, TraitProfileRow, metric_rows, profile_rows
from streams.log import Message
from streams.partitioner import partition_of
from streams.sqlite import SqliteLog, _crc
from streams.topics import EVENTS
from tests.agents.doors import CODEC, metrics, profiles, replayer, scoring, sealed, the_log
from tests.agents.test_metric_extractor import ABANDONED, WITHDRAWN, house_event

TINY = sealed()
Stored = tuple[tuple[TraitProfileRow, ...] | None, tuple[SessionMetricRow, ...] | None]


class Vault:
    """A log on disk with one session in it, what was stored of it, and a hand that reaches into the file."""

    def __init__(self, folder: Path, *messages: Message) -> None:
        self.log = SqliteLog(folder / "log.sqlite")
        self.log.append(EVENTS.name, messages)
        self.auditor: Replayer = replayer(self.log)
        self.stored = self.store()
        self._hand = sqlite3.connect(folder / "log.sqlite", isolation_level=None)
        self._hand.execute("PRAGMA synchronous = OFF")
        self.rowids = self._hand.execute(
            'SELECT topic, "partition", "offset", key, value FROM records ORDER BY "offset"'
        ).fetchall()

    def store(self) -> Stored:
        rebuilt = self.auditor.rebuild("tiny")
        assert rebuilt.profile is not None
        assert rebuilt.metrics is not None
        return profile_rows(rebuilt.profile), metric_rows(rebuilt.metrics)

    def verify(self) -> Verification:
        return self.auditor.verify(self.auditor.rebuild("tiny"), *self.stored)

    def put(self, number: int, key: bytes, value: bytes, *, forge: bool = False) -> None:
        topic, partition, offset, _, _ = self.rowids[number]
        where = 'WHERE topic = ? AND "partition" = ? AND "offset" = ?'
        self._hand.execute(
            f"UPDATE records SET key = ?, value = ? {where}", (key, value, topic, partition, offset)
        )
        if forge:  # as someone would who knows the checksum
            (time_ms,) = self._hand.execute(
                f"SELECT time_ms FROM records {where}", (topic, partition, offset)
            ).fetchone()
            crc = _crc(key, value, time_ms)
            self._hand.execute(f"UPDATE records SET crc = ? {where}", (crc, topic, partition, offset))

    def shift_time(self, number: int, by_ms: int) -> None:
        self._hand.execute(
            'UPDATE records SET time_ms = time_ms + ? WHERE topic = ? AND "partition" = ? AND "offset" = ?',
            (by_ms, *self.rowids[number][:3]),
        )

    def score(self) -> None:
        """As after the rows were thrown away: all of the log again, and what it says is emitted again."""
        rows = RowTable(Path(":memory:"))
        LocalWorker(self.log, rows, scoring()).catch_up()
        rows.close()

    def close(self) -> None:
        self._hand.close()
        self.log.close()


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    opened = Vault(tmp_path, *TINY)
    yield opened
    opened.close()


def test_what_was_not_touched_is_equal(vault: Vault) -> None:
    """The replay is the live code, so it gives the live bytes; the verdict names both digests."""
    found = vault.verify()
    assert (found.verdict, found.differences) == ("equal", [])
    assert found.stored == found.rebuilt == vault.auditor.rebuild("tiny").profile.profile_digest  # type: ignore[union-attr]


@pytest.mark.parametrize("forge", [False, True])
def test_a_flipped_bit_anywhere_in_a_sessions_records_is_found(vault: Vault, *, forge: bool) -> None:
    """Every byte of every record: frame, transport, body; with the checksum beside it as it was, and made to fit."""
    unseen, tried = [], 0
    for number, (_, _, offset, key, value) in enumerate(vault.rowids):
        step = 1 if len(value) < 200 else 7  # the long texts of a start by samples
        for place in range(0, len(value), step):
            changed = bytearray(value)
            changed[place] ^= 1 << (place % 8)
            vault.put(number, key, bytes(changed), forge=forge)
            tried += 1
            if vault.verify().verdict != "different":
                unseen.append((offset, place))
        vault.put(number, key, value, forge=True)
    assert unseen == []
    assert tried > 500
    assert vault.verify().verdict == "equal"


@pytest.mark.parametrize("forge", [False, True])
def test_a_flipped_bit_in_a_key_is_found(vault: Vault, *, forge: bool) -> None:
    """A record under another key is missing from its session."""
    for number, (_, _, _, key, value) in enumerate(vault.rowids):
        for place in range(len(key)):
            for bit in (0x01, 0x80):
                changed = bytearray(key)
                changed[place] ^= bit
                vault.put(number, bytes(changed), value, forge=forge)
                assert vault.verify().verdict == "different"
        vault.put(number, key, value, forge=True)
    assert vault.verify().verdict == "equal"


def test_a_changed_time_of_a_record_is_found(vault: Vault) -> None:
    """When the log took a record is a part of the record, though no score depends on it."""
    for number, (_, _, offset, _, _) in enumerate(vault.rowids):
        vault.shift_time(number, 1)
        assert [record.offset for record in the_log(vault.log) if not record.intact] == [offset]
        assert f"the log's record at offset {offset} is corrupt" in vault.verify().differences
        vault.shift_time(number, -1)
    assert vault.verify().verdict == "equal"


@pytest.mark.parametrize("field", ["t_us", "sent_time_ms"])
def test_a_forged_log_that_was_scored_again_contradicts_what_it_said_before(field: str, vault: Vault) -> None:
    """Checksums, rows and store made to fit hide nothing, be the change one of the score or of the transport alone."""
    vault.score()
    vault.score()  # to say the same again is no contradiction
    assert vault.verify().verdict == "equal"
    (before, _) = profiles(vault.log)
    _, _, _, key, value = vault.rowids[2]
    kind, fields = CODEC.fields(value)
    changed = CODEC.encode(kind, {**fields, field: fields[field] + 1})  # type: ignore[operator]
    vault.put(2, key, changed, forge=True)
    vault.score()
    vault.stored = vault.store()
    assert profiles(vault.log)[-1].records_digest != before.records_digest
    said = f"emitted before: profile {before.profile_digest} of records {before.records_digest}"
    found = vault.verify()
    assert (found.verdict, found.differences) == ("different", [said])
    assert [vault.auditor.verify(item, *vault.stored) for item in vault.auditor.rebuild_all()] == [found]


def test_a_changed_record_after_the_close_is_found_too(tmp_path: Path) -> None:
    """It makes no difference to the score, and it is no longer what was logged."""
    late = house_event("session.paused", seq=500, t_us=1)
    vault = Vault(tmp_path, *TINY, late)
    vault.put(len(TINY), b"tiny", late.value[:-1] + b"\x7f")
    found = vault.verify()
    assert found.verdict == "different"
    assert found.differences == [f"the log's record at offset {len(TINY)} is corrupt"]
    vault.close()


@pytest.mark.parametrize("key", [b"tinz", b"\xf4iny"])
def test_a_changed_key_after_the_close_comes_up_in_the_whole_replay(key: bytes, tmp_path: Path) -> None:
    """No session can be named for certain, so the record is reported under the key it now has."""
    vault = Vault(tmp_path, *TINY, WITHDRAWN)
    vault.put(len(TINY), key, WITHDRAWN.value)
    marred = [item for item in vault.auditor.rebuild_all() if item.corrupt_offsets]
    assert [item.corrupt_offsets for item in marred] == [[len(TINY)]]
    assert vault.auditor.verify(marred[0], None, None).verdict == "different"
    vault.close()


def columns(kind: type[TraitProfileRow] | type[SessionMetricRow]) -> list[str]:
    return [name for name in kind.__struct_fields__ if name != "engine_version"]


def bent(value: object) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case bytes():
            return bytes([*value[:-1], value[-1] ^ 1]) if value else b"\0"
        case str():
            return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
        case tuple():
            return (*value, "R_NONE")
        case _:
            return 0


@pytest.mark.parametrize("column", columns(TraitProfileRow))
def test_a_change_in_any_column_of_a_stored_profile_is_found(column: str, vault: Vault) -> None:
    """The score that a dashboard reads is as much the profile as the canonical bytes beside it."""
    (row,), measured = vault.stored[0] or (), vault.stored[1]
    changed = msgspec.structs.replace(row, **{column: bent(getattr(row, column))})
    found = vault.auditor.verify(vault.auditor.rebuild("tiny"), (changed,), measured)
    assert found.verdict == "different"
    assert any(difference.endswith(f": {column}") for difference in found.differences)


@pytest.mark.parametrize("column", columns(SessionMetricRow))
def test_a_change_in_any_column_of_stored_metrics_is_found(column: str, vault: Vault) -> None:
    """Of the session's own row, and of every metric."""
    profile, measured = vault.stored
    assert measured is not None
    for number, row in enumerate(measured):
        changed = msgspec.structs.replace(row, **{column: bent(getattr(row, column))})
        rows = (*measured[:number], changed, *measured[number + 1 :])
        assert vault.auditor.verify(vault.auditor.rebuild("tiny"), profile, rows).verdict == "different"


def test_rows_too_many_or_too_few_are_found(vault: Vault) -> None:
    """A metric that is gone is a difference, and so is one that nobody measured."""
    profile, measured = vault.stored
    assert measured is not None
    rebuilt = vault.auditor.rebuild("tiny")
    for stored in (
        (profile, measured[:-1]),
        (profile, (*measured, measured[-1])),
        (profile, None),
        (None, measured),
    ):
        assert vault.auditor.verify(rebuilt, *stored).verdict == "different"


def test_which_engine_made_a_row_is_no_difference(vault: Vault) -> None:
    """The version is a fact beside the result: the same bytes by a newer engine are the same."""
    (row,), measured = vault.stored[0] or (), vault.stored[1]
    newer = msgspec.structs.replace(row, engine_version="99.0")
    assert vault.auditor.verify(vault.auditor.rebuild("tiny"), (newer,), measured).verdict == "equal"


def test_what_the_log_has_never_seen_is_missing(vault: Vault) -> None:
    """Neither stored nor in the log; but stored and not in the log is a difference."""
    nobody = vault.auditor.rebuild("nobody")
    assert vault.auditor.verify(nobody, None, None).verdict == "missing"
    assert vault.auditor.verify(nobody, *vault.stored).verdict == "different"


def test_an_open_session_has_no_profile_to_compare(tmp_path: Path) -> None:
    """Until it is closed there is nothing to make again, and a stored profile of it is a difference."""
    whole = Vault(tmp_path, *TINY)
    stored = whole.stored
    whole.close()
    (tmp_path / "open").mkdir()
    log = SqliteLog(tmp_path / "open" / "log.sqlite")
    log.append(EVENTS.name, TINY[:-1])
    rebuilt = replayer(log).rebuild("tiny")
    assert (rebuilt.metrics, rebuilt.profile, rebuilt.withdrawn) == (None, None, False)
    assert replayer(log).verify(rebuilt, *stored).verdict == "different"
    log.append(EVENTS.name, [ABANDONED])
    assert replayer(log).rebuild("tiny").profile is not None
    log.close()


def test_a_withdrawn_session_is_erased_and_never_a_hole(tmp_path: Path) -> None:
    """With or without its rows; a corrupt record of it is still told."""
    vault = Vault(tmp_path, *TINY, WITHDRAWN)
    rebuilt = vault.auditor.rebuild("tiny")
    assert vault.auditor.verify(rebuilt, None, None).verdict == "erased"
    assert vault.auditor.verify(rebuilt, *vault.stored).verdict == "erased"
    vault.put(2, b"tiny", TINY[2].value[:-1])
    assert vault.verify().verdict == "different"
    vault.close()


def test_one_session_and_all_sessions_are_rebuilt_alike(tmp_path: Path) -> None:
    """A whole replay is the replays of its sessions; sessions of one partition do not mix."""
    log = SqliteLog(tmp_path / "log.sqlite")
    names = [f"s-{number}" for number in range(40)]
    sessions = {name: sealed(name, seed=number % 5) for number, name in enumerate(names)}
    for place in range(max(map(len, sessions.values()))):
        log.append(EVENTS.name, [messages[place] for messages in sessions.values() if place < len(messages)])
    rebuilt = {item.session_id: item for item in replayer(log).rebuild_all()}
    assert sorted(rebuilt) == sorted(names)
    for name in names:
        assert replayer(log).rebuild(name) == rebuilt[name]
    assert CODEC.decode(sessions["s-1"][0].value).session_id == "s-1"
    log.close()


def test_a_log_that_lost_rows_leaves_a_verdict_for_every_session(tmp_path: Path) -> None:
    """What lies before the hole is equal, what lies in or after it is different, and the lost range is named once."""
    log = SqliteLog(tmp_path / "log.sqlite")
    place = partition_of(b"tiny", log.partitions(EVENTS.name))
    candidates = [f"s-{number}" for number in range(200)]
    (before, torn, after), (elsewhere, *_) = (
        [name for name in candidates if (partition_of(name.encode(), 16) == place) is is_here][:3]
        for is_here in (True, False)
    )
    for name in (before, torn, after, elsewhere):
        log.append(EVENTS.name, sealed(name))
    LocalWorker(log, RowTable(Path(":memory:")), scoring()).catch_up()
    measured = {item.session_id: metric_rows(item) for item in metrics(log)}
    stored = {item.session_id: (profile_rows(item), measured[item.session_id]) for item in profiles(log)}
    gone = len(sealed(before)) + 3
    hand = sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)
    where = 'WHERE topic = ? AND "partition" = ? AND "offset" = ?'
    assert hand.execute(f"DELETE FROM records {where}", (EVENTS.name, place, gone)).rowcount == 1
    hand.close()
    expected = {before: "equal", torn: "different", after: "different", elsewhere: "equal"}
    auditor = replayer(log)
    found = [auditor.verify(item, *stored[item.session_id]) for item in auditor.rebuild_all()]
    assert sorted((one.session_id, one.verdict) for one in found) == sorted(expected.items())
    (lost,) = auditor.lost
    assert f"offsets {gone} to {gone} of {EVENTS.name}/{place} are gone" in lost
    for name, verdict in expected.items():
        assert auditor.verify(auditor.rebuild(name), *stored[name]).verdict == verdict
    log.close()
