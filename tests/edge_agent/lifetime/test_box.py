"""What a machine says of itself is read where its kernel writes it; what it does not say is missing, not zero."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.lifetime.box import memory_ceiling_bytes, read_box, temperatures, throttled, written_bytes

MIB = 1024 * 1024


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_machine_is_read(tmp_path: Path) -> None:
    before = written_bytes()
    with (tmp_path / "file").open("wb") as file:
        file.write(os.urandom(2 * MIB))
        file.flush()
        os.fsync(file.fileno())
    now = read_box(tmp_path)
    assert now.resident_bytes is not None
    assert 10 * MIB < now.resident_bytes < 8192 * MIB
    assert now.open_files is not None
    assert now.open_files > 2
    assert now.threads >= 1
    assert now.cpu_s > 0
    assert now.state_free_bytes is not None
    assert now.state_free_bytes > 0
    if before is not None and now.written_bytes:  # a file system in memory writes nothing
        assert now.written_bytes - before >= 2 * MIB


def test_a_raspberry_pi_says_how_hot_it_is_and_why_it_slows_down(tmp_path: Path) -> None:
    put(tmp_path / "class/thermal/thermal_zone0/type", "cpu-thermal\n")
    put(tmp_path / "class/thermal/thermal_zone0/temp", "61322\n")
    put(tmp_path / "class/thermal/thermal_zone1/type", "cpu-thermal\n")
    put(tmp_path / "class/thermal/thermal_zone1/temp", "58000\n")
    put(tmp_path / "class/thermal/thermal_zone2/type", "asleep\n")
    put(tmp_path / "devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    assert temperatures(tmp_path) == (("cpu-thermal", 61.322),)
    assert throttled(tmp_path) == (
        ("under_voltage", True, True),
        ("frequency_capped", False, False),
        ("throttled", True, True),
        ("soft_temperature_limit", False, False),
    )


def test_a_machine_without_sensors_shows_none(tmp_path: Path) -> None:
    assert temperatures(tmp_path) == ()
    assert throttled(tmp_path) == ()
    now = read_box(tmp_path, tmp_path, tmp_path)
    assert (now.resident_bytes, now.written_bytes, now.open_files) == (None, None, None)
    assert memory_ceiling_bytes(tmp_path, tmp_path) is None


@pytest.mark.parametrize(
    ("limits", "ceiling"),
    [
        ({}, 600 * MIB),
        ({"box/agent": "max"}, 600 * MIB),
        ({"box/agent": str(400 * MIB)}, 300 * MIB),
        ({"box": str(200 * MIB), "box/agent": str(400 * MIB)}, 150 * MIB),
        ({"box/agent": str(4000 * MIB)}, 600 * MIB),
    ],
)
def test_the_ceiling_is_a_share_of_the_machine_or_of_the_least_limit(
    tmp_path: Path, limits: dict[str, str], ceiling: int
) -> None:
    put(tmp_path / "proc/meminfo", f"MemTotal:       {1000 * 1024} kB\nMemFree: 1 kB\n")
    put(tmp_path / "proc/self/cgroup", "0::/box/agent\n")
    for group, limit in limits.items():
        put(tmp_path / "sys/fs/cgroup" / group / "memory.max", limit + "\n")
    assert memory_ceiling_bytes(tmp_path / "proc", tmp_path / "sys") == ceiling


def test_what_was_deleted_before_it_was_written_does_not_count(tmp_path: Path) -> None:
    put(tmp_path / "self/io", "rchar: 1\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n")
    assert written_bytes(tmp_path) == 4096
