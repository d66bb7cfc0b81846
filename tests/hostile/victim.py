"""An aggregator as a process of its own, watched from outside while it is attacked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from aggregator.authority import Authority
from aggregator.register import Register
from edge_agent.identity.identity import Identity
from tests.aggregator.harness import Process
from tests.end_to_end.identities import signed_by, utc_now

CONFIG = """
listen: 127.0.0.1:0
store: sqlite:///store.sqlite
metrics: {listen: '127.0.0.1:0', refresh_s: 1}
limits: {streams_per_minute: 100000, events_per_s: 1000000, bytes_per_s: 1000000000, evidence_bytes_per_s: 1000000000}
"""
"""An agent's rates are no part of these tests: the limits would end the attack before it began."""


class Victim:
    """The process, its authority, and what it costs."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.process = Process(folder, config)
        addresses = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
        self.address: str = addresses["listen"]
        self.enrollment: str = addresses["enrollment"]
        self.metrics: str = addresses["metrics"]
        self.pid: int = addresses["pid"]
        self.authority = Authority.open(folder / "identity")
        self.register = Register(folder / "identity", utc_now)

    def signed(self, agent_id: str, *, days: float = 1.0, ago_days: float = 0.0) -> Identity:
        """A certificate of its authority."""
        return signed_by(self.authority, agent_id, days=days, at=utc_now() - timedelta(days=ago_days))

    @property
    def runs(self) -> bool:
        """True if it has not ended."""
        return Path(f"/proc/{self.pid}/stat").exists() and self.process._process.poll() is None

    def rss_mib(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_s(self) -> float:
        """Processor time since it began."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self) -> int:
        """File descriptors, connections among them."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def errors(self) -> list[str]:
        """What it logged of errors: attacks are warnings, and anything above is trouble of its own."""
        lines = self.process.log().splitlines()
        return [line[:2000] for line in lines if '"level": "error"' in line or "Traceback" in line]


@contextmanager
def victim_in(folder: Path, config: str = CONFIG) -> Iterator[Victim]:
    """An aggregator until the block ends."""
    victim = Victim(folder, config)
    try:
        yield victim
    finally:
        victim.process.close()


class WellBehaved:
    """An agent in a process of its own that sends a few events a second; how long each waited for its ack."""

    def __init__(self, folder: Path, victim: Victim) -> None:
        identity = victim.signed("well-behaved")
        for name, data in (("key", identity.key_pem), ("chain", identity.chain_pem), ("ca", identity.ca_pem)):
            (folder / f"{name}.pem").write_bytes(data)
        self._waits = folder / "waits.txt"
        self._waits.touch()
        command = [sys.executable, "-m", "tests.hostile.well_behaved", victim.address, str(folder)]
        self._process = subprocess.Popen(command)
        give_up = time.monotonic() + 30
        while not self._waits.read_text(encoding="ascii") and time.monotonic() < give_up:
            time.sleep(0.05)

    def waits_s(self, began: float, ended: float) -> list[float]:
        """Sorted waits of events that were sent between two moments of the monotonic clock."""
        assert self._process.poll() is None, "the well-behaved agent was thrown out"
        rows = [line.split() for line in self._waits.read_text(encoding="ascii").splitlines() if line.count(" ") == 1]
        return sorted(float(wait) for at, wait in rows if began <= float(at) < ended)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def p99(waits: list[float]) -> float:
    """The wait that 1 % exceed."""
    assert waits, "nothing was acked"
    return waits[min(len(waits) - 1, int(0.99 * len(waits)))]
