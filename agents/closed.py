"""The sessions of a partition that closed: as long as the log holds what closed them, what comes after changes nothing.

Each is 24 bytes, so that a year of them fits into memory: sorted columns, and a dictionary of the newest beside them.
"""

from hashlib import sha256

import numpy as np
import numpy.typing as npt

_NAME_BYTES = 16  # of a SHA-256: two sessions of one name take 2**64 trials
_NAME = np.dtype(f"S{_NAME_BYTES}")
_PLACE = np.dtype("<i8")
_NEWEST_MIN = 1_024


class ClosedSessions:
    """By key where the session closed, and whether it was withdrawn."""

    def __init__(self) -> None:
        """None."""
        self._newest: dict[bytes, int] = {}  # offset * 2, and 1 for one that was withdrawn
        self._names = np.zeros(0, dtype=_NAME)
        self._places = np.zeros(0, dtype=_PLACE)

    def __len__(self) -> int:
        """How many there are, or a few more: one that was withdrawn since may count twice."""
        return len(self._names) + len(self._newest)

    def __contains__(self, key: bytes) -> bool:
        """Whether the session closed."""
        return self._place(_name(key)) is not None

    def is_withdrawn(self, key: bytes) -> bool:
        """Whether it was withdrawn."""
        return bool((self._place(_name(key)) or 0) & 1)

    def add(self, key: bytes, offset: int, *, is_withdrawn: bool = False) -> bytes:
        """The session closed at this offset; the name that it goes by."""
        name = _name(key)
        self._newest[name] = offset << 1 | is_withdrawn
        self._settle_now_and_then()
        return name

    def withdraw(self, key: bytes) -> bytes:
        """A session that closed was withdrawn; the name that it goes by."""
        name = _name(key)
        place = self._place(name)
        assert place is not None
        self._newest[name] = place | 1
        return name

    def told(self, names: set[bytes] | None = None) -> tuple[bytes, bytes]:
        """Names and places as columns of bytes: of all, or of these newest."""
        if names is None:
            self._settle()
            return self._names.tobytes(), self._places.tobytes()
        places = [self._place(name) for name in names]
        return b"".join(names), np.array(places, dtype=_PLACE).tobytes()

    def hear(self, told: tuple[bytes, bytes]) -> None:
        """What was told, of all or of some."""
        names, places = np.frombuffer(told[0], dtype=_NAME), np.frombuffer(told[1], dtype=_PLACE)
        if len(names) > _NEWEST_MIN:
            self._settle()
            self._merge(names, places)
            return
        cut = [told[0][at : at + _NAME_BYTES] for at in range(0, len(told[0]), _NAME_BYTES)]
        self._newest.update(zip(cut, places.tolist(), strict=True))
        self._settle_now_and_then()

    def forget(self, before: int) -> None:
        """Those that closed before this offset: the log holds nothing of them any more."""
        self._settle()
        kept = self._places >= before << 1
        self._names, self._places = self._names[kept], self._places[kept]

    def _place(self, name: bytes) -> int | None:
        place = self._newest.get(name)
        if place is not None or not len(self._names):
            return place
        at = min(int(np.searchsorted(self._names, np.array(name, dtype=_NAME))), len(self._names) - 1)
        return int(self._places[at]) if self._names[at : at + 1].tobytes() == name else None

    def _settle_now_and_then(self) -> None:
        if len(self._newest) > max(_NEWEST_MIN, len(self._names) // 8):
            self._settle()

    def _settle(self) -> None:
        """Put the newest among the others."""
        if self._newest:
            names = np.frombuffer(b"".join(self._newest), dtype=_NAME)
            self._merge(names, np.fromiter(self._newest.values(), dtype=_PLACE, count=len(names)))
            self._newest = {}

    def _merge(self, names: npt.NDArray[np.bytes_], places: npt.NDArray[np.int64]) -> None:
        # The newer first: of two places of one session the later word counts.
        names, places = np.concatenate([names, self._names]), np.concatenate([places, self._places])
        self._names, first = np.unique(names, return_index=True)
        self._places = places[first]


def _name(key: bytes) -> bytes:
    return sha256(key).digest()[:_NAME_BYTES]
