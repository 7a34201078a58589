"""The processes of a chaos run: a broker that keeps its ports, and workers that are followed by others when they end.

Each is signalled and ended by its own pid.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from typing import Self

from benchmarks.chaos_judge import MAPPING
from tests.brokers import BROKER, free_ports
from tests.processes import KYMOGRAPH

READY_S_MAX = 90


class Broker:
    """A broker on ports of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path) -> None:
        """Not started yet."""
        self._folder = folder
        self._ports = free_ports(2)
        self._process: subprocess.Popen[str] | None = None
        self.bootstrap = f"127.0.0.1:{self._ports[0]}"

    def start(self) -> None:
        """Return when it answers. From the main thread alone: the broker ends with the thread that started it."""
        port, controller_port = self._ports
        command = [sys.executable, str(BROKER), "start", f"--dir={self._folder}", f"--port={port}"]
        self._process = subprocess.Popen(
            [*command, f"--controller-port={controller_port}", "--stop-with-parent"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said: Queue[str] = Queue()
        stream = self._process.stdout
        threading.Thread(target=lambda: [said.put(line) for line in stream or ()], daemon=True).start()
        lines: list[str] = []
        with suppress(Empty):
            while not lines or not lines[-1].startswith("kafka ready on "):
                lines.append(said.get(timeout=READY_S_MAX))
            return
        self.end()
        raise AssertionError(f"the broker did not become ready: {''.join(lines)}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def end(self) -> None:
        """Away with it; its folder goes too."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


class Workers:
    """So many workers; one that ends is followed by another, as a supervisor would have it."""

    def __init__(self, bootstrap: str, folder: Path, count: int, without: str | None) -> None:
        """None is started yet."""
        self._folder, self._count = folder, count
        settings = {"LOG": "kafka", "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "MAPPING": MAPPING}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KYMOGRAPH__")}
        self._environment = inherited | {f"KYMOGRAPH__{name}": value for name, value in settings.items()}
        self._command = [str(KYMOGRAPH)]
        if without is not None:
            self._environment["CHAOS_WITHOUT"] = without
            self._command = [sys.executable, "-m", "benchmarks.chaos_worker"]
        self._started = 0
        self.alive: list[subprocess.Popen[bytes]] = []
        self.ended = 0

    def __enter__(self) -> Self:
        """Start them."""
        self.watch()
        return self

    def __exit__(self, *_: object) -> None:
        """End them, by their own pids."""
        for worker in self.alive:
            worker.send_signal(signal.SIGCONT)
            worker.kill()
        for worker in self.alive:
            worker.wait()

    def start(self) -> subprocess.Popen[bytes]:
        """One more."""
        self._started += 1
        data = self._folder / f"worker-{self._started}"
        with (self._folder / f"worker-{self._started}.log").open("wb") as said:
            worker = subprocess.Popen(
                [*self._command, "worker", "--data", str(data)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.alive.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """kill -9; it is not counted among those that ended by themselves."""
        worker.kill()
        worker.wait()
        self.alive.remove(worker)

    def watch(self) -> None:
        """Start others for those that ended."""
        gone = [worker for worker in self.alive if worker.poll() is not None]
        self.ended += len(gone)
        self.alive = [worker for worker in self.alive if worker not in gone]
        while len(self.alive) < self._count:
            self.start()

    def watch_until(self, is_done: Callable[[], bool], *, seconds_max: float) -> None:
        """Watch over them so long."""
        until = time.monotonic() + seconds_max
        while not is_done() and time.monotonic() < until:
            self.watch()
            time.sleep(0.5)
