"""Equal events give equal bytes on every Python, with and without the processor's fused instructions, whatever the hash seed.

Kept beside it: a golden file, so that a changed engine is found on any machine.
"""

import gzip
import json
import os
import platform
import re
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from agents.event_logger import EventLogger
from science.canonical import digest
from science.event import Event
from science.kinds import KINDS
from science.mapping import load, names
from science.measure import measure
from science.profile import infer
from science.session import Session
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.cheats import CHEATS, bent
from simulators.people import crowd
from simulators.sitting import Design
from streams.memory import MemoryLog
from streams.topics import EVENTS
from tests.agents.doors import CODEC, known
from tests.science.builders import Balloon, abandoned, profile_of, session_events

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("digest_corpus.py")
GOLDEN = ROOT / "tests" / "golden" / "balloon_risk_pilot_0_1_0.json"
RELEASED = ROOT / "tests" / "golden" / "three_games.json.gz"


# ----------------------------------------------------------------------------------------------------- the fixed corpus


def random_balloons(rng: Random) -> list[Balloon]:
    """A session of some person, with bursts, timeouts and unfinished balloons."""
    target = rng.uniform(0, 9)
    balloons: list[Balloon] = []
    for _ in range(rng.choice([0, 3, 10, 20, 30])):
        intended, burst = max(0, min(11, round(rng.gauss(target, 1.5)))), rng.randint(1, 12)
        ends = rng.choices(["collected", "timed_out", "unfinished"], [90, 6, 4])
        balloons.append((burst, "exploded") if intended >= burst else (intended, ends[0]))
    return balloons


def corpus() -> list[list[Event]]:
    """600 sessions: 500 of all three games, and 100 of balloons that no simulated person would play."""
    return [*three_games(), *odd_balloons()]


def three_games() -> list[list[Event]]:
    """Simulated people, every third one bent by a cheat, and as they lie in a log: in order, shuffled, ended by the closer."""
    rng, cheats = Random("three games"), cycle(name for name in CHEATS if name != "one_key")
    sessions = []
    for n in range(500):
        ((_, _, played),) = crowd(1, 1_000 + n, *designs(n))
        fields = bent(next(cheats), played) if n % 3 == 1 else played
        events = sealed([known(one) for one in fields])
        if n % 5 == 1:
            rng.shuffle(events)
        if n % 5 == 2:
            events = rng.sample(events, len(events) - 1)
        events = [*events, abandoned()]  # too late for most
        sessions.append([msgspec.structs.replace(one, session_id=f"three-{n}") for one in events])
    return sessions


def designs(n: int) -> tuple[Design, ...]:
    """All three games; most of a configuration that norms are of, some in every other kind."""
    kinds: tuple[reaction_timer.Kind, ...] = ("simple", "simple", "simple", "choice", "gonogo")
    small = memory_cards.Design(rounds=3, n_pairs=6, rows=3, cols=4)
    return (
        balloon_risk.Design(balloons=15, max_pumps=12 if n % 8 else 40),
        reaction_timer.Design(trials=21 if n % 2 else 30, kind=kinds[n % 5]),
        memory_cards.Design() if n % 3 == 0 else small,
    )


def sealed(events: list[dict[str, Any]]) -> list[Event]:
    """The events that the door lets in, as the log holds them."""
    log = MemoryLog()
    EventLogger(log, control_url="sqlite://", codec=CODEC).record(events)
    return [
        CODEC.decode(record.value)
        for place in range(EVENTS.partitions)
        for record in log.read(EVENTS.name, place, 0)
    ]


def odd_balloons() -> list[list[Event]]:
    """Timed out, unfinished, in order, shuffled, with repeats, and with gaps that the closer ended."""
    rng = Random("the fixed corpus")
    sessions = []
    for n in range(100):
        balloons = random_balloons(rng)
        waits = [int(rng.lognormvariate(13, 0.6)) for _ in range(41)]
        options = {
            "latencies_us": waits,
            "practice": rng.choice([0, 0, 2]),
            "max_pumps": rng.choice([12, 12, 12, 40]),
        }
        planned = max(1, len(balloons) + rng.choice([0, 0, 5]))
        events = session_events(
            balloons, planned=planned, terminal=rng.choice(["completed", "aborted"]), **options
        )
        if n % 4 == 1:
            rng.shuffle(events)
        if n % 4 == 2:
            events = events[:2] + rng.sample(events, len(events))
        if n % 4 == 3:
            events = [*rng.sample(events, len(events) - 1), abandoned()]
        sessions.append([msgspec.structs.replace(one, session_id=f"corpus-{n}") for one in events])
    return sessions


def plain(event: Event) -> dict[str, Any]:
    """The event as JSON holds it."""
    digests = {"digest": event.digest.hex(), "schema_sha256": event.schema_sha256.hex()}
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return fields | digests


@pytest.fixture(scope="module")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus as plain JSON, which any Python with msgspec reads."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.json"
    sessions = [[plain(one) for one in events] for events in corpus()]
    path.write_text(json.dumps(sessions))
    return path


def run(command: list[str], corpus_file: Path, **environment: str) -> list[str] | str:
    """The two digests that a configuration prints; or what it said when it could not."""
    found = subprocess.run(
        [*command, str(CHILD), str(ROOT), str(corpus_file)],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return found.stdout.split() if found.returncode == 0 else found.stderr


@pytest.fixture(scope="module")
def here(corpus_file: Path) -> list[str]:
    """What this Python says, as it is."""
    found = run([sys.executable], corpus_file)
    assert isinstance(found, list), found
    return found


# ------------------------------------------------------------------------------------------------------ configurations


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_the_hash_seed_does_not_matter(seed: str, here: list[str], corpus_file: Path) -> None:
    """Nothing that leaves the science follows the order of a set or of a hash."""
    assert run([sys.executable], corpus_file, PYTHONHASHSEED=seed) == here


def tunables() -> list[str]:
    """How this glibc is told to leave instructions alone; its names changed with 2.33."""
    library, version = platform.libc_ver()
    if library != "glibc":
        return []
    suffix = "" if tuple(map(int, version.split("."))) >= (2, 33) else "_Usable"
    off = [["FMA"], ["FMA", "FMA4"], ["AVX2", "FMA"], ["AVX512F", "AVX2", "FMA", "FMA4", "AVX", "ERMS"]]
    return ["glibc.cpu.hwcaps=" + ",".join(f"-{name}{suffix}" for name in names) for names in off]


def test_the_processors_instructions_do_not_matter(
    here: list[str], corpus_file: Path, subtests: pytest.Subtests
) -> None:
    """libm gives other bits without fused multiply-add, which is why the engine does not ask it: ours stay the same."""
    if not tunables():
        pytest.skip("NOT TESTED: this C library has no tunables to turn instructions off")
    libm = set()
    for setting in tunables():
        with subtests.test(setting):
            found = run([sys.executable], corpus_file, GLIBC_TUNABLES=setting)
            assert isinstance(found, list), found
            assert found[0] == here[0]
            libm.add(found[1])
    if libm <= {here[1]}:
        pytest.skip("ONE CONFIGURATION ONLY: the tunables changed nothing on this processor")


def other_pythons() -> list[str]:
    """Every CPython from 3.10 on this machine, one for each version: what uv lists, and what pyenv keeps."""
    listed = subprocess.run(
        [sys.executable, "-m", "uv", "python", "list", "--only-installed", "--output-format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    paths = [entry["path"] for entry in json.loads(listed.stdout or "[]")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    paths += [str(path) for path in sorted(pyenv.glob("3.*/bin/python"))]
    versions: dict[tuple[int, ...], str] = {}
    for path in paths:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
        if match := re.match(r"Python (\d+)\.(\d+)\.(\d+)\s*$", told):
            versions.setdefault(tuple(map(int, match.groups())), path)
    return [path for version, path in sorted(versions.items()) if (3, 10) <= version != sys.version_info[:3]]


def locked(name: str) -> list[str]:
    """What uv is told to have this package as the lock file names it: a line for each Python that has its own."""
    lines = re.findall(
        rf"^{name}==[^\\\n]+", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert lines
    return [argument for line in lines for argument in ("--with", line.strip())]


def prepared(path: str) -> list[str] | str:
    """How this Python is run with msgspec, and with numpy where there is one for it; or why it cannot be."""
    said = ""
    for needs in ([*locked("msgspec"), *locked("numpy")], locked("msgspec")):
        options = ["run", "--no-project", "--no-python-downloads", "--python", path, *needs]
        command = [sys.executable, "-m", "uv", *options, "python"]
        ready = subprocess.run(
            [*command, "-c", "import msgspec"], capture_output=True, text=True, check=False
        )
        if ready.returncode == 0:
            return command
        said = ready.stderr[-300:]
    return said


def test_the_instructions_of_columns_do_not_matter(here: list[str], corpus_file: Path) -> None:
    """numpy has loops of its own for every processor: without them the columns give the same bytes, and as many sessions go by them."""
    off = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX"
    found = run([sys.executable], corpus_file, NPY_DISABLE_CPU_FEATURES=off)
    assert isinstance(found, list), found
    assert found[::2] == here[::2]
    assert int(here[2]) > 200


def test_the_version_of_python_does_not_matter(
    here: list[str], corpus_file: Path, subtests: pytest.Subtests
) -> None:
    """Every other Python from 3.10 on this machine gives the same digest; at least one must have run."""
    ran = 0
    for path in other_pythons():
        with subtests.test(path):
            command = prepared(path)
            if isinstance(command, str):
                pytest.skip(f"NOT TESTED, cannot be prepared: {path}: {command}")
            ran += 1
            found = run(command, corpus_file)
            assert isinstance(found, list), found
            assert found[0] == here[0]
            assert found[2] in {"0", here[2]}  # there is no numpy of ours for the oldest Python
    assert ran >= 1, "no other Python could be tried on this machine"


# ---------------------------------------------------------------------------------------------------- the golden file


def golden_sessions() -> list[dict[str, object]]:
    """The committed sessions, with the digests that their profiles have."""
    sessions: list[dict[str, object]] = json.loads(GOLDEN.read_text())
    return sessions


def built(session: dict[str, object]) -> str:
    """The digest of the profile of a golden session."""
    balloons = [(pumps, end) for pumps, end in session["balloons"]]  # type: ignore[attr-defined]
    events = session_events(balloons, **session["options"])  # type: ignore[arg-type]
    return digest(profile_of(events))


@pytest.mark.parametrize("session", golden_sessions(), ids=lambda session: session["name"])
def test_old_profiles_can_be_rebuilt(session: dict[str, object]) -> None:
    """The exact digest of pilot@0.1.0: whoever changes it has changed history, and needs a new version instead."""
    assert built(session) == session["profile_sha256"]


def released() -> dict[str, Any]:
    """Events of sessions of three games, and by mapping the digest of each one's profile."""
    found: dict[str, Any] = json.loads(gzip.decompress(RELEASED.read_bytes()))
    return found


@pytest.mark.parametrize("name", [name for name in names() if load(name).mapping.form > 1])
def test_profiles_of_released_mappings_can_be_rebuilt(name: str) -> None:
    """Whatever becomes faster or clearer, a profile by a released mapping stays what it was, to the byte; so do its measures."""
    golden, published = released(), load(name)
    for session_id, sha256 in golden["profiles"][name].items():
        session = Session(session_id)
        for fields in golden["sessions"][session_id]:
            session.step(rebuilt(dict(fields)))
        measures = measure(session)
        assert digest(measures) == golden["measures"][session_id]
        assert digest(infer(measures, published)) == sha256, f"{session_id} by {name}"


def rebuilt(fields: dict[str, Any]) -> Event:
    """An event from its JSON."""
    payload = msgspec.convert(fields.pop("payload"), KINDS[fields["kind"]])
    digests = {name: bytes.fromhex(fields.pop(name)) for name in ("digest", "schema_sha256")}
    return Event(payload=payload, **digests, **fields)


def test_every_released_mapping_has_golden_profiles() -> None:
    """A mapping without them could change unnoticed."""
    assert {name for name in names() if load(name).mapping.form > 1} == set(released()["profiles"])
