"""The commands about agents: who they are, and who may come in."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from aggregator.authority import Authority
from aggregator.command_parts import clock, config_option, existing_store, is_there, json_option, plain, show, told
from aggregator.config import AggregatorConfig, ConfigError, is_agent_id, load_config
from aggregator.register import Register
from aggregator.store.errors import StoreError
from aggregator.store.store import utc_now

TOKEN_PREFIX = "clearway1"
LONGEST_INVITATION = timedelta(days=30)


@click.group("agents")
def agents_group() -> None:
    """Look at agents."""


@agents_group.command("list")
@config_option
@json_option
@told
def agents_list(config_path: Path, as_json: bool) -> None:
    """List the agents that have connected or were refused, and with TLS how their certificates stand."""
    names = ("agent_id", "state", "agent_version", "model_version", "config_version", "platform")
    times = ("first_seen_at", "last_seen_at")
    config = load_config(config_path)
    standings = {} if config.insecure else Register(config.identity_folder, utc_now).standings()
    if standings and not is_there(config):
        rows = []
    else:
        with existing_store(config) as store:
            rows = store.agents()
    said = [{name: getattr(row, name) for name in (*names, *times)} for row in rows]
    seen = {row.agent_id for row in rows}
    said += [{"agent_id": name, "state": "not seen"} for name in standings if name not in seen]
    for agent in said:
        standing = standings.get(agent["agent_id"])
        agent["certificate"] = None if standing is None else standing.state
        agent["certificate_not_after"] = None if standing is None else standing.not_after
    if as_json:
        for agent in said:
            click.echo(json.dumps({name: plain(value) for name, value in agent.items()}))
        return
    heads = ("agent", "state", "version", "model", "config", "platform")
    table = Table(*heads, "first seen (UTC)", "last seen (UTC)", "certificate", "until (UTC)")
    for agent in said:
        cells = (agent.get(name) for name in (*names, *times, "certificate", "certificate_not_after"))
        table.add_row(*(clock(cell) if isinstance(cell, datetime) else cell or "" for cell in cells))
    show(table, "no agent has connected yet")


def _ttl(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        ttl = timedelta(**{units[value[-1:]]: float(value[:-1])})
    except (KeyError, ValueError, OverflowError) as error:
        raise click.BadParameter("write a time such as 30m, 24h or 7d") from error
    if not timedelta() < ttl <= LONGEST_INVITATION:
        raise click.BadParameter(f"must be above 0 and at most {LONGEST_INVITATION.days}d")
    return ttl


def _agent_name(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_agent_id(value):
        raise click.BadParameter(f"{value!r} is not an agent id: letters, digits, '.', '_' and '-', 64 at most")
    return value


name_argument = click.argument("name", callback=_agent_name)


@agents_group.command("invite")
@config_option
@name_argument
@click.option("--ttl", default="24h", show_default=True, callback=_ttl, help="How long it may be used: 30m, 24h, 7d.")
@json_option
@told
def agents_invite(config_path: Path, name: str, ttl: timedelta, as_json: bool) -> None:
    """Make a one-time token with which the agent NAME gets its certificate.

    Give it to the box by a way that nobody else reads; `clearway-agent enroll` asks for it. It is shown once: only its
    hash is kept. An agent that was revoked may come back with it.
    """
    config = _with_tls(config_path)
    if not config.tls.own_authority:
        raise ConfigError([f"{config_path}: tls.certificate: certificates come from an authority of your own: ask it"])
    if not config.knows(name):
        raise ConfigError([f"{config_path}: agents: {name} is not among them: add it, then invite it"])
    authority = Authority.open(config.identity_folder)
    expires = utc_now() + ttl
    token = f"{TOKEN_PREFIX}.{Register(config.identity_folder, utc_now).invite(name, ttl)}.{authority.fingerprint}"
    said = {"agent_id": name, "token": token, "ca_fingerprint": authority.fingerprint, "expires_at": plain(expires)}
    if as_json:
        click.echo(json.dumps(said))
        return
    click.echo(f"agent        {name}\ntoken        {token}\nfingerprint  {authority.fingerprint}  (of the authority)")
    click.echo(f"expires      {clock(expires)} UTC, or once it was used")


@agents_group.command("revoke")
@config_option
@name_argument
@click.option("--undo", is_flag=True, help="Let the name in again; certificates that were revoked stay so.")
@told
def agents_revoke(config_path: Path, name: str, undo: bool) -> None:
    """Shut the agent NAME out: its certificates no longer count, and a stream that is open ends within seconds."""
    register = Register(_with_tls(config_path).identity_folder, utc_now)
    if undo:
        click.echo(f"{name}: " + ("may come in again" if register.readmit(name) else "was not shut out"))
    else:
        known = register.revoke(name)
        click.echo(f"{name}: shut out" + ("" if known else ", though it was never heard of: is it spelt right?"))


@agents_group.command("retire")
@config_option
@name_argument
@told
def agents_retire(config_path: Path, name: str) -> None:
    """End the series of the agent NAME, which is gone for good: it would be silent for ever.

    What it sent stays. It may come back, and then its series go on; to shut it out, revoke it.
    """
    with existing_store(load_config(config_path)) as store:
        known = store.retire(name)
    if not known:
        raise StoreError(f"{name}: no such agent has connected, or it was retired before: see agents list")
    click.echo(f"{name}: retired")


def _with_tls(config_path: Path) -> AggregatorConfig:
    config = load_config(config_path)
    if config.insecure:
        raise ConfigError([f"{config_path}: insecure: agents have certificates only with TLS: take insecure: true out"])
    return config
