"""Who the people are: ``simulators/population.py``."""

import random
from collections import defaultdict
from collections.abc import Callable
from statistics import correlation, fmean, pstdev

import pytest

from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from simulators.population import CORRELATED, CORRELATIONS, STABLE, Mind, Population
from simulators.sitting import Design, Fields

PEOPLE = 3_000


def minds(people: int = PEOPLE, population: Population | None = None) -> list[Mind]:
    return [Mind(f"m/{n}", random.Random(f"m/{n}"), population or Population()) for n in range(people)]


def test_traits_go_together_across_games() -> None:
    """Every pair that is named correlates as it is said to, on the first day and on a later one nearly so."""
    for occasion, within in ((1, 0.06), (2, 0.12)):
        days = [mind.on(occasion) for mind in minds()]
        values = {trait: [day(trait) for day in days] for trait in reversed(CORRELATED)}
        for place, trait in enumerate(CORRELATED):
            assert abs(fmean(values[trait])) < 0.06
            assert abs(pstdev(values[trait]) - 1) < 0.05
            for other, expected in zip(CORRELATED, CORRELATIONS[place][:-1], strict=False):
                assert abs(correlation(values[trait], values[other]) - expected) < within, (trait, other)


def test_a_trait_is_the_same_on_another_day_as_far_as_it_is_stable() -> None:
    """Between any two of three days."""
    people = minds()
    days = {occasion: [mind.on(occasion) for mind in people] for occasion in (1, 2, 3)}
    for trait in ("balloon_risk.mu", "balloon_risk.beta", "memory_cards.encode", "reaction_timer.sigma"):
        values = {occasion: [day(trait) for day in days[occasion]] for occasion in days}
        for one, two in ((1, 2), (1, 3), (2, 3)):
            assert abs(correlation(values[one], values[two]) - STABLE[trait]) < 0.06, trait


def test_every_trait_that_a_game_asks_for_has_a_stability() -> None:
    """A game that grows a trait must say how stable it is, or no second occasion can be played."""
    asked = set()
    for module in (balloon_risk, memory_cards, reaction_timer):
        module.person(
            lambda trait, game=module.GAME.name: asked.add(f"{game}.{trait}") or 0.0, module.Design()
        )
    assert asked == set(STABLE)
    assert set(CORRELATED) <= asked


def aap(events: list[Fields]) -> float:
    return fmean(event["pumps"] for event in events if event["kind"] == "balloon_risk.collected")


def speed(events: list[Fields]) -> float:
    times = (event["latency_us"] for event in events if event["kind"] == "reaction_timer.responded")
    return fmean(1e6 / time for time in times if time >= 100_000)


def turns(events: list[Fields]) -> float:
    return sum(event["kind"] == "memory_cards.turn_resolved" for event in events)


@pytest.mark.parametrize(
    ("design", "metric", "people", "published"),
    [
        (balloon_risk.Design(), aap, 500, 0.35),
        (reaction_timer.Design(), speed, 500, 0.56),
        (memory_cards.Design(), turns, 300, 0.65),
    ],
    ids=["adjusted pumps", "speed over 30 trials", "turns: assumed, from .40 to .89 in UK Biobank"],
)
def test_sessions_of_two_days_agree_as_those_of_real_people_do(
    design: Design, metric: Callable[[list[Fields]], float], people: int, published: float
) -> None:
    """Published retest correlations, error of both sessions included."""
    by_person = defaultdict(list)
    for _, sitting, events in crowd(people, 3, design, occasions=2):
        if sitting.is_finished:
            by_person[sitting.participant_ref].append(metric(events))
    pairs = [found for found in by_person.values() if len(found) == 2]
    r = correlation([one for one, _ in pairs], [two for _, two in pairs])
    print(f"retest of {metric.__name__}: r = {r:.3f} over {len(pairs)}")
    assert abs(r - published) <= 0.12


def test_a_second_day_changes_nothing_of_the_first() -> None:
    """Equal ids, equal events; the second session is of the same participant, with an id of its own."""
    alone = list(crowd(4, 5, balloon_risk.Design()))
    twice = list(crowd(4, 5, balloon_risk.Design(), occasions=2))
    assert twice[::2] == alone
    for (first_id, first, _), (second_id, second, events) in zip(twice[::2], twice[1::2], strict=True):
        assert second_id == f"{first_id}.t2"
        assert second.participant_ref == first.participant_ref == f"participant of {first_id}"
        assert second.people != first.people
        assert events[0]["participant_ref"] == first.participant_ref
        assert {event["session_id"] for event in events} == {second_id}


def test_two_groups_differ_by_d() -> None:
    """In the trait that is named and in no other; within each group people differ as much as ever, and d = 0 is no difference."""
    population = Population(d=0.8, share=0.3)
    for d, people in ((0.8, minds(population=population)), (0.0, minds())):
        groups = [[mind for mind in people if mind.group == group] for group in (0, 1)]
        mu = [[mind.on(2)("balloon_risk.mu") for mind in group] for group in groups]
        latency = [[mind.on(2)("balloon_risk.latency_ln_mean") for mind in group] for group in groups]
        assert abs(fmean(mu[1]) - fmean(mu[0]) - d) < 0.1
        assert abs(fmean(latency[1]) - fmean(latency[0])) < 0.1
        assert all(abs(pstdev(values) - 1) < 0.05 for values in mu)
    assert abs(fmean(mind.group for mind in minds(population=population)) - 0.3) < 0.03


def test_the_group_of_a_person_is_known_and_never_sent() -> None:
    """The truth that an audit is tested with stands in the sitting, not in the events."""
    found = list(crowd(40, 2, balloon_risk.Design(), population=Population(d=1.0)))
    assert {sitting.group for _, sitting, _ in found} == {0, 1}
    assert not any("group" in event for _, _, events in found for event in events)
    plain = list(crowd(40, 2, balloon_risk.Design()))
    for (_, sitting, events), (_, before, as_before) in zip(found, plain, strict=True):
        assert sitting.group == before.group
        assert (events == as_before) == (sitting.group == 0)
