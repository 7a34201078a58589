"""From measures to a trait: every refusal with its advice, and what a score comes with."""

import json
from math import sqrt
from statistics import NormalDist
from typing import NoReturn

import msgspec
import pytest

from science.canonical import canonical
from science.game import Metric
from science.mapping import Published
from science.measure import Measures
from science.profile import Profile, Reason, TraitScore, infer
from tests.science.builders import (
    COLLECTED_ALIKE,
    TYPICAL,
    Balloon,
    abandoned,
    ended,
    events_of,
    measures_of,
    pilot,
    profile_of,
    protocol_of,
    risk_of,
    session_events,
    session_steps,
    started,
)

POINT = 1_000_000
NORMAL = NormalDist()
NORM_MEAN, NORM_SD, RELIABILITY, NORM_N = 1.48645, 0.31505, 0.8991, 124  # ds000030_controls_p12.v1
WILD: list[Balloon] = [(1, "collected")] * 6 + [(8, "collected")] * 4  # CV .97 over ten balloons


def reasons_of(trait: TraitScore) -> dict[str, Reason]:
    """The reasons by code; no code comes twice."""
    reasons = {reason.code: reason for reason in trait.reasons}
    assert len(reasons) == len(trait.reasons)
    return reasons


def only_reason(trait: TraitScore, code: str) -> Reason:
    """The one reason, of this code; and a trait that is refused has no number but the raw ones."""
    assert [reason.code for reason in trait.reasons] == [code]
    assert_refused(trait)
    return trait.reasons[0]


def assert_refused(trait: TraitScore) -> None:
    """Insufficient as data: no score nor what follows from it, advice, and the metric still visible."""
    assert trait.status == "insufficient"
    assert {trait.score, trait.ci, trait.t, trait.percentile, trait.score_shrunk} == {None}
    assert all(reason.suggestion and reason.message for reason in trait.reasons)
    assert all(reason.metrics == ["balloon.ln_intended_km"] for reason in trait.reasons)
    assert [contribution.metric for contribution in trait.contributions] == ["balloon.ln_intended_km"]


def with_mapping(**fields: object) -> Published:
    """The pilot with some of its fields changed."""
    return msgspec.structs.replace(pilot(), mapping=msgspec.structs.replace(pilot().mapping, **fields))


def with_rule(**fields: object) -> Published:
    """The pilot with the one metric of risk tolerance ruled otherwise."""
    rule = pilot().mapping.traits["risk_tolerance"]
    metric = msgspec.structs.replace(rule.metrics[0], **fields)
    return with_mapping(traits={"risk_tolerance": msgspec.structs.replace(rule, metrics=[metric])})


def with_metric(value: float, se: float, n: int = 20) -> Measures:
    """An ordinary session's measures with this ln_intended_km."""
    measures = measures_of(session_events())
    metric = Metric(round(value * POINT), n, "ln pumps", round(se * POINT))
    return msgspec.structs.replace(measures, metrics=measures.metrics | {"balloon.ln_intended_km": metric})


def risk(measures: Measures, published: Published | None = None) -> TraitScore:
    """Risk tolerance of these measures."""
    return infer(measures, published or pilot()).traits["risk_tolerance"]


# ---------------------------------------------------------------------------------------------------------- refusals


def test_too_few_balloons() -> None:
    """R_SAMPLE says how many more."""
    reason = only_reason(risk_of(session_events(TYPICAL[:7], gap_us=6_000_000)), "R_SAMPLE")
    assert reason.message == "7 scored balloons, 10 needed."
    assert (reason.observed, reason.required) == (7, 10)
    assert reason.suggestion == "play 3 more balloons"


def test_ten_balloons_are_enough() -> None:
    """The minimum itself passes."""
    assert risk_of(session_events(TYPICAL[:10], gap_us=6_000_000)).status == "scored"


def test_too_little_of_what_was_planned() -> None:
    """R_COMPLETENESS in the seed's words: 12 of 20 are 60 %, 16 would be 80 %."""
    reason = only_reason(risk_of(session_events(TYPICAL[:12], planned=20)), "R_COMPLETENESS")
    assert reason.message == "Insufficient data completeness (required: 80%)."
    assert (reason.observed, reason.required) == (60 * POINT, 80 * POINT)
    assert reason.suggestion == "play 4 more of the 20 planned balloons"


@pytest.mark.parametrize(("played", "planned", "status"), [(16, 20, "scored"), (16, 21, "insufficient")])
def test_eighty_percent_is_complete(played: int, planned: int, status: str) -> None:
    """Exactly 80 % passes; a fraction less does not, and one more balloon is advised."""
    trait = risk_of(session_events(TYPICAL[:played], planned=planned))
    assert trait.status == status
    if status == "insufficient":
        assert only_reason(trait, "R_COMPLETENESS").suggestion == "play 1 more of the 21 planned balloons"


def test_the_advised_balloons_are_enough_and_one_less_is_not() -> None:
    """The advice of R_COMPLETENESS is the least that reaches the limit, for every plan."""
    for planned in range(13, 33):
        played = 10
        trait = risk_of(session_events((TYPICAL * 2)[:played], planned=planned))
        if "R_COMPLETENESS" in reasons_of(trait):
            advised = int(reasons_of(trait)["R_COMPLETENESS"].suggestion.split()[1])
            assert 100 * (played + advised) >= 80 * planned > 100 * (played + advised - 1)


def test_a_game_that_was_not_played() -> None:
    """No balloons at all: sample, completeness and metric, each with its advice."""
    steps = ended([(0, started(protocol_of([])))])
    trait = risk_of(events_of([*steps[:-1], (40 * POINT, steps[-1][1])]))
    assert_refused(trait)
    reasons = reasons_of(trait)
    assert list(reasons) == ["R_SAMPLE", "R_COMPLETENESS", "R_METRIC"]
    assert reasons["R_COMPLETENESS"].suggestion == "play the balloons"
    assert reasons["R_METRIC"].message == "balloon.ln_intended_km has no value: game_not_played."
    assert reasons["R_METRIC"].suggestion == "play the balloons of balloon_risk"


def test_a_game_without_a_scored_balloon() -> None:
    """The metric's own reason is handed on."""
    trait = risk_of(session_events([(1, "timed_out")] * 12, gap_us=6_000_000))
    assert_refused(trait)
    assert reasons_of(trait)["R_METRIC"].message == "balloon.ln_intended_km has no value: no_balloons."


def test_no_reference_sample_fits() -> None:
    """R_NORMS names what was played and what there are norms for; the completeness is still told."""
    trait = risk_of(session_events(max_pumps=64))
    reason = only_reason(trait, "R_NORMS")
    assert reason.observed == "burst_law uniform, max_pumps 64"
    assert reason.required == "burst_law uniform, max_pumps 12"
    assert "publish norms" in reason.suggestion
    assert trait.completeness == 100 * POINT
    assert trait.contributions[0].z is None
    assert trait.contributions[0].value is not None


def test_one_play_that_does_not_fit_is_enough() -> None:
    """Two games of different sizes are compared with neither's norms."""
    measures = measures_of(session_events())
    other = msgspec.structs.replace(measures.games[0], match={"burst_law": "uniform", "max_pumps": 64})
    trait = risk(msgspec.structs.replace(measures, games=[*measures.games, other]))
    assert (
        only_reason(trait, "R_NORMS").observed
        == "burst_law uniform, max_pumps 12; burst_law uniform, max_pumps 64"
    )


def test_a_reference_sample_without_the_metric_does_not_help() -> None:
    """The sample fits, but does not say how this metric is distributed."""
    norms = msgspec.structs.replace(next(iter(pilot().norms.values())), metrics={})
    published = msgspec.structs.replace(pilot(), norms={"ds000030_controls_p12.v1": norms})
    assert only_reason(risk(measures_of(session_events()), published), "R_NORMS").code == "R_NORMS"


def test_provisional_norms_must_be_allowed() -> None:
    """A mapping that wants reference norms withholds the score, and says so."""
    trait = risk_of(session_events(), with_mapping(allow_provisional=False))
    reason = only_reason(trait, "R_NORMS")
    assert (reason.observed, reason.required) == ("provisional", "reference")
    assert trait.provisional


def test_too_unreliable_and_the_number_of_balloons_by_hand() -> None:
    """Spearman-Brown: n' = n SE^2 / (tau^2 / 3) for 75 of 100, rounded up; the advice is what is lacking."""
    trait = risk_of(session_events(WILD, gap_us=6_000_000))
    reason = only_reason(trait, "R_RELIABILITY")
    # ten balloons, mean 3.8, variance 1/9 (6 * 2.8^2 + 4 * 4.2^2) = 13.0667; SE(ln) = sqrt(13.0667 / 10) / 3.8
    se = sqrt(13.066667 / 10) / 3.8
    sem = se / NORM_SD
    assert trait.sem is not None
    assert abs(trait.sem - sem * POINT) < 10
    needed = 10 * sem**2 / (RELIABILITY / 3)
    assert 30.4 < needed < 30.5
    assert reason.suggestion == "play about 21 more balloons (Spearman-Brown)"
    reliability = 100 * RELIABILITY / (RELIABILITY + sem**2)
    assert isinstance(reason.observed, int)
    assert abs(reason.observed - reliability * POINT) < 100
    assert reason.required == 75 * POINT
    assert reason.message == f"Reliability {int(reliability)} of 100, 75 required."


def test_the_advised_length_reaches_the_reliability() -> None:
    """With SE^2 falling as 1 / n, the advised number of units passes and one fewer does not."""
    for se in (0.18, 0.2, 0.31, 0.5, 1.0):
        trait = risk(with_metric(1.5, se))
        advised = int(only_reason(trait, "R_RELIABILITY").suggestion.split()[2])
        sem = se / NORM_SD
        for n, is_enough in ((20 + advised, True), (20 + advised - 1, False)):
            reached = RELIABILITY / (RELIABILITY + sem**2 * 20 / n)
            assert (reached >= 0.75) is is_enough


def test_an_impossible_sequence() -> None:
    """R_INTEGRITY names the codes and the first; one missing event is enough."""
    events = session_events()
    reason = only_reason(risk_of([*(one for one in events if one.seq != 9), abandoned()]), "R_INTEGRITY")
    assert reason.message == "The sequence of events is impossible: sequence_gap (first at event 9)."
    assert (reason.observed, reason.required) == (1, 0)


def test_a_voided_balloon_is_no_impossibility() -> None:
    """A conflict costs its balloon, not the profile."""
    events = session_events()
    rival = events_of(session_steps([(9, "exploded")], planned=20))[9]
    trait = risk_of([rival, *events])
    assert trait.status == "scored"
    assert trait.completeness == 95 * POINT


@pytest.mark.parametrize(
    ("duration_us", "required"),
    [(29_999_999, 30_000_000), (30_000_000, None), (7_200_000_000, None), (7_200_000_001, 7_200_000_000)],
)
def test_duration_is_between_half_a_minute_and_two_hours(duration_us: int, required: int | None) -> None:
    """R_DURATION gives the limit that was broken; the limits themselves pass."""
    steps = session_steps(TYPICAL, gap_us=0, latencies_us=(200_000, 210_000))
    assert steps[-1][0] < 29_999_999
    trait = risk_of(events_of([*steps[:-1], (duration_us, steps[-1][1])]))
    if required is None:
        assert trait.status == "scored"
    else:
        reason = only_reason(trait, "R_DURATION")
        assert (reason.observed, reason.required) == (duration_us, required)


def test_careless_play() -> None:
    """R_QUALITY names the sign that cost most: a third of the presses under 100 ms, and one count throughout."""
    hasty = session_events(COLLECTED_ALIKE, latencies_us=(50_000, 400_000, 3_500_000), gap_us=4_000_000)
    reason = only_reason(risk_of(hasty), "R_QUALITY")
    assert (reason.observed, reason.required) == (55 * POINT, 70 * POINT)
    assert reason.message == "Quality 55 of 100, 70 required; most was lost by: anticipations."


def test_nothing_ever_done() -> None:
    """Zero pumps throughout: a hard fail, said in words."""
    idle = session_events([(0, "collected")] * 12, gap_us=6_000_000)
    reason = only_reason(risk_of(idle), "R_QUALITY")
    assert reason.message == "Quality 0 of 100, 70 required; most was lost by: inert."


def test_several_reasons_stand_together() -> None:
    """Who fails in several ways is told all of them, the session's first."""
    events = session_events(WILD[5:8], planned=20)
    trait = risk_of([*(one for one in events if one.seq != 3), abandoned()])
    assert list(reasons_of(trait)) == [
        "R_INTEGRITY",
        "R_DURATION",
        "R_SAMPLE",
        "R_COMPLETENESS",
    ]
    assert_refused(trait)


# ------------------------------------------------------------------------------------------------------------- scores


def test_the_numbers_of_a_score_by_hand() -> None:
    """z, score, T, percentile, reliability, shrinkage and interval from floating point, to the micro-unit or nearly."""
    value, se = 1.65, 0.06
    trait = risk(with_metric(value, se))
    z, sem = (value - NORM_MEAN) / NORM_SD, se / NORM_SD
    rho = RELIABILITY / (RELIABILITY + sem**2)
    spread = sqrt(sem**2 + 1 / NORM_N + z**2 / (2 * NORM_N))
    assert trait.status == "scored"
    assert trait.score is not None
    assert trait.ci is not None
    assert trait.score_shrunk is not None
    expected = {
        trait.score: NORMAL.cdf(z),
        trait.ci[0]: NORMAL.cdf(z - 1.959964 * spread),
        trait.ci[1]: NORMAL.cdf(z + 1.959964 * spread),
        trait.score_shrunk: NORMAL.cdf(rho * z),
        trait.t: 50 + 10 * z,
        trait.percentile: 100 * NORMAL.cdf(z),
        trait.sem: sem,
        trait.reliability: 100 * rho,
    }
    for found, true in expected.items():
        assert found is not None
        assert abs(found - true * POINT) <= 2 + 100 * (true > 1)
    assert (trait.ci_level, trait.ci_method) == (950_000, "greenwood_delta")
    assert (trait.ci_trait, trait.ci_trait_reason) == (None, "no_retest_study")
    assert trait.contributions[0].z == round(z * POINT)
    assert (trait.contributions[0].se, trait.contributions[0].weight) == (60_000, POINT)
    assert trait.contributions[0].norm_set == "ds000030_controls_p12.v1"


@pytest.mark.parametrize("value", [-0.7, 0.4, 1.2, 1.48645, 1.9, 2.4, 3.0])
def test_the_interval_contains_the_score_and_widens_with_the_error(value: float) -> None:
    """At every level, a larger standard error never narrows an end, and the score stays within."""
    before = None
    for se in (0.001, 0.01, 0.03, 0.06, 0.1, 0.15, 0.17):
        trait = risk(with_metric(value, se))
        assert trait.ci is not None
        assert trait.score is not None
        assert 0 <= trait.ci[0] < trait.score < trait.ci[1] <= POINT
        if before is not None:
            assert trait.ci[0] < before[0]
            assert trait.ci[1] > before[1]
        before = trait.ci


def test_a_larger_norm_sample_narrows_the_interval() -> None:
    """The norms' own uncertainty is part of it: with a million people only the session's error is left."""
    norms = next(iter(pilot().norms.values()))
    norm = norms.metrics["balloon.ln_intended_km"]
    large = msgspec.structs.replace(
        norms, metrics={"balloon.ln_intended_km": msgspec.structs.replace(norm, n=1_000_000)}
    )
    published = msgspec.structs.replace(pilot(), norms={"large": large})
    trait = risk(with_metric(NORM_MEAN, 0.06), published)
    assert trait.ci is not None
    assert abs(trait.ci[0] - POINT * NORMAL.cdf(-1.959964 * 0.06 / NORM_SD)) < 5
    wide = risk(with_metric(NORM_MEAN, 0.06)).ci
    assert wide is not None
    assert wide[0] < trait.ci[0] < trait.ci[1] < wide[1]


def test_a_session_without_spread_takes_the_samples_reliability() -> None:
    """Balloons all alike show no error of their own: sqrt(1 - .8991), named sem, never an interval of no width."""
    lenient = with_mapping(minimum=msgspec.structs.replace(pilot().mapping.minimum, quality=0))
    trait = risk_of(session_events(COLLECTED_ALIKE), lenient)
    assert (trait.status, trait.ci_method, trait.sem) == ("scored", "sem", 317_648)
    assert trait.ci is not None
    assert trait.ci[1] - trait.ci[0] > 200_000


def test_nobody_is_scored_whose_every_balloon_burst() -> None:
    """Nothing shows how far they meant to go but a lower bound: R_CI, though the metric itself stays visible."""
    trait = risk_of(session_events([(pumps, "exploded") for pumps in (1, 4, 2, 6, 3) * 4]))
    assert (trait.status, trait.score, trait.sem) == ("insufficient", None, None)
    assert [reason.code for reason in trait.reasons] == ["R_SAMPLE", "R_CI"]
    assert "censored" in trait.reasons[1].message
    assert trait.contributions[0].value is not None


def test_few_kept_balloons_carry_no_score_however_alike_they_are() -> None:
    """Greenwood's error over one or two kept balloons says nothing: five must have been cashed in, and the advice counts."""
    few = [(12, "exploded")] * 16 + [(6, "collected")] * 4
    trait = risk_of(session_events(few))
    assert [reason.code for reason in trait.reasons] == ["R_SAMPLE"]
    assert trait.reasons[0].message == "4 collected balloons, 5 needed."
    assert trait.reasons[0].suggestion == "play 1 more collected balloons"
    assert risk_of(session_events([*few, (6, "collected")])).status == "scored"


def test_a_lower_bound_says_so_in_the_profile() -> None:
    """Where the longest balloon burst the value is censored, and whoever reads the score reads that too."""
    bound = risk_of(session_events([(4, "collected")] * 19 + [(9, "exploded")]))
    assert bound.contributions[0].reason == "censored"
    assert (
        risk_of(session_events([(4, "collected")] * 19 + [(3, "exploded")])).contributions[0].reason is None
    )


def test_scores_on_provisional_norms_say_so() -> None:
    """The flag is the norm set's status; norms promoted to reference clear it."""
    assert risk_of(session_events()).provisional
    norms = {name: msgspec.structs.replace(one, status="reference") for name, one in pilot().norms.items()}
    promoted = msgspec.structs.replace(pilot(), norms=norms)
    assert not risk_of(session_events(), promoted).provisional
    strict = msgspec.structs.replace(
        promoted, mapping=msgspec.structs.replace(promoted.mapping, allow_provisional=False)
    )
    assert risk_of(session_events(), strict).status == "scored"


@pytest.mark.parametrize(("value", "z"), [(9.0, 3_500_000), (-9.0, -3_500_000)])
def test_nobody_stands_beyond_three_and_a_half(value: float, z: int) -> None:
    """z is winsorised, on both sides."""
    trait = risk(with_metric(value, 0.05))
    assert trait.contributions[0].z == z
    assert trait.t == 50 * POINT + 10 * z


def test_a_metric_may_count_the_other_way() -> None:
    """direction -1 mirrors the score: the two are one together, and the interval turns round."""
    plain, turned = risk(with_metric(1.7, 0.05)), risk(with_metric(1.7, 0.05), with_rule(direction=-1))
    assert plain.score is not None
    assert turned.score is not None
    assert plain.ci is not None
    assert turned.ci is not None
    assert abs(plain.score + turned.score - POINT) <= 1
    assert abs(plain.ci[0] + turned.ci[1] - POINT) <= 1


def test_shrinking_goes_towards_the_middle() -> None:
    """The shrunk score lies between the score and one half."""
    for value in (0.9, 1.4, 1.6, 2.1):
        trait = risk(with_metric(value, 0.15))
        assert trait.score is not None
        assert trait.score_shrunk is not None
        assert abs(trait.score_shrunk - POINT // 2) < abs(trait.score - POINT // 2)


# ---------------------------------------------------------------------------------------------------- canonical bytes


def refuse_float(text: str) -> NoReturn:
    """No number may have a point or an exponent."""
    raise AssertionError(f"a float in canonical bytes: {text}")


def assert_sorted(value: object) -> None:
    """Keys rise, at every depth."""
    if isinstance(value, dict):
        assert list(value) == sorted(value)
        for inner in value.values():
            assert_sorted(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_sorted(inner)


@pytest.mark.parametrize("balloons", [TYPICAL, TYPICAL[:3], WILD, []])
def test_canonical_bytes_hold_integers_and_sorted_keys(balloons: list[Balloon]) -> None:
    """Scored or refused: no float, no blank, keys in order, and the same value when read back."""
    profile = profile_of(session_events(balloons, planned=20))
    text = profile.canonical()
    assert_sorted(json.loads(text, parse_float=refuse_float))
    assert msgspec.json.decode(text, type=Profile) == profile
    assert canonical(profile) == text
    assert text == json.dumps(json.loads(text), separators=(",", ":")).encode()


def test_canonical_bytes_name_what_they_rest_on() -> None:
    """Session, set of events, mapping, definitions, norms, schemas and results: nothing of when and where."""
    profile = json.loads(profile_of(session_events()).canonical())
    assert profile.keys() == {
        *("session_id", "events_digest", "mapping", "definitions", "norms", "schemas", "traits"),
    }
    assert profile["mapping"] == {"hash": pilot().mapping_hash, "id": "pilot", "semver": "0.1.0"}
    assert profile["norms"] == pilot().norm_hashes


def test_a_profiles_types_leave_no_room_for_a_float() -> None:
    """Its bytes are made without looking for one: every leaf is declared an integer, a string, a boolean or None."""
    leaves, open_ = set(), [msgspec.inspect.type_info(Profile)]
    while open_:
        node = open_.pop()
        match node:
            case msgspec.inspect.StructType(fields=fields):
                open_ += [field.type for field in fields]
            case msgspec.inspect.DictType(key_type=key, value_type=value):
                open_ += [key, value]
            case msgspec.inspect.ListType(item_type=item):
                open_.append(item)
            case msgspec.inspect.TupleType(item_types=items) | msgspec.inspect.UnionType(types=items):
                open_ += items
            case _:
                leaves.add(type(node).__name__)
    assert leaves == {"IntType", "StrType", "BoolType", "NoneType"}


def test_transport_leaves_no_trace() -> None:
    """Other event ids and other times on the way: the same bytes."""
    events = session_events()
    carried = [
        msgspec.structs.replace(one, event_id="x", sent_time_ms=9, received_time_ms=8, device_time_ms=7)
        for one in events
    ]
    assert profile_of(carried).canonical() == profile_of(events).canonical()


def test_the_session_is_in_the_bytes() -> None:
    """Two people who did the same are still two."""
    one, other = (profile_of(events_of(session_steps(), session_id)) for session_id in ("s-1", "s-2"))
    assert one.traits == other.traits
    assert one.canonical() != other.canonical()
