"""The commands that put a new authority in place of the old one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from aggregator import authority_change
from aggregator.authority import AuthorityError
from aggregator.config import AggregatorConfig, ConfigError, load_config

STEPS = {
    "prepare": "There is a next authority. Restart the aggregator, and wait {days:g} days, until each box has renewed.",
    "switch": "The next authority signs. Restart the aggregator, and wait {days:g} days, until each box has renewed.",
    "finish": "The old authority counts no more. Restart the aggregator.",
}


@click.command("authority")
@click.argument("step", type=click.Choice(tuple(STEPS)))
@click.option("--config", "path", required=True, metavar="FILE", type=click.Path(path_type=Path))
def authority(step: str, path: Path) -> None:
    """Put a new certificate authority in place of the built-in one: prepare, switch, finish."""
    try:
        config = load_config(path)
        _take(step, config)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(2)
    except AuthorityError as error:
        click.echo(f"clearway-aggregator: {error}", err=True)
        sys.exit(1)
    click.echo(STEPS[step].format(days=config.tls.certificate_days))


def _take(step: str, config: AggregatorConfig) -> None:
    if config.insecure or not config.tls.own_authority:
        raise AuthorityError("this aggregator has no authority of its own: there is nothing to change here")
    {"prepare": authority_change.prepare, "switch": authority_change.switch, "finish": authority_change.finish}[step](
        config.identity_folder
    )
