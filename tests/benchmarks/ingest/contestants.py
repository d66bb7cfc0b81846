"""The processes that are measured: started, asked and ended here."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protos")))}
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
LOADERS = 2
"""Processes that play a fleet: one would be at its own limit before the aggregator is at its."""


class BenchError(Exception):
    """A process that is needed did not do what it should; the message says which."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used until now."""

    at_s: float
    cpu_s: float
    rss_kib: float


def usage(pid: int) -> Usage:
    """By the kernel's own account."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / TICKS
    return Usage(time.monotonic(), cpu_s, int(fields[21]) * PAGE_KIB)


def start(*command: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Start one of this folder's programs, or a module."""
    return subprocess.Popen([sys.executable, *map(str, command)], env=ENVIRONMENT, text=True, **options)


def run_json(*command: str | Path) -> dict[str, Any]:
    """Run a program to its end, and return the JSON that it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, timeout=600
    )
    if done.returncode:
        raise BenchError(f"{command[0]} failed with {done.returncode}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of JSON that a process prints."""
    assert process.stdout is not None
    text = process.stdout.readline()
    if not text:
        raise BenchError(f"{process.args} ended before it answered")
    said: dict[str, Any] = json.loads(text)
    return said


def end(process: subprocess.Popen[Any]) -> None:
    """Ask it to end, and see that it does."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


class Aggregator:
    """``clearway-aggregator serve`` with its defaults, but for limits on how much one agent may send."""

    def __init__(self, folder: Path, *, secure: bool) -> None:
        ready = folder / "ready.json"
        trust = "tls: {names: [localhost]}" if secure else "insecure: true"
        config = folder / "aggregator.yaml"
        config.write_text(
            f"listen: localhost:{free_port()}\n{trust}\nstore: sqlite:///store.sqlite\n"
            "metrics: {listen: '127.0.0.1:0'}\n"
            "limits: {events_per_s: 1.0e+6, bytes_per_s: 1.0e+9, streams_per_minute: 1000}\n",
            encoding="utf-8",
        )
        self._log = (folder / "aggregator.log").open("wb")
        command = ("-m", "aggregator.cli", "serve", "--config", config, "--ready-file", ready)
        self._process = start(*command, stderr=self._log)
        wait_for(ready.exists, self._process, "the aggregator")
        self.address: str = json.loads(ready.read_text(encoding="utf-8"))["listen"]

    def __enter__(self) -> Aggregator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)
        self._log.close()

    def usage(self) -> Usage:
        """What it has used until now."""
        return usage(self._process.pid)


class Fleet:
    """Many connected agents, played by a few processes."""

    def __init__(self, address: str, identities: Path, agents: int) -> None:
        bounds = [agents * number // LOADERS for number in range(LOADERS + 1)]
        self._processes = [
            start(
                HERE / "fleet_load.py",
                address,
                identities,
                "--first",
                str(first),
                "--count",
                str(last - first),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for first, last in itertools.pairwise(bounds)
        ]
        self.connected_s = max(float(line(process)["connected_s"]) for process in self._processes)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            end(process)

    def reconnect(self) -> float:
        """Drop every connection, make all again at once; the seconds until the last is welcomed."""
        for process in self._processes:
            command: IO[str] | None = process.stdin
            assert command is not None
            command.write("reconnect\n")
            command.flush()
        return max(float(line(process)["reconnected_s"]) for process in self._processes)


def http_rate(folder: Path, streams: int, batches: int) -> float:
    """Durable events a second of JSON over HTTP."""
    port = free_port()
    server = start(HERE / "http_rival.py", "serve", str(port), "--store", folder / "http.sqlite")
    try:
        wait_for(lambda: listens(port), server, "uvicorn")
        said = run_json(HERE / "http_rival.py", "load", str(port), "--streams", str(streams), "--batches", str(batches))
        return float(said["events"] / said["took_s"])
    finally:
        end(server)


def mqtt_rate(folder: Path, streams: int, batches: int) -> float | None:
    """Durable events a second of JSON over MQTT; None where there is no mosquitto."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 100\n"
        f"persistence true\npersistence_location {folder}/\n",
        encoding="utf-8",
    )
    broker = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    sizes = ("--streams", str(streams), "--batches", str(batches))
    store = None
    try:
        wait_for(lambda: listens(port), broker, "mosquitto")
        store = start(
            HERE / "mqtt_rival.py", "store", str(port), "--store", folder / "mqtt.sqlite", *sizes,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        line(store)
        said = run_json(HERE / "mqtt_rival.py", "load", str(port), *sizes)
        return float(said["events"] / (line(store)["durable_at"] - said["began_at"]))
    finally:
        if store is not None:
            end(store)
        end(broker)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listens(port: int) -> bool:
    """True if somebody does."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def wait_for(condition: Any, process: subprocess.Popen[Any], name: str) -> None:
    """Wait until it serves. Raises ``BenchError`` if it ends before, or takes a minute."""
    until = time.monotonic() + 60
    while not condition():
        if process.poll() is not None:
            raise BenchError(f"{name} ended with {process.returncode} before it served")
        if time.monotonic() > until:
            raise BenchError(f"{name} did not serve within a minute")
        time.sleep(0.05)
