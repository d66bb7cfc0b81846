"""``clearway-agent run``: the agent at work."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import click

from edge_agent.agent import Agent
from edge_agent.config import load_config
from edge_agent.failures import FAILED, told
from edge_agent.logs import configure_logs


class _Speed(click.ParamType):  # type: ignore[type-arg]
    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if value is None or value == "max":
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed <= 1000:
            self.fail(f"{value!r} is not a speed: give a number from above 0 to 1000, or max", param, ctx)
        return speed


@click.command()
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="The agent's configuration."
)
@click.option("--speed", type=_Speed(), default="1", show_default=True, help="How fast recordings play: 8, 0.5, max.")
@click.option("--until-end", is_flag=True, help="Stop when every recording has ended and the queue has drained.")
@click.option("--fresh", is_flag=True, help="Forget what earlier runs knew of the cameras; the queue stays.")
def run(config_path: Path, speed: float | None, until_end: bool, fresh: bool) -> None:
    """Watch the cameras, queue what happens on disk, send it to the aggregator, serve /metrics.

    Stops cleanly on SIGTERM and Ctrl-C; stays and open incidents go on when it is started again.
    """
    configure_logs()
    stop = threading.Event()

    def asked_to_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    with told(config_path):
        agent = Agent(load_config(config_path), speed=speed, fresh=fresh, patient=not until_end)
        signal.signal(signal.SIGTERM, asked_to_stop)
        signal.signal(signal.SIGINT, asked_to_stop)
        agent.start()
    try:
        agent.wait(stop, until_end=until_end)
    finally:
        agent.stop()
    if agent.failed:
        raise SystemExit(FAILED)
