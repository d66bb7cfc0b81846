"""The command ``clearway-aggregator``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from aggregator import __version__
from aggregator.agents_command import agents_group
from aggregator.authority_command import authority
from aggregator.command_parts import config_option, told
from aggregator.config import load_config
from aggregator.incidents_command import incidents_group
from aggregator.logs import set_up_logs
from aggregator.places import load_places
from aggregator.service import serve
from aggregator.store.migrate import Standing
from aggregator.store.store import Store


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clearway-aggregator")
def main() -> None:
    """Keep what Clearway's agents saw, and show it.

    Exit codes: 0 good, 1 failed, 2 wrong use or wrong configuration.
    """


main.add_command(authority)
main.add_command(incidents_group)
main.add_command(agents_group)


@main.command("serve")
@config_option
@click.option("--migrate", is_flag=True, help="Bring the tables of an older store up to date first.")
@click.option(
    "--ready-file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Write the bound addresses as JSON here once serving.",
)
@told
def serve_command(config_path: Path, migrate: bool, ready_file: Path | None) -> None:
    """Take agents' streams and serve /metrics until SIGTERM or Ctrl-C.

    A new store gets its tables by itself; an older one only with --migrate. On SIGTERM agents are asked to come back
    later, and all that they sent is stored and acknowledged first.
    """
    set_up_logs()
    config = load_config(config_path)
    asyncio.run(serve(config, migrate=migrate, ready_file=ready_file))


@main.command("check")
@config_option
@told
def check_command(config_path: Path) -> None:
    """Say everything that is wrong with a configuration, with file, line and field. Touches nothing."""
    config = load_config(config_path)
    if config.places is not None:
        load_places(config.places)
    who = "any agent" if isinstance(config.agents, str) else f"{len(config.agents)} agents"
    click.echo(
        f"{config_path}: good: {who} on {config.listen}, store {config.store}, metrics on {config.metrics.listen}"
    )


@main.command("migrate")
@config_option
@told
def migrate_command(config_path: Path) -> None:
    """Bring the store's tables up to date. Back the store up before; running it again does nothing."""
    set_up_logs()
    config = load_config(config_path)
    with Store(config.store) as store:
        before = store.standing()
        if before is not Standing.CURRENT:
            store.migrate()
    click.echo(f"{config.store}: " + ("already up to date" if before is Standing.CURRENT else "up to date"))


@main.group("places")
def places_group() -> None:
    """Where cameras stand."""


@places_group.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@told
def places_check(file: Path) -> None:
    """Say everything that is wrong with a places FILE, with line and field. Touches nothing."""
    places = load_places(file)
    without = sum(place.latitude is None for place in places.cameras.values())
    placed = f"{len(places.cameras)} cameras in {len({place.key for place in places.cameras.values()})} streets"
    click.echo(f"{file}: good: {placed} of {len(places.streets)}, {without} without coordinates")


if __name__ == "__main__":
    main()
