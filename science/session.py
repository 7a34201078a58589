"""The fold: a session is the set of its events.

A profile must not depend on the order, the repetition or the batching of deliveries, so the state is just that set: for every
``seq`` nothing, one event, or a conflict (two events of one identity and different digests: neither counts). Taking an event up
only ever moves a ``seq`` up in this order, which makes ``step`` commutative and idempotent by construction; missing sequence
numbers are what the set lacks, and an early event simply waits in it. What the events mean is worked out once, in ``seq``
order, when the session is closed (``science/measure.py``).
"""

from hashlib import sha256
from operator import itemgetter
from typing import Literal

import msgspec

from science.event import Event, Payload
from science.vocabulary import Abandoned, Aborted, Completed, Withdrawn

# 128 bits of an event's digest are kept for each event of an open session: enough to tell a repeat from a conflict (a second
# event with the same prefix takes 2**128 trials), and half the state.
DIGEST_BYTES = 16

_CONFLICT_MARK = bytes(DIGEST_BYTES)

DIGEST_HEAD = b"kymograph events 1\n"  # of what the digest of a set of events is made of


# What became of an event that was taken up. duplicate: same identity and digest, no effect; conflict: same identity, other
# digest, from now on neither counts; late: the session was closed before it in the log.
Outcome = Literal["counted", "duplicate", "conflict", "late"]


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An event in the set."""

    digest: bytes
    schema_sha256: bytes
    t_us: int
    payload: Payload


class Session:
    """The set of a session's events, and whether it is closed. ``None`` stands for a conflict."""

    __slots__ = ("closed", "contiguous", "entries", "last_seq", "session_id", "terminals", "withdrawn")

    def __init__(self, session_id: str) -> None:
        """An open session without events."""
        self.session_id = session_id
        self.entries: dict[int, Entry | None] = {}
        self.terminals: set[int] = set()
        self.contiguous = 0  # 0 .. contiguous - 1 are all there
        self.closed: str | None = None  # completed, aborted or abandoned
        self.last_seq: int | None = None  # of a session that its client closed
        self.withdrawn = False

    def step(self, event: Event) -> Outcome:
        """Take one event up; the same event again changes nothing."""
        assert event.session_id == self.session_id
        if event.seq is None:
            return self._step_house(event.payload)
        assert event.t_us is not None
        kept = self.entries.get(event.seq, ...)
        digest = event.digest[:DIGEST_BYTES]
        if isinstance(kept, Entry) and kept.digest == digest:
            return "duplicate"
        if self.closed is not None:
            return "late"
        if kept is not ...:
            self.entries[event.seq] = None
            self.terminals.discard(event.seq)
            return "conflict"
        self.entries[event.seq] = Entry(digest, event.schema_sha256, event.t_us, event.payload)
        if isinstance(event.payload, Completed | Aborted):
            self.terminals.add(event.seq)
        self._close_if_whole()
        return "counted"

    def resume(self) -> None:
        """Work out again what follows from ``entries``, after they were put back from a cache."""
        while self.contiguous in self.entries:
            self.contiguous += 1
        self.terminals = {
            seq
            for seq, entry in self.entries.items()
            if entry is not None and isinstance(entry.payload, Completed | Aborted)
        }

    def missing(self) -> list[int]:
        """The sequence numbers that are not there, below the largest that is."""
        return [
            seq for seq in range(self.contiguous, max(self.entries, default=-1)) if seq not in self.entries
        ]

    def events_digest(self) -> str:
        """SHA-256 over (seq, digest) of the set and how it was closed; a conflict stands as zeros."""
        told = [
            seq.to_bytes(4, "big") + (_CONFLICT_MARK if entry is None else entry.digest)
            for seq, entry in sorted(self.entries.items(), key=itemgetter(0))
        ]
        return sha256(b"".join([DIGEST_HEAD, *told, str(self.closed).encode()])).hexdigest()

    def _step_house(self, payload: Payload) -> Outcome:
        """What the house writes has no sequence number; the first of a kind in the log wins."""
        match payload:
            case Withdrawn() if not self.withdrawn:
                self.withdrawn = True
                return "counted"
            case Abandoned() if self.closed is None:
                self.closed = "abandoned"
                return "counted"
            case Withdrawn():
                return "duplicate"
            case _:
                pass
        return "duplicate" if self.closed == "abandoned" else "late"

    def _close_if_whole(self) -> None:
        """Close at the first terminal whose predecessors are all there; what has a larger seq is not of the session."""
        while self.contiguous in self.entries:
            self.contiguous += 1
        last = min((seq for seq in self.terminals if seq < self.contiguous), default=None)
        if last is None:
            return
        terminal = self.entries[last]
        assert terminal is not None
        self.closed = "completed" if isinstance(terminal.payload, Completed) else "aborted"
        self.last_seq = last
        self.entries = {seq: entry for seq, entry in self.entries.items() if seq <= last}
