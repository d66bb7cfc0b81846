"""The agent itself as it runs on a box, with many cameras: files that are looped in real time as live streams."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edge_agent.config import CameraConfig

START_S = 180.0
"""Longest until every camera has had its first frame."""
SETTLE_S = 10.0
"""Then so long until counting begins: all cameras start at the same moment, which those of a street do not."""
STOP_S = 40.0
_ENTRY = "from edge_agent.entry import main; main()"


@dataclass(frozen=True, slots=True)
class Sustained:
    """How a run with many cameras went.

    ``late`` are frames that were due and gave way to a newer one before their turn came: periods that were missed.
    ``short`` are cameras that had fewer frames than periods, but for one. ``worst_period_s`` is the longest mean period
    of a camera, ``peak_mib`` the process's largest resident memory, ``cores`` the processors it kept busy.
    """

    cameras: int
    period_s: float
    seconds: float
    frames: int
    late: int
    short: int
    behind_turns: int
    worst_period_s: float
    close_looks: int
    glances: int
    postponed: int
    peak_mib: float
    cores: float
    load_of_others: float

    @property
    def kept(self) -> bool:
        """True if no camera missed a period."""
        return self.late == 0 and self.short == 0


def run(cameras: Sequence[CameraConfig], seconds: float, period_s: float, folder: Path) -> Sustained:
    """Let the agent watch these cameras for so long. Raises ``RuntimeError`` if it does not start or ends early."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    config = folder / "agent.yaml"
    config.write_text(yaml.safe_dump(_config(cameras, period_s, port, folder / "state")))
    log = (folder / "agent.log").open("wb")
    child = subprocess.Popen(
        [sys.executable, "-c", _ENTRY, "run", "--config", str(config), "--fresh"], stdout=log, stderr=log
    )
    try:
        _until_seen(child, port, len(cameras), folder)
        time.sleep(min(SETTLE_S, seconds))
        before, cpu_before_s, total_before_s = _status(port), _cpu_s(child.pid), sum(os.times()[:4])
        began_s, load_before = time.monotonic(), _busy_s()
        give_up_s = began_s + seconds
        while time.monotonic() < give_up_s:
            if child.poll() is not None:
                raise RuntimeError(f"the agent ended with exit code {child.returncode}: see {folder / 'agent.log'}")
            time.sleep(min(1.0, max(0.0, give_up_s - time.monotonic())))
        after, took_s = _status(port), time.monotonic() - began_s
        used_s = _cpu_s(child.pid) - cpu_before_s
        others_s = _busy_s() - load_before - used_s - (sum(os.times()[:4]) - total_before_s)
        peak_mib = _peak_mib(child.pid)
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        log.close()
    return _result(before, after, took_s, period_s, peak_mib, used_s / took_s, max(others_s, 0.0) / took_s)


def _result(
    before: dict[str, Any],
    after: dict[str, Any],
    took_s: float,
    period_s: float,
    peak_mib: float,
    cores: float,
    others: float,
) -> Sustained:
    def gained(camera: str, group: str, name: str) -> int:
        return int(after["cameras"][camera][group][name]) - int(before["cameras"][camera][group][name])

    names = list(after["cameras"])
    frames = {name: gained(name, "frames", "analysed") for name in names}
    # A loop that starts again, and where counting begins within a period, may cost a frame at either end.
    least = int(took_s // period_s) - 1
    return Sustained(
        cameras=len(names),
        period_s=period_s,
        seconds=round(took_s, 1),
        frames=sum(frames.values()),
        late=sum(gained(name, "frames", "late") for name in names),
        short=sum(count < least for count in frames.values()),
        behind_turns=sum(gained(name, "turns", "missed") for name in names),
        worst_period_s=round(took_s / max(min(frames.values()), 1), 3),
        close_looks=sum(gained(name, "looks", "close") for name in names),
        glances=sum(gained(name, "looks", "glances") for name in names),
        postponed=sum(gained(name, "looks", "postponed") for name in names),
        peak_mib=round(peak_mib, 1),
        cores=round(cores, 3),
        load_of_others=round(others, 2),
    )


def _config(cameras: Sequence[CameraConfig], period_s: float, port: int, state: Path) -> dict[str, Any]:
    return {
        "id": "bench",
        "state_dir": str(state),
        "metrics": {"listen": f"127.0.0.1:{port}"},
        "cameras": [
            {
                "id": camera.id,
                "source": str(Path(camera.source).resolve()),
                "loop": True,
                "period_s": period_s,
                "detection": {"tiles": camera.detection.tiles},
                "zones": [
                    {
                        "id": zone.id,
                        "scenario": "parking",
                        "polygon": [[round(x, 1), round(y, 1)] for x, y in zone.polygon],
                        "dwell_limit_s": {"vehicle": 30, "cycle": 30},
                    }
                    for zone in camera.zones
                ],
            }
            for camera in cameras
        ],
    }


def _until_seen(child: subprocess.Popen[bytes], port: int, cameras: int, folder: Path) -> None:
    give_up_s = time.monotonic() + START_S
    seen = 0
    while time.monotonic() < give_up_s:
        if child.poll() is not None:
            raise RuntimeError(f"the agent ended with exit code {child.returncode}: see {folder / 'agent.log'}")
        time.sleep(0.5)
        try:
            status = _status(port)
        except OSError:
            continue  # it is still loading its model
        seen = sum(camera["frames"]["analysed"] > 0 for camera in status["cameras"].values())
        if seen == cameras:
            return
    raise RuntimeError(f"{seen} of {cameras} cameras gave a frame within {START_S:g} s: see {folder / 'agent.log'}")


def _status(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10) as answer:
        report: dict[str, Any] = json.load(answer)
    return report


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _busy_s() -> float:
    """Processor seconds that this machine has spent on anything."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel does not say how much memory process {pid} has used")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
