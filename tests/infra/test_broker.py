"""infra/kafka/broker as a cluster of three: it goes on without one of them, takes it in again, and never goes on with one alone."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.chaos_processes import Brokers
from streams.kafka import KafkaLog
from streams.log import LogUnavailable, Message
from streams.topics import EVENTS, PARTITIONS
from tests.brokers import BROKER, broker_unavailable_reason, free_ports

WHOLE_S_MAX = 120


@pytest.fixture(autouse=True)
def _broker() -> None:
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(f"KAFKA NOT TESTED: {reason}")


def messages(name: str) -> list[Message]:
    """Some for every partition."""
    return [Message(b"%d" % number, f"{name} {number}".encode()) for number in range(200)]


def read(log: KafkaLog) -> set[bytes]:
    """All that lies there."""
    return {one.value for place in range(PARTITIONS) for one in log.read(EVENTS.name, place, 0)}


@pytest.mark.kafka
def test_a_cluster_goes_on_without_one_broker_and_not_without_two(tmp_path: Path) -> None:
    """What it acknowledged is there whoever is away; with one copy alone in sync nothing is acknowledged."""
    with Brokers(tmp_path, 3) as cluster:
        log = KafkaLog(cluster.bootstrap, timeout_s=60)
        log.create_topics(replication_factor=3)
        assert log.check_topics(replication_factor=3) == []
        log.append(EVENTS.name, messages("with three"))
        first = cluster.controller()
        first.kill()
        log.append(EVENTS.name, messages("with two"))
        second = next(broker for broker in cluster.all if broker is not first)
        second.kill()
        alone = KafkaLog(cluster.bootstrap, timeout_s=2)
        with pytest.raises(LogUnavailable):
            alone.append(EVENTS.name, messages("with one"))
        alone.close()
        first.launch()
        second.launch()
        first.wait()
        second.wait()
        until = time.monotonic() + WHOLE_S_MAX
        while not cluster.is_whole():
            assert time.monotonic() < until, "the copies did not come in sync again"
            time.sleep(0.2)
        there = read(log)
        assert there >= {one.value for name in ("with three", "with two") for one in messages(name)}
        log.close()


@pytest.mark.kafka
def test_a_broker_is_one_of_its_cluster(tmp_path: Path) -> None:
    """Another cluster than its own is refused, in a sentence."""
    port, controller_port, other = free_ports(3)
    command = [sys.executable, str(BROKER), "start", f"--dir={tmp_path}", f"--port={port}"]
    answer = subprocess.run(
        [*command, f"--controller-port={controller_port}", f"--cluster={other}"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert answer.returncode == 3
    assert f"must name the controller port {controller_port}" in answer.stderr
