"""Reaction timer as an importer tells it, trial by trial.

Published tables give the stimulus and the response, not when the trial began: a trial starts with its stimulus, and the foreperiod
is 0 throughout.
"""

from collections.abc import Mapping

from agents.event_logger import Verdict
from importers.sessions import Game, Told


class ReactionGame:
    """What was told of one playing. ``i`` counts every trial that there was, also one that cannot be read."""

    def __init__(self, kind: str, keys: Mapping[str, str], *, timeout_us: int) -> None:
        """Nothing told yet. ``keys`` says which key is right for each stimulus."""
        self._kind = kind
        self._keys = dict(keys)
        self._timeout_us = timeout_us
        self._told: list[Told] = []
        self._planned = self._i = 0

    def respond(
        self, place: str, stim: str, key: str, onset_t_us: int, latency_us: int, *, practice: bool = False
    ) -> None:
        """A trial with a response."""
        self._show(place, stim, onset_t_us, practice=practice)
        times = {"onset_t_us": onset_t_us, "latency_us": latency_us}
        self._tell(place, "responded", onset_t_us + latency_us, {**times, "i": self._i, "key": key})

    def miss(self, place: str, stim: str, onset_t_us: int, end_t_us: int, *, practice: bool = False) -> None:
        """A trial without one, over at ``end_t_us``."""
        self._show(place, stim, onset_t_us, practice=practice)
        self._tell(place, "missed", end_t_us, {"i": self._i, "timeout_us": self._timeout_us})

    def refuse(self, place: str, why: Verdict, *, practice: bool = False) -> None:
        """A trial that cannot be read."""
        self._begin(practice=practice)
        self._told.append((place, why))

    def told(self, begin_t_us: int = 0) -> Game:
        """The whole game; planned was what was shown."""
        config = {
            "foreperiod_max_us": 0,
            "foreperiod_min_us": 0,
            "keys": self._keys,
            "kind": self._kind,
            "timeout_us": self._timeout_us,
            "trials": max(1, self._planned),
        }
        return Game("reaction_timer", config, self._told, begin_t_us)

    def _begin(self, *, practice: bool) -> None:
        self._i += 1
        self._planned += not practice

    def _show(self, place: str, stim: str, onset_t_us: int, *, practice: bool) -> None:
        self._begin(practice=practice)
        trial = {"i": self._i, "trial_kind": self._kind, "foreperiod_us": 0, "practice": practice}
        self._tell(place, "trial_started", onset_t_us, trial)
        shown = {"i": self._i, "stim": stim, "stim_onset_t_us": onset_t_us}
        self._tell(place, "stimulus_shown", onset_t_us, shown)

    def _tell(self, place: str, kind: str, t_us: int, fields: Mapping[str, object]) -> None:
        self._told.append((place, {"kind": f"reaction_timer.{kind}", "t_us": t_us, **fields}))
