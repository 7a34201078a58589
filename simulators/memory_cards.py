"""People with known traits who play memory cards: the simulator, with committed layouts.

They play as perfect memory would (Velleman & Warrington 2013): a known pair at once; else a card that they do not know, then its
mate if they remember where it lies, else another card that they do not know. What is forgotten or never noticed costs turns.
"""

import json
import math
import random
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

from simulators.population import Latent, share_of
from simulators.sitting import Fields, SimulatedGame

_KNOWN_LN = -0.20  # a card whose place is remembered is turned faster, on the ln scale


class Person(msgspec.Struct, frozen=True):
    """Latent traits. A card that is seen is noticed with probability ``encode``, and remembered ``lag`` flips later with probability
    exp(-lag / decay); ``slip`` is the chance that the hand then misses the place by one card. ``encode`` grows by ``learning``
    a round.
    """

    encode: float
    decay: float
    slip: float
    learning: float = 0.0
    latency_ln_mean: float = 6.6
    latency_ln_sd: float = 0.4

    def encode_in(self, r: int) -> float:
        """The chance to notice a card in round ``r``, from 1."""
        return min(1.0, self.encode + self.learning * (r - 1))


PERFECT = Person(encode=1.0, decay=math.inf, slip=0.0)


class Design(msgspec.Struct, frozen=True):
    """The configuration of the game."""

    rounds: int = 6
    n_pairs: int = 12
    rows: int = 4
    cols: int = 6
    lockout_us: int = 800_000

    @property
    def units(self) -> int:
        """Rounds."""
        return self.rounds

    def config(self) -> Fields:
        """As events carry it."""
        fields: Fields = msgspec.to_builtins(self)
        return fields


class Turn(NamedTuple):
    """Two places, and whether each was remembered."""

    first: int
    second: int
    first_known: bool
    second_known: bool


def person(latent: Latent, design: Design) -> Person:
    """Make a person: encode ~ Beta(12, 3), decay ~ logN(3, .5), slip ~ Beta(1, 30), learning ~ |N(0, .03)|.

    The latencies are assumed: about 0.7 s a flip.
    """
    return Person(
        encode=_beta_12_3(share_of(latent("encode"))),
        decay=math.exp(3 + 0.5 * latent("decay")),
        slip=1 - math.pow(share_of(-latent("slip")), 1 / 30),
        learning=abs(0.03 * latent("learning")),
        latency_ln_mean=6.6 + 0.25 * latent("latency_ln_mean"),
        latency_ln_sd=math.exp(math.log(0.40) + 0.25 * latent("latency_ln_sd")),
    )


def play_round(someone: Person, dice: random.Random, faces: Sequence[object], r: int = 1) -> list[Turn]:
    """The turns of a round over these faces, each of which lies on two places. No events, no time: fast."""
    memory, turns = _Memory(someone, dice, faces, r), []
    while memory.left:
        pair = memory.known_pair()
        first = memory.unknown() if pair is None else memory.reach(pair)
        memory.see(first)
        mate = memory.mates[first]
        known = memory.knows(mate)
        second = memory.reach(mate, besides=first) if known else memory.unknown(besides=first)
        memory.see(second)
        turns.append(Turn(first, second, pair is not None, known))
        if second == mate:
            memory.remove(first, second)
    return turns


class _Memory:
    """The cards that are left, and until which flip the place of each is remembered."""

    def __init__(self, someone: Person, dice: random.Random, faces: Sequence[object], r: int) -> None:
        self.left = list(range(len(faces)))
        places: dict[object, int] = {}
        self.mates = [0] * len(faces)
        for place, face in enumerate(faces):
            mate = places.setdefault(face, place)
            self.mates[place], self.mates[mate] = mate, place
        self._someone, self._dice, self._encode = someone, dice, someone.encode_in(r)
        self._until: dict[int, float] = {}
        self._flip = 1  # the next one

    def knows(self, place: int) -> bool:
        return self._until.get(place, 0) >= self._flip

    def known_pair(self) -> int | None:
        """One place of two that are known to be a pair."""
        for place, until in self._until.items():
            if until >= self._flip and self.knows(self.mates[place]):
                return place
        return None

    def unknown(self, besides: int = -1) -> int:
        """Any card but those that are known. There is one: without a known pair, or its mate, some place is not known."""
        until, flip = self._until, self._flip
        return self._dice.choice([at for at in self.left if until.get(at, 0) < flip and at != besides])

    def reach(self, place: int, besides: int = -1) -> int:
        """The place, unless the hand slips to a card beside it."""
        if self._dice.random() >= self._someone.slip:
            return place
        at = self.left.index(place)
        beside = [other for other in self.left[max(0, at - 1) : at + 2] if other not in {place, besides}]
        return self._dice.choice(beside) if beside else place

    def see(self, place: int) -> None:
        """A place that is noticed is remembered for a while, which is exponential: exp(-lag / decay) are left after a lag."""
        if self._dice.random() < self._encode:
            decay = self._someone.decay
            lasts = decay if decay == math.inf else decay * self._dice.expovariate(1)
            self._until[place] = max(self._until.get(place, 0), self._flip + lasts)
        self._flip += 1

    def remove(self, *places: int) -> None:
        for place in places:
            self.left.remove(place)
            self._until.pop(place, None)


def events(
    someone: Person, dice: random.Random, design: Design, begin_us: int, rounds: int
) -> Iterator[Fields]:
    """The game's events. Who plays fewer rounds than planned leaves."""
    yield {"kind": "memory_cards.game_started", "t_us": begin_us, "config": design.config()}
    now_us = begin_us + 1_000_000
    for r in range(1, rounds + 1):
        for event in _round(r, now_us, someone, dice, design):
            yield event
            now_us = event["t_us"]
        now_us += 2_000_000
    reason = "finished" if rounds == design.rounds else "aborted"
    yield {"kind": "memory_cards.game_completed", "t_us": now_us, "reason": reason}


def _round(r: int, now_us: int, someone: Person, dice: random.Random, design: Design) -> Iterator[Fields]:
    layout = [f"card_{n // 2 + 1:02d}" for n in range(2 * design.n_pairs)]
    dice.shuffle(layout)
    text, salt = json.dumps(layout, separators=(",", ":")), f"{dice.getrandbits(128):032x}"
    yield {
        "kind": "memory_cards.round_started",
        "t_us": now_us,
        "r": r,
        "n_pairs": design.n_pairs,
        "rows": design.rows,
        "cols": design.cols,
        "lockout_us": design.lockout_us,
        "layout_commit": sha256(f"{text}\n{salt}".encode()).hexdigest(),
        "practice": False,
    }
    turns = play_round(someone, dice, layout, r)
    onset_us = now_us
    for number, turn in enumerate(turns, 1):
        in_turn = {"r": r, "turn": number}
        places = (turn.first, turn.first_known), (turn.second, turn.second_known)
        for flip, (pos, known) in enumerate(places, 1):
            latency_us = _latency_us(someone, dice, known=known)
            now_us = onset_us + latency_us
            times = {"t_us": now_us, "onset_t_us": onset_us, "latency_us": latency_us}
            card = {"flip": flip, "pos": pos, "face": layout[pos]}
            yield {"kind": "memory_cards.card_flipped", **times, **in_turn, **card}
            onset_us = now_us
        matched = layout[turn.first] == layout[turn.second]
        yield {"kind": "memory_cards.turn_resolved", "t_us": now_us, **in_turn, "matched": matched}
        onset_us = now_us if matched else now_us + design.lockout_us
    revealed = {"layout": text, "salt": salt}
    yield {"kind": "memory_cards.round_completed", "t_us": now_us, "r": r, "turns": len(turns), **revealed}


def _latency_us(someone: Person, dice: random.Random, *, known: bool) -> int:
    """Log-normal, and 80 ms that no hand is faster than."""
    mean = someone.latency_ln_mean + (_KNOWN_LN if known else 0)
    return 80_000 + min(60_000_000, int(1000 * math.exp(dice.gauss(mean, someone.latency_ln_sd))))


def _beta_12_3(share: float) -> float:
    """The value below which this share of Beta(12, 3) lies: its distribution function is a polynomial, halved in on."""
    low, high = 0.0, 1.0
    for _ in range(60):
        x = (low + high) / 2
        if 91 * x**12 * (1 - x) ** 2 + 14 * x**13 * (1 - x) + x**14 < share:
            low = x
        else:
            high = x
    return high


GAME = SimulatedGame("memory_cards", Design, person, events)
