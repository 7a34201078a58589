"""The events of a partition's open sessions as growing columns: many sessions, one after the other as the log had them.

A session's rows stand in ``seq`` order, others' between them. What is of closed sessions stays until ``keep`` is asked to leave it out.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from science.columns.events import TEXTS, UNITS, WIDTH, Column, Events, Mask
from science.session import DIGEST_BYTES, Entry
from streams.columns import Decoded

_ROWS_MIN = 1024

# A row: whose it is, and what ``Decoded`` says of it. Texts are places in the store's own words.
ROW = np.dtype(
    [
        ("owner", "<i4"),
        ("seq", "<i4"),
        ("t_us", "<i8"),
        ("device_time_ms", "<i8"),
        ("unit", "i1"),
        ("schema", "<i2"),
        ("digest", "u1", DIGEST_BYTES),
        ("fields", "<i8", WIDTH),
    ]
)
_IS_TEXT = np.concatenate([TEXTS, np.zeros((1, WIDTH), dtype=np.bool_)])  # the last is that of the frame

Rows = npt.NDArray[np.void]


class RowStore:
    """Rows of numbered owners."""

    def __init__(self) -> None:
        """Empty."""
        self._rows: Rows = np.zeros(_ROWS_MIN, dtype=ROW)
        self._count = 0
        self._words: dict[str, int] = {}

    def __len__(self) -> int:
        """How many rows there are, of the living and the dead."""
        return self._count

    @property
    def rows(self) -> Rows:
        """All rows, in order."""
        return self._rows[: self._count]

    @property
    def words(self) -> list[str]:
        """The texts that rows name by their place."""
        return list(self._words)

    def append(self, decoded: Decoded, which: Column, owner: Column) -> None:
        """Take these rows of what was decoded, in this order; ``owner`` of each."""
        count = len(which)
        new = np.zeros(count, dtype=ROW)
        new["owner"] = owner
        for name in ("seq", "t_us", "device_time_ms", "unit", "schema", "digest", "fields"):
            new[name] = getattr(decoded, name)[which]
        self.extend(new, decoded.words)

    def extend(self, new: Rows, words: Sequence[str]) -> None:
        """Take rows whose texts are places in ``words``."""
        if words:
            place = np.array([self._words.setdefault(word, len(self._words)) for word in words] + [-1])
            is_text = _IS_TEXT[new["unit"]]
            new["fields"][is_text] = place[new["fields"][is_text]]  # -1 is the last: None stays None
        end = self._count + len(new)
        if end > len(self._rows):
            grown = np.zeros(max(end, 2 * len(self._rows)), dtype=ROW)
            grown[: self._count] = self.rows
            self._rows = grown
        self._rows[self._count : end] = new
        self._count = end

    def keep(self, alive: Mask) -> None:
        """Leave out the rows of owners that are not ``alive``, and put each other's together."""
        rows = self.of(alive)
        words = self.words
        self._rows, self._count, self._words = np.zeros(_ROWS_MIN, dtype=ROW), 0, {}
        texts = np.unique(rows["fields"][_IS_TEXT[rows["unit"]]])
        place = np.full(len(words) + 1, -1)
        named = texts[texts >= 0]
        place[named] = np.arange(len(named))
        is_text = _IS_TEXT[rows["unit"]]
        rows["fields"][is_text] = place[rows["fields"][is_text]]
        self.extend(rows, [words[n] for n in named.tolist()])

    def of(self, owners: Mask) -> Rows:
        """A copy of these owners' rows, owner by owner."""
        owner = self.rows["owner"]
        found = np.flatnonzero(owners[owner])
        return self._rows[found[np.argsort(owner[found], kind="stable")]]


def events_of(
    rows: Rows,
    words: Sequence[str],
    sessions: Sequence[tuple[str, str]],
    frames: Sequence[Mapping[int, Entry]],
    schemas: Sequence[tuple[bytes, str]],
) -> Events:
    """The events of closed sessions: their rows one session after the other, and by session how it was closed and its frame's events."""
    counts = np.diff(np.flatnonzero(np.diff(rows["owner"], prepend=-1, append=-1)))
    starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    unit = rows["unit"].astype(np.int64)
    return Events(
        sessions=sessions,
        session=np.repeat(np.arange(len(sessions)), counts),
        starts=starts,
        t_us=rows["t_us"].astype(np.int64),
        unit=unit,
        schema=rows["schema"].astype(np.int64),
        schemas=schemas,
        digest=np.ascontiguousarray(rows["digest"]),
        fields={
            UNITS[code]: {
                name: of_kind[:, place].copy() for place, name in enumerate(UNITS[code].__struct_fields__)
            }
            for code in np.unique(unit[unit >= 0]).tolist()
            for of_kind in [rows["fields"][unit == code]]
        },
        words=words,
        frame={
            start + seq: frame[seq]
            for start, frame in zip(starts.tolist(), frames, strict=False)
            for seq in sorted(frame)
        },
    )
