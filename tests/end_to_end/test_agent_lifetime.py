"""The agent as a process that runs for months: reloaded, stopped when busy, watched over, with a camera that hangs."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from edge_agent.outbox.outbox import Outbox
from tests.end_to_end.running import AGENT, DOUBLE, KERB, Folder, Process, command, folder_at, metrics_of, scrape, until


def watched(camera: dict[str, Any], limit_s: float, **changes: Any) -> dict[str, Any]:
    """A bundled camera with another dwell limit."""
    camera = copy.deepcopy(camera) | changes
    camera["zones"][0]["dwell_limit_s"] = {"vehicle": limit_s}
    return camera


def ask(agent: Process, path: str) -> tuple[int, dict[str, Any]]:
    """What the agent answers, and with which status."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{metrics_of(agent)}{path}", timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def incidents(*processes: Process) -> list[tuple[str, str, str]]:
    """(camera, incident, phase) of every opened and closed incident that was logged, in order of camera."""
    found = []
    for phase in ("opened", "closed"):
        for process in processes:
            found += [(line["camera"], line["incident"], phase) for line in process.said(f"incident_{phase}")]
    return sorted(found)


def test_a_configuration_is_reloaded_as_a_whole_or_not_at_all(folder: Folder) -> None:
    kerb = watched(KERB, 5)
    folder.configure_agent(kerb, aggregator=None)
    agent = folder.run_agent("--speed", "8")
    until(lambda: agent.said("incident_opened"), "the car on the kerb is an incident", agent)

    wrong = watched(DOUBLE, -1, source="gone.mp4")
    folder.configure_agent(kerb, wrong, aggregator=None, id="box-2", threads=0)
    agent.signal(signal.SIGHUP)

    def refused_for(*problems: str) -> bool:
        said = "\n".join(line["problem"] for line in agent.said("config_not_reloaded"))
        return all(problem in said for problem in problems)

    until(lambda: refused_for("threads", "dwell_limit_s.vehicle"), "the wrong file is refused", agent)
    assert scrape(metrics_of(agent))["clearway_agent_config_reload_successful"] == 0

    folder.configure_agent(kerb, watched(DOUBLE, 5, source="gone.mp4"), aggregator=None, id="box-2")
    agent.signal(signal.SIGHUP)
    until(lambda: refused_for("id: cannot be changed while the agent runs", "gone.mp4"), "and the next one", agent)
    assert len(ask(agent, "/status")[1]["cameras"]) == 1

    folder.configure_agent(kerb, watched(DOUBLE, 5), aggregator=None)
    agent.signal(signal.SIGHUP)
    (taken,) = until(lambda: agent.said("config_reloaded"), "the right one is taken", agent)
    assert (taken["added"], taken["removed"], taken["changed"]) == (["double"], [], [])
    assert scrape(metrics_of(agent))["clearway_agent_config_reload_successful"] == 1
    assert ask(agent, "/status")[1]["config"] == taken["config"]

    def of_double() -> list[dict[str, Any]]:
        return [line for line in agent.said("incident_opened") if line["camera"] == "double"]

    until(of_double, "the new camera sees its car", agent)
    folder.configure_agent(kerb, aggregator=None)
    agent.signal(signal.SIGHUP)
    (removed,) = until(lambda: agent.said("camera_removed"), "the camera is removed", agent)
    ended = [line for line in agent.said("incident_closed") if line["camera"] == "double"]
    assert [line["reason"] for line in ended] == ["superseded"] * removed["incidents_superseded"]
    assert {line["incident"] for line in ended} == {line["incident"] for line in of_double()}
    assert not agent.said("recording_resumed"), "the camera that stayed was never touched"
    assert agent.stop() == 0


def test_an_agent_that_is_stopped_when_busy_says_everything_once(
    folder: Folder, short_kerb: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    cameras = [short_kerb | {"id": name} for name in ("east", "west")]
    folder.configure_agent(*cameras, aggregator=None)
    stopped = folder.run_agent("--speed", "max")
    until(lambda: stopped.said("incident_opened"), "an incident is open", stopped)
    assert stopped.stop() == 0
    last = folder.run_agent("--speed", "max", "--until-end")
    assert last.wait() == 0

    with folder_at(tmp_path_factory.mktemp("whole")) as whole:
        whole.configure_agent(*cameras, aggregator=None)
        uninterrupted = whole.run_agent("--speed", "max", "--until-end")
        assert uninterrupted.wait() == 0
    assert last.said("recording_resumed")
    assert incidents(stopped, last) == incidents(uninterrupted)
    assert {(camera, phase) for camera, _, phase in incidents(uninterrupted)} == {
        (name, phase) for name in ("east", "west") for phase in ("opened", "closed")
    }


def test_a_camera_that_hangs_leaves_the_others_alone_until_too_many_threads_hang(folder: Folder) -> None:
    pipe = folder.path / "camera.mp4"
    os.mkfifo(pipe)  # opening it hangs until somebody writes, in a call that nothing in Python can end
    hung = watched(KERB, 5, id="hung", source=str(pipe))
    folder.configure_agent(
        watched(KERB, 5), hung, aggregator=None, lifetime={"stuck_after_s": 5, "max_stuck_threads": 1}
    )
    agent = folder.run_agent("--speed", "2")
    until(lambda: agent.said("camera_stuck"), "the hang is noticed", agent)
    code, said = ask(agent, "/healthz")
    if code == 503:  # the camera is not started again yet
        assert "camera hung" in said["troubles"][0]
    until(
        lambda: scrape(metrics_of(agent)).get('clearway_agent_camera_restarts_total{camera="hung",reason="stuck"}'),
        "it is counted",
        agent,
    )
    assert scrape(metrics_of(agent))["clearway_agent_stuck_threads"] == 1
    assert ask(agent, "/status")[1]["cameras"]["hung"]["state"] == "no_signal"
    before = ask(agent, "/status")[1]["cameras"]["kerb"]["frames"]["analysed"]
    until(
        lambda: ask(agent, "/status")[1]["cameras"]["kerb"]["frames"]["analysed"] > before + 2,
        "the other camera goes on",
        agent,
    )
    assert agent.wait() == 1
    assert "camera threads hang, and 1 are tolerated" in agent.said("agent_must_start_anew")[0]["why"]
    assert agent.said("agent_stopped")
    assert json.loads((folder.path / "state/cameras/kerb.json").read_text())["last"]["media_time_s"] > 5


def test_the_service_manager_is_told_and_memory_above_its_ceiling_ends_in_order(folder: Folder, tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(60)
        folder.configure_agent(watched(KERB, 5), aggregator=None, lifetime={"max_memory_bytes": 64 * 1024 * 1024})
        agent = folder.run_agent("--speed", "2", NOTIFY_SOCKET=str(address), WATCHDOG_USEC="4000000")
        heard = []
        while not heard or "STOPPING=1" not in heard[-1][1]:
            heard.append((time.monotonic(), manager.recv(4096).decode()))
    assert agent.wait() == 1
    assert heard[0][1].startswith("READY=1\nSTATUS=cameras: 1 starting")
    fed = [at_s for at_s, message in heard if "WATCHDOG=1" in message]
    assert len(fed) >= 4
    assert "1 seeing" in heard[-2][1]
    assert "STATUS=the agent holds" in heard[-1][1]
    assert (folder.path / "state/cameras/kerb.json").exists()
    again = folder.run_agent("--speed", "max")
    until(lambda: again.said("recording_resumed"), "it goes on where it was", again)


def test_a_second_agent_on_the_same_state_is_told_so_in_one_line(folder: Folder) -> None:
    file = folder.configure_agent(watched(KERB, 5), aggregator=None)
    queue = Outbox(folder.path / "state", 2 * 1024 * 1024)
    try:
        done = command(AGENT, "run", "--config", str(file))
    finally:
        queue.close()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "is in use by another process: give each agent a state_dir of its own" in line
