"""People with known traits who play reaction timer: ``simulators/reaction_timer.py``."""

import math
import random
from itertools import islice
from statistics import correlation, fmean, pvariance

import msgspec
import pytest

from science.research.reaction import fit_ex_gaussian
from simulators import reaction_timer
from simulators.people import crowd
from simulators.reaction_timer import Design, Person, person, reactions_ms
from simulators.sitting import Fields
from tests.simulators.folding import plays_of

TYPICAL = Person(mu=284.0, sigma=24.0, tau=60.0, lapse=0.0)
KINDS = ("simple", "choice", "gonogo")


def of_kind(events: list[Fields], name: str) -> list[Fields]:
    return [event for event in events if event["kind"] == f"reaction_timer.{name}"]


def reactions(events: list[Fields]) -> list[float]:
    """In ms, from 100 ms."""
    times = [event["latency_us"] / 1000 for event in of_kind(events, "responded")]
    return [time for time in times if time >= 100]


def test_a_reaction_is_ex_gaussian() -> None:
    """Mean mu + tau, variance sigma^2 + tau^2, third central moment 2 tau^3, once time on task is taken out."""
    times = islice(reactions_ms(TYPICAL, random.Random(1)), 40_000)
    times = [time * math.exp(-0.0007 * trial) for trial, time in enumerate(times)]
    mean = fmean(times)
    assert abs(mean - 344) < 2
    assert abs(pvariance(times) - (24**2 + 60**2)) < 250
    assert abs(fmean((time - mean) ** 3 for time in times) / (2 * 60**3) - 1) < 0.15


def test_a_slow_trial_follows_a_slow_one() -> None:
    """The autocorrelation of ln rt is .23 at lag 1, and its square at lag 2, whatever the tail."""
    for tau in (30.0, 60.0, 120.0):
        someone = msgspec.structs.replace(TYPICAL, tau=tau)
        times = islice(reactions_ms(someone, random.Random(2)), 40_000)
        logs = [math.log(time) - 0.0007 * trial for trial, time in enumerate(times)]
        assert abs(correlation(logs[:-1], logs[1:]) - 0.23) < 0.025
        assert abs(correlation(logs[:-2], logs[2:]) - 0.23**2) < 0.025


def test_the_traits_are_distributed_as_published() -> None:
    """mu ~ N(284, 38), sigma ~ logN(ln 24, .5), tau ~ logN(ln 60, .55), lapses ~ Kumaraswamy(1/2, 9), mean 1 / 55."""
    dice = random.Random(3)
    people = [person(lambda _: dice.gauss(0, 1), Design()) for _ in range(4_000)]
    assert abs(fmean(someone.mu for someone in people) - 284) < 2
    assert abs(fmean(math.log(someone.sigma) for someone in people) - math.log(24)) < 0.03
    assert abs(fmean(math.log(someone.tau) for someone in people) - math.log(60)) < 0.03
    assert abs(fmean(someone.lapse for someone in people) - 1 / 55) < 0.0018


def test_the_traits_are_found_again() -> None:
    """From 150 trials of people whose attention never lapses: mu and tau at .9, sigma at .5. A lapse looks like tau."""
    pairs = []
    for _, sitting, _ in crowd(48, 3, Design(trials=150)):
        someone = msgspec.structs.replace(sitting.people["reaction_timer"], lapse=0.0)
        played = list(
            reaction_timer.events(someone, random.Random(sitting.participant_ref), Design(trials=150), 0, 150)
        )
        pairs.append((someone, fit_ex_gaussian(reactions(played))))
    for trait, least in (("mu", 0.9), ("tau", 0.9), ("sigma", 0.5)):
        r = correlation(
            [getattr(true, trait) for true, _ in pairs], [getattr(fit, trait) for _, fit in pairs]
        )
        print(f"true against estimated {trait}: r = {r:.3f} over {len(pairs)}")
        assert r >= least


def test_speed_is_as_reliable_as_it_is_in_real_people() -> None:
    """Odd against even trials of 30, stepped up by Spearman-Brown: .95 in 522 people of the SRO study."""
    halves = []
    for _, sitting, events in crowd(400, 4, Design()):
        speeds = [1000 / time for time in reactions(events)]
        if sitting.is_finished:
            halves.append((fmean(speeds[::2]), fmean(speeds[1::2])))
    r = correlation([odd for odd, _ in halves], [even for _, even in halves])
    print(f"split-half reliability of speed over 30 trials: {2 * r / (1 + r):.3f}")
    assert abs(2 * r / (1 + r) - 0.95) <= 0.02


def test_some_trials_are_missed_begun_too_early_or_lapse() -> None:
    """.8 % are missed and .3 % answered before the stimulus; a lapse adds .1 s and more, and beyond the timeout is missed too."""
    everything = [event for _, _, events in crowd(150, 5, Design(trials=100)) for event in events]
    trials = len(of_kind(everything, "trial_started"))
    assert abs(len(of_kind(everything, "missed")) / trials - 0.011) < 0.003
    assert abs(len(of_kind(everything, "false_start")) / trials - 0.003) < 0.0015
    times = [event["latency_us"] for event in of_kind(everything, "responded")]
    assert 0.008 < sum(time > 800_000 for time in times) / trials < 0.025
    assert max(times) <= 3_000_000


def test_a_choice_is_sometimes_wrong_and_takes_longer() -> None:
    """Wrong keys are a few percent, and the keys are those of the configuration."""
    events = [event for _, _, events in crowd(60, 6, Design(kind="choice", trials=50)) for event in events]
    right = {"left": "f", "right": "j"}
    shown = {(event["session_id"], event["i"]): event["stim"] for event in of_kind(events, "stimulus_shown")}
    answers = of_kind(events, "responded")
    wrong = sum(event["key"] != right[shown[event["session_id"], event["i"]]] for event in answers)
    assert {event["key"] for event in answers} == {"f", "j"}
    assert 0.01 < wrong / len(answers) < 0.08
    simple = [event for _, _, events in crowd(60, 6, Design(trials=50)) for event in events]
    assert fmean(reactions(events)) > fmean(reactions(simple)) + 60


def test_a_stop_is_mostly_let_pass() -> None:
    """A quarter of the trials asks not to press; a few percent of them are answered all the same."""
    events = [event for _, _, events in crowd(60, 7, Design(kind="gonogo", trials=50)) for event in events]
    stops = {(e["session_id"], e["i"]) for e in of_kind(events, "stimulus_shown") if e["stim"] == "stop"}
    answered = {(e["session_id"], e["i"]) for e in of_kind(events, "responded")}
    assert abs(len(stops) / len(of_kind(events, "stimulus_shown")) - 0.25) < 0.03
    assert 0.02 < len(stops & answered) / len(stops) < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_the_play_finds_nothing_wrong_with_them(kind: str) -> None:
    """Foreperiods are those committed to, clocks agree, and every trial is scored."""
    for _, sitting, events in crowd(40, 1, Design(kind=kind)):
        (play,) = plays_of(events)
        assert play.findings == []
        assert play.tally().scored == sitting.parts[0].units
        assert play.conduct().failed == ()


def test_foreperiods_are_uniform_and_cannot_be_changed_afterwards() -> None:
    """Between those of the configuration; another one in what is revealed is an impossible session."""
    ((_, _, events),) = crowd(1, 1, Design(trials=400))
    waits = [event["foreperiod_us"] for event in of_kind(events, "trial_started")]
    assert 1_000_000 <= min(waits) < 1_100_000
    assert 3_900_000 < max(waits) <= 4_000_000
    assert abs(fmean(waits) - 2_500_000) < 150_000
    (completed,) = of_kind(events, "game_completed")
    revealed = msgspec.json.decode(completed["reveal_foreperiods"])
    completed["reveal_foreperiods"] = msgspec.json.encode([revealed[0] + 1, *revealed[1:]]).decode()
    (play,) = plays_of(events)
    assert {found.code for found in play.findings} == {"R10"}
