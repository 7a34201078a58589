"""Dead letters of the inbox once more through the same decode path, after their reason was mended.

How far a partition of the dead letters was handled is a committed offset, so what was taken once is not taken again; a crash between
the two repeats one event, which is a duplicate in the fold. Letters of a later stage are about records of the log, which is immutable:
they are final.
"""

from collections import Counter
from typing import Literal

import msgspec

from agents.inbox import STAGE, Inbox
from agents.letters import Stored, every_letter, letter_of, message_of
from science.checks import Flaw
from streams.codec import Codec
from streams.log import Log, Message, Position, Record
from streams.records import DeadLetter
from streams.topics import DEAD_LETTERS, EVENTS, INBOX

GROUP = "kymograph-dlq-replay"

Policy = Literal["stop-on-error", "reinsert", "drop"]
State = Literal["waiting", "handled", "final", "unreadable"]


class Redriven(msgspec.Struct, kw_only=True):
    """What became of the letters that were tried: ``tried = accepted + refused``. ``codes`` says why they were refused again."""

    accepted: int = 0
    refused: int = 0
    final: int = 0  # passed by: of the log stage
    unreadable: int = 0  # passed by
    codes: Counter[str] = msgspec.field(default_factory=Counter)
    stopped_at: Position | None = None

    @property
    def tried(self) -> int:
        """How many went through the decode path."""
        return self.accepted + self.refused


class Redrive:
    """Re-drives what waits."""

    def __init__(self, log: Log, codec: Codec, inbox: Inbox) -> None:
        """Over the log that holds the letters, by an inbox without a breaker."""
        self._log = log
        self._codec = codec
        self._inbox = inbox

    def waiting(self) -> Counter[State]:
        """How many letters are not handled yet, by whether they can be."""
        committed = handled_up_to(self._log)
        return Counter(state_of(found, {}) for found in every_letter(self._log, self._codec, committed))

    def run(self, policy: Policy, most: int, *, dry_run: bool = False) -> Redriven:
        """Try up to so many of those that are there now, oldest first in each partition. A dry run writes nothing."""
        done = Redriven()
        for found in every_letter(self._log, self._codec, handled_up_to(self._log)):
            if done.tried == most:
                break
            letter = found.letter
            if letter is None:
                done.unreadable += 1
            elif not _is_of_inbox(letter):
                done.final += 1
            elif not self._try(found, letter, policy, done, dry_run=dry_run):
                break
            if not dry_run:
                at = found.position
                self._log.commit(GROUP, DEAD_LETTERS.name, {at.partition: at.offset + 1})
        return done

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


def handled_up_to(log: Log) -> dict[int, int]:
    """The first letter of each partition that was not handled yet."""
    return log.committed(GROUP, DEAD_LETTERS.name)


def state_of(found: Stored, handled: dict[int, int]) -> State:
    """What can be done about a letter."""
    if found.letter is None:
        return "unreadable"
    if not _is_of_inbox(found.letter):
        return "final"
    return "handled" if found.position.offset < handled.get(found.position.partition, 0) else "waiting"


def _is_of_inbox(letter: DeadLetter) -> bool:
    return letter.stage == STAGE and letter.source_topic == INBOX.name
