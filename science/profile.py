"""A trait profile: what a mapping makes of a session's measures, with what it takes to trust it, or the reasons not to.

``infer`` is pure; ``canonical`` of a profile gives the bytes that a replay must give again.
"""

import msgspec

from science.canonical import canonical, digest
from science.exact import MICRO, micro, micro_ratio, micro_root, normal_cdf, q32
from science.game import Metric
from science.games import GAMES
from science.mapping import Norm, NormSet, Published, TraitRule
from science.measure import Measures
from science.quality import Quality, quality
from science.reasons import Reason


class Contribution(msgspec.Struct, frozen=True):
    """What a metric brought: its value and z, in micro-units."""

    metric: str
    value: int | None
    se: int | None
    z: int | None
    weight: int
    n: int
    reason: str | None  # what to mind about the value, such as censored: a lower bound
    norm_set: str | None


class TraitScore(msgspec.Struct, frozen=True):
    """One trait. Numbers in micro-units; ``score`` and all that follows from it are None unless ``status`` is scored.

    ``ci`` is the interval of this session's precision and of the norms' uncertainty; ``ci_trait`` would add the day-to-day
    variance, and is None while no retest study exists. ``sem`` is the standard error of z; ``completeness``, ``quality`` and
    ``reliability`` count in 0-100, ``percentile`` too.
    """

    status: str
    provisional: bool
    score: int | None
    ci: tuple[int, int] | None
    ci_level: int
    ci_method: str | None
    ci_trait: None
    ci_trait_reason: str
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


class MappingName(msgspec.Struct, frozen=True):
    """Which mapping, and its hash."""

    id: str
    semver: str
    hash: str


class Profile(msgspec.Struct, frozen=True):
    """What a session says about a person, by one mapping. Its canonical bytes hold nothing of when or where it was made."""

    session_id: str
    events_digest: str
    mapping: MappingName
    definitions: str
    norms: dict[str, str]
    schemas: dict[str, str]
    traits: dict[str, TraitScore]

    def canonical(self) -> bytes:
        """The bytes that every replay must give again."""
        return canonical(self)


def infer(measures: Measures, published: Published) -> Profile:
    """The profile of a session by a mapping. Pure."""
    mapping = published.mapping
    judged = quality(measures, mapping.quality)
    return Profile(
        session_id=measures.session_id,
        events_digest=measures.events_digest,
        mapping=MappingName(mapping.id, mapping.semver, published.mapping_hash),
        definitions=_definitions(published),
        norms=published.norm_hashes,
        schemas=measures.schemas,
        traits={
            trait: _infer_trait(measures, published, judged, rule) for trait, rule in mapping.traits.items()
        },
    )


def _definitions(published: Published) -> str:
    """The hash of the definitions that the mapping listens to: a new game or metric leaves old profiles as they are."""
    heard = {(rule.metric, rule.definition) for rule in published.mapping.traits.values()}
    return digest(
        [
            definition
            for game in GAMES.values()
            for definition in game.definitions
            if (definition.id, definition.version) in heard
        ]
    )


class _Standing(msgspec.Struct, frozen=True):
    """Where a person stands in the norm set: z and its standard error, reliability in 0-100; micro-units."""

    z: int
    sem: int
    method: str
    reliability: int
    norm: Norm


class _Case(msgspec.Struct, frozen=True):
    """One trait of one session, with what decides about it."""

    measures: Measures
    published: Published
    judged: Quality
    rule: TraitRule
    metric: Metric
    norm_set: NormSet | None
    scored: int
    planned: int

    @property
    def completeness(self) -> int:
        """Scored of planned units, in micro-units of 0-100."""
        return 100 * MICRO * min(self.scored, self.planned) // self.planned if self.planned else 0


def _infer_trait(measures: Measures, published: Published, judged: Quality, rule: TraitRule) -> TraitScore:
    plays = [game for game in measures.games if game.game == rule.game]
    comparable = [norms for norms in published.norms.values() if _is_comparable(norms, rule, measures)]
    case = _Case(
        measures=measures,
        published=published,
        judged=judged,
        rule=rule,
        metric=measures.metrics.get(rule.metric, Metric(None, 0, "", None, "game_not_played")),
        norm_set=comparable[0] if comparable else None,
        scored=sum(play.tally.scored for play in plays),
        planned=sum(play.tally.planned for play in plays) + measures.unplayed.get(rule.game, 0),
    )
    standing = _stand(case)
    reasons = [*_session_reasons(case), *_evidence_reasons(case, standing)]
    is_scored = standing is not None and not reasons
    probability = _probability(standing.z) if standing is not None and is_scored else None
    shrunk = standing.z * standing.reliability // (100 * MICRO) if standing is not None else 0
    return TraitScore(
        status="scored" if is_scored else "insufficient",
        provisional=case.norm_set is not None and case.norm_set.status == "provisional",
        score=probability,
        ci=_interval(case, standing) if standing is not None and is_scored else None,
        ci_level=published.mapping.interval.level,
        ci_method=standing.method if standing is not None else None,
        ci_trait=None,
        ci_trait_reason="no_retest_study",
        t=50 * MICRO + 10 * standing.z if standing is not None and is_scored else None,
        percentile=100 * probability if probability is not None else None,
        score_shrunk=_probability(shrunk) if is_scored else None,
        sem=standing.sem if standing is not None else None,
        reliability=standing.reliability if standing is not None else None,
        quality=judged.score,
        completeness=case.completeness,
        n=case.metric.n,
        reasons=reasons,
        contributions=[_contribution(case, standing)],
    )


def _is_comparable(norms: NormSet, rule: TraitRule, measures: Measures) -> bool:
    """Every play of the trait's game agrees with the sample in all that scores depend on (science B.3)."""
    plays = [game for game in measures.games if game.game == rule.game]
    return (
        norms.game == rule.game
        and rule.metric in norms.metrics
        and bool(plays)
        and all(play.match == norms.match for play in plays)
    )


def _stand(case: _Case) -> _Standing | None:
    """z = d (x - mu) / sigma, winsorised; reliability rho = tau^2 / (tau^2 + SE^2) with tau^2 that of the sample (B.1, B.4)."""
    norm = None if case.norm_set is None else case.norm_set.metrics[case.rule.metric]
    if norm is None or case.metric.value is None or case.metric.se is None:
        return None
    z = micro_ratio(case.rule.direction * (case.metric.value - norm.mean), norm.sd)
    z = max(-case.rule.winsor, min(case.rule.winsor, z))
    sem, method = micro_ratio(case.metric.se, norm.sd), case.published.mapping.interval.method
    if (
        sem == 0
    ):  # all units alike: nothing shows their spread, so the sample's own reliability stands in (B.4)
        sem, method = micro_root(MICRO - norm.reliability, MICRO), "sem"
    tau2 = norm.reliability * MICRO
    return _Standing(z, sem, method, micro_ratio(100 * tau2, tau2 + sem * sem), norm)


def _interval(case: _Case, standing: _Standing) -> tuple[int, int]:
    """Phi(z -+ q s), s^2 = SEM^2 + 1/N + z^2 / 2N: this session's precision and the norms' own uncertainty (B.3, B.4)."""
    norms_variance = micro_ratio(
        2 * MICRO * MICRO + standing.z * standing.z, 2 * standing.norm.n * MICRO * MICRO
    )
    half = micro_root(standing.sem * standing.sem + norms_variance * MICRO, MICRO * MICRO)
    half = micro_ratio(half * case.published.mapping.interval.z, MICRO * MICRO)
    return _probability(standing.z - half), _probability(standing.z + half)


def _probability(z: int) -> int:
    """Phi in micro-units of a z in micro-units."""
    return micro(normal_cdf(q32(z)))


def _contribution(case: _Case, standing: _Standing | None) -> Contribution:
    norms = case.norm_set
    return Contribution(
        metric=case.rule.metric,
        value=case.metric.value,
        se=case.metric.se,
        z=standing.z if standing is not None else None,
        weight=MICRO,
        n=case.metric.n,
        reason=case.metric.reason,
        norm_set=None if norms is None else f"{norms.id}.v{norms.version}",
    )


# ------------------------------------------------------------------------------------------------- thresholds (B.6)


def _session_reasons(case: _Case) -> list[Reason]:
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


def _evidence_reasons(case: _Case, standing: _Standing | None) -> list[Reason]:
    """What is too little to go on for this trait."""
    minimum, rule = case.published.mapping.minimum, case.rule
    needs = [(case.scored, minimum.sample, f"scored {rule.unit}", rule.unit)]
    for metric, need in rule.requires.items():
        found = case.measures.metrics.get(metric, Metric(None, 0, ""))
        needs.append(((found.value or 0) // MICRO, need.minimum, need.unit, need.unit))
    lacking = next((need for need in needs if need[0] < need[1]), None)
    reasons: list[Reason] = []
    details: dict[str, int | str]
    if lacking is not None:
        count, needed, unit, of = lacking
        details = {"scored": count, "needed": needed, "more": needed - count, "unit": unit, "of": of}
        reasons.append(_reason(case, "R_SAMPLE", (count, needed), **details))
    if case.completeness < minimum.completeness:
        more = -(-case.planned * minimum.completeness // (100 * MICRO)) - case.scored
        details = {
            "needed": minimum.completeness // MICRO,
            "more": more,
            "planned": case.planned,
            "unit": rule.unit,
        }
        reasons.append(_reason(case, "R_COMPLETENESS", (case.completeness, minimum.completeness), **details))
    reasons += _standing_reasons(case, standing)
    is_provisional = case.norm_set is not None and case.norm_set.status == "provisional"
    if is_provisional and not case.published.mapping.allow_provisional:
        reasons.append(_reason(case, "R_NORMS", ("provisional", "reference"), played="provisional"))
    return reasons


def _standing_reasons(case: _Case, standing: _Standing | None) -> list[Reason]:
    """Why there is no standing, or why it cannot be relied on."""
    minimum, rule, why = case.published.mapping.minimum, case.rule, case.metric.reason or "unknown"
    details: dict[str, int | str]
    if case.metric.value is None:
        details = {"metric": rule.metric, "reason": why, "unit": rule.unit, "game": rule.game}
        return [_reason(case, "R_METRIC", (None, None), **details)]
    if case.metric.se is None:
        return [_reason(case, "R_CI", (None, None), metric=rule.metric, reason=why, unit=rule.unit)]
    if standing is None:
        played = _matches(case)
        known = "; ".join(_match(norms.match) for norms in case.published.norms.values())
        return [_reason(case, "R_NORMS", (played, known), played=played)]
    if standing.reliability < minimum.reliability:
        more = _units_to_add(standing, minimum.reliability, case.scored)
        details = {"reached": standing.reliability // MICRO, "needed": minimum.reliability // MICRO}
        details |= {"more": more, "unit": rule.unit}
        return [_reason(case, "R_RELIABILITY", (standing.reliability, minimum.reliability), **details)]
    return []


def _reason(
    case: _Case, code: str, figures: tuple[int | str | None, int | str | None], **details: int | str
) -> Reason:
    observed, required = figures
    return Reason(code, observed, required, details, [case.rule.metric])


def _units_to_add(standing: _Standing, required: int, scored: int) -> int:
    """By Spearman-Brown: SE^2 falls as 1 / n, so n' = n SE^2 / (tau^2 (1 - r) / r); rounded up."""
    allowed = standing.norm.reliability * (100 * MICRO - required) // required
    needed = -(-scored * standing.sem * standing.sem // (allowed * MICRO))
    return max(1, needed - scored)


def _matches(case: _Case) -> str:
    plays = [game for game in case.measures.games if game.game == case.rule.game]
    return "; ".join(_match(play.match) for play in plays) or "the game was not played"


def _match(match: dict[str, int | str]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(match.items()))
