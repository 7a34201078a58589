"""What is too little to go on: the rules of docs/mappings/core.md, each with what was observed, what is required, and what to do."""

from collections.abc import Sequence

import msgspec

from science.exact import MICRO
from science.mapping import Count, Published, TraitRule
from science.measure import Measures
from science.quality import Quality
from science.reasons import Reason
from science.standing import Standing, Term, count_of


class Case(msgspec.Struct, frozen=True, gc=False):
    """One trait of one session, with what decides about it. ``units`` is (scored, planned) of each game the trait listens to,
    ``completeness`` the share of the planned that was scored.
    """

    measures: Measures
    published: Published
    judged: Quality
    rule: TraitRule
    terms: Sequence[Term]
    standing: Standing | None
    units: dict[str, tuple[int, int]]
    completeness: int

    @property
    def weight(self) -> int:
        """The share of the trait's weight whose metrics stand; micro-units of 0-100."""
        total = sum([metric.weight for metric in self.rule.metrics])
        used = () if self.standing is None else self.standing.terms
        return 100 * MICRO * sum([term.rule.weight for term in used]) // total

    def unit_of(self, game: str) -> str:
        """What the game's units are called."""
        return self.published.mapping.games[game].unit


def units_of(measures: Measures, rule: TraitRule) -> dict[str, tuple[int, int]]:
    """Scored and planned units of every game that a trait listens to; planned games that were never begun count too."""
    found = {}
    for game in dict.fromkeys([metric.game for metric in rule.metrics]):
        tallies = [play.tally for play in measures.games if play.game == game]
        planned = sum([tally.planned for tally in tallies]) + measures.unplayed.get(game, 0)
        found[game] = sum([tally.scored for tally in tallies]), planned
    return found


def completeness_of(units: dict[str, tuple[int, int]], rule: TraitRule) -> int:
    """The share of planned units that were scored, each game by the weight of its metrics; micro-units of 0-100."""
    reached = [
        metric.weight * 100 * MICRO * min(units[metric.game]) // units[metric.game][1]
        for metric in rule.metrics
        if units[metric.game][1]
    ]
    return sum(reached) // sum([metric.weight for metric in rule.metrics])


def reasons_of(case: Case) -> list[Reason]:
    """Every rule that the case breaks; none when it may be scored."""
    return [*_of_session(case), *_of_evidence(case), *_of_standing(case), *_of_norms(case)]


def _of_session(case: Case) -> list[Reason]:
    """What disqualifies the session as a whole."""
    measures, minimum = case.measures, case.published.mapping.minimum
    reasons = []
    details: dict[str, int | str]
    broken = [noticed for noticed in measures.findings if noticed.severity == "integrity"]
    if broken:
        details = {"codes": ", ".join(noticed.code for noticed in broken), "seq": broken[0].seq}
        count = sum(noticed.count for noticed in broken)
        reasons.append(_reason(case, "R_INTEGRITY", (count, 0), **details))
    shortest, longest = minimum.duration_us
    lasted = measures.duration_us
    if not shortest <= lasted <= longest:
        details = {"lasted": lasted // MICRO, "shortest": shortest // MICRO, "longest": longest // MICRO}
        bound = shortest if lasted < shortest else longest
        reasons.append(_reason(case, "R_DURATION", (lasted, bound), **details))
    score = case.judged.score
    if score < minimum.quality:
        worst = case.judged.failed or max(sorted(case.judged.lost), key=lambda sign: case.judged.lost[sign])
        details = {"score": score // MICRO, "needed": minimum.quality // MICRO, "worst": worst}
        reasons.append(_reason(case, "R_QUALITY", (score, minimum.quality), **details))
    return reasons


def _of_evidence(case: Case) -> list[Reason]:
    """Too few units, or too few of those that were planned."""
    minimum = case.published.mapping.minimum
    reasons: list[Reason] = []
    details: dict[str, int | str]
    lacking = _lacking(case)
    if lacking is not None:
        count, need = lacking
        details = {"scored": count, "needed": need.minimum, "more": need.minimum - count}
        details |= {"unit": need.unit, "of": need.of}
        reasons.append(_reason(case, "R_SAMPLE", (count, need.minimum), **details))
    if case.completeness < minimum.completeness:
        details = {"needed": minimum.completeness // MICRO}
        if len(case.units) == 1:
            (game, (scored, planned)) = next(iter(case.units.items()))
            more = -(-planned * minimum.completeness // (100 * MICRO)) - scored
            details |= {"more": more, "planned": planned, "unit": case.unit_of(game)}
        else:
            details["progress"] = ", ".join(
                f"{scored}/{planned} {case.unit_of(game)}" for game, (scored, planned) in case.units.items()
            )
        reasons.append(_reason(case, "R_COMPLETENESS", (case.completeness, minimum.completeness), **details))
    return reasons


def _lacking(case: Case) -> tuple[int, Count] | None:
    """The first count that a required metric's game lacks, where no other of its group has enough."""
    for group in case.rule.required:
        terms = [term for term in case.terms if term.rule.metric in group]
        if any(term.is_counted for term in terms):
            continue
        needs = case.published.mapping.games[terms[0].rule.game].counts
        counted = ((count_of(case.measures, need.metric), need) for need in needs)
        return next((count, need) for count, need in counted if count < need.minimum)
    return None


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
        reasons.append(_reason(case, "R_WEIGHT", (weight, minimum.weight), **details))
    if standing.reliability < minimum.reliability:
        details = {"reached": standing.reliability // MICRO, "needed": minimum.reliability // MICRO}
        details |= _advice(case, standing)
        reasons.append(_reason(case, "R_RELIABILITY", (standing.reliability, minimum.reliability), **details))
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
        return _reason(case, "R_METRIC", (None, None), **details)
    if metric.se is None or term.norm is not None:
        details = {"metric": rule.metric, "reason": metric.reason or "of_one_unit", "unit": unit}
        return _reason(case, "R_CI", (None, None), **details)
    played = "; ".join(_match(play.match) for play in case.measures.games if play.game == rule.game)
    norms = [norms for norms in case.published.norms.values() if norms.game == rule.game]
    known = "; ".join(dict.fromkeys(_match(one.match) for one in norms))
    return _reason(case, "R_NORMS", (played, known), played=played)


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
        return [_reason(case, "R_NORMS", (weaker, "reference"), status=weaker)]
    device = case.measures.device_input
    other = next((norms for norms in sets if not norms.is_of_device(device)), None)
    if other is None:
        return []
    devices = ", ".join(other.devices)
    return [_reason(case, "R_NORMS", (device, devices), device=device, devices=devices)]


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


def _reason(
    case: Case, code: str, figures: tuple[int | str | None, int | str | None], **details: int | str
) -> Reason:
    observed, required = figures
    return Reason(code, observed, required, details, [metric.metric for metric in case.rule.metrics])


def _match(match: dict[str, int | str] | dict[str, int | str | tuple[int, int]]) -> str:
    return ", ".join(
        f"{key} {value[0]} to {value[1]}" if isinstance(value, tuple) else f"{key} {value}"
        for key, value in sorted(match.items())
    )
