"""The two programs as processes of their own, as on a box and in a city's computer room."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'protos'}"}
AGENT, AGGREGATOR = "edge_agent.cli", "aggregator.cli"

KERB: dict[str, Any] = {
    "id": "kerb",
    "source": str(ROOT / "config/demo/P1_kerb_parking.mp4"),
    "start_time": "2026-05-12T10:20:00+08:00",
    "zones": [
        {
            "id": "no-parking",
            "scenario": "parking",
            "polygon": [[213.8, 377.2], [681.9, 197.1], [611.5, 183.3], [141.4, 335.5]],
            "dwell_limit_s": {"vehicle": 20},
        }
    ],
}
DOUBLE: dict[str, Any] = {
    "id": "double",
    "source": str(ROOT / "config/demo/P3_double_park.mp4"),
    "start_time": "2026-05-14T12:10:00+08:00",
    "zones": [
        {
            "id": "no-stopping-lane",
            "scenario": "parking",
            "polygon": [[270.6, 258.5], [483.0, 115.3], [429.6, 109.9], [180.4, 234.6]],
            "dwell_limit_s": {"vehicle": 20},
        }
    ],
}


class Process:
    """A program that was started; what it says on stderr and stdout is kept."""

    def __init__(self, module: str, *arguments: str, log: Path, **environment: str) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=ENVIRONMENT | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self, event: str) -> list[dict[str, Any]]:
        """Every log line of one event."""
        lines = [line for line in self.log.read_text(encoding="utf-8").splitlines() if f'"event": "{event}"' in line]
        return [json.loads(line) for line in lines]

    def wait(self, timeout_s: float = 90) -> int:
        """Its exit code."""
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """End it as a power failure would."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """Ask it to stop in order; its exit code."""
        self._process.terminate()
        return self._process.wait(45)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.poll() is None:
            self.kill()

    @property
    def runs(self) -> bool:
        """True while it has not ended."""
        return self._process.poll() is None


@dataclass(frozen=True, slots=True)
class Store:
    """An aggregator's SQLite file, read from outside."""

    path: Path

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds; nothing before the file and its tables are there."""
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            try:
                return store.execute(query).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def count(self, table: str, where: str = "1") -> int:
        """How many rows a table has."""
        found = self.rows(f"SELECT count(*) FROM {table} WHERE {where}")
        return int(found[0][0]) if found else 0


class Folder:
    """Where one test's programs keep everything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = Store(path / "clearway.sqlite")
        self.port = free_port()
        self._processes: list[Process] = []

    @property
    def address(self) -> str:
        """Where the aggregator listens."""
        return f"127.0.0.1:{self.port}"

    def serve(self, **changes: Any) -> Process:
        """Start the aggregator and wait until it serves."""
        ready = self.path / "ready.json"
        ready.unlink(missing_ok=True)
        config = {
            "listen": self.address,
            "insecure": True,
            "store": f"sqlite:///{self.store.path}",
            "metrics": {"listen": "127.0.0.1:0", "refresh_s": 0.2},
            "stream": {"heartbeat_s": 0.5, "drain_s": 0.5},
        }
        file = self.write("aggregator.yaml", config | changes)
        aggregator = self.start(AGGREGATOR, "serve", "--config", str(file), "--ready-file", str(ready))
        until(ready.exists, "the aggregator serves", aggregator)
        return aggregator

    def scrape_aggregator(self) -> dict[str, float]:
        """The sum of each of its series."""
        return scrape(json.loads((self.path / "ready.json").read_text(encoding="utf-8"))["metrics"])

    def configure_agent(self, *cameras: dict[str, Any], **changes: Any) -> Path:
        """Write an agent's configuration."""
        config = {
            "id": "box-1",
            "state_dir": str(self.path / "state"),
            "aggregator": {"address": self.address, "insecure": True},
            "metrics": {"listen": "127.0.0.1:0"},
            "cameras": list(cameras),
        }
        return self.write("agent.yaml", config | changes)

    def run_agent(self, *options: str, **environment: str) -> Process:
        """Start the agent with the configuration written last."""
        return self.start(AGENT, "run", "--config", str(self.path / "agent.yaml"), *options, **environment)

    def start(self, module: str, *arguments: str, **environment: str) -> Process:
        """Start a program, which ends with the test at the latest."""
        process = Process(module, *arguments, log=self.path / f"{len(self._processes)}.log", **environment)
        self._processes.append(process)
        return process

    def write(self, name: str, data: dict[str, Any]) -> Path:
        """Write a configuration."""
        file = self.path / name
        file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return file

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            process.close()


@contextmanager
def folder_at(path: Path) -> Iterator[Folder]:
    """A folder whose programs have ended afterwards."""
    folder = Folder(path)
    try:
        yield folder
    finally:
        folder.close()


def command(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def until(holds: Callable[[], T], what: str, *running: Process, timeout_s: float = 60) -> T:
    """Wait until something holds, and return it; the programs must run meanwhile."""
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        found = holds()
        if found:
            return found
        for process in running:
            assert process.runs, f"waiting until {what}: a program ended\n{process.log.read_text(encoding='utf-8')}"
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def metrics_of(agent: Process) -> str:
    """Where an agent serves its metrics, by its log."""
    started = until(lambda: agent.said("agent_started"), "the agent has started", agent)
    return f"127.0.0.1:{started[-1]['metrics_port']}"


def scrape(address: str) -> dict[str, float]:
    """Each series with its labels, and under its bare name the sum over all labels."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
            if labels:
                found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
