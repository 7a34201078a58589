"""A Kafka broker of the tests' own: infra/kafka/broker on free ports."""

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

BROKER = Path(__file__).resolve().parent.parent / "infra" / "kafka" / "broker"
# The first start may fetch the jars.
READY_S_MAX = 600


def broker_unavailable_reason() -> str | None:
    """What a broker lacks here, or None."""
    if shutil.which("java") is None:
        return "a Kafka broker needs Java (17 or newer), which is missing here"
    jars = BROKER.parent / "jars"
    if shutil.which("mvn") is None and not any(jars.glob("*/kafka_*.jar")):
        return "a Kafka broker needs Maven to fetch its jars, and mvn is missing here"
    return None


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def start_broker(folder: Path) -> tuple[str, subprocess.Popen[str]]:
    """Start a broker on ``folder``; return when it answers: its address, and the process, which is Kafka itself."""
    port, controller_port = free_ports(2)
    process = subprocess.Popen(
        [
            sys.executable,
            str(BROKER),
            "start",
            f"--dir={folder}",
            f"--port={port}",
            f"--controller-port={controller_port}",
            "--stop-with-parent",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    # A thread, because a pipe has no reading with a timeout; it ends with the pipe.
    threading.Thread(target=_lines_into, args=(process.stdout, lines), daemon=True).start()
    said = []
    try:
        while True:
            line = lines.get(timeout=READY_S_MAX)
            said.append(line)
            if line.startswith("kafka ready on "):
                return line.removeprefix("kafka ready on ").strip(), process
            if not line:
                break
    except Empty:
        pass
    stop_broker(process)
    raise AssertionError(f"the broker on {folder} did not become ready: {''.join(said)}")


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
