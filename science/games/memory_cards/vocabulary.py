"""Memory cards: the events, mirrored field by field by the schemas ``memory_cards.*.avsc``."""

from science.event import Payload, Response
from science.game import Completion, Start


class GameStarted(Start, frozen=True, gc=False):
    """``config`` is canonical JSON of ``Config``."""


class GameCompleted(Completion, frozen=True, gc=False):
    """The game is over; each round has opened its own commitment."""


class RoundStarted(Payload, frozen=True, gc=False):
    """Round ``r`` (from 1): ``n_pairs`` pairs lie face down. ``layout_commit`` binds their places before the first flip."""

    r: int
    n_pairs: int
    rows: int
    cols: int
    lockout_us: int
    layout_commit: str | None
    practice: bool


class CardFlipped(Response, frozen=True, gc=False, kw_only=True):
    """The card at ``pos`` is turned up and shows ``face``: the first or second ``flip`` of turn ``turn`` (from 1) of the round.

    The onset is when a flip is possible: after a mismatch, the end of the lockout.
    """

    r: int
    turn: int
    flip: int
    pos: int
    face: str


class TurnResolved(Payload, frozen=True, gc=False):
    """The two cards stay up as a pair, or are turned down again."""

    r: int
    turn: int
    matched: bool


class RoundCompleted(Payload, frozen=True, gc=False):
    """All pairs of round ``r`` are found, in ``turns`` turns; ``layout`` and ``salt`` open ``layout_commit``."""

    r: int
    turns: int
    layout: str | None
    salt: str | None


class RoundTimedOut(Payload, frozen=True, gc=False):
    """The cards of round ``r`` were taken away before all pairs were found."""

    r: int


KINDS: dict[str, type[Payload]] = {
    "memory_cards.game_started": GameStarted,
    "memory_cards.game_completed": GameCompleted,
    "memory_cards.round_started": RoundStarted,
    "memory_cards.card_flipped": CardFlipped,
    "memory_cards.turn_resolved": TurnResolved,
    "memory_cards.round_completed": RoundCompleted,
    "memory_cards.round_timed_out": RoundTimedOut,
}
