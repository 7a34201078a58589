"""What every command that brings events in shares."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.progress import Progress

from cli.options import emit
from cli.wiring import House
from importers.importing import Imported


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


def hold(parts: House) -> None:
    """On the embedded log the folder must be ours before anything is written into it."""
    if parts.is_embedded:
        assert parts.store is not None


@contextmanager
def progress(what: str = "events") -> Iterator:  # type: ignore[type-arg]  # of a callable that takes how many there were so far
    """A counter on a terminal, silence in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda read: bar.update(task, completed=read, description=f"{read} {what}")
