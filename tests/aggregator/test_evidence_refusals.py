"""Pictures that are not taken: too large, wrong, out of order, too many, and from agents that are not known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from clearway.v1 import evidence_pb2
from sqlalchemy.engine import URL

from aggregator import evidence_service
from aggregator.evidence import EvidenceFolder
from tests.aggregator.evidence_client import (
    CHUNK,
    MIB,
    PICTURE,
    Client,
    chunk,
    files,
    refused,
    taking,
    until,
    when_free,
)
from tests.aggregator.harness import config_for, serving

Run = Callable[[Any], None]


@pytest.mark.parametrize(
    ("content", "changes", "why"),
    [
        (b"x" * 2000, {}, "evidence.max_file_bytes"),
        (b"", {}, "1 to 1024"),
        (b"abc", {"size_bytes": 2}, "more bytes came than the 2"),
        (b"abc", {"media_type": "text/html"}, "only image/jpeg and image/png"),
        (b"abc", {"media_type": "image/../../jpeg"}, "only image/jpeg and image/png"),
        (b"abc", {"sha256": b"../../../../../etc/passwd"}, "sha256 has 25 bytes, not 32"),
        (b"abc", {"sha256": b""}, "sha256 has 0 bytes, not 32"),
    ],
)
def test_what_can_never_be_taken_is_refused_for_good(
    run: Run, sqlite_url: URL, content: bytes, changes: dict[str, Any], why: str
) -> None:
    async def scene() -> None:
        async with taking(sqlite_url, max_file_bytes=1024) as (client, folder, _):
            code, said = await refused(client.upload(content, **changes))
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert why in said
            assert files(folder) == {}

    run(scene())


@pytest.mark.parametrize("agent_id", ["../bridge-1", "..", "", "a/b", "x" * 65, ".hidden"])
def test_an_agent_id_that_is_none_writes_nothing(run: Run, sqlite_url: URL, agent_id: str) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (_, folder, service):
            stranger = Client(service.address, agent_id)
            for attempt in (stranger.upload(b"abc"), stranger.offset()):
                assert (await refused(attempt))[0] is grpc.StatusCode.INVALID_ARGUMENT
            await stranger.close()
            assert not folder.exists()

    run(scene())


def test_only_known_agents_that_say_who_they_are_may_send(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        config = config_for(sqlite_url, agents=["bridge-1"])
        async with serving(config) as service:
            for agent_id, code in ((None, "INVALID_ARGUMENT"), ("bridge-2", "PERMISSION_DENIED")):
                client = Client(service.address, agent_id)
                assert (await refused(client.upload(b"abc")))[0].name == code
                assert (await refused(client.offset(b"abc")))[0].name == code
                await client.close()

    run(scene())


def test_an_agent_does_not_see_what_another_has_sent(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, folder, service):
            await client.upload(b"abc")
            other = Client(service.address, "bridge-2")
            assert await other.offset(b"abc") == (0, False)
            assert await other.upload(b"abc") == (3, True)
            await other.close()
            assert len(files(folder)) == 2

    run(scene())


def test_the_quota_counts_what_is_here_and_what_is_coming(run: Run, sqlite_url: URL) -> None:
    first, second, third = (bytes([n]) * (400 * 1024) for n in range(3))

    async def scene() -> None:
        async with taking(sqlite_url, max_bytes_per_agent=MIB) as (client, folder, service):
            await client.upload(first)
            coming = await client.begin(second)
            await chunk(coming, second[:CHUNK])
            await until(lambda: CHUNK in files(folder).values())
            code, why = await refused(client.upload(third))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "evidence.max_bytes_per_agent" in why
            assert len(files(folder)) == 2
            other = Client(service.address, "bridge-2")
            assert await other.upload(third) == (len(third), True)
            await other.close()
            coming.cancel()
            await when_free(lambda: client.upload(third[: 200 * 1024]), grpc.StatusCode.RESOURCE_EXHAUSTED)

        async with taking(sqlite_url, max_bytes_per_agent=MIB) as (client, folder, _):
            assert (await refused(client.upload(third)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
            old = datetime.now(UTC) + timedelta(seconds=5)
            assert EvidenceFolder(folder, MIB, MIB).forget(old) == 4

    run(scene())


def test_an_upload_that_falls_silent_is_ended(run: Run, sqlite_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_service, "SILENCE_S", 0.1)

    async def scene() -> None:
        async with taking(sqlite_url) as (client, _, _service):
            call = await client.begin()
            await chunk(call, PICTURE[:10])
            code, _ = await refused(call)
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert await client.offset() == (10, False)
            assert await client.upload(offset=10) == (len(PICTURE), True)

    run(scene())


def test_messages_out_of_order_are_refused(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with taking(sqlite_url) as (client, folder, _):
            twice = await client.begin()
            await twice.write(evidence_pb2.UploadEvidenceRequest(open=evidence_pb2.EvidenceUpload()))
            assert (await refused(twice))[0] is grpc.StatusCode.INVALID_ARGUMENT
            never = client._stub.UploadEvidence(metadata=client._metadata)
            await never.write(evidence_pb2.UploadEvidenceRequest(chunk=b"abc"))
            assert (await refused(never))[0] is grpc.StatusCode.INVALID_ARGUMENT
            assert files(folder) == {}

    run(scene())
