"""What a user gets wrong is said once, clearly, with the right exit code, and never as a traceback."""

from __future__ import annotations

import copy
import hashlib
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from click.testing import CliRunner

from edge_agent.cli import cli
from tests.end_to_end.running import AGENT, AGGREGATOR, KERB, ROOT, Folder, command, metrics_of, scrape, until

FAILED, WRONG = 1, 2


def kerb(**changes: Any) -> dict[str, Any]:
    """The bundled kerb as a camera, with changes."""
    return copy.deepcopy(KERB) | changes


def zone(**changes: Any) -> dict[str, Any]:
    """The bundled kerb with a changed zone."""
    camera = copy.deepcopy(KERB)
    camera["zones"][0] |= changes
    return camera


def agent_file(folder: Path, camera: dict[str, Any], **changes: Any) -> Path:
    """An agent's configuration."""
    file = folder / "agent.yaml"
    config = {"id": "box-1", "state_dir": "state", "metrics": {"listen": "127.0.0.1:0"}, "cameras": [camera]}
    file.write_text(yaml.safe_dump(config | changes, sort_keys=False), encoding="utf-8")
    return file


def check(file: Path) -> subprocess.CompletedProcess[str]:
    """Run `clearway-agent check` in this process, which is quicker."""
    done = CliRunner().invoke(cli, ["check", "--config", str(file)])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return subprocess.CompletedProcess([], done.exit_code, done.stdout, done.stderr)


def said_once(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One clear message: the exit code, nothing on stdout, every word in one line, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line and not line.endswith(("problem", "problems"))]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


def test_a_fresh_configuration_is_good_before_anything_has_run(tmp_path: Path) -> None:
    done = check(agent_file(tmp_path, KERB))
    assert (done.returncode, done.stderr) == (0, "")
    assert "960x540" in done.stdout


@pytest.mark.parametrize("name", ["config/agent.yaml", "config/demo/agent.yaml"])
def test_the_configurations_that_come_with_the_project_are_good(name: str) -> None:
    done = check(ROOT / name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["config/aggregator.yaml", "config/demo/aggregator.yaml"])
def test_the_aggregator_configurations_that_come_with_the_project_are_good(name: str) -> None:
    done = command(AGGREGATOR, "check", "--config", str(ROOT / name))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_no_video_fails(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("this is no video", encoding="utf-8")
    file = agent_file(tmp_path, kerb(source="clip.mp4"))
    said_once(command(AGENT, "replay", "--config", str(file)), FAILED, "clip.mp4", "not a video")
    said_once(check(file), WRONG, "clip.mp4", "not a video")


def test_a_recording_that_is_missing_fails(tmp_path: Path) -> None:
    file = agent_file(tmp_path, kerb(source="gone.mp4"))
    said_once(command(AGENT, "replay", "--config", str(file)), FAILED, "gone.mp4", "no such file", "kerb")


def test_an_empty_folder_of_stills_fails(tmp_path: Path) -> None:
    (tmp_path / "stills").mkdir()
    file = agent_file(tmp_path, kerb(source="stills"))
    said_once(command(AGENT, "replay", "--config", str(file)), FAILED, "stills", "index.json")


def test_a_model_that_is_not_known_fails_and_names_those_that_are(tmp_path: Path) -> None:
    file = agent_file(tmp_path, KERB, model="resnet-9000")
    said_once(command(AGENT, "replay", "--config", str(file)), FAILED, "resnet-9000", "nanodet-g-416")


def test_a_damaged_model_is_told_by_its_hash(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models/nanodet-g-416.yaml", models)
    whole = (ROOT / "models/nanodet-g-416.onnx").read_bytes()
    (models / "nanodet-g-416.onnx").write_bytes(whole[: len(whole) // 2])
    file = agent_file(tmp_path, KERB, models_dir="models")
    said_once(command(AGENT, "replay", "--config", str(file)), FAILED, "nanodet-g-416.onnx", "sha256", "pull")
    said_once(check(file), WRONG, "nanodet-g-416.onnx", "sha256")


def test_a_file_with_the_right_hash_that_is_no_model_is_refused(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    card = yaml.safe_load((ROOT / "models/nanodet-g-416.yaml").read_text(encoding="utf-8"))
    (models / "nanodet-g-416.onnx").write_bytes(b"no model")
    card["sha256"] = hashlib.sha256(b"no model").hexdigest()
    (models / "nanodet-g-416.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    file = agent_file(tmp_path, KERB, models_dir="models")
    said_once(command(AGENT, "replay", "--config", str(file)), FAILED, "nanodet-g-416.onnx")


CROSSING = [[213.8, 377.2], [611.5, 183.3], [681.9, 197.1], [141.4, 335.5]]
OUTSIDE = [[213.8, 377.2], [681.9, 197.1], [611.5, 183.3], [-200, 335.5]]


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (zone(polygon=OUTSIDE), ("no-parking", "(-200, 335.5)", "960x540")),
        (zone(polygon=CROSSING), ("agent.yaml:", "cameras[0].zones[0].polygon", "not simple")),
        (zone(polygon=OUTSIDE[:2]), ("agent.yaml:", "cameras[0].zones[0].polygon", "at least 3 points")),
        (zone(dwell_limit_s={"lorry": 20}), ("no-parking", "lorry", "vehicle")),
        (zone(exempt_classes=["lorry"]), ("no-parking", "exempt_classes", "lorry")),
        (zone(scenario="jumping"), ("agent.yaml:", "jumping", "parking", "passage")),
        (zone(dwell_limit_s={"vehicle": -1}), ("agent.yaml:", "dwell_limit_s.vehicle", "-1")),
        (zone(schedule={"windows": [{"hours": "25:00-26:00"}]}), ("agent.yaml:", "windows[0].hours", "25:00")),
        (zone(schedule={"windows": [{"hours": "08:00-08:00"}]}), ("agent.yaml:", "windows[0].hours", "empty")),
        (zone(colour="red"), ("agent.yaml:", "cameras[0].zones[0].colour", "spelling")),
        (kerb(period_s=0), ("agent.yaml:", "cameras[0].period_s")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_wrong_configuration_is_wrong_use_and_the_message_says_where(
    tmp_path: Path, camera: dict[str, Any], words: tuple[str, ...]
) -> None:
    file = agent_file(tmp_path, camera)
    said_once(check(file), WRONG, *words)


def test_other_commands_say_the_same_of_a_wrong_configuration(tmp_path: Path) -> None:
    for name, camera in (("crossing", zone(polygon=CROSSING)), ("outside", zone(polygon=OUTSIDE))):
        (tmp_path / name).mkdir()
        file = agent_file(tmp_path / name, camera)
        done = command(AGENT, "replay", "--config", str(file))
        assert done.returncode == WRONG
        assert done.stderr == check(file).stderr.removesuffix("1 problem\n")


def test_everything_that_is_wrong_is_said_in_one_go(tmp_path: Path) -> None:
    camera = zone(polygon=CROSSING, min_overlap=7, schedule={"windows": [{"hours": "nine to five"}]})
    done = check(agent_file(tmp_path, camera, threads=0))
    assert done.returncode == WRONG
    for field in ("polygon", "min_overlap", "windows[0].hours", "threads"):
        assert sum(field in line for line in done.stderr.splitlines()) == 1
    assert "4 problems" in done.stderr


def test_a_metrics_port_in_use_is_said_before_anything_begins(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        file = agent_file(tmp_path, KERB, metrics={"listen": listen})
        done = command(AGENT, "run", "--config", str(file), "--until-end")
        said_once(done, WRONG, "metrics.listen", listen, "in use")


def test_an_aggregators_port_in_use_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        file = tmp_path / "aggregator.yaml"
        config = {
            "listen": listen,
            "insecure": True,
            "store": "sqlite:///s.sqlite",
            "metrics": {"listen": "127.0.0.1:0"},
        }
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        done = command(AGGREGATOR, "serve", "--config", str(file))
    assert done.returncode == FAILED
    assert "Traceback" not in done.stderr
    assert f"cannot listen on {listen}" in done.stderr


def test_without_an_aggregator_everything_waits_in_the_queue_and_arrives_later(
    folder: Folder, short_kerb: dict[str, Any]
) -> None:
    folder.configure_agent(short_kerb)
    alone = folder.run_agent("--speed", "max", "--until-end")
    assert alone.wait() == 0
    waiting = alone.said("agent_stopped")[0]["queued_events"]
    assert len(alone.said("incident_opened")) == len(alone.said("incident_closed")) == 1
    assert waiting >= 2

    aggregator = folder.serve()
    again = folder.run_agent("--speed", "max", "--until-end")
    assert again.wait() == 0
    assert again.said("recording_known"), "the recording is not played again"
    assert again.said("agent_stopped")[0]["queued_events"] == 0
    assert aggregator.runs
    assert folder.store.count("incident_events") + folder.store.count("camera_state_changes") == waiting
    assert folder.store.rows("SELECT close_reason FROM incidents") == [("left",)]


def test_an_unknown_agent_is_refused_visibly_and_loses_nothing(folder: Folder, short_kerb: dict[str, Any]) -> None:
    folder.configure_agent(short_kerb)
    aggregator = folder.serve(agents=["somebody-else"])
    agent = folder.run_agent("--speed", "max")
    until(lambda: agent.said("incident_closed"), "the incident is over", agent)
    series = until(lambda: refused(metrics_of(agent)), "the agent shows that it is refused", agent)
    waiting = series["clearway_agent_queue_pending_events"]
    assert waiting >= 2
    assert folder.store.count("incidents") == 0
    assert until(lambda: folder.scrape_aggregator().get("clearway_agents_refused"), "the aggregator shows it") == 1
    assert agent.stop() == 0
    assert aggregator.stop() == 0

    folder.serve(agents=["somebody-else", "box-1"])
    again = folder.run_agent("--speed", "max", "--until-end")
    assert again.wait() == 0
    assert folder.store.count("incident_events") + folder.store.count("camera_state_changes") == waiting
    assert folder.store.rows("SELECT close_reason FROM incidents") == [("left",)]


def refused(address: str) -> dict[str, float] | None:
    """An agent's metrics, once they say that it is refused."""
    series = scrape(address)
    return series if series['clearway_agent_uplink_state{state="refused"}'] == 1 else None


def test_rubbish_on_the_aggregators_port_harms_nobody(folder: Folder, short_kerb: dict[str, Any]) -> None:
    folder.configure_agent(short_kerb)
    aggregator = folder.serve()
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", http2 + bytes(range(256)) * 40, b"\x00" * 9000):
        with socket.create_connection(("127.0.0.1", folder.port), timeout=5) as connection:
            connection.sendall(rubbish)
    for rubbish in (b"", b"\xff" * 1000, b"\x0a\x05hello"):
        with grpc.insecure_channel(folder.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            connect = channel.stream_stream("/clearway.v1.IngestService/Connect")
            with pytest.raises(grpc.RpcError) as ended:
                list(connect(iter([rubbish]), timeout=10))
            assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    agent = folder.run_agent("--speed", "max", "--until-end")
    assert agent.wait() == 0
    assert aggregator.runs
    assert folder.store.rows("SELECT close_reason FROM incidents") == [("left",)]
    assert "Traceback" not in aggregator.log.read_text(encoding="utf-8")
