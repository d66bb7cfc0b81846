"""An agent at work for hours of media time beside a camera that is lost again and again, as fast as the box allows.

Run as a program of its own, since what is measured is a process: memory, threads and open files while it works. The
agent, its pipelines, its queue, its files and the HTTP camera are real; the street is drawn, its detector is told what
is there, and waits between reconnections are taken out.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2

from edge_agent import agent as agent_module
from edge_agent import camera_runner
from edge_agent.agent import Agent
from edge_agent.capture import live
from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.frame import Frame
from edge_agent.capture.open_source import open_source
from edge_agent.capture.source import Source, SourceInfo
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import AgentConfig, CameraConfig, DetectionConfig, EvidenceConfig, MetricsConfig
from edge_agent.detection.detections import Detections
from edge_agent.detection.model_card import find_card
from edge_agent.lifetime.box import read_box
from edge_agent.logs import configure_logs
from tests.edge_agent.street_pipeline import parking_zone
from tests.edge_agent.synthetic_street import BEGAN, HEIGHT, WIDTH, Street, standing

ROUND_S = 600.0
"""The street does the same every ten minutes: two cars come, stand too long, and leave."""
WHOLE = DetectionConfig(tiles="off")
"""The detector is told what is in the whole picture, not in parts of it."""
STREET = Street((standing("car", 100, 110, 30, 330), standing("van", 30, 110, 120, 540)), noise=3.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """How the process was after so many frames and reconnections."""

    frames: int
    reconnects: int
    resident_bytes: int
    threads: int
    open_files: int


class Together:
    """Holds two things back so that neither is ahead of the other: what is measured stays of one kind to the end."""

    def __init__(self, frames: int, reconnects: int) -> None:
        self._most = {"frames": frames, "reconnects": reconnects}
        self._done = {"frames": 0, "reconnects": 0}
        self._moved = threading.Condition()

    def step(self, what: str) -> None:
        """One more, once the other has come as far."""
        other = "reconnects" if what == "frames" else "frames"
        with self._moved:
            self._done[what] += 1
            self._moved.notify_all()
            share = (self._done[what] - 1) / self._most[what]
            self._moved.wait_for(lambda: share <= self._done[other] / self._most[other] + _AHEAD, timeout=60)


_AHEAD = 0.01
"""Part of the whole by which one may be ahead of the other."""


class Told:
    """A detector that knows what is drawn."""

    def __init__(self) -> None:
        self.card = find_card("nanodet-g-416")
        self.inferences = 0
        self.inference_s = 0.0
        self.found = Detections.empty()

    def detect(self, image: object) -> Detections:
        """What was drawn last."""
        self.inferences += 1
        return self.found


class DrawnHours:
    """A source of drawn pictures for so many seconds of media time."""

    def __init__(self, told: Told, seconds: float, period_s: float, together: Together) -> None:
        self.counts = CaptureCounts()
        self._told = told
        self._seconds = seconds
        self._period_s = period_s
        self._together = together

    def probe(self) -> SourceInfo:
        """The street's size."""
        return SourceInfo(WIDTH, HEIGHT, self._seconds, 1 / self._period_s, {})

    def status(self) -> CaptureStatus:
        """That of a recording."""
        return CaptureStatus(SourceKind.RECORDING)

    def frames(self) -> Iterator[Frame]:
        """A picture each period."""
        for number in range(int(self._seconds / self._period_s)):
            self._together.step("frames")
            at_s = number * self._period_s
            drawn = at_s % ROUND_S
            self._told.found = STREET.detections(drawn)
            self.counts.frames_analysed += 1
            yield replace(STREET.frame(drawn), captured_at=BEGAN + timedelta(seconds=at_s), media_time_s=at_s)


class LostCamera:
    """Answers each request with a few pictures of motion JPEG and hangs up. ``connections`` counts the requests."""

    def __init__(self, together: Together) -> None:
        self.connections = 0
        self._together = together
        jpeg = cv2.imencode(".jpg", STREET.frame(0.0).image)[1].tobytes()
        part = b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)
        self._answer = (
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n" + part + part + b"--x"
        )
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, name="lost-camera", daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._server.accept()
            self._together.step("reconnects")
            with client:
                client.settimeout(5)
                try:
                    client.recv(4096)
                    client.sendall(self._answer)
                except OSError:
                    continue
            self.connections += 1


def soak(folder: Path, hours: float, reconnects: int, period_s: float) -> dict[str, Any]:
    """Run until both have been reached. What was measured on the way."""
    live.RETRY_FIRST_S = live.RETRY_LAST_S = live.RETRY_LEAST_S = 0.001
    told = {"street": Told(), "lost": Told()}
    together = Together(int(hours * 3600 / period_s), reconnects)
    camera = LostCamera(together)

    def detectors(cameras: tuple[CameraConfig, ...], *_: object) -> Mapping[str, Told]:
        return {each.id: told[each.id] for each in cameras}

    def source(config: CameraConfig, *rest: Any) -> Source:
        if config.id == "street":
            return DrawnHours(told["street"], hours * 3600, period_s, together)
        return open_source(config, *rest)

    agent_module.load_detectors = detectors  # type: ignore[assignment]
    camera_runner.open_source = source
    zones = (parking_zone(),)
    address = f"http://127.0.0.1:{camera.port}/camera"
    agent = Agent(
        AgentConfig(
            id="soak",
            cameras=(
                CameraConfig(id="street", source="drawn", zones=zones, period_s=period_s, detection=WHOLE),
                CameraConfig(id="lost", source=address, zones=zones, period_s=0.01, detection=WHOLE),
            ),
            state_dir=str(folder / "state"),
            metrics=MetricsConfig(listen="127.0.0.1:0"),
            evidence=EvidenceConfig(max_bytes=4 * 1024 * 1024),
        ),
        speed=None,
    )
    samples: list[Sample] = []
    done = threading.Event()

    def street() -> Any:
        return next(each for each in agent.snapshot().cameras if each.status.camera == "street")

    def sample() -> None:
        while not done.is_set():
            now = agent.snapshot()
            box = read_box(folder)
            frames = next(each for each in now.cameras if each.status.camera == "street").status.frames_analysed
            samples.append(
                Sample(frames, camera.connections, box.resident_bytes or 0, box.threads, box.open_files or 0)
            )
            ended = agent.supervisor.runners[0].ended.is_set()
            if ended and camera.connections >= reconnects:
                done.set()
            done.wait(0.25)

    began_s, cpu_s = time.monotonic(), time.process_time()
    agent.start()
    watcher = threading.Thread(target=sample, name="sampler", daemon=True)
    watcher.start()
    agent.wait(done, until_end=False)
    watcher.join()
    incidents = {each.phase.value: each.events for each in street().incidents}
    agent.stop()
    return {
        "media_hours": hours,
        "reconnects": camera.connections,
        "frames": samples[-1].frames,
        "incidents": incidents,
        "wall_s": round(time.monotonic() - began_s, 1),
        "cpu_s": round(time.process_time() - cpu_s, 1),
        "samples": [asdict(each) for each in samples],
    }


def main() -> None:
    """Run, and print what was measured as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--reconnects", type=int, required=True)
    parser.add_argument("--period", type=float, default=2.0)
    arguments = parser.parse_args()
    configure_logs("error")
    json.dump(soak(arguments.folder, arguments.hours, arguments.reconnects, arguments.period), sys.stdout)


if __name__ == "__main__":
    main()
