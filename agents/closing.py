"""Sessions that closed by columns, scored together: the more at once, the less each costs, whichever partition it is of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agents.row_store import Rows, RowStore, events_of
from agents.sessions import Going, session_of
from science.canonical import encoded
from science.columns.measure import clean_measures
from science.measure import Measures, measure
from streams.records import SessionMetrics
from telemetry.version import ENGINE_VERSION

Hashes = Sequence[tuple[bytes, str]]  # a schema's SHA-256 and kind by its number


class Closing(NamedTuple):
    """A session as it stood when it closed: how, and at which offset."""

    key: bytes
    session: Going
    how: str
    offset: int


class Closed(NamedTuple):
    """Sessions of one partition in the order of their numbers, with their rows."""

    partition: int
    sessions: Sequence[Closing]
    rows: Rows
    words: Sequence[str]


def measured(closed: Sequence[Closed], hashes: Hashes) -> list[tuple[SessionMetrics, Measures]]:
    """What each session measured, partition by partition."""
    store, sessions = RowStore(), [one for of_partition in closed for one in of_partition.sessions]
    if not sessions:
        return []
    for of_partition in closed:
        store.extend(of_partition.rows, of_partition.words)
    store.rows["owner"] = np.repeat(np.arange(len(sessions)), [one.session.count for one in sessions])
    events = events_of(
        store.rows,
        store.words,
        [(one.key.decode(), one.how) for one in sessions],
        [{seq: entry for seq, (entry, _) in one.session.frame.items()} for one in sessions],
        hashes,
    )
    partitions = [of_partition.partition for of_partition in closed for _ in of_partition.sessions]
    found = []
    for number, (one, measures) in enumerate(zip(sessions, clean_measures(events), strict=True)):
        if measures is None:
            measures = _walked(one, store, number, hashes)  # noqa: PLW2901
        found.append((_record(one, partitions[number], measures), measures))
    return found


def _walked(one: Closing, store: RowStore, number: int, hashes: Hashes) -> Measures:
    """Of a session in which anything is odd."""
    rows = store.rows[store.rows["owner"] == number]
    session = session_of(one.key, one.session, rows, words=store.words, hashes=hashes)
    session.closed, session.last_seq = one.how, one.session.count - 1
    session.resume()
    return measure(session)


def _record(one: Closing, partition: int, measures: Measures) -> SessionMetrics:
    return SessionMetrics(
        session_id=measures.session_id,
        measures=encoded(measures),  # the same as the walk's, in which floats are sought
        records_digest=one.session.records.hex(),
        partition=partition,
        first_offset=one.session.first_offset,
        last_offset=one.offset,
        engine_version=ENGINE_VERSION,
    )
