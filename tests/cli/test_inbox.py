"""What direct producers put on the inbox is sealed and scored: ``cli/wiring.py``."""

import json
from pathlib import Path

from simulators.balloon_risk import Design
from simulators.people import crowd
from streams.log import Message
from streams.sqlite import SqliteLog
from streams.topics import INBOX
from tests.processes import kymograph


def test_events_on_the_inbox_are_sealed_and_scored(tmp_path: Path) -> None:
    """A command on the embedded log takes them through the door first; what is none is a dead letter, with its reason."""
    ((session_id, _, events),) = crowd(1, 3, Design(balloons=12))
    log = SqliteLog(tmp_path / "log.sqlite")
    sent = [Message(str(session_id).encode(), json.dumps(event).encode()) for event in events]
    log.append(INBOX.name, [*sent, Message(b"x", b"no event")])
    log.close()
    told = kymograph("profile", "--all", "--json", "--data", str(tmp_path))
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["session_id"] == session_id
    letters = kymograph("dlq", "list", "--json", "--data", str(tmp_path))
    assert [json.loads(line)["code"] for line in letters.stdout.splitlines()] == ["malformed"]
    again = kymograph("profile", "--all", "--json", "--data", str(tmp_path))
    assert again.stdout == told.stdout
