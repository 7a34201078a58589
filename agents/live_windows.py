"""The live windows of a partition's open sessions (``science/windows.py``), and which of them changed since they were last told.

They are no part of what is remembered: they follow from the events of the open sessions.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from science.columns.events import Column
from science.event import Payload, Response
from science.windows import WIDTHS_US, Window

_Place = tuple[int, int]  # width and index
_NONE = Window()

# Session, width, index, and the window's own fields.
WindowRow = tuple[str, int, int, int, int, int, int]


class LiveWindows:
    """Windows by session."""

    def __init__(self) -> None:
        """None yet."""
        self._of: dict[bytes, dict[_Place, Window]] = {}
        self._changed: dict[bytes, set[_Place]] = {}
        self._last: list[WindowRow] = []  # of sessions that closed

    def add(
        self, keys: Sequence[bytes], sizes: Column, t_us: Column, answers: Column, latency_us: Column
    ) -> None:
        """Add events of these sessions, so many of each, one session's after the other; ``answers`` is 1 for a response."""
        if not keys:
            return
        owner = np.repeat(np.arange(len(keys)), sizes)
        counted = np.where(answers != 0, latency_us, 0)
        for width_us in WIDTHS_US:
            index = t_us // width_us
            begins = np.flatnonzero((np.diff(owner, prepend=-1) != 0) | (np.diff(index, prepend=-1) != 0))
            columns = (
                np.diff(np.append(begins, len(owner))),
                np.add.reduceat(answers, begins),
                np.add.reduceat(counted, begins),
                np.maximum(np.maximum.reduceat(counted, begins), 0),
            )
            windows = map(Window, *[column.tolist() for column in columns])
            for n, at, window in zip(owner[begins].tolist(), index[begins].tolist(), windows, strict=True):
                self._merge(keys[n], (width_us, at), window)

    def add_one(self, key: bytes, t_us: int, payload: Payload) -> None:
        """Add one event."""
        window = window_of(payload)
        for width_us in WIDTHS_US:
            self._merge(key, (width_us, t_us // width_us), window)

    def again(self, key: bytes, events: Iterable[tuple[int, Payload]]) -> None:
        """A session's windows anew, from its events with their times: some of them count no more."""
        before = self._of.pop(key, {})
        for t_us, payload in events:
            self.add_one(key, t_us, payload)
        now = self._of.setdefault(key, {})
        for place in before.keys() - now.keys():
            now[place] = _NONE
        self._changed.setdefault(key, set()).update(before)

    def close(self, key: bytes) -> None:
        """The session has closed: its windows are told once more, and forgotten."""
        changed = self._changed.pop(key, set())
        windows = self._of.pop(key, {})
        self._last += [_row(key, place, windows[place]) for place in changed]

    def changes(self) -> list[WindowRow]:
        """The windows that changed since the last call, as they are now."""
        found, self._last = self._last, []
        for key, places in self._changed.items():
            windows = self._of[key]
            found += [_row(key, place, windows[place]) for place in places]
        self._changed.clear()
        return found

    def _merge(self, key: bytes, place: _Place, window: Window) -> None:
        windows = self._of.get(key)
        if windows is None:
            windows = self._of[key] = {}
        before = windows.get(place)
        windows[place] = window if before is None else before.merged(window)
        changed = self._changed.get(key)
        if changed is None:
            self._changed[key] = {place}
        else:
            changed.add(place)


def window_of(payload: Payload) -> Window:
    """One event."""
    if not isinstance(payload, Response):
        return Window(1)
    return Window(1, 1, payload.latency_us, max(payload.latency_us, 0))


def _row(key: bytes, place: _Place, window: Window) -> WindowRow:
    width_us, index = place
    return (
        key.decode(),
        width_us,
        index,
        window.events,
        window.responses,
        window.latency_us,
        window.latency_us_max,
    )
