"""The command line as a contract: what it prints, in which shape, and with which exit code."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import Result

from agents.event_logger import EventLogger
from projections.clickhouse import ClickHouseStore
from projections.rows import SessionMetricRow, TraitProfileRow
from streams.codec import Codec
from streams.log import Message
from streams.sqlite import SqliteLog
from streams.topics import EVENTS, TOPICS
from tests.agents.doors import people
from tests.agents.test_event_logger import TIMES
from tests.agents.test_seed_form import end, pump
from tests.cli.kymograph import ROOT, Process, kymograph, told
from tests.importers.tables import presses, table

SESSION = "sim.1.00000"
engine = pytest.mark.clickhouse


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three simulated people, scored; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("three") / "data"
    kymograph("simulate", "--sessions", 3, data=folder)
    return folder


@pytest.fixture
def copy(three: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(three, tmp_path / "copy", symlinks=True))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The first minute, played once for this module."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    return folder, kymograph("demo", data=folder)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, Process]]:
    """A folder that ``kymograph up`` follows."""
    folder = tmp_path / "up"
    process = Process("up", "--data", folder)
    try:
        process.line_with("following the log")
        yield folder, process
    finally:
        process.kill()


def figures(text: str, pattern: str) -> list[float]:
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, text
    return [float(figure) for figure in found.groups()]


# ------------------------------------------------------------------------------------------------ the first minute


@engine
def test_the_demo_shows_people_scored_verified_and_reported(demo: tuple[Path, Result]) -> None:
    """220 people: most are scored, the others refused with reasons, all verified, the truth found again."""
    folder, result = demo
    assert "200 simulated people play balloon risk: 30 balloons of at most 12 pumps" in result.stdout
    read, accepted, duplicate, rejected = figures(
        result.stdout, r"^read (\d+) = accepted (\d+) \+ duplicate (\d+) \+ rejected (\d+)$"
    )
    assert (read, duplicate, rejected) == (accepted, 0, 0)
    for trait, least in (
        ("consistency", 15),
        ("decision_speed", 15),
        ("learning", 15),
        ("risk_tolerance", 180),
    ):
        scored, refused = figures(result.stdout, rf"^{trait} scored: (\d+), refused: (\d+) \(R_")
        assert scored >= least
        assert refused >= 1
        assert scored + refused == 220
    assert "verified: 220 of 220 equal" in result.stdout.splitlines()
    r, over = figures(
        result.stdout, r"^true against estimated risk tolerance: r = ([\d.]+) over (\d+) people$"
    )
    assert r >= 0.8
    assert over == scored
    page = Path(result.stdout.splitlines()[-1].removeprefix("report: "))
    assert page == folder / "report.html"
    assert page.read_text(encoding="utf-8").count("<tr><td>") == 5 * 220


@engine
def test_a_second_demo_changes_no_byte(demo: tuple[Path, Result]) -> None:
    """Everything is a duplicate, every profile stays as it was to the byte, and all of it verifies again."""
    folder, first = demo
    before = kymograph("profile", "--all", "--json", data=folder).stdout
    page = (folder / "report.html").read_bytes()
    second = kymograph("demo", data=folder)
    assert re.search(r"^in the fold, duplicate: \d+$", second.stdout, re.MULTILINE)
    assert not re.search(r"^in the fold, (counted|late|conflict|dead_letter): ", second.stdout, re.MULTILINE)
    assert "verified: 220 of 220 equal" in second.stdout.splitlines()
    assert kymograph("profile", "--all", "--json", data=folder).stdout == before
    assert (folder / "report.html").read_bytes() == page
    assert first.stdout.splitlines()[-3:] == second.stdout.splitlines()[-3:]


@engine
def test_the_demo_takes_the_people_of_a_file(tmp_path: Path) -> None:
    """Real people instead of simulated ones: the same lines, without a truth to compare with."""
    path = tmp_path / "bart.csv"
    path.write_text(table([*presses("sub-1"), *presses("sub-2", 3)]))
    result = kymograph("demo", "--bart", path, data=tmp_path / "data")
    assert "verified: 2 of 2 equal" in result.stdout
    assert "true against estimated" not in result.stdout
    assert (tmp_path / "data" / "report.html").is_file()


# ------------------------------------------------------------------------------------------------ bringing in


@engine
def test_a_table_of_balloons_is_imported_and_scored(tmp_path: Path) -> None:
    """When the command returns, what it wrote has been scored and projected; skipped rows are counted."""
    path = tmp_path / "bart.csv"
    path.write_text(table([*presses("sub-1", 20), ("sub-1", "", "", "99", "CONTROL", "ACCEPT")]))
    (counts,) = told(kymograph("import", "ds000030", "--bart", path, "--json", data=tmp_path / "data"))
    assert counts["read"] == counts["accepted"] == 2 + 20 + 80 + 2
    assert (counts["duplicate"], counts["rejected"], counts["sessions_closed"]) == (0, 0, 0)
    assert counts["skipped"] == {"trial_type CONTROL": 1}
    assert counts["scored"] == {"counted": counts["read"]}
    assert counts["rows"][EVENTS.name] == counts["read"]
    (profile,) = told(kymograph("profile", "ds000030.sub-1", "--json", data=tmp_path / "data"))
    assert profile["session_id"] == "ds000030.sub-1"
    again = kymograph("import", "ds000030", "--bart", path, "--json", data=tmp_path / "data")
    assert told(again)[0]["scored"] == {
        "duplicate": counts["read"]
    }  # a new process' door knows nothing; the fold does
    assert told(kymograph("profile", "ds000030.sub-1", "--json", data=tmp_path / "data")) == [profile]


@engine
def test_json_lines_come_from_a_file_or_from_a_pipe(tmp_path: Path) -> None:
    """What is refused is told line by line on stderr, counted, and costs the others nothing."""
    events = [pump(1, 500), pump(2, 900), end(40_000), pump(9, 10, session="bad one")]
    text = "".join(json.dumps(event) + "\n" for event in events) + "{\n"
    result = kymograph("import", "jsonl", "-", "--json", data=tmp_path / "a", stdin=text.encode())
    (counts,) = told(result)
    assert (counts["read"], counts["accepted"], counts["rejected"]) == (5, 3, 2)
    assert "rejected line 4: bad_pattern /session_id" in result.stderr
    assert "rejected line 5: malformed" in result.stderr
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    assert told(kymograph("import", "jsonl", path, "--json", data=tmp_path / "b")) == [counts]
    stored = [kymograph("metrics", "s", "--json", data=tmp_path / name).stdout for name in "ab"]
    assert stored[0] == stored[1]


@engine
def test_a_session_that_is_kept_open_is_open_and_then_closes(tmp_path: Path) -> None:
    """``--keep-open`` leaves it to what is still to come; until then it has no profile and nothing to verify."""
    one, two = (json.dumps(event).encode() for event in (pump(1, 500), end(40_000)))
    kymograph("import", "jsonl", "-", "--keep-open", data=tmp_path, stdin=one)
    (summary,) = told(kymograph("sessions", "--json", data=tmp_path))
    assert (summary["session_id"], summary["status"], summary["events"]) == ("s", "open", 4)
    assert kymograph("verify", "--all", data=tmp_path).stdout == "verified: 0 of 0 equal\n"
    kymograph("profile", "s", data=tmp_path, code=2)
    kymograph("import", "jsonl", "-", data=tmp_path, stdin=two)
    (summary,) = told(kymograph("sessions", "--json", data=tmp_path))
    assert (summary["status"], summary["traits_scored"]) == ("insufficient", 0)
    assert kymograph("verify", "s", data=tmp_path).stdout == "verified: 1 of 1 equal\n"


@engine
def test_more_refusals_than_anyone_reads_are_counted(tmp_path: Path) -> None:
    """A thousand are told, the others are a number."""
    result = kymograph("import", "jsonl", "-", data=tmp_path, stdin=b"{\n" * 1_500, code=1)
    assert result.stderr.count("rejected line") == 1_000
    assert "... and 500 more" in result.stderr
    assert "read 1500 = accepted 0 + duplicate 0 + rejected 1500" in result.stdout


# ------------------------------------------------------------------------------------------------ reading


@engine
def test_metrics_have_the_shape_that_programs_read(three: Path) -> None:
    """A line a session: each metric with value, n, unit and reason; for one or for all, and for people as text."""
    lines = told(kymograph("metrics", "--all", "--json", data=three))
    assert [line["session_id"] for line in lines] == [f"sim.1.0000{number}" for number in range(3)]
    for line in lines:
        assert set(line) == {"session_id", "metrics"}
        assert {"balloon.aap", "balloon.ln_intended_km", "balloon.n"} <= set(line["metrics"])
        for metric in line["metrics"].values():
            assert {"value", "n", "unit", "reason"} <= set(metric)
            assert (metric["value"] is None) <= (metric["reason"] is not None)
    assert told(kymograph("metrics", SESSION, "--json", data=three)) == lines[:1]
    text = kymograph("metrics", SESSION, data=three).stdout
    assert text.startswith(f"{SESSION}\n  balloon.aap ")


@engine
def test_a_profile_is_the_answer_of_the_api(three: Path) -> None:
    """A line a session, in the seed's fields, with its provenance."""
    lines = told(kymograph("profile", "--all", "--json", data=three))
    assert len(lines) == 3
    for line in lines:
        assert {"risk_tolerance", "confidence_interval", "traits", "provenance"} <= set(line)
        assert 0 < line["risk_tolerance"] < 1
        assert line["provenance"]["mapping"]["id"] == "core"
    named = kymograph("profile", SESSION, "--mapping", "core@1.0.0", "--json", data=three)
    assert told(named) == lines[:1]
    text = kymograph("profile", SESSION, data=three).stdout
    assert text.startswith(f"{SESSION}\n")
    assert "\n  risk_tolerance  0." in text


@engine
def test_verify_and_replay_say_what_they_compared(three: Path) -> None:
    """A verdict a session with both digests; the sum goes to stderr where JSON goes to stdout."""
    result = kymograph("verify", "--all", "--json", data=three)
    for line in told(result):
        assert set(line) == {"session_id", "verdict", "stored", "rebuilt", "differences"}
        assert (line["verdict"], line["stored"], line["differences"]) == ("equal", line["rebuilt"], [])
    assert result.stderr == "verified: 3 of 3 equal\n"
    (one,) = told(kymograph("verify", SESSION, "--json", data=three))
    assert one["session_id"] == SESSION
    (compared,) = told(kymograph("replay", "--all", "--compare", "--json", data=three))
    assert compared == {"mapping": "core@1.0.0", "replayed": 3, "changed": 0, "written": False}
    assert "replayed 3 sessions by core@1.0.0: 0 differ" in kymograph("replay", "--all", data=three).stdout


@engine
def test_sessions_are_told_with_their_state(three: Path) -> None:
    """What stands in the store of each, in counts."""
    lines = told(kymograph("sessions", "--json", data=three))
    assert [line["status"] for line in lines] == ["scored"] * 3
    assert sum(line["events"] for line in lines) == sum(map(len, people(3)))
    assert kymograph("sessions", data=three).stdout.startswith(f"{SESSION}  scored  ")


@engine
@pytest.mark.parametrize("command", ["metrics", "profile"])
def test_a_session_that_is_not_stored_is_no_silence(command: str, three: Path) -> None:
    """A misspelt id is told, and is no success."""
    assert "nobody" in kymograph(command, "nobody", data=three, code=2).stderr


@engine
def test_a_session_that_nobody_knows_is_missing(three: Path) -> None:
    """An auditor who asks for it hears so, with exit 1."""
    (line,) = told(kymograph("verify", "nobody", "--json", data=three, code=1))
    assert (line["verdict"], line["stored"], line["rebuilt"]) == ("missing", None, None)


OTHER = "core@1.1.0"
ADVICE = f"not scored by {OTHER} yet: kymograph replay --all --mapping {OTHER}"


@engine
def test_a_mapping_that_was_not_replayed_is_no_dead_end(copy: Path) -> None:
    """Until then every command says what to do; then it answers."""
    one = kymograph("profile", SESSION, "--mapping", OTHER, data=copy, code=2)
    assert one.stderr == f"kymograph: {SESSION} is {ADVICE}\n"
    every = kymograph("profile", "--all", "--mapping", OTHER, "--json", data=copy, code=2)
    assert (every.stdout, every.stderr) == ("", f"kymograph: 3 sessions are {ADVICE}\n")
    assert "unknown" in kymograph("profile", "nobody", "--mapping", OTHER, data=copy, code=2).stderr
    for line in told(kymograph("verify", "--all", "--mapping", OTHER, "--json", data=copy, code=1)):
        assert (line["verdict"], line["stored"], line["differences"]) == ("missing", None, [ADVICE])
        assert line["rebuilt"]
    text = kymograph("verify", SESSION, "--mapping", OTHER, data=copy, code=1).stdout
    assert text == f"{SESSION}  missing  {ADVICE}\nverified: 0 of 1 equal\n"
    known = kymograph("sessions", "--json", data=copy).stdout
    kymograph("replay", "--all", "--mapping", OTHER, data=copy)
    assert len(told(kymograph("profile", "--all", "--mapping", OTHER, "--json", data=copy))) == 3
    verified = kymograph("verify", "--all", "--mapping", OTHER, data=copy)
    assert verified.stdout == "verified: 3 of 3 equal\n"
    assert kymograph("sessions", "--json", data=copy).stdout == known


@engine
def test_sessions_that_came_after_a_replay_are_told(copy: Path) -> None:
    """Those that were scored by the mapping are shown, the others are no silence."""
    kymograph("replay", "--all", "--mapping", OTHER, data=copy)
    kymograph("simulate", "--sessions", 1, "--seed", 9, data=copy)
    result = kymograph("profile", "--all", "--mapping", OTHER, "--json", data=copy)
    assert len(told(result)) == 3
    assert result.stderr == f"kymograph: sim.9.00000 is {ADVICE}\n"


@engine
def test_a_profile_that_the_store_lost_is_still_a_difference(copy: Path) -> None:
    """What the log emitted must be there: no replay was left out."""
    store = ClickHouseStore.embedded(copy / "clickhouse")
    store.execute("TRUNCATE TABLE trait_profiles")
    store.close()
    (line,) = told(kymograph("verify", SESSION, "--json", data=copy, code=1))
    assert (line["verdict"], line["differences"]) == ("different", ["rebuilt only"])


@engine
def test_nobody_measured_is_nobody_to_replay(tmp_path: Path) -> None:
    """An empty folder, or an open session, is no wrong use."""
    assert kymograph("profile", "--all", data=tmp_path).output == ""
    kymograph("import", "jsonl", "-", "--keep-open", data=tmp_path, stdin=json.dumps(pump(1)).encode())
    assert kymograph("profile", "--all", "--mapping", OTHER, data=tmp_path).output == ""


@engine
def test_sessions_count_the_traits_of_the_settings_mapping(copy: Path) -> None:
    """Another mapping's profiles beside them change neither counts nor status."""
    lines = told(kymograph("sessions", "--json", data=copy))
    assert {line["traits"] for line in lines} == {5}
    by_other = told(kymograph("sessions", "--json", data=copy, mapping="pilot@0.1.0"))
    assert {(line["status"], line["traits"], line["traits_scored"]) for line in by_other} == {
        ("measured", 0, 0)
    }
    kymograph("replay", "--all", "--mapping", "pilot@0.1.0", data=copy)
    assert told(kymograph("sessions", "--json", data=copy)) == lines
    by_other = told(kymograph("sessions", "--json", data=copy, mapping="pilot@0.1.0"))
    assert all(line["traits"] > 0 for line in by_other)


# ------------------------------------------------------------------------------------------------ differences


def flip_in_file(folder: Path) -> None:
    """One bit of one pump, in the file itself."""
    log = SqliteLog(folder / "log.sqlite")
    codec = Codec()
    records = [record for partition in range(16) for record in log.read(EVENTS.name, partition, 0)]
    record = next(item for item in records if codec.decode(item.value).kind == "balloon_risk.pumped")
    log.close()
    content = bytearray((folder / "log.sqlite").read_bytes())
    assert content.count(record.value) == 1
    content[content.index(record.value) + len(record.value) - 1] ^= 2
    (folder / "log.sqlite").write_bytes(content)


def flip_late_key(folder: Path) -> None:
    """The key of an event that came after its session had closed."""
    log = SqliteLog(folder / "log.sqlite")
    value = Codec().encode("session.paused", {**TIMES, "session_id": SESSION, "seq": 900, "t_us": 1})
    (place,) = log.append(EVENTS.name, [Message(SESSION.encode(), value)])
    log.close()
    kymograph("sessions", data=folder)
    with sqlite3.connect(folder / "log.sqlite") as connection:
        where = 'WHERE topic = ? AND "partition" = ? AND "offset" = ?'
        row = (b"s\xe9m", EVENTS.name, place.partition, place.offset)
        assert connection.execute(f"UPDATE records SET key = ? {where}", row).rowcount == 1
    connection.close()


def change_rows(
    folder: Path, kind: type[TraitProfileRow] | type[SessionMetricRow], **changes: object
) -> None:
    store = ClickHouseStore.embedded(folder / "clickhouse")
    row = next(
        row
        for row in store.every(kind)
        if row.session_id == SESSION
        and getattr(row, "metric", "x")
        and getattr(row, "trait", "risk_tolerance") == "risk_tolerance"
    )
    store.write([msgspec.structs.replace(row, **changes)], source="a hand in the store")
    store.close()


def flip_profile(folder: Path) -> None:
    store = ClickHouseStore.embedded(folder / "clickhouse")
    row = (store.profile(SESSION, "core@1.0.0") or ())[0]
    store.close()
    score = re.search(rb'"score":\d', row.profile)
    assert score is not None
    changed = bytearray(row.profile)
    changed[score.end() - 1] ^= 1
    change_rows(folder, TraitProfileRow, profile=bytes(changed))


CHANGES = {
    "a bit in the log's file": flip_in_file,
    "a bit in a stored profile": flip_profile,
    "a score that a dashboard reads": lambda folder: change_rows(
        folder, TraitProfileRow, score_micro=999_999
    ),
    "a metric": lambda folder: change_rows(folder, SessionMetricRow, value_micro=1),
}


@engine
@pytest.mark.parametrize("change", CHANGES)
def test_any_change_makes_verify_say_different(change: str, copy: Path) -> None:
    """In the log, in the canonical bytes or in a column beside them: exit 1, with what differs; the others are equal."""
    CHANGES[change](copy)
    result = kymograph("verify", "--all", "--json", data=copy, code=1)
    verdicts = {line["session_id"]: line["verdict"] for line in told(result)}
    assert sorted(verdicts.values()) == ["different", "equal", "equal"]
    assert result.stderr == "verified: 2 of 3 equal\n"
    (changed,) = [session for session, verdict in verdicts.items() if verdict == "different"]
    text = kymograph("verify", changed, data=copy, code=1).stdout
    assert text.startswith(f"{changed}  different  ")


@engine
def test_a_changed_key_of_a_late_event_comes_up_too(copy: Path) -> None:
    """It belongs to no session any more, and is told all the same."""
    flip_late_key(copy)
    result = kymograph("verify", "--all", "--json", data=copy, code=1)
    (found,) = [line for line in told(result) if line["verdict"] == "different"]
    assert found["session_id"] == "s\\xe9m"
    assert "corrupt" in found["differences"][0]


@engine
def test_a_replay_puts_the_store_right(copy: Path) -> None:
    """The log is the truth and a view is disposable: after a replay all is equal again."""
    flip_profile(copy)
    (compared,) = told(kymograph("replay", "--all", "--compare", "--json", data=copy, code=1))
    assert (compared["changed"], compared["written"]) == (1, False)
    (written,) = told(kymograph("replay", "--all", "--json", data=copy))
    assert (written["changed"], written["written"]) == (1, True)
    assert kymograph("verify", "--all", data=copy).stdout == "verified: 3 of 3 equal\n"


@engine
def test_a_withdrawn_session_is_erased_and_no_difference(copy: Path) -> None:
    """Erasure is an event of the session's own stream; verify says so and exits 0."""
    log = SqliteLog(copy / "log.sqlite")
    value = Codec().encode("session.withdrawn", {**TIMES, "session_id": SESSION, "receipt_id": "r-1"})
    log.append(EVENTS.name, [Message(SESSION.encode(), value)])
    log.close()
    result = kymograph("verify", "--all", "--json", data=copy)
    assert [line["verdict"] for line in told(result)] == ["erased", "equal", "equal"]
    first, *_ = told(kymograph("sessions", "--json", data=copy))
    assert (first["session_id"], first["status"]) == (SESSION, "withdrawn")


@engine
def test_a_store_that_was_thrown_away_is_made_again(copy: Path) -> None:
    """Only the log is the truth: the next command projects it all again, to the byte."""
    before = kymograph("profile", "--all", "--json", data=copy).stdout
    known = kymograph("sessions", "--json", data=copy).stdout
    shutil.rmtree(copy / "clickhouse")
    assert kymograph("sessions", "--json", data=copy).stdout == known
    assert kymograph("verify", "--all", data=copy).stdout == "verified: 3 of 3 equal\n"
    assert kymograph("profile", "--all", "--json", data=copy).stdout == before


@engine
def test_rows_that_were_thrown_away_are_made_again(copy: Path) -> None:
    """They are a cache: the next command reads the log again, which changes nothing."""
    before = kymograph("profile", "--all", "--json", data=copy).stdout
    for name in ("rows.sqlite", "rows.sqlite-wal", "rows.sqlite-shm"):
        (copy / name).unlink(missing_ok=True)
    assert kymograph("verify", "--all", data=copy).stdout == "verified: 3 of 3 equal\n"
    assert kymograph("profile", "--all", "--json", data=copy).stdout == before


# ------------------------------------------------------------------------------------------------ staying


@engine
def test_up_scores_what_another_process_appends(running: tuple[Path, Process]) -> None:
    """Another process' EventLogger writes into the folder; the one that is up scores it and ends on SIGTERM with 0."""
    folder, process = running
    log = SqliteLog(folder / "log.sqlite")
    logger = EventLogger(log, control_url=f"sqlite:///{folder / 'control.sqlite'}")
    events = people(1)[0]
    logger.record(events[:-1])
    assert f"counted {len(events) - 1}" in process.line_with("counted")
    logger.record(events[-1:])
    assert "counted 1" in process.line_with("counted")
    log.close()
    in_use = kymograph("sessions", data=folder, code=3)
    assert f"process {process.pid}" in in_use.stderr
    assert "Stop that process" in in_use.stderr
    assert kymograph("import", "jsonl", "-", data=folder, code=3, stdin=b"{}").stdout == ""
    assert process.end(signal.SIGTERM) == 0
    (line,) = told(kymograph("verify", "--all", "--json", data=folder))
    assert (line["session_id"], line["verdict"]) == (SESSION, "equal")


@engine
def test_up_ends_on_ctrl_c_too(running: tuple[Path, Process]) -> None:
    """As people end it; the folder is free afterwards."""
    folder, process = running
    assert process.end(signal.SIGINT) == 0
    assert kymograph("sessions", data=folder).stdout == ""


@engine
@pytest.mark.parametrize(
    ("command", "ready"),
    [(("project", "--log", "sqlite"), "projecting"), (("demo", "--serve"), "following the log")],
)
def test_whatever_stays_ends_when_it_is_asked_to(
    command: tuple[str, ...], ready: str, tmp_path: Path
) -> None:
    """The projector and the demo that serves: on SIGTERM they let go of the folder and exit with 0."""
    process = Process(*command, "--data", tmp_path)
    try:
        process.line_with(ready)
        assert process.end() == 0
    finally:
        process.kill()
    kymograph("sessions", data=tmp_path)


# ------------------------------------------------------------------------------------------------ what is away


@pytest.mark.parametrize(
    "command",
    [("sessions",), ("verify", "--all"), ("import", "jsonl", "-"), ("topics", "check"), ("topics", "apply")],
)
def test_a_broker_that_is_away_is_said_so(command: tuple[str, ...], tmp_path: Path) -> None:
    """A clear line with the address and what to do, and exit 3; nothing is written elsewhere instead."""
    address = f"127.0.0.1:{closed_port()}"
    away = (
        {"clickhouse_dsn": f"http://127.0.0.1:{closed_port()}"}
        if command[0] in {"sessions", "verify"}
        else {}
    )
    result = kymograph(
        *command,
        "--log",
        "kafka",
        data=tmp_path,
        code=3,
        stdin=json.dumps(pump(1)).encode(),
        kafka_bootstrap_servers=address,
        kafka_timeout_s="1",
        **away,
    )
    assert result.stderr.startswith("kymograph: ")
    assert (address if not away else "127.0.0.1") in result.stderr
    assert not (tmp_path / "log.sqlite").exists()


@pytest.mark.parametrize(
    "command", [("sessions",), ("profile", "--all"), ("import", "jsonl", "-"), ("migrate", "up")]
)
def test_a_clickhouse_that_is_away_is_said_so(command: tuple[str, ...], tmp_path: Path) -> None:
    """Exit 3 with the address, before anything is written into the log."""
    address = f"127.0.0.1:{closed_port()}"
    event = json.dumps(pump(1)).encode()
    result = kymograph(
        *command, data=tmp_path, code=3, stdin=event, clickhouse_dsn=f"http://u:secret@{address}/k"
    )
    assert result.stderr.startswith("kymograph: ")
    assert address in result.stderr
    assert "secret" not in result.stderr
    log = SqliteLog(tmp_path / "log.sqlite")
    assert sum(log.end_offsets(EVENTS.name).values()) == 0
    log.close()


@engine
@pytest.mark.parametrize("name", ["rows.sqlite", "log.sqlite", "control.sqlite"])
def test_a_damaged_file_of_the_folder_is_named(name: str, tmp_path: Path) -> None:
    """Exit 3 with the file and what to do, never a trace of Python's."""
    (tmp_path / name).write_bytes(b"no database at all" * 500)
    event = json.dumps(pump(1)).encode()
    result = kymograph("import", "jsonl", "-", data=tmp_path, code=3, stdin=event)
    assert name in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("")
    result = kymograph("simulate", "--sessions", 1, data=tmp_path / "file", code=3)
    assert str(tmp_path / "file") in result.stderr


def test_a_control_plane_that_is_away_is_said_so(tmp_path: Path) -> None:
    """Before any event is read; the password of its address stays out of the message."""
    url = "postgresql+nodriver://u:secret@127.0.0.1/k"
    result = kymograph("import", "jsonl", "-", data=tmp_path, code=3, stdin=b"", control_url=url)
    assert "control database" in result.stderr
    assert "secret" not in result.stderr


# ------------------------------------------------------------------------------------------------ usage


USAGE = {
    "no command of ours": ("measure",),
    "neither one nor all": ("metrics",),
    "one and all": ("verify", "someone", "--all"),
    "a replay of nothing": ("replay",),
    "an unknown option": ("sessions", "--fast"),
    "an unknown log": ("sessions", "--log", "pigeon"),
    "an unknown game": ("simulate", "--game", "chess"),
    "nobody to simulate": ("simulate", "--sessions", "0"),
    "a file that is not there": ("import", "ds000030", "--bart", "not-there.csv"),
    "a file that is not there either": ("import", "jsonl", "not-there.jsonl"),
    "no file": ("import", "ds000030"),
    "a kind of a game that nobody plays": ("simulate", "--kind", "choice"),
}


@pytest.mark.parametrize("name", USAGE)
def test_a_wrong_use_is_exit_2_with_a_hint(name: str, tmp_path: Path) -> None:
    """And it touches nothing."""
    result = kymograph(*USAGE[name], data=tmp_path / "data", code=2)
    assert result.stderr
    assert not (tmp_path / "data").exists()


def test_a_folder_without_a_name_is_a_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be the current one, where nobody asked for anything; so it is where the variable is empty."""
    monkeypatch.chdir(tmp_path)
    said = kymograph("simulate", "--sessions", 1, "--data", "", code=2).stderr
    assert "Invalid value for '--data'" in said
    assert kymograph("simulate", "--sessions", 1, data_dir="", code=2).stderr == (
        "kymograph: KYMOGRAPH__DATA_DIR is '': it must be the name of a folder (. is the current one)\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert "data_dir = .\n" in kymograph("config", "show", "--data", ".").stdout


@engine
@pytest.mark.parametrize("command", [("profile", "--all"), ("verify", "--all"), ("replay", "--all")])
def test_an_unknown_mapping_is_exit_2_with_those_that_are_known(
    command: tuple[str, ...], three: Path
) -> None:
    """Published mappings are few and have names."""
    result = kymograph(*command, "--mapping", "pilot@9.9.9", data=three, code=2)
    assert "pilot@9.9.9" in result.stderr
    assert "pilot@0.1.0" in result.stderr


@engine
def test_a_table_of_another_form_is_exit_2(tmp_path: Path) -> None:
    """What it lacks is named."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    result = kymograph("import", "ds000030", "--bart", tmp_path / "x.csv", data=tmp_path / "data", code=2)
    assert "participant_id" in result.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data_folder": "x"}, "KYMOGRAPH__DATA_FOLDER"),
        ({"kafka_timeout_s": "soon"}, "KYMOGRAPH__KAFKA_TIMEOUT_S is 'soon': it must be a valid number\n"),
        (
            {"kafka_replication_factor": "0"},
            "KYMOGRAPH__KAFKA_REPLICATION_FACTOR is '0': it must be greater than or equal to 1\n",
        ),
        ({"log": "pigeon"}, "KYMOGRAPH__LOG is 'pigeon': it must be 'sqlite' or 'kafka'\n"),
        ({"control_url_file": "/not/there"}, "control_url"),
        ({"clickhouse_dsn_file": "/"}, "clickhouse_dsn"),
    ],
)
def test_a_wrong_setting_is_exit_2_and_named(settings: dict[str, str], said: str) -> None:
    """In one line; an unknown variable with our prefix is an error, never silence."""
    stderr = kymograph("config", "show", code=2, **settings).stderr
    assert said in stderr
    assert stderr.count("\n") == 1


def test_settings_are_shown_without_their_secrets(tmp_path: Path) -> None:
    """Defaults, then the environment, then the options; a secret may come in a file and is never printed."""
    (tmp_path / "dsn").write_text("http://u:secret@host/db\n")
    (values,) = told(
        kymograph(
            "config",
            "show",
            "--json",
            "--log",
            "kafka",
            data=tmp_path,
            log="sqlite",
            kafka_timeout_s="2.5",
            clickhouse_dsn_file=str(tmp_path / "dsn"),
        )
    )
    assert (values["data_dir"], values["log"], values["kafka_timeout_s"]) == (str(tmp_path), "kafka", 2.5)
    assert (values["clickhouse_dsn"], values["control_url"]) == ("(set)", None)
    assert "secret" not in kymograph("config", "show", control_url="sqlite:///secret").stdout
    assert "data_dir = .kymograph" in kymograph("config", "show").stdout


def test_assertions_are_part_of_the_engine() -> None:
    """With ``python -O`` they would be gone, so it refuses to start."""
    source = "from cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-O", "-c", source, "config", "show"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "python -O" in done.stderr


# ------------------------------------------------------------------------------------------------ upkeep


def test_the_topics_are_told_as_the_table_has_them() -> None:
    """Name, partitions, retention, key and meaning of each."""
    lines = told(kymograph("topics", "list", "--json"))
    assert [line["name"] for line in lines] == [topic.name for topic in TOPICS]
    assert "365 d" in kymograph("topics", "list").stdout


def test_the_published_schemas_hold() -> None:
    """Lint, lock and compatibility: no differences, and nothing left to lock."""
    assert told(kymograph("schemas", "check", "--json")) == [{"difference": None}]
    assert kymograph("schemas", "lock").stdout == ""


@engine
def test_the_embedded_tables_bring_themselves(three: Path) -> None:
    """Nothing is pending on a folder that was used, and every migration is told."""
    assert kymograph("migrate", "up", data=three).stdout == ""
    assert kymograph("migrate", "up", "--dry-run", data=three).stdout == ""
    assert len(told(kymograph("migrate", "status", "--json", data=three))) >= 1


def test_the_version_is_told() -> None:
    """As the package has it."""
    assert re.fullmatch(r"kymograph, version \d+\.\d+\.\d+\n", kymograph("--version").stdout)


@engine
def test_a_log_that_lost_a_record_is_not_equal(copy: Path) -> None:
    """What cannot be read again cannot be verified: the lost range is named, and the exit code says differences."""
    with sqlite3.connect(copy / "log.sqlite") as hand:
        first = 'SELECT "partition" FROM records WHERE topic = ? ORDER BY "partition" LIMIT 1'
        (partition,) = hand.execute(first, (EVENTS.name,)).fetchone()
        gone = 'DELETE FROM records WHERE topic = ? AND "partition" = ? AND "offset" = 2'
        assert hand.execute(gone, (EVENTS.name, partition)).rowcount == 1
    hand.close()
    result = kymograph("verify", "--all", data=copy, code=1)
    assert "the log is not whole" in result.stderr
