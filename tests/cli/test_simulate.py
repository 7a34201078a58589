"""The simulate command: who plays what, bent or not, into the log or as lines."""

import json
from pathlib import Path

import pytest

from simulators.people import crowd
from simulators.reaction_timer import Design
from tests.cli.kymograph import kymograph, told

engine = pytest.mark.clickhouse


def lines(*arguments: object) -> list[dict[str, object]]:
    return told(kymograph("simulate", "--jsonl", "-", *arguments))


def games(events: list[dict[str, object]]) -> list[str]:
    return [str(event["kind"]).removesuffix(".game_started") for event in events if "config" in event]


def test_events_are_written_as_lines_and_nothing_else_is(tmp_path: Path) -> None:
    """One event a line, in the form that the door takes; the folder is not even made."""
    folder = tmp_path / "data"
    result = kymograph("simulate", "--sessions", 2, "--seed", 5, "--jsonl", "-", data=folder)
    events = told(result)
    assert result.stderr == ""
    assert not folder.exists()
    assert {event["session_id"] for event in events} == {"sim.5.00000", "sim.5.00001"}
    assert json.loads(result.stdout.splitlines()[-1]) == events[-1]


def test_a_file_of_lines_is_counted(tmp_path: Path) -> None:
    """The file holds what stdout would; what was written is said, for people or for programs."""
    path = tmp_path / "events.jsonl"
    (counts,) = told(kymograph("simulate", "--sessions", 3, "--jsonl", path, "--json"))
    text = path.read_text()
    assert counts == {"sessions": 3, "events": text.count("\n")}
    assert [json.loads(line) for line in text.splitlines()] == lines("--sessions", 3)
    assert "events of 3 sessions" in kymograph("simulate", "--sessions", 3, "--jsonl", path).stdout
    assert "not-there" in kymograph("simulate", "--jsonl", tmp_path / "not-there" / "x", code=3).stderr


@engine
def test_imported_lines_are_the_sessions_that_are_simulated(tmp_path: Path) -> None:
    """The same metrics, whichever way they came in."""
    text = kymograph("simulate", "--sessions", 2, "--jsonl", "-").stdout
    (counts,) = told(kymograph("import", "jsonl", "-", "--json", data=tmp_path / "a", stdin=text.encode()))
    assert (counts["accepted"], counts["rejected"], counts["sessions_closed"]) == (text.count("\n"), 0, 0)
    kymograph("simulate", "--sessions", 2, data=tmp_path / "b")
    stored = [kymograph("metrics", "--all", "--json", data=tmp_path / name).stdout for name in "ab"]
    assert stored[0] == stored[1] != ""


def test_a_session_holds_the_games_that_are_asked_for() -> None:
    """One of them, or all in one session."""
    assert games(lines("--sessions", 1)) == ["balloon_risk"]
    assert games(lines("--sessions", 1, "--game", "memory_cards")) == ["memory_cards"]
    assert games(lines("--sessions", 1, "--game", "all")) == [
        "balloon_risk",
        "memory_cards",
        "reaction_timer",
    ]


@pytest.mark.parametrize("kind", ["simple", "choice", "gonogo"])
def test_reactions_are_of_the_kind_that_is_asked_for(kind: str) -> None:
    """And of nobody else than the crowd's people."""
    ((_, _, expected),) = crowd(1, 1, Design(kind=kind))
    assert lines("--sessions", 1, "--game", "reaction_timer", "--kind", kind) == expected


@pytest.mark.parametrize("game", ["balloon_risk", "memory_cards"])
def test_a_kind_without_reactions_is_a_wrong_use(game: str) -> None:
    """It would be ignored; among all the games it is not."""
    result = kymograph("simulate", "--jsonl", "-", "--game", game, "--kind", "simple", code=2)
    assert "--kind is of reaction_timer: add --game" in result.stderr
    events = lines("--sessions", 1, "--game", "all", "--kind", "gonogo")
    assert {event["trial_kind"] for event in events if "trial_kind" in event} == {"gonogo"}


def test_the_same_people_come_again() -> None:
    """A session an occasion, each with an id of its own; the participant is the same."""
    started = [event for event in lines("--sessions", 2, "--occasions", 2) if event["seq"] == 0]
    assert [event["session_id"] for event in started] == [
        "sim.1.00000",
        "sim.1.00000.t2",
        "sim.1.00001",
        "sim.1.00001.t2",
    ]
    assert len({event["participant_ref"] for event in started}) == 2


@engine
def test_a_cheat_is_let_in_and_refused(tmp_path: Path) -> None:
    """Every session misses an event: none of them is whole, so they are closed, and no trait is scored."""
    (counts,) = told(kymograph("simulate", "--sessions", 2, "--cheat", "dropped", "--json", data=tmp_path))
    assert (counts["rejected"], counts["sessions_closed"]) == (0, 2)
    profiles = told(kymograph("profile", "--all", "--json", data=tmp_path))
    reasons = [
        why["code"] for told_ in profiles for trait in told_["traits"].values() for why in trait["reasons"]
    ]
    assert reasons.count("R_INTEGRITY") == 2 * 5


def test_a_cheat_of_another_game_is_a_wrong_use(tmp_path: Path) -> None:
    """It says which game it bends, and nothing is written."""
    wrong = ("simulate", "--game", "memory_cards", "--cheat", "all_max")
    result = kymograph(*wrong, data=tmp_path / "data", code=2)
    assert "all_max bends balloon_risk" in result.stderr
    assert not (tmp_path / "data").exists()
    assert lines("--sessions", 1, "--game", "all", "--cheat", "all_max")
