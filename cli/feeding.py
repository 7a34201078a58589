"""Commands that bring events in: import, simulate, demo."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
from rich.progress import Progress

from cli.options import common, emit, settings_of
from cli.wiring import House, house
from importers import ds000030, jsonl
from importers.importing import Imported, Parsed, bring_in
from simulators.balloon_risk import Design
from simulators.people import GAMES, crowd


@click.group("import")
def import_() -> None:
    """People's data into the log."""


@import_.command("ds000030")
@click.option(
    "--bart",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A bart_events table.",
)
@common
def import_ds000030(bart: Path, data: str | None, log: str | None, *, as_json: bool) -> None:
    """The balloon task of OpenNeuro ds000030, one row a button press."""
    with house(settings_of(data, log)) as parts:
        report(parts, import_balloons(parts, bart), as_json=as_json)


@import_.command("jsonl")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--keep-open",
    is_flag=True,
    help="Do not close sessions that are not whole (no end, or gaps): more is to come.",
)
@common
def import_jsonl(
    file: BinaryIO, data: str | None, log: str | None, *, as_json: bool, keep_open: bool
) -> None:
    """One event a line, in our form or the seed's; FILE may be -."""
    with house(settings_of(data, log)) as parts:
        _hold(parts)
        with _progress() as on_batch:
            imported = bring_in(jsonl.events(file), parts.logger(), close=not keep_open, on_batch=on_batch)
        report(parts, imported, as_json=as_json)


@click.command()
@click.option("--game", type=click.Choice(GAMES), default=GAMES[0], help="Which game they play.")
@click.option("--sessions", type=click.IntRange(1), default=200, help="How many people.")
@click.option("--seed", type=int, default=1, help="Equal seeds give equal people.")
@common
def simulate(
    game: str, sessions: int, seed: int, data: str | None, log: str | None, *, as_json: bool
) -> None:
    """People with known traits play through the public door."""
    with house(settings_of(data, log)) as parts:
        report(parts, play_people(parts, sessions, seed)[0], as_json=as_json)


def import_balloons(parts: House, bart: Path) -> Imported:
    """The people of a balloon file, through the door. Raises NotOfThisForm, LogUnavailable."""
    _hold(parts)
    skipped: Counter[str] = Counter()
    with _progress() as on_batch:
        imported = bring_in(ds000030.balloon_events(bart, skipped), parts.logger(), on_batch=on_batch)
    imported.skipped = skipped
    return imported


def play_people(parts: House, sessions: int, seed: int) -> tuple[Imported, dict[str, float]]:
    """Simulated people, through the door; what was recorded, and who they truly are."""
    _hold(parts)
    truth: dict[str, float] = {}

    def events() -> Iterator[Parsed]:
        for session_id, someone, played in crowd(sessions, seed, Design()):
            truth[session_id] = someone.mu
            yield from (Parsed(f"{session_id} event {place}", event) for place, event in enumerate(played))

    with _progress() as on_batch:
        imported = bring_in(events(), parts.logger(), on_batch=on_batch)
    return imported, truth


def report(parts: House, imported: Imported, *, as_json: bool) -> None:
    """Score on the embedded log, then say what became of everything."""
    outcomes, projected = parts.catch_up() if parts.is_embedded else (Counter(), {})
    counts = {
        "read": imported.read,
        "accepted": imported.accepted,
        "duplicate": imported.duplicate,
        "rejected": imported.rejected,
        "sessions_closed": imported.closed,
        "skipped": dict(imported.skipped),
        "scored": dict(outcomes),
        "rows": {topic: counted.rows for topic, counted in projected.items()},
    }
    for refusal in imported.refusals:
        verdict = refusal.verdict
        where = f"{refusal.place}: {verdict.code} {verdict.pointer or ''}".rstrip()
        click.echo(f"rejected {where}: {verdict.message}; {verdict.suggestion}", err=True)
    if imported.rejected > len(imported.refusals):
        click.echo(f"... and {imported.rejected - len(imported.refusals)} more", err=True)
    lines = [
        f"read {imported.read} = accepted {imported.accepted} + duplicate {imported.duplicate} + rejected {imported.rejected}",
        *(
            [f"closed {imported.closed} sessions that were not whole (--keep-open leaves them open)"]
            if imported.closed
            else []
        ),
        *(f"skipped {count} rows: {why}" for why, count in sorted(imported.skipped.items())),
        *(f"in the fold, {outcome}: {count}" for outcome, count in sorted(outcomes.items())),
    ]
    emit(counts, "\n".join(lines), as_json=as_json)


def _hold(parts: House) -> None:
    """On the embedded log the folder must be ours before anything is written into it."""
    if parts.is_embedded:
        assert parts.store is not None


@contextmanager
def _progress() -> Iterator:  # type: ignore[type-arg]  # of a callable that takes the events read so far
    """A counter on a terminal, silence in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("events", total=None)
        yield lambda read: progress.update(task, completed=read, description=f"{read} events")
