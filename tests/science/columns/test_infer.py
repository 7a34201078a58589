"""Profiles by columns are those one by one, to the byte: honest sessions, bent ones, and figures that no session ever had."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.event_logger import EventLogger
from science import standing as standing_
from science.columns import infer as columns
from science.columns import standing as columns_standing
from science.columns.infer import infer_all
from science.columns.kernel import Exact
from science.columns.rows import rows_of
from science.columns.standing import is_fit
from science.game import Metric
from science.mapping import Norm, Published, load, names
from science.measure import GameMeasures, Measures, Noticed, Precision, measure
from science.profile import infer
from science.session import Session
from science.standing import stand, terms_of
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.cheats import CHEATS, bent
from simulators.people import crowd
from simulators.sitting import Design
from streams.memory import MemoryLog
from streams.topics import EVENTS
from tests.agents.doors import CODEC, known
from tests.science.builders import abandoned

replace = msgspec.structs.replace
CORE, PILOT = load("core@1.0.0"), load("pilot@0.1.0")
BY_COLUMNS = [load(name) for name in names() if load(name).mapping.interval.method == "moderated_jackknife"]


def designs(n: int) -> tuple[Design, ...]:
    """One game, two or three, most of a configuration that norms are of."""
    kinds: tuple[reaction_timer.Kind, ...] = ("simple", "simple", "choice", "gonogo")
    games: tuple[Design, ...] = (
        balloon_risk.Design(balloons=15 if n % 2 else 30, max_pumps=40 if n % 7 == 3 else 12),
        reaction_timer.Design(trials=(30, 21, 50)[n % 3], kind=kinds[n % 4]),
        memory_cards.Design() if n % 3 == 0 else memory_cards.Design(rounds=3, n_pairs=6, rows=3, cols=4),
    )
    return games if n % 4 < 2 else games[n % 3 :][: n % 2 + 1]


def played() -> Iterator[Measures]:
    """Simulated people, every third one bent by a cheat, every fifth with an event lost."""
    dice, cheats = Random("columns"), cycle(name for name in CHEATS if name != "one_key")
    for n in range(90):
        ((_, _, fields),) = crowd(1, 7_000 + n, *designs(n))
        if n % 3 == 1 and len(designs(n)) == 3:
            fields = bent(next(cheats), fields)
        log = MemoryLog()
        EventLogger(log, control_url="sqlite://", codec=CODEC).record([known(one) for one in fields])
        places = range(EVENTS.partitions)
        events = [
            CODEC.decode(record.value) for place in places for record in log.read(EVENTS.name, place, 0)
        ]
        if n % 5 == 2:
            events = dice.sample(events, len(events) - 1)
        session = Session(f"session-{n}")
        for event in (*events, abandoned()):
            session.step(replace(event, session_id=session.session_id))
        yield measure(session)


@pytest.fixture(scope="module")
def sessions() -> list[Measures]:
    """A crowd, for all tests."""
    return list(played())


def assert_alike(measures: Sequence[Measures], published: Published) -> None:
    """The objects, and their bytes."""
    found, wanted = infer_all(measures, published), [infer(one, published) for one in measures]
    assert found == wanted
    assert [one.canonical() for one in found] == [one.canonical() for one in wanted]


def one_by_one(measures: Sequence[Measures], published: Published) -> int:
    """How many of the sessions do not go by columns, which are alike in either case."""
    alone = []

    def infer_alone(one: Measures, published: Published) -> Any:
        alone.append(one)
        return infer(one, published)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "infer", infer_alone)
        assert_alike(measures, published)
    return len(alone)


@pytest.mark.parametrize("published", BY_COLUMNS, ids=lambda published: published.mapping.name)
def test_profiles_of_a_crowd_are_those_one_by_one(published: Published, sessions: list[Measures]) -> None:
    """Scored and refused, honest and bent; and all of them go by columns."""
    assert one_by_one(sessions, published) == 0
    statuses = [trait.status for one in sessions for trait in infer(one, published).traits.values()]
    assert statuses.count("scored") > 50
    assert statuses.count("insufficient") > 50


def test_a_session_alone_has_the_same_profile(sessions: list[Measures]) -> None:
    """Whatever else is in the batch; and of none there is none."""
    assert [infer_all([one], CORE)[0] for one in sessions[:20]] == infer_all(sessions[:20], CORE)
    assert infer_all([], CORE) == []


@pytest.mark.parametrize("name", ["pilot@0.1.0", "core_bca@1.0.0"])
def test_other_methods_go_one_by_one(name: str, sessions: list[Measures]) -> None:
    """Their own standard error, and a bootstrap of few replicates."""
    published = load(name)
    interval = replace(published.mapping.interval, replicates=20)
    quick = replace(published, mapping=replace(published.mapping, interval=interval))
    assert one_by_one(sessions[:4], quick) == 4


# ------------------------------------------------------------------------------------------------------ mappings of another kind


def changed(**fields: Any) -> Published:
    """Core 1.0.0 but for these."""
    return replace(CORE, mapping=replace(CORE.mapping, **fields))


def with_norms(**fields: Any) -> Published:
    """Core 1.0.0 with these fields of every norm."""
    norms = {
        name: replace(norms, metrics={of: replace(norm, **fields) for of, norm in norms.metrics.items()})
        for name, norms in CORE.norms.items()
    }
    return replace(CORE, norms=norms)


def with_traits(**fields: Any) -> Published:
    """Core 1.0.0 with these fields of every trait."""
    return changed(traits={name: replace(rule, **fields) for name, rule in CORE.mapping.traits.items()})


def with_rules(**fields: Any) -> Published:
    """Core 1.0.0 with these fields of every metric's rule."""
    return changed(
        traits={
            name: replace(rule, metrics=[replace(metric, **fields) for metric in rule.metrics])
            for name, rule in CORE.mapping.traits.items()
        }
    )


def with_folds(**fields: Any) -> Published:
    """Core 1.0.0 with these fields of every fold."""
    return changed(
        traits={
            name: replace(
                rule,
                metrics=[
                    metric if metric.fold is None else replace(metric, fold=replace(metric.fold, **fields))
                    for metric in rule.metrics
                ],
            )
            for name, rule in CORE.mapping.traits.items()
        }
    )


def with_sets(**fields: Any) -> Published:
    """Core 1.0.0 where provisional norms will not do, and with these fields of every set."""
    norms = {name: replace(norms, **fields) for name, norms in CORE.norms.items()}
    return replace(CORE, norms=norms, mapping=replace(CORE.mapping, allow_provisional=False))


def interval(**fields: Any) -> dict[str, Any]:
    """The interval of core 1.0.0 with these fields."""
    return {"interval": replace(CORE.mapping.interval, **fields)}


MINIMUM = replace(CORE.mapping.minimum, reliability=-(1 << 60), weight=0)
ODD = {
    "provisional norms": with_sets(),
    "reference norms": with_sets(status="reference"),
    "norms of another device": with_sets(status="reference", devices=["pencil"]),
    "no fold": with_rules(fold=None),
    "the first form": changed(form=1),
    "one direction": with_rules(direction=-1),
    "another level": changed(**interval(z=2_575_829)),
    "hardly a prior": changed(**interval(prior_df=4)),
    "much of a prior": changed(**interval(prior_df=1_000)),
    "norms that cannot tell": with_norms(reliability=0),
    "norms that know almost all": with_norms(reliability=999_999),
    "a retest": with_norms(retest=300_000),
    "small samples": with_norms(n=2),
    "tau2 below zero": replace(
        with_traits(correlation=-300_000),
        mapping=replace(with_traits(correlation=-300_000).mapping, minimum=MINIMUM),
    ),
    "all is enough": changed(minimum=MINIMUM),
    "other orders": changed(traits=dict(reversed(CORE.mapping.traits.items()))),
    "one trait": changed(traits={"learning": CORE.mapping.traits["learning"]}),
    "a narrow fold": with_folds(sd=1 << 10),
    "no trait": changed(traits={}),
}


@pytest.mark.parametrize("name", ODD)
def test_mappings_of_another_kind_give_the_same(name: str, sessions: list[Measures]) -> None:
    """Every figure of a mapping may be another."""
    assert one_by_one(sessions, ODD[name]) <= len(sessions)


UNFIT = {
    "prior": changed(**interval(prior_df=3)),
    "level": changed(**interval(z=1 << 22)),
    "winsor": changed(winsor=1 << 24),
    "weight": with_rules(weight=1 << 20),
    "steep fold": with_folds(shrink=(1 << 21) + 1),
    "wide fold": with_folds(limit=1 << 24),
    "a limit below nothing": with_folds(limit=-5),
    "a correlation beyond 1": with_traits(correlation=1_000_001),
    "three ways": with_rules(direction=3),
    "far fold": with_folds(mean=-1 << 24),
    "narrow fold": with_folds(sd=(1 << 10) - 1),
    "far norm": with_norms(mean=1 << 40),
    "wide norm": with_norms(sd=1 << 40),
    "large norm": with_norms(n=1 << 40),
    "impossible norm": with_norms(reliability=-1),
    "long norm": with_norms(length=1 << 10),
    "no trait": changed(traits={}),
}


@pytest.mark.parametrize("name", UNFIT)
def test_mappings_beyond_the_bounds_go_one_by_one(name: str, sessions: list[Measures]) -> None:
    """The last figure that would leave no room."""
    assert not is_fit(UNFIT[name])
    assert one_by_one(sessions[:6], UNFIT[name]) == 6


def test_the_published_mappings_are_within_the_bounds() -> None:
    """Of the method that columns know."""
    assert len(BY_COLUMNS) >= 2
    assert all(map(is_fit, BY_COLUMNS))
    assert is_fit(with_traits(correlation=-1_000_000))
    assert not is_fit(with_traits(correlation=-1_000_001))


def test_what_cannot_be_inferred_alone_cannot_be_inferred_by_columns(sessions: list[Measures]) -> None:
    """Norms that leave no error at all where a session shows none: the assertion that fails is the same."""
    certain = with_norms(length=0)
    alike = [with_covariances(one, 0) for one in sessions if not infer_fails(one, CORE)][:20]
    assert any(infer_fails(one, certain) for one in alike)
    with pytest.raises(AssertionError):
        infer_all(alike, certain)
    fold_alone = {
        name: replace(norms, metrics={of: _sure_of_loss(of, norm) for of, norm in norms.metrics.items()})
        for name, norms in CORE.norms.items()
    }
    with pytest.raises(AssertionError):
        infer_all(alike, replace(CORE, norms=fold_alone))


def _sure_of_loss(name: str, norm: Norm) -> Norm:
    return replace(norm, length=0) if name == "balloon.post_loss_latency" else norm


def test_a_negative_variance_fails_alike(sessions: list[Measures]) -> None:
    """Covariances that no units have."""
    whole = next(one for one in sessions if len(one.games) == 3)
    broken = with_covariance(whole, "balloon.post_win_escalation", WHOLE, -1 << 40)
    assert infer_fails(broken, CORE)
    with pytest.raises(AssertionError):
        infer_all([whole, broken], CORE)


def test_the_error_of_a_game_is_exact_to_the_last_bit(sessions: list[Measures]) -> None:
    """Before roots and rounding hide it: every variance of every trait, game by game, and every covariance."""
    mapping, exact = CORE.mapping, Exact(len(sessions))
    rows = rows_of(sessions, CORE, exact)
    terms, shares = columns_standing.terms_of(rows, CORE, exact), columns_standing._shares(CORE)
    stood = [
        [stand(terms_of(one, CORE, rule), one, CORE, rule) for rule in mapping.traits.values()]
        for one in sessions
    ]
    used = np.array(
        [
            [
                standing is not None and metric.metric in {term.rule.metric for term in standing.terms}
                for standing, rule in zip(standings, mapping.traits.values(), strict=True)
                for metric in rule.metrics
            ]
            for standings in stood
        ]
    ).T
    prior_df = mapping.interval.prior_df
    found, _ = columns_standing._variances(shares, rows, terms, used, prior_df=prior_df, exact=exact)
    pairs = [*[(n, n) for n in range(len(mapping.traits))], *shares.pairs]
    seen = 0
    for (one, other), (first, last) in zip(pairs, shares.spans, strict=True):
        for share in range(first, last):
            for session, standings, figure in zip(sessions, stood, found[share].tolist(), strict=True):
                sides = [
                    []
                    if standing is None
                    else [t for t in standing.terms if t.rule.game == shares.games[share]]
                    for standing in (standings[one], standings[other])
                ]
                if all(sides):
                    precision = session.precisions[shares.games[share]]
                    variances = standing_._variances(*sides, precision)
                    assert figure == standing_._moderated(*variances, precision.units - 1, prior_df)
                    seen += 1
    assert seen > 500


def infer_fails(one: Measures, published: Published) -> bool:
    """Whether no profile can be made."""
    try:
        infer(one, published)
    except AssertionError:
        return True
    return False


# ---------------------------------------------------------------------------------------------- figures that no session ever had


def with_covariances(one: Measures, scale: int) -> Measures:
    """The session with covariances and standard errors this many times as large."""
    return replace(
        one,
        metrics={
            name: replace(metric, se=None if metric.se is None else metric.se * scale)
            for name, metric in one.metrics.items()
        },
        precisions={
            game: Precision(
                precision.units,
                {
                    name: {other: value * scale * scale for other, value in row.items()}
                    for name, row in precision.covariances.items()
                },
            )
            for game, precision in one.precisions.items()
        },
    )


def with_units(one: Measures, units: int) -> Measures:
    """The session with this many units of each game."""
    return replace(
        one, precisions={game: Precision(units, p.covariances) for game, p in one.precisions.items()}
    )


def with_metric(one: Measures, name: str, **fields: Any) -> Measures:
    """The session with these fields of one metric."""
    found = one.metrics.get(name, Metric(None, 0, ""))
    return replace(one, metrics={**one.metrics, name: replace(found, **fields)})


def with_covariance(one: Measures, name: str, other: str, value: int) -> Measures:
    """The session with this covariance of two metrics of balloons."""
    precision = one.precisions["balloon_risk"]
    rows = {**precision.covariances, name: {**precision.covariances[name], other: value}}
    return replace(one, precisions={**one.precisions, "balloon_risk": Precision(precision.units, rows)})


def is_scored(one: Measures) -> bool:
    """In most traits."""
    return [trait.status for trait in infer(one, CORE).traits.values()].count("scored") > 3


WHOLE = "balloon.ln_intended_km"


@pytest.mark.parametrize(
    ("bend", "goes_alone"),
    [
        (lambda one: with_covariances(one, 0), False),
        (lambda one: with_covariances(one, 30), False),
        (lambda one: with_covariances(one, 1 << 24), True),
        (lambda one: with_covariances(one, 1 << 40), True),
        (lambda one: with_units(one, 2), False),
        (lambda one: with_units(one, 1_024), False),
        (lambda one: with_units(one, 1_025), True),
        (lambda one: with_metric(one, WHOLE, value=None), False),
        (lambda one: with_metric(one, WHOLE, se=None), False),
        (lambda one: with_metric(one, WHOLE, value=-(1 << 39)), False),
        (lambda one: with_metric(one, WHOLE, value=1 << 40), True),
        (lambda one: with_metric(one, WHOLE, value=-(1 << 63)), True),
        (lambda one: with_metric(one, WHOLE, value=1 << 63), True),
        (lambda one: with_metric(one, WHOLE, se=1 << 70), True),
        (lambda one: with_metric(one, WHOLE, se=1 << 24), False),
        (lambda one: with_metric(one, WHOLE, se=1 << 26), True),
        (lambda one: with_covariance(with_units(one, 1_024), WHOLE, WHOLE, 1 << 52), True),
        (lambda one: with_metric(one, "balloon.n", value=10_000_000), False),
        (lambda one: with_metric(one, "balloon.n", value=9_999_999), False),
        (lambda one: with_metric(one, "balloon.n", value=None), False),
        (lambda one: with_metric(one, "rt.n_valid", value=0), False),
        (lambda one: with_metric(one, "memory.n_turns", value=-1), False),
        (lambda one: replace(one, device_input="pencil"), False),
        (lambda one: replace(one, metrics={}), False),
        (lambda one: replace(one, games=[], precisions={}), False),
    ],
)
def test_what_columns_do_not_hold_goes_one_by_one(
    bend: Any, goes_alone: bool, sessions: list[Measures]
) -> None:
    """And its neighbours go by columns."""
    three = [one for one in sessions if len(one.games) == 3 and is_scored(one)][:4]
    assert one_by_one([*three[:2], bend(three[2]), three[3]], CORE) == goes_alone


NAMES = sorted({metric.metric for rule in CORE.mapping.traits.values() for metric in rule.metrics})
FIGURES = st.integers(-3_000_000, 9_000_000) | st.integers(-(1 << 70), 1 << 70) | st.none()
ERRORS = st.integers(0, 300_000) | st.integers(0, 1 << 50) | st.none() | st.just(0)


@st.composite
def odd_measures(draw: st.DrawFn, crowd: Sequence[Measures]) -> Measures:
    """A session of which anything may have been changed."""
    one = draw(st.sampled_from(crowd))
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=5)):
        one = with_metric(one, name, value=draw(FIGURES), se=draw(ERRORS))
    one = with_covariances(one, draw(st.sampled_from([1, 1, 1, 0, 2, 10, 1_000, 1 << 20, 1 << 33])))
    units = draw(st.sampled_from([0, 0, 2, 3, 30, 1_024, 2_000]))
    one = with_units(one, units) if units else one
    if draw(st.booleans()):
        one = replace(one, precisions={game: sparse(draw, of) for game, of in one.precisions.items()})
    game = draw(st.sampled_from(sorted(CORE.mapping.games)))
    plays = [play for play in one.games if play.game != game or draw(st.booleans())]
    return replace(
        one,
        device_input=draw(st.sampled_from(["mouse", "keyboard", "touch", "pencil"])),
        games=[*plays, *draw(st.lists(st.sampled_from(one.games or [GAME]), max_size=1))],
        unplayed=draw(st.dictionaries(st.sampled_from(sorted(CORE.mapping.games)), st.integers(0, 40))),
        duration_us=draw(st.sampled_from([0, one.duration_us, 8_000_000_000])),
        findings=draw(st.sampled_from([[], one.findings, [Noticed("S1", "integrity", 2, 7)]])),
    )


GAME = GameMeasures("none", {}, None)  # type: ignore[arg-type]  # never drawn: every session of the crowd has a game


def sparse(draw: st.DrawFn, precision: Precision) -> Precision:
    """Without what concerns some metrics: they did not vary."""
    gone = draw(st.sets(st.sampled_from(NAMES), max_size=4))
    left = {name: row for name, row in precision.covariances.items() if name not in gone}
    return Precision(
        precision.units,
        {name: {other: x for other, x in row.items() if other not in gone} for name, row in left.items()},
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_odd_figures_give_the_same(data: st.DataObject, sessions: list[Measures]) -> None:
    """Of the sessions that can be inferred at all, among others, by any mapping."""
    published = data.draw(st.sampled_from([*BY_COLUMNS, *ODD.values()]))
    crowd_ = [one for one in sessions if one.games]
    drawn = data.draw(st.lists(odd_measures(crowd_), min_size=1, max_size=6))
    assert_alike([one for one in drawn if not infer_fails(one, published)], published)
