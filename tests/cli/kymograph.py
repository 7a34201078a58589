"""The command as people run it: in this process, or as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue
from typing import Any

from click.testing import CliRunner, Result

from cli.main import main

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]
PREFIX = "KYMOGRAPH__"


def kymograph(
    *arguments: object, data: Path | None = None, code: int = 0, stdin: bytes | None = None, **settings: str
) -> Result:
    """Run a command in this process; its exit code must be ``code``. Settings are those of the environment."""
    named = [*map(str, arguments), *([] if data is None else ["--data", str(data)])]
    environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith(PREFIX)}
    environment |= {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    result = CliRunner(env=environment).invoke(main, named, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, f"exit {result.exit_code}: {result.output[-2000:]}"
    return result


def told(result: Result) -> list[Any]:
    """One JSON object a line of what was printed."""
    return [json.loads(line) for line in result.stdout.splitlines()]


class Process:
    """A command that stays. Ends with the test, however that ends."""

    def __init__(self, *arguments: object) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env={**environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.pid = self._process.pid
        self._lines: Queue[str | None] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def line_with(self, text: str) -> str:
        """Wait until a line with this text is printed."""
        before = []
        while (line := self._lines.get(timeout=60)) is not None:
            if text in line:
                return line
            before.append(line)
        raise AssertionError(f"it ended without {text!r}: {''.join(before)}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self._process.send_signal(number)
        return self._close(30)

    def kill(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._close(30)

    def _close(self, timeout_s: float) -> int:
        code = self._process.wait(timeout_s)
        self._reader.join(timeout_s)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code
