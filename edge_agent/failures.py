"""How a command fails: one clear text on stderr, and the exit code that says whose fault it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from edge_agent.capture.source import SourceError
from edge_agent.config_file import ConfigError
from edge_agent.detection.model_card import ModelError
from edge_agent.outbox.outbox import OutboxError

FAILED, WRONG_USE = 1, 2


@contextmanager
def told(config: Path | None = None) -> Iterator[None]:
    """Turn the errors that a user can mend into messages: exit 2 for the configuration, 1 for the world.

    Problems that do not name the file themselves are said to be of ``config``.
    """
    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            click.echo(in_file(problem, config), err=True)
        raise SystemExit(WRONG_USE) from error
    except (SourceError, ModelError, OutboxError) as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(FAILED) from error


def in_file(problem: str, config: Path | None) -> str:
    """The problem with the name of the file it is in."""
    return problem if config is None or problem.startswith(str(config)) else f"{config}: {problem}"
