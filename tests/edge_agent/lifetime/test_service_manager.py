"""What the service manager is told arrives at its socket, and a manager that is not there does no harm."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.lifetime.service_manager import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@clearway-test-{tmp_path.name}-{id(request)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + address[1:] if address.startswith("@") else address)
        receiver.settimeout(5)
        yield receiver, address


def test_every_message_arrives_as_systemd_reads_it(manager: tuple[socket.socket, str]) -> None:
    receiver, address = manager
    told = ServiceManager.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "7"}, 7)
    assert told.watchdog_s == 90
    told.ready("2 cameras")
    told.feed("3 cameras")
    told.say("two\nlines")
    told.reloading()
    told.stopping("told to stop")
    messages = [receiver.recv(4096).decode() for _ in range(5)]
    assert messages[:3] == ["READY=1\nSTATUS=2 cameras", "WATCHDOG=1\nSTATUS=3 cameras", "STATUS=two lines"]
    assert messages[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert messages[4] == "STOPPING=1\nSTATUS=told to stop"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "8"},
    ],
)
def test_a_watchdog_that_is_not_for_this_process_is_not_fed(environment: dict[str, str]) -> None:
    assert ServiceManager.of(environment, 7).watchdog_s is None


def test_nobody_is_told_without_a_socket_and_a_manager_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    ServiceManager.of({}, 7).ready("well")
    gone = ServiceManager(str(tmp_path / "gone"))
    gone.ready("well")
    gone.feed("well")
