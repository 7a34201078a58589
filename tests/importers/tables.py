"""Tables in the form of ds000030, made by hand, and what became of them."""

from collections import Counter
from pathlib import Path

from agents.event_logger import EventLogger
from agents.local import LocalWorker, RowTable
from importers.ds000030 import events
from importers.importing import Imported, bring_in
from streams.memory import MemoryLog
from tests.agents.doors import door, metrics, profiles, scoring

HEADER = ["participant_id", "row", "onset", "reaction_time", "trial_number", "trial_type", "action"]
Press = tuple[
    str, str, str, str, str, str
]  # participant, onset, reaction_time, trial_number, trial_type, action


def presses(person: str = "sub-1", balloons: int = 12) -> list[Press]:
    """A careful person: of every balloon three pumps and the money, each fourth bursts at the third."""
    rows: list[Press] = []
    seconds = 1.0
    for number in range(1, balloons + 1):
        last = "EXPLODE" if number % 4 == 0 else "CASHOUT"
        for action in ("ACCEPT", "ACCEPT", "ACCEPT", last):
            wait = 0.0 if action == "EXPLODE" else 0.4 + 0.013 * number
            rows.append((person, f"{seconds:.6f}", f"{wait:.6f}", str(number), "BALOON", action))
            seconds += wait + 0.9
    return rows


def table(rows: list[Press], separator: str = ",") -> str:
    """The rows as text, under the header."""
    lines = [HEADER, *([row[0], str(number), *row[1:]] for number, row in enumerate(rows, 1))]
    return "".join(separator.join(line) + "\n" for line in lines)


class Taken:
    """What an import left behind."""

    def __init__(self, path: Path, logger: EventLogger | None = None) -> None:
        self.log = MemoryLog()
        self.skipped: Counter[str] = Counter()
        logger = logger or door(path.parent, self.log)
        self.imported: Imported = bring_in(events(path, None, self.skipped), logger)
        LocalWorker(self.log, RowTable(Path(":memory:")), scoring()).catch_up()
        self.measures = {record.session_id: record.measures for record in metrics(self.log)}
        self.profiles = {record.session_id: record.profile for record in profiles(self.log)}


def taken(folder: Path, text: str, name: str = "bart.csv") -> Taken:
    """Import this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return Taken(path)
