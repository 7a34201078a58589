"""The kymograph command."""

import click

from cli import (
    closing,
    demo,
    importing,
    letters,
    publishing,
    reading,
    reliability,
    running,
    simulating,
    upkeep,
    watching,
)
from cli.options import Front
from telemetry.version import ENGINE_VERSION


@click.group(cls=Front)
@click.version_option(ENGINE_VERSION, prog_name="kymograph")
def main() -> None:
    """Event-sourced scoring of game-based assessments: every profile can be rebuilt from the log, bit for bit."""


if not __debug__:  # an assert would be gone itself
    raise SystemExit("kymograph: assertions are part of the engine: do not run it with python -O")

for command in (
    demo.demo,
    importing.import_,
    simulating.simulate,
    reading.sessions,
    reading.metrics,
    reading.profile,
    reading.verify,
    reading.replay,
    reliability.reliability,
    running.up,
    running.worker,
    running.inbox,
    running.project,
    closing.closer,
    upkeep.topics,
    upkeep.schemas,
    publishing.mappings,
    publishing.lock,
    upkeep.migrate,
    upkeep.config,
    letters.dlq,
    watching.lag,
):
    main.add_command(command)
