"""What is published, as commands tell it, check it, and publish what is new."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from cli import publishing
from science import published
from science.catalogue import traits
from science.fields import newest
from science.mapping import load, names
from streams import schemas
from tests.cli.kymograph import kymograph, told

PILOT = "pilot@0.1.0"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all that is published, in place of the real one; whatever waits is published in it."""
    for name in ("science", "schemas"):
        shutil.copytree(
            str(files(name)), tmp_path / name, ignore=shutil.ignore_patterns("*.py", "__pycache__")
        )
    for module in (published, schemas):
        monkeypatch.setattr(module, "files", lambda package: tmp_path / package)
    kymograph("lock")
    return tmp_path


def locks(house: Path) -> tuple[str, str]:
    return tuple((house / name / "published.lock").read_text() for name in ("science", "schemas/avro"))


def add_norms(house: Path) -> Path:
    """Write a norm set that waits to be published; the path of the one it is made from."""
    norms = house / "science" / "norms" / "ds000030_controls_p12.v1.json"
    document = json.loads(norms.read_text()) | {"version": 7}
    norms.with_name("ds000030_controls_p12.v7.json").write_text(json.dumps(document))
    return norms


# -------------------------------------------------------------------------------------------------------------- telling


def test_every_mapping_is_listed() -> None:
    """Name, hash, whether it is published, traits with their status, norm sets with theirs."""
    lines = told(kymograph("mappings", "list", "--json"))
    assert [line["mapping"] for line in lines] == names()
    pilot = next(line for line in lines if line["mapping"] == PILOT)
    assert pilot == {
        "mapping": PILOT,
        "hash": load(PILOT).mapping_hash,
        "status": "published",
        "traits": {"risk_tolerance": "pilot"},
        "norms": {"ds000030_controls_p12.v1": "provisional"},
    }
    text = kymograph("mappings", "list").stdout
    assert f"{PILOT}  published  {pilot['hash']}\n" in text
    assert "  traits: risk_tolerance (pilot)\n  norms: ds000030_controls_p12.v1 (provisional)\n" in text


def test_a_mapping_is_shown_as_tables() -> None:
    """Weights, required metrics, norms and thresholds, in columns."""
    parts = kymograph("mappings", "show", PILOT).stdout.split("\n\n")
    assert parts[0] == f"{PILOT}  published  {load(PILOT).mapping_hash}"
    heads = [part.splitlines()[0].split() for part in parts[1:]]
    assert [head[0] for head in heads] == ["trait", "norm", "norm", "threshold"]
    (row,) = parts[1].splitlines()[1:]
    assert row.split() == [
        cell for cell in traits(load(PILOT)).rows[0] for cell in cell.replace("`", "").split()
    ]
    assert parts[2].splitlines()[1].split()[1:6] == [
        "balloon.ln_intended_km",
        "124",
        "1.48645",
        "0.31505",
        "0.8991",
    ]
    lines = parts[1].splitlines()
    assert lines[0].index("metric") == lines[1].index("balloon.ln_intended_km")
    assert not any(line.endswith(" ") for part in parts for line in part.splitlines())


def test_a_mapping_is_one_object_for_programs() -> None:
    """The document in decimals, and every norm set with its hash."""
    (line,) = told(kymograph("mappings", "show", PILOT, "--json"))
    known = load(PILOT)
    assert (line["mapping"], line["hash"], line["status"]) == (PILOT, known.mapping_hash, "published")
    assert line["traits"]["risk_tolerance"]["metrics"][0]["weight"] == 1.0
    assert line["traits"]["risk_tolerance"]["required"] == [["balloon.ln_intended_km"]]
    assert (line["interval"]["level"], line["interval"]["z"], line["winsor"]) == (0.95, 1.959964, 3.5)
    assert line["minimum"] == {
        "completeness": 80.0,
        "quality": 70.0,
        "reliability": 75.0,
        "weight": 0.0,
        "duration_us": [30_000_000, 7_200_000_000],
    }
    assert line["games"]["balloon_risk"]["counts"][0]["minimum"] == 10
    assert line["quality"]["missing"] == {"weight": 0.3, "full": 0.25, "limit": 1.0}
    (norms,) = line["norm_sets"].values()
    assert norms["hash"] == known.norm_hashes["ds000030_controls_p12.v1"]
    assert (norms["status"], norms["match"]["max_pumps"]) == ("provisional", 12)
    norm = norms["metrics"]["balloon.ln_intended_km"]
    assert (norm["n"], norm["mean"], norm["sd"]) == (124, 1.48645, 0.31505)
    assert (norm["reliability"], norm["retest"]) == (0.8991, None)


def test_an_unknown_mapping_is_a_wrong_use() -> None:
    """With those there are."""
    assert PILOT in kymograph("mappings", "show", "pilot", code=2).stderr


def test_what_this_code_publishes_is_whole() -> None:
    """Nothing is edited, gone, missing or left to publish."""
    assert told(kymograph("mappings", "check", "--json")) == [{"difference": None}]


# -------------------------------------------------------------------------------------------------------------- the lock


def test_nothing_is_published_twice(house: Path) -> None:
    """A second lock says so, and changes no byte."""
    before = locks(house)
    assert kymograph("lock").stdout == "nothing is new\n"
    assert told(kymograph("lock", "--json")) == [{"published": None}]
    assert locks(house) == before
    assert kymograph("mappings", "check").stdout == "no differences\n"


def test_one_command_publishes_schemas_and_documents(house: Path) -> None:
    """Each lock grows by its own lines, which are those that are printed, and nothing is left to publish."""
    add_norms(house)
    schema = house / "schemas" / "avro" / "games" / "session.paused.v1.avsc"
    longer = json.loads(schema.read_text())
    longer["fields"].append({"name": "why", "type": ["null", "boolean"], "default": None, "doc": "d"})
    schema.with_name("session.paused.v2.avsc").write_text(json.dumps(longer))
    waiting = kymograph("mappings", "check", code=1).stdout
    assert waiting.startswith("not published, run kymograph lock: norm ds000030_controls_p12 7 ")
    before = locks(house)
    lines = told(kymograph("lock", "--json"))
    added = [after.removeprefix(old) for old, after in zip(before, locks(house), strict=True)]
    assert [(line["lock"], line["published"] + "\n") for line in lines] == [
        ("schemas/avro/published.lock", added[1]),
        ("science/published.lock", added[0]),
    ]
    assert lines[0]["published"].split(" ")[1:3] == ["session.paused", "2"]
    assert waiting.endswith(f" {lines[1]['published']}\n")
    assert kymograph("mappings", "check").stdout == kymograph("schemas", "check").stdout == "no differences\n"


def test_a_schema_that_its_kind_does_not_mirror_is_refused(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is published, only a new version would mend it."""
    add_norms(house)
    fields = {**newest(), "session.paused": newest()["session.started"][-1:]}
    monkeypatch.setattr(publishing, "newest", lambda: fields)
    before = locks(house)
    said = "the kind session.paused holds nothing; its schema latency_sd_us: int | None\n"
    assert kymograph("lock", code=1).stdout == said
    assert locks(house) == before


@pytest.mark.parametrize("what", ["edit", "removal", "schema edit", "schema removal", "style"])
def test_an_edit_of_what_is_published_is_refused(house: Path, what: str) -> None:
    """With a line for each flaw, exit 1, and neither lock touched, though something new waits."""
    norms = add_norms(house)
    schema = house / "schemas" / "avro" / "games" / "session.paused.v1.avsc"
    match what:
        case "edit":
            norms.write_text(json.dumps(json.loads(norms.read_text()) | {"sample": "others"}))
            said = "edited, give it a new version: norm ds000030_controls_p12 1"
        case "removal":
            norms.unlink()
            said = "gone, but published: norm ds000030_controls_p12 1"
        case "schema edit":
            schema.write_text(schema.read_text().replace('"doc": "', '"doc": "Now: ', 1))
            said = "session.paused v1 changed after it was published. Put it back, add v2."
        case "schema removal":
            schema.unlink()
            said = "session.paused v1 was published, but its file is gone. Put it back."
        case _:
            text = schema.read_text().replace("SessionPaused", "Paused").replace('"doc": "', '"dock": "', 1)
            schema.with_name("session.paused.v2.avsc").write_text(text)
            said = "session.paused v2: the record has no doc"
    before = locks(house)
    assert said in kymograph("lock", code=1).stdout.splitlines()
    assert locks(house) == before
    check = ("mappings", "check") if what in {"edit", "removal"} else ("schemas", "check")
    assert {"difference": said} in told(kymograph(*check, "--json", code=1))
