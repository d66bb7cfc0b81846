"""What the commands have in common: options, errors, the store, and how things are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from aggregator.authority import AuthorityError
from aggregator.config import AggregatorConfig, ConfigError
from aggregator.register import RegisterError
from aggregator.server import StartError
from aggregator.service import open_store
from aggregator.store.errors import StoreError
from aggregator.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "config_path",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The aggregator's configuration, such as config/aggregator.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")


def told(command: F) -> F:
    """Turn errors into one message and an exit code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            sys.exit(2)
        except (StoreError, StartError, AuthorityError, RegisterError) as error:
            click.echo(f"clearway-aggregator: {error}", err=True)
            sys.exit(1)

    return wrapped  # type: ignore[return-value]


@contextmanager
def existing_store(config: AggregatorConfig) -> Iterator[Store]:
    """The store of a configuration, which is not made here. Raises ``StoreError``."""
    if not is_there(config):
        raise StoreError(f"{config.store}: there is no store yet: run 'clearway-aggregator serve' first")
    with open_store(config, migrate=False) as store:
        yield store


def is_there(config: AggregatorConfig) -> bool:
    """False if a SQLite store has not been made yet."""
    return config.store.get_backend_name() != "sqlite" or Path(config.store.database or "").is_file()


def show(table: Table, nothing: str) -> None:
    """On a terminal as wide as it is, elsewhere as wide as the table needs; a table without rows says ``nothing``."""
    if not table.row_count:
        click.echo(nothing, err=True)
        return
    Console(width=None if sys.stdout.isatty() else 250, markup=False).print(table)


def plain(value: object) -> object:
    """A value for JSON: times as RFC 3339 has them."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def clock(moment: datetime) -> str:
    """A time in a table."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")
