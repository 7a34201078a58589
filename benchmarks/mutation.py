"""Whether the tests would notice: small faults are put into a module one at a time, and its tests are run until one fails.

A process that has everything but the project imported forks once a mutant; the child loads the changed module in place of the
real one and runs the tests, those first that noticed most for their time so far. One JSON line a mutant. A survivor that
``docs/mutation.md`` explains is said to be explained; any other makes the exit code 1. Nothing is written to the tree.

``python -m benchmarks.mutation`` goes through all modules below; ``python -m benchmarks.mutation science/exact.py`` through one;
``--tests`` names other tests, ``--again FILE`` leaves out what an earlier run's output shows as noticed.
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
from collections.abc import Iterator, Sequence
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
    "science/exact.py": ("test_exact", "test_estimate"),
    "science/session.py": ("test_session",),
    "science/estimate.py": ("test_estimate",),
    "science/survival.py": ("test_survival", "test_estimate"),
    "science/walk.py": ("test_measure", "test_session", "columns/test_measure"),
    "science/measure.py": ("test_measure", "test_session"),
    "science/standing.py": ("test_standing", "test_profile", "test_refusals"),
    "science/columns/exact.py": ("columns/test_exact",),
    "science/columns/estimate.py": ("columns/test_estimate",),
    "science/columns/measure.py": ("columns/test_measure",),
    "science/columns/kernel.py": ("columns/test_kernel",),
}
TIMES_LONGER = 3  # a test than with the real module, and so many seconds more: a loop that does not end
SECONDS_MORE = 3
MEMORY_BYTES = 6 << 30

Verdict = Literal["killed", "timeout", "survived", "explained"]


class Ended(NamedTuple):
    """How a child ended: whether all tests passed, which one did not, the processor time of each, and the modules it had loaded."""

    passed: bool
    by: str
    seconds: dict[str, float]
    loaded: list[str]


class Suite(NamedTuple):
    """The tests of a module: how long each takes with the real module (by ``""`` the imports), and how often it noticed."""

    tests: Sequence[str]
    seconds: dict[str, float]
    noticed: Counter[str]


def main(arguments: Sequence[str]) -> int:
    """Mutate, print, count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation")
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--tests", nargs="+")
    parser.add_argument("--again", type=Path, help="leave out what this earlier output shows as noticed")
    asked = parser.parse_args(arguments)
    noticed = set() if asked.again is None else _noticed(asked.again)
    explained = explanations(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else set()
    left = 0
    for module in asked.modules:
        tests = asked.tests or [f"tests/science/{name}.py" for name in TESTS[module]]
        found = list(mutants(module, (ROOT / module).read_text(encoding="utf-8")))
        found = [one for one in found if (module, one.function, one.change) not in noticed]
        counts: Counter[Verdict] = Counter()
        started = time.monotonic()
        for one, verdict, ended in _verdicts(module, tests, found, explained):
            counts[verdict] += 1
            said = {
                "module": module,
                "line": one.line,
                "function": one.function,
                "change": one.change,
                "verdict": verdict,
                "by": ended.by,
                "seconds": round(sum(ended.seconds.values()), 2),
            }
            print(json.dumps(said, ensure_ascii=False), flush=True)
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


def _noticed(output: Path) -> set[tuple[str, str, str]]:
    """What an earlier run's tests noticed, wherever a function has a change."""
    verdicts: dict[tuple[str, str, str], set[str]] = {}
    for text in output.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        verdicts.setdefault((line["module"], line["function"], line["change"]), set()).add(line["verdict"])
    return {change for change, found in verdicts.items() if found <= {"killed", "timeout"}}


def _verdicts(
    module: str, tests: Sequence[str], found: Sequence[Mutant], explained: set[tuple[str, str, str]]
) -> Iterator[tuple[Mutant, Verdict, Ended]]:
    real = _run(module, None, Suite(tests, {}, Counter()))
    if real is None or not real.passed:
        sys.exit(f"{module}: its tests fail as it is: {'killed' if real is None else real.by}")
    _warm(real.loaded)
    suite = Suite(tests, real.seconds, Counter())
    for one in found:
        ended = _run(module, one.code, suite)
        if ended is None:
            yield one, "timeout", Ended(passed=False, by="", seconds={}, loaded=[])
        elif ended.passed:
            is_known = (module, one.function, one.change) in explained
            yield one, "explained" if is_known else "survived", ended
        else:
            suite.noticed[ended.by] += 1
            yield one, "killed", ended


def _warm(names: Sequence[str]) -> None:
    """Import what the tests need and is not ours, so that no child has to."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _run(module: str, code: CodeType | None, suite: Suite) -> Ended | None:
    """The tests in a child; None where one took more than its time, or the child died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            _test(module, code, suite, writing)
        finally:
            os._exit(70)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return Ended(*json.loads(said)) if said else None


def _test(module: str, code: CodeType | None, suite: Suite, writing: int) -> None:
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
    watch = _Watch(suite)
    options = ["-x", "-q", "--noconftest", "--assert=plain", "--tb=no"]
    result = pytest.main([*options, *suite.tests], plugins=[watch])
    told = Ended(result == pytest.ExitCode.OK, watch.by, watch.seconds, [] if code else _foreign())
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(json.dumps(told).encode())
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
    """Runs first what notices most for its time, takes the time of each test and ends the process where one takes too long."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.by = ""
        self.seconds: dict[str, float] = {}
        self._since = time.process_time()
        self._allow("")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self._worth(item.nodeid), reverse=True)
        self.seconds[""] = time.process_time() - self._since

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._since = time.process_time()
        self._allow(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = time.process_time() - self._since

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.by = report.nodeid

    def _worth(self, test: str) -> float:
        return (self.suite.noticed[test] + 0.1) / (self.suite.seconds.get(test, 0) + 0.01)

    def _allow(self, test: str) -> None:
        if self.suite.seconds:
            signal.setitimer(
                signal.ITIMER_PROF, SECONDS_MORE + TIMES_LONGER * self.suite.seconds.get(test, 0)
            )


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
