"""What direct producers send: ``agents/inbox.py`` and ``agents/letters.py``."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

import agents.inbox
from agents.breaker import Breaker, Limits, TooManyDeadLetters
from agents.control import ControlUnavailable
from agents.inbox import GROUP, STAGE, Inbox, InboxReader
from agents.letters import Stored, every_letter, letter_of, message_of, stored
from agents.metric_extractor import MetricExtractor
from agents.places import Places
from agents.tables import SessionRow
from science.checks import Flaw
from science.event import Event
from streams.codec import Unreadable
from streams.log import Log, LogUnavailable, Message, OffsetsLost, Position, Record
from streams.memory import MemoryLog
from streams.records import SessionMetrics
from streams.topics import DEAD_LETTERS, EVENTS, INBOX
from tests.agents.doors import CODEC, door, paused, people, size, started, the_log
from tests.agents.malformed import AVRO, CONFLUENT, FAMILIES, flat
from tests.agents.test_event_logger import PUMPED
from tests.agents.test_seed_form import end, pump


def reader(folder: Path, log: Log, breaker: Breaker | None = None) -> InboxReader:
    return InboxReader(log, Inbox(door(folder, log), CODEC, breaker))


def letters(log: Log) -> list[Stored]:
    return list(every_letter(log, CODEC))


def source(found: Stored) -> Position:
    assert found.letter is not None
    return Position(found.letter.source_topic, found.letter.source_partition, found.letter.source_offset)


def test_ten_thousand_malformed_payloads_get_their_reason_and_nothing_vanishes(tmp_path: Path) -> None:
    """No crash, accepted + duplicate + dead letters = sent, each letter whole, with its code and where it came from."""
    log, chance = MemoryLog(), random.Random(8)
    bad = [FAMILIES[number % len(FAMILIES)](chance) for number in range(10_000)]
    good = [Message(*flat(paused(seq=seq))) for seq in range(100)] * 2
    sent = [*(Message(key, value) for key, value, _ in bad), *good]
    order = list(range(len(sent)))
    chance.shuffle(order)
    places = dict(zip(order, log.append(INBOX.name, [sent[number] for number in order]), strict=True))
    outcomes = reader(tmp_path, log).catch_up()
    assert outcomes == {"accepted": 100, "duplicate": 100, "dead_letter": 10_000}
    assert size(log, EVENTS.name) == 200
    found = {source(letter): letter for letter in letters(log)}
    assert len(found) == size(log, DEAD_LETTERS.name) == 10_000
    wrong: Counter[tuple[str, str, str]] = Counter()
    for number, (key, value, code) in enumerate(bad):
        letter = found[places[number]].letter
        assert letter is not None
        assert (letter.key, letter.value, letter.stage) == (key[:65_536], value, "event_logger")
        assert letter.message
        assert letter.suggestion
        wrong[FAMILIES[number % len(FAMILIES)].__name__, code, letter.code] += code != letter.code
    assert +wrong == Counter()
    assert log.committed(GROUP, INBOX.name) == {
        partition: end for partition, end in log.end_offsets(INBOX.name).items() if end
    }


def test_mutated_bytes_get_what_the_codec_says_of_them(tmp_path: Path) -> None:
    """Small faults in good bytes: the inbox has no second opinion, and what is still an event of the key is accepted."""
    chance, inbox = random.Random(3), Inbox(door(tmp_path), CODEC)
    counted: Counter[str] = Counter()
    for offset in range(3_000):
        value = bytearray(chance.choice((AVRO, CONFLUENT)))
        for _ in range(chance.randint(1, 3)):
            value[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
        counted[agrees(inbox, bytes(value), offset)] += 1
    assert counted["accepted"] > 100
    assert len(counted) > 5
    assert "decoder_unexpected" not in counted


def read(value: bytes) -> Event | Flaw:
    try:
        return CODEC.decode(value)
    except Unreadable as refused:
        return refused.flaw


def agrees(inbox: Inbox, value: bytes, offset: int) -> str:
    record = Record(topic=INBOX.name, partition=0, offset=offset, key=b"s-1", value=value, time_ms=0)
    judged = inbox.judge(record)
    if value[:1] not in {b"\xc3", b"\0"}:
        assert isinstance(judged, Flaw)
        assert judged.code == "malformed"
        return "no frame"
    event = read(value)
    if isinstance(event, Flaw):
        assert judged == event
        return event.code
    if event.session_id != "s-1":
        assert isinstance(judged, Flaw)
        assert judged.code == "key_mismatch"
        return "key_mismatch"
    assert not isinstance(judged, Flaw)
    assert judged[-1][0].digest == event.digest
    return "accepted"


def test_every_form_is_accepted_and_sealed(tmp_path: Path) -> None:
    """Flat JSON, the seed's JSON, both frames: what lies in the log is what the door would have written."""
    log = MemoryLog()
    ref = started("s-1", participant_ref="Ada Lovelace")
    records = [flat(ref), (b"s-1", AVRO), (b"s-1", CONFLUENT), flat(pump(1, session="s-2"), b"s-2")]
    log.append(INBOX.name, [Message(key, value) for key, value in records])
    outcomes = reader(tmp_path, log).catch_up()
    assert outcomes == {"accepted": 3, "duplicate": 1}
    kinds = Counter((record.key, CODEC.decode(record.value).kind) for record in the_log(log))
    assert kinds == {
        (b"s-1", "session.started"): 1,
        (b"s-1", "balloon_risk.pumped"): 2,
        (b"s-2", "session.started"): 1,
        (b"s-2", "balloon_risk.game_started"): 1,
        (b"s-2", "balloon_risk.shown"): 1,
        (b"s-2", "balloon_risk.pumped"): 1,
    }
    assert not any(b"Ada" in record.value for record in the_log(log))


def test_a_refused_event_of_the_seed_uses_no_number_up(tmp_path: Path) -> None:
    """Under another session's key it is refused before the session counts it."""
    log = MemoryLog()
    inbox = reader(tmp_path, log)
    log.append(INBOX.name, [Message(*flat(pump(1, session="s-2"), b"other"))])
    log.append(INBOX.name, [Message(*flat(pump(2, 5, session="s-2"), b"s-2"))])
    assert inbox.catch_up() == {"accepted": 1, "dead_letter": 1}
    assert [CODEC.decode(record.value).seq for record in the_log(log)] == [0, 1, 2, 3]


def test_the_headers_of_a_letter_hold_codes_and_places_alone(tmp_path: Path) -> None:
    """KIP-1034's names and two of ours; neither a value, nor a field's name, nor a person, nor what a sender put into its own."""
    log = MemoryLog()
    secret = {**PUMPED, "Ada Lovelace": 1}
    of_a_sender = (("user", b"Ada Lovelace"), ("kymograph.dlq.attempts", b"9"))
    log.append(INBOX.name, [Message(*flat(paused())), Message(*flat(secret), of_a_sender)])
    reader(tmp_path, log).catch_up()
    (record,) = the_log(log, DEAD_LETTERS.name)
    partition = str(record.partition).encode()
    assert dict(record.headers) == {
        "__streams.errors.exception": b"streams.codec.Unreadable",
        "__streams.errors.message": b"event_logger refused it: unknown_field",
        "__streams.errors.topic": b"kymograph.inbox.v1",
        "__streams.errors.partition": partition,
        "__streams.errors.offset": b"1",
        "kymograph.dlq.code": b"unknown_field",
        "kymograph.dlq.attempts": b"1",
    }
    (letter,) = letters(log)
    assert letter.letter is not None
    assert letter.letter.pointer == "/Ada Lovelace"


def test_a_damaged_record_is_a_letter(tmp_path: Path) -> None:
    """What changed after it was appended is not taken, whatever it says now."""
    record = Record(topic=INBOX.name, partition=0, offset=0, key=b"s-1", value=AVRO, time_ms=0, intact=False)
    judged = Inbox(door(tmp_path), CODEC).judge(record)
    assert isinstance(judged, Flaw)
    assert judged.code == "record_corrupt"


def test_what_no_letter_can_hold_is_cut_and_the_letter_says_where_it_lies(tmp_path: Path) -> None:
    """A record larger than any letter, and texts that are longer than a letter's."""
    log = MemoryLog()
    endless = {**pump(1, session="s-1"), "event_type": "x" * 50_000}
    log.append(INBOX.name, [Message(b"s-1", b"{" * 3_000_000), Message(*flat(endless))])
    assert reader(tmp_path, log).catch_up() == {"dead_letter": 2}
    large, endless_letter = (found.letter for found in letters(log))
    assert large is not None
    assert endless_letter is not None
    assert (large.code, len(large.value)) == ("oversize", 1_100_000)
    assert (endless_letter.code, len(endless_letter.message)) == ("unknown_kind", 4096)


def test_what_is_no_letter_is_not_shown_as_one(tmp_path: Path) -> None:
    """Other bytes, another record, and a letter that was changed after it was appended; attempts count from one."""
    log = MemoryLog()
    log.append(INBOX.name, [Message(b"s-1", b"no event")])
    reader(tmp_path, log).catch_up()
    (record,) = the_log(log, DEAD_LETTERS.name)
    place = {"partition": 0, "first_offset": 0, "last_offset": 0, "engine_version": "0"}
    metrics = SessionMetrics(session_id="s-1", measures=b"{}", records_digest="0" * 64, **place)
    assert stored(CODEC, record).letter is not None
    for changed, code in (
        ({"value": b"other"}, "malformed"),
        ({"value": CODEC.encode_record(metrics)}, "record_corrupt"),
        ({"intact": False}, "record_corrupt"),
    ):
        found = stored(CODEC, replace(record, **changed))
        assert (found.letter, found.attempts) == (None, 1)
        assert found.flaw is not None
        assert found.flaw.code == code
    for told, attempts in ((b"7", 7), (b"-1", 1), (b"x", 1), (b"9" * 5000, 1)):
        headers = (("kymograph.dlq.attempts", told),)
        assert stored(CODEC, replace(record, headers=headers)).attempts == attempts
    assert stored(CODEC, replace(record, headers=())).attempts == 1


class Forgetful(MemoryLog):
    """A log whose retention let the first letter of each partition go."""

    def first_offsets(self, topic):
        ends = self.end_offsets(topic)
        return {partition: min(1, end) for partition, end in ends.items()}

    def read(self, topic, partition, start, end=None):
        if start < self.first_offsets(topic)[partition]:
            raise OffsetsLost("gone")
        return super().read(topic, partition, start, end)


def test_letters_whose_time_is_over_are_not_sought() -> None:
    """Dead letters are kept for days: reading begins with the first that is there."""
    log = Forgetful()
    log.append(DEAD_LETTERS.name, [Message(b"k", b"%d" % number) for number in range(4)])
    assert [found.position.offset for found in every_letter(log, CODEC)] == [1, 2, 3]


def test_a_surprise_is_a_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw costs one record its place, not the reader its life; an outage is none."""
    log = MemoryLog()
    inbox = Inbox(the_door := door(tmp_path, log), CODEC)
    record = Record(topic=INBOX.name, partition=0, offset=0, key=b"s-1", value=AVRO, time_ms=0)

    def failing(error: Exception) -> Callable[[object], object]:
        def seal(_: object) -> object:
            raise error

        return seal

    for error in (AssertionError("no"), RecursionError("deep"), ZeroDivisionError("0")):
        monkeypatch.setattr(the_door, "seal", failing(error))
        judged = inbox.judge(record)
        assert isinstance(judged, Flaw)
        assert judged.code == "decoder_unexpected"
        headers = message_of(CODEC, letter_of(record, judged, STAGE)).headers
        assert dict(headers)["__streams.errors.exception"] == type(error).__name__.encode()
    monkeypatch.setattr(the_door, "seal", failing(ControlUnavailable("away")))
    with pytest.raises(ControlUnavailable):
        inbox.judge(record)


# ------------------------------------------------------------------------------------------------ stopping


def test_the_breaker_stops_before_it_diverts_everything(tmp_path: Path) -> None:
    """What was handled is durable and committed, the rest is untouched, and after it was mended it goes on from there."""
    log = MemoryLog()
    good = [json.dumps(paused(seq=seq)).encode() for seq in range(6)]
    values = [*good[:5], *[b"no event"] * 10, good[5]]
    log.append(INBOX.name, [Message(b"s-1", value) for value in values])
    limits = Limits(consecutive=3, ratio=1.0, window=100)
    with pytest.raises(TooManyDeadLetters, match="4 records in a row are refused, 3 are allowed"):
        reader(tmp_path, log, Breaker(limits)).catch_up()
    assert (size(log, EVENTS.name), size(log, DEAD_LETTERS.name)) == (5, 3)
    assert list(log.committed(GROUP, INBOX.name).values()) == [8]
    assert reader(tmp_path, log).catch_up() == {"dead_letter": 7, "accepted": 1}
    assert (size(log, EVENTS.name), size(log, DEAD_LETTERS.name)) == (6, 10)


def test_the_same_reader_stays_stopped(tmp_path: Path) -> None:
    """Asking again does not divert a little more each time."""
    log = MemoryLog()
    log.append(INBOX.name, [Message(b"s-1", b"no event")] * 10)
    stopped = reader(tmp_path, log, Breaker(Limits(consecutive=3, ratio=1.0, window=100)))
    for _ in range(4):
        with pytest.raises(TooManyDeadLetters):
            stopped.catch_up()
    assert size(log, DEAD_LETTERS.name) == 3


def restarted(folder: Path, log: Log) -> InboxReader:
    """A new process: nothing but the log and the control database is the same."""
    the_door = door(folder, log)
    marks = Places(the_door.control, GROUP, INBOX.name, log="memory")
    breaker = Breaker(Limits(consecutive=100, ratio=0.5, window=200), marks)
    return InboxReader(log, Inbox(the_door, CODEC, breaker))


@pytest.mark.parametrize("senders", [1, 50])
@pytest.mark.parametrize("bad", [1.0, 0.75], ids=["all", "three of four"])
def test_a_supervisor_that_starts_it_again_does_not_empty_the_inbox(
    tmp_path: Path, senders: int, bad: float
) -> None:
    """However often it is started, and whatever else comes meanwhile, no more than the limits allow is diverted."""
    log, chance = MemoryLog(), random.Random(senders)

    def send(count: int) -> None:
        for number in range(count):
            name = f"s-{chance.randrange(senders)}"
            wrong = number * bad % 1 + bad >= 1
            value = b"no event" if wrong else json.dumps(paused(name, seq=number)).encode()
            log.append(INBOX.name, [Message(name.encode(), value)])

    send(2_000)
    diverted = set()
    for _ in range(9):
        with pytest.raises(TooManyDeadLetters, match="are allowed"):
            restarted(tmp_path, log).catch_up()
        diverted.add(size(log, DEAD_LETTERS.name))
        send(20)
    assert len(diverted) == 1
    assert max(diverted) <= 200


def test_what_stopped_it_lets_it_go_on_when_it_can_be_read(tmp_path: Path) -> None:
    """Its schema was published: the mark is gone, and with it what was counted."""
    log, good = MemoryLog(), json.dumps(paused()).encode()
    log.append(INBOX.name, [Message(b"s-1", b"no event")] * 101 + [Message(b"s-1", good)])
    old = restarted(tmp_path, log)
    with pytest.raises(TooManyDeadLetters):
        old.catch_up()
    mended = restarted(tmp_path, log)
    place = log.committed(GROUP, INBOX.name)
    (partition,) = place
    log.commit(GROUP, INBOX.name, {partition: 101})  # as if the last one could be read now
    assert mended.catch_up() == {"accepted": 1}
    log.append(INBOX.name, [Message(b"s-1", b"no event")] * 100)
    assert restarted(tmp_path, log).catch_up() == {"dead_letter": 100}


# ------------------------------------------------------------------------------------------------ being killed


class Killed(MemoryLog):
    """Dies before, in the middle of, or after its n-th write."""

    left: int | None = None

    def append(self, topic, messages):
        self._step()
        half = len(messages) // 2
        positions = super().append(topic, messages[:half])
        self._step()
        positions += super().append(topic, messages[half:])
        self._step()
        return positions

    def commit(self, group, topic, offsets):
        self._step()
        super().commit(group, topic, offsets)
        self._step()

    def _step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise LogUnavailable("killed")


def filled() -> tuple[Killed, int, int]:
    """An inbox with a person's session, one in the seed's form, and some that cannot be taken; how many are good and bad."""
    log = Killed()
    (events,) = people(1, balloons=2)
    session = str(events[0]["session_id"]).encode()
    good = [flat(event, session) for event in events]
    good += [flat(pump(number, 700 * number, session="seed"), b"seed") for number in range(1, 4)]
    good.append(flat(end(9_000, "seed"), b"seed"))
    bad = [(b"s-1", b"no event %d" % number) for number in range(4)]
    mixed = [*good[:5], *bad[:2], *good[5:], *bad[2:]]
    log.append(INBOX.name, [Message(key, value) for key, value in mixed])
    return log, len(good), len(bad)


def folded(log: Log) -> tuple[Counter[str], dict[bytes, list[int | None]]]:
    """What the fold says of the records of the log, and by session the numbers of the events that counted."""
    extractor = MetricExtractor(CODEC)
    rows: dict[bytes, SessionRow | None] = {}
    outcomes: Counter[str] = Counter()
    counted: dict[bytes, list[int | None]] = {}
    for record in the_log(log):
        advance = extractor.advance(rows.get(record.key), record)
        rows[record.key] = advance.row
        outcomes[str(advance.outcome)] += 1
        if advance.outcome == "counted":
            counted.setdefault(record.key, []).append(CODEC.decode(record.value).seq)
    return outcomes, counted


def deaths_before_the_end(folder: Path, log: Killed, first: int) -> int:
    """Run, die at that step, run again and die later, until it is done; how often it died."""
    folder.mkdir()
    for died in range(100):
        log.left = first * (died + 1) if died < 3 else None
        try:
            reader(folder, log).catch_up()
        except LogUnavailable:
            continue
        return died
    raise AssertionError("it never ends")


def test_a_reader_may_be_killed_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any step of a write, and again later: nothing is lost, and in the fold each event counts once."""
    monkeypatch.setattr(agents.inbox, "_BATCH_RECORDS", 3)
    log, good, bad = filled()
    log.left = 1_000_000
    assert reader(tmp_path, log).catch_up() == {"accepted": good, "dead_letter": bad}
    steps = 1_000_000 - log.left
    quiet, expected = folded(log)
    assert set(quiet) == {"counted"}
    assert {seq for seqs in expected.values() for seq in seqs} >= set(range(8))
    repeats = died = 0
    for step in range(steps):
        log, _, _ = filled()
        died += deaths_before_the_end(tmp_path / str(step), log, step)
        outcomes, counted = folded(log)
        assert counted == expected
        assert set(outcomes) <= {"counted", "duplicate", "late"}
        repeats += outcomes.total() - outcomes["counted"]
        assert len({source(letter) for letter in letters(log)}) == bad
        assert log.committed(GROUP, INBOX.name) == {
            partition: end for partition, end in log.end_offsets(INBOX.name).items() if end
        }
    assert died >= steps
    assert repeats, "some deaths must have made repeats, or the test is blind"
