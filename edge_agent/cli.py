"""The command ``clearway-agent``."""

from __future__ import annotations

import click

from edge_agent import __version__
from edge_agent.commands.calibrate import calibrate
from edge_agent.commands.check import check
from edge_agent.commands.discover import discover
from edge_agent.commands.enroll import enroll
from edge_agent.commands.replay import replay
from edge_agent.commands.run import run
from edge_agent.config_file import ConfigError
from edge_agent.detection.commands import models
from edge_agent.evaluation.commands import evaluate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="clearway-agent")
def cli() -> None:
    """Clearway's edge agent: sees vehicles parked where they must not be and footbridges that nobody can pass.

    Start with `check` on your configuration, look at a recording with `replay`, then `run` beside the camera.
    Exit codes: 0 good, 1 failed, 2 wrong use or wrong configuration.
    """


for command in (run, replay, evaluate, check, calibrate, models, enroll, discover):
    cli.add_command(command)


def main() -> None:
    """Entry point of the installed script."""
    try:
        cli(prog_name="clearway-agent")
    except ConfigError as error:  # a command that let it pass still must not show a traceback
        for problem in error.problems:
            click.echo(problem, err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
