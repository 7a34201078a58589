"""What direct producers put on the inbox: checked and sealed by the door, or a dead letter with the whole of it.

A value is one event: as JSON, in our flat form or the seed's, or as Avro in either frame; the key is its session's id. The
``Inbox`` decides and writes nothing, so two drivers share it: the ``InboxReader`` here, and Faust's (``agents/live_inbox.py``). Law: what
came is what was accepted, plus duplicates, plus dead letters. The order of a driver is events, letters, then the offsets: a crash
anywhere repeats, a repeated event is a duplicate in the fold, and a repeated letter names the same source.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from agents.breaker import Breaker, TooManyDeadLetters
from agents.control import ControlUnavailable
from agents.event_logger import EventLogger, Sealed, Verdict
from agents.letters import letter_of, message_of
from science.checks import Flaw
from science.event import Event
from streams.codec import EVENT_BYTES_MAX, Codec, Unreadable
from streams.log import Log, Message, Record
from streams.topics import DEAD_LETTERS, EVENTS, INBOX

GROUP = "kymograph-event-logger"
STAGE = "event_logger"

_AVRO = (b"\xc3", b"\x00")  # how the two frames begin, and no JSON text does
_BATCH_RECORDS, _BATCH_BYTES = 500, 8 << 20


class Taken(msgspec.Struct):
    """What so many records become, in order: ``sealed`` are the events of each that was no dead letter, ``codes`` those of the letters.
    ``stopped``: what to raise once the rest is durable.
    """

    records: int = 0
    events: list[Message] = []
    letters: list[Message] = []
    sealed: list[list[Event]] = []
    codes: list[str] = []
    stopped: TooManyDeadLetters | None = None


class Inbox:
    """Decides of each record what it is. Any bytes have an outcome."""

    def __init__(self, door: EventLogger, codec: Codec, breaker: Breaker | None = None) -> None:
        """By the door's own checks; without a breaker everything that is refused is diverted."""
        self._door = door
        self._codec = codec
        self._breaker = breaker

    def take(self, records: Iterable[Record], taken: Taken) -> None:
        """Handle records in order, up to where the breaker stops. Raises ControlUnavailable, and then the last record is not handled."""
        for record in records:
            judged = self.judge(record)
            code = judged.code if isinstance(judged, Flaw) else None
            if self._breaker is not None and (stopped := self._breaker.stop(record, code)) is not None:
                taken.stopped = stopped
                return
            taken.records += 1
            if isinstance(judged, Flaw):
                taken.letters.append(message_of(self._codec, letter_of(record, judged, STAGE)))
                taken.codes.append(judged.code)
            else:
                taken.events += [message for _, message in judged]
                taken.sealed.append([event for event, _ in judged])

    def settle(self, taken: Taken) -> Counter[str]:
        """All of it is durable: how many records had which outcome. A seed event is known if the last of what it implies is."""
        outcomes: Counter[str] = Counter()
        for events in taken.sealed:
            known = [self._door.is_known(event) for event in events]
            outcomes["duplicate" if known[-1] else "accepted"] += 1
        refused = len(taken.letters)
        self._door.count(outcomes | Counter(rejected=refused))
        return outcomes + Counter(dead_letter=refused)

    def judge(self, record: Record) -> Sealed | Flaw:
        """What to append for one record, or what is wrong with it. Raises ControlUnavailable, and nothing else, whatever the bytes."""
        try:
            return self._sealed(record)
        except Unreadable as error:
            return error.flaw
        except (ControlUnavailable, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001  # a surprise is a dead letter, not a crash
            what = f"{type(error).__name__}: {error}"
            return Flaw("decoder_unexpected", "", what, "report this with the bytes: it is our fault")

    def _sealed(self, record: Record) -> Sealed:
        if not record.intact:
            message = "the record's bytes changed after they were appended"
            raise Unreadable(Flaw("record_corrupt", "", message, "send it again"))
        is_avro = record.value[:1] in _AVRO
        event = record.value if is_avro else _parsed(record.value)
        # Before the door: an event of the seed's form uses a number of its session up there.
        if isinstance(event, dict):
            _check_key(record.key, event.get("session_id"))
        sealed = self._door.seal(event)  # type: ignore[arg-type]  # the door refuses what is neither object nor bytes
        if isinstance(sealed, Verdict):
            raise Unreadable(_flaw(sealed))
        _check_key(record.key, sealed[-1][0].session_id)
        return sealed


class InboxReader:
    """The embedded driver: reads the inbox from where the group left off."""

    def __init__(self, log: Log, inbox: Inbox) -> None:
        """Over a log that holds the inbox, the events and the dead letters."""
        self._log = log
        self._inbox = inbox

    def catch_up(self) -> Counter[str]:
        """Handle everything up to the end offsets of now; how many records had which outcome.

        Raises TooManyDeadLetters, LogUnavailable, ControlUnavailable. Whatever raises, what was committed was handled, and the rest comes again.
        """
        outcomes: Counter[str] = Counter()
        committed, first = self._log.committed(GROUP, INBOX.name), self._log.first_offsets(INBOX.name)
        for partition, end in self._log.end_offsets(INBOX.name).items():
            start = committed.get(partition, first[partition])
            for batch in _batches(self._log.read(INBOX.name, partition, start, end)):
                outcomes.update(self._handle(batch))
        return outcomes

    def _handle(self, batch: list[Record]) -> Counter[str]:
        taken = Taken()
        self._inbox.take(batch, taken)
        self._log.append(EVENTS.name, taken.events)
        self._log.append(DEAD_LETTERS.name, taken.letters)
        outcomes = self._inbox.settle(taken)
        if taken.records:
            last = batch[taken.records - 1]
            self._log.commit(GROUP, INBOX.name, {last.partition: last.offset + 1})
        if taken.stopped is not None:
            raise taken.stopped
        return outcomes


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Neither too many at once nor too large."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.key) + len(record.value)
        if len(batch) == _BATCH_RECORDS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _parsed(value: bytes) -> object:
    """A JSON text, whatever it holds. Raises Unreadable."""
    if len(value) > EVENT_BYTES_MAX:
        message = f"{len(value)} bytes, at most {EVENT_BYTES_MAX} are allowed"
        raise Unreadable(Flaw("oversize", "", message, "send one event a record, and shorter texts"))
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"the value is neither Avro (c301 or 00) nor JSON: {error}"
        suggestion = "send one event as a JSON object, or in Avro single-object encoding"
        raise Unreadable(Flaw("malformed", "", message, suggestion)) from error


def _check_key(key: bytes, session_id: object) -> None:
    """Raises Unreadable where an event says another session than its key. What is no text the door refuses by its own name."""
    if isinstance(session_id, str) and session_id.encode("utf-8", "surrogatepass") != key:
        message = "the record's key is not the event's session id"
        raise Unreadable(Flaw("key_mismatch", "/session_id", message, "key each record by its session id"))


def _flaw(verdict: Verdict) -> Flaw:
    told = verdict.code, verdict.pointer, verdict.message, verdict.suggestion
    return Flaw(*(part or "" for part in told))
