"""Whoever owns a partition, crashes or is taken for dead, in any order: its sessions amount to the same. And the judge can see."""

from collections import Counter

import pytest

from agents.live import GUARDS
from tests.simulation.schedules import Schedule, simulate

SCHEDULES, CONTROLS = range(2_000), range(200)
# What must have happened often, or the schedules say little.
ACTS = {
    *("committed", "refused", "crashed", "crashed_amid_a_round", "crashed_amid_an_append", "landed_late"),
    *("zombie", "handed_over", "restored_beyond_commit", "fetched_again", "left_out", "changelog_lost"),
}


@pytest.fixture(scope="module")
def simulated() -> tuple[dict[int, list[str]], Counter[str]]:
    """All schedules, with every guard."""
    return simulate(SCHEDULES)


def test_no_schedule_loses_doubles_or_changes_anything(
    simulated: tuple[dict[int, list[str]], Counter[str]],
) -> None:
    """Metrics to the byte and every time they are told, dead letters, and windows."""
    wrong, _ = simulated
    assert {seed: found for seed, found in wrong.items() if found != ["committed"]} == {}


def test_in_the_end_the_whole_log_is_committed(
    simulated: tuple[dict[int, list[str]], Counter[str]],
) -> None:
    """A lag that stays at something would be taken for a worker that stands still."""
    wrong, _ = simulated
    assert [seed for seed, found in wrong.items() if "committed" in found] == []


def test_the_schedules_are_hard(simulated: tuple[dict[int, list[str]], Counter[str]]) -> None:
    """Each kind of trouble happens in a hundred schedules or more."""
    _, acts = simulated
    assert acts.keys() == ACTS
    assert {act: count for act, count in acts.items() if count < 100} == {}


@pytest.mark.parametrize(("guard", "least"), [("applied", 25), ("changelog", 50), ("order", 4)], ids=str)
def test_without_a_guard_it_is_found(guard: str, least: int) -> None:
    """Sessions are lost or counted twice in many schedules, so none of the guards is idle, and the judge is not blind."""
    wrong, _ = simulate(CONTROLS, GUARDS - {guard})
    assert sum("metrics" in found for found in wrong.values()) >= least


def test_a_seed_is_a_schedule() -> None:
    """The same acts in the same order, as often as it is run."""
    first, second = Schedule(41), Schedule(41)
    assert (first.run(), first.acts) == (second.run(), second.acts)
    assert first.log.told() == second.log.told()
