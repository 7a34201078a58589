"""The catalogue says what the registries hold, in figures that are exact, and nothing else."""

import msgspec
import pytest

from science.catalogue import (
    NotInCatalogue,
    Table,
    figure,
    markdown,
    metrics,
    page,
    prefixes,
    reference,
    samples,
    thresholds,
    traits,
)
from science.exact import MICRO
from science.games import GAMES
from science.mapping import Fold, MetricRule, Norm, Published, TraitRule, load, names


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "0"),
        (1, "0.000001"),
        (-1, "-0.000001"),
        (850_000, "0.85"),
        (-1_500_000, "-1.5"),
        (80_000_000, "80"),
        (1_000_001, "1.000001"),
    ],
)
def test_figures_are_exact(micro: int, text: str) -> None:
    """A decimal without trailing zeros, that is the same number."""
    assert figure(micro) == text


def test_a_table_is_written_as_markdown_has_it() -> None:
    """A rule under the head; a bar inside a cell does not end it."""
    table = Table(("a", "b"), (("1", "x | y"), ("2", "z")))
    assert markdown(table) == "| a | b |\n| --- | --- |\n| 1 | x \\| y |\n| 2 | z |"


def test_every_definition_stands_in_one_table() -> None:
    """By the prefix of its id."""
    shown = [row[:2] for prefix in prefixes() for row in metrics(prefix).rows]
    assert sorted(shown) == sorted(
        (f"`{one.id}`", str(one.version)) for game in GAMES.values() for one in game.definitions
    )
    (aap,) = (row for row in metrics("balloon").rows if row[0] == "`balloon.aap`")
    assert aap[2:] == ("pumps", "mean p of the collected (adjusted average pumps)", "Lejuez et al. 2002")


def bent() -> Published:
    """The pilot with a second metric, a fold, a norm that says everything, and an interval by bootstrap."""
    pilot = load("pilot@0.1.0")
    (first,) = pilot.mapping.traits["risk_tolerance"].metrics
    replace = msgspec.structs.replace
    fold = Fold(shrink=900_000, limit=2_500_000, mean=-100_000, sd=1_100_000, reliability=400_000)
    listens = [
        replace(first, weight=600_000),
        MetricRule("balloon.cv_adj", 1, 300_000, -1, "balloon_risk"),
        MetricRule("balloon.slope", 1, 100_000, 1, "balloon_risk", fold),
    ]
    required = [["balloon.ln_intended_km", "balloon.cv_adj"]]
    rule = TraitRule("experimental", 100_000, required, listens)
    interval = replace(pilot.mapping.interval, method="bca", prior_df=8, replicates=2000)
    (name,) = pilot.norms
    more = {
        "balloon.cv_adj": Norm(9, 320_000, 160_000, 650_000, 18, -50_000),
        "balloon.aap": Norm(2, 1, 1, 1),
    }
    norms = replace(
        pilot.norms[name],
        metrics={**pilot.norms[name].metrics, **more},
        match={"burst_law": "uniform", "max_pumps": (12, 16)},
        devices=["mouse", "touch"],
    )
    mapping = replace(
        pilot.mapping, traits={"risk_tolerance": rule}, interval=interval, allow_provisional=False
    )
    return replace(pilot, mapping=mapping, norms={name: norms})


SET = "ds000030_controls_p12.v1"


def test_the_traits_of_a_mapping_are_a_row_a_metric() -> None:
    """Weight, direction, whether it is required, and which norm sets have it."""
    pilot = traits(load("pilot@0.1.0"))
    assert pilot.rows == (("risk_tolerance", "pilot", "`balloon.ln_intended_km` v1", "1", "+", "yes", SET),)
    about = ("risk_tolerance", "experimental")
    assert traits(bent()).rows == (
        (*about, "`balloon.ln_intended_km` v1", "0.6", "+", "one of these", SET),
        (*about, "`balloon.cv_adj` v1", "0.3", "-", "one of these", SET),
        (*about, "`balloon.slope` v1", "0.1", "fold", "no", "none"),
    )


def test_a_norm_set_of_another_game_does_not_serve() -> None:
    """Whatever its metrics are called."""
    published = bent()
    norms = {SET: msgspec.structs.replace(published.norms[SET], game="other")}
    assert {row[-1] for row in traits(msgspec.structs.replace(published, norms=norms)).rows} == {"none"}


def test_the_reference_samples_are_shown_as_far_as_they_are_heard() -> None:
    """Figures of the metrics that the mapping listens to; what is not known says so."""
    published = bent()
    assert reference(published).rows == (
        (SET, "`balloon.ln_intended_km`", "124", "1.48645", "0.31505", "0.8991", "not said", "not known"),
        (SET, "`balloon.cv_adj`", "9", "0.32", "0.16", "0.65", "18", "-0.05"),
    )
    norms = published.norms[SET]
    match = "burst_law uniform, max_pumps 12 to 16"
    row = (SET, "provisional", "balloon_risk", match, "mouse, touch", norms.sample, norms.source)
    assert samples(published).rows == (row,)
    assert samples(load("pilot@0.1.0")).rows[0][3:5] == ("burst_law uniform, max_pumps 12", "not said")


def test_every_other_number_of_a_mapping_is_a_threshold() -> None:
    """Minima, counts, interval, folds and the weights of quality."""
    told = dict(thresholds(load("pilot@0.1.0")).rows)
    assert told["completeness"] == "at least 80 % of the planned units"
    assert told["quality"] == "at least 70 of 100"
    assert told["reliability"] == "at least 75 of 100"
    assert told["duration"] == "30 s to 7200 s"
    assert told["balloon_risk: `balloon.n_collected`"] == "at least 5 collected balloons"
    assert told["interval"] == "95 % by greenwood_delta"
    assert told["norms"] == "those that are not a reference sample serve"
    assert told["quality: anticipations"] == "costs 25 at 0.2, and at most 25"
    assert "bootstrap replicates" not in told
    told = dict(thresholds(bent()).rows)
    assert told["norms"] == "those that are not a reference sample do not serve"
    assert told["degrees of freedom of the sample's error variance"] == "8"
    assert told["bootstrap replicates"] == "2000"
    assert told["risk_tolerance: correlation of its metrics"] == "0.1"
    assert (
        told["risk_tolerance: fold of `balloon.slope`"]
        == "shrunk by 0.9, at most 2.5, mean -0.1, SD 1.1, reliability 0.4"
    )


@pytest.mark.parametrize("name", names())
def test_the_page_of_a_mapping_holds_its_four_tables(name: str) -> None:
    """Traits, figures, samples, thresholds: and every weight adds up to 1 as it is written."""
    parts = page("mapping", name).split("\n\n")
    published = load(name)
    assert parts == [markdown(table(published)) for table in (traits, reference, samples, thresholds)]
    rows = traits(published).rows
    for trait in published.mapping.traits:
        weights = [row[3] for row in rows if row[0] == trait]
        assert sum(int(weight.partition(".")[2].ljust(6, "0")) or MICRO for weight in weights) == MICRO


@pytest.mark.parametrize(
    ("what", "name"), [("metrics", "baloon"), ("mapping", "pilot"), ("norms", "balloon")]
)
def test_what_is_not_there_is_refused_with_what_there_is(what: str, name: str) -> None:
    """A page that names nothing must not be silently empty."""
    with pytest.raises(
        NotInCatalogue, match=rf"no {what}:{name} in .*metrics:balloon.*mapping:pilot@0\.1\.0"
    ):
        page(what, name)
    assert page("metrics", "balloon") == markdown(metrics("balloon"))
