"""Reaction timer: one playing of it, as a state machine over its events.

Rules of this file: everything that moves a trial stands in ``NEXT``; what an event may say is checked in ``_accept``; an
impossible event is a finding (R1-R11, S3; docs/games/reaction_timer.md), voids its trial, and never raises. R10 is the commitment
to the foreperiods, R11 the number of trials that the protocol plans.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from math import gcd
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from science.commitment import revealed_integers
from science.event import Payload
from science.game import Conduct, Finding, Tally, is_automaton
from science.games.reaction_timer.vocabulary import (
    FalseStart,
    GameCompleted,
    Missed,
    Responded,
    StimulusShown,
    TrialStarted,
)

FLOOR_US = 100_000  # a response faster than 100 ms is anticipated, not decided (Basner & Dinges 2011)

SLACK_US = 50_000  # R4: frames and timers of a browser move an onset by less than this
COARSE_US = 4_000  # R9
_TOO_FAST_US = 150_000  # no sample of honest people has a median below it (quality control of the SRO study)
_SLOW_US = 3_000_000
JUDGED = 10  # a pattern needs as many answers

_Span = Annotated[int, Meta(ge=0, le=600_000_000)]
_Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the protocol plans. ``keys`` says which key is right for each stimulus; a no-go stimulus has null: do not press."""

    foreperiod_max_us: _Span
    foreperiod_min_us: _Span
    keys: dict[_Name, _Name | None]
    kind: Literal["simple", "choice", "gonogo"]
    timeout_us: Annotated[int, Meta(ge=1, le=600_000_000)]
    trials: Annotated[int, Meta(ge=1, le=10_000)]

    def __post_init__(self) -> None:
        """A configuration that is none of its kind is refused (msgspec makes a ValidationError of it)."""
        go = {key for key in self.keys.values() if key is not None}
        has_no_go = None in self.keys.values()
        if self.foreperiod_min_us > self.foreperiod_max_us:
            raise ValueError("foreperiod_min_us is above foreperiod_max_us")
        match self.kind:
            case "simple" if has_no_go or len(self.keys) != 1:
                raise ValueError("a simple game has one stimulus, with a key")
            case "choice" if has_no_go or len(go) < 2:
                raise ValueError("a choice game has stimuli of at least two different keys")
            case "gonogo" if not (has_no_go and go):
                raise ValueError("a go/no-go game has a stimulus with a key and one without")
            case _:
                pass


# ------------------------------------------------------------------------------------------------------------- the play


class Trial(msgspec.Struct):
    """One trial as it went. ``outcome`` is None until it ends: right, wrong, missed, false_start (before the stimulus),
    anticipation (less than 100 ms after it), rejected (a no-go stimulus was let pass) or commission (it was not).
    """

    i: int
    foreperiod_us: int
    practice: bool
    begin_t_us: int
    stim: str | None = None
    onset_t_us: int = 0
    outcome: str | None = None
    key: str | None = None
    rt_us: int | None = None
    void: bool = False

    @property
    def is_scored(self) -> bool:
        """Whatever came of it counts, once it ended (R8: practice never does)."""
        return self.outcome is not None and not self.void and not self.practice


# Where a trial may go from where it is: started -> (false_start | shown -> (responded | missed)).
# "torn" follows an event that is missing or does not count: it takes anything until the next trial starts.
NEXT: dict[tuple[str, type[Payload]], str] = {
    ("idle", TrialStarted): "started",
    ("started", TrialStarted): "started",  # the trial before it has no end: dropped, and noted
    ("shown", TrialStarted): "started",
    ("started", FalseStart): "idle",
    ("started", StimulusShown): "shown",
    ("shown", Responded): "idle",
    ("shown", Missed): "idle",
    ("torn", TrialStarted): "started",
}

_Flaw = tuple[str, int, str]


class ReactionPlay:
    """One playing of reaction timer; invariants become findings, never exceptions."""

    def __init__(self, config: Config, seed_commit: str | None) -> None:
        """Begin with what the protocol plans."""
        self.config = config
        self.findings: list[Finding] = []
        self.trials: list[Trial] = []
        self.seed_commit = seed_commit
        self._state = "idle"
        self._next_i = 1
        self._is_revealed = False

    def take(self, seq: int, t_us: int, payload: Payload) -> None:
        """The next event; impossible ones are noted and void their trial."""
        state = NEXT.get((self._state, type(payload)))
        if state is not None:
            flaw = self._accept(seq, t_us, payload)
            self._state = state
            if flaw is not None:
                self._object(*flaw)
                self._void()
        elif isinstance(payload, GameCompleted):
            self._check_reveal(seq, payload)
        elif self._state == "idle":
            self._object("R1", seq, f"{_kind(payload)} while no trial is open")
        elif self._state != "torn":
            late = self._state == "shown" and isinstance(payload, FalseStart)
            self._object("R2" if late else "R1", seq, f"{_kind(payload)} while the trial is {self._state}")
            self._void()

    def tear(self, seq: int) -> None:
        """The trial in hand is void, and so is what goes on before the next one starts."""
        if self._state in {"started", "shown"}:
            self._void()
        self._state = "torn"

    def end(self, seq: int) -> None:
        """R9, R10 and R11. (R8, and dropping what has no end, is ``is_scored``.)"""
        self._note_unfinished(seq)
        played = [trial for trial in self.trials if not trial.practice]
        if len(played) > self.config.trials:
            self._object("R11", seq, f"{len(played)} trials where the protocol plans {self.config.trials}")
        whole = len(played) >= self.config.trials
        if self.seed_commit is not None and whole and not self._is_revealed:
            self._object("R10", seq, "the foreperiods were committed to but not revealed")
        times = [trial.rt_us for trial in self.scored if trial.rt_us is not None]
        step_us = gcd(*times)
        if len(times) >= JUDGED and step_us >= COARSE_US:
            detail = f"every reaction time is a multiple of {step_us} us"
            self.findings.append(Finding("Q_COARSE_CLOCK", "note", seq, detail))

    @property
    def scored(self) -> list[Trial]:
        """The trials that count, in order."""
        return [trial for trial in self.trials if trial.is_scored]

    def tally(self) -> Tally:
        """Trials by fate. Not to press in time is an answer that is scored, so no trial is timed out."""
        real = [trial for trial in self.trials if not trial.practice]
        return Tally(
            planned=self.config.trials,
            scored=len(self.scored),
            timed_out=0,
            unfinished=len([trial for trial in real if trial.outcome is None and not trial.void]),
            void=len([trial for trial in real if trial.void]),
            practice=len(self.trials) - len(real),
        )

    def conduct(self) -> Conduct:
        """Counts for the quality score."""
        scored, answered = self.scored, ANSWERED[self.config.kind]
        valid = Counter(trial.rt_us for trial in scored if trial.outcome == "right")
        return conduct_of(
            Counter(str(trial.outcome) for trial in scored),
            sorted([trial.rt_us for trial in scored if trial.rt_us is not None]),
            max(valid.values(), default=0),
            [(trial.key, self._key_of(trial)) for trial in scored if trial.outcome in answered],
        )

    def match(self) -> dict[str, int | str]:
        """A choice takes longer than a reaction, and norms are of a number of trials."""
        return {"kind": self.config.kind, "trials": self.config.trials}

    # ------------------------------------------------------------------------------------------------- one event

    def _accept(self, seq: int, t_us: int, payload: Payload) -> _Flaw | None:
        """Take up an event that the state allows; the flaw that voids its trial, or None."""
        if type(payload) is TrialStarted:
            return self._start(seq, t_us, payload)
        trial = self.trials[-1]
        i = getattr(payload, "i", None)
        if i != trial.i:
            return "R5", seq, f"{_kind(payload)} of trial {i} while {trial.i} is open"
        if type(payload) is StimulusShown:
            return self._show(seq, trial, payload)
        if type(payload) is Responded:
            return self._respond(seq, trial, payload)
        if type(payload) is FalseStart:
            trial.outcome = "false_start"
            return None
        assert isinstance(payload, Missed)  # NEXT lets nothing else through
        if payload.timeout_us != self.config.timeout_us:
            return "S3", seq, f"missed after {payload.timeout_us} us, configured are {self.config.timeout_us}"
        trial.outcome = "missed" if self._key_of(trial) is not None else "rejected"  # R7
        return None

    def _start(self, seq: int, t_us: int, started: TrialStarted) -> _Flaw | None:
        expected, torn = self._next_i, self._state == "torn"
        self._note_unfinished(seq)
        self._next_i = started.i + 1
        self.trials.append(Trial(started.i, started.foreperiod_us, started.practice, t_us))
        if started.i < expected or (started.i > expected and not torn):
            return "R5", seq, f"trial {started.i} where {expected} is next"
        if started.trial_kind != self.config.kind:
            return "S3", seq, f"a trial of kind {started.trial_kind} in a game of kind {self.config.kind}"
        low, high = self.config.foreperiod_min_us, self.config.foreperiod_max_us
        if not low <= started.foreperiod_us <= high:
            return "S3", seq, f"a foreperiod of {started.foreperiod_us} us, configured are {low} to {high}"
        return None

    def _show(self, seq: int, trial: Trial, shown: StimulusShown) -> _Flaw | None:
        """R4: that an onset is off is a matter of the clock, and the reaction time still runs from where it was."""
        if shown.stim not in self.config.keys:
            return "S3", seq, f"the stimulus {shown.stim} is not configured"
        trial.stim, trial.onset_t_us = shown.stim, shown.stim_onset_t_us
        off_us = shown.stim_onset_t_us - trial.begin_t_us - trial.foreperiod_us
        if abs(off_us) > SLACK_US:
            self._note_clock(seq, f"a stimulus {off_us} us off the end of its foreperiod")
        return None

    def _respond(self, seq: int, trial: Trial, responded: Responded) -> _Flaw | None:
        """R3 and R6. Real data hold presses just before their onset: such a press is a false start, and noted."""
        rt_us = responded.latency_us
        if responded.onset_t_us != trial.onset_t_us:
            detail = (
                f"possible at {responded.onset_t_us} us, but the stimulus was shown at {trial.onset_t_us}"
            )
            return "R3", seq, detail
        if rt_us > self.config.timeout_us:
            return "R3", seq, f"a response after {rt_us} us, the timeout is {self.config.timeout_us}"
        if rt_us < 0:
            self._note_clock(seq, f"a response {-rt_us} us before it was possible")
            trial.outcome = "false_start"
            return None
        trial.rt_us, trial.key = rt_us, responded.key
        right = self._key_of(trial)
        if rt_us < FLOOR_US:
            trial.outcome = "anticipation"
        elif right is None:
            trial.outcome = "commission"
        else:
            trial.outcome = "right" if responded.key == right else "wrong"
        return None

    def _key_of(self, trial: Trial) -> str | None:
        """The right key for what was shown; None where it is right not to press."""
        assert trial.stim is not None  # the state says that it was shown
        return self.config.keys[trial.stim]

    def _check_reveal(self, seq: int, completed: GameCompleted) -> None:
        """R10: what was committed to before the first trial must be what happened."""
        if self.seed_commit is None:
            return
        if completed.reveal_seed is None or completed.reveal_foreperiods is None:
            return
        self._is_revealed = True
        seed, text = completed.reveal_seed, completed.reveal_foreperiods
        foreperiods = revealed_integers(self.seed_commit, seed, text, "foreperiods")
        if isinstance(foreperiods, str):
            self._object("R10", seq, foreperiods)
            return
        for trial in self.scored:
            foreperiod_us = foreperiods[trial.i - 1] if 1 <= trial.i <= len(foreperiods) else None
            if foreperiod_us != trial.foreperiod_us:
                detail = f"the foreperiod of trial {trial.i} was {trial.foreperiod_us}, revealed is {foreperiod_us}"
                self._object("R10", seq, detail)

    def _object(self, code: str, seq: int, detail: str) -> None:
        self.findings.append(Finding(code, "integrity", seq, detail))

    def _note_clock(self, seq: int, detail: str) -> None:
        self.findings.append(Finding("Q_CLOCK", "quality", seq, detail))

    def _void(self) -> None:
        self.trials[-1].void = True
        self._state = "torn"

    def _note_unfinished(self, seq: int) -> None:
        if self._state in {"started", "shown"}:
            detail = f"trial {self.trials[-1].i} has no answer and was not missed: it does not count"
            self.findings.append(Finding("unfinished", "note", seq, detail))


def _kind(payload: Payload) -> str:
    return type(payload).__name__.lower()


# ------------------------------------------------------------------------------------------------------------ conduct

_PRESSED = frozenset({"right", "wrong", "anticipation", "commission"})

# After which outcomes a trial is an answer that could have been another one; in go/no-go not to press is an answer too.
ANSWERED: dict[str, frozenset[str]] = {
    "simple": frozenset(),
    "choice": _PRESSED,
    "gonogo": _PRESSED | {"rejected", "missed"},
}


def conduct_of(
    outcomes: Mapping[str, int],
    times_us: Sequence[int],
    commonest: int,
    answers: Sequence[tuple[Hashable, Hashable]],
) -> Conduct:
    """Of the scored trials of one play. A press before the stimulus is a response, and an anticipated one.

    ``times_us`` are the reaction times of all that were pressed, sorted; ``commonest`` is how often one came up among the valid;
    ``answers`` are (given, asked for), none in a simple game: keys, or None for not to press.
    """
    units, idle = sum(outcomes.values()), outcomes["missed"] + outcomes["rejected"]
    return Conduct(
        responses=units - idle,
        anticipations=outcomes["false_start"] + outcomes["anticipation"],
        units=units,
        units_missed=outcomes["missed"],
        units_slow=len(times_us) - bisect_right(times_us, _SLOW_US),
        patterned=outcomes["right"] >= JUDGED and 4 * commonest > outcomes["right"],
        failed=("inert",) if units >= JUDGED and idle == units else _failed(times_us, answers),
    )


def _failed(times_us: Sequence[int], answers: Sequence[tuple[Hashable, Hashable]]) -> tuple[str, ...]:
    """Why these cannot be the answers of someone who looked."""
    n = len(times_us)
    if n >= JUDGED and times_us[(n - 1) // 2] + times_us[n // 2] < 2 * _TOO_FAST_US:
        return ("too_fast",)
    if is_automaton(times_us):
        return ("automaton",)
    return ("one_key",) if _is_one_key(answers) else ()


def _is_one_key(answers: Sequence[tuple[Hashable, Hashable]]) -> bool:
    """More than 95 % the same answer where something else was asked for in 5 % of the trials or more.

    In go/no-go it is an answer not to press: always pressing and hardly ever pressing are both one key.
    """
    n = len(answers)
    if n < JUDGED:
        return False
    given, asked = Counter([key for key, _ in answers]), Counter([key for _, key in answers])
    return any(100 * count > 95 * n >= 100 * asked[key] for key, count in given.items())
