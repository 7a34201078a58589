"""A crowd of simulated people, by seed: who they truly are, and what they do."""

import random
from collections.abc import Iterator, Sequence

from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.population import Mind, Population
from simulators.sitting import Design, Fields, SimulatedGame, Sitting, play, sit

GAMES: dict[str, SimulatedGame] = {
    game.name: game for game in (balloon_risk.GAME, memory_cards.GAME, reaction_timer.GAME)
}

Simulated = tuple[str, Sitting, list[Fields]]  # session id, who played what, events


def crowd(
    sessions: int, seed: int, *designs: Design, occasions: int = 1, population: Population | None = None
) -> Iterator[Simulated]:
    """The sessions of people who play these games, one a person and occasion.

    Everyone has dice of their own, so a larger crowd begins with a smaller one; on every occasion, so the first of two is as it
    would be alone.
    """
    protocol = protocol_of(designs)
    for index in range(sessions):
        key, first_id = f"{seed}/{index}", f"sim.{seed}.{index:05d}"
        dice = random.Random(key)
        mind = Mind(key, dice, population or Population())
        for occasion in range(1, occasions + 1):
            session_id = first_id if occasion == 1 else f"{first_id}.t{occasion}"
            dice = dice if occasion == 1 else random.Random(f"{key}/t{occasion}")
            sitting = sit(f"participant of {first_id}", protocol, mind.on(occasion), dice, group=mind.group)
            yield session_id, sitting, list(play(session_id, sitting, dice))


def protocol_of(designs: Sequence[Design]) -> list[tuple[SimulatedGame, Design]]:
    """Each configuration with the game that it is of."""
    return [
        (next(game for game in GAMES.values() if isinstance(design, game.design)), design)
        for design in designs
    ]
