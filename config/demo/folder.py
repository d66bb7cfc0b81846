"""The folder that the demo writes to, and the configurations in it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from edge_agent.capture.open_source import open_source
from edge_agent.capture.source import SourceError
from edge_agent.config import AgentConfig, CameraConfig, ConfigError, load_config

HERE = Path(__file__).resolve().parent
OWN_LIMIT_S = 20
"""How long a vehicle may stand in a recording of the user's own: short, so that something is seen."""
ANY_PORT = "127.0.0.1:0"
_MARK = ".made-by-make-demo"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything of one demo lies."""

    path: Path

    @staticmethod
    def emptied(path: Path) -> Folder:
        """The folder, empty. Raises ``ConfigError`` for one that the demo did not make, and leaves it alone."""
        if path.exists() and not path.is_dir():
            raise ConfigError([f"{path} is a file: choose a folder with --out"])
        if path.is_dir() and any(path.iterdir()) and not (path / _MARK).exists():
            raise ConfigError([f"{path} holds what the demo did not make: move it away, or choose another with --out"])
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        (path / _MARK).touch()
        return Folder(path)

    @property
    def agent_file(self) -> Path:
        """The agent's configuration."""
        return self.path / "agent.yaml"

    @property
    def aggregator_file(self) -> Path:
        """The aggregator's configuration."""
        return self.path / "aggregator.yaml"

    @property
    def store(self) -> Path:
        """The aggregator's store."""
        return self.path / "clearway.sqlite"

    @property
    def ready_file(self) -> Path:
        """What the aggregator writes once it serves."""
        return self.path / "aggregator.ready.json"

    @property
    def evidence(self) -> Path:
        """Where the agent keeps its stills."""
        return self.path / "agent" / "evidence"

    def configure_agent(self, source: Path | None) -> AgentConfig:
        """Write the agent's configuration: the bundled recordings, or one of the user's own."""
        data = _read("agent.yaml")
        if source is not None:
            data["cameras"] = [_own_camera(source.resolve(), data["cameras"][0]["id"])]
        for camera in data["cameras"]:
            camera["source"] = str((HERE / camera["source"]).resolve())
        data |= {"state_dir": str(self.path / "agent"), "metrics": {"listen": ANY_PORT}}
        _write(self.agent_file, data)
        return load_config(self.agent_file)

    def configure_aggregator(self) -> None:
        """Write the aggregator's configuration."""
        data = _read("aggregator.yaml")
        data |= {"listen": ANY_PORT, "store": f"sqlite:///{self.store}"}
        data["metrics"]["listen"] = ANY_PORT
        data["places"] = str((HERE / data["places"]).resolve())
        _write(self.aggregator_file, data)

    def tell_agent(self, aggregator: str) -> None:
        """Write the aggregator's address into the agent's configuration."""
        data = yaml.safe_load(self.agent_file.read_text(encoding="utf-8"))
        _write(self.agent_file, data | {"aggregator": {"address": aggregator, "insecure": True}})


def beginnings(config: AgentConfig) -> dict[str, datetime]:
    """When each camera's recording begins. Raises ``SourceError`` if one cannot be read."""
    starts = {}
    for camera in config.cameras:
        first = next(open_source(camera, config.site.time_zone).frames(), None)
        if first is None:
            raise SourceError(f"{camera.source}: holds no picture")
        starts[camera.id] = first.captured_at - timedelta(seconds=first.media_time_s)
    return starts


def picture_size(camera: CameraConfig, config: AgentConfig) -> tuple[int, int]:
    """Width and height of a camera's pictures. Raises ``SourceError``."""
    info = open_source(camera, config.site.time_zone).probe()
    return info.width, info.height


def _own_camera(source: Path, camera_id: str) -> dict[str, Any]:
    """A camera that watches the lower part of a recording: where the ground is, in most street cameras."""
    camera = CameraConfig(id=camera_id, source=str(source))
    info = open_source(camera, load_config(HERE / "agent.yaml").site.time_zone).probe()
    left, right = round(info.width * 0.02), round(info.width * 0.98)
    top, bottom = round(info.height * 0.4), round(info.height * 0.98)
    zone = {
        "id": "lower-part",
        "scenario": "parking",
        "polygon": [[left, top], [right, top], [right, bottom], [left, bottom]],
        "dwell_limit_s": {"vehicle": OWN_LIMIT_S, "cycle": OWN_LIMIT_S},
    }
    return {"id": "own", "source": str(source), "zones": [zone]}


def _read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((HERE / name).read_text(encoding="utf-8")))


def _write(file: Path, data: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
