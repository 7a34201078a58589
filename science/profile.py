"""A trait profile: what a mapping makes of a session's measures, with what it takes to trust it, or the reasons not to.

``infer`` is pure; ``canonical`` of a profile gives the bytes that a replay must give again.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter

import msgspec

from science.bootstrap import bootstrap
from science.canonical import digest, encoded
from science.exact import MICRO, micro_ratio, micro_root
from science.games import GAMES
from science.mapping import Published
from science.measure import Measures
from science.reasons import Reason
from science.refusal import Case, Stood, cases_of
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


class Figures(msgspec.Struct, frozen=True, gc=False):
    """What a scored trait tells of its standing: Phi of the composite, of the intervals' ends and of what it shrinks to, and what
    each term of the trait adds to the composite (None: nothing). Micro-units.
    """

    standing: Standing
    score: int
    ci: tuple[int, int]
    ci_trait: tuple[int, int] | None
    score_shrunk: int
    parts: Sequence[int | None]


def infer(measures: Measures, published: Published) -> Profile:
    """The profile of a session by a mapping. Pure."""
    mapping = published.mapping
    stood: dict[str, Stood] = {}
    for trait, rule in mapping.traits.items():
        terms = terms_of(measures, published, rule)
        stood[trait] = terms, stand(terms, measures, published, rule)
    cases = cases_of(measures, published, stood)
    scored = {
        trait: case.standing
        for trait, case in cases.items()
        if case.standing is not None and not case.reasons
    }
    if mapping.interval.method == "bca":
        scored = bootstrap(scored, measures, published)
    figures = {trait: _figures(standing, cases[trait].terms) for trait, standing in scored.items()}
    correlations = _correlations(scored, measures, mapping.interval.prior_df) if mapping.form > 1 else {}
    return profile_of(measures, published, cases, figures, correlations)


def profile_of(
    measures: Measures,
    published: Published,
    cases: Mapping[str, Case],
    figures: Mapping[str, Figures],
    correlations: dict[str, dict[str, int]],
) -> Profile:
    """The profile of a session whose cases are decided: those that have figures are scored."""
    mapping, definitions = _named(published)
    return Profile(
        session_id=measures.session_id,
        events_digest=measures.events_digest,
        mapping=mapping,
        definitions=definitions,
        norms=published.norm_hashes,
        schemas=measures.schemas,
        traits={trait: _score(case, figures.get(trait)) for trait, case in cases.items()},
        correlations=correlations,
    )


@lru_cache(maxsize=64)
def _named(published: Published) -> tuple[MappingName, str]:
    """The mapping, and the hash of the definitions that it listens to: a new game or metric leaves old profiles as they are."""
    mapping = published.mapping
    rules = (metric for rule in mapping.traits.values() for metric in rule.metrics)
    heard = {(metric.metric, metric.definition) for metric in rules}
    definitions = digest(
        [
            definition
            for game in GAMES.values()
            for definition in game.definitions
            if (definition.id, definition.version) in heard
        ]
    )
    return MappingName(mapping.id, mapping.semver, published.mapping_hash), definitions


_WEIGHT = attrgetter("rule.weight")


def _figures(standing: Standing, terms: Sequence[Term]) -> Figures:
    c, days = standing.c, standing.trait_interval
    root = micro_root(standing.scale, MICRO)
    return Figures(
        standing=standing,
        score=probability(c),
        ci=_of_probability(standing.interval),
        ci_trait=None if days is None else _of_probability(days),
        score_shrunk=probability(c * standing.reliability // (100 * MICRO)),
        parts=[
            micro_ratio(term.rule.weight * term.y, root * MICRO) if term in standing.terms else None
            for term in terms
        ],
    )


def _score(case: Case, figures: Figures | None) -> TraitScore:
    mapping, terms = case.published.mapping, case.terms
    standing = case.standing if figures is None else figures.standing
    heaviest = max(terms, key=_WEIGHT)
    return TraitScore(
        status="insufficient" if figures is None else "scored",
        provisional=any(term.norm_set is not None and term.norm_set.status != "reference" for term in terms),
        score=None if figures is None else figures.score,
        ci=None if figures is None else figures.ci,
        ci_level=mapping.interval.level,
        ci_method=None if standing is None else standing.method,
        ci_trait=None if figures is None else figures.ci_trait,
        ci_trait_reason=_why_no_trait_interval(case, standing),
        t=None if figures is None else 50 * MICRO + 10 * figures.standing.c,
        percentile=None if figures is None else 100 * figures.score,
        score_shrunk=None if figures is None else figures.score_shrunk,
        sem=None if standing is None else standing.sem,
        reliability=None if standing is None else standing.reliability,
        quality=case.judged.score,
        completeness=case.completeness,
        n=heaviest.metric.n,
        reasons=case.reasons,
        contributions=_contributions(case, figures),
        maturity=case.rule.status if mapping.form > 1 else "",
    )


def _why_no_trait_interval(case: Case, standing: Standing | None) -> str | None:
    if standing is None and case.published.mapping.form > 1:
        return "not_scored"
    return "no_retest_study" if standing is None or standing.trait_interval is None else None


def _of_probability(interval: tuple[int, int]) -> tuple[int, int]:
    """Phi rises, so the ends of an interval map through it."""
    return probability(interval[0]), probability(interval[1])


def _contributions(case: Case, figures: Figures | None) -> list[Contribution]:
    """The z of a refused trait would be its score by another name, so it stays out (form 1 still told it)."""
    is_first_form, device = case.published.mapping.form == 1, case.measures.device_input
    parts = [None] * len(case.terms) if figures is None or is_first_form else figures.parts
    is_told = is_first_form or figures is not None
    contributions = []
    for term, part in zip(case.terms, parts, strict=True):
        rule, metric, norms = term.rule, term.metric, term.norm_set
        contributions.append(
            Contribution(
                metric=rule.metric,
                value=metric.value,
                se=metric.se,
                z=term.z if is_told else None,
                weight=rule.weight,
                n=metric.n,
                reason=metric.reason,
                norm_set=None if norms is None else norms.name,
                term=part,
                is_other_device=not is_first_form and norms is not None and not norms.is_of_device(device),
            )
        )
    return contributions


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
