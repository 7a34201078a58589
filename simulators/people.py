"""A crowd of simulated people, by seed: who they truly are, and what they do."""

import random
from collections.abc import Iterator

from simulators import balloon_risk

GAMES = ("balloon_risk",)


def crowd(
    sessions: int, seed: int, design: balloon_risk.Design
) -> Iterator[tuple[str, balloon_risk.Person, list[dict[str, object]]]]:
    """Session id, person and events of each; every one has dice of their own, so a larger crowd begins with a smaller one."""
    for index in range(sessions):
        dice = random.Random(f"{seed}/{index}")
        someone = balloon_risk.person(dice, design)
        session_id = f"sim.{seed}.{index:05d}"
        yield session_id, someone, list(balloon_risk.play(session_id, someone, dice, design))
