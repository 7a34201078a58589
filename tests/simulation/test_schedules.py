"""Whoever owns a partition, crashes or is taken for dead, in any order: its sessions amount to the same. And the judge can see."""

from collections import Counter

import pytest

from agents.live import GUARDS
from tests.simulation.schedules import Schedule, simulate

SCHEDULES, CONTROLS = range(2_000), range(300)
# What must have happened often, or the schedules say little.
ACTS = {
    *("committed", "refused", "crashed", "crashed_amid_a_round", "crashed_amid_an_append", "landed_late"),
    *("zombie", "handed_over", "restored_beyond_commit", "fetched_again", "left_out"),
}


@pytest.fixture(scope="module")
def simulated() -> tuple[dict[int, list[str]], Counter[str]]:
    """All schedules, with every guard."""
    return simulate(SCHEDULES)


def test_no_schedule_loses_doubles_or_changes_anything(
    simulated: tuple[dict[int, list[str]], Counter[str]],
) -> None:
    """Metrics to the byte and every time they are told, dead letters, windows, and in the end all of the log is committed."""
    wrong, _ = simulated
    assert wrong == {}


def test_the_schedules_are_hard(simulated: tuple[dict[int, list[str]], Counter[str]]) -> None:
    """Each kind of trouble happens in a hundred schedules or more."""
    _, acts = simulated
    assert acts.keys() == ACTS
    assert {act: count for act, count in acts.items() if count < 100} == {}


@pytest.mark.parametrize(
    ("guard", "least"), [("applied", 50), ("changelog", 90), ("order", 10)], ids=lambda one: str(one)
)
def test_without_a_guard_it_is_found(guard: str, least: int) -> None:
    """Sessions are lost or counted twice in many schedules, so none of the guards is idle, and the judge is not blind."""
    wrong, _ = simulate(CONTROLS, GUARDS - {guard})
    assert sum("metrics" in found for found in wrong.values()) >= least


def test_a_seed_is_a_schedule() -> None:
    """The same acts in the same order, as often as it is run."""
    first, second = Schedule(41), Schedule(41)
    assert (first.run(), first.acts) == (second.run(), second.acts)
    assert first.log.told() == second.log.told()
