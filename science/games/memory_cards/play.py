"""Memory cards: one playing of it, as a state machine over its events.

Rules of this file: everything that moves a round stands in ``NEXT``; what an event may say is checked in ``_accept``; an
impossible event is a finding (M1-M10, docs/games/memory_cards.md), voids its round, and never raises.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from science.commitment import opens
from science.event import Payload
from science.game import Conduct, Finding, Tally, is_automaton
from science.games.memory_cards.vocabulary import (
    CardFlipped,
    GameCompleted,
    RoundCompleted,
    RoundStarted,
    RoundTimedOut,
    TurnResolved,
)

FLOOR_US = 100_000  # a response faster than 100 ms is anticipated, not decided (Basner & Dinges 2011)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the protocol plans: ``rounds`` rounds of ``n_pairs`` pairs, ``rows`` by ``cols``."""

    cols: Annotated[int, Meta(ge=1, le=1_000)]
    lockout_us: Annotated[int, Meta(ge=0, le=60_000_000)]
    n_pairs: Annotated[int, Meta(ge=1, le=500)]
    rounds: Annotated[int, Meta(ge=1, le=1_000)]
    rows: Annotated[int, Meta(ge=1, le=1_000)]

    def __post_init__(self) -> None:
        """Every place holds a card; msgspec makes a ValidationError of it."""
        if self.rows * self.cols != 2 * self.n_pairs:
            raise ValueError(f"{self.rows} x {self.cols} places do not hold {self.n_pairs} pairs")


# ------------------------------------------------------------------------------------------------------------- the play


class Board(msgspec.Struct):
    """One round as it went. ``end`` is completed or timed_out; None while it is open. ``faces`` is what each place showed."""

    r: int
    n_pairs: int
    lockout_us: int
    layout_commit: str | None
    practice: bool
    end: str | None = None
    void: bool = False
    flips: list[CardFlipped] = []
    turns: int = 0
    faces: dict[int, str] = {}
    places: dict[str, int] = {}  # how many places have shown a face
    removed: set[int] = set()

    @property
    def is_scored(self) -> bool:
        """Only a round whose pairs were all found counts; practice never does."""
        return self.end == "completed" and not self.void and not self.practice

    @property
    def pairs_left(self) -> int:
        """Pairs not yet found."""
        return self.n_pairs - len(self.removed) // 2


# Where a round may go from where it is: dealt -> (first -> second -> dealt)* -> completed | timed out.
# "torn" follows an event that is missing or does not count: it takes anything until the next round is started.
NEXT: dict[tuple[str, type[Payload]], str] = {
    ("idle", RoundStarted): "dealt",
    ("dealt", RoundStarted): "dealt",  # the round before it has no end: dropped, and noted
    ("first", RoundStarted): "dealt",
    ("second", RoundStarted): "dealt",
    ("dealt", CardFlipped): "first",
    ("first", CardFlipped): "second",
    ("second", TurnResolved): "dealt",
    ("dealt", RoundCompleted): "idle",
    ("dealt", RoundTimedOut): "idle",
    ("first", RoundTimedOut): "idle",
    ("second", RoundTimedOut): "idle",
    ("torn", RoundStarted): "dealt",
}
_OPEN = frozenset({"dealt", "first", "second"})

SLACK_US = 50_000  # M8, M10: two readings of one browser clock may disagree by this much
SLOW_US = 3_000_000
_TOO_FAST_US = 150_000  # nobody sees a card and decides in less, as a rule
_TOO_FAST_FLIPS = 20

_Flaw = tuple[str, str]  # the invariant, and how it is broken


class MemoryPlay:
    """One playing of memory cards; invariants M1-M10 become findings, never exceptions."""

    def __init__(self, config: Config) -> None:
        """Begin with what the protocol plans."""
        self.config = config
        self.findings: list[Finding] = []
        self.boards: list[Board] = []
        self._state = "idle"
        self._previous_t_us = 0
        self._locked_until_us: int | None = None  # since a mismatch
        self._next_r = 1
        self._begun = 0  # without practice

    def take(self, seq: int, t_us: int, payload: Payload) -> None:
        """The next event; impossible ones are noted and void their round."""
        state = NEXT.get((self._state, type(payload)))
        if state is not None:
            flaw = self._accept(seq, t_us, payload)
            self._previous_t_us = t_us
            self._state = state
            if flaw is not None:
                self._object(seq, flaw)
                self._void()
        elif isinstance(payload, GameCompleted):
            pass  # a game reveals nothing: its rounds do
        elif self._state == "idle":
            self._object(seq, ("M5", f"{_kind(payload)} while no round is open"))
        elif self._state != "torn":
            self._object(seq, ("M5", f"{_kind(payload)} while the turn is {self._state}"))
            self._void()

    def tear(self, seq: int) -> None:
        """The round in hand is void, and so is what goes on before the next is started."""
        if self._state in _OPEN:
            self._void()
        self._state = "torn"

    def end(self, seq: int) -> None:
        """A round that is still open is dropped."""
        self._note_unfinished(seq)

    @property
    def scored(self) -> list[Board]:
        """The rounds that count, in order."""
        return [board for board in self.boards if board.is_scored]

    def tally(self) -> Tally:
        """Rounds by fate."""
        real = [board for board in self.boards if not board.practice]
        return Tally(
            planned=self.config.rounds,
            scored=len(self.scored),
            timed_out=len(_timed_out(real)),
            unfinished=len([board for board in real if board.end is None and not board.void]),
            void=len([board for board in real if board.void]),
            practice=len(self.boards) - len(real),
        )

    def conduct(self) -> Conduct:
        """Counts for the quality score. The unit is the turn.

        A whole round nearly always has one flip slower than 3 s, and six rounds are too few for a rate: by rounds, every
        careful player would be a slow one. So a unit is a turn of a scored round, as it is for the smallest sample. A round
        that timed out adds what it leaves undone: one missed turn for each pair that was not found, the fewest that it needed.
        """
        flips = [flip.latency_us for board in self.scored for flip in board.flips]  # two a turn
        turns, latencies = list(map(max, flips[::2], flips[1::2])), sorted(flips)
        missed = sum([board.pairs_left for board in _timed_out(self.boards) if not board.practice])
        return Conduct(
            responses=len(latencies),
            anticipations=len([latency for latency in latencies if latency < FLOOR_US]),
            units=len(turns) + missed,
            units_missed=missed,
            units_slow=len([slowest for slowest in turns if slowest > SLOW_US]),
            failed=failed(latencies),
        )

    def match(self) -> dict[str, int | str]:
        """Chance leaves more turns to more pairs, and practice makes better, so norms cross neither."""
        return {"n_pairs": self.config.n_pairs, "rounds": self.config.rounds}

    # ------------------------------------------------------------------------------------------------- one event

    def _accept(self, seq: int, t_us: int, payload: Payload) -> _Flaw | None:
        """Take up an event that the state allows; the flaw that voids its round, or None."""
        if type(payload) is RoundStarted:
            return self._start(seq, payload)
        board = self.boards[-1]
        r = getattr(payload, "r", None)
        if r != board.r:
            return "M5", f"{_kind(payload)} of round {r} while round {board.r} is open"
        if type(payload) is CardFlipped:
            return self._flip(seq, t_us, board, payload)
        if type(payload) is TurnResolved:
            return self._resolve(t_us, board, payload)
        if type(payload) is RoundCompleted:
            return _complete(board, payload)
        assert isinstance(payload, RoundTimedOut)  # NEXT lets nothing else through
        return _time_out(board)

    def _start(self, seq: int, started: RoundStarted) -> _Flaw | None:
        expected = self._next_r
        torn = self._state == "torn"
        self._note_unfinished(seq)
        self._next_r = started.r + 1
        self._begun += not started.practice
        self._locked_until_us = None
        self.boards.append(
            Board(started.r, started.n_pairs, started.lockout_us, started.layout_commit, started.practice)
        )
        if started.r < expected or (started.r > expected and not torn):
            return "M5", f"round {started.r} where {expected} is next"
        if started.rows * started.cols != 2 * started.n_pairs:
            return "M1", f"{started.rows} x {started.cols} places for {started.n_pairs} pairs"
        if started.practice:
            return None  # practice may be smaller, and is beside the plan
        plan = self.config
        if (started.n_pairs, started.rows, started.cols) != (plan.n_pairs, plan.rows, plan.cols):
            return "S3", f"a round of {started.rows} x {started.cols} places is not the configured one"
        if started.lockout_us != plan.lockout_us:
            return "S3", f"a lockout of {started.lockout_us} us is not the configured one"
        if self._begun > plan.rounds:
            return "S3", f"one more round than the {plan.rounds} that are planned"
        return None

    def _flip(self, seq: int, t_us: int, board: Board, flip: CardFlipped) -> _Flaw | None:
        number, pos, face = 2 if self._state == "first" else 1, flip.pos, flip.face
        if flip.turn != board.turns + 1 or flip.flip != number:
            return (
                "M5",
                f"flip {flip.flip} of turn {flip.turn} where flip {number} of {board.turns + 1} is next",
            )
        if not 0 <= pos < 2 * board.n_pairs:
            return "M1", f"place {pos} of {2 * board.n_pairs}"
        if pos in board.removed:
            return "M4", f"the card at {pos} is found already"
        if number == 2 and pos == board.flips[-1].pos:
            return "M3", f"the card at {pos} is flipped twice in one turn"
        if pos not in board.faces:
            board.faces[pos] = face
            board.places[face] = board.places.get(face, 0) + 1
        if board.faces[pos] != face or board.places[face] > 2:
            return "M2", f"the card at {pos} is another one, or a third of its kind"
        possible_us, self._locked_until_us = self._locked_until_us, None
        if possible_us is None:
            possible_us = self._previous_t_us
        elif flip.onset_t_us + SLACK_US >= self._previous_t_us and t_us + SLACK_US < possible_us:
            return "M8", f"flipped {possible_us - t_us} us before the lockout ended"
        self._check_clock(seq, flip, possible_us)
        board.flips.append(flip)
        return None

    def _check_clock(self, seq: int, flip: CardFlipped, possible_us: int) -> None:
        """M10. A press just before its onset happens in real data: such a flip counts, its latency does not.

        An onset before the event that it follows is a clock that was set back, and then the end of a lockout (M8) was told by
        another clock: the order of the cards is still possible, and the latency runs on the one clock after the step.
        """
        if flip.latency_us < 0:
            detail = f"a flip {-flip.latency_us} us before it was possible"
            self.findings.append(Finding("Q_CLOCK", "quality", seq, detail))
        elif flip.onset_t_us + SLACK_US < possible_us:
            detail = "possible before the event that made it possible"
            self.findings.append(Finding("Q_CLOCK", "quality", seq, detail))

    def _resolve(self, t_us: int, board: Board, resolved: TurnResolved) -> _Flaw | None:
        first, second = board.flips[-2:]
        if resolved.turn != board.turns + 1:
            return "M5", f"turn {resolved.turn} is resolved where {board.turns + 1} was played"
        if resolved.matched != (first.face == second.face):
            return "M6", f"{'a pair' if resolved.matched else 'no pair'} of two cards that say otherwise"
        board.turns += 1
        if resolved.matched:
            board.removed |= {first.pos, second.pos}
        elif board.lockout_us:
            self._locked_until_us = t_us + board.lockout_us
        return None

    def _object(self, seq: int, flaw: _Flaw) -> None:
        self.findings.append(Finding(flaw[0], "integrity", seq, flaw[1]))

    def _void(self) -> None:
        self.boards[-1].void = True
        self._state = "torn"

    def _note_unfinished(self, seq: int) -> None:
        if self._state in _OPEN:
            detail = f"round {self.boards[-1].r} was neither finished nor taken away: it does not count"
            self.findings.append(Finding("unfinished", "note", seq, detail))


def _complete(board: Board, completed: RoundCompleted) -> _Flaw | None:
    if board.pairs_left or completed.turns != board.turns:
        return (
            "M7",
            f"completed in {completed.turns} turns; counted {board.turns}, {board.pairs_left} pairs left",
        )
    faces = [board.faces[pos] for pos in range(2 * board.n_pairs)]  # every card of a pair was shown
    if (broken := unkept(board.layout_commit, completed.layout, completed.salt, faces)) is not None:
        return "M9", broken
    board.end = "completed"
    return None


def _time_out(board: Board) -> _Flaw | None:
    if board.pairs_left == 0:
        return "M7", "timed out after all pairs were found"
    board.end = "timed_out"
    return None


def unkept(commit: str | None, layout: str | None, salt: str | None, faces: list[str]) -> str | None:
    """M9: what was committed to before the first flip must be what lay there. How it is not, or None.

    ``commit`` is the SHA-256 of the layout's text, a newline and the salt, in UTF-8; ``faces`` are what the places showed.
    """
    if commit is None:
        return None
    if layout is None or salt is None:
        return "the layout was committed to but not revealed"
    if not opens(commit, layout, salt):
        return "the revealed layout is not the one committed to"
    try:
        revealed = msgspec.json.decode(layout, type=list[str])
    except msgspec.DecodeError:
        return "the revealed layout is no list of faces"
    if revealed != faces:
        return "the revealed layout is not what the cards showed"
    return None


def _timed_out(boards: list[Board]) -> list[Board]:
    return [board for board in boards if board.end == "timed_out" and not board.void]


def failed(latencies: list[int]) -> tuple[str, ...]:
    """Why these sorted latencies, two a turn, cannot be those of someone who looked."""
    n = len(latencies)
    if n >= _TOO_FAST_FLIPS and latencies[n // 2 - 1] + latencies[n // 2] < 2 * _TOO_FAST_US:
        return ("too_fast",)
    return ("automaton",) if is_automaton(latencies) else ()


def _kind(payload: Payload) -> str:
    return type(payload).__name__.lower()
