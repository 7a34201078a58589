"""One code, two drivers: the same people through Apache Kafka and the Faust worker, and through the embedded runner."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.live import GROUP
from projections.clickhouse import ClickHouseStore
from streams.codec import Codec
from streams.kafka import KafkaLog
from streams.log import Message
from streams.partitioner import partition_of
from streams.records import DeadLetter, TraitProfile
from streams.sqlite import SqliteLog
from streams.topics import DEAD_LETTERS, EVENTS, PARTITIONS, TRAIT_PROFILES
from tests.brokers import broker_unavailable_reason, start_broker, stop_broker
from tests.processes import WAIT_S_MAX, kymograph, running
from tests.projections.places import Served
from tests.real_people import real_data_folder

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

BART = "ds000030_bart_events.csv.gz"
CODEC = Codec()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The import command of the real people; of simulated ones where their data are missing."""
    folder = real_data_folder()
    if folder is not None and (folder / BART).is_file():
        return ["import", "ds000030", "--bart", str(folder / BART)]
    return ["simulate", "--sessions", "60", "--seed", "7"]


@pytest.fixture(scope="module")
def control_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One control plane, so that a participant has one subject id on either path: it is part of the events."""
    return f"sqlite:///{tmp_path_factory.mktemp('control') / 'control.sqlite'}"


@pytest.fixture(scope="module")
def folder(people: list[str], control_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the embedded runner scored them."""
    made = tmp_path_factory.mktemp("embedded")
    assert kymograph(*people, "--data", str(made), settings={"CONTROL_URL": control_url}).returncode == 0
    return made


@pytest.fixture(scope="module")
def embedded(folder: Path) -> dict[str, str]:
    """What the embedded runner says of each: the digest of the canonical bytes, by session."""
    verified = kymograph("verify", "--all", "--json", "--data", str(folder))
    assert verified.returncode == 0, verified.stderr
    answers = [json.loads(line) for line in verified.stdout.splitlines()]
    assert all(answer["verdict"] == "equal" for answer in answers)
    return {answer["session_id"]: answer["stored"] for answer in answers}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """A broker of this test's own, with the topics."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(f"KAFKA NOT TESTED: {reason}")
    bootstrap, process = start_broker(tmp_path / "kafka")
    applied = kymograph("topics", "apply", settings={"KAFKA_BOOTSTRAP_SERVERS": bootstrap})
    assert applied.returncode == 0, applied.stderr
    yield bootstrap
    stop_broker(process)


def test_kafka_with_the_faust_worker_gives_the_bytes_of_the_embedded_runner(
    people: list[str], embedded: dict[str, str], broker: str, control_url: str, tmp_path: Path
) -> None:
    """Where an event waited and who folded it is nothing that a profile may show; a server's store verifies the same."""
    served = Served(tmp_path / "clickhouse")
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": broker,
        "CLICKHOUSE_DSN": f"{served.url}/kymograph",
        "LOG": "kafka",
    }
    data = ("--data", str(tmp_path / "data"))
    try:
        assert kymograph("migrate", "up", *data, settings=settings).returncode == 0
        assert kymograph(*people, *data, settings=settings).returncode == 0
        log = KafkaLog(broker)
        with (
            running("worker", *data, log=tmp_path / "worker.log", settings=settings),
            running("project", *data, log=tmp_path / "project.log", settings=settings),
        ):
            _wait(lambda: _profiles(log).keys() == embedded.keys(), tmp_path / "worker.log")
            store = ClickHouseStore.server(settings["CLICKHOUSE_DSN"])
            _wait(
                lambda: sum(summary.traits > 0 for summary in store.sessions()) == len(embedded),
                tmp_path / "project.log",
            )
            store.close()
        assert _profiles(log) == {session_id: {digest} for session_id, digest in embedded.items()}
        verified = kymograph("verify", "--all", *data, settings=settings)
        assert f"verified: {len(embedded)} of {len(embedded)} equal" in verified.stdout, verified.stdout[
            -2000:
        ]
        assert verified.returncode == 0
        assert sum(log.end_offsets(DEAD_LETTERS.name).values()) == 0
        log.close()
    finally:
        served.close()


def test_a_worker_killed_in_the_middle_changes_no_byte(
    folder: Path, embedded: dict[str, str], broker: str, tmp_path: Path
) -> None:
    """kill -9 between any two acts: what was folded twice shows once, and what was not folded is not lost."""
    settings = {"KAFKA_BOOTSTRAP_SERVERS": broker, "LOG": "kafka"}
    data = ("--data", str(tmp_path / "data"))
    poison = _poison(broker)
    parts = _parts(folder, 6)
    log, said = KafkaLog(broker), tmp_path / "worker.log"
    for part in range(3):  # killed while it folds what came last, once it has committed something
        with running("worker", *data, log=said, settings=settings) as worker:
            log.append(EVENTS.name, parts[2 * part])
            before = sum(log.committed(GROUP, EVENTS.name).values())
            _wait(lambda before=before: sum(log.committed(GROUP, EVENTS.name).values()) > before, said)
            log.append(EVENTS.name, parts[2 * part + 1])
            worker.kill()
            worker.wait()
        assert not _is_committed(log), "the worker was done before it was killed: nothing is shown"
    with running("worker", *data, log=said, settings=settings):
        _wait(lambda: _profiles(log).keys() == embedded.keys() and _is_committed(log), said)
    assert _profiles(log) == {session_id: {digest} for session_id, digest in embedded.items()}
    assert _letters(log) == poison
    log.close()


def _parts(folder: Path, count: int) -> list[list[Message]]:
    """What the embedded log holds, all sessions side by side, in so many parts."""
    log = SqliteLog(folder / "log.sqlite")
    records = [record for partition in range(PARTITIONS) for record in log.read(EVENTS.name, partition, 0)]
    log.close()
    place: Counter[bytes] = Counter()
    lines = []
    for record in records:
        lines.append((place[record.key], Message(record.key, record.value)))
        place[record.key] += 1
    messages = [message for _, message in sorted(lines, key=itemgetter(0))]
    size = -(-len(messages) // count)
    return [messages[at : at + size] for at in range(0, len(messages), size)]


POISON = {
    "malformed": (b"poison", b"no Avro"),
    "unknown_schema": (b"poison", b"\xc3\x01" + bytes(8) + b"body"),
    "oversize": (b"poison", b"\xc3\x01" + bytes(900_000)),
    "key_mismatch": (None, b"no key"),
}


def _poison(broker: str) -> set[tuple[str, bytes | None]]:
    """What no door let in, written straight into the log: every kind of record that cannot be read."""
    producer = Producer({"bootstrap.servers": broker})
    for key, value in [*POISON.values(), (b"poison", None)]:
        producer.produce(EVENTS.name, value, key, partition=partition_of(key or b"", PARTITIONS))
    assert producer.flush(30) == 0
    return {(code, value) for code, (_, value) in POISON.items()} | {("malformed", b"")}


def _letters(log: KafkaLog) -> set[tuple[str, bytes | None]]:
    """Code and raw bytes of every dead letter; there may be repeats, as of all that a killed worker says again."""
    found = set()
    for partition, end in log.end_offsets(DEAD_LETTERS.name).items():
        for record in log.read(DEAD_LETTERS.name, partition, 0, end):
            letter = CODEC.decode_record(record.value)
            assert isinstance(letter, DeadLetter)
            found.add((letter.code, letter.value))
    return found


def _profiles(log: KafkaLog) -> dict[str, set[str]]:
    """Every digest that was ever emitted for a session."""
    found: dict[str, set[str]] = {}
    for partition, end in log.end_offsets(TRAIT_PROFILES.name).items():
        for record in log.read(TRAIT_PROFILES.name, partition, 0, end):
            profile = CODEC.decode_record(record.value)
            assert isinstance(profile, TraitProfile)
            found.setdefault(profile.session_id, set()).add(profile.profile_digest)
    return found


def _is_committed(log: KafkaLog) -> bool:
    """Whether the worker has acknowledged the whole log."""
    ends = {partition: end for partition, end in log.end_offsets(EVENTS.name).items() if end > 0}
    return log.committed(GROUP, EVENTS.name) == ends


def _wait(is_done: Callable[[], bool], said: Path) -> None:
    deadline_s = time.monotonic() + WAIT_S_MAX
    while not is_done():
        assert time.monotonic() < deadline_s, f"not done after {WAIT_S_MAX} s: {said.read_text()[-3000:]}"
        time.sleep(0.5)
