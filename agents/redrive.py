"""Dead letters of the inbox once more through the same decode path, after their reason was mended.

How far a partition of the dead letters was handled stands in the control database, for as long as letters are kept and longer, so what
was taken once is not taken again: events, letters, then the place. A crash before the place repeats one event, which is a duplicate in
the fold. Letters of a later stage are about records of the log, which is immutable: they are final.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from agents.inbox import STAGE, Inbox
from agents.letters import Stored, every_letter, letter_of, message_of
from agents.places import Places
from science.checks import Flaw
from streams.codec import Codec
from streams.log import Log, Message, Position, Record
from streams.records import DeadLetter
from streams.topics import DEAD_LETTERS, EVENTS, INBOX

READER = "kymograph-dlq-replay"

Policy = Literal["stop-on-error", "reinsert", "drop"]
State = Literal["waiting", "handled", "final", "unreadable"]


class Redriven(msgspec.Struct, kw_only=True):
    """What became of the letters that were tried: ``tried = accepted + refused``. ``codes`` says why they were refused again."""

    accepted: int = 0
    refused: int = 0
    final: int = 0  # passed by: of the log stage
    unreadable: int = 0  # passed by
    repeats: int = 0  # passed by: letters that were written twice
    codes: Counter[str] = msgspec.field(default_factory=Counter)
    stopped_at: Position | None = None

    @property
    def tried(self) -> int:
        """How many went through the decode path."""
        return self.accepted + self.refused


class Redrive:
    """Re-drives what waits."""

    def __init__(self, log: Log, codec: Codec, inbox: Inbox, places: Places) -> None:
        """Over the log that holds the letters, by an inbox without a breaker."""
        self._log = log
        self._codec = codec
        self._inbox = inbox
        self._places = places

    def waiting(self) -> Counter[State]:
        """How many letters are not handled yet, by whether they can be; what was written twice counts once."""
        return Counter(state_of(found, {}) for found in self._unhandled() if not found.is_repeat)

    def run(self, policy: Policy, most: int, *, dry_run: bool = False) -> Redriven:
        """Try up to so many of those that are there now, oldest first in each partition. A dry run writes nothing.

        Raises LogUnavailable, ControlUnavailable.
        """
        done = Redriven()
        passed: dict[int, Position] = {}
        for found in self._unhandled():
            if done.tried == most:
                break
            letter, tried = found.letter, done.tried
            if letter is None:
                done.unreadable += 1
            elif not _is_of_inbox(letter):
                done.final += 1
            elif found.is_repeat:
                done.repeats += 1
            elif not self._try(found, letter, policy, done, dry_run=dry_run):
                break
            at = found.position
            passed[at.partition] = Position(at.topic, at.partition, at.offset + 1)
            if done.tried > tried and not dry_run:
                self._places.put(passed.pop(at.partition))
        for place in () if dry_run else passed.values():
            self._places.put(place)
        return done

    def _unhandled(self) -> Iterator[Stored]:
        """All are read, so that what was written twice is known for it on both sides of the place."""
        handled = handled_up_to(self._log, self._places)
        for found in every_letter(self._log, self._codec):
            if found.position.offset >= handled.get(found.position.partition, 0):
                yield found

    def _try(
        self, found: Stored, letter: DeadLetter, policy: Policy, done: Redriven, *, dry_run: bool
    ) -> bool:
        """Whether to go on. What it writes is durable before the caller commits."""
        record = Record(
            topic=letter.source_topic,
            partition=letter.source_partition,
            offset=letter.source_offset,
            key=letter.key,
            value=letter.value,
            time_ms=found.time_ms,
        )
        judged = self._inbox.judge(record)
        if not isinstance(judged, Flaw):
            done.accepted += 1
            self._write(EVENTS.name, [message for _, message in judged], dry_run=dry_run)
            return True
        done.refused += 1
        done.codes[judged.code] += 1
        if policy == "stop-on-error":
            done.stopped_at = found.position
            return False
        if policy == "reinsert":
            again = message_of(self._codec, letter_of(record, judged, STAGE), attempts=found.attempts + 1)
            self._write(DEAD_LETTERS.name, [again], dry_run=dry_run)
        return True

    def _write(self, topic: str, messages: list[Message], *, dry_run: bool) -> None:
        if not dry_run:
            self._log.append(topic, messages)


def handled_up_to(log: Log, places: Places) -> dict[int, int]:
    """The first letter of each partition that was not handled yet. A place beyond a topic's end is not of this topic."""
    ends = log.end_offsets(DEAD_LETTERS.name)
    return {
        partition: place.offset
        for partition, place in places.all().items()
        if place.offset <= ends.get(partition, 0)
    }


def state_of(found: Stored, handled: Mapping[int, int]) -> State:
    """What can be done about a letter."""
    if found.letter is None:
        return "unreadable"
    if not _is_of_inbox(found.letter):
        return "final"
    return "handled" if found.position.offset < handled.get(found.position.partition, 0) else "waiting"


def _is_of_inbox(letter: DeadLetter) -> bool:
    return letter.stage == STAGE and letter.source_topic == INBOX.name
