"""The floors hold, each contract bites, and the house has exactly the rooms it says."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
PACKAGES = [*SETTINGS["root_packages"]]
FOLDERS = {*PACKAGES, "benchmarks", "docs", "infra", "schemas", "tests"}
MADE = {"build", "dist"}  # by tools, and ignored by git

# For each contract, files that break it and no other. A new contract must bring its breach.
BREACHES: dict[str, dict[str, str]] = {
    "Floors: each package sees only the floors below it": {"streams/planted.py": "import agents\n"},
    "The science touches nothing but the value library": {"science/planted.py": "import time\n"},
    "The games know nothing of one another": {
        "science/games/planted.py": "from science.games.balloon_risk import play\n"
    },
    "Faust has one doorway": {"agents/planted_faust.py": "import faust\n"},
    "clickhouse-connect has one doorway": {"projections/planted.py": "import clickhouse_connect\n"},
    "The Kafka clients have one doorway": {"agents/planted_kafka.py": "import confluent_kafka\n"},
    "fastavro has one doorway": {"cli/planted.py": "import fastavro\n"},
}


def verdicts(folder: Path) -> dict[str, str]:
    """What import-linter says of the house in this folder, contract by contract."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    found = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = dict(re.findall(r"^(.+?) (KEPT|BROKEN)\b.*$", found.stdout, re.MULTILINE))
    assert said, found.stdout + found.stderr
    return said


def contracts() -> list[str]:
    """The names of the contracts, as pyproject.toml has them."""
    return [contract["name"] for contract in SETTINGS["contracts"]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The verdicts on a copy of the house with every breach planted."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for breach in BREACHES.values():
        for path, source in breach.items():
            (folder / path).write_text(f'"""Planted."""\n\n{source}')
    return verdicts(folder)


def test_the_contracts_hold() -> None:
    """import-linter finds every contract kept."""
    assert verdicts(ROOT) == dict.fromkeys(contracts(), "KEPT")


@pytest.mark.parametrize("contract", contracts())
def test_each_contract_bites(contract: str, planted: dict[str, str]) -> None:
    """A breach planted in a copy of the house is found; a contract without a breach to plant is not tested, so it fails."""
    assert contract in BREACHES, "say in BREACHES how this contract could be broken"
    assert planted[contract] == "BROKEN"


def test_the_house_has_exactly_these_rooms() -> None:
    """A new top-level folder must declare its floor (or be one of the folders without code)."""
    there = {
        entry.name
        for entry in ROOT.iterdir()
        if entry.is_dir() and not entry.name.startswith((".", "__")) and not entry.name.endswith(".egg-info")
    }
    assert there - MADE == FOLDERS


def test_every_package_says_what_it_is() -> None:
    """Each package and each of its sub-packages opens with a docstring."""
    for package in PACKAGES:
        for init in (ROOT / package).rglob("__init__.py"):
            assert init.read_text().startswith('"""'), init
