"""The agents over the partitions that a worker owns: what is folded, what must be durable in which order, and what may be committed.

A driver hands over records as it fetches them, and now and then makes a round: ``prepare`` at one moment, ``write`` beside whatever
comes next, and then commits the round's offsets. The order is the whole of the promise: what sessions amount to is durable before the
changelog says that they are closed, the changelog before the offsets are committed. A crash anywhere leaves a changelog that is at or
beyond the committed offsets, and what is delivered again below it changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from agents.changelog import Owner, known
from agents.counts import Counts
from agents.fetched import Records, records_of
from agents.partition import Partition, Scorer, score_all
from streams.log import Log, Message
from streams.topics import CHANGELOG, EVENTS

# What a harness turns off to see that it would notice.
GUARDS = frozenset({"changelog", "order", "applied"})


class Done(NamedTuple):
    """What the records since the last round came to, and what stands now."""

    counts: Counts
    open_sessions: int
    changelog_bytes: int


class Round(NamedTuple):
    """What one round makes durable, step after step; then ``offsets`` (the next of each partition) may be committed."""

    steps: Sequence[Mapping[str, Sequence[Message]]]
    offsets: Mapping[int, int]
    done: "Done"

    def write(self, log: Log) -> None:
        """Make it durable. Raises LogUnavailable: then nothing may be committed."""
        for step in self.steps:
            for topic, messages in step.items():
                if messages:
                    log.append(topic, messages)


class Live:
    """The partitions of one owner. ``guards`` are those that are on; all of them but under a harness."""

    def __init__(self, log: Log, scorer: Scorer, *, guards: frozenset[str] = GUARDS) -> None:
        """No partition is owned yet."""
        self._log, self._scorer, self._guards = log, scorer, guards
        self._owned: dict[int, tuple[Partition, Owner]] = {}
        self._offsets: dict[int, int] = {}
        self.generation = 0

    def own(self, partition: int, committed: int) -> int:
        """Take a partition over, of which this was committed; the offset to read on from. Raises LogUnavailable, OffsetsLost."""
        remembered = known(self._log, CHANGELOG.name, partition)
        if "changelog" not in self._guards:  # what was committed is taken for remembered
            remembered = msgspec.structs.replace(remembered, to=max(remembered.to, committed))
        if remembered.to >= committed > 0 or (committed == 0 and remembered.to > 0):
            found = Partition.restore(
                EVENTS.name, partition, self._scorer, to=remembered.to, blocks=remembered.blocks
            )
        else:  # nothing, or a changelog that lies behind: from the log itself
            found = Partition(EVENTS.name, partition, self._scorer)
            if committed == 0:  # nothing was ever read of it: it begins where the log does
                found.applied = self._log.first_offsets(EVENTS.name)[partition]
        count = self._log.partitions(CHANGELOG.name)
        self._owned[partition] = found, Owner(partition, count, remembered)
        self._offsets[partition] = min(
            committed, found.applied
        )  # what is known beyond is to be committed too
        return found.applied

    def disown(self) -> None:
        """Let go of everything: what was not committed is for the next owner."""
        self._owned.clear()
        self._offsets.clear()
        self.generation += 1

    def take(self, partition: int, records: Records) -> None:
        """Fold records of an owned partition. What a driver left out before them is read first. Raises LogUnavailable, OffsetsLost."""
        found, _ = self._owned[partition]
        if not records.offsets:
            return
        if records.offsets[0] > found.applied:
            left_out = list(self._log.read(EVENTS.name, partition, found.applied, records.offsets[0]))
            if left_out:
                found.take(records_of(left_out))
        if "applied" not in self._guards:
            found.applied = 0
        found.take(records)

    def owns(self, partition: int) -> bool:
        """Whether records of this partition are ours to fold."""
        return partition in self._owned

    def prepare(self) -> Round | None:
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
