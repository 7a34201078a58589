"""The seed's form of an event, as its readers type it: ``agents/seed_form.py``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agents.local import LocalWorker, RowTable
from streams.log import Log
from streams.memory import MemoryLog
from streams.sqlite import SqliteLog
from tests.agents.doors import CODEC, NOW_MS, Fields, door, metrics, profiles, scoring, size, the_log
from tests.real_people import VARIABLE

ROOT = Path(__file__).parents[2]
# As the seed's README prints it.
EXAMPLE = """
# Example: Logging a balloon pump event
from agents.event_logger import EventLogger

event_logger = EventLogger()

event_data = {
    'session_id': 'session_123',
    'event_type': 'balloon_risk',
    'event_data': {
        'balloon_id': 'balloon_1',
        'pump_number': 5,
        'timestamp_milliseconds': 1640995200000,
        'balloon_size': 1.2,
        'current_earnings': 0.25,
        'total_earnings': 1.50,
        'time_since_prev_pump': 1500,
        'is_new_personal_max': True,
        'is_rapid_pump': False
    }
}

result = event_logger.run(event_data)
"""
TELL = "\nprint(result['status'], result['seq'], event_logger.get_performance_metrics()['processed_count'])\n"


def printed_example() -> str:
    named = os.environ.get(VARIABLE)
    shared = Path(named).parent if named else ROOT.parent / "shared"
    seed = shared / "mission" / "seed.md"
    if not seed.is_file():
        pytest.skip(
            f"THE SEED'S OWN PAGE NOT TESTED: mission/seed.md is missing beside the folder of {VARIABLE}"
        )
    blocks = re.findall(r"```python\n(.*?)```", seed.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "result = event_logger.run(event_data)" in block]
    return block


def run_script(source: str, folder: Path) -> str:
    environment = {**os.environ, "KYMOGRAPH__DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=environment,
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def pump(number: int, at_ms: int = 0, balloon: str = "b-1", session: str = "s", **more: object) -> Fields:
    data = {"balloon_id": balloon, "pump_number": number, "timestamp_milliseconds": NOW_MS + at_ms, **more}
    return {"session_id": session, "event_type": "balloon_risk", "event_data": data}


def collect(pumps: int, at_ms: int, balloon: str = "b-1", **more: object) -> Fields:
    event = pump(0, at_ms, balloon, earnings_collected=0.05 * pumps, total_pumps=pumps, **more)
    event["event_data"].pop("pump_number")  # type: ignore[attr-defined]
    return event


def burst(pumps: int, at_ms: int, balloon: str = "b-1") -> Fields:
    event = pump(0, at_ms, balloon, pumps_at_pop=pumps)
    event["event_data"].pop("pump_number")  # type: ignore[attr-defined]
    return event


def end(at_ms: int | None = None, session: str = "s") -> Fields:
    data = {} if at_ms is None else {"timestamp_milliseconds": NOW_MS + at_ms}
    return {"session_id": session, "event_type": "session_end", "event_data": data}


def told(log: Log) -> list[tuple[int | None, str]]:
    events = [CODEC.decode(record.value) for record in the_log(log)]
    return [(event.seq, event.kind) for event in events]


def score(log: Log) -> None:
    LocalWorker(log, RowTable(Path(":memory:")), scoring()).catch_up()


@pytest.mark.parametrize("source", ["seed.md", "pasted"])
def test_the_seeds_example_runs_as_it_is_printed(source: str, tmp_path: Path) -> None:
    """What the seed's readers type works, in a process of their own, and a retry tomorrow is the same event."""
    script = (printed_example() if source == "seed.md" else EXAMPLE) + TELL
    folder = tmp_path / "data"
    assert run_script(script, folder) == "accepted 3 1"
    log = SqliteLog(folder / "log.sqlite")
    once = [(CODEC.decode(record.value).seq, CODEC.decode(record.value).digest) for record in the_log(log)]
    assert (
        run_script(script, folder) == "accepted 3 1"
    )  # a new process remembers no duplicates; the fold does
    twice = [(CODEC.decode(record.value).seq, CODEC.decode(record.value).digest) for record in the_log(log)]
    assert twice == once * 2
    outcomes = LocalWorker(log, RowTable(Path(":memory:")), scoring()).catch_up()
    assert outcomes == {"counted": 4, "duplicate": 4}
    log.close()


def test_the_pasted_example_is_the_printed_one() -> None:
    """Or else the test above would run something that no one typed."""
    assert printed_example().strip() == EXAMPLE.strip()


def test_a_first_pump_implies_what_the_seed_leaves_out(tmp_path: Path) -> None:
    """The session's start, the game's and the balloon's appearance come before the pump, each once."""
    log = MemoryLog()
    logger = door(tmp_path, log)
    first = logger.run(pump(1, 1500, time_since_prev_pump=1500))
    second = logger.run(pump(2, 2000, time_since_prev_pump=500))
    third = logger.run(pump(1, 3000, "b-2"))
    assert [first["seq"], second["seq"], third["seq"]] == [3, 4, 6]
    assert told(log) == [
        (0, "session.started"),
        (1, "balloon_risk.game_started"),
        (2, "balloon_risk.shown"),
        (3, "balloon_risk.pumped"),
        (4, "balloon_risk.pumped"),
        (5, "balloon_risk.shown"),
        (6, "balloon_risk.pumped"),
    ]
    pumps = [CODEC.fields(record.value)[1] for record in the_log(log) if b"" in record.value][3:5]
    assert [(one["t_us"], one["onset_t_us"], one["latency_us"]) for one in pumps] == [
        (1_500_000, 0, 1_500_000),
        (2_000_000, 1_500_000, 500_000),
    ]


def test_a_wait_that_is_left_out_is_the_time_since_the_event_before(tmp_path: Path) -> None:
    """Absence is not zero: a collect without one has taken its time, at most what a schema can say, and never less than none."""
    log = MemoryLog()
    door(tmp_path, log).record(
        [pump(1, 500), pump(2, 900), collect(2, 1500), pump(1, 1400, "b-2"), pump(2, 900_000, "b-2")]
    )
    fields = [CODEC.fields(record.value)[1] for record in the_log(log)]
    waits = [(one["t_us"], one["latency_us"]) for one in fields if "latency_us" in one]
    assert waits == [
        (0, 0),
        (400_000, 400_000),
        (1_000_000, 600_000),
        (900_000, 0),
        (899_500_000, 600_000_000),
    ]


def test_a_retry_is_the_same_event(tmp_path: Path) -> None:
    """Whatever order its fields come in, a body has one sequence number, over doors and processes."""
    log = MemoryLog()
    one = pump(1, 1500, balloon_size=1.2, is_rapid_pump=False)
    other = {**one, "event_data": dict(reversed(one["event_data"].items()))}  # type: ignore[attr-defined]
    logger = door(tmp_path, log)
    verdicts = [logger.run(one), logger.run(other), door(tmp_path, log).run(one)]
    assert [verdict["seq"] for verdict in verdicts] == [3, 3, 3]
    assert [verdict["status"] for verdict in verdicts] == ["accepted", "duplicate", "accepted"]
    digests = {(CODEC.decode(record.value).seq, CODEC.decode(record.value).digest) for record in the_log(log)}
    assert (len(digests), size(log)) == (4, 12)


def whole_session() -> list[Fields]:
    """Twelve balloons of four pumps, every third bursts."""
    events, at_ms = [], 0
    for i in range(1, 13):
        for k in range(1, 5):
            at_ms += 700 + 13 * k + i
            events.append(pump(k, at_ms, f"b-{i}", time_since_prev_pump=700, current_earnings=0.05 * k))
        at_ms += 650
        events.append(burst(4, at_ms, f"b-{i}") if i % 3 == 0 else collect(4, at_ms, f"b-{i}"))
    return events


def test_a_whole_session_closes_and_is_measured(tmp_path: Path) -> None:
    """What cannot be compared with any sample is measured all the same, and the profile says why it has no score."""
    log = MemoryLog()
    events = [*whole_session(), end(60_000)]
    verdicts = door(tmp_path, log).record(events)
    assert {verdict.status for verdict in verdicts} == {"accepted"}
    assert size(log) == 2 + 12 + 60 + 2
    score(log)
    (measured,) = metrics(log)
    (profile,) = profiles(log)
    assert b'"closed":"completed"' in measured.measures
    assert b'"balloon.n":{"n":12,' in measured.measures
    assert b'"severity":"integrity"' not in measured.measures
    assert b'"code":"Q_CLOCK"' not in measured.measures
    assert b"R_NORMS" in profile.profile
    assert b"R_INTEGRITY" not in profile.profile


@pytest.mark.parametrize("at_ms", [None, 100, 60_000])
def test_an_end_without_a_time_does_not_turn_the_clock_back(at_ms: int | None, tmp_path: Path) -> None:
    """A session that says no more than that it ended is not suspected of a bad clock."""
    log = MemoryLog()
    door(tmp_path, log).record([*whole_session(), end(at_ms)])
    score(log)
    (measured,) = metrics(log)
    assert (b"Q_CLOCK" in measured.measures) == (at_ms == 100)


def test_a_lost_pump_is_seen_from_what_the_client_counted(tmp_path: Path) -> None:
    """``total_pumps`` tells of a pump that never came: the balloon is void, and never a shorter one."""
    log = MemoryLog()
    door(tmp_path, log).record([pump(1, 500), pump(2, 900), collect(3, 1500), end(2000)])
    score(log)
    (measured,) = metrics(log)
    assert b'"code":"B5"' in measured.measures
    assert b'"void":1' in measured.measures


def test_a_balloon_cashed_in_at_once_has_no_pumps_of_the_one_before(tmp_path: Path) -> None:
    """Where the client does not say how many pumps it counted, they are counted here, balloon by balloon."""
    log = MemoryLog()
    at_once = collect(0, 2500, "b-2")
    at_once["event_data"].pop("total_pumps")  # type: ignore[attr-defined]
    door(tmp_path, log).record([pump(1, 500), pump(2, 900), collect(2, 1500), at_once, end(2600)])
    last = [CODEC.fields(record.value)[1] for record in the_log(log)][-3]
    assert (last["i"], last["pumps"], last["earned_c"], last["bank_c"]) == (2, 0, 0, 10)
    score(log)
    (measured,) = metrics(log)
    assert b'"severity":"integrity"' not in measured.measures


def bent(**changes: object) -> Fields:
    event = pump(1, 1500)
    data = {**event["event_data"], **changes}  # type: ignore[dict-item]
    return {**event, "event_data": {name: value for name, value in data.items() if value is not None}}


REFUSED: dict[str, tuple[Fields, str, str]] = {
    "another game": ({**pump(1), "event_type": "memory_cards"}, "unknown_kind", "/event_type"),
    "an event type that is no text": (
        {**pump(1), "event_type": ["balloon_risk"]},
        "unknown_kind",
        "/event_type",
    ),
    "a field beside the form's": ({**pump(1), "user": "x"}, "unknown_field", "/user"),
    "both forms at once": ({**pump(1), "kind": "session.paused"}, "unknown_field", "/kind"),
    "an unknown field": (bent(mood="good"), "unknown_field", "/event_data/mood"),
    "a field of another event": (bent(total_pumps=3), "unknown_field", "/event_data/total_pumps"),
    "data that are no object": ({**pump(1), "event_data": [1]}, "wrong_type", "/event_data"),
    "no data": (
        {"session_id": "s", "event_type": "balloon_risk"},
        "missing_field",
        "/event_data/pump_number",
    ),
    "no session": (
        {"event_type": "balloon_risk", "event_data": pump(1)["event_data"]},
        "missing_field",
        "/session_id",
    ),
    "a session that is nothing": ({**pump(1), "session_id": None}, "wrong_type", "/session_id"),
    "a bad session": (pump(1, session="a b"), "bad_pattern", "/session_id"),
    "half a session": (pump(1, session="\ud800"), "bad_pattern", "/session_id"),
    "no balloon": (bent(balloon_id=None), "missing_field", "/event_data/balloon_id"),
    "a numbered balloon": (bent(balloon_id=7), "wrong_type", "/event_data/balloon_id"),
    "a balloon without a name": (bent(balloon_id=""), "out_of_range", "/event_data/balloon_id"),
    "an endless name": (bent(balloon_id="b" * 201), "out_of_range", "/event_data/balloon_id"),
    "a field without a name": (bent(**{"": 1}), "unknown_field", "/event_data/"),
    "a numbered field": (
        {**pump(1), "event_data": {**bent()["event_data"], 7: 1}},
        "wrong_type",
        "",
    ),
    "no time": (bent(timestamp_milliseconds=None), "missing_field", "/event_data/timestamp_milliseconds"),
    "a time in words": (
        bent(timestamp_milliseconds="now"),
        "wrong_type",
        "/event_data/timestamp_milliseconds",
    ),
    "a fraction of a time": (
        bent(timestamp_milliseconds=1.5),
        "wrong_type",
        "/event_data/timestamp_milliseconds",
    ),
    "a time no clock shows": (
        bent(timestamp_milliseconds=2**62),
        "out_of_range",
        "/event_data/timestamp_milliseconds",
    ),
    "a time no JSON holds": (
        bent(timestamp_milliseconds=2**9000),
        "out_of_range",
        "/event_data/timestamp_milliseconds",
    ),
    "a time before 1970": (
        bent(timestamp_milliseconds=-1),
        "out_of_range",
        "/event_data/timestamp_milliseconds",
    ),
    "a wait that ends before it began": (
        bent(time_since_prev_pump=-5),
        "out_of_range",
        "/event_data/time_since_prev_pump",
    ),
    "a true pump": (bent(pump_number=True), "wrong_type", "/event_data/pump_number"),
    "a pump in words": (bent(pump_number="five"), "wrong_type", "/event_data/pump_number"),
    "a pump too many": (bent(pump_number=1001), "out_of_range", "/event_data/pump_number"),
    "money in words": (
        bent(pump_number=None, earnings_collected="much"),
        "wrong_type",
        "/event_data/earnings_collected",
    ),
    **{
        f"money of {amount}": (
            bent(pump_number=None, earnings_collected=float(amount)),
            "out_of_range",
            "/event_data/earnings_collected",
        )
        for amount in ("nan", "inf", "-5", "1e8")
    },
    "money that no purse holds": (
        bent(pump_number=None, earnings_collected=10**400),
        "out_of_range",
        "/event_data/earnings_collected",
    ),
    "an endless wait": (
        bent(time_since_prev_pump=600_001),
        "out_of_range",
        "/event_data/time_since_prev_pump",
    ),
    "neither pump nor burst": (bent(pump_number=None), "missing_field", "/event_data/pump_number"),
    "an end before any event": (end(), "inconsistent", "/event_type"),
    "what no JSON can say": (bent(balloon_size=object()), "wrong_type", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_event_says_why_and_uses_no_number_up(name: str, tmp_path: Path) -> None:
    """The next good event gets the number that the bad one would have had, and implies what it would have implied."""
    event, code, pointer = REFUSED[name]
    log = MemoryLog()
    logger = door(tmp_path, log)
    for _ in range(2):
        verdict = logger.run(event)
        assert (verdict["status"], verdict["code"], verdict["pointer"]) == ("rejected", code, pointer)
        assert verdict["suggestion"]
    assert size(log) == 0
    assert logger.run(pump(1, 1500))["seq"] == 3
    refused_again = logger.run(event)
    assert refused_again["status"] == "rejected" or event["event_type"] == "session_end"
    following = logger.run(pump(2, 2000))
    assert following["seq"] == (4 if event["event_type"] != "session_end" else 6)


@pytest.mark.parametrize("name", ["reason", "total_pumps"])
def test_an_end_takes_no_other_fields(name: str, tmp_path: Path) -> None:
    """Nothing of what a client says is dropped silently."""
    logger = door(tmp_path)
    logger.run(pump(1))
    verdict = logger.run({**end(), "event_data": {name: 1}})
    assert (verdict["code"], verdict["pointer"]) == ("unknown_field", f"/event_data/{name}")


def test_an_event_from_before_the_session_is_refused(tmp_path: Path) -> None:
    """The first event fixes the session's start; what claims to be earlier cannot be placed, and is told so."""
    logger = door(tmp_path)
    logger.run(pump(1, 5000))
    verdict = logger.run(pump(2, 4000))
    assert (verdict["code"], verdict["pointer"]) == ("out_of_range", "/event_data/timestamp_milliseconds")
    assert logger.run(pump(2, 5000))["seq"] == 4


def test_sessions_of_the_seeds_form_do_not_mix(tmp_path: Path) -> None:
    """Numbers, balloons and clocks are each session's own."""
    log = MemoryLog()
    logger = door(tmp_path, log)
    seqs = [logger.run(pump(k, 1000 * k, session=session))["seq"] for k in (1, 2) for session in ("a", "b")]
    assert seqs == [3, 3, 4, 4]
    assert size(log) == 10
