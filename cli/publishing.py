"""Commands about what is published and frozen: mappings, and the lock that publishes everything new."""

from pathlib import Path
from typing import Any

import click
import msgspec

from cli.options import common, differences, emit
from science import catalogue, published
from science.catalogue import Table
from science.exact import MICRO
from science.fields import newest
from science.kinds import KINDS, mismatches
from science.mapping import Published, load, names
from streams import schemas as registry
from streams.schemas import SchemaRefused

_IN_MICRO = {
    *("level", "z", "winsor", "completeness", "quality", "reliability", "weight", "full", "correlation"),
    *("shrink", "limit", "mean", "sd", "retest"),
}


@click.group()
def mappings() -> None:
    """The published mappings from metrics to traits, with their reference samples."""


@mappings.command("list")
@common
def mappings_list(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Every mapping: its hash, whether it is published, its traits and its norm sets."""
    for name in names():
        told = _summary(load(name))
        lines = [
            f"  {kind}: {', '.join(f'{one} ({status})' for one, status in told[kind].items())}"
            for kind in ("traits", "norms")
        ]
        emit(told, "\n".join([_head(told), *lines]), as_json=as_json)


@mappings.command("show")
@click.argument("name")
@common
def mappings_show(name: str, data: str | None, log: str | None, *, as_json: bool) -> None:
    """The mapping NAME (id@semver): weights, required metrics, reference samples, thresholds, and the document itself."""
    known = load(name)
    told = _summary(known)
    if as_json:
        sets = {
            one: {"hash": known.norm_hashes[one], **_decimals(norms)} for one, norms in known.norms.items()
        }
        told |= {**_decimals(known.mapping), "norm_sets": sets}
    tables = (catalogue.traits, catalogue.reference, catalogue.samples, catalogue.thresholds)
    text = "\n\n".join([_head(told), *(_aligned(table(known)) for table in tables)])
    emit(told, text, as_json=as_json)


@mappings.command("check")
@common
def mappings_check(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Whether every mapping, norm set and metric definition is published, unchanged and whole; exit 1 if any is not."""
    here = published.here()
    waiting = [f"not published, run kymograph lock: {line}" for line in published.unpublished(here)]
    differences([*published.flaws(here), *waiting], as_json=as_json)


@click.command()
@common
def lock(data: str | None, log: str | None, *, as_json: bool) -> None:
    """Publish what is new, for good: schemas, metric definitions, norm sets and mappings; exit 1 if anything is not whole."""
    here = published.here()
    if flaws := [*published.flaws(here), *_schema_flaws()]:
        differences(flaws, as_json=as_json)
    lines = published.unpublished(here)
    added = {"schemas/avro/published.lock": registry.lock(), "science/published.lock": lines}
    with Path(str(published.lock_file())).open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    for path, new in added.items():
        for line in new:
            emit({"published": line, "lock": path}, f"published {line}", as_json=as_json)
    if not any(added.values()):
        emit({"published": None}, "nothing is new", as_json=as_json)


def _schema_flaws() -> list[str]:
    """What must be mended before a schema is published: afterwards it is too late."""
    if found := registry.breaches():
        return found
    try:
        registry.unpublished()
    except SchemaRefused as refused:
        found.append(str(refused))
    return [*found, *mismatches(KINDS, newest())]


def _summary(known: Published) -> dict[str, Any]:
    mapping = known.mapping
    return {
        "mapping": mapping.name,
        "hash": known.mapping_hash,
        "status": published.standing(published.here(), ("mapping", mapping.id, mapping.semver)),
        "traits": {trait: rule.status for trait, rule in mapping.traits.items()},
        "norms": {name: norms.status for name, norms in known.norms.items()},
    }


def _head(told: dict[str, Any]) -> str:
    return f"{told['mapping']}  {told['status']}  {told['hash']}"


def _decimals(value: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return {name: _decimal(name, item) for name, item in plain.items()}


def _decimal(name: str, value: Any) -> Any:
    """What the documents hold in micro-units, as a number."""
    if isinstance(value, dict):
        return {key: _decimal(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decimal("", item) for item in value]
    return value / MICRO if name in _IN_MICRO and value is not None else value


def _aligned(table: Table) -> str:
    """As columns."""
    lines = [[cell.replace("`", "") for cell in line] for line in (table.head, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
