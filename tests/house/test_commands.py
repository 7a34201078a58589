"""Every command says what it does."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from cli.main import main


def tree(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            yield from tree(child, (*path, name))


COMMANDS = dict(tree(main))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    """A sentence on what it does, and one on each of its options; asking for it does nothing."""
    command = COMMANDS[path]
    assert command.help
    assert command.help.split("\n")[0].rstrip().endswith((".", "."))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)} {parameter.opts[0]}"
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    "path", [path for path, command in COMMANDS.items() if not isinstance(command, click.Group)], ids=" ".join
)
def test_every_command_takes_the_folder_the_log_and_json(path: tuple[str, ...]) -> None:
    """One contract for all: ``--data``, ``--log``, ``--json``."""
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert {"--data", "--log", "--json"} <= options
