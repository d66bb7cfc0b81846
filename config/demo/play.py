"""Plays recordings through one agent and one aggregator on this machine, and shows what the aggregator has of it.

    make demo                     two bundled recordings: a car that parks, a footbridge that narrows
    make demo SOURCE=street.mp4   a recording of your own
    make demo KEEP=1              stays up afterwards, so that its metrics can be looked at

Everything it writes goes to demo-output, which is emptied first. Exit codes: 0 played to the end, 1 failed,
2 wrong use, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import FrameType

from folder import OWN_LIMIT_S, Folder, beginnings, picture_size
from programs import Program, ProgramError
from rich.console import Console
from screen import incident_table, screen
from what_is_known import Known, Lookout

from edge_agent.capture.source import SourceError
from edge_agent.config import AgentConfig, ConfigError

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 60.0
"""Longest wait for a program to start: a small box reads its libraries slowly."""
LOOK_EVERY_S = 0.25
SPEED = "4"
"""Times real time: fast enough not to bore, slow enough to watch."""


def main() -> int:
    """Play, and return the exit code."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _asked_to_stop)
    try:
        _play(arguments, Console(width=None if sys.stdout.isatty() else 110))
    except ConfigError as error:
        return _failed(2, *error.problems)
    except (SourceError, ProgramError) as error:
        return _failed(1, str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description="Play recordings through agent and aggregator.")
    parser.add_argument("--source", type=Path, help="a recording of your own: a video file or a folder of stills")
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, until Ctrl-C")
    parser.add_argument("--out", type=Path, default=ROOT / "demo-output", help="the folder to write to")
    parser.add_argument("--speed", help=f"times real time, or max (bundled: {SPEED}, your own: max)")
    return parser.parse_args()


def _asked_to_stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _failed(code: int, *problems: str) -> int:
    for problem in problems:
        sys.stderr.write(f"demo: {problem}\n")
    return code


def _play(arguments: argparse.Namespace, console: Console) -> None:
    folder = Folder.emptied(arguments.out.resolve())
    config = folder.configure_agent(arguments.source)
    folder.configure_aggregator()
    starts = beginnings(config)
    speed = arguments.speed or (SPEED if arguments.source is None else "max")
    with ExitStack() as stack:
        aggregator = _start_aggregator(folder)
        stack.callback(aggregator.stop)
        ready = json.loads(_wait_for(aggregator, lambda: _text_of(folder.ready_file)))
        folder.tell_agent(ready["listen"])
        agent = _start_agent(folder, speed, until_end=not arguments.keep)
        stack.callback(agent.stop)
        metrics = _wait_for(agent, lambda: _metrics_address(agent.log))
        lookout = Lookout(folder.store, f"http://{ready['metrics']}/metrics", metrics)
        if arguments.source is None:
            console.print(f"Two recordings play at {speed} times real time. Times are seconds into each.", style="dim")
        known = _watch(agent, aggregator, lookout, console, starts)
        _sum_up(console, known, lookout, folder, starts)
        if arguments.source is None:
            _say(console, "a recording of your own  make demo SOURCE=my.mp4")
        else:
            _say_how_to_draw(console, folder, config)
        if arguments.keep:
            _say(console, f"\nmetrics of the agent       {metrics}")
            _say(console, f"metrics of the aggregator  http://{ready['metrics']}/metrics\nCtrl-C stops both.")
            _stay(agent, aggregator)


def _start_aggregator(folder: Folder) -> Program:
    command = ["aggregator.cli", "serve", "--config", str(folder.aggregator_file)]
    return Program(
        "aggregator", [*command, "--ready-file", str(folder.ready_file)], ROOT, folder.path / "aggregator.log"
    )


def _start_agent(folder: Folder, speed: str, *, until_end: bool) -> Program:
    command = ["edge_agent.cli", "run", "--config", str(folder.agent_file), "--speed", speed]
    return Program("agent", [*command, "--until-end"] if until_end else command, ROOT, folder.path / "agent.log")


def _text_of(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def _metrics_address(log: Path) -> str | None:
    """What the agent says in its log: it takes a free port, so only it knows which."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"agent_started"' in line:
            return f"http://127.0.0.1:{json.loads(line)['metrics_port']}/metrics"
    return None


def _wait_for(program: Program, answer: Callable[[], str | None]) -> str:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        said = answer()
        if said is not None:
            return said
        program.must_run()
        time.sleep(0.05)
    raise ProgramError(
        f"the {program.name} did not start within {START_S:.0f} s. The end of {program.log}:\n{program.tail()}"
    )


def _watch(
    agent: Program, aggregator: Program, lookout: Lookout, console: Console, starts: dict[str, datetime]
) -> Known:
    """Show what happens until the recordings have ended and all has arrived. What is known then."""
    view = screen(console, starts)
    try:
        while True:
            agent_ended = agent.ended()
            aggregator.must_run()
            known = lookout.look()
            view.show(known)
            if agent_ended or known.all_arrived(starts):
                return known
            time.sleep(LOOK_EVERY_S)
    finally:
        view.close()


def _sum_up(console: Console, known: Known, lookout: Lookout, folder: Folder, starts: dict[str, datetime]) -> None:
    if not console.is_terminal and known.incidents:
        console.print(incident_table(known, starts))
    closed = sum(incident.closed_at is not None for incident in known.incidents)
    _say(console, f"incidents opened: {len(known.incidents)}, closed: {closed}\n")
    stills = lookout.stills()
    if stills:
        _say(console, "stills, people masked")
    for still in stills:
        _say(
            console,
            f"  {still.camera:<11} {still.kind:<9} {still.moment:<10} {_short(folder.evidence / still.file_name)}",
        )
    _say(console, f"store                   {_short(folder.store)}")
    _say(console, f"logs                    {_short(folder.path)}/*.log")


def _say_how_to_draw(console: Console, folder: Folder, config: AgentConfig) -> None:
    width, height = picture_size(config.cameras[0], config)
    _say(
        console,
        f"\nThe zone was the lower part of the {width}x{height} picture, the limit {OWN_LIMIT_S} s. To draw your own,\n"
        f"copy {_short(folder.agent_file)}, put the corners of the place, in pixels, into polygon, and look at it:\n"
        "  PYTHONPATH=.:protos .venv/bin/python -m edge_agent.cli replay --config COPY --annotate look.mp4",
    )


def _stay(agent: Program, aggregator: Program) -> None:
    try:
        while True:
            agent.must_run()
            aggregator.must_run()
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        return


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    sys.exit(main())
