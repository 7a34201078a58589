"""The released mapping over whole sessions of three games: scored or refused, and never a number beside a refusal."""

from itertools import chain

import msgspec
import pytest

from benchmarks.replicates import measures_of
from science.game import Game
from science.mapping import Published, load
from science.measure import Measures
from science.profile import Profile, infer
from science.standing import covariance, stand, terms_of
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd

CORE = "core@1.0.0"
DESIGNS = (balloon_risk.Design(), reaction_timer.Design(), memory_cards.Design())


@pytest.fixture(scope="module")
def everyone() -> list[Measures]:
    """Twenty simulated people who may play three games each, through the public door."""
    return measures_of(chain.from_iterable(events for _, _, events in crowd(20, 5, *DESIGNS)))


def profile(measures: Measures, name: str = CORE) -> Profile:
    return infer(measures, load(name))


def test_most_are_scored_on_four_traits_and_none_leaks_a_number(everyone: list[Measures]) -> None:
    """A refused trait has no score, interval, z nor term; the terms of a scored one add up to its composite."""
    assert len(everyone) == 20
    scored: dict[str, int] = {}
    for measures in everyone:
        for name, trait in profile(measures).traits.items():
            numbers = [trait.score, trait.ci, trait.t, trait.percentile, trait.score_shrunk, trait.ci_trait]
            numbers += [part for one in trait.contributions for part in (one.z, one.term)]
            if trait.status == "insufficient":
                assert set(numbers) == {None}
                assert trait.reasons
                assert all(reason.message and reason.suggestion for reason in trait.reasons)
                continue
            scored[name] = scored.get(name, 0) + 1
            assert not trait.reasons
            assert trait.t is not None
            assert trait.ci is not None
            terms = sum(one.term or 0 for one in trait.contributions)
            assert 50_000_000 + 10 * terms == pytest.approx(trait.t, abs=100)
            assert trait.ci[0] < (trait.score or 0) < trait.ci[1]
    assert min(scored[name] for name in ("risk_tolerance", "consistency", "learning", "decision_speed")) >= 12


def test_experimental_regulation_abstains(everyone: list[Measures]) -> None:
    """Emotional regulation cannot be had reliably from one ordinary session, and says so with advice."""
    refusals = [profile(measures).traits["emotional_regulation"] for measures in everyone]
    codes = {reason.code for trait in refusals for reason in trait.reasons}
    assert "R_RELIABILITY" in codes
    assert any("Spearman-Brown" in reason.suggestion for trait in refusals for reason in trait.reasons)


def test_errors_of_traits_that_share_units_correlate(everyone: list[Measures]) -> None:
    """Each pair once, between -1 and 1, and no stranger to what the units show; each with itself would be 1."""
    found = [
        value for one in everyone for row in profile(one).correlations.values() for value in row.values()
    ]
    assert found
    assert all(-1_000_000 <= value <= 1_000_000 for value in found)
    assert max(found) > 100_000
    core = load(CORE)
    rule, prior_df = core.mapping.traits["consistency"], core.mapping.interval.prior_df
    for one in everyone:
        standing = stand(terms_of(one, core, rule), one, core, rule)
        if standing is not None:
            own = covariance(standing, standing, one, prior_df)
            assert own * 1_000_000 == pytest.approx(standing.sem**2, rel=1e-4)


def test_a_game_left_out_refuses_what_rests_on_it(everyone: list[Measures]) -> None:
    """Without cards: no learning, with the seed's wording and what was played so far."""
    whole = next(one for one in everyone if profile(one).traits["learning"].status == "scored")
    without = msgspec.structs.replace(
        whole,
        games=[game for game in whole.games if game.game != "memory_cards"],
        metrics={name: one for name, one in whole.metrics.items() if not name.startswith("memory.")},
    )
    learning = profile(without).traits["learning"]
    codes = [reason.code for reason in learning.reasons]
    assert "R_COMPLETENESS" in codes
    message = next(reason.message for reason in learning.reasons if reason.code == "R_COMPLETENESS")
    assert message == "Insufficient data completeness (required: 80%)."
    speed = profile(without).traits["decision_speed"]
    assert {"R_COMPLETENESS", "R_WEIGHT"} == {reason.code for reason in speed.reasons}
    assert any("memory_cards" in reason.message or "rounds" in reason.suggestion for reason in speed.reasons)


def test_devices_and_provisional_norms_matter_where_the_mapping_says(everyone: list[Measures]) -> None:
    """Core allows them and tells; a stricter mapping refuses them by name."""
    core = load(CORE)
    whole = next(one for one in everyone if profile(one).traits["decision_speed"].status == "scored")
    assert any(one.is_other_device for one in profile(whole).traits["decision_speed"].contributions)
    strict = msgspec.structs.replace(
        core, mapping=msgspec.structs.replace(core.mapping, allow_provisional=False)
    )
    assert infer(whole, strict).traits["decision_speed"].reasons[-1].code == "R_NORMS"
    grown = {name: msgspec.structs.replace(norms, status="reference") for name, norms in core.norms.items()}
    reference = msgspec.structs.replace(strict, norms=grown)
    reason = infer(whole, reference).traits["decision_speed"].reasons[-1]
    assert reason.code == "R_NORMS"
    assert reason.observed == whole.device_input
    anywhere = {name: msgspec.structs.replace(norms, devices=[]) for name, norms in grown.items()}
    assert not infer(whole, msgspec.structs.replace(strict, norms=anywhere)).traits["decision_speed"].reasons


def test_a_metric_without_spread_or_norms_is_missed_by_name(everyone: list[Measures]) -> None:
    """An optional metric of one unit, without an error, without norms or of a game hardly played, is told in a word each."""
    whole = next(one for one in everyone if profile(one).traits["decision_speed"].status == "scored")
    name = "memory.mean_ln_latency"

    def missed(measures: Measures, published: Published) -> str:
        reasons = infer(measures, published).traits["decision_speed"].reasons
        return next(reason.message for reason in reasons if reason.code == "R_WEIGHT")

    bare = msgspec.structs.replace(whole.metrics[name], se=None)
    silent = msgspec.structs.replace(whole, metrics={**whole.metrics, name: bare})
    assert f"{name}: no_spread" in missed(silent, load(CORE))
    cards = msgspec.structs.replace(whole.precisions["memory_cards"], covariances={})
    single = msgspec.structs.replace(whole, precisions={**whole.precisions, "memory_cards": cards})
    assert f"{name}: too_few" in missed(single, load(CORE))
    core = load(CORE)
    fewer = {key: norms for key, norms in core.norms.items() if norms.game != "memory_cards"}
    assert f"{name}: no_norms" in missed(whole, msgspec.structs.replace(core, norms=fewer))


def test_why_there_is_no_interval_of_the_trait_on_any_day(everyone: list[Measures]) -> None:
    """No standing, no retest study, or there is one; the first mapping knew no difference."""
    whole = next(one for one in everyone if profile(one).traits["learning"].status == "scored")
    cards = [game for game in whole.games if game.game != "memory_cards"]
    bare = {name: metric for name, metric in whole.metrics.items() if not name.startswith("memory.")}
    without = msgspec.structs.replace(whole, games=cards, metrics=bare)
    assert profile(whole).traits["learning"].ci_trait_reason == "no_retest_study"
    assert profile(without).traits["learning"].ci_trait_reason == "not_scored"
    vigilant = profile(whole, "core@1.1.0").traits["vigilance"]
    assert vigilant.ci_trait_reason is None
    assert vigilant.ci_trait is not None
    assert vigilant.ci is not None
    assert vigilant.ci_trait[0] < vigilant.ci[0] < vigilant.ci[1] < vigilant.ci_trait[1]
    nothing = msgspec.structs.replace(whole, games=[], metrics={})
    assert profile(nothing, "pilot@0.1.0").traits["risk_tolerance"].ci_trait_reason == "no_retest_study"


def test_a_unit_is_its_own_account_unless_a_game_says_otherwise() -> None:
    """What needs nothing worked out is looked at as it is."""
    assert msgspec.structs.fields(Game)[-1].default(7) == 7


def test_a_bootstrap_without_an_answer_says_so(everyone: list[Measures]) -> None:
    """With a unit alone in a game, leaving it out leaves nothing: the jackknife's interval stands, and its name."""
    bca = load("core_bca@1.0.0")
    interval = msgspec.structs.replace(bca.mapping.interval, replicates=20)
    quick = msgspec.structs.replace(bca, mapping=msgspec.structs.replace(bca.mapping, interval=interval))
    whole = next(one for one in everyone if profile(one).traits["learning"].status == "scored")
    samples = {**whole.samples, "memory_cards": whole.samples["memory_cards"][:1]}
    learning = infer(msgspec.structs.replace(whole, samples=samples), quick).traits["learning"]
    assert learning.ci_method == "moderated_jackknife"
    assert learning.ci == profile(whole).traits["learning"].ci
