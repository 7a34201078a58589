"""Published is frozen: norms, mappings and metric definitions get a new version, never an edit; and they fit one another."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from science.canonical import canonical, digest
from science.game import Definition
from science.published import Publication, flaws, here, living, locked, standing, unpublished

Edit = Callable[[dict[str, Any]], object]

PENALTY = {"weight": 200_000, "full": 100_000}
NORMS: dict[str, Any] = {
    "id": "people",
    "version": 2,
    "status": "provisional",
    "game": "game",
    "match": {"lists": [1, 9]},
    "sample": "some people",
    "source": "somewhere",
    "metrics": {
        "g.a": {"n": 20, "mean": 5, "sd": 1, "reliability": 800_000, "length": 9, "retest": -100_000},
        "g.b": {"n": 20, "mean": 5, "sd": 1, "reliability": 0, "length": 1},
    },
}
MAPPING: dict[str, Any] = {
    "id": "map",
    "semver": "1.0.0",
    "form": 2,
    "interval": {"level": 950_000, "z": 1_959_964, "method": "moderated_jackknife", "prior_df": 8},
    "allow_provisional": True,
    "winsor": 3_500_000,
    "norms": ["people.v2"],
    "minimum": {"completeness": 1, "quality": 1, "reliability": 1, "duration_us": [1, 2]},
    "quality": {
        **dict.fromkeys(("missing", "anticipations", "blurs", "blurred", "clock", "pattern"), PENALTY),
        "slow": {"weight": 0, "full": 1},
    },
    "games": {
        "game": {
            "unit": "lists",
            "counts": [{"metric": "g.n", "minimum": 1, "unit": "lists", "of": "lists"}],
        }
    },
    "traits": {
        "trait": {
            "status": "provisional",
            "correlation": 100_000,
            "required": [["g.a", "g.b"]],
            "metrics": [
                {"metric": "g.a", "definition": 1, "weight": 600_000, "direction": 1, "game": "game"},
                {"metric": "g.b", "definition": 2, "weight": 400_000, "direction": -1, "game": "game"},
            ],
        }
    },
    "references": [],
    "changelog": [],
}
DEFINITIONS = tuple(
    Definition(name, version, "units", "formula", "source")
    for name, version in (("g.n", 1), ("g.a", 1), ("g.b", 1), ("g.b", 2))
)


def publication(in_mapping: Edit = dict, in_norms: Edit = dict, **changes: Any) -> Publication:
    """A small house that publishes one game, one norm set and one mapping, all locked; then edited, or changed as a whole."""
    texts = []
    for document, edit in ((MAPPING, in_mapping), (NORMS, in_norms)):
        edited = msgspec.json.decode(canonical(document))
        edit(edited)
        texts.append(canonical(edited))
    fresh = Publication("", {"game": DEFINITIONS}, {"map.v1.0.0": texts[0]}, {"people.v2": texts[1]})
    lock = "".join(f"{line}\n" for line in unpublished(fresh))
    return msgspec.structs.replace(fresh, **{"lock": lock, **changes})


# -------------------------------------------------------------------------------------------------------- what there is


def test_what_is_published_is_locked_unchanged_and_whole() -> None:
    """Every entry of the lock still stands with its hash, everything is in the lock, and it fits."""
    found = [*flaws(here()), *unpublished(here())]
    assert not found, "\n".join(found)


def test_the_lock_of_the_pilot_stands() -> None:
    """The first entries that were ever published, by the hashes they had."""
    known = locked(here().lock)
    assert known["mapping", "pilot", "0.1.0"].startswith("b78a8a80097565924b66")
    assert known["metric", "balloon.aap", "1"].startswith("17272c75c898cc6d3bef")
    assert known["norm", "ds000030_controls_p12", "1"].startswith("fc02c133a91bd7774155")


def test_a_house_that_is_whole_has_no_flaw() -> None:
    """And nothing is left to publish; every entry is named by kind, name and version."""
    house = publication()
    assert flaws(house) == []
    assert unpublished(house) == []
    assert living(house) == locked(house.lock)
    assert living(house) == {
        ("mapping", "map", "1.0.0"): digest(MAPPING),
        ("norm", "people", "2"): digest(NORMS),
        **{("metric", one.id, str(one.version)): digest(one) for one in DEFINITIONS},
    }


# ------------------------------------------------------------------------------------------------------------- the lock


@pytest.mark.parametrize("kind", ["metric", "mapping", "norm"])
def test_the_lock_bites(kind: str) -> None:
    """An edit, a removal and an addition are each found, for every kind of entry."""
    house = publication()
    line = next(line for line in house.lock.splitlines() if line.startswith(kind))
    entry, _, value = line.rpartition(" ")
    name = tuple(entry.split(" "))
    edited = msgspec.structs.replace(house, lock=house.lock.replace(value, "0" * 64))
    assert flaws(edited) == [f"edited, give it a new version: {entry}"]
    assert (standing(house, name), standing(edited, name)) == ("published", "edited")
    more = msgspec.structs.replace(house, lock=f"{house.lock}{kind} gone 1 {value}\n")
    assert flaws(more) == [f"gone, but published: {kind} gone 1"]
    less = msgspec.structs.replace(house, lock=house.lock.replace(f"{line}\n", ""))
    assert flaws(less) == []
    assert unpublished(less) == [line]
    assert standing(less, name) == "not published"


def test_what_is_new_is_appended_in_order() -> None:
    """Sorted by kind, name and version, so that the lines do not depend on how they were found."""
    house = publication(lock="")
    lines = unpublished(house)
    assert lines == sorted(lines)
    assert len(lines) == len(living(house))


def test_a_damaged_lock_is_found() -> None:
    """A line of another shape, an entry that stands twice, and a last line that was cut."""
    lock = publication().lock
    line = lock.splitlines()[0]
    assert flaws(publication(lock=f"{lock}a b c\n")) == ["damaged in the lock: a b c"]
    again = " ".join([*line.split(" ")[:3], "0" * 64])
    assert flaws(publication(lock=f"{lock}{again}\n")) == ["locked twice: mapping map 1.0.0"]
    assert flaws(publication(lock=lock.removesuffix("\n"))) == [
        "damaged in the lock: its last line does not end"
    ]


# -------------------------------------------------------------------------------------------------------- what is inside


@pytest.mark.parametrize("kind", ["mapping", "norm set"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "is no JSON object: "),
        (b"[]", "is no JSON object: "),
        (b'{"a": "\xff"}', "is no JSON object: "),
        (b'{"form": 2, "a": [{"b": 0.5}]}', "holds a fraction: give millionths"),
        (b'{"form": 2, "qualty": 1}', "is none: "),
        (b'{"minimum": {}}', "is none: "),
    ],
)
def test_a_document_that_is_none_is_found(kind: str, text: bytes, said: str) -> None:
    """Whatever the file holds, the answer is a line that names it."""
    if kind == "mapping":
        found = flaws(publication(lock="", mappings={"map.v1.0.0": text}))
        assert found[0].startswith(f"mapping map.v1.0.0 {said}")
        assert len(found) == 1
    else:
        found = flaws(publication(lock="", norms={"people.v2": text}, mappings={}))
        assert found[0].startswith(f"norm set people.v2 {said}")
        assert len(found) == 1


def test_a_document_is_what_its_file_is_called() -> None:
    """The name of the file is the id and the version inside."""
    house = publication()
    (mapping,), (norms,) = house.mappings.values(), house.norms.values()
    renamed = publication(lock="", mappings={"map.v1.0.1": mapping}, norms={"people.v2": norms})
    assert flaws(renamed) == ["mapping map.v1.0.1 says inside that it is map@1.0.0"]
    both = {"people.v2": norms, "people.v3": norms}
    assert flaws(publication(lock="", norms=both)) == ["norm set people.v3 says inside that it is people.v2"]


def test_a_metric_is_defined_once() -> None:
    """Two definitions of one id and version would be one entry of the lock, and one of them nowhere."""
    twice = {"game": DEFINITIONS, "other": DEFINITIONS[1:2]}
    assert flaws(publication(lock="", definitions=twice)) == ["metric g.a 1 is defined twice"]


def _norm(**fields: Any) -> Edit:
    return lambda norms: norms["metrics"]["g.a"].update(fields)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda norms: norms.update(game="none"), "norm set people.v2 is of an unknown game: none"),
        (
            lambda norms: norms["metrics"].update({"g.z": norms["metrics"]["g.b"]}),
            "norm set people.v2: g.z is no metric of game",
        ),
        (_norm(n=1), "norm set people.v2: g.a has no spread: n is 1, sd is 1"),
        (_norm(sd=0), "norm set people.v2: g.a has no spread: n is 20, sd is 0"),
        (_norm(reliability=-1), "norm set people.v2: g.a has a reliability outside 0..1"),
        (_norm(reliability=1_000_001), "norm set people.v2: g.a has a reliability outside 0..1"),
        (_norm(retest=1_000_001), "norm set people.v2: g.a has a retest correlation outside -1..1"),
        (_norm(retest=-1_000_001), "norm set people.v2: g.a has a retest correlation outside -1..1"),
    ],
)
def test_a_norm_set_that_cannot_be_is_found(edit: Edit, said: str) -> None:
    """What it is of, and figures that no sample has; beside the flaw nothing is said of the norm set."""
    found = [flaw for flaw in flaws(publication(in_norms=edit)) if flaw.startswith("norm set")]
    assert found == [said]


@pytest.mark.parametrize(
    "edges", [{"reliability": 0}, {"reliability": 1_000_000}, {"n": 2}, {"retest": 1_000_000}]
)
def test_the_edges_are_allowed(edges: dict[str, int]) -> None:
    """A metric without any reliability may be held, and so may one measured without error."""
    assert flaws(publication(in_norms=_norm(**edges))) == []


def _metric(**fields: Any) -> Edit:
    return lambda mapping: mapping["traits"]["trait"]["metrics"][0].update(fields)


def _trait(**fields: Any) -> Edit:
    return lambda mapping: mapping["traits"]["trait"].update(fields)


ABOUT = "mapping map@1.0.0"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_metric(metric="g.z"), f"{ABOUT}, trait: g.z is no metric of game"),
        (_metric(definition=2), f"{ABOUT}, trait: g.a has no definition 2"),
        (_metric(game="other"), f"{ABOUT}, trait: of other it is not said how much must be played"),
        (_metric(game="other"), f"{ABOUT}, trait: g.a is no metric of other"),
        (_metric(direction=0), f"{ABOUT}, trait: g.a points in direction 0, which is neither 1 nor -1"),
        (_metric(weight=600_001), f"{ABOUT}, trait: the weights do not add up to 1"),
        (_metric(weight=599_999), f"{ABOUT}, trait: the weights do not add up to 1"),
        (_metric(weight=-1), f"{ABOUT}, trait: g.a has a weight below 0: that is what the direction is for"),
        (_metric(metric="g.b", definition=2), f"{ABOUT}, trait: g.b stands twice"),
        (_trait(required=[["g.n"]]), f"{ABOUT}, trait: g.n is required, but is none of its metrics"),
        (lambda m: m.update(norms=["people.v3"]), f"{ABOUT}: there is no norm set people.v3"),
        (lambda m: m.update(norms=[]), f"{ABOUT}, trait: g.a is required, but no norm set has it"),
        (lambda m: m.update(norms=["people.v2", "people.v2"]), f"{ABOUT} names people.v2 twice"),
        (
            lambda m: m["games"]["game"]["counts"][0].update(metric="g.z"),
            f"{ABOUT}: it counts g.z, which is no metric of game",
        ),
        (
            lambda m: m["quality"]["slow"].update(weight=1),
            f"{ABOUT}: the weights of quality do not add up to 1",
        ),
        (lambda m: m["quality"].update(fails=["inert", "asleep"]), f"{ABOUT}: nothing fails by asleep"),
    ],
)
def test_a_mapping_that_does_not_fit_is_found(edit: Edit, said: str) -> None:
    """Metrics, definitions and norm sets that do not exist, weights that do not add up, what stands twice."""
    assert said in flaws(publication(in_mapping=edit))


def test_a_length_is_needed_where_the_error_of_the_sample_is() -> None:
    """Only the pilot's interval does without."""
    without = _norm(length=0)
    said = f"{ABOUT}: people.v2 does not say of how many units the reliability of g.a is"
    assert flaws(publication(in_norms=without)) == [said]
    greenwood: Edit = lambda mapping: mapping["interval"].update(method="greenwood_delta")  # noqa: E731
    assert flaws(publication(in_mapping=greenwood, in_norms=without)) == []


def test_another_game_of_the_same_name_does_not_serve() -> None:
    """A norm set of another game is no norm for a required metric, whatever its metrics are called."""
    other = {"game": DEFINITIONS, "other": DEFINITIONS[1:3]}
    found = flaws(publication(in_norms=lambda norms: norms.update(game="other"), definitions=other))
    assert f"{ABOUT}, trait: g.a is required, but no norm set has it" in found
