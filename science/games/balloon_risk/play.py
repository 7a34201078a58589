"""Balloon risk: one playing of it, as a state machine over its events.

Rules of this file: everything that moves a balloon stands in ``NEXT``; what an event may say is checked in ``_accept``; an
impossible event is a finding (B1-B11, docs/games/balloon_risk.md), voids its balloon, and never raises.
"""

from collections import Counter
from itertools import chain
from typing import Annotated

import msgspec
from msgspec import Meta

from science.commitment import revealed_integers
from science.event import Payload, Response
from science.game import Conduct, Finding, Tally, is_automaton
from science.games.balloon_risk.vocabulary import Collected, Exploded, GameCompleted, Pumped, Shown, TimedOut

FLOOR_US = 100_000  # a response faster than 100 ms is anticipated, not decided (Basner & Dinges 2011)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the protocol plans. ``burst_law`` is uniform (each of 1..max_pumps equally likely), or another's name."""

    balloons: Annotated[int, Meta(ge=1, le=10_000)]
    burst_law: str
    max_pumps: Annotated[int, Meta(ge=2, le=1_000)]
    value_per_pump_c: Annotated[int, Meta(ge=1, le=100_000)]


# ------------------------------------------------------------------------------------------------------------- the play


class Balloon(msgspec.Struct):
    """One balloon as it went. ``end`` is exploded, collected or timed_out; None while it is open."""

    i: int
    max_pumps: int
    value_c: int
    practice: bool
    end: str | None = None
    pumps: int = 0
    pump_latencies_us: list[int] = []
    collect_latency_us: int | None = None
    void: bool = False

    @property
    def is_scored(self) -> bool:
        """Only what came to its own end counts: a burst or the money (B10: practice never does)."""
        return self.end in {"exploded", "collected"} and not self.void and not self.practice


# Where a balloon may go from where it is: shown -> pumped* -> exploded | collected | timed_out.
# "torn" follows an event that is missing or does not count: it takes anything until the next balloon is shown.
NEXT: dict[tuple[str, type[Payload]], str] = {
    ("idle", Shown): "shown",
    ("shown", Shown): "shown",  # the balloon before it has no end: dropped, and noted
    ("pumped", Shown): "shown",
    ("shown", Pumped): "pumped",
    ("shown", Collected): "idle",
    ("shown", TimedOut): "idle",
    ("pumped", Pumped): "pumped",
    ("pumped", Exploded): "idle",
    ("pumped", Collected): "idle",
    ("pumped", TimedOut): "idle",
    ("torn", Shown): "shown",
}

SLOW_US = 3_000_000
SLACK_US = 50_000  # B6: two readings of one browser clock may disagree by this much


class BalloonPlay:
    """One playing of balloon risk; invariants B1-B11 become findings, never exceptions."""

    def __init__(self, config: Config, seed_commit: str | None) -> None:
        """Begin with what the protocol plans."""
        self.config = config
        self.findings: list[Finding] = []
        self.balloons: list[Balloon] = []
        self.seed_commit = seed_commit
        self._state = "idle"
        self._bank_c: int | None = 0  # None: unknown since something is missing
        self._previous_t_us = 0
        self._next_i = 1
        self._is_revealed = False

    def take(self, seq: int, t_us: int, payload: Payload) -> None:
        """The next event; impossible ones are noted and void their balloon."""
        state = NEXT.get((self._state, type(payload)))
        if state is not None:
            flaw = self._accept(seq, payload)
            self._previous_t_us = t_us
            self._state = state
            if flaw is not None:
                self._object(*flaw)
                self._void()
        elif isinstance(payload, GameCompleted):
            self._check_reveal(seq, payload)
        elif self._state == "idle":
            self._object("B4", seq, f"{_kind(payload)} while no balloon is open")
        elif self._state != "torn":
            self._object("B3", seq, f"{_kind(payload)} while the balloon is {self._state}")
            self._void()

    def tear(self, seq: int) -> None:
        """The balloon in hand is void, and so is what goes on before the next is shown."""
        if self._state in {"shown", "pumped"}:
            self._void()
        self._state = "torn"
        self._bank_c = None

    def end(self, seq: int) -> None:
        """B9: no more balloons than planned. (B10, and dropping what has no end, is ``is_scored``.)"""
        self._note_unfinished(seq)
        played = [balloon for balloon in self.balloons if not balloon.practice]
        if len(played) > self.config.balloons:
            self._object("B9", seq, f"{len(played)} balloons where the protocol plans {self.config.balloons}")
        whole = len(played) >= self.config.balloons
        if self.seed_commit is not None and whole and not self._is_revealed:
            self._object("B7", seq, "the burst points were committed to but not revealed")

    @property
    def scored(self) -> list[Balloon]:
        """The balloons that count, in order."""
        return [balloon for balloon in self.balloons if balloon.is_scored]

    def tally(self) -> Tally:
        """Balloons by fate."""
        real = [balloon for balloon in self.balloons if not balloon.practice]
        return Tally(
            planned=self.config.balloons,
            scored=len(self.scored),
            timed_out=len(self._timed_out()),
            unfinished=len([b for b in real if b.end is None and not b.void]),
            void=len([b for b in real if b.void]),
            practice=len(self.balloons) - len(real),
        )

    def conduct(self) -> Conduct:
        """Counts for the quality score; a balloon is slow when one of its answers took more than 3 s."""
        scored = self.scored
        by_balloon = [_latencies(balloon) for balloon in scored]
        latencies = list(chain.from_iterable(by_balloon))
        commonest = max(Counter([balloon.pumps for balloon in scored]).values(), default=0)
        timed_out = len(self._timed_out())
        return Conduct(
            responses=len(latencies),
            anticipations=len([latency for latency in latencies if latency < FLOOR_US]),
            units=len(scored) + timed_out,
            units_missed=timed_out,
            units_slow=len([answers for answers in by_balloon if max(answers, default=0) > SLOW_US]),
            patterned=len(scored) > 1 and 100 * commonest > 95 * len(scored),
            failed=_failed(scored, latencies),
        )

    def _timed_out(self) -> list[Balloon]:
        return [b for b in self.balloons if b.end == "timed_out" and not b.void and not b.practice]

    def match(self) -> dict[str, int | str]:
        """Pumps scale with the largest possible count, so norms never cross it."""
        return {"burst_law": self.config.burst_law, "max_pumps": self.config.max_pumps}

    # ------------------------------------------------------------------------------------------------- one event

    def _accept(self, seq: int, payload: Payload) -> tuple[str, int, str] | None:
        """Take up an event that the state allows; the flaw that voids its balloon, or None."""
        if type(payload) is Shown:
            return self._show(seq, payload)
        balloon = self.balloons[-1]
        i = getattr(payload, "i", None)
        if i != balloon.i:
            return "B1", seq, f"{_kind(payload)} of balloon {i} while {balloon.i} is open"
        if type(payload) is Pumped:
            self._check_clock(seq, payload)
            k = payload.k
            if k != balloon.pumps + 1 or k > balloon.max_pumps:
                return "B2", seq, f"pump {k} after pump {balloon.pumps} of at most {balloon.max_pumps}"
            balloon.pumps = k
            balloon.pump_latencies_us.append(payload.latency_us)
        elif type(payload) is Collected:
            self._check_clock(seq, payload)
            return self._collect(seq, balloon, payload)
        elif type(payload) is Exploded:
            if payload.at_pump != balloon.pumps:
                return "B3", seq, f"burst at pump {payload.at_pump}, but the last pump was {balloon.pumps}"
            balloon.end = "exploded"
        else:
            assert isinstance(payload, TimedOut)  # NEXT lets nothing else through
            balloon.end = "timed_out"
        return None

    def _check_clock(self, seq: int, response: Response) -> None:
        """B6. Real people's data hold presses up to 2 ms before their onset: such a press counts, its latency does not."""
        if response.latency_us < 0:
            detail = f"a response {-response.latency_us} us before it was possible"
            self.findings.append(Finding("Q_CLOCK", "quality", seq, detail))
        elif response.onset_t_us + SLACK_US < self._previous_t_us:
            detail = "possible before the event that made it possible"
            self.findings.append(Finding("Q_CLOCK", "quality", seq, detail))

    def _show(self, seq: int, shown: Shown) -> tuple[str, int, str] | None:
        expected = self._next_i
        torn = self._state == "torn"
        self._note_unfinished(seq)
        self._next_i = shown.i + 1
        self.balloons.append(
            Balloon(shown.i, shown.max_pumps, shown.value_per_pump_c, shown.practice, pump_latencies_us=[])
        )
        if shown.i < expected or (shown.i > expected and not torn):
            return "B1", seq, f"balloon {shown.i} where {expected} is next"
        if (shown.max_pumps, shown.value_per_pump_c) != (self.config.max_pumps, self.config.value_per_pump_c):
            detail = f"a balloon of {shown.max_pumps} pumps at {shown.value_per_pump_c} c is not the configured one"
            return "S3", seq, detail
        return None

    def _collect(self, seq: int, balloon: Balloon, collected: Collected) -> tuple[str, int, str] | None:
        earned_c = balloon.pumps * balloon.value_c
        expected_bank_c = None if self._bank_c is None else self._bank_c + earned_c
        if collected.pumps != balloon.pumps or collected.earned_c != earned_c:
            return (
                "B5",
                seq,
                f"{collected.pumps} pumps for {collected.earned_c} c; counted {balloon.pumps} for {earned_c} c",
            )
        if expected_bank_c is not None and collected.bank_c != expected_bank_c:
            return "B5", seq, f"bank of {collected.bank_c} c where {expected_bank_c} c were earned"
        if balloon.pumps == balloon.max_pumps and self.config.burst_law == "uniform":
            return "B8", seq, f"pump {balloon.pumps} of {balloon.max_pumps} without a burst is impossible"
        if balloon.pumps == 0:
            self.findings.append(Finding("Q_NO_PUMP", "note", seq, f"balloon {balloon.i} cashed at 0 pumps"))
        self._bank_c = collected.bank_c
        balloon.collect_latency_us = collected.latency_us
        balloon.end = "collected"
        return None

    def _check_reveal(self, seq: int, completed: GameCompleted) -> None:
        """B7: what was committed to before the first pump must be what happened."""
        if self.seed_commit is None:
            return
        if completed.reveal_seed is None or completed.reveal_burst_points is None:
            return
        self._is_revealed = True
        seed, text = completed.reveal_seed, completed.reveal_burst_points
        points = revealed_integers(self.seed_commit, seed, text, "burst points")
        if isinstance(points, str):
            self._object("B7", seq, points)
            return
        for balloon in self.scored:
            point = points[balloon.i - 1] if 1 <= balloon.i <= len(points) else None
            if point is None:
                self._object("B7", seq, f"no burst point is revealed for balloon {balloon.i}")
            elif is_unkept(point, balloon.pumps, balloon.end == "exploded"):
                self._object(
                    "B7",
                    seq,
                    f"balloon {balloon.i} {balloon.end} at {balloon.pumps}, its burst point is {point}",
                )

    def _object(self, code: str, seq: int, detail: str) -> None:
        self.findings.append(Finding(code, "integrity", seq, detail))

    def _void(self) -> None:
        self.balloons[-1].void = True
        self._state = "torn"
        self._bank_c = None

    def _note_unfinished(self, seq: int) -> None:
        if self._state in {"shown", "pumped"}:
            detail = f"balloon {self.balloons[-1].i} has neither burst nor been cashed in: it does not count"
            self.findings.append(Finding("unfinished", "note", seq, detail))


def _kind(payload: Payload) -> str:
    return type(payload).__name__.lower()


def is_unkept(burst_point: int, pumps: int, exploded: bool, /) -> bool:
    """Whether a balloon that was bound to burst at this pump did otherwise."""
    return pumps != burst_point if exploded else pumps >= burst_point


def _failed(scored: list[Balloon], latencies: list[int]) -> tuple[str, ...]:
    """Why these cannot be the answers of someone who decided."""
    if scored and all(balloon.pumps == 0 for balloon in scored):
        return ("inert",)
    return ("automaton",) if is_automaton(latencies) else ()


def _latencies(balloon: Balloon) -> list[int]:
    if balloon.collect_latency_us is None:
        return balloon.pump_latencies_us
    return [*balloon.pump_latencies_us, balloon.collect_latency_us]
