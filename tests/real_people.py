"""Where the public data of real people lie. They are read from there and are no part of the project."""

import os
from pathlib import Path

import pytest

VARIABLE = "KYMOGRAPH_REAL_DATA"


def real_data_folder() -> Path | None:
    """The folder that KYMOGRAPH_REAL_DATA names, or shared/data beside the repository; None where neither is there."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


def real_file(name: str) -> Path:
    """A file of that folder; skips the test, loudly, where it is missing."""
    folder = real_data_folder()
    if folder is None or not (folder / name).is_file():
        pytest.skip(f"REAL PEOPLE NOT TESTED: {name} is missing; name its folder in {VARIABLE}")
    return folder / name
