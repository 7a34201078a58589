"""A peer's environment, made on demand, and a run of it in a process of its own."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

_HERE = Path(__file__).resolve().parent
SCHEMAS = _HERE.parents[1] / "schemas" / "avro" / "games"
_INSTALL_S_MAX, RUN_S_MAX = 600, 900


class Peer(NamedTuple):
    """A program of this folder and the events that it gets: so many that it is done in about half a minute."""

    system: str
    program: str
    events: int


PEERS = {
    peer.system: peer
    for peer in (
        Peer("faust-naive", "naive_faust", 60_000),
        Peer("quixstreams", "quix_streams", 300_000),
        Peer("bytewax", "bytewax_windows", 300_000),
    )
}


class PeerFailed(Exception):
    """The environment or the run of a peer failed. The message says how."""


def python_of(peer: Peer, cache: Path) -> Path:
    """The Python of the peer's environment in ``cache``, installed first where it is not there as pinned. Raises PeerFailed."""
    requirements = _HERE / f"{peer.program}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    pinned = sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = cache.resolve() / f"{peer.program}-{version}-{pinned}"
    python, made = folder / "bin" / "python", folder / "made"
    if not made.exists():
        print(f"installing {peer.system} into {folder}", file=sys.stderr)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)]
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [str(python), *install]):
            _answer(command, _INSTALL_S_MAX)
        made.touch()
    return python


def run(peer: Peer, python: Path, *, bootstrap: str, topic: str, events: int, folder: Path) -> dict[str, Any]:
    """Run the peer over the whole topic: what it says, and its windows' lines. Raises PeerFailed."""
    state, windows = folder / "state", folder / "windows.csv"
    state.mkdir(parents=True)
    command = [str(python), str(_HERE / f"{peer.program}.py"), "--bootstrap", bootstrap, "--topic", topic]
    command += ["--events", str(events), "--schemas", str(SCHEMAS)]
    command += ["--folder", str(state), "--windows", str(windows)]
    said = _answer(command, RUN_S_MAX)
    answers = [line for line in said.splitlines() if line.startswith("{")]  # a frame may print, too
    if not answers:
        raise PeerFailed(f"{peer.system} gave no answer: {said[-2000:]}")
    told: dict[str, Any] = json.loads(answers[-1])
    with windows.open(encoding="utf-8") as file:
        return {**told, "lines": list(file)}


def _answer(command: list[str], seconds_max: int) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds_max)
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"{command[0]} {command[1]} was not done after {seconds_max} s") from None
    if answer.returncode != 0:
        tail = (answer.stdout + answer.stderr)[-2000:]
        raise PeerFailed(f"{command[0]} {command[1]} ended with {answer.returncode}:\n{tail}")
    return answer.stdout
