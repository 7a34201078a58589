"""Reaction timer: the events, mirrored field by field by the schemas ``reaction_timer.*.avsc``."""

from science.event import Payload, Response
from science.game import Completion, Start


class GameStarted(Start, frozen=True, gc=False):
    """``config`` is canonical JSON of ``Config``; ``seed_commit`` binds the foreperiods before the first trial."""

    seed_commit: str | None


class GameCompleted(Completion, frozen=True, gc=False):
    """``reveal_*`` open the commitment of ``seed_commit``, so that anyone can check the foreperiods were fixed beforehand."""

    reveal_seed: str | None
    reveal_foreperiods: str | None


class TrialStarted(Payload, frozen=True, gc=False):
    """Trial ``i`` (from 1) begins; its stimulus is due after ``foreperiod_us``."""

    i: int
    trial_kind: str
    foreperiod_us: int
    practice: bool


class StimulusShown(Payload, frozen=True, gc=False):
    """The stimulus of trial ``i`` was painted at ``stim_onset_t_us``, on the clock of ``t_us``."""

    i: int
    stim: str
    stim_onset_t_us: int


class Responded(Response, frozen=True, gc=False, kw_only=True):
    """The participant pressed ``key``; ``latency_us`` is the reaction time. Whether it was right is never sent, only found."""

    i: int
    key: str


class FalseStart(Payload, frozen=True, gc=False):
    """A press before the stimulus of trial ``i``: it ends the trial."""

    i: int


class Missed(Payload, frozen=True, gc=False):
    """Nobody pressed within ``timeout_us`` of the stimulus of trial ``i``."""

    i: int
    timeout_us: int


KINDS: dict[str, type[Payload]] = {
    "reaction_timer.game_started": GameStarted,
    "reaction_timer.game_completed": GameCompleted,
    "reaction_timer.trial_started": TrialStarted,
    "reaction_timer.stimulus_shown": StimulusShown,
    "reaction_timer.responded": Responded,
    "reaction_timer.false_start": FalseStart,
    "reaction_timer.missed": Missed,
}
