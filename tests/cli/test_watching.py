"""The lag command: what it prints, and what it exports while it stays."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agents.local import GROUP
from cli.options import Front
from cli.watching import lag
from streams.log import Message
from streams.partitioner import partition_of
from streams.sqlite import SqliteLog
from streams.topics import EVENTS, PARTITIONS
from tests.cli.kymograph import PREFIX, ROOT, told

KEY = b"s-1"
MINE = partition_of(KEY, PARTITIONS)


@click.group(cls=Front)
def front() -> None:
    """The command with the house's errors."""


front.add_command(lag)


def run(*arguments: str, data: Path, code: int = 0, **settings: str) -> Result:
    """In this process."""
    environment: dict[str, str | None] = {name: None for name in os.environ if name.startswith(PREFIX)}
    environment |= {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    result = CliRunner(env=environment).invoke(front, ["lag", *arguments, "--data", str(data)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a log of five records in one partition, of which nobody has read any."""
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(EVENTS.name, [Message(KEY, b"%d" % number) for number in range(5)])
    log.close()
    return tmp_path


def commit(data: Path, offset: int) -> None:
    """As the worker would."""
    log = SqliteLog(data / "log.sqlite")
    log.commit(GROUP, EVENTS.name, {MINE: offset})
    log.close()


def test_what_is_behind_is_told_while_nobody_runs(data: Path) -> None:
    """An object a partition; a line a topic and one for each partition behind."""
    lines = told(run("--json", data=data))
    assert [line["partition"] for line in lines] == list(range(PARTITIONS))
    mine = lines[MINE]
    assert mine["seconds"] >= 0
    assert mine | {"seconds": 0} == {
        "group": GROUP,
        "topic": EVENTS.name,
        "partition": MINE,
        "committed": None,
        "end": 5,
        "records": 5,
        "seconds": 0,
    }
    total, partition = run(data=data).stdout.splitlines()
    assert total.startswith(f"{GROUP}  {EVENTS.name}  5 records behind, the oldest ")
    assert partition.startswith(f"  partition {MINE}: nothing committed, end 5, the oldest ")
    commit(data, 3)
    assert told(run("--json", data=data))[MINE]["records"] == 2
    commit(data, 5)
    assert run(data=data).stdout == f"{GROUP}  {EVENTS.name}  0 records behind, the oldest 0.0 s old\n"


def test_a_group_can_be_named(data: Path) -> None:
    """Any, and several; only those are measured."""
    commit(data, 5)
    lines = told(run("--json", "--group", "a", "--group", GROUP, data=data))
    assert [line["group"] for line in lines] == ["a"] * PARTITIONS + [GROUP] * PARTITIONS
    assert [lines[MINE]["records"], lines[PARTITIONS + MINE]["records"]] == [5, 0]


def test_a_broker_that_is_away_is_said_to_be(data: Path) -> None:
    """Exit 3, and where it was looked for."""
    settings = {"kafka_bootstrap_servers": "127.0.0.1:1", "kafka_timeout_s": "0.3"}
    result = run("--log", "kafka", data=data, code=3, **settings)
    assert "127.0.0.1:1" in result.stderr


@pytest.fixture
def exporter(data: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command as it stays, on a free port."""
    code = "from cli.watching import lag; lag()"
    arguments = ["--every", "0.1", "--port", "0", "--json", "--data", str(data)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        if process.poll() is None:
            process.kill()


def test_it_stays_and_exports_until_a_signal(data: Path, exporter: "subprocess.Popen[str]") -> None:
    """The numbers follow the log; it is ready; SIGTERM ends it with 0."""
    assert exporter.stdout is not None
    assert exporter.stderr is not None
    port = int(exporter.stderr.readline().split(":")[2].partition("/")[0])
    turn = [json.loads(exporter.stdout.readline()) for _ in range(PARTITIONS)]
    assert turn[MINE]["records"] == 5
    series = f'kymograph_consumer_lag_records{{group="{GROUP}",partition="{MINE}",topic="{EVENTS.name}"}} '
    assert f"\n{series}5.0\n" in get(port, "/metrics")[1]
    commit(data, 4)
    while json.loads(exporter.stdout.readline())["records"] != 1:
        pass  # until it has measured again
    assert f"\n{series}1.0\n" in get(port, "/metrics")[1]
    assert "\nkymograph_build_info{" in get(port, "/metrics")[1]
    assert get(port, "/health/ready")[0] == 200
    exporter.send_signal(signal.SIGTERM)
    assert exporter.wait(10) == 0


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
