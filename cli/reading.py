"""Commands that read: sessions, metrics, profile, verify, replay."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any
from uuid import uuid4

import click
import msgspec

from agents.answer import answer, metrics_answer
from agents.replayer import Rebuilt, Verification
from cli.options import DIFFERENT, NotScored, common, emit, settings_of
from cli.wiring import House, house
from projections.rows import SessionMetricRow, TraitProfileRow, metric_rows, profile_rows

_which = click.argument("session", required=False)
_all = click.option("--all", "every", is_flag=True, help="Every session.")
_mapping = click.option("--mapping", help="The mapping, id@semver (default: the settings' one).")


@click.command()
@common
def sessions(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Every session, its state and how much is known of it."""
    with house(settings_of(data, log)) as parts:
        parts.catch_up()
        for summary in parts.store.sessions(parts.inferencer().mapping):
            counts = f"{summary.events} events, {summary.traits_scored} of {summary.traits} traits scored"
            emit(
                msgspec.to_builtins(summary),
                f"{summary.session_id}  {summary.status}  {counts}",
                as_json=as_json,
            )


@click.command()
@_which
@_all
@common
def metrics(session: str | None, data: str | None, log: str | None, *, every: bool, as_json: bool) -> None:
    """The metrics of SESSION, or of all."""
    _one_or_all(session, every=every)
    with house(settings_of(data, log)) as parts:
        parts.catch_up()
        found = _by_session(parts, SessionMetricRow, session)
        _refuse_unknown(session, found)
        for rows in _not_withdrawn(parts, found):
            told = metrics_answer(rows)
            emit(told, _metrics_text(told), as_json=as_json)


@click.command()
@_which
@_all
@_mapping
@common
def profile(
    session: str | None, mapping: str | None, data: str | None, log: str | None, *, every: bool, as_json: bool
) -> None:
    """The trait profile of SESSION, or of all, as the API answers it."""
    _one_or_all(session, every=every)
    with house(settings_of(data, log)) as parts:
        parts.catch_up()
        name = parts.inferencer(mapping).mapping
        found = profiles_of(parts, name, session)
        _tell_unscored(parts, name, session, found)
        _refuse_unknown(session, found)
        for rows in _not_withdrawn(parts, found):
            told = answer(rows[0])
            emit(told, profile_text(told), as_json=as_json)


@click.command()
@_which
@_all
@_mapping
@common
def verify(
    session: str | None, mapping: str | None, data: str | None, log: str | None, *, every: bool, as_json: bool
) -> None:
    """Rebuild from the log and compare byte for byte; exit 1 if anything differs."""
    _one_or_all(session, every=every)
    with house(settings_of(data, log)) as parts:
        parts.catch_up()
        checked, lost = verifications(parts, mapping, session)
    for found in checked:
        told = msgspec.to_builtins(found)
        differs = f"{found.session_id}  {found.verdict}  {'; '.join(found.differences)}"
        emit(told, differs if found.verdict != "equal" else None, as_json=as_json)
    equal = sum(found.verdict == "equal" for found in checked)
    click.echo(f"verified: {equal} of {len(checked)} equal", err=as_json)
    if lost or any(found.verdict in {"different", "missing"} for found in checked):
        raise SystemExit(DIFFERENT)


@click.command()
@click.option("--all", "every", is_flag=True, required=True, help="Every session of the log.")
@_mapping
@click.option("--compare", is_flag=True, help="Write nothing; say what differs and exit 1 if anything does.")
@common
def replay(
    mapping: str | None, data: str | None, log: str | None, *, every: bool, compare: bool, as_json: bool
) -> None:
    """Fold the whole log again, and put its metrics and profiles into the store."""
    with house(settings_of(data, log)) as parts:
        parts.catch_up()
        name = parts.inferencer(mapping).mapping
        stored = profiles_of(parts, name)
        replayed = changed = 0
        # The store drops an insert that it has seen lately; a second replay must not be dropped.
        run_id = uuid4()
        for rebuilt in parts.replayer(mapping).rebuild_all():
            if rebuilt.profile is None or rebuilt.metrics is None or rebuilt.withdrawn:
                continue
            replayed += 1
            fresh = profile_rows(rebuilt.profile)
            before = stored.get(rebuilt.session_id, ())
            changed += [(row.trait, row.profile) for row in before] != [
                (row.trait, row.profile) for row in fresh
            ]
            if not compare:
                source = f"replay:{run_id}:{rebuilt.session_id}"
                parts.store.write([*metric_rows(rebuilt.metrics), *fresh], source=source)
    counts = {"mapping": name, "replayed": replayed, "changed": changed, "written": not compare}
    emit(counts, f"replayed {replayed} sessions by {name}: {changed} differ from the store", as_json=as_json)
    if compare and changed:
        raise SystemExit(DIFFERENT)


def verifications(
    parts: House, mapping: str | None, session: str | None = None
) -> tuple[list[Verification], list[str]]:
    """The log's sessions and the store's, each compared once, and what the log has lost.

    A session that is open and has nothing stored is left out.
    """
    replayer, name = parts.replayer(mapping), parts.inferencer(mapping).mapping
    stored = profiles_of(parts, name, session)
    measured = _by_session(parts, SessionMetricRow, session)
    known = stored.keys() | measured.keys()
    rebuilt = [replayer.rebuild(session)] if session is not None else list(replayer.rebuild_all())
    rebuilt += [Rebuilt(session_id) for session_id in sorted(known - {item.session_id for item in rebuilt})]
    lost = list(dict.fromkeys(replayer.lost))
    for what in lost:
        click.echo(f"the log is not whole: {what}", err=True)
    checked = [
        _advised(
            item, replayer.verify(item, stored.get(item.session_id), measured.get(item.session_id)), name
        )
        for item in sorted(rebuilt, key=lambda item: item.session_id)
        if session is not None
        or item.profile is not None
        or item.session_id in known
        or item.withdrawn
        or item.corrupt_offsets
    ]
    return checked, lost


def _advised(rebuilt: Rebuilt, found: Verification, mapping: str) -> Verification:
    """What was never scored by the mapping, live or by a replay, and is equal in all else: its profile is missing, not changed."""
    is_unscored = found.stored is None and found.rebuilt is not None and not rebuilt.emitted
    if not is_unscored or len(found.differences) != 1:  # the one is that of the profile
        return found
    return msgspec.structs.replace(found, verdict="missing", differences=[_not_scored(mapping)])


def profiles_of(
    parts: House, mapping: str, session: str | None = None
) -> dict[str, tuple[TraitProfileRow, ...]]:
    """The stored profiles by one mapping, by session."""
    found = _by_session(parts, TraitProfileRow, session, mapping)
    chosen = {name: tuple(row for row in rows if row.mapping == mapping) for name, rows in found.items()}
    return {name: rows for name, rows in chosen.items() if rows}


def _by_session(parts: House, kind: Any, session: str | None, mapping: str = "") -> dict[str, Any]:
    if session is None:
        return {
            name: tuple(rows)
            for name, rows in groupby(parts.store.every(kind), key=lambda row: row.session_id)
        }
    if kind is SessionMetricRow:
        rows: Any = parts.store.metrics(session)
    else:
        rows = parts.store.profile(session, mapping)
    return {session: tuple(rows)} if rows else {}


def _not_withdrawn(parts: House, found: dict[str, Any]) -> Iterator[Any]:
    """What may be shown: erased people are not, whatever the tables still hold."""
    withdrawn = {summary.session_id for summary in parts.store.sessions() if summary.status == "withdrawn"}
    for session_id, rows in found.items():
        if session_id in withdrawn:
            click.echo(f"{session_id} was withdrawn", err=True)
        else:
            yield rows


def _tell_unscored(parts: House, mapping: str, session: str | None, found: dict[str, Any]) -> None:
    """Who was measured, and not by this mapping. Raises NotScored where that is everybody who was asked for."""
    waiting = [
        summary.session_id
        for summary in parts.store.sessions(mapping)
        if summary.status == "measured" and session in {None, summary.session_id}
    ]
    if not waiting:
        return
    who = f"{waiting[0]} is" if len(waiting) == 1 else f"{len(waiting)} sessions are"
    message = f"{who} {_not_scored(mapping)}"
    if not found:
        raise NotScored(message)
    click.echo(f"kymograph: {message}", err=True)


def _not_scored(mapping: str) -> str:
    return f"not scored by {mapping} yet: kymograph replay --all --mapping {mapping}"


def _refuse_unknown(session: str | None, found: dict[str, Any]) -> None:
    if session is not None and not found:
        raise click.UsageError(
            f"nothing is stored of {session!r}: it is unknown, still open or withdrawn; see kymograph sessions"
        )


def _one_or_all(session: str | None, *, every: bool) -> None:
    if (session is None) != every:
        raise click.UsageError("name one SESSION, or --all")


def _metrics_text(told: dict[str, Any]) -> str:
    lines = [told["session_id"]]
    for name, metric in told["metrics"].items():
        value = "-" if metric["value"] is None else f"{metric['value']:.6f}"
        reason = f"  {metric['reason']}" if metric["reason"] else ""
        lines.append(f"  {name:32} {value:>14} {metric['unit']:14} n={metric['n']}{reason}")
    return "\n".join(lines)


def profile_text(told: dict[str, Any]) -> str:
    """A profile in a few lines."""
    lines = [told["session_id"]]
    for name, trait in told["traits"].items():
        if trait["status"] == "scored":
            low, high = trait["ci"]
            note = ", provisional norms" if trait["provisional"] else ""
            note += "".join(f", {part['reason']}" for part in trait["contributions"] if part["reason"])
            lines.append(
                f"  {name}  {trait['score']:.3f} [{low:.3f}, {high:.3f}]  T {trait['t']:.0f}  "
                f"reliability {trait['reliability']:.0f}  quality {trait['quality']:.0f}{note}"
            )
        else:
            lines += [f"  {name}  insufficient"]
            lines += [f"    {why['code']}: {why['message']} {why['suggestion']}" for why in trait["reasons"]]
    return "\n".join(lines)
