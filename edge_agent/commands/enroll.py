"""``clearway-agent enroll``: how a box gets its certificate."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_agent.config import AgentConfig, load_config
from edge_agent.config_file import ConfigError
from edge_agent.failures import FAILED, told
from edge_agent.identity.enrollment import Token, next_port
from edge_agent.identity.enrollment import enroll as exchange
from edge_agent.identity.identity import EnrolledIdentity, IdentityError


@click.command()
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="The agent's configuration."
)
@click.option(
    "--token", required=True, metavar="TOKEN", help="What the aggregator's invitation printed; - reads it from stdin."
)
@click.option("--at", "address", metavar="HOST:PORT", help="Enrolment port, if not the one after the aggregator's.")
def enroll(config_path: Path, token: str, address: str | None) -> None:
    """Get this agent's certificate with a one-time token.

    The key is made here and never leaves the box. An agent that is running takes the new certificate by itself.
    """
    with told():
        config = load_config(config_path)
        where = address or next_port(_aggregator_of(config, config_path))
        port = where.rpartition(":")[2]
        if not (port.isdigit() and 0 < int(port) <= 65535):
            raise ConfigError([f"--at: {where!r} is not an address: write HOST:PORT"])
    held = EnrolledIdentity.of(Path(config.state_dir), config.id)
    try:
        identity = exchange(where, config.id, Token.parse(sys.stdin.readline() if token == "-" else token))
        held.save(identity)
    except IdentityError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(FAILED) from error
    click.echo(
        f"{config.id} is enrolled until {identity.not_after:%Y-%m-%d %H:%M} UTC; it renews its certificate itself"
    )


def _aggregator_of(config: AgentConfig, config_path: Path) -> str:
    aggregator = config.aggregator
    if aggregator is None:
        raise ConfigError([f"{config_path}: aggregator: is missing: name the address of the aggregator"])
    if aggregator.insecure:
        raise ConfigError([f"{config_path}: aggregator.insecure: is true, so no certificate is used: take it out"])
    if aggregator.tls is not None:
        raise ConfigError([f"{config_path}: aggregator.tls: names a certificate of another authority: renew it there"])
    return aggregator.address
