"""Kafka brokers of the tests' own, one or a cluster: infra/kafka/broker on free ports."""

import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue

BROKER = Path(__file__).resolve().parent.parent / "infra" / "kafka" / "broker"
# The first start may fetch the jars.
READY_S_MAX = 600
_PORTS = range(20_000, 32_000)


def broker_unavailable_reason() -> str | None:
    """What a broker lacks here, or None."""
    if shutil.which("java") is None:
        return "a Kafka broker needs Java (17 or newer), which is missing here"
    jars = BROKER.parent / "jars"
    if shutil.which("mvn") is None and not any(jars.glob("*/kafka_*.jar")):
        return "a Kafka broker needs Maven to fetch its jars, and mvn is missing here"
    return None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below those that a system gives to connections.

    One of those would not stay free while its broker is away: a client that tries to reach it may be given that very port.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


class Broker:
    """A broker on ports of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path, port: int, controller_port: int, cluster: Sequence[int]) -> None:
        """Not started yet. ``cluster``: the controller ports of all its brokers."""
        self._command = [sys.executable, str(BROKER), "start", f"--dir={folder}", f"--port={port}"]
        self._command += [f"--controller-port={controller_port}", f"--cluster={','.join(map(str, cluster))}"]
        self._said: Queue[str] = Queue()
        self._folder = folder
        self.address = f"127.0.0.1:{port}"
        self.process: subprocess.Popen[str] | None = None

    def launch(self) -> None:
        """Start it; ``wait`` says when it answers. From the main thread alone: it ends with the thread that started it."""
        self.process = subprocess.Popen(
            [*self._command, "--stop-with-parent"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._said = Queue()
        # A thread, because a pipe has no reading with a timeout; it ends with the pipe.
        threading.Thread(target=_lines_into, args=(self.process.stdout, self._said), daemon=True).start()

    def wait(self) -> None:
        """Return when it answers; it needs most of its cluster for that."""
        lines: list[str] = []
        with suppress(Empty):
            while not lines or lines[-1]:
                lines.append(self._said.get(timeout=READY_S_MAX))
                if lines[-1].startswith("kafka ready on "):
                    return
        self.kill()
        raise AssertionError(f"the broker on {self._folder} did not become ready: {''.join(lines)}")

    def signal(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, if it lives."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


def brokers(folder: Path, count: int) -> list[Broker]:
    """So many brokers that make one cluster, each on a folder of its own there; one alone is on ``folder``. None is started yet."""
    ports = free_ports(2 * count)
    folders = [folder] if count == 1 else [folder / str(node) for node in range(1, count + 1)]
    return [Broker(*one, ports[count:]) for one in zip(folders, ports, ports[count:], strict=False)]


def start_broker(folder: Path) -> tuple[str, subprocess.Popen[str]]:
    """Start a broker on ``folder``; return when it answers: its address, and the process, which is Kafka itself."""
    (broker,) = brokers(folder, 1)
    broker.launch()
    broker.wait()
    assert broker.process is not None
    return broker.address, broker.process


def stop_broker(process: subprocess.Popen[str]) -> None:
    """Stop it cleanly; by force after a while."""
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _lines_into(stream, lines: Queue[str]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put("")
