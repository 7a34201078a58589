"""What is too little to go on: the rules of docs/mappings/core.md, each with what was observed, what is required, and what to do."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice

import msgspec

from science.exact import MICRO
from science.mapping import Count, Minimum, Published, TraitRule
from science.measure import Measures
from science.quality import Quality, quality
from science.reasons import Reason
from science.standing import Standing, Term, count_of

Stood = tuple[
    Sequence[Term], Standing | None
]  # every term of a trait, and where those that can be used stand

_Figures = tuple[int | str | None, int | str | None]  # observed, required
_Broken = tuple[str, _Figures, dict[str, int | str]]  # a rule: code, figures, details


class Case(msgspec.Struct, frozen=True, gc=False):
    """One trait of one session, with what decides about it. ``units`` is (scored, planned) of each game the trait listens to,
    ``completeness`` the share of the planned that was scored, ``reasons`` every rule that is broken: none where it may be scored.
    """

    measures: Measures
    published: Published
    judged: Quality
    rule: TraitRule
    terms: Sequence[Term]
    standing: Standing | None
    units: dict[str, tuple[int, int]]
    completeness: int
    reasons: list[Reason]

    @property
    def weight(self) -> int:
        """The share of the trait's weight whose metrics stand; micro-units of 0-100."""
        used = () if self.standing is None else self.standing.terms
        if len(used) == len(self.terms):
            return 100 * MICRO
        total = sum([metric.weight for metric in self.rule.metrics])
        return 100 * MICRO * sum([term.rule.weight for term in used]) // total

    def unit_of(self, game: str) -> str:
        """What the game's units are called."""
        return self.published.mapping.games[game].unit


def cases_of(measures: Measures, published: Published, stood: Mapping[str, Stood]) -> dict[str, Case]:
    """Every trait of a session, judged by the terms and the standing that it has."""
    mapping = published.mapping
    judged, cases = quality(measures, mapping.quality), {}
    needs = [need for game in mapping.games.values() for need in game.counts]
    counts = tuple([min(count_of(measures, need.metric), need.minimum) for need in needs])
    evidence = _evidence(published, tuple(_units(measures).items()), counts)
    broken = _of_session(measures, judged, mapping.minimum)
    for trait, rule in mapping.traits.items():
        (terms, standing), (units, completeness, lacks) = stood[trait], evidence[trait]
        reasons: list[Reason] = []
        case = Case(measures, published, judged, rule, terms, standing, units, completeness, reasons)
        for code, figures, details in (*broken, *lacks):
            reasons.append(_reason(rule, code, figures, dict(details)))  # a copy: what lacks is kept
        reasons += [*_of_standing(case), *_of_norms(case)]
        cases[trait] = case
    return cases


def _units(measures: Measures) -> dict[str, tuple[int, int]]:
    """Scored and planned units of every game; planned games that were never begun count too."""
    found = {game: (0, planned) for game, planned in measures.unplayed.items()}
    for play in measures.games:
        scored, planned = found.get(play.game, (0, 0))
        found[play.game] = scored + play.tally.scored, planned + play.tally.planned
    return found


@lru_cache(maxsize=1024)
def _evidence(
    published: Published, played: tuple[tuple[str, tuple[int, int]], ...], counts: tuple[int, ...]
) -> dict[str, tuple[dict[str, tuple[int, int]], int, list[_Broken]]]:
    """Of every trait its games' units, its completeness, and what is too little: most sessions were planned alike and played out.

    ``counts`` are those of all games, in order, and no larger than what is needed.
    """
    mapping, units_of, found, reached = published.mapping, dict(played), {}, iter(counts)
    lacking = {
        name: [
            (count, need)
            for need, count in zip(game.counts, islice(reached, len(game.counts)), strict=True)
            if count < need.minimum
        ]
        for name, game in mapping.games.items()
    }
    for trait, rule in mapping.traits.items():
        units = {metric.game: units_of.get(metric.game, (0, 0)) for metric in rule.metrics}
        completeness = _completeness(units, rule)
        lacks = [*_of_counts(rule, lacking), *_of_completeness(published, units, completeness)]
        found[trait] = units, completeness, lacks
    return found


def _completeness(units: Mapping[str, tuple[int, int]], rule: TraitRule) -> int:
    """The share of planned units that were scored, each game by the weight of its metrics; micro-units of 0-100."""
    reached = [
        metric.weight * 100 * MICRO * min(units[metric.game]) // units[metric.game][1]
        for metric in rule.metrics
        if units[metric.game][1]
    ]
    return sum(reached) // sum([metric.weight for metric in rule.metrics])


def _of_counts(rule: TraitRule, lacking: Mapping[str, list[tuple[int, Count]]]) -> list[_Broken]:
    """The first count that a required metric's game lacks, where no other of its group has enough."""
    for group in rule.required:
        lacks = [lacking[metric.game] for metric in rule.metrics if metric.metric in group]
        if all(lacks):
            count, need = lacks[0][0]
            details: dict[str, int | str] = {
                "scored": count,
                "needed": need.minimum,
                "more": need.minimum - count,
            }
            details |= {"unit": need.unit, "of": need.of}
            return [("R_SAMPLE", (count, need.minimum), details)]
    return []


def _of_completeness(
    published: Published, units: Mapping[str, tuple[int, int]], completeness: int
) -> list[_Broken]:
    """Too few of the units that were planned."""
    mapping = published.mapping
    least = mapping.minimum.completeness
    if completeness >= least:
        return []
    details: dict[str, int | str] = {"needed": least // MICRO}
    if len(units) == 1:
        (game, (scored, planned)) = next(iter(units.items()))
        more = -(-planned * least // (100 * MICRO)) - scored
        details |= {"more": more, "planned": planned, "unit": mapping.games[game].unit}
    else:
        details["progress"] = ", ".join(
            f"{scored}/{planned} {mapping.games[game].unit}" for game, (scored, planned) in units.items()
        )
    return [("R_COMPLETENESS", (completeness, least), details)]


def _of_session(measures: Measures, judged: Quality, minimum: Minimum) -> list[_Broken]:
    """What disqualifies the session as a whole."""
    found: list[_Broken] = []
    broken = [noticed for noticed in measures.findings if noticed.severity == "integrity"]
    if broken:
        codes = ", ".join(noticed.code for noticed in broken)
        count = sum(noticed.count for noticed in broken)
        found.append(("R_INTEGRITY", (count, 0), {"codes": codes, "seq": broken[0].seq}))
    shortest, longest = minimum.duration_us
    lasted = measures.duration_us
    if not shortest <= lasted <= longest:
        seconds = {"lasted": lasted // MICRO, "shortest": shortest // MICRO, "longest": longest // MICRO}
        found.append(("R_DURATION", (lasted, shortest if lasted < shortest else longest), {**seconds}))
    score = judged.score
    if score < minimum.quality:
        worst = judged.failed or max(sorted(judged.lost), key=lambda sign: judged.lost[sign])
        points = {"score": score // MICRO, "needed": minimum.quality // MICRO}
        found.append(("R_QUALITY", (score, minimum.quality), {**points, "worst": worst}))
    return found


def _of_standing(case: Case) -> list[Reason]:
    """Why there is no standing, or why it cannot be relied on."""
    minimum, standing = case.published.mapping.minimum, case.standing
    if standing is None:
        used = {term.rule.metric for term in case.terms if term.z is not None}
        group = next(group for group in case.rule.required if used.isdisjoint(group))
        return [_absence(case, next(term for term in case.terms if term.rule.metric in group))]
    reasons = []
    weight = case.weight
    if weight < minimum.weight:
        missing = [term for term in case.terms if term not in standing.terms]
        details: dict[str, int | str] = {
            "share": weight // MICRO,
            "needed": minimum.weight // MICRO,
            "missing": ", ".join(f"{term.rule.metric}: {_why(term)}" for term in missing),
        }
        reasons.append(_reason(case.rule, "R_WEIGHT", (weight, minimum.weight), details))
    if standing.reliability < minimum.reliability:
        details = {"reached": standing.reliability // MICRO, "needed": minimum.reliability // MICRO}
        details |= _advice(case, standing)
        reasons.append(
            _reason(case.rule, "R_RELIABILITY", (standing.reliability, minimum.reliability), details)
        )
    return reasons


def _absence(case: Case, term: Term) -> Reason:
    """Why a required metric stands nowhere."""
    rule, metric, unit = term.rule, term.metric, case.unit_of(term.rule.game)
    details: dict[str, int | str]
    if metric.value is None:
        details = {
            "metric": rule.metric,
            "reason": metric.reason or "unknown",
            "unit": unit,
            "game": rule.game,
        }
        return _reason(case.rule, "R_METRIC", (None, None), details)
    if metric.se is None or term.norm is not None:
        details = {"metric": rule.metric, "reason": metric.reason or "of_one_unit", "unit": unit}
        return _reason(case.rule, "R_CI", (None, None), details)
    played = "; ".join(_match(play.match) for play in case.measures.games if play.game == rule.game)
    norms = [norms for norms in case.published.norms.values() if norms.game == rule.game]
    known = "; ".join(dict.fromkeys(_match(one.match) for one in norms))
    return _reason(case.rule, "R_NORMS", (played, known), {"played": played})


def _why(term: Term) -> str:
    """Why a metric is not used, in a word."""
    if term.metric.value is None:
        return term.metric.reason or "unknown"
    if term.metric.se is None:
        return "no_spread"
    return "no_norms" if term.norm is None else "too_few"


def _of_norms(case: Case) -> list[Reason]:
    """A sample that is provisional, or was collected with other devices, serves only where the mapping allows it.

    Only what the trait would stand on is asked: a metric that is not used brings no norms in.
    """
    if case.published.mapping.allow_provisional or case.standing is None:
        return []
    sets = [term.norm_set for term in case.standing.terms if term.norm_set is not None]
    weaker = next((norms.status for norms in sets if norms.status != "reference"), None)
    if weaker is not None:
        return [_reason(case.rule, "R_NORMS", (weaker, "reference"), {"status": weaker})]
    device = case.measures.device_input
    other = next((norms for norms in sets if not norms.is_of_device(device)), None)
    if other is None:
        return []
    devices = ", ".join(other.devices)
    return [_reason(case.rule, "R_NORMS", (device, devices), {"device": device, "devices": devices})]


def _advice(case: Case, standing: Standing) -> dict[str, int | str]:
    """By Spearman-Brown: SEM^2 falls as 1 / n, so n' = n SEM^2 / (tau^2 (1 - r) / r) of every game; rounded up."""
    required = case.published.mapping.minimum.reliability
    allowed = standing.tau2 * (100 * MICRO - required)  # SEM^2 times r, in the millionth parts of both
    games = list(dict.fromkeys(term.rule.game for term in standing.terms))
    if allowed <= 0:
        return {"beyond": " and ".join(case.unit_of(game) for game in games)}
    more = {}
    for game in games:
        scored = case.units[game][0]
        needed = -(-scored * standing.sem * standing.sem * required // (allowed * MICRO))
        more[game] = max(1, needed - scored)
    if len(more) == 1:
        (game, units) = next(iter(more.items()))
        return {"more": units, "unit": case.unit_of(game)}
    return {"each": ", ".join(f"{units} {case.unit_of(game)}" for game, units in more.items())}


def _reason(rule: TraitRule, code: str, figures: _Figures, details: dict[str, int | str]) -> Reason:
    observed, required = figures
    return Reason(code, observed, required, details, [metric.metric for metric in rule.metrics])


def _match(match: dict[str, int | str] | dict[str, int | str | tuple[int, int]]) -> str:
    return ", ".join(
        f"{key} {value[0]} to {value[1]}" if isinstance(value, tuple) else f"{key} {value}"
        for key, value in sorted(match.items())
    )
