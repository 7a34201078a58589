"""The agents over the partitions that a worker owns: what is folded, what must be durable in which order, and what may be committed.

A driver hands over records as it fetches them, and now and then makes a round: ``prepare`` at one moment, ``write`` beside whatever
comes next, and then commits the round's offsets. The order is the whole of the promise: what sessions amount to is durable before the
changelog says that they are closed, the changelog before the offsets are committed. A crash anywhere leaves a changelog that is at or
beyond the committed offsets, and what is delivered again below it changes nothing.
"""

import logging
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from agents.changelog import Owner, known
from agents.counts import Counts
from agents.fetched import Records, with_left_out
from agents.partition import Partition, Scorer, score_all
from agents.rounds import Round
from streams.codec import Unreadable
from streams.log import Log, Message, OffsetsLost
from streams.topics import CHANGELOG, EVENTS

GROUP = "kymograph-worker-v2"

_log = logging.getLogger(__name__)

# What a harness turns off to see that it would notice.
GUARDS = frozenset({"changelog", "order", "applied"})


class Done(NamedTuple):
    """What the records since the last round came to, and what stands now."""

    counts: Counts
    open_sessions: int
    changelog_bytes: int


class Memory(NamedTuple):
    """What is known of a partition, who writes on about it, and what of it is committed."""

    partition: Partition
    owner: Owner
    committed: int


class Live:
    """The partitions of one owner, a ``Work``. ``guards`` are those that are on; all of them but under a harness."""

    topic = EVENTS.name

    def __init__(self, log: Log, scorer: Scorer, *, guards: frozenset[str] = GUARDS) -> None:
        """No partition is owned yet."""
        self._log, self._scorer, self._guards = log, scorer, guards
        self._owned: dict[int, tuple[Partition, Owner]] = {}
        self._offsets: dict[int, int] = {}
        self.generation = 0

    def remember(self, partition: int, committed: int) -> Memory:
        """By the changelog; where that is lost, damaged or lies behind, from the beginning of the log."""
        first, end = (ask(EVENTS.name)[partition] for ask in (self._log.first_offsets, self._log.end_offsets))
        remembered = known(self._log, CHANGELOG.name, partition)
        if "changelog" not in self._guards:  # what was committed is taken for remembered
            remembered = msgspec.structs.replace(remembered, to=max(remembered.to, committed))
        _check_whole(partition, first, end, committed=committed, remembered=remembered.to)
        found = None
        if remembered.to and remembered.to >= committed:
            try:
                found = Partition.restore(
                    EVENTS.name, partition, self._scorer, to=remembered.to, blocks=remembered.blocks
                )
            except (ValueError, KeyError, Unreadable) as reason:
                _log.warning("the changelog of partition %d is left behind: %s", partition, reason)
        if found is None:
            found = Partition(EVENTS.name, partition, self._scorer)
            found.applied = first
        found.forget(first)
        owner = Owner(partition, self._log.partitions(CHANGELOG.name), remembered)
        return Memory(found, owner, min(committed, found.applied))

    def own(self, partition: int, memory: Memory) -> int:
        """Take a partition over; the offset to read on from."""
        self._owned[partition] = memory.partition, memory.owner
        self._offsets[partition] = memory.committed
        return memory.partition.applied

    def position(self, partition: int) -> int:
        """The offset that is to be taken next of an owned partition."""
        return self._owned[partition][0].applied

    def disown(self) -> None:
        """Let go of everything: what was not committed is for the next owner."""
        self._owned.clear()
        self._offsets.clear()
        self.generation += 1

    def take(self, partition: int, records: Records) -> None:
        """Fold records of an owned partition; what a driver left out of them is read first. Raises LogUnavailable, OffsetsLost."""
        found, _ = self._owned[partition]
        for part in with_left_out(self._log, EVENTS.name, partition, found.applied, records):
            if "applied" not in self._guards:
                found.applied = 0
            found.take(part)

    def owned(self) -> Collection[int]:
        """The partitions that are ours."""
        return self._owned.keys()

    def prepare(self) -> Round[Done] | None:
        """What is to be made durable of all that was folded since the last round; None where nothing was."""
        sends: dict[str, list[Message]] = {}
        steps: list[list[Message]] = [[], [], []]
        offsets: dict[int, int] = {}
        counts = Counts()
        changed = [
            (number, *owned)
            for number, owned in self._owned.items()
            if owned[0].applied != self._offsets[number]
        ]
        score_all([partition for _, partition, _ in changed], self._scorer)
        for number, partition, owner in changed:
            for topic, message in partition.sends():
                sends.setdefault(topic, []).append(message)
            snapshot = partition.snapshot()
            for step, messages in zip(steps, owner.steps(partition.applied, snapshot), strict=True):
                step.extend(messages)
            offsets[number] = self._offsets[number] = partition.applied
            counts.add(partition.counts)
            partition.counts = Counts()
        if not offsets:
            return None
        rounds: list[dict[str, list[Message]]] = [sends]
        if "changelog" in self._guards:
            rounds += [{CHANGELOG.name: step} for step in steps]
        if "order" not in self._guards:
            rounds = [*rounds[1:], sends]
        size = sum(len(one.key) + len(one.value) for step in steps for one in step)
        open_sessions = sum(partition.open_sessions for partition, _ in self._owned.values())
        return Round(rounds, offsets, Done(counts, open_sessions, size))


def _check_whole(partition: int, first: int, end: int, *, committed: int, remembered: int) -> None:
    """Raises OffsetsLost where records are gone that were never folded, or those that were are no more at the log's end."""
    place, applied = f"{EVENTS.name}/{partition}", max(committed, remembered)
    if applied > end:
        message = f"{place} ends at {end}, but up to {applied} it was folded: offsets {end} to {applied - 1} are gone"
        raise OffsetsLost(
            f"{message}; restore the log, or begin anew under another group with an empty changelog"
        )
    if 0 < applied < first:
        message = f"{place} begins at {first}, but only up to {applied} it was folded: offsets {applied} to {first - 1} are gone"
        raise OffsetsLost(f"{message}; restore the log from its archive")
