"""Where a person stands: composites, their moderated errors and their intervals, against the formulas written anew in floats."""

from math import sqrt
from random import Random

import msgspec
import pytest
from scipy import stats

from science.game import Metric
from science.mapping import Fold, MetricRule, Norm, NormSet, Published, TraitRule, load
from science.measure import GameMeasures, Measures, Precision
from science.standing import (
    Standing,
    _fold_slope,
    composite_of,
    count_of,
    covariance,
    folded,
    norms_variance,
    probability,
    stand,
    student,
    terms_of,
)
from tests.science.builders import measures_of, pilot, session_events

M = 1_000_000
GAMES = {"balloon_risk": ("a", "b"), "reaction_timer": ("c",)}
Z95 = stats.norm.ppf(0.975)
FOLD = Fold(shrink=600_000, limit=2_500_000, mean=518_288, sd=778_167, reliability=253_000)


def micro(value: float) -> int:
    return round(value * M)


def published(rule: TraitRule, norms: dict[str, Norm], **interval: object) -> Published:
    """Core 1.0.0 with these norms and this one trait."""
    core = load("core@1.0.0")
    sets = {
        f"{game}.v1": NormSet(
            id=game,
            version=1,
            status="reference",
            game=game,
            match={"size": 1},
            sample="",
            source="",
            metrics={name: norms[name] for name in names if name in norms},
        )
        for game, names in GAMES.items()
    }
    no_counts = {game: msgspec.structs.replace(of, counts=[]) for game, of in core.mapping.games.items()}
    mapping = msgspec.structs.replace(
        core.mapping,
        traits={"trait": rule},
        norms=list(sets),
        games=no_counts,
        interval=msgspec.structs.replace(core.mapping.interval, **interval),
    )
    return msgspec.structs.replace(core, mapping=mapping, norms=sets)


def measures(
    values: dict[str, float], covariances: dict[str, dict[str, dict[str, float]]], units: dict[str, int]
) -> Measures:
    """A session of these metrics; covariances by game, each pair once."""
    base = measures_of(session_events())
    found = {}
    for game, names in GAMES.items():
        for name in names:
            if name in values:
                own = covariances[game].get(name, {}).get(name)
                found[name] = Metric(micro(values[name]), 20, "", None if own is None else micro(sqrt(own)))
    return msgspec.structs.replace(
        base,
        metrics=found,
        games=[GameMeasures(game, {"size": 1}, base.games[0].tally) for game in GAMES],
        precisions={
            game: Precision(
                units[game],
                {
                    name: {other: round(value * M * M) for other, value in row.items()}
                    for name, row in covariances[game].items()
                },
            )
            for game in GAMES
        },
    )


NORMS = {
    "a": Norm(n=124, mean=micro(1.5), sd=micro(0.3), reliability=micro(0.9), length=18),
    "b": Norm(n=90, mean=micro(-0.2), sd=micro(0.5), reliability=micro(0.4), length=30),
    "c": Norm(n=522, mean=micro(3.1), sd=micro(0.46), reliability=micro(0.95), length=6),
}
WEIGHTS, DIRECTIONS = {"a": 0.5, "b": 0.2, "c": 0.3}, {"a": 1, "b": -1, "c": 1}
RULE = TraitRule(
    status="provisional",
    correlation=micro(0.1),
    required=[["a"]],
    metrics=[
        MetricRule(name, 1, micro(WEIGHTS[name]), DIRECTIONS[name], game)
        for game, names in GAMES.items()
        for name in names
    ],
)
COVARIANCES = {
    "balloon_risk": {"a": {"a": 0.005}, "b": {"a": -0.002, "b": 0.03}},
    "reaction_timer": {"c": {"c": 0.012}},
}
UNITS = {"balloon_risk": 30, "reaction_timer": 6}
VALUES = {"a": 1.9, "b": 0.3, "c": 2.7}


def standing_of(found: Measures, by: Published, rule: TraitRule = RULE) -> Standing | None:
    return stand(terms_of(found, by, rule), found, by, rule)


def certain(standing: Standing | None) -> Standing:
    assert standing is not None
    return standing


def oracle(prior_df: float = 8) -> tuple[float, float, float, float]:
    """c, SEM, degrees of freedom and reliability of the session above, by the formulas of the module's docstring."""
    z = {
        name: DIRECTIONS[name] * (VALUES[name] - NORMS[name].mean / M) / (NORMS[name].sd / M)
        for name in VALUES
    }
    squares = sum(w * w for w in WEIGHTS.values())
    scale = squares + 0.1 * (sum(WEIGHTS.values()) ** 2 - squares)
    c = sum(WEIGHTS[name] * z[name] for name in z) / sqrt(scale)
    total, spread = 0.0, 0.0
    for game, names in GAMES.items():
        units = UNITS[game]
        session = prior = 0.0
        for one in names:
            norm = NORMS[one]
            prior += WEIGHTS[one] ** 2 * (1 - norm.reliability / M) * norm.length / units
            for other in names:
                pair = COVARIANCES[game].get(one, {}).get(other, COVARIANCES[game][other].get(one))
                assert pair is not None
                gain = WEIGHTS[one] * DIRECTIONS[one] / (norm.sd / M)
                session += gain * WEIGHTS[other] * DIRECTIONS[other] / (NORMS[other].sd / M) * pair
        df = prior_df + units - 1
        variance = (prior_df * prior + (units - 1) * session) / df
        total += variance
        spread += variance**2 / df
    unreliable = sum(WEIGHTS[name] ** 2 * (1 - NORMS[name].reliability / M) for name in WEIGHTS)
    tau2 = 1 - unreliable / scale
    sem = sqrt(total / scale)
    return c, sem, total**2 / spread, 100 * tau2 / (tau2 + sem**2)


def test_a_composite_is_that_of_the_formulas() -> None:
    """The weighted z, its moderated error over two games, Welch and Satterthwaite's degrees of freedom, Mosier's reliability."""
    found = measures(VALUES, COVARIANCES, UNITS)
    standing = certain(standing_of(found, published(RULE, NORMS)))
    c, sem, df, reliability = oracle()
    assert standing.c == pytest.approx(c * M, abs=3)
    assert standing.sem == pytest.approx(sem * M, abs=3)
    assert standing.df == pytest.approx(df * M, rel=1e-4)
    assert standing.reliability == pytest.approx(reliability * M, rel=1e-5)
    assert standing.method == "moderated_jackknife"
    norms = sum(
        (WEIGHTS[t.rule.metric] ** 2) * (1 / t.norm.n + (t.z / M) ** 2 / (2 * t.norm.n))  # type: ignore[union-attr,operator]
        for t in standing.terms
    ) / (standing.scale / M)
    half = sqrt((stats.t.ppf(0.975, df) * sem) ** 2 + Z95**2 * norms)
    assert standing.interval[1] - standing.c == pytest.approx(half * M, rel=1e-3)
    assert standing.c - standing.interval[0] == standing.interval[1] - standing.c


@pytest.mark.parametrize("prior_df", [1, 30, 1000])
def test_the_prior_weighs_by_its_degrees_of_freedom(prior_df: int) -> None:
    """From hardly at all to nearly everything."""
    found = measures(VALUES, COVARIANCES, UNITS)
    standing = certain(standing_of(found, published(RULE, NORMS, prior_df=prior_df)))
    assert standing.sem == pytest.approx(oracle(prior_df)[1] * M, abs=3)


def test_units_that_agree_by_chance_are_not_believed() -> None:
    """No spread at all tells nothing of the error: it is the sample's, on the sample's degrees of freedom, and never 0."""
    none = {"balloon_risk": {"a": {"a": 0.0}, "b": {"a": 0.0, "b": 0.0}}, "reaction_timer": {"c": {"c": 0.0}}}
    found = certain(standing_of(measures(VALUES, none, UNITS), published(RULE, NORMS)))
    assert found.sem == pytest.approx(oracle(10**9)[1] * M, abs=3)
    assert found.df is not None
    assert 8 * M <= found.df <= 16 * M  # two games
    one = {
        "balloon_risk": {"a": {"a": 0.0}, "b": {"a": 0.0, "b": 0.0}},
        "reaction_timer": COVARIANCES["reaction_timer"],
    }
    other = certain(standing_of(measures(VALUES, one, UNITS), published(RULE, NORMS)))
    alike = WEIGHTS["a"] ** 2 * 0.1 * 18 / 30 + WEIGHTS["b"] ** 2 * 0.6 * 30 / 30
    shown = WEIGHTS["c"] ** 2 * (8 * 0.05 * 6 / 6 + 5 * 0.012 / 0.46**2) / 13
    df = (alike + shown) ** 2 / (alike**2 / 8 + shown**2 / 13)  # 5 more where units differ
    assert other.df == pytest.approx(df * M, rel=1e-4)


def test_the_covariance_of_a_composite_with_itself_is_its_variance() -> None:
    """And with its negative, minus that."""
    found = measures(VALUES, COVARIANCES, UNITS)
    by = published(RULE, NORMS)
    standing = certain(standing_of(found, by))
    assert covariance(standing, standing, found, 8) == pytest.approx(standing.sem**2 / M, rel=1e-4)
    turned = msgspec.structs.replace(
        RULE, metrics=[msgspec.structs.replace(one, direction=-one.direction) for one in RULE.metrics]
    )
    other = certain(standing_of(found, published(turned, NORMS), turned))
    assert covariance(standing, other, found, 8) == pytest.approx(
        -covariance(standing, standing, found, 8), abs=1
    )


def test_the_composite_can_be_worked_out_again() -> None:
    """The same values give the same c; one value missing gives none."""
    found = measures(VALUES, COVARIANCES, UNITS)
    standing = certain(standing_of(found, published(RULE, NORMS)))
    values = {game: {name: found.metrics[name].value for name in names} for game, names in GAMES.items()}
    assert composite_of(standing, values) == standing.c
    assert composite_of(standing, {**values, "reaction_timer": {"c": None}}) is None


def test_a_folded_composite_can_be_worked_out_again() -> None:
    """What was folded is folded again."""
    rule = with_fold("a")
    found = measures(VALUES, COVARIANCES, UNITS)
    standing = certain(standing_of(found, published(rule, NORMS), rule))
    values = {game: {name: found.metrics[name].value for name in names} for game, names in GAMES.items()}
    assert composite_of(standing, values) == standing.c


def test_every_group_of_required_metrics_must_be_there() -> None:
    """One of each group is enough, one group of two is not."""
    both = msgspec.structs.replace(RULE, required=[["a"], ["b", "c"]])
    by = published(both, NORMS)
    assert standing_of(measures({"a": 1.9}, COVARIANCES, UNITS), by, both) is None
    assert standing_of(measures({"a": 1.9, "c": 2.7}, COVARIANCES, UNITS), by, both) is not None


def test_z_is_winsorised() -> None:
    """A value of another world counts as 3.5, on either side."""
    for value, z in ((99.0, 3_500_000), (-99.0, -3_500_000)):
        standing = certain(
            standing_of(measures({**VALUES, "a": value}, COVARIANCES, UNITS), published(RULE, NORMS))
        )
        assert standing.terms[0].z == z


def test_what_is_not_there_has_no_weight() -> None:
    """The others make the composite alone, and its scale is theirs; what is required must be there."""
    by = published(RULE, NORMS)
    standing = certain(standing_of(measures({"a": 1.9, "c": 2.7}, COVARIANCES, UNITS), by))
    assert [term.rule.metric for term in standing.terms] == ["a", "c"]
    assert standing.scale == pytest.approx((0.25 + 0.09 + 0.1 * 2 * 0.15) * M, abs=1)
    assert standing_of(measures({"b": 0.3, "c": 2.7}, COVARIANCES, UNITS), by) is None
    either = msgspec.structs.replace(RULE, required=[["a", "b"]])
    assert standing_of(measures({"b": 0.3, "c": 2.7}, COVARIANCES, UNITS), published(either, NORMS), either)


def test_what_was_not_played_says_so() -> None:
    """No value, no count, no unit, no error; only the reason."""
    terms = terms_of(measures({"a": 1.9}, COVARIANCES, UNITS), published(RULE, NORMS), RULE)
    assert terms[1].metric == Metric(None, 0, "", None, "game_not_played")
    assert (terms[1].z, terms[1].y, terms[1].coefficient) == (None, 0, 0)


def test_a_metrics_error_is_moderated() -> None:
    """(nu_0 P + nu S) / (nu_0 + nu) of z, S by the session's units and P by the norm's reliability at their number."""
    for term in terms_of(measures(VALUES, COVARIANCES, UNITS), published(RULE, NORMS), RULE):
        name, units, norm = term.rule.metric, UNITS[term.rule.game], NORMS[term.rule.metric]
        session = COVARIANCES[term.rule.game][name][name] / (norm.sd / M) ** 2
        prior = (1 - norm.reliability / M) * norm.length / units
        assert term.se == pytest.approx(sqrt((8 * prior + (units - 1) * session) / (7 + units)) * M, abs=3)


def test_one_unit_stands_nowhere_but_by_an_error_of_its_own() -> None:
    """One block of trials shows no spread, so its metric has no place; the pilot's error comes with the metric."""
    found = measures(VALUES, COVARIANCES, UNITS)
    precisions = {**found.precisions, "reaction_timer": Precision(1, {})}
    found = msgspec.structs.replace(found, precisions=precisions)
    terms = terms_of(found, published(RULE, NORMS), RULE)
    assert [term.z is None for term in terms] == [False, False, True]
    assert terms[2].metric.se is not None
    by = pilot()
    rule = by.mapping.traits["risk_tolerance"]
    (alone,) = terms_of(measures_of(session_events([(3, "collected")])), by, rule)
    assert alone.z is not None
    assert (alone.se, alone.y) == (0, alone.z)


def test_an_error_without_a_value_places_nobody() -> None:
    """Where there is no value there is no z, whatever else is said of the metric."""
    found = measures(VALUES, COVARIANCES, UNITS)
    hollow = msgspec.structs.replace(found.metrics["a"], value=None)
    found = msgspec.structs.replace(found, metrics={**found.metrics, "a": hollow})
    assert terms_of(found, published(RULE, NORMS), RULE)[0].z is None


def test_norms_are_those_of_the_metrics_game() -> None:
    """A set of another game that has the metric too is passed over, and how another game was played does not matter."""
    by = published(RULE, NORMS)
    own = by.norms["balloon_risk.v1"]
    other = msgspec.structs.replace(own, id="other", game="reaction_timer")
    by = msgspec.structs.replace(by, norms={"other.v1": other, **by.norms})
    found = measures(VALUES, COVARIANCES, UNITS)
    balloons, reactions = found.games
    found = msgspec.structs.replace(
        found, games=[balloons, msgspec.structs.replace(reactions, match={"size": 2})]
    )
    assert [term.norm_set for term in terms_of(found, by, RULE)] == [own, own, None]


def test_a_count_is_in_whole_units() -> None:
    """Rounded down; none where the game was not played or has no value."""
    found = measures({"a": 2.9}, COVARIANCES, UNITS)
    hollow = msgspec.structs.replace(found.metrics["a"], value=None)
    found = msgspec.structs.replace(found, metrics={**found.metrics, "b": hollow})
    assert [count_of(found, name) for name in ("a", "b", "c")] == [2, 0, 0]


def test_what_is_surely_without_error_has_the_priors_degrees_of_freedom() -> None:
    """A perfect norm and units all alike: SEM 0, and nothing divides by it."""
    none = {"balloon_risk": {"a": {"a": 0.0}, "b": {"a": 0.0, "b": 0.0}}, "reaction_timer": {"c": {"c": 0.0}}}
    perfect = {name: msgspec.structs.replace(norm, reliability=M) for name, norm in NORMS.items()}
    standing = certain(standing_of(measures(VALUES, none, UNITS), published(RULE, perfect)))
    assert (standing.sem, standing.df, standing.reliability) == (0, 8 * M, 100 * M)


@pytest.mark.parametrize("absent", ["norm", "error"])
def test_without_a_norm_or_an_error_a_metric_stands_nowhere(absent: str) -> None:
    """Neither is guessed."""
    norms = {name: norm for name, norm in NORMS.items() if absent != "norm" or name != "a"}
    spreads = dict(COVARIANCES)
    if absent == "error":
        spreads["balloon_risk"] = {"b": {"b": 0.03}}
    assert standing_of(measures(VALUES, spreads, UNITS), published(RULE, norms)) is None


def test_an_optional_metric_needs_its_game_played_enough_and_a_required_one_is_judged_by_the_rules() -> None:
    """Three trials of a game are no evidence for a trait that can do without it."""
    found = measures(VALUES, COVARIANCES, UNITS)
    by = published(RULE, NORMS)
    terms = [msgspec.structs.replace(term, is_counted=False) for term in terms_of(found, by, RULE)]
    standing = certain(stand(terms, found, by, RULE))
    assert [term.rule.metric for term in standing.terms] == ["a"]


def test_the_norms_own_uncertainty_is_that_of_their_mean_and_sd() -> None:
    """1/N + z^2/2N: at z = 2 and N = 100 it is .03, and a weight of a half makes a quarter of it."""
    (term, *_) = terms_of(measures(VALUES, COVARIANCES, UNITS), published(RULE, NORMS), RULE)
    term = msgspec.structs.replace(term, z=2 * M, norm=msgspec.structs.replace(NORMS["a"], n=100))
    assert norms_variance([term], M) == 7_500
    assert norms_variance([], M) == 0


def test_of_a_required_group_what_was_played_enough_is_used() -> None:
    """And where nothing was, all of it that stands anywhere; a metric that stands nowhere was not played enough."""
    either = msgspec.structs.replace(RULE, required=[["a", "b"]])
    found, by = measures(VALUES, COVARIANCES, UNITS), published(either, NORMS)
    a, b, c = terms_of(found, by, either)
    hollow, few = msgspec.structs.replace(a, z=None), msgspec.structs.replace(b, is_counted=False)
    assert certain(stand([a, few, c], found, by, either)).terms == (a, c)
    assert certain(stand([hollow, few, c], found, by, either)).terms == (few, c)


def test_another_day_widens_the_interval_where_a_retest_is_known() -> None:
    """SE^2 + rho - r; nothing is said where one of the metrics has no retest, or is folded."""
    days = {
        name: msgspec.structs.replace(norm, retest=norm.reliability - micro(0.3))
        for name, norm in NORMS.items()
    }
    found = measures(VALUES, COVARIANCES, UNITS)
    standing = certain(standing_of(found, published(RULE, days)))
    assert standing.trait_interval is not None
    half, wide = (high - standing.c for high in (standing.interval[1], standing.trait_interval[1]))
    more = 0.3 * sum(w * w for w in WEIGHTS.values()) / (standing.scale / M)
    assert wide / M == pytest.approx(sqrt((half / M) ** 2 + Z95**2 * more), rel=1e-3)
    assert certain(standing_of(found, published(RULE, {**days, "c": NORMS["c"]}))).trait_interval is None
    bent = with_fold("c")
    assert certain(standing_of(found, published(bent, days), bent)).trait_interval is None


def test_a_retest_above_the_reliability_takes_nothing_away() -> None:
    """The day's variance is at least 0."""
    days = {name: msgspec.structs.replace(norm, retest=M) for name, norm in NORMS.items()}
    standing = certain(standing_of(measures(VALUES, COVARIANCES, UNITS), published(RULE, days)))
    assert standing.trait_interval == standing.interval


# ------------------------------------------------------------------------------------------------------------- folding


def with_fold(name: str) -> TraitRule:
    return msgspec.structs.replace(
        RULE,
        metrics=[
            msgspec.structs.replace(one, fold=FOLD) if one.metric == name else one for one in RULE.metrics
        ],
    )


def plain_fold(z: float) -> float:
    f = stats.norm.ppf(1 - abs(2 * stats.norm.cdf(0.6 * z) - 1))
    return (max(-2.5, min(2.5, f)) - 0.518288) / 0.778167


@pytest.mark.parametrize("z", [-3.5, -1.2, -0.4, -0.001, 0.0, 0.001, 0.4, 1.2, 3.5])
def test_a_fold_is_that_of_the_formula(z: float) -> None:
    """Alike on both sides, highest in the middle."""
    assert folded(micro(z), FOLD) == pytest.approx(plain_fold(z) * M, abs=30)
    assert folded(micro(z), FOLD) == folded(-micro(z), FOLD)


def test_a_fold_is_standardised_in_the_norm() -> None:
    """Over z of a standard normal its mean is 0 and its SD 1 (the constants of the mapping say so)."""
    dice = Random(7)
    for rule in load("core@1.0.0").mapping.traits["emotional_regulation"].metrics:
        if rule.fold is not None:
            values = [folded(round(dice.gauss(0, M)), rule.fold) / M for _ in range(20_000)]
            mean = sum(values) / len(values)
            assert mean == pytest.approx(0, abs=0.03)
            assert sqrt(sum((x - mean) ** 2 for x in values) / len(values)) == pytest.approx(1, abs=0.03)


def test_a_folded_metric_is_as_unsure_at_its_top_as_beside_it() -> None:
    """Where a derivative would be 0, the range within one standard error is not; beside it the slope has the side's sign."""
    rule = with_fold("a")
    by = published(rule, NORMS)
    slopes = []
    for value in (1.0, 1.5, 2.0):  # the norm's mean is 1.5
        found = measures({**VALUES, "a": value}, COVARIANCES, UNITS)
        term = terms_of(found, by, rule)[0]
        assert term.z is not None
        assert term.y == folded(term.z, FOLD)
        assert term.reliability == FOLD.reliability
        slopes.append(term.slope)
    assert slopes[0] > 0 > slopes[2]
    assert slopes[1] > 0
    assert slopes[0] == pytest.approx(-slopes[2], rel=1e-3)


@pytest.mark.parametrize("value", [1.2, 1.45, 1.5, 1.55, 1.9])
def test_a_folds_slope_is_its_range_over_its_width(value: float) -> None:
    """From the lower end to the higher, or to the top where that lies within one standard error."""
    rule = with_fold("a")
    term = terms_of(measures({**VALUES, "a": value}, COVARIANCES, UNITS), published(rule, NORMS), rule)[0]
    assert term.z is not None
    assert term.se is not None
    z, se = term.z / M, term.se / M
    ends = [plain_fold(z - se), plain_fold(z + se)]
    slope = ((plain_fold(0) if abs(z) <= se else max(ends)) - min(ends)) / (2 * se)
    assert term.slope == pytest.approx((-slope if z > 0 else slope) * M, abs=300)


def test_a_folds_slope_turns_at_the_top() -> None:
    """One micro-unit above it is already the falling side."""
    assert (
        _fold_slope(1, 200_000, FOLD) == -_fold_slope(-1, 200_000, FOLD) < 0 < _fold_slope(0, 200_000, FOLD)
    )


# --------------------------------------------------------------------------------------------------------- quantiles


@pytest.mark.parametrize("df", [8, 13, 20.5, 45, 400, 1e6])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_students_quantile_is_close(df: float, level: float) -> None:
    """Within 2 in a thousand from 8 degrees of freedom on, and the normal's own without any."""
    z = stats.norm.ppf((1 + level) / 2)
    assert student(micro(z), micro(df)) / M == pytest.approx(stats.t.ppf((1 + level) / 2, df), rel=2e-3)
    assert student(micro(z), None) == micro(z)


@pytest.mark.parametrize("df", [4, 8, 100])
def test_students_quantile_is_fishers_expansion(df: float) -> None:
    """Abramowitz & Stegun 26.7.5, term by term."""
    for z in (-2.5, 0.3, 1.959964):
        g1 = (z**3 + z) / 4
        g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        expected = z + g1 / df + g2 / df**2 + g3 / df**3
        assert student(micro(z), micro(df)) == pytest.approx(expected * M, abs=3)


def test_probability_is_phi() -> None:
    """In micro-units."""
    for z in (-3.5, -1.0, 0.0, 0.3, 2.0):
        assert probability(micro(z)) == pytest.approx(stats.norm.cdf(z) * M, abs=1)
