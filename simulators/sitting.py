"""A sitting: one person plays the games of a protocol, one after the other, and that is a session.

Every game brings its own events, from game_started to game_completed; the frame around them is written here, once.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from simulators.population import Latent

Fields = dict[str, Any]  # an event, in the form that the door takes

_LEAVES_EARLY = 0.06  # share of people who walk away: a real sample has them, and the engine must refuse them
_BETWEEN_GAMES_US = 5_000_000


class Design(Protocol):
    """The configuration of a game."""

    @property
    def units(self) -> int:
        """How many balloons, rounds or trials it plans."""

    def config(self) -> Fields:
        """As events carry it."""


class SimulatedGame(msgspec.Struct, frozen=True):
    """A game that people can be made to play.

    ``person(latent, design)`` makes a Person of standard normal traits; ``events(someone, dice, design, begin_us, units)`` are the
    events of who plays so many units of the game: all that are planned, or fewer and leaves.
    """

    name: str
    design: type[Any]
    person: Callable[[Latent, Any], Any]
    events: Callable[[Any, random.Random, Any, int, int], Iterator[Fields]]


class Part(msgspec.Struct, frozen=True):
    """One game of a sitting, and how many of its units are played before the person leaves."""

    game: SimulatedGame
    design: Any
    units: int


class Sitting(msgspec.Struct, frozen=True):
    """Who plays, and what. ``people`` are the true traits, one Person a game; ``group`` is the person's (``Population``)."""

    participant_ref: str
    parts: tuple[Part, ...]
    people: Mapping[str, Any]
    group: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether everything that was planned is played."""
        return all(part.units == part.design.units for part in self.parts)


def sit(
    participant_ref: str,
    protocol: Sequence[tuple[SimulatedGame, Design]],
    latent: Latent,
    dice: random.Random,
    *,
    group: int = 0,
    leaving: float = _LEAVES_EARLY,
) -> Sitting:
    """Draw a person for these games, and whether (a share of ``leaving`` does) and when they leave."""
    planned = sum(design.units for _, design in protocol)
    leaves = dice.random() < leaving and planned > 1
    people: dict[str, Any] = {}
    for game, design in protocol:
        people.setdefault(game.name, game.person(_of(latent, game), design))
    left = dice.randrange(1, planned) if leaves else planned
    parts = []
    for game, design in protocol:
        units = min(left, design.units)
        left -= units
        parts.append(Part(game, design, units))
    return Sitting(participant_ref, tuple(parts), people, group)


def play(session_id: str, sitting: Sitting, dice: random.Random) -> Iterator[Fields]:
    """The events of the session, in order."""
    for seq, event in enumerate(_events(sitting, dice)):
        if event["kind"] in {"session.completed", "session.aborted"}:
            event["last_seq"] = seq
        yield {"session_id": session_id, "seq": seq, **event}


def commitment(dice: random.Random, drawn: Sequence[object]) -> tuple[str, str, str]:
    """What chance is bound by before it shows: a seed, the text of what was drawn, and the SHA-256 over both."""
    text = json.dumps(drawn, separators=(",", ":"))
    seed = f"{dice.getrandbits(128):032x}"
    return seed, text, sha256(f"{seed}\n{text}".encode()).hexdigest()


def _events(sitting: Sitting, dice: random.Random) -> Iterator[Fields]:
    games = [{"config": part.design.config(), "game": part.game.name} for part in sitting.parts]
    yield {
        "kind": "session.started",
        "t_us": 0,
        "participant_ref": sitting.participant_ref,
        "consent_basis": "declared:simulated",
        "battery": "simulated",
        "protocol": {"games": games},
        "device_input": "keyboard",
    }
    begin_us, now_us = 0, 0
    for part in sitting.parts:
        if not part.units:
            break
        someone = sitting.people[part.game.name]
        for event in part.game.events(someone, dice, part.design, begin_us, part.units):
            now_us = event["t_us"]
            yield event
        begin_us = now_us + _BETWEEN_GAMES_US
    if sitting.is_finished:
        yield {"kind": "session.completed", "t_us": now_us}
    else:
        yield {"kind": "session.aborted", "t_us": now_us, "reason": "left"}


def _of(latent: Latent, game: SimulatedGame) -> Latent:
    return lambda trait: latent(f"{game.name}.{trait}")
