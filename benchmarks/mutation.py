"""Whether the tests would notice: small faults are put into a module one at a time, and its tests are run until one fails.

A process that has everything but the project imported forks once a mutant; the child loads the changed module in place of the
real one and runs the tests, those first that noticed most so far. One JSON line a mutant. A survivor that ``docs/mutation.md`` explains is
said to be explained; any other makes the exit code 1. Nothing is written to the tree.

``python -m benchmarks.mutation`` goes through all modules below; ``python -m benchmarks.mutation science/exact.py`` through one;
``--tests`` names other tests, ``--again FILE`` takes only the survivors of an earlier run's output.
"""

import argparse
import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings

from benchmarks.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "mutation.md"

# The smallest sets of fast tests that cover a module.
TESTS = {
    "science/exact.py": ("exact", "estimate"),
    "science/session.py": ("session", "measure"),
    "science/estimate.py": ("estimate",),
    "science/survival.py": ("survival", "estimate"),
    "science/measure.py": ("measure", "session", "quality", "bootstrap"),
    "science/standing.py": ("standing", "profile"),
}
TIMES_LONGER = 4  # than the tests take of the real module: a loop that does not end
MEMORY_BYTES = 6 << 30

Verdict = Literal["killed", "timeout", "survived", "explained"]


class Ended(NamedTuple):
    """How a child ended: whether all tests passed, by which test not, and the modules it had loaded."""

    passed: bool
    by: str
    loaded: list[str]
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Mutate, print, count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation")
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--tests", nargs="+")
    parser.add_argument("--again", type=Path, help="take only the survivors of this earlier output")
    asked = parser.parse_args(arguments)
    again = None if asked.again is None else _survivors(asked.again)
    explained = explanations(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else set()
    left = 0
    for module in asked.modules:
        tests = asked.tests or [f"tests/science/test_{name}.py" for name in TESTS[module]]
        found = [one for one in mutants(module, (ROOT / module).read_text(encoding="utf-8"))]
        if again is not None:
            found = [one for one in found if (module, one.line, one.change) in again]
        counts: Counter[Verdict] = Counter()
        started = time.monotonic()
        for one, verdict, ended in _verdicts(module, tests, found, explained):
            counts[verdict] += 1
            said = {"module": module, "line": one.line, "function": one.function, "change": one.change}
            print(
                json.dumps({**said, "verdict": verdict, "by": ended.by, "seconds": round(ended.seconds, 2)}),
                flush=True,
            )
        left += counts["survived"]
        minutes = (time.monotonic() - started) / 60
        print(json.dumps({"module": module, **counts, "minutes": round(minutes, 1)}), file=sys.stderr)
    return 1 if left else 0


def explanations(page: str) -> set[tuple[str, str, str]]:
    """The (module, function, change) that the page's tables explain: rows of ``| module | function | changes | why |``."""
    found = set()
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.replace(r"\|", "\0").strip("|").split("|")]
        if len(cells) == 4 and cells[0].endswith(".py`"):
            for change in cells[2].replace("\0", "|").split("<br>"):
                found.add((cells[0].strip("`"), cells[1].strip("`"), change.strip().strip("`")))
    return found


def _survivors(output: Path) -> set[tuple[str, int, str]]:
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return {
        (line["module"], line["line"], line["change"])
        for line in lines
        if line.get("verdict") in ("survived", "explained")
    }


def _verdicts(
    module: str, tests: Sequence[str], found: Sequence[Mutant], explained: set[tuple[str, str, str]]
) -> Iterator[tuple[Mutant, Verdict, Ended]]:
    noticed: Counter[str] = Counter()
    real = _run(module, None, tests, noticed, 600)
    if real is None or not real.passed:
        sys.exit(f"{module}: its tests fail as it is ({'they take too long' if real is None else real.by})")
    _warm(real.loaded)
    limit = 10 + round(TIMES_LONGER * real.seconds)
    for one in found:
        started = time.monotonic()
        ended = _run(module, one.code, tests, noticed, limit)
        seconds = time.monotonic() - started
        if ended is None:
            yield one, "timeout", Ended(passed=False, by="", loaded=[], seconds=seconds)
        elif ended.passed:
            is_known = (module, one.function, one.change) in explained
            yield one, "explained" if is_known else "survived", ended._replace(seconds=seconds)
        else:
            noticed[ended.by] += 1
            yield one, "killed", ended._replace(seconds=seconds)


def _warm(names: Sequence[str]) -> None:
    """Import what the tests need and is not ours, so that no child has to."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _run(
    module: str, code: CodeType | None, tests: Sequence[str], noticed: Mapping[str, int], limit_s: int
) -> Ended | None:
    """The tests in a child; None where it took more than its time, or died."""
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.alarm(10 * limit_s)
            _test(module, code, tests, noticed, writing)
        finally:
            os._exit(70)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    if not said:
        return None
    passed, by, loaded = json.loads(said)
    return Ended(passed, by, loaded, time.monotonic() - started)


def _test(
    module: str, code: CodeType | None, tests: Sequence[str], noticed: Mapping[str, int], writing: int
) -> None:
    """In the child: run the tests against the changed module and say how they ended."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    if code is not None:
        sys.meta_path.insert(0, _Changed(module, code))
    settings.register_profile(
        "mutation",
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutation")
    watch = _Watch(noticed)
    result = pytest.main(["-x", "-q", "--noconftest", "--tb=no", *tests], plugins=[watch])
    loaded = [] if code is not None else _foreign()
    os.write(writing, json.dumps([result == pytest.ExitCode.OK, watch.by, loaded]).encode())
    os._exit(0)


def _foreign() -> list[str]:
    """The loaded modules that are not of this project."""
    return [
        name
        for name, one in list(sys.modules.items())
        if not str(getattr(one, "__file__", None) or ROOT).startswith(f"{ROOT}/")
        or ".venv/" in str(getattr(one, "__file__", ""))
    ]


class _Watch:
    """Runs the tests that noticed most first, and remembers which one noticed now."""

    def __init__(self, noticed: Mapping[str, int]) -> None:
        self.noticed = noticed
        self.by = "import"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: -self.noticed.get(item.nodeid, 0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.by = report.nodeid


class _Changed(SourceFileLoader):
    """Finds and loads the one changed module."""

    def __init__(self, module: str, code: CodeType) -> None:
        super().__init__(module.removesuffix(".py").replace("/", "."), str(ROOT / module))
        self.code = code

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return self.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
