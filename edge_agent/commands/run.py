"""``clearway-agent run``: the agent at work."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import click
import structlog

from edge_agent.agent import Agent
from edge_agent.config import ConfigError, load_config
from edge_agent.detection.model_card import ModelError
from edge_agent.failures import FAILED, in_file, told
from edge_agent.lifetime.heap import keep_heap_small
from edge_agent.lifetime.lifetime import end_for_sure, end_now
from edge_agent.lifetime.service_manager import service_manager
from edge_agent.lifetime.supervisor import HopelessError
from edge_agent.logs import configure_logs

HOPELESS_STOP_S = 60.0
"""Longest that an agent which must start anew may take to end in order; then it ends all the same."""


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
    """Watch the cameras, queue what happens on disk, send it to the aggregator, serve /metrics, /healthz and /status.

    Stops cleanly on SIGTERM and Ctrl-C; stays and open incidents go on when it is started again. SIGHUP reads the
    configuration anew: cameras that are as they were go on untouched, and a wrong file changes nothing.
    """
    keep_heap_small()
    configure_logs()
    stop, reload = threading.Event(), threading.Event()

    def asked_to_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    def asked_to_reload(signum: int, frame: FrameType | None) -> None:
        reload.set()

    with told(config_path):
        signal.signal(signal.SIGHUP, asked_to_reload)  # first: by default it would end a process that only starts
        manager = service_manager()
        agent = Agent(load_config(config_path), speed=speed, fresh=fresh, patient=not until_end, manager=manager)
        signal.signal(signal.SIGTERM, asked_to_stop)
        signal.signal(signal.SIGINT, asked_to_stop)
        agent.start()
    why = "told to stop"
    hopeless = False
    try:
        while True:
            agent.wait(stop, until_end=until_end, reload=reload)
            if stop.is_set() or not reload.is_set():
                break
            reload.clear()
            _reload(agent, config_path)
    except HopelessError as error:
        hopeless, why = True, str(error)
        structlog.get_logger("agent").error("agent_must_start_anew", why=why)
        end_for_sure(HOPELESS_STOP_S, FAILED)
    finally:
        agent.stop(why)
    if hopeless and agent.supervisor.status().stuck_threads:
        end_now(FAILED)
    if hopeless or agent.failed:
        raise SystemExit(FAILED)


def _reload(agent: Agent, config_path: Path) -> None:
    try:
        agent.reload(load_config(config_path))
    except ConfigError as error:
        agent.reload_refused([in_file(problem, config_path) for problem in error.problems])
    except ModelError as error:
        agent.reload_refused([str(error)])
