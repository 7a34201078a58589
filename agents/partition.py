"""A partition of the log, folded by columns: MetricExtractor and TraitInferencer over many records and many sessions at once.

A session whose events come whole and in order goes by columns (``agents/row_store.py``); where anything about it is odd, it goes on one
record at a time (``agents/metric_extractor.py``), so that nothing is ever judged twice. What either way makes of the log is the same
to the byte.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from agents.blocks import IS_RESPONSE, LATENCY_FIELD
from agents.closing import Closed, Closing, measured
from agents.counts import Counts
from agents.fetched import Records
from agents.letters import message_of
from agents.live_windows import LiveWindows
from agents.metric_extractor import MetricExtractor, session_id_of
from agents.sessions import Sessions, Snapshot
from agents.tables import SessionRow
from agents.trait_inferencer import TraitInferencer
from science.canonical import canonical
from science.columns.events import Column, code_of, integers_of, is_unit
from science.event import Event
from science.session import DIGEST_BYTES, Session
from science.vocabulary import Aborted, Completed
from streams.codec import Codec, Unreadable
from streams.columns import ColumnDecoder, Decoded
from streams.log import Message, Record
from streams.records import DeadLetter, SessionMetrics, TraitProfile
from streams.records import LiveWindows as LiveWindowsRecord
from streams.topics import DEAD_LETTERS, LIVE_WINDOWS, SESSION_METRICS, TRAIT_PROFILES
from telemetry.version import ENGINE_VERSION

_WINDOWS_A_RECORD = 5_000  # of at most 140 bytes
_SCORED = b'"status":"scored"'  # as the canonical bytes have it


class Scorer(NamedTuple):
    """What every partition scores with."""

    codec: Codec
    decoder: ColumnDecoder
    extractor: MetricExtractor
    inferencers: Sequence[TraitInferencer]


class Partition:
    """The sessions of one partition. ``applied`` is the offset of the next record to take: what lies below changes nothing."""

    def __init__(self, topic: str, number: int, scorer: Scorer) -> None:
        """Nothing is known yet."""
        self._topic, self._number, self._scorer = topic, number, scorer
        self.applied = 0
        self.counts = Counts()  # of whoever asks: it may be replaced
        self._planned = {plan.number for plan in scorer.decoder.plans}
        self._sessions = Sessions(number, scorer.decoder)
        self._closing: list[Closing] = []
        self._sends: list[tuple[str, Message]] = []
        self._windows = LiveWindows()

    # ------------------------------------------------------------------------------------------------------------ taking

    def take(self, records: Records) -> None:
        """Fold what is new of these records."""
        new = int(np.searchsorted(np.array(records.offsets), self.applied))
        if new:
            records = records.since(new)
        if not records.offsets:
            return
        decoded = self._scorer.decoder.decode(records.keys, records.values)
        frames = self._frames(records, decoded)
        places: dict[bytes, int] = {}
        of = np.array([places.setdefault(key, len(places)) for key in records.keys])
        order = np.argsort(of.astype(np.int16) if len(places) < 1 << 15 else of, kind="stable")  # by radix
        starts = np.concatenate(([0], np.cumsum(np.bincount(of)))).tolist()
        keys = list(places)
        steady = self._steady(keys, decoded, frames, order, starts)
        rows = order.tolist()
        repeating = self._repeating(
            {
                key: rows[starts[n] : starts[n + 1]]
                for n, key in enumerate(keys)
                if not steady[n] and self._next_of(key) >= 0
            },
            decoded,
            frames,
        )
        taken: list[Column] = []
        owners: list[int] = []
        going: list[bytes] = []
        for n, key in enumerate(keys):
            mine = rows[starts[n] : starts[n + 1]]
            unheard = mine if steady[n] else repeating.get(key)
            if unheard is None or not self._go_on(key, mine, records, frames, unheard):
                self._one_by_one(key, mine, records)
            elif unheard:
                taken.append(np.array(unheard))
                owners.append(self._number_of(key))
                going.append(key)
        if taken:
            which, sizes = np.concatenate(taken), np.array([len(one) for one in taken])
            self._sessions.rows.append(decoded, which, np.repeat(owners, sizes))
            answers = IS_RESPONSE[decoded.unit[which]]
            self._windows.add(
                going, sizes, decoded.t_us[which], answers, decoded.fields[which, LATENCY_FIELD]
            )
        for key in going:
            if key not in self._sessions.open:
                self._windows.close(key)
        self.applied = records.offsets[-1] + 1

    def _frames(self, records: Records, decoded: Decoded) -> dict[int, Event | None]:
        """The records that columns do not read: the event of each, None where it is none of a session's own (a flaw, or the house's).

        An event of a unit that came in another form is put into its columns.
        """
        found: dict[int, Event | None] = {}
        words = {word: place for place, word in enumerate(decoded.words)}
        for row in np.flatnonzero(decoded.unit < 0).tolist():
            event = self._own_event(records.keys[row], records.values[row])
            if event is None or not is_unit(event.payload):
                found[row] = event
            elif self._scorer.decoder.number_of(event) not in self._planned:
                found[row] = event = None  # of a schema whose columns would not be the whole of it
            else:
                decoded.device_time_ms[row] = self._device_time_ms(records.values[row])
                integers = integers_of(event.payload, words)
                decoded.unit[row] = code_of(type(event.payload))
                decoded.fields[row, : len(integers)] = integers
            if event is not None:
                assert event.seq is not None
                assert event.t_us is not None
                decoded.seq[row], decoded.t_us[row] = event.seq, event.t_us
                decoded.schema[row] = self._scorer.decoder.number_of(event)
                decoded.digest[row] = np.frombuffer(event.digest[:DIGEST_BYTES], dtype=np.uint8)
        decoded.words[:] = words
        return found

    def _device_time_ms(self, value: bytes) -> int:
        """Of an event that the codec reads; -1: none."""
        told = self._scorer.codec.fields(value)[1]["device_time_ms"]
        return told if isinstance(told, int) else -1

    def _own_event(self, key: bytes, value: bytes) -> Event | None:
        """What the codec reads, where it is an event that the session itself sent."""
        try:
            event = self._scorer.codec.decode(value)
        except Unreadable:
            return None
        return event if event.seq is not None and event.session_id.encode() == key else None

    def _steady(
        self,
        keys: list[bytes],
        decoded: Decoded,
        frames: Mapping[int, Event | None],
        order: Column,
        starts: list[int],
    ) -> list[bool]:
        """Of each session whether all of its records here are its own events, and go on where it stands, in order."""
        counts = [self._next_of(key) for key in keys]
        sizes = np.diff(starts)
        wanted = np.arange(len(order)) - np.repeat(np.array(starts[:-1]) - counts, sizes)
        wrong = decoded.seq[order] != wanted
        lost = [row for row, event in frames.items() if event is None]
        if lost:
            is_lost = np.zeros(len(order), dtype=np.bool_)
            is_lost[lost] = True
            wrong |= is_lost[order]
        found: list[bool] = (np.add.reduceat(wrong, starts[:-1]) == 0).tolist()
        return found

    def _repeating(
        self, odd: Mapping[bytes, list[int]], decoded: Decoded, frames: Mapping[int, Event | None]
    ) -> dict[bytes, list[int]]:
        """The rows that are new, of each session in which nothing is odd but that events came again, as senders and doors repeat them."""
        known = [going for key in odd if (going := self._sessions.open.get(key)) is not None]
        digests = self._sessions.digests_of(known)
        found = {}
        for key, mine in odd.items():
            going = self._sessions.open.get(key)
            stored = digests[going.number] if going is not None else ()
            new: list[int] = []
            for row, seq in zip(mine, decoded.seq[mine].tolist(), strict=True):
                wanted = len(stored) + len(new)
                if seq > wanted or (row in frames and frames[row] is None):
                    break
                if seq == wanted:
                    new.append(row)
                    continue
                before = stored[seq] if seq < len(stored) else decoded.digest[new[seq - len(stored)]]
                if (decoded.digest[row] != before).any():
                    break
            else:
                found[key] = new
        return found

    def _next_of(self, key: bytes) -> int:
        """The ``seq`` that a session goes on with; one that does not go by columns has none."""
        sessions = self._sessions
        going = sessions.open.get(key)
        if going is not None:
            return going.count
        return -1 << 20 if key in sessions.single or key in sessions.closed else 0

    def _go_on(
        self,
        key: bytes,
        mine: list[int],
        records: Records,
        frames: Mapping[int, Event | None],
        new: list[int],
    ) -> bool:
        """A session by columns, of whose records here these are ``new``: whether it can, and if so it has gone on."""
        going = self._sessions.open.get(key)
        own = [(row, event) for row in new if row in frames and (event := frames[row]) is not None]
        ends = [row for row, event in own if isinstance(event.payload, Completed | Aborted)]
        if ends and ends[0] != mine[-1]:  # something follows the end
            return False
        if going is None:
            if session_id_of(key, self._number) is None:
                return False
            going = self._sessions.begin(key, records.offsets[mine[0]])
        digest, values = going.records, records.values
        for row in mine:
            digest = sha256(digest + values[row]).digest()
        going.records = digest
        self._sessions.go_on(key, going, len(new), [(event, values[row]) for row, event in own])
        self.counts.outcomes["counted"] += len(new)
        if len(new) < len(mine):
            self.counts.outcomes["duplicate"] += len(mine) - len(new)
        if ends:
            event = frames[ends[0]]
            assert event is not None
            how = "completed" if isinstance(event.payload, Completed) else "aborted"
            self._closing.append(Closing(key, going, how, records.offsets[ends[0]]))
            self.counts.closed[how] += 1
            self._sessions.close(key, records.offsets[ends[0]])
        return True

    def _number_of(self, key: bytes) -> int:
        going = self._sessions.open.get(key)
        return going.number if going is not None else self._closing[-1].session.number

    # -------------------------------------------------------------------------------------------------------- one by one

    def _one_by_one(self, key: bytes, mine: list[int], records: Records) -> None:
        for row in mine:
            record = records.record(row, self._topic, self._number)
            if key in self._sessions.closed:
                self._after_the_end(key, record)
            else:
                self._advance(key, record)
        row_now = self._sessions.single.get(key)
        if row_now is not None:
            self._windows_of(key, row_now)

    def _advance(self, key: bytes, record: Record) -> None:
        sessions = self._sessions
        if key in sessions.open:
            sessions.go_single(key, sessions.out_of_columns(key, self.applied - 1))
        advance = self._scorer.extractor.advance(sessions.single.get(key), record)
        self.counts.outcomes[advance.outcome or "dead_letter"] += 1
        if advance.letter is not None:
            self._letter(advance.letter)
        if advance.metrics is not None:
            self.tell(
                advance.metrics,
                [inferencer.infer(advance.metrics) for inferencer in self._scorer.inferencers],
            )
        if advance.row is None:
            return
        sessions.go_single(key, advance.row)
        if advance.row.closed_offset is not None:
            self.counts.closed[str(advance.row.session.closed)] += 1
            self._windows_of(key, advance.row)
            self._windows.close(key)
            sessions.close(key, record.offset, is_withdrawn=advance.row.session.withdrawn)

    def _after_the_end(self, key: bytes, record: Record) -> None:
        """What comes after the close changes nothing but that the session may be withdrawn."""
        advance = self._scorer.extractor.advance(SessionRow(Session(key.decode()), record.offset), record)
        if advance.letter is not None:
            self._letter(advance.letter)
            self.counts.outcomes["dead_letter"] += 1
        elif (
            advance.row is not None
            and advance.row.session.withdrawn
            and not self._sessions.closed.is_withdrawn(key)
        ):
            self._sessions.withdraw(key)
            self.counts.outcomes["counted"] += 1
        else:
            self.counts.outcomes["late"] += 1

    # ----------------------------------------------------------------------------------------------------------- scoring

    def closed(self) -> Closed:
        """The sessions that closed by columns since the last call: for ``score_all``."""
        closing, self._closing = sorted(self._closing, key=lambda one: one.session.number), []
        rows = self._sessions.rows_of([one.session for one in closing])
        return Closed(self._number, closing, rows, self._sessions.rows.words if closing else [])

    def tell(self, metrics: SessionMetrics, profiles: Iterable[TraitProfile]) -> None:
        """What one of them amounts to is to be sent."""
        codec, key = self._scorer.codec, metrics.session_id.encode()
        self._send(SESSION_METRICS.name, key, codec.encode_record(metrics))
        for profile in profiles:
            self._send(TRAIT_PROFILES.name, key, codec.encode_record(profile))
            is_scored = _SCORED in profile.profile
            self.counts.profiles[profile.mapping, "scored" if is_scored else "insufficient"] += 1

    def sends(self) -> list[tuple[str, Message]]:
        """What is to be sent since the last call: metrics and profiles, dead letters, and windows that changed."""
        windows = self._windows.changes()
        for at in range(0, len(windows), _WINDOWS_A_RECORD):
            told = LiveWindowsRecord(
                partition=self._number,
                last_offset=self.applied - 1,
                windows=canonical(windows[at : at + _WINDOWS_A_RECORD]),
                engine_version=ENGINE_VERSION,
            )
            key = b"partition-%d" % self._number
            self._send(LIVE_WINDOWS.name, key, self._scorer.codec.encode_record(told))
        sends, self._sends = self._sends, []
        return sends

    def _letter(self, letter: DeadLetter) -> None:
        self._sends.append((DEAD_LETTERS.name, message_of(self._scorer.codec, letter)))
        self.counts.letters[letter.code] += 1

    def _send(self, topic: str, key: bytes, value: bytes) -> None:
        self._sends.append((topic, Message(key, value)))

    # --------------------------------------------------------------------------------------------------------- remembering

    @property
    def open_sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions.open) + len(self._sessions.single)

    def snapshot(self) -> Snapshot:
        """What changed since the last snapshot. Nothing may be waiting to be scored."""
        assert not self._closing, "sessions that closed are scored first"
        return self._sessions.snapshot()

    @classmethod
    def restore(
        cls, topic: str, number: int, scorer: Scorer, *, to: int, blocks: Sequence[bytes]
    ) -> "Partition":
        """The partition as it was when the last of these blocks was made. Raises ValueError if their bytes changed."""
        self = cls(topic, number, scorer)
        self.applied = to
        self._sessions.restore(blocks, scorer.codec)
        self._windows_again()
        return self

    def forget(self, before: int) -> None:
        """What closed before this offset, of which the log holds nothing any more."""
        self._sessions.closed.forget(before)

    def _windows_again(self) -> None:
        """The windows of the sessions that are open; they were told before."""
        rows = self._sessions.rows.rows
        going = sorted(self._sessions.open.items(), key=lambda one: one[1].number)
        self._windows.add(
            [key for key, _ in going],
            np.array([one.count for _, one in going], dtype=np.int64),
            rows["t_us"],
            IS_RESPONSE[rows["unit"]],
            rows["fields"][:, LATENCY_FIELD],
        )
        for key, row in self._sessions.single.items():
            self._windows_of(key, row)
        self._windows.changes()

    def _windows_of(self, key: bytes, row: SessionRow) -> None:
        entries = row.session.entries.values()
        self._windows.again(key, [(one.t_us, one.payload) for one in entries if one is not None])


def score_all(partitions: Sequence[Partition], scorer: Scorer) -> None:
    """Score what closed in these partitions, together; each has what came of its own to send."""
    closed = [partition.closed() for partition in partitions]
    found = measured(closed, scorer.decoder.hashes)
    metrics, measures = [record for record, _ in found], [one for _, one in found]
    by_mapping = [one.infer_all(metrics, measures) for one in scorer.inferencers]
    owners = [partition for partition, of in zip(partitions, closed, strict=True) for _ in of.sessions]
    for place, (partition, record) in enumerate(zip(owners, metrics, strict=True)):
        partition.tell(record, [profiles[place] for profiles in by_mapping])
