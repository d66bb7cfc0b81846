"""Pictures come in whole, in parts, twice, too large, wrong, and from agents that are not known."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from clearway.v1 import evidence_pb2
from clearway.v1.evidence_pb2_grpc import EvidenceServiceStub
from sqlalchemy.engine import URL, make_url

from aggregator import evidence_service
from aggregator.config import ConfigError, EvidenceConfig, load_config
from aggregator.evidence import EvidenceFolder
from aggregator.server import StartError
from aggregator.service import evidence_folder
from tests.aggregator.harness import Agent, Process, config_for, event, samples, scrape, serving, total

Run = Callable[[Any], None]
Offset = evidence_pb2.GetUploadOffsetResponse
MIB = 1024 * 1024
CHUNK = 64 * 1024
PICTURE = random.Random(4).randbytes(5 * CHUNK + 123)


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class Client:
    """An agent's way to send pictures, at its own pace."""

    def __init__(self, address: str, agent_id: str | None = "bridge-1") -> None:
        self._address = address
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = EvidenceServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._metadata = (("clearway-agent-id", agent_id),) if agent_id is not None else ()

    async def close(self) -> None:
        await self._channel.close()

    async def offset(self, content: bytes = PICTURE) -> tuple[int, bool]:
        answer = await self.ask(sha(content))
        return answer.offset, answer.complete

    async def ask(self, sha256: bytes) -> Offset:
        request = evidence_pb2.GetUploadOffsetRequest(sha256=sha256)
        answer: Offset = await self._stub.GetUploadOffset(request, metadata=self._metadata, timeout=10)
        return answer

    async def begin(self, content: bytes = PICTURE, offset: int = 0, **changes: Any) -> Any:
        """Open an upload and leave it open."""
        call = self._stub.UploadEvidence(metadata=self._metadata, timeout=20)
        await call.write(evidence_pb2.UploadEvidenceRequest(open=opens(content, offset, **changes)))
        return call

    async def upload(self, content: bytes = PICTURE, offset: int = 0, **changes: Any) -> tuple[int, bool]:
        """Send all from an offset; what is there then."""
        return await asyncio.to_thread(self._upload, content, offset, changes)

    def _upload(self, content: bytes, offset: int, changes: dict[str, Any]) -> tuple[int, bool]:
        messages = [evidence_pb2.UploadEvidenceRequest(open=opens(content, offset, **changes))]
        for start in range(offset, len(content), CHUNK):
            messages.append(evidence_pb2.UploadEvidenceRequest(chunk=content[start : start + CHUNK]))
        with grpc.insecure_channel(self._address) as channel:
            stub = EvidenceServiceStub(channel)  # type: ignore[no-untyped-call]
            answer = stub.UploadEvidence(iter(messages), metadata=self._metadata, timeout=10)
        return answer.offset, answer.complete


def opens(content: bytes, offset: int, **changes: Any) -> evidence_pb2.EvidenceUpload:
    said = {"sha256": sha(content), "size_bytes": len(content), "media_type": "image/jpeg", "offset": offset}
    return evidence_pb2.EvidenceUpload(**(said | changes))


async def chunk(call: Any, data: bytes) -> None:
    await call.write(evidence_pb2.UploadEvidenceRequest(chunk=data))


async def ended(call: Any) -> tuple[int, bool]:
    await call.done_writing()
    answer = await call
    return answer.offset, answer.complete


async def refused(work: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        await work
    return error.value.code(), error.value.details() or ""  # type: ignore[attr-defined]


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def files(folder: Path) -> dict[str, int]:
    """Every file below a folder, with its size."""
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


@asynccontextmanager
async def taking(url: URL, **limits: Any) -> AsyncIterator[tuple[Client, Path, Any]]:
    """A client, the folder where its pictures go, and the aggregator."""
    config = config_for(url, evidence=EvidenceConfig(**limits))
    assert config.evidence_dir is not None
    async with serving(config) as service:
        client = Client(service.address)
        try:
            yield client, config.evidence_dir, service
        finally:
            await client.close()


NAME = sha(PICTURE).hex()
WHOLE = f"bridge-1/{NAME[:2]}/{NAME}.jpg"
PART = f"bridge-1/partial/{NAME}"


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


async def when_free(attempt: Callable[[], Any], until: grpc.StatusCode = grpc.StatusCode.ABORTED) -> Any:
    """Try until the call that was cut has let go of the file and of what it was promised."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await attempt()
            except grpc.RpcError as error:
                if error.code() is not until:
                    raise
                await asyncio.sleep(0.02)


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


def test_the_quota_is_exact_after_cuts_restarts_and_wrong_bytes(tmp_path: Path) -> None:
    """Whatever happens to uploads, what is reckoned is what lies there."""
    draw = random.Random(7)
    folder = EvidenceFolder(tmp_path, 10 * MIB, MIB)
    contents = [draw.randbytes(draw.randint(1, 3000)) for _ in range(12)]
    for _ in range(300):
        content = draw.choice(contents)
        held = folder.held("a", sha(content))
        offset = 0 if held.complete else draw.randint(0, held.offset)
        opened = folder.open("a", opening(content, offset))
        if not hasattr(opened, "write"):
            continue
        cut = draw.randint(offset, len(content))
        with contextlib.suppress(evidence_service.RefusalError):
            opened.write(content[offset:cut] if draw.random() < 0.7 else bytes(cut - offset))
            if draw.random() < 0.7:
                opened.finish()
        opened.close()
        assert folder.used_bytes("a") == sum(files(tmp_path).values())
    for name in files(tmp_path):
        if "partial" not in name:
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == Path(name).stem


def opening(content: bytes, offset: int) -> Any:
    return evidence_service.Opening(sha(content), len(content), "image/jpeg", offset)


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


def test_old_pictures_go_and_new_ones_stay(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, MIB, MIB)
    for content in (b"old", b"new"):
        upload: Any = folder.open("a", opening(content, 0))
        upload.write(content)
        assert upload.finish().complete
        upload.close()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    os.utime(folder.path_of("a", sha(b"old"), "image/jpeg"), (long_ago, long_ago))
    assert folder.forget(datetime(2021, 1, 1, tzinfo=UTC)) == 1
    assert not folder.held("a", sha(b"old")).complete
    assert folder.held("a", sha(b"new")).complete
    assert folder.used_bytes("a") == 3


def test_where_pictures_go(tmp_path: Path) -> None:
    file = tmp_path / "aggregator.yaml"

    def chosen(text: str) -> Path | None:
        file.write_text(f"insecure: true\n{text}", encoding="utf-8")
        return load_config(file).evidence_dir

    assert chosen("") == tmp_path / "state/received-evidence"
    assert chosen("store: sqlite:////var/x/clearway.sqlite\n") == Path("/var/x/received-evidence")
    assert chosen("evidence: {dir: pictures}\n") == tmp_path / "pictures"
    assert chosen("store: postgresql://db/clearway\n") is None
    assert chosen("store: postgresql://db/clearway\nevidence: {dir: pictures}\n") == tmp_path / "pictures"
    with pytest.raises(ConfigError, match="max_file_bytes"):
        chosen("evidence: {max_file_bytes: 1}\n")


def test_without_a_folder_pictures_are_refused_and_a_bad_folder_is_told_at_the_start(
    run: Run, tmp_path: Path, sqlite_url: URL
) -> None:
    elsewhere = config_for(make_url("postgresql://db/clearway"))
    assert evidence_folder(elsewhere) is None
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    bad = config_for(sqlite_url, evidence=EvidenceConfig(dir=blocked / "pictures"))
    with pytest.raises(StartError, match=r"evidence\.dir"):
        evidence_folder(bad)
