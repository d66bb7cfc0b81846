"""What the machine says of itself and of this process: memory, processor, disk, heat. Read from /proc and /sys.

What a machine does not say is None or missing, never 0.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

PROC, SYS = Path("/proc"), Path("/sys")
MAX_SENSORS = 8
"""Most thermal sensors shown: a Raspberry Pi has one, a server dozens."""
MEMORY_SHARE = 0.6
"""Part of the machine's memory that an agent may take unless the configuration says otherwise."""
GROUP_SHARE = 0.75
"""Part of a control group's limit: the agent must end of its own accord before the kernel ends it."""

THROTTLE_BITS = {"under_voltage": 0, "frequency_capped": 1, "throttled": 2, "soft_temperature_limit": 3}
"""What the firmware of a Raspberry Pi reports, by bit; 16 higher stands for "since the start of the machine"."""
_THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class BoxReading:
    """A snapshot. ``throttled`` holds (reason, now, since the machine started); ``temperatures`` (sensor, °C)."""

    resident_bytes: int | None = None
    cpu_s: float = 0.0
    threads: int = 0
    open_files: int | None = None
    written_bytes: int | None = None
    state_free_bytes: int | None = None
    temperatures: tuple[tuple[str, float], ...] = ()
    throttled: tuple[tuple[str, bool, bool], ...] = field(default=())


def read_box(state_dir: Path, proc: Path = PROC, sys: Path = SYS) -> BoxReading:
    """How machine and process are now."""
    times = os.times()
    return BoxReading(
        resident_bytes=resident_bytes(proc),
        cpu_s=times.user + times.system,
        threads=threading.active_count(),
        open_files=_open_files(proc),
        written_bytes=written_bytes(proc),
        state_free_bytes=_free_bytes(state_dir),
        temperatures=temperatures(sys),
        throttled=throttled(sys),
    )


def resident_bytes(proc: Path = PROC) -> int | None:
    """Physical memory that this process holds."""
    fields = _text(proc / "self/statm").split()
    return int(fields[1]) * _PAGE_BYTES if len(fields) > 1 else None


def written_bytes(proc: Path = PROC) -> int | None:
    """Bytes that this process had written to disks since its start, without what was deleted before it got there."""
    values = dict(line.split(": ", 1) for line in _text(proc / "self/io").splitlines() if ": " in line)
    if "write_bytes" not in values:
        return None
    return max(int(values["write_bytes"]) - int(values.get("cancelled_write_bytes", "0")), 0)


def memory_ceiling_bytes(proc: Path = PROC, sys: Path = SYS) -> int | None:
    """What an agent may take of this machine: its share of the memory, or of its control group's limit if less."""
    lines = dict(line.split(":", 1) for line in _text(proc / "meminfo").splitlines() if ":" in line)
    total = lines.get("MemTotal", "").split()
    bounds = [int(int(total[0]) * 1024 * MEMORY_SHARE)] if total else []
    for line in _text(proc / "self/cgroup").splitlines():
        if line.startswith("0::"):
            group = sys / "fs/cgroup" / line[3:].lstrip("/")
            for folder in (group, *group.parents):
                limit = _text(folder / "memory.max").strip()
                if limit.isdigit():
                    bounds.append(int(int(limit) * GROUP_SHARE))
                if folder == sys / "fs/cgroup":
                    break
    return min(bounds, default=None)


def temperatures(sys: Path = SYS) -> tuple[tuple[str, float], ...]:
    """Each thermal sensor's highest reading, degrees Celsius."""
    found: dict[str, float] = {}
    for zone in sorted((sys / "class/thermal").glob("thermal_zone*")):
        name, text = _text(zone / "type").strip(), _text(zone / "temp").strip()
        if name and text.lstrip("-").isdigit():
            found[name] = max(found.get(name, float("-inf")), int(text) / 1000)
    return tuple(found.items())[:MAX_SENSORS]


def throttled(sys: Path = SYS) -> tuple[tuple[str, bool, bool], ...]:
    """Why a Raspberry Pi slows itself down: (reason, now, since the machine started); nothing on other machines."""
    try:
        bits = int(_text(sys / _THROTTLED).strip(), 16)
    except ValueError:
        return ()
    return tuple((name, bool(bits >> bit & 1), bool(bits >> (bit + 16) & 1)) for name, bit in THROTTLE_BITS.items())


def _open_files(proc: Path) -> int | None:
    try:
        return len(os.listdir(proc / "self/fd"))
    except OSError:
        return None


def _free_bytes(folder: Path) -> int | None:
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def _text(path: Path) -> str:
    """A file of the kernel; nothing if it is not there or cannot be read, as a sensor that is asleep."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
