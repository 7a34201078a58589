"""A trait profile: what a mapping makes of a session's measures, with what it takes to trust it, or the reasons not to.

``infer`` is pure; ``canonical`` of a profile gives the bytes that a replay must give again.
"""

from functools import lru_cache

import msgspec

from science.bootstrap import bootstrap
from science.canonical import digest, encoded
from science.exact import MICRO, micro_ratio, micro_root
from science.games import GAMES
from science.mapping import Published, TraitRule
from science.measure import Measures
from science.quality import Quality, quality
from science.reasons import Reason
from science.refusal import Case, completeness_of, reasons_of, units_of
from science.standing import Standing, Term, covariance, probability, stand, terms_of


class Contribution(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a metric brought: its value and z, in micro-units. The terms of a trait add up to its composite z.

    A metric that the trait does not use, and any metric of a refused trait, has no term.
    """

    metric: str
    value: int | None
    se: int | None
    z: int | None
    weight: int
    n: int
    reason: str | None  # what to mind about the value, such as censored: a lower bound
    norm_set: str | None
    term: int | None = None
    is_other_device: bool = False  # the norm set's sample played on another kind of device


class TraitScore(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One trait. Numbers in micro-units; ``score`` and all that follows from it are None unless ``status`` is scored.

    ``ci`` is the interval of this session's precision and of the norms' uncertainty; ``ci_trait`` adds the day-to-day
    variance, and is None where no retest study exists. ``sem`` is the standard error of z; ``completeness``, ``quality`` and
    ``reliability`` count in 0-100, ``percentile`` too. ``n`` is that of the heaviest metric.
    """

    status: str
    provisional: bool
    score: int | None
    ci: tuple[int, int] | None
    ci_level: int
    ci_method: str | None
    ci_trait: tuple[int, int] | None
    ci_trait_reason: str | None
    t: int | None
    percentile: int | None
    score_shrunk: int | None
    sem: int | None
    reliability: int | None
    quality: int
    completeness: int
    n: int
    reasons: list[Reason]
    contributions: list[Contribution]
    maturity: str = ""  # the mapping's own word for the trait: provisional, experimental


class MappingName(msgspec.Struct, frozen=True, gc=False):
    """Which mapping, and its hash."""

    id: str
    semver: str
    hash: str


class Profile(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a session says about a person, by one mapping. Its canonical bytes hold nothing of when or where it was made.

    ``correlations`` are those of the errors of every two scored composites, in micro-units: traits share games and metrics' units.
    """

    session_id: str
    events_digest: str
    mapping: MappingName
    definitions: str
    norms: dict[str, str]
    schemas: dict[str, str]
    traits: dict[str, TraitScore]
    correlations: dict[str, dict[str, int]] = {}

    def canonical(self) -> bytes:
        """The bytes that every replay must give again."""
        return encoded(self)


def infer(measures: Measures, published: Published) -> Profile:
    """The profile of a session by a mapping. Pure."""
    mapping = published.mapping
    judged = quality(measures, mapping.quality)
    cases = {trait: _case(measures, published, judged, rule) for trait, rule in mapping.traits.items()}
    reasons = {trait: reasons_of(case) for trait, case in cases.items()}
    scored = {
        trait: case.standing
        for trait, case in cases.items()
        if case.standing is not None and not reasons[trait]
    }
    if mapping.interval.method == "bca":
        scored = bootstrap(scored, measures, published)
    return Profile(
        session_id=measures.session_id,
        events_digest=measures.events_digest,
        mapping=MappingName(mapping.id, mapping.semver, published.mapping_hash),
        definitions=_definitions(published),
        norms=published.norm_hashes,
        schemas=measures.schemas,
        traits={trait: _score(case, scored.get(trait), reasons[trait]) for trait, case in cases.items()},
        correlations=_correlations(scored, measures, mapping.interval.prior_df) if mapping.form > 1 else {},
    )


@lru_cache(maxsize=64)
def _definitions(published: Published) -> str:
    """The hash of the definitions that the mapping listens to: a new game or metric leaves old profiles as they are."""
    rules = (metric for rule in published.mapping.traits.values() for metric in rule.metrics)
    heard = {(metric.metric, metric.definition) for metric in rules}
    return digest(
        [
            definition
            for game in GAMES.values()
            for definition in game.definitions
            if (definition.id, definition.version) in heard
        ]
    )


def _case(measures: Measures, published: Published, judged: Quality, rule: TraitRule) -> Case:
    terms = terms_of(measures, published, rule)
    standing = stand(terms, measures, published, rule)
    units = units_of(measures, rule)
    return Case(measures, published, judged, rule, terms, standing, units, completeness_of(units, rule))


def _score(case: Case, scored: Standing | None, reasons: list[Reason]) -> TraitScore:
    mapping = case.published.mapping
    standing = scored or case.standing
    score = probability(scored.c) if scored is not None else None
    heaviest = max(case.terms, key=lambda term: term.rule.weight)
    days = None if scored is None else scored.trait_interval
    return TraitScore(
        status="scored" if scored is not None else "insufficient",
        provisional=any(
            term.norm_set is not None and term.norm_set.status != "reference" for term in case.terms
        ),
        score=score,
        ci=_of_probability(scored.interval) if scored is not None else None,
        ci_level=mapping.interval.level,
        ci_method=standing.method if standing is not None else None,
        ci_trait=None if days is None else _of_probability(days),
        ci_trait_reason=_why_no_trait_interval(case, standing),
        t=50 * MICRO + 10 * scored.c if scored is not None else None,
        percentile=100 * score if score is not None else None,
        score_shrunk=probability(scored.c * scored.reliability // (100 * MICRO))
        if scored is not None
        else None,
        sem=standing.sem if standing is not None else None,
        reliability=standing.reliability if standing is not None else None,
        quality=case.judged.score,
        completeness=case.completeness,
        n=heaviest.metric.n,
        reasons=reasons,
        contributions=[_contribution(case, term, scored) for term in case.terms],
        maturity=case.rule.status if mapping.form > 1 else "",
    )


def _why_no_trait_interval(case: Case, standing: Standing | None) -> str | None:
    if standing is None and case.published.mapping.form > 1:
        return "not_scored"
    return "no_retest_study" if standing is None or standing.trait_interval is None else None


def _of_probability(interval: tuple[int, int]) -> tuple[int, int]:
    """Phi rises, so the ends of an interval map through it."""
    return probability(interval[0]), probability(interval[1])


def _contribution(case: Case, term: Term, scored: Standing | None) -> Contribution:
    """The z of a refused trait would be its score by another name, so it stays out (form 1 still told it)."""
    form, norms, part = case.published.mapping.form, term.norm_set, None
    if form > 1 and scored is not None and term in scored.terms:
        part = micro_ratio(term.rule.weight * term.y, micro_root(scored.scale, MICRO) * MICRO)
    return Contribution(
        metric=term.rule.metric,
        value=term.metric.value,
        se=term.metric.se,
        z=term.z if form == 1 or scored is not None else None,
        weight=term.rule.weight,
        n=term.metric.n,
        reason=term.metric.reason,
        norm_set=None if norms is None else norms.name,
        term=part,
        is_other_device=form > 1 and norms is not None and not norms.is_of_device(case.measures.device_input),
    )


def _correlations(
    scored: dict[str, Standing], measures: Measures, prior_df: int
) -> dict[str, dict[str, int]]:
    """Of the errors of every two scored traits, each pair once."""
    names = sorted(scored)
    return {
        name: {
            other: micro_ratio(
                covariance(scored[name], scored[other], measures, prior_df),
                scored[name].sem * scored[other].sem // MICRO,
            )
            for other in names[:place]
        }
        for place, name in enumerate(names)
        if place
    }
