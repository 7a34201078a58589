"""What every command shares: where the state is, how to print, and which exit code an error has."""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from agents.breaker import TooManyDeadLetters
from agents.control import ControlUnavailable
from cli.settings import FOLDER, Settings, UnknownSetting, load
from importers.tables import NotOfThisForm
from projections.migrate import MigrationRefused
from projections.store import StoreUnavailable
from science.mapping import UnknownMapping
from streams.log import LogUnavailable, OffsetsLost, UnknownPartition
from streams.schemas import SchemaRefused

EQUAL, DIFFERENT, USAGE, INFRASTRUCTURE = 0, 1, 2, 3


class NotScored(Exception):
    """Sessions that are known and have no profile by the mapping that was named; the message says what gives them one."""


_EXIT_CODES: dict[type[Exception], int] = {
    LogUnavailable: INFRASTRUCTURE,
    OffsetsLost: INFRASTRUCTURE,
    UnknownPartition: INFRASTRUCTURE,
    StoreUnavailable: INFRASTRUCTURE,
    ControlUnavailable: INFRASTRUCTURE,
    TooManyDeadLetters: INFRASTRUCTURE,
    MigrationRefused: INFRASTRUCTURE,
    OSError: INFRASTRUCTURE,
    NotOfThisForm: USAGE,
    NotScored: USAGE,
    SchemaRefused: USAGE,
    UnknownMapping: USAGE,
    UnknownSetting: USAGE,
}

F = TypeVar("F", bound=Callable[..., Any])


class Front(click.Group):
    """A group whose errors are one clear line and an exit code: 0 equal or done, 1 differences, 2 usage, 3 infrastructure."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except tuple(_EXIT_CODES) as error:
            click.echo(f"kymograph: {error}", err=True)
            ctx.exit(next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)))


def common(command: F) -> F:
    """``--data``, ``--log`` and ``--json``, as every command has them."""
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")(command)
    command = click.option(
        "--log", type=click.Choice(["sqlite", "kafka"]), help="Which log (default: sqlite, the embedded one)."
    )(command)
    return click.option(
        "--data", type=click.Path(), callback=_named, help="Folder of all state (default: ./.kymograph)."
    )(command)


def _named(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter(f"it must be {FOLDER}")
    return value


def settings_of(data: str | None, log: str | None) -> Settings:
    """The effective settings of a command. Raises UnknownSetting."""
    return load(data_dir=data, log=log)


def emit(value: Any, text: str | None, *, as_json: bool) -> None:
    """One result: a JSON line, or words for people (None: nothing)."""
    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))
    elif text is not None:
        click.echo(text)


def differences(found: Sequence[str], *, as_json: bool) -> None:
    """What was found to differ, a line each, and exit 1; or that nothing was."""
    for difference in found:
        emit({"difference": difference}, difference, as_json=as_json)
    if found:
        raise SystemExit(DIFFERENT)
    emit({"difference": None}, "no differences", as_json=as_json)
