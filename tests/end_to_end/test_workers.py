"""Processes that stay on Kafka: several of them on the inbox, one that is killed, and one that takes its time to remember."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer

from agents import inbox, live
from agents.letters import every_letter
from streams.codec import Codec
from streams.kafka import KafkaLog
from streams.log import Message
from streams.partitioner import partition_of
from streams.topics import EVENTS, INBOX, PARTITIONS
from tests.agents.doors import people, sealed
from tests.agents.malformed import FAMILIES
from tests.brokers import broker_unavailable_reason, start_broker, stop_broker
from tests.processes import WAIT_S_MAX, environment, kymograph, running

pytestmark = pytest.mark.kafka

CODEC = Codec()
SLOW = """
import sys, time
from agents.live import Live
from cli.main import main

remember = Live.remember

def slow(self, partition, committed):
    time.sleep(1)
    return remember(self, partition, committed)

Live.remember = slow
sys.exit(main())
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of these tests' own, with the topics."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(f"KAFKA NOT TESTED: {reason}")
    bootstrap, process = start_broker(tmp_path_factory.mktemp("workers") / "kafka")
    applied = kymograph("topics", "apply", settings={"KAFKA_BOOTSTRAP_SERVERS": bootstrap})
    assert applied.returncode == 0, applied.stderr
    yield bootstrap
    stop_broker(process)


def test_two_processes_share_the_inbox_and_one_is_killed(broker: str, tmp_path: Path) -> None:
    """Each record that was sent is in the log or a dead letter that names its place, whoever took it; none stops the reading."""
    dice, log = random.Random(5), KafkaLog(broker)
    good = [
        Message(str(event["session_id"]).encode(), json.dumps(event).encode())
        for one in people(20, balloons=12)
        for event in one
    ]
    bad = [Message(*FAMILIES[n % len(FAMILIES)](dice)[:2]) for n in range(len(good) // 3)]
    sent = [*good, *bad]
    parts = [good[: len(good) // 2] + bad[::2], good[len(good) // 2 :] + bad[1::2]]
    settings = {
        "LOG": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": broker,
        "CONTROL_URL": f"sqlite:///{tmp_path / 'control.sqlite'}",
    }
    first, second = (("inbox", "--data", str(tmp_path / name)) for name in ("first", "second"))
    said = tmp_path / "inbox.log"
    with running(*second, log=said, settings=settings):
        with running(*first, log=said, settings=settings) as killed:
            log.append(INBOX.name, parts[0])
            _wait(lambda: _committed(log, inbox.GROUP, INBOX.name) > 0, said)
            odd = _with_a_header_that_no_text_names(broker, sent[0])
            log.append(INBOX.name, parts[1])
            killed.kill()
            killed.wait()
        _wait(lambda: _committed(log, inbox.GROUP, INBOX.name) == len(sent) + odd, said)
    wanted = Counter((json.loads(one.value)["session_id"], json.loads(one.value)["seq"]) for one in good)
    found: Counter[tuple[str, int | None]] = Counter()
    for partition, end in log.end_offsets(EVENTS.name).items():
        for record in log.read(EVENTS.name, partition, 0, end):
            event = CODEC.decode(record.value)
            found[event.session_id, event.seq] += 1
    assert found.keys() == wanted.keys(), "whole, and nothing else"
    assert found[json.loads(sent[0].value)["session_id"], 0] >= 1 + odd
    sources = [one.letter for one in every_letter(log, CODEC) if one.letter is not None]
    assert len({(one.source_partition, one.source_offset) for one in sources}) == len(bad)
    log.close()


def test_who_takes_long_to_remember_stays_in_the_group(broker: str, tmp_path: Path) -> None:
    """Longer than the group waits for a sign of life: it is remembered beside the loop, and then folded."""
    log = KafkaLog(broker)
    log.append(EVENTS.name, list(sealed("slow", balloons=3)))
    settings = {"LOG": "kafka", "KAFKA_BOOTSTRAP_SERVERS": broker}
    said = tmp_path / "worker.log"
    with said.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-c", SLOW, "worker", "--data", str(tmp_path / "data")],
            env=environment(settings),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        end = sum(log.end_offsets(EVENTS.name).values())
        _wait(lambda: _committed(log, live.GROUP, EVENTS.name) == end, said, seconds_max=60)
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
        log.close()


class _NoText(str):
    """A header's name that is not the text that Kafka's own clients write."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:  # type: ignore[override]
        return b"\xff\xfe"


def _with_a_header_that_no_text_names(broker: str, message: Message) -> int:
    """Send it once more so, which stops a client that makes a text of each name; how many were sent."""
    producer = KafkaProducer(bootstrap_servers=broker)
    partition = partition_of(message.key, PARTITIONS)
    sent = producer.send(
        INBOX.name,
        key=message.key,
        value=message.value,
        partition=partition,
        headers=[(_NoText("odd"), b"value")],
    )
    sent.get(30)
    producer.close()
    return 1


def _committed(log: KafkaLog, group: str, topic: str) -> int:
    return sum(log.committed(group, topic).values())


def _wait(is_done: Callable[[], bool], said: Path, seconds_max: float = WAIT_S_MAX) -> None:
    deadline_s = time.monotonic() + seconds_max
    while not is_done():
        assert time.monotonic() < deadline_s, f"not done after {seconds_max} s: {said.read_text()[-3000:]}"
        time.sleep(0.5)
