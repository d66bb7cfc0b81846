"""``clearway-agent discover``: the cameras of a network and the addresses of their streams."""

from __future__ import annotations

from pathlib import Path

import click

from edge_agent.capture.credentials import Credentials, credentials_of
from edge_agent.capture.onvif import OnvifCamera, StreamProfile
from edge_agent.capture.source import SourceError
from edge_agent.capture.ws_discovery import discover as asked
from edge_agent.failures import FAILED, told
from edge_agent.redaction import shown_address
from edge_agent.stream_config import StreamConfig

_SERVICE_PATH = "/onvif/device_service"
"""Where the device service is (ONVIF Core, section 5.1)."""


@click.command()
@click.option("--username", help="Who the cameras know; needs --password-file.")
@click.option("--password-file", type=click.Path(path_type=Path), help="A file with the password and nothing else.")
@click.option("--address", metavar="HOST[:PORT]", help="Ask this camera alone; multicast need not reach it.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds to listen."
)
def discover(username: str | None, password_file: Path | None, address: str | None, wait_s: float) -> None:
    """Ask the network for ONVIF cameras, and each camera for its streams, as lines for the configuration.

    Without a user the cameras that tell nobody their streams are only named. Exit 1 if there is no camera, or none
    that says anything.
    """
    if (username is None) != (password_file is None):
        raise click.UsageError("--username and --password-file belong together")
    with told():
        credentials = None
        if username is not None:
            credentials = credentials_of("", StreamConfig(username=username, password_file=str(password_file)))
        if address is not None:
            services: tuple[str, ...] = (address if "://" in address else f"http://{address}{_SERVICE_PATH}",)
        else:
            services = _found(wait_s)
    answered = [_tell(service, credentials) for service in services]
    if not any(answered):
        raise SystemExit(FAILED)


def _found(wait_s: float) -> tuple[str, ...]:
    try:
        services = asked(wait_s)
    except OSError as error:
        raise SourceError(f"the network cannot be asked ({error.strerror}): name a camera with --address") from error
    if not services:
        click.echo(
            f"no ONVIF camera answered within {wait_s:g} s: switch ONVIF on at the cameras, or name one with --address",
            err=True,
        )
    return services


def _tell(service: str, credentials: Credentials | None) -> bool:
    """Print a camera's streams; true if it told any."""
    click.echo(f"# {shown_address(service)}")
    try:
        profiles = OnvifCamera(service, credentials).profiles()
    except SourceError as error:
        click.echo(str(error), err=True)
        return False
    if not profiles:
        click.echo(f"{shown_address(service)}: has no streams", err=True)
        return False
    click.echo(f"  source: {profiles[0].address}  # {_said(profiles[0])}")
    if len(profiles) > 1:
        click.echo(f"  stream: {{sub_source: {profiles[-1].address!r}}}  # {_said(profiles[-1])}")
    for profile in profiles[1:-1]:
        click.echo(f"  # {profile.address}  # {_said(profile)}")
    return True


def _said(profile: StreamProfile) -> str:
    size = f"{profile.size[0]}x{profile.size[1]}" if profile.size else None
    rate = f"{profile.fps:g} pictures a second" if profile.fps else None
    return ", ".join(each for each in (profile.name, profile.codec, size, rate) if each)
