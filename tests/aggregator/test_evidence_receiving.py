"""Pictures come in whole, in parts, twice, and after a crash."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from sqlalchemy.engine import URL

from tests.aggregator.evidence_client import (
    CHUNK,
    PART,
    PICTURE,
    WHOLE,
    Client,
    chunk,
    ended,
    files,
    refused,
    sha,
    taking,
    until,
    when_free,
)
from tests.aggregator.harness import Agent, Process, event, samples, scrape, total

Run = Callable[[Any], None]


def test_a_whole_picture_lies_under_its_hash(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, folder, service):
            assert not folder.exists()
            assert await client.offset() == (0, False)
            assert await client.upload() == (len(PICTURE), True)
            assert await client.offset() == (len(PICTURE), True)
            assert files(folder) == {WHOLE: len(PICTURE)}
            assert (folder / WHOLE).read_bytes() == PICTURE
            assert await client.upload(b"drawn", media_type="image/png") == (5, True)
            assert f"bridge-1/{sha(b'drawn').hex()[:2]}/{sha(b'drawn').hex()}.png" in files(folder)
            found = samples(scrape(service.metrics_address))
            assert total(found, "clearway_evidence_files_total", agent="bridge-1") == 2
            assert total(found, "clearway_evidence_bytes_total", agent="bridge-1") == len(PICTURE) + 5

    run(scene())


@pytest.mark.parametrize("cut", [1, CHUNK - 1, CHUNK, CHUNK + 1, len(PICTURE) - 1])
def test_an_upload_goes_on_where_it_was_cut(run: Run, sqlite_url: URL, cut: int) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, folder, _):
            call = await client.begin()
            await chunk(call, PICTURE[:cut])
            await until(lambda: files(folder) == {PART: cut})
            call.cancel()
            assert await client.offset() == (cut, False)
            assert await when_free(lambda: client.upload(offset=cut)) == (len(PICTURE), True)
            assert (folder / WHOLE).read_bytes() == PICTURE
            assert list(files(folder)) == [WHOLE]

    run(scene())


def test_an_agent_may_end_early_and_is_told_how_much_is_here(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, folder, _):
            call = await client.begin()
            await chunk(call, PICTURE[:1000])
            assert await ended(call) == (1000, False)
            code, why = await refused(client.upload(offset=1001))
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert "1000 bytes are here" in why
            assert await client.upload(offset=500) == (len(PICTURE), True)
            assert (folder / WHOLE).read_bytes() == PICTURE

    run(scene())


def test_bytes_that_are_not_what_the_hash_says_are_thrown_away_and_may_come_again(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, folder, service):
            call = await client.begin()
            await chunk(call, bytes(1000))
            assert await ended(call) == (1000, False)
            code, _ = await refused(client.upload(offset=1000))
            assert code is grpc.StatusCode.DATA_LOSS
            assert files(folder) == {}
            assert await client.offset() == (0, False)
            assert await client.upload() == (len(PICTURE), True)
            assert total(samples(scrape(service.metrics_address)), "clearway_evidence_refused_total") == 1

    run(scene())


def test_two_that_send_one_picture_at_once_leave_one_whole_file(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, folder, service):
            again = Client(service.address)

            slow = await client.begin()
            await chunk(slow, PICTURE[:CHUNK])
            await until(lambda: files(folder) == {PART: CHUNK})
            assert (await refused(again.upload()))[0] is grpc.StatusCode.ABORTED
            await chunk(slow, PICTURE[CHUNK:])
            assert await ended(slow) == (len(PICTURE), True)

            for size in range(1, 20):
                content = PICTURE[:size]
                both = await asyncio.gather(
                    *(when_free(lambda who=who, what=content: who.upload(what)) for who in (client, again))
                )
                assert both == [(size, True), (size, True)]
            await again.close()
            assert len(files(folder)) == 20
            for name in files(folder):
                assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == Path(name).stem

    run(scene())


def test_a_killed_aggregator_goes_on_with_what_came(run: Run, process: Process) -> None:
    folder = process.config.parent / "received-evidence"

    async def first() -> None:
        client = Client(process.address)
        call = await client.begin()
        await chunk(call, PICTURE[: 2 * CHUNK])
        await until(lambda: files(folder) == {PART: 2 * CHUNK})
        process.kill()
        assert (await refused(call))[0] is grpc.StatusCode.UNAVAILABLE
        await client.close()

    async def second() -> None:
        client = Client(process.address)
        assert await client.offset() == (2 * CHUNK, False)
        assert await client.upload(offset=2 * CHUNK) == (len(PICTURE), True)
        await client.close()

    run(first())
    process.start()
    run(second())
    assert (folder / WHOLE).read_bytes() == PICTURE
    process.kill()
    process.start()

    async def third() -> None:
        client = Client(process.address)
        assert await client.offset() == (len(PICTURE), True)
        await client.close()

    run(third())


def test_events_are_acknowledged_while_an_upload_is_stuck(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, _, service):
            calls = []
            for number in range(8):
                content = PICTURE + bytes([number])
                calls.append(await client.begin(content))
                await chunk(calls[-1], content[:CHUNK])
            async with Agent(service.address) as agent:
                await agent.hello()
                await agent.batch(1, event("a"))
                assert (await agent.ack_through(1)).committed_through_seq == 1
            for call in calls:
                assert not call.done()
                call.cancel()

    run(scene())
