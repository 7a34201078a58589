"""The peers: what each does in which form, its environment, made on demand, and a run of it in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from telemetry.version import ENGINE_VERSION

_HERE = Path(__file__).resolve().parent
ROOT = _HERE.parents[1]
SCHEMAS = ROOT / "schemas" / "avro" / "games"
_INSTALL_S_MAX, RUN_S_MAX = 600, 900

WORKS = ("complete", "operators", "windows")


class Peer(NamedTuple):
    """A system in one form: the program ``<framework>_<work>.py`` of this folder.

    ``events`` are so many that it is done in about half a minute. To do the complete work, sessions must end: of such a feed at most
    ``active_max`` are under way at once, and they are played to their ends.
    """

    system: str
    framework: str
    work: str
    events: int
    active_max: int | None = None


PEERS = (
    Peer("faust-naive", "faust", "complete", 10_000, active_max=10),
    Peer("quixstreams", "quix", "complete", 10_000, active_max=10),
    Peer("bytewax", "bytewax", "complete", 200_000, active_max=200),
    Peer("quixstreams", "quix", "operators", 300_000),
    Peer("bytewax", "bytewax", "operators", 300_000),
    Peer("faust-naive", "faust", "windows", 60_000),
    Peer("quixstreams", "quix", "windows", 300_000),
    Peer("bytewax", "bytewax", "windows", 300_000),
)
SYSTEMS = tuple(dict.fromkeys(peer.system for peer in PEERS))


class PeerFailed(Exception):
    """The environment or the run of a peer failed. The message says how."""


def profiles_topic(peer: Peer) -> str:
    """Where the peer sends profiles, if it sends any."""
    return f"bench.profiles.{peer.framework}"


def python_of(peer: Peer, cache: Path) -> Path:
    """The Python of the framework's environment in ``cache``, installed first where it is not there as pinned. Raises PeerFailed."""
    requirements = _HERE / f"{peer.framework}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pinned = sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = cache.resolve() / f"{peer.framework}-{version}-{pinned}"
    python, made = folder / "bin" / "python", folder / "made"
    if not made.exists():
        print(f"installing {peer.system} into {folder}", file=sys.stderr)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [str(python), *install]):
            _answer(command, _INSTALL_S_MAX)
        made.touch()
    return python


def run(peer: Peer, python: Path, *, bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, Any]:
    """Run the peer over the whole topic: what it says, and the lines of its result, None where it sent them. Raises PeerFailed."""
    state, result, metadata = folder / "state", folder / "result", folder / "metadata"
    state.mkdir(parents=True)
    _tell_version(metadata)
    options = {
        "bootstrap": bootstrap,
        "topic": topic,
        "events": events,
        "schemas": SCHEMAS,
        "folder": state,
        "profiles": profiles_topic(peer),
        "result": result,
    }
    command = [str(python), str(_HERE / f"{peer.framework}_{peer.work}.py")]
    command += [f"--{name}={value}" for name, value in options.items()]
    path = os.pathsep.join(map(str, (ROOT, metadata)))  # to our chain, which the complete work is done by
    said = _answer(command, RUN_S_MAX, {"PYTHONPATH": path})
    answers = [line for line in said.splitlines() if line.startswith("{")]  # a frame may print, too
    if not answers:
        raise PeerFailed(f"{peer.system} gave no answer: {said[-2000:]}")
    lines = result.read_text("utf-8").splitlines(keepends=True) if result.exists() else None
    return {**json.loads(answers[-1]), "lines": lines}


def _tell_version(folder: Path) -> None:
    """Our code asks for its own version, which stands in metadata, and in the peer's environment it is not installed."""
    told = folder / f"kymograph-{ENGINE_VERSION}.dist-info" / "METADATA"
    told.parent.mkdir(parents=True)
    told.write_text(f"Metadata-Version: 2.1\nName: kymograph\nVersion: {ENGINE_VERSION}\n", "utf-8")


def _answer(command: list[str], seconds_max: int, settings: Mapping[str, str] | None = None) -> str:
    environment = {**os.environ, **(settings or {})}
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds_max, env=environment
        )
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"{command[0]} {command[1]} was not done after {seconds_max} s") from None
    if answer.returncode != 0:
        tail = (answer.stdout + answer.stderr)[-2000:]
        raise PeerFailed(f"{command[0]} {command[1]} ended with {answer.returncode}:\n{tail}")
    return answer.stdout
