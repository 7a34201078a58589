"""Published mappings and norm sets: what is read is what was published, and it is complete."""

from hashlib import sha256
from importlib.resources import files

import msgspec
import pytest

from science.canonical import canonical
from science.games import GAMES
from science.mapping import Mapping, NormSet, UnknownMapping, load, names

POINT = 1_000_000


def test_every_published_mapping_loads() -> None:
    """By the name that profiles carry."""
    assert "pilot@0.1.0" in names()
    assert names() == sorted(names())
    for name in names():
        assert load(name).mapping.name == name


@pytest.mark.parametrize(
    "name", ["pilot@9.9.9", "pilot", "", "../norms/ds000030_controls_p12@1", "pilot.v0.1.0"]
)
def test_an_unknown_mapping_is_refused_with_those_there_are(name: str) -> None:
    """No path is built from a name that is not in the list."""
    with pytest.raises(UnknownMapping, match=r"published are .*pilot@0\.1\.0"):
        load(name)


@pytest.mark.parametrize("name", names())
def test_a_mapping_refers_to_what_there_is(name: str) -> None:
    """Its games, metrics, definitions and norm sets exist, and at least one norm set serves each trait."""
    published = load(name)
    assert published.norms.keys() == published.norm_hashes.keys() == set(published.mapping.norms)
    for trait in published.mapping.traits.values():
        names_of = {rule.metric for rule in trait.metrics}
        assert len(names_of) == len(trait.metrics)
        assert all(group and names_of.issuperset(group) for group in trait.required)
        for rule in trait.metrics:
            definitions = {(one.id, one.version) for one in GAMES[rule.game].definitions}
            assert (rule.metric, rule.definition) in definitions
            assert rule.game in published.mapping.games
            serving = [norms for norms in published.norms.values() if norms.game == rule.game]
            assert any(rule.metric in norms.metrics for norms in serving)
            assert rule.direction in {1, -1}
            assert rule.fold is None or (rule.direction == 1 and 0 < rule.fold.shrink <= POINT)
        assert 0 <= trait.correlation < POINT
        assert sum(rule.weight for rule in trait.metrics) == POINT
    assert published.mapping.winsor > 0
    for game, rule in published.mapping.games.items():
        assert {need.metric for need in rule.counts} <= {one.id for one in GAMES[game].definitions}


@pytest.mark.parametrize("name", names())
def test_the_numbers_of_a_mapping_are_possible(name: str) -> None:
    """Percentages within 0 and 100, weights that add to one, an SD above 0, a reliability below 1."""
    published = load(name)
    minimum, rule = published.mapping.minimum, published.mapping.quality
    assert all(
        0 < share <= 100 * POINT for share in (minimum.completeness, minimum.quality, minimum.reliability)
    )
    assert 0 < minimum.duration_us[0] < minimum.duration_us[1]
    penalties = [rule.missing, rule.anticipations, rule.blurs, rule.clock, rule.pattern, rule.slow]
    assert sum(penalty.weight for penalty in penalties) == POINT
    assert rule.blurred.weight == rule.blurs.weight
    assert all(penalty.full > 0 for penalty in (*penalties, rule.blurred))
    for norms in published.norms.values():
        for norm in norms.metrics.values():
            assert norm.n > 1
            assert norm.sd > 0
            assert 0 <= norm.reliability < POINT
            assert norm.length > 0 or name == "pilot@0.1.0"
            assert norm.retest is None or 0 <= norm.retest < POINT


@pytest.mark.parametrize("name", names())
def test_the_hash_is_of_the_content_and_not_of_the_layout(name: str) -> None:
    """Blanks and the order of keys in the file do not matter; any value does."""
    published, folder = load(name), files("science")
    document = msgspec.json.decode((folder / "mappings" / f"{name.replace('@', '.v')}.json").read_bytes())
    assert published.mapping_hash == sha256(canonical(document)).hexdigest()
    for norms, value in published.norms.items():
        document = msgspec.json.decode((folder / "norms" / f"{norms}.json").read_bytes())
        assert published.norm_hashes[norms] == sha256(canonical(document)).hexdigest()
        assert value.name == norms


@pytest.mark.parametrize("kind", [Mapping, NormSet])
def test_an_unknown_field_is_refused(kind: type) -> None:
    """A misspelt threshold must not be silently the default: what changes a score has none."""
    published = load("core@1.0.0")
    value = published.mapping if kind is Mapping else published.norms["ds000030_controls_p12.v2"]
    plain = msgspec.to_builtins(value)
    assert msgspec.convert(plain, kind) == value
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain | {"qualty": 1}, kind)
    for field in plain.keys() - {"supersedes", "devices"}:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({key: item for key, item in plain.items() if key != field}, kind)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"kind": "simple", "trials": 20}, True),
        ({"kind": "simple", "trials": 39}, True),
        ({"kind": "simple", "trials": 19}, False),
        ({"kind": "simple", "trials": 40}, False),
        ({"kind": "choice", "trials": 30}, False),
        ({"kind": "simple"}, False),
        ({"kind": "simple", "trials": 30, "device": "x"}, False),
    ],
)
def test_a_norm_set_fits_its_configuration_alone(match: dict[str, int | str], fits: bool) -> None:
    """Every key must agree: a value exactly, a range with both its ends."""
    assert load("core@1.0.0").norms["sro_srt_first30.v1"].fits(match) is fits


def test_a_set_that_names_no_device_does_not_say() -> None:
    """And one that names some is of those."""
    norms = load("core@1.0.0").norms
    assert norms["simulated_memory_12.v1"].is_of_device("mouse")
    assert norms["sro_srt_first30.v1"].is_of_device("keyboard")
    assert not norms["sro_srt_first30.v1"].is_of_device("touch")
