"""Dead letters: what could not be taken, whole, with the reason, and headers for tools that must not read the whole.

A record is refused once, and a crash between its letter and the commit behind it writes the letter again; so letters are counted by their
distinct sources (topic, partition, offset), and that many records were refused.

The headers are those of Kafka Streams (KIP-1034) and two of ours. They hold codes and places, never a value or a name: other than there,
the source's own headers are not among them. Nobody checked what a sender put there, a letter's headers stay in clear, its schema has no
field for them, and no decoder of ours reads any.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from science.checks import Flaw
from streams.codec import Codec, Unreadable
from streams.headers import Headers
from streams.log import Log, Message, Position, Record
from streams.records import DeadLetter
from streams.topics import DEAD_LETTERS
from telemetry.version import ENGINE_VERSION

KEY_BYTES_MAX, VALUE_BYTES_MAX = 65_536, 1_100_000  # as the schema of dead letters has them
_POINTER_MAX, _TEXT_MAX = 256, 4096
_ATTEMPTS = "kymograph.dlq.attempts"
_SURPRISE = "decoder_unexpected"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter where it lies. ``letter`` is None where the record cannot be read; ``flaw`` says why. ``earlier`` is the most attempts
    that a letter of the same source has that was read before it; 0: there was none.
    """

    position: Position
    time_ms: int
    attempts: int
    letter: DeadLetter | None
    flaw: Flaw | None = None
    earlier: int = 0

    @property
    def is_repeat(self) -> bool:
        """Whether it was written twice, and says nothing new."""
        return self.attempts <= self.earlier


def letter_of(record: Record, flaw: Flaw, stage: str) -> DeadLetter:
    """The letter for a record that a stage refused. What is longer than a letter lies where the letter says."""
    return DeadLetter(
        source_topic=record.topic,
        source_partition=record.partition,
        source_offset=record.offset,
        key=record.key[:KEY_BYTES_MAX],
        value=record.value[:VALUE_BYTES_MAX],
        code=flaw.code,
        pointer=_text(flaw.pointer, _POINTER_MAX),
        message=_text(flaw.message, _TEXT_MAX),
        suggestion=_text(flaw.suggestion, _TEXT_MAX),
        stage=stage,
        engine_version=ENGINE_VERSION,
    )


def message_of(codec: Codec, letter: DeadLetter, *, attempts: int = 1) -> Message:
    """The letter as it is appended to the dead letters."""
    return Message(letter.key, codec.encode_record(letter), _headers(letter, attempts))


def stored(codec: Codec, record: Record) -> Stored:
    """A record of the dead letters, read."""
    position = Position(record.topic, record.partition, record.offset)
    place: dict[str, Any] = {
        "position": position,
        "time_ms": record.time_ms,
        "attempts": _attempts(record.headers),
    }
    try:
        letter = codec.decode_record(record.value)
    except Unreadable as error:
        return Stored(**place, letter=None, flaw=error.flaw)
    if not record.intact or not isinstance(letter, DeadLetter):
        what = "the record was changed after it was appended, or is no dead letter"
        flaw = Flaw("record_corrupt", "", what, "take the message from its source, if that is kept")
        return Stored(**place, letter=None, flaw=flaw)
    return Stored(**place, letter=letter)


def every_letter(log: Log, codec: Codec) -> Iterator[Stored]:
    """All that are kept, a partition after the other. Raises LogUnavailable, OffsetsLost."""
    ends = log.end_offsets(DEAD_LETTERS.name)
    for partition, first in log.first_offsets(DEAD_LETTERS.name).items():
        attempts: dict[tuple[str, int, int], int] = {}  # letters of one source have one key, so one partition
        for record in log.read(DEAD_LETTERS.name, partition, first, ends[partition]):
            found = stored(codec, record)
            if found.letter is not None:
                source = _source(found.letter)
                found = msgspec.structs.replace(found, earlier=attempts.get(source, 0))
                attempts[source] = max(found.earlier, found.attempts)
            yield found


def _source(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.source_topic, letter.source_partition, letter.source_offset


def _headers(letter: DeadLetter, attempts: int) -> Headers:
    told = {
        "__streams.errors.exception": _exception(letter),
        "__streams.errors.message": f"{letter.stage} refused it: {letter.code}",
        "__streams.errors.topic": letter.source_topic,
        "__streams.errors.partition": str(letter.source_partition),
        "__streams.errors.offset": str(letter.source_offset),
        "kymograph.dlq.code": letter.code,
        _ATTEMPTS: str(attempts),
    }
    return tuple((name, value.encode()) for name, value in told.items())


def _exception(letter: DeadLetter) -> str:
    """The class of what was raised: the house's refusal, or what nobody foresaw, which the message begins with."""
    surprise = letter.message.partition(":")[0]
    is_surprise = letter.code == _SURPRISE and surprise.isidentifier()
    return surprise if is_surprise else f"{Unreadable.__module__}.{Unreadable.__qualname__}"


def _attempts(headers: Headers) -> int:
    """How often it was tried; letters without headers were tried once."""
    told = dict(headers).get(_ATTEMPTS, b"1")
    return int(told) if told.isdigit() and len(told) < 10 else 1


def _text(text: str, most: int) -> str:
    """Whatever a sender made us say, in so many characters that UTF-8 has."""
    return text.encode("utf-8", "backslashreplace").decode()[:most]
