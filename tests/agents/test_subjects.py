"""Who is behind a session: ``agents/subjects.py``."""

import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, select

from agents.control import SUBJECTS, open_control
from agents.subjects import SubjectKeys, Unreadable


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_control(f"sqlite:///{tmp_path / 'control.sqlite'}")


def key_of(engine: Engine, subject_id: str) -> bytes:
    with engine.connect() as connection:
        query = select(SUBJECTS.c.key).where(SUBJECTS.c.subject_id == subject_id)
        return bytes(connection.execute(query).scalar_one())


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def test_what_was_sealed_can_be_revealed(engine: Engine) -> None:
    """The participant's reference comes back as it was written, by whoever holds the key store."""
    for reference in ("Ada", "  Ada ", "ada@example.org", "\U0001f388", "a" * 500):
        subject = SubjectKeys(engine).seal(reference)
        assert SubjectKeys(engine).reveal(subject) == reference
        assert reference.encode() not in subject.cipher


def test_a_cipher_differs_from_call_to_call_and_the_subject_does_not(engine: Engine) -> None:
    """Equal ciphers would tell who came twice; equal subjects are what the engine is for."""
    keys = SubjectKeys(engine)
    seen = [keys.seal("Ada") for _ in range(20)]
    assert len({subject.cipher for subject in seen}) == 20
    assert len({(subject.subject_id, subject.key_id) for subject in seen}) == 1


def test_destroying_a_key_makes_every_cipher_unreadable(engine: Engine) -> None:
    """In the log and in every copy of it, and for that subject alone."""
    keys = SubjectKeys(engine)
    ada, again, other = keys.seal("Ada"), keys.seal("ada"), keys.seal("Charles")
    assert keys.destroy(ada.subject_id)
    for subject in (ada, again):
        with pytest.raises(Unreadable, match=subject.key_id):
            keys.reveal(subject)
    assert keys.reveal(other) == "Charles"
    assert not keys.destroy(ada.subject_id)


def test_who_comes_back_after_the_destruction_is_someone_new(engine: Engine) -> None:
    """Forgotten is forgotten: no link leads from the new subject to the old one."""
    keys = SubjectKeys(engine)
    before = keys.seal("Ada")
    keys.destroy(before.subject_id)
    after = keys.seal("Ada")
    assert (after.subject_id == before.subject_id, after.key_id == before.key_id) == (False, False)
    with pytest.raises(Unreadable):
        keys.reveal(before)


def test_no_file_keeps_a_destroyed_key(engine: Engine, tmp_path: Path) -> None:
    """Not the database, not its free pages, not the write-ahead log."""
    keys = SubjectKeys(engine)
    subjects = [keys.seal(f"participant {number}") for number in range(50)]
    raw = [key_of(engine, subject.subject_id) for subject in subjects]
    assert all(key in everything(tmp_path) for key in raw)
    for subject in subjects[:25]:
        keys.destroy(subject.subject_id)
    left = everything(tmp_path)
    assert not any(key in left for key in raw[:25])
    assert all(key in left for key in raw[25:])


def test_a_destruction_waits_for_a_reader_and_then_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    """A reader in the middle of its work does not keep the key alive."""
    keys = SubjectKeys(engine)
    subject = keys.seal("Ada")
    raw = key_of(engine, subject.subject_id)
    reader = sqlite3.connect(tmp_path / "control.sqlite", isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM subjects").fetchone()
    release = threading.Timer(0.3, lambda: reader.execute("ROLLBACK"))
    release.start()
    keys.destroy(subject.subject_id)
    assert raw not in everything(tmp_path)
    release.join()
    reader.close()


def test_another_key_or_a_changed_cipher_reveals_nothing(engine: Engine) -> None:
    """The cipher is bound to its subject and key, so it can be neither moved nor bent."""
    keys = SubjectKeys(engine)
    ada, other = keys.seal("Ada"), keys.seal("Charles")
    flipped = bytearray(ada.cipher)
    flipped[-1] ^= 1
    for changes in (
        {"key_id": other.key_id},
        {"subject_id": other.subject_id},
        {"cipher": other.cipher},
        {"cipher": bytes(flipped)},
        {"cipher": ada.cipher[:20]},
        {"cipher": b""},
    ):
        with pytest.raises(Unreadable):
            keys.reveal(msgspec.structs.replace(ada, **changes))


def test_two_doors_that_meet_a_participant_at_once_agree(tmp_path: Path) -> None:
    """Two processes of one folder give one person one subject, and share one pepper."""
    url = f"sqlite:///{tmp_path / 'control.sqlite'}"
    found: list[str] = []
    start = threading.Barrier(4)

    def meet() -> None:
        start.wait()
        found.append(SubjectKeys(open_control(url)).seal("Ada").subject_id)

    threads = [threading.Thread(target=meet) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_a_new_folder_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """SQLite does not wait where a file is turned to write ahead: whoever opens it does."""
    found: list[object] = []
    start = threading.Barrier(6, timeout=10)

    def meet() -> None:
        for number in range(60):
            start.wait()
            found.append(open_control(f"sqlite:///{tmp_path / str(number)}"))

    threads = [threading.Thread(target=meet, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 6 * 60
