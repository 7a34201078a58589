"""Commands that bring people's data from elsewhere into the log."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click
from msgspec.structs import replace

from cli.feeding import hold, progress, report
from cli.options import DIFFERENT, common, settings_of
from cli.wiring import House, house
from importers import bids, ds000030, jsonl, jspsych
from importers.importing import Imported, Parsed, bring_in
from importers.jspsych_games import Design
from science.checks import check_of
from science.fields import newest

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_EXIT = "Exits with 1 where something was read and nothing of it was taken or known already."


class ColumnValue(click.ParamType):
    """``COLUMN=VALUE``."""

    name = "COLUMN=VALUE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Both sides of the first equals sign."""
        column, equals, wanted = str(value).partition("=")
        if not (column and equals):
            self.fail(f"{value!r} is not of the form COLUMN=VALUE", param, ctx)
        return column, wanted


class StartField(click.ParamType):
    """What these fields of ``session.started`` take, by the door's own checks; none may be blank."""

    name = "TEXT"

    def __init__(self, *fields: str) -> None:
        """By the fields' names."""
        self._fields = [field for field in newest()["session.started"] if field.name in fields]

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is."""
        text, name = str(value), (param and param.name) or self.name
        if not text.strip():
            self.fail(f"{name} is blank", param, ctx)
        for field in self._fields:
            if (flaw := check_of(replace(field, name=name))(text)) is not None:
                self.fail(flaw.message, param, ctx)
        return text


_burst_law = click.option(
    "--burst-law",
    type=click.Choice(["uniform", "unknown"]),
    default="unknown",
    help="uniform: each pump up to the last is equally likely to burst it; norms are of such balloons (default: unknown).",
)
_consent_basis = click.option(
    "--consent-basis",
    type=StartField("consent_basis"),
    default="declared:import",
    help="Why these data may be processed (default: declared:import).",
)


@click.group("import")
def import_() -> None:
    """People's data into the log."""


@import_.command("ds000030", epilog=_EXIT)
@click.option("--bart", type=_FILE, help="A bart_events table: balloons, one row a button press.")
@click.option("--choice-rt", type=_FILE, help="A stopsignaltraining_events table: choice reactions.")
@common
def import_ds000030(
    bart: Path | None, choice_rt: Path | None, data: str | None, log: str | None, *, as_json: bool
) -> None:
    """People of OpenNeuro ds000030; of both tables, one person's games are one session."""
    if bart is None and choice_rt is None:
        raise click.UsageError("give --bart FILE, --choice-rt FILE, or both")
    skipped: Counter[str] = Counter()
    with house(settings_of(data, log)) as parts:
        imported = bring(parts, ds000030.events(bart, choice_rt, skipped), skipped)
        _end(parts, imported, as_json=as_json)


@import_.command("jsonl", epilog=_EXIT)
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
    """One event a line, in our form or the seed's, with or without gzip; FILE may be -."""
    with house(settings_of(data, log)) as parts:
        _end(parts, bring(parts, jsonl.events_of(file), close=not keep_open), as_json=as_json)


@import_.command("jspsych", epilog=_EXIT)
@click.argument("files", metavar="FILE...", type=_FILE, nargs=-1, required=True)
@click.option("--max-pumps", type=click.IntRange(2, 1_000), help="plugin-bart: the last pump that could be.")
@_burst_law
@click.option(
    "--pump-animation-ms",
    type=click.IntRange(0, 60_000),
    default=200,
    help="plugin-bart: how long its buttons are dead after a pump (default: 200, the plugin's own).",
)
@click.option(
    "--timeout-ms",
    type=click.IntRange(1, 600_000),
    help="Reactions: how long a response was waited for (default: the session's slowest).",
)
@click.option(
    "--reactions",
    type=ColumnValue(),
    help="Which trials are reactions (default: those with a correct_response).",
)
@click.option("--practice", type=ColumnValue(), help="Which trials are practice, and never scored.")
@click.option(
    "--session-from",
    metavar="COLUMN",
    help="Name sessions by this column. Its values stand in the log in clear: no names, no recruiter's ids.",
)
@_consent_basis
@common
def import_jspsych(
    *,
    files: tuple[Path, ...],
    session_from: str | None,
    consent_basis: str,
    data: str | None,
    log: str | None,
    as_json: bool,
    **design: Any,
) -> None:
    """jsPsych's data, JSON or CSV: plugin-bart's balloons, and trials with rt, response and correct_response.

    \b
    A session is what has one file (or array), one run_id or session_id, and one subject_id,
    subject, participant_id, participant, PROLIFIC_PID or workerId; it is named by the digest
    of its trials, and the participant's own reference is encrypted before anything is logged.

    \b
    Assumed: time_elapsed is the end of a trial, and a response ended its trial; rt null or -1
    is no response; with one right key in all the data the game is simple, with more a choice;
    trials begin with their stimulus. Interactions (blur, focus) among the trials are kept.
    """
    sources = jspsych.Sources(consent_basis=consent_basis, session_column=session_from)
    skipped: Counter[str] = Counter()
    with house(settings_of(data, log)) as parts:
        imported = bring(parts, jspsych.events(files, Design(**design), sources, skipped), skipped)
        _end(parts, imported, as_json=as_json)


@import_.command("bids", epilog=_EXIT)
@click.argument("files", metavar="FILE...", type=_FILE, nargs=-1, required=True)
@click.option(
    "--dataset",
    type=StartField("session_id", "battery"),
    required=True,
    help="Its name: stands before each session's, such as ds000001.",
)
@click.option(
    "--max-pumps",
    type=click.IntRange(2, 1_000),
    default=12,
    help="The last pump that could be, where the table does not say (default: 12).",
)
@_burst_law
@_consent_basis
@common
def import_bids(
    *, files: tuple[Path, ...], data: str | None, log: str | None, as_json: bool, **terms: Any
) -> None:
    """Events tables of a balloon task in BIDS, sub-*_events.tsv; each file is a session.

    \b
    Required columns: onset, response_time, and trial_type with pumps_demean, cash_demean and
    explode_demean (as in ds000001; 25 cents a pump); or onset, reaction_time, trial_number,
    trial_type and action (as in ds000030; its 12 pumps, uniform). The last pump before an
    explosion is the one that burst the balloon. Control balloons are skipped, and counted.
    """
    skipped: Counter[str] = Counter()
    with house(settings_of(data, log)) as parts:
        imported = bring(parts, bids.events(files, bids.Terms(**terms), skipped), skipped)
        _end(parts, imported, as_json=as_json)


def import_balloons(parts: House, bart: Path) -> Imported:
    """The people of a balloon table, through the door. Raises NotOfThisForm, LogUnavailable."""
    skipped: Counter[str] = Counter()
    return bring(parts, ds000030.events(bart, None, skipped), skipped)


def bring(
    parts: House, events: Iterable[Parsed], skipped: Counter[str] | None = None, *, close: bool = True
) -> Imported:
    """Events through the door; ``skipped`` is what their importer counts. Raises NotOfThisForm, LogUnavailable."""
    hold(parts)
    with progress() as on_batch:
        imported = bring_in(events, parts.logger(), close=close, on_batch=on_batch)
    imported.skipped = skipped or Counter()
    return imported


def _end(parts: House, imported: Imported, *, as_json: bool) -> None:
    """What became of everything; exit 1 where nothing came of it."""
    report(parts, imported, as_json=as_json)
    if imported.read and imported.read == imported.rejected:
        raise SystemExit(DIFFERENT)
