"""A fourth game is one module, its schemas and one test: laid over a copy of the house, published by one command, and played.

``fourth_game`` holds the files of digit span where they belong in the house. Nothing else is written by hand.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.house.test_floors import PACKAGES, contracts, verdicts

ROOT = Path(__file__).resolve().parents[2]
GAME = Path(__file__).with_name("fourth_game")
COPIED = (*PACKAGES, "schemas", "tests")
COMMAND = ["-c", "from cli.main import main; main()"]
LOCKS = ("science/published.lock", "schemas/avro/published.lock")

# Profiles of balloon sessions by every mapping: one without the fourth game, and (once it is there) one that holds it too.
PROFILES = """
import json, sys
from science.canonical import canonical
from science.mapping import load, names
from tests.science import builders
from tests.science.builders import TYPICAL, ended, events_of, game_config, game_steps, profile_of, started

config = game_config(len(TYPICAL))
games = [{"config": json.loads(config), "game": "balloon_risk"}]
played = game_steps(TYPICAL, config)
if sys.argv[1:]:
    from tests.science import test_digit_span
    more = test_digit_span.game_steps(begin_us=played[-1][0])
    games.append({"config": {"lists": len(test_digit_span.TYPICAL)}, "game": "digit_span"})
    played += more
protocol = canonical({"games": games}).decode()
events = events_of(ended([(0, started(protocol)), *played]))
for name in names():
    print(name, profile_of(events, load(name)).canonical().decode())
"""

# Through the public door: one session by EventLogger itself, one as JSON lines for the importer.
PLAY = """
import json, sys
from pathlib import Path
from agents.event_logger import EventLogger
from tests.science.test_digit_span import json_events

verdicts = EventLogger().record(json_events("digits-1"))
assert [verdict.status for verdict in verdicts] == ["accepted"] * len(verdicts), verdicts
lines = [json.dumps(event) + "\\n" for event in json_events("digits-2", [("417", "417"), ("5829", "9285")])]
Path(sys.argv[1]).write_text("".join(lines))
"""


class House:
    """A copy of the house, in which commands can be run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def run(self, *arguments: object, code: int = 0) -> str:
        """What Python prints when it is run with these arguments in the copy."""
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def _environment(self) -> dict[str, str]:
        """Ours, without settings, and unmeasured: the copy's files are gone when a report is made."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KYMOGRAPH", "COV_CORE", "COVERAGE"))
        }
        return inherited | {
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KYMOGRAPH__DATA_DIR": str(self.folder / "data"),
        }

    def files(self) -> dict[str, bytes]:
        """Every file that was copied, by its path in the house."""
        paths = [path for name in COPIED for path in (self.folder / name).rglob("*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}


class Before(NamedTuple):
    """A copy of the house as it was: its files, and the profiles of a balloon session."""

    house: House
    files: dict[str, bytes]
    profiles: str


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Before:
    """A copy of the house as it is."""
    house = House(tmp_path_factory.mktemp("house"))
    return Before(house, house.files(), house.run("-c", PROFILES))


@pytest.fixture(scope="module")
def published(before: Before) -> list[str]:
    """What the one command said, once the files of the fourth game were laid over the copy."""
    shutil.copytree(
        GAME, before.house.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    return before.house.run(*COMMAND, "lock").splitlines()


@pytest.fixture(scope="module")
def house(before: Before, published: list[str]) -> House:
    """The house with its fourth game."""
    return before.house


def test_it_is_one_module_its_schemas_and_one_test(before: Before) -> None:
    """Nothing else is written by hand, and none of it is there already: no file of the house is edited."""
    files = {path.relative_to(GAME).as_posix() for path in GAME.rglob("*.*") if path.suffix != ".pyc"}
    assert files.isdisjoint(before.files)
    assert {name for name in files if name.endswith(".py")} == {
        "science/games/digit_span.py",
        "tests/science/test_digit_span.py",
    }
    assert all(name.startswith("schemas/avro/") for name in files if not name.endswith(".py"))


def test_one_command_publishes_it(before: Before, published: list[str], house: House) -> None:
    """Its schemas and metrics are appended to the two locks, as it says; no other file of the house changes."""
    after = house.files()
    assert {name for name in before.files if before.files[name] != after.get(name)} == set(LOCKS)
    for lock in LOCKS:
        assert after[lock].startswith(before.files[lock])
        added = after[lock].removeprefix(before.files[lock]).decode().splitlines()
        assert {f"published {line}" for line in added} <= set(published)
    names = [line.split(" ")[2] for line in published if " digit_span." in line]
    assert sorted(names) == [
        *("digit_span.game_completed", "digit_span.game_started"),
        *("digit_span.mean_ln_latency", "digit_span.n", "digit_span.recalled"),
        *("digit_span.right_rate", "digit_span.shown", "digit_span.span"),
    ]
    assert house.run(*COMMAND, "lock") == "nothing is new\n"


def test_its_own_test_and_those_of_the_house_pass(house: House) -> None:
    """Registries, purity, length, and what is published."""
    tests = [
        "tests/science/test_digit_span.py",
        "tests/house/test_registries.py",
        "tests/house/test_purity.py",
        "tests/house/test_size.py",
        "tests/science/test_published.py",
    ]
    house.run("-m", "pytest", "-q", *tests)


@pytest.mark.parametrize("what", ["schemas", "mappings"])
def test_the_checks_find_nothing(house: House, what: str) -> None:
    """Locks, style, compatibility; definitions, norms and weights."""
    assert house.run(*COMMAND, what, "check") == "no differences\n"


def test_the_contracts_hold(house: House) -> None:
    """The new module is a game like the others, and knows none of them."""
    assert verdicts(house.folder) == dict.fromkeys(contracts(), "KEPT")


@pytest.mark.clickhouse
def test_it_is_played_through_the_door_and_measured(house: House) -> None:
    """By EventLogger on an embedded folder, and by the importer: the commands tell its metrics, and verify."""
    lines = house.folder / "digits.jsonl"
    house.run("-c", PLAY, lines)
    (counts,) = map(json.loads, house.run(*COMMAND, "import", "jsonl", lines, "--json").splitlines())
    assert (counts["accepted"], counts["rejected"]) == (len(lines.read_text().splitlines()), 0)
    told = [json.loads(house.run(*COMMAND, "metrics", f"digits-{n}", "--json"))["metrics"] for n in (1, 2)]
    assert [metrics["digit_span.right_rate"]["value"] for metrics in told] == [0.75, 0.5]
    assert [metrics["digit_span.span"]["value"] for metrics in told] == [5.0, 3.0]
    assert told[0]["digit_span.right_rate"]["n"] == 12
    assert "verified: 2 of 2 equal" in house.run(*COMMAND, "verify", "--all")


def test_no_profile_moves(before: Before, house: House) -> None:
    """A balloon session has the same canonical bytes by every mapping; one that holds the fourth game too, the same scores."""
    assert house.run("-c", PROFILES) == before.profiles
    assert "pilot@0.1.0" in before.profiles
    mixed = house.run("-c", PROFILES, "with digit span")
    for alone, together in zip(before.profiles.splitlines(), mixed.splitlines(), strict=True):
        (name, one), (_, other) = (line.split(" ", 1) for line in (alone, together))
        assert one != other, "the sets of events differ"
        traits = [json.loads(profile)["traits"] for profile in (one, other)]
        scores = [{trait: (found["status"], found["score"]) for trait, found in of.items()} for of in traits]
        assert scores[0] == scores[1], name
        assert scores[0]["risk_tolerance"][0] == "scored"
