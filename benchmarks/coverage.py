"""How often the 95 % interval of every metric and trait of a mapping holds what the person's sessions come to in the mean.

People play the same games again and again. The mean of a composite over a person's sessions is what an interval ought to hold; a
session's distance from that mean, times sqrt(m / (m - 1)) because the session itself is in it, is its error. (What is biased in all
sessions alike is not seen here, but in recovery.) A session whose metrics are not those of the person's other sessions (one of a
trait's was missing) measures something else and is left out, and counted. The norms are taken as exact, or their uncertainty would
widen the intervals for an error that cannot occur here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import log
from statistics import fmean
from typing import Any, NamedTuple

import msgspec
import numpy as np

from benchmarks.replicates import Person, in_parallel
from science.exact import MICRO
from science.mapping import NormSet, Published, TraitRule, load
from science.measure import Measures
from science.profile import infer
from science.standing import stand, terms_of
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.sitting import Design

SEED = 7


class Task(NamedTuple):
    """One person's sessions: of so many balloons, of so many trials, and of a fifth as many rounds; ``stress`` bends the person."""

    mapping: str
    person: int
    sessions: int
    units: int
    stress: str = ""


class Stood(NamedTuple):
    """Where one session stands on one trait or metric, in SD of the norms; ``terms`` are what it is made of."""

    terms: tuple[str, ...]
    c: float
    low: float
    high: float
    is_scored: bool


class Row(NamedTuple):
    """A trait or metric over everyone. ``worst`` is the coverage in that quarter of people, by true value, where it is lowest;
    ``left_out`` are sessions that stand nowhere, or on other metrics; ``scored`` is a share of all sessions.
    """

    name: str
    sessions: int
    left_out: int
    coverage: float
    worst: float
    half_width: float
    scored: float


def coverage(mapping: str, people: int, sessions: int, units: int, stress: str = "") -> list[Row]:
    """A row a metric and trait, metrics first."""
    tasks = [Task(mapping, person, sessions, units, stress) for person in range(people)]
    found = list(in_parallel(stand_all, tasks))
    return [_row(name, [person[name] for person in found]) for name in found[0]]


def stand_all(task: Task) -> dict[str, list[Stood | None]]:
    """Where each session of one person stands on everything; None where it stands nowhere."""
    published = anywhere(task.mapping)
    someone = Person(f"{SEED}/{task.person}", designs(task), lambda game, of: bent(task, game, of))
    stood: dict[str, list[Stood | None]] = defaultdict(list)
    for measures in someone.sessions(task.sessions):
        scored = {
            name for name, trait in infer(measures, published).traits.items() if trait.status == "scored"
        }
        for name, rule in rules_of(task.mapping).items():
            stood[name].append(_stood(measures, published, rule, is_scored=name in scored))
    return {name: stood[name] for name in rules_of(task.mapping)}


def designs(task: Task) -> tuple[Design, ...]:
    """The three games at this length; rounds are of 12 pairs."""
    pumps = 64 if task.stress == "64 pumps, bold" else 12
    return (
        balloon_risk.Design(balloons=task.units, max_pumps=pumps),
        reaction_timer.Design(trials=task.units),
        memory_cards.Design(rounds=task.units // 5),
    )


def bent(task: Task, game: str, someone: Any) -> Any:
    """The person, as the stress wants it: bold people burst half of their balloons; long lapses are 500 to 3,000 ms."""
    change: dict[str, Any] = {}
    if task.stress.endswith("bold") and game == "balloon_risk":
        pumps = 64 if task.stress.startswith("64") else 12
        change = {"mu": someone.mu - balloon_risk.person(lambda _: 0.0, designs(task)[0]).mu + log(pumps / 2)}
    if task.stress == "long lapses" and game == "reaction_timer":
        share = float(np.random.default_rng([SEED, task.person]).beta(1, 60))
        change = {"lapse": share, "long_lapses": True}
    return msgspec.structs.replace(someone, **change)


@cache
def rules_of(mapping: str) -> Mapping[str, TraitRule]:
    """Every metric that the mapping listens to, standing alone and not folded, and every trait."""
    traits = load(mapping).mapping.traits
    alone = {
        metric.metric: TraitRule(
            status="",
            correlation=0,
            required=[[metric.metric]],
            metrics=[msgspec.structs.replace(metric, weight=MICRO, fold=None)],
        )
        for rule in traits.values()
        for metric in rule.metrics
    }
    return alone | traits


@cache
def anywhere(mapping: str) -> Published:
    """The mapping with norm sets that also stand in, last, for configurations that no norm set is of: here lengths and sizes differ."""
    published = load(mapping)
    exact = {name: _exact(norms) for name, norms in published.norms.items()}
    for name, norms in list(exact.items()):
        wide = {key: _WIDE.get(key, value) for key, value in norms.match.items()}
        exact[f"{name} widened"] = msgspec.structs.replace(norms, match=wide)
        if norms.match.get("max_pumps") == 12:
            exact[f"{name} of 64 pumps"] = _of_64_pumps(norms)
    return msgspec.structs.replace(published, norms=exact)


_WIDE = {"trials": (1, 1_000), "rounds": (1, 1_000)}


def _exact(norms: NormSet) -> NormSet:
    metrics = {name: msgspec.structs.replace(norm, n=1_000_000_000) for name, norm in norms.metrics.items()}
    return msgspec.structs.replace(norms, metrics=metrics)


def _of_64_pumps(norms: NormSet) -> NormSet:
    """The norms of 12 pumps for people who mean the same share of 64."""
    metrics = dict(norms.metrics)
    pumps = "balloon.ln_intended_km"
    if pumps in metrics:
        mean = metrics[pumps].mean + round(MICRO * log(64 / 12))
        metrics[pumps] = msgspec.structs.replace(metrics[pumps], mean=mean)
    return msgspec.structs.replace(norms, match={**norms.match, "max_pumps": 64}, metrics=metrics)


def _stood(measures: Measures, published: Published, rule: TraitRule, *, is_scored: bool) -> Stood | None:
    standing = stand(terms_of(measures, published, rule), measures, published, rule)
    if standing is None:
        return None
    low, high = standing.interval
    terms = tuple(term.rule.metric for term in standing.terms)
    return Stood(terms, standing.c / MICRO, low / MICRO, high / MICRO, is_scored)


def _row(name: str, people: Sequence[Sequence[Stood | None]]) -> Row:
    hits: list[tuple[float, list[bool]]] = []  # true value, and whether each interval holds it
    widths: list[float] = []
    scored, count, every = 0, 0, sum(map(len, people))
    for sessions in people:
        stood = [one for one in sessions if one is not None]
        if not stood:
            continue
        usual = Counter(one.terms for one in stood).most_common(1)[0][0]
        same = [one for one in stood if one.terms == usual]
        scored += sum(one.is_scored for one in stood)
        if len(same) < 2:
            continue
        truth, stretch = fmean(one.c for one in same), (len(same) / (len(same) - 1)) ** 0.5
        hits.append(
            (truth, [one.low - one.c <= stretch * (truth - one.c) <= one.high - one.c for one in same])
        )
        widths += [(one.high - one.low) / 2 for one in same]
        count += len(same)
    hits.sort(key=lambda one: one[0])
    quarters = [_share(hits[len(hits) * q // 4 : len(hits) * (q + 1) // 4]) for q in range(4)]
    return Row(
        name,
        count,
        every - count,
        _share(hits),
        min(quarters),
        fmean(widths) if widths else float("nan"),
        scored / every,
    )


def _share(hits: Iterable[tuple[float, Sequence[bool]]]) -> float:
    flat = [hit for _, person in hits for hit in person]
    return fmean(flat) if flat else float("nan")
