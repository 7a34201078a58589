"""Simulated people: the simulate command, and how they come through the door."""

from collections.abc import Iterable, Iterator
from typing import get_args

import click
import msgspec

from cli.feeding import hold, progress, report
from cli.options import common, emit, settings_of
from cli.wiring import House, house
from importers.importing import Imported, Parsed, bring_in
from simulators import balloon_risk, reaction_timer
from simulators.cheats import CHEATS, bent
from simulators.people import GAMES, Simulated, crowd


@click.command()
@click.option(
    "--game", type=click.Choice([*GAMES, "all"]), default="balloon_risk", help="What they play in a session."
)
@click.option(
    "--kind",
    type=click.Choice(get_args(reaction_timer.Kind)),
    help=f"Of reaction_timer (default: {reaction_timer.Design().kind}).",
)
@click.option("--sessions", type=click.IntRange(1), default=200, help="How many people.")
@click.option("--occasions", type=click.IntRange(1), default=1, help="On how many days each of them plays.")
@click.option("--seed", type=int, default=1, help="Equal seeds give equal people.")
@click.option("--cheat", type=click.Choice(list(CHEATS)), help="Bend the events of every session.")
@click.option(
    "--jsonl",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the events there (- is stdout), one a line, as import jsonl takes them, and nothing into the log.",
)
@common
def simulate(
    *,
    game: str,
    kind: reaction_timer.Kind | None,
    sessions: int,
    occasions: int,
    seed: int,
    cheat: str | None,
    jsonl: str | None,
    data: str | None,
    log: str | None,
    as_json: bool,
) -> None:
    """People with known traits play through the public door."""
    names = list(GAMES) if game == "all" else [game]
    if cheat is not None and not CHEATS[cheat].bends(names):
        raise click.UsageError(f"{cheat} bends {' and '.join(CHEATS[cheat].games)}: add --game")
    if kind is not None and reaction_timer.GAME.name not in names:
        raise click.UsageError(f"--kind is of {reaction_timer.GAME.name}: add --game")
    designs = [GAMES[name].design() for name in names]
    if kind is not None:
        designs[names.index(reaction_timer.GAME.name)] = reaction_timer.Design(kind=kind)
    people = crowd(sessions, seed, *designs, occasions=occasions)
    if cheat is not None:
        people = ((session_id, sitting, bent(cheat, events)) for session_id, sitting, events in people)
    if jsonl is None:
        with house(settings_of(data, log)) as parts:
            report(parts, _let_in(parts, people), as_json=as_json)
        return
    counts = _write(people, jsonl)
    if jsonl != "-":
        emit(counts, f"{jsonl}: {counts['events']} events of {counts['sessions']} sessions", as_json=as_json)


def play_games(parts: House, people: Iterable[Simulated]) -> tuple[Imported, dict[str, float]]:
    """People play, through the door; what was recorded, and the true risk tolerance of each."""
    truth: dict[str, float] = {}

    def played() -> Iterator[Simulated]:
        for session_id, sitting, events in people:
            truth[session_id] = sitting.people[balloon_risk.GAME.name].mu
            yield session_id, sitting, events

    return _let_in(parts, played()), truth


def _let_in(parts: House, people: Iterable[Simulated]) -> Imported:
    hold(parts)
    events = (
        Parsed(f"{session_id} event {place}", event)
        for session_id, _, played in people
        for place, event in enumerate(played)
    )
    with progress() as on_batch:
        return bring_in(events, parts.logger(), on_batch=on_batch)


def _write(people: Iterable[Simulated], path: str) -> dict[str, int]:
    counts = {"sessions": 0, "events": 0}
    with click.open_file(path, "wb") as file:
        for _, _, events in people:
            file.write(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
            counts["sessions"] += 1
            counts["events"] += len(events)
    return counts
