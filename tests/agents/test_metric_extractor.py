"""A record of the log and a row in, the next row out: ``agents/metric_extractor.py`` and ``agents/scoring.py``."""

from hashlib import sha256

import msgspec
import pytest

from agents.metric_extractor import Advance, MetricExtractor
from agents.tables import SessionRow, freeze, thaw
from streams.log import Message, Record
from streams.memory import MemoryLog
from streams.records import DeadLetter
from streams.topics import DEAD_LETTERS, EVENTS, SESSION_METRICS, TRAIT_PROFILES
from tests.agents.doors import CODEC, fold, scoring, sealed, the_log
from tests.agents.test_event_logger import TIMES


def logged(*messages: Message) -> list[Record]:
    log = MemoryLog()
    log.append(EVENTS.name, messages)
    return the_log(log)


def walk(records: list[Record]) -> list[Advance]:
    extractor, row, steps = MetricExtractor(CODEC), None, []
    for record in records:
        steps.append(extractor.advance(row, record))
        row = steps[-1].row
    return steps


def house_event(kind: str, **fields: object) -> Message:
    return Message(b"tiny", CODEC.encode(kind, {**TIMES, "session_id": "tiny", **fields}))


TINY = sealed()
ABANDONED = house_event("session.abandoned", reason="gaps")
WITHDRAWN = house_event("session.withdrawn", receipt_id="r-1")


def test_a_session_is_measured_by_the_record_that_closes_it_and_by_no_other() -> None:
    """One metrics record a session, with the range of the log that it was made from."""
    records = logged(*TINY)
    steps = walk(records)
    assert [step.outcome for step in steps] == ["counted"] * len(TINY)
    assert [step.metrics is not None for step in steps] == [False] * (len(TINY) - 1) + [True]
    measured = steps[-1].metrics
    assert measured is not None
    assert (measured.session_id, measured.first_offset, measured.last_offset) == ("tiny", 0, len(TINY) - 1)
    assert measured.partition == records[0].partition


@pytest.mark.parametrize("again", [0, len(TINY) // 2, len(TINY) - 1])
def test_a_redelivery_changes_nothing_and_says_again_what_was_said(again: int) -> None:
    """After a crash the driver hands records a second time: same row, same words, from any point."""
    records = logged(*TINY)
    steps = walk(records)
    row = thaw(freeze(steps[-1].row)) if steps[-1].row is not None else None
    assert row is not None
    before = freeze(row)
    for record, step in zip(records[again:], steps[again:], strict=True):
        repeated = MetricExtractor(CODEC).advance(row, record)
        assert repeated.outcome == "duplicate"
        assert repeated.metrics == step.metrics
        assert freeze(row) == before


@pytest.mark.parametrize("upto", [1, 5, len(TINY) - 1])
def test_a_redelivery_in_the_middle_of_a_session_changes_nothing(upto: int) -> None:
    """The record that was applied last is the one that comes again most often."""
    records = logged(*TINY[: upto - 1], Message(b"tiny", b"?"), *TINY[upto - 1 :])
    row = fold(records[: upto + 1])
    before = freeze(row)
    for record in records[: upto + 1]:
        assert MetricExtractor(CODEC).advance(row, record).outcome in {"duplicate", None}
        assert freeze(row) == before
    assert fold(records[upto + 1 :], row).records == fold(records).records


def test_the_records_digest_chains_the_raw_bytes_in_log_order() -> None:
    """Beside what was understood stands what was read: every byte up to the closing record, and none after it."""
    expected = bytes(32)
    for message in TINY:
        expected = sha256(expected + message.value).digest()
    measured = walk(logged(*TINY, TINY[0], WITHDRAWN))[len(TINY) - 1].metrics
    assert measured is not None
    assert measured.records_digest == expected.hex()
    assert fold(logged(*TINY, TINY[0], WITHDRAWN)).records == expected


def test_a_record_that_cannot_be_read_enters_the_records_digest_and_the_dead_letters() -> None:
    """Nothing of the log is passed over silently: it is kept whole, with the reason and the place."""
    broken = Message(b"tiny", TINY[3].value[:-1])
    steps = walk(logged(*TINY[:3], broken, *TINY[3:]))
    assert steps[3].outcome is None
    letter = steps[3].letter
    assert letter is not None
    assert (letter.code, letter.source_offset, letter.key, letter.value) == (
        "malformed",
        3,
        b"tiny",
        broken.value,
    )
    clean, marred = walk(logged(*TINY))[-1].metrics, steps[-1].metrics
    assert clean is not None
    assert marred is not None
    assert clean.measures == marred.measures
    assert clean.records_digest != marred.records_digest


def test_a_corrupt_record_is_a_dead_letter_and_a_gap() -> None:
    """What changed after it was appended is not believed, even where it could be read."""
    records = logged(*TINY, ABANDONED)
    records[4] = msgspec.structs.replace(records[4], intact=False)
    steps = walk(records)
    assert steps[4].letter is not None
    assert steps[4].letter.code == "record_corrupt"
    measured = steps[-1].metrics
    assert measured is not None
    assert b'"closed":"abandoned"' in measured.measures
    assert b'"sequence_gap"' in measured.measures


def test_a_key_that_is_not_the_events_session_is_a_dead_letter() -> None:
    """An event under another's key would be counted in a stranger's session."""
    steps = walk(logged(*TINY[:2], Message(b"tiny", sealed("other")[2].value), *TINY[2:]))
    assert steps[2].letter is not None
    assert (steps[2].letter.code, steps[2].letter.pointer) == ("key_mismatch", "/session_id")
    assert steps[-1].metrics is not None


@pytest.mark.parametrize("key", [b"", b"\xff\xfe", "ü".encode(), b"\x00\x01", b"-x", b"k" * 65])
def test_a_key_that_names_no_session_is_a_dead_letter_of_none(key: bytes) -> None:
    """There is no row to keep, and the letter still holds key and value."""
    (step,) = walk(logged(Message(key, TINY[0].value)))
    assert step.row is None
    assert step.letter is not None
    assert (step.letter.code, step.letter.key, step.letter.value) == ("key_mismatch", key, TINY[0].value)


def test_the_longest_session_id_is_a_key() -> None:
    """Sixty-four characters, as the schemas have it; one more is refused above."""
    name = "k" * 64
    assert [step.outcome for step in walk(logged(*sealed(name)))] == ["counted"] * len(TINY)


def test_a_record_in_a_partition_that_is_not_its_keys_is_a_dead_letter_of_none() -> None:
    """A row is one partition's: from two, its offsets would mean nothing."""
    (record,) = logged(TINY[0])
    astray = msgspec.structs.replace(record, partition=(record.partition + 1) % 16)
    scored = scoring().advance(None, astray)
    ((topic, message),) = scored.sends
    letter = CODEC.decode_record(message.value)
    assert isinstance(letter, DeadLetter)
    assert (scored.row, scored.outcome, topic) == (None, None, DEAD_LETTERS.name)
    assert (letter.code, letter.source_partition, letter.value) == (
        "key_mismatch",
        astray.partition,
        record.value,
    )


def test_a_session_withdrawn_before_it_closes_is_never_spoken_of() -> None:
    """Neither metrics nor profile, whoever closes it."""
    for order in ((*TINY[:-1], WITHDRAWN, TINY[-1]), (WITHDRAWN, *TINY), (*TINY[:3], WITHDRAWN, ABANDONED)):
        row: SessionRow | None = None
        for record in logged(*order):
            scored = scoring().advance(row, record)
            row = scored.row
            assert (scored.outcome, scored.sends) == ("counted", [])
        assert row is not None
        assert row.session.closed is not None


def test_a_session_withdrawn_after_it_closed_is_not_spoken_of_again() -> None:
    """A redelivery of the closing record, which would say again what it said, says nothing."""
    records = logged(*TINY, WITHDRAWN)
    closing = records[len(TINY) - 1]
    assert scoring().advance(fold(records[:-1]), closing).sends != []
    repeated = scoring().advance(fold(records), closing)
    assert (repeated.outcome, repeated.sends) == ("duplicate", [])


def test_an_event_after_the_close_is_late_and_changes_nothing() -> None:
    """The set is what stood in the log when the session closed; a rival of a counted event comes too late as well."""
    late = house_event("session.paused", seq=500, t_us=1)
    rival = house_event("session.paused", seq=3, t_us=1)
    steps = walk(logged(*TINY, late, rival, TINY[3], ABANDONED, WITHDRAWN, WITHDRAWN, ABANDONED))
    after = [step.outcome for step in steps[len(TINY) :]]
    assert after == ["late", "late", "duplicate", "late", "counted", "duplicate", "late"]
    assert all(step.metrics is None for step in steps[len(TINY) :])
    row = steps[-1].row
    assert row is not None
    assert (row.session.closed, row.session.withdrawn, row.closed_offset) == (
        "completed",
        True,
        len(TINY) - 1,
    )


def test_a_terminal_closes_only_when_all_before_it_is_there() -> None:
    """Whichever record completes the set closes the session; the closer wins where it never completes."""
    terminal_first = walk(logged(TINY[-1], *TINY[:-1]))
    assert [step.metrics is not None for step in terminal_first] == [False] * (len(TINY) - 1) + [True]
    with_gap = walk(logged(*TINY[:2], *TINY[3:], ABANDONED, TINY[2]))
    assert [step.metrics is not None for step in with_gap] == [False] * (len(TINY) - 1) + [True, False]
    assert with_gap[-1].outcome == "late"


def test_one_session_measures_alike_however_it_was_delivered() -> None:
    """The measures hold nothing of the order, the repeats or the place in the log."""
    orders = [TINY, TINY[::-1], (*TINY[5:], *TINY[:5], *TINY), (*TINY, ABANDONED)]
    measured = [next(step.metrics for step in walk(logged(*order)) if step.metrics) for order in orders]
    assert len({metrics.measures for metrics in measured}) == 1


def test_the_chain_sends_metrics_then_a_profile_and_letters_apart() -> None:
    """What a driver has to send, in the order in which it must be sent."""
    records = logged(*TINY[:-1], Message(b"tiny", b"?"), TINY[-1])
    row: SessionRow | None = None
    sent = []
    for record in records:
        scored = scoring().advance(row, record)
        row = scored.row
        sent.append([topic for topic, message in scored.sends if message.key == b"tiny"])
    assert sent == [*[[]] * (len(TINY) - 1), [DEAD_LETTERS.name], [SESSION_METRICS.name, TRAIT_PROFILES.name]]


@pytest.mark.parametrize("name", ["a long key", "a long value"])
def test_no_record_is_too_long_for_a_dead_letter(name: str) -> None:
    """A poison pill must not stop the worker: what is longer than a letter holds is cut, and its place is named."""
    key = b"k" * 200_000 if name == "a long key" else b"tiny"
    value = b"v" * 3_000_000 if name == "a long value" else TINY[0].value
    scored = scoring().advance(None, logged(Message(key, value))[0])
    ((topic, message),) = scored.sends
    letter = CODEC.decode_record(message.value)
    assert isinstance(letter, DeadLetter)
    assert topic == DEAD_LETTERS.name
    assert key.startswith(letter.key)
    assert value.startswith(letter.value)
    assert (letter.source_offset, len(letter.key) > 3, len(letter.value) > 100) == (0, True, True)
