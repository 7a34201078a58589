"""The kymograph command as processes of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KYMOGRAPH = Path(sys.executable).parent / "kymograph"
WAIT_S_MAX = 180


def kymograph(*arguments: str, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; the caller looks at its exit code."""
    return subprocess.run(
        [str(KYMOGRAPH), *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=WAIT_S_MAX,
        check=False,
    )


@contextmanager
def running(
    *arguments: str, log: Path, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that stays; what it says goes to ``log``; it is ended politely, by its own pid."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            [str(KYMOGRAPH), *arguments], env=environment(settings), stdout=said, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(settings: Mapping[str, str] | None) -> dict[str, str]:
    """Without the settings of whoever runs the tests, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KYMOGRAPH__")}
    return inherited | {f"KYMOGRAPH__{name}": value for name, value in (settings or {}).items()}
