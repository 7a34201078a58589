"""Digit span: a list of digits is shown, one after the other, and recalled in order."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from science.estimate import Singles
from science.event import Payload, Response
from science.exact import MICRO, Q32, ln, micro_ratio
from science.game import Completion, Conduct, Definition, Finding, Game, Metric, Start, Tally

_FLOOR_US = 100_000
_LN_1000 = ln(1_000)

# ---------------------------------------------------------------------------------------------------------- the events


class GameStarted(Start, frozen=True, gc=False):
    """``config`` is canonical JSON of ``Config``."""


class GameCompleted(Completion, frozen=True, gc=False):
    """The game is over."""


class Shown(Payload, frozen=True, gc=False):
    """List ``i`` (from 1) was shown: its digits in order."""

    i: int
    digits: str


class Recalled(Response, frozen=True, gc=False, kw_only=True):
    """What the participant entered for list ``i``, from the end of the list to the last key."""

    i: int
    digits: str


KINDS: dict[str, type[Payload]] = {
    "digit_span.game_started": GameStarted,
    "digit_span.game_completed": GameCompleted,
    "digit_span.shown": Shown,
    "digit_span.recalled": Recalled,
}

# ------------------------------------------------------------------------------------------------------------ the play


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the protocol plans."""

    lists: Annotated[int, Meta(ge=1, le=100)]


class Recall(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A list that was shown and answered."""

    shown: str
    recalled: str
    latency_us: int


class DigitPlay:
    """One playing of digit span. D1: lists are numbered from 1, and a recall is of the list that was shown."""

    def __init__(self, config: Config) -> None:
        """Begin with what the protocol plans."""
        self.config = config
        self.findings: list[Finding] = []
        self.recalls: list[Recall] = []
        self._shown: Shown | None = None
        self._next_i = 1
        self._is_torn = False
        self._void = self._unfinished = 0

    def take(self, seq: int, t_us: int, payload: Payload) -> None:
        """The next event."""
        match payload:
            case Shown(i=i) if i == self._next_i or (self._is_torn and i > self._next_i):
                self._unfinished += self._shown is not None
                self._shown, self._next_i, self._is_torn = payload, i + 1, False
            case Recalled(i=i) if self._shown is not None and self._shown.i == i:
                self.recalls.append(Recall(self._shown.digits, payload.digits, payload.latency_us))
                self._shown = None
            case Shown() | Recalled() if not self._is_torn:
                self.findings.append(Finding("D1", "integrity", seq, f"list {payload.i} is not the one"))
                self.tear(seq)
            case _:
                pass

    def tear(self, seq: int) -> None:
        """The list in hand is void."""
        self._void += self._shown is not None
        self._shown, self._is_torn = None, True

    def end(self, seq: int) -> None:
        """What was shown last and not recalled does not count."""
        self._unfinished += self._shown is not None
        self._shown = None

    def tally(self) -> Tally:
        """Lists by fate."""
        return Tally(
            planned=self.config.lists,
            scored=len(self.recalls),
            timed_out=0,
            unfinished=self._unfinished,
            void=self._void,
            practice=0,
        )

    def conduct(self) -> Conduct:
        """Counts for the quality score."""
        return Conduct(
            responses=len(self.recalls),
            anticipations=sum(recall.latency_us < _FLOOR_US for recall in self.recalls),
            units=len(self.recalls),
            failed=("inert",) if self.recalls and not any(recall.recalled for recall in self.recalls) else (),
        )

    def match(self) -> dict[str, int | str]:
        """Norms are of one number of lists."""
        return {"lists": self.config.lists}


def begin(config: Mapping[str, object], start: Payload) -> DigitPlay:
    """A play by its configuration; raises msgspec.ValidationError when that is none of digit span."""
    return DigitPlay(msgspec.convert(config, Config))


def planned(config: Mapping[str, object]) -> int:
    """How many lists a configuration plans."""
    return msgspec.convert(config, Config).lists


# --------------------------------------------------------------------------------------------------------- the metrics

DEFINITIONS = (
    Definition("digit_span.n", 1, "lists", "lists that were shown and recalled", "-"),
    Definition("digit_span.span", 1, "digits", "digits of the longest list recalled whole", "Wechsler"),
    Definition("digit_span.right_rate", 1, "ratio", "share of the lists recalled whole", "-"),
    Definition("digit_span.mean_ln_latency", 1, "ln ms", "mean ln latency of at least 100 ms", "-"),
)


def sample(plays: Sequence[DigitPlay]) -> list[Recall]:
    """The recalled lists of the plays, in order."""
    return [recall for play in plays for recall in play.recalls]


def measure(recalls: Sequence[Recall]) -> dict[str, Metric]:
    """Every metric, by id."""
    n, latencies = len(recalls), _latencies(recalls)
    right = [len(recall.shown) for recall in recalls if recall.shown == recall.recalled]
    none = Metric(None, 0, "", None, "no_lists")
    logarithms = (latencies.total - latencies.count * _LN_1000, latencies.count * Q32)
    found = {
        "n": Metric(n * MICRO, n, ""),
        "span": Metric(max(right, default=0) * MICRO, n, "") if n else none,
        "right_rate": Metric(micro_ratio(len(right), n), n, "") if n else none,
        "mean_ln_latency": Metric(micro_ratio(*logarithms), latencies.count, "") if latencies.count else none,
    }
    return {
        one.id: msgspec.structs.replace(found[one.id.partition(".")[2]], unit=one.unit) for one in DEFINITIONS
    }


def influences(recalls: Sequence[Recall]) -> dict[str, list[int]]:
    """How far each list moves the metrics that a trait may rest on."""
    found = {}
    if recalls:
        rights = Singles([int(recall.shown == recall.recalled) for recall in recalls])
        found["digit_span.right_rate"] = rights.mean_influences()
    latencies = _latencies(recalls)
    if latencies.count:
        found["digit_span.mean_ln_latency"] = latencies.mean_influences(Q32)
    return found


def _latencies(recalls: Sequence[Recall]) -> Singles:
    return Singles([ln(r.latency_us) if r.latency_us >= _FLOOR_US else None for r in recalls])


GAME = Game(
    name="digit_span",
    kinds=KINDS,
    begin=begin,
    planned=planned,
    unit=Recall,
    sample=sample,
    measure=measure,
    influences=influences,
    definitions=DEFINITIONS,
)
