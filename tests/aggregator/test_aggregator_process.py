"""The aggregator as the process that people run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy.engine import make_url

from tests.aggregator.harness import PLAIN, Agent, Process, event, rows, samples, scrape, total

Run = Callable[[Any], None]


def test_kill_9_loses_nothing_that_was_acked_and_stores_nothing_twice(run: Run, process: Process) -> None:
    """Events are sent as fast as acks come, the process is killed in between, and the agent goes on after it."""
    last = 400

    async def send_until_killed(kill_after: int) -> int:
        acked = 0
        async with Agent(process.address) as agent:
            try:
                acked = (await agent.hello()).committed_seq
                for first in range(acked + 1, last + 1, 4):
                    life = [event(f"incident-{seq}", "CLOSED", at_s=60) for seq in range(first, first + 4)]
                    await agent.batch(first, *life)
                    if acked + 40 <= first:
                        acked = (await agent.next()).ack.committed_through_seq
                    if first > kill_after:
                        process.kill()
                        kill_after = last + 1
                await agent.ack_through(last)
                return last
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, EOFError):
                return acked

    async def scene() -> None:
        for kill_after in (90, 250):
            acked = await send_until_killed(kill_after)
            assert acked < last
            stored = stored_sequences()
            assert stored == list(range(1, len(stored) + 1))
            assert len(stored) >= acked
            process.start()
        assert await send_until_killed(last + 1) == last

    def stored_sequences() -> list[int]:
        return [seq for (seq,) in rows(store, "SELECT seq FROM incident_events ORDER BY seq")]

    store = make_url(f"sqlite:///{process.config.parent}/store.sqlite")
    run(scene())
    assert stored_sequences() == list(range(1, last + 1))
    process.kill()
    process.start()
    found = samples(scrape(process.metrics))
    assert total(found, "clearway_incidents_opened_total") == last
    assert total(found, "clearway_incidents_closed_total", reason="left") == last
    assert total(found, "clearway_incidents_open") == 0
    assert total(found, "clearway_ingest_events_total", agent="bridge-1") == last


def test_sigterm_drains_and_ends_well(run: Run, process: Process) -> None:
    async def scene() -> None:
        async with Agent(process.address) as agent:
            await agent.hello()
            process.terminate()
            assert (await agent.next()).WhichOneof("message") == "drain"
            await agent.batch(1, event("a"))
            assert (await agent.ack_through(1)).committed_through_seq == 1
            await agent.half_close()

    run(scene())
    assert process.wait() == 0
    assert '"event": "stopped"' in process.log()
    assert "Traceback" not in process.log()


def test_an_agent_that_is_refused_during_a_drain_may_come_back(run: Run, process: Process) -> None:
    async def scene() -> None:
        async with Agent(process.address) as agent, Agent(process.address, "late") as late:
            await agent.hello()
            process.terminate()
            await agent.next()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await late.hello()
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            await agent.half_close()

    run(scene())
    assert process.wait() == 0


def serve(folder: Path, config: str) -> subprocess.CompletedProcess[str]:
    path = folder / "other.yaml"
    path.write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "aggregator.cli", "serve", "--config", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_a_port_in_use_is_one_clear_error(process: Process, tmp_path: Path) -> None:
    grpc_taken = serve(tmp_path, PLAIN.replace("listen: 127.0.0.1:0", f"listen: {process.address}", 1))
    assert grpc_taken.returncode == 1
    assert f"cannot listen on {process.address}: is it in use?" in grpc_taken.stderr
    metrics_taken = serve(tmp_path, PLAIN.replace("'127.0.0.1:0'", f"'{process.metrics}'"))
    assert metrics_taken.returncode == 1
    assert f"cannot serve metrics on {process.metrics}: Address already in use" in metrics_taken.stderr
    assert "Traceback" not in grpc_taken.stderr + metrics_taken.stderr
