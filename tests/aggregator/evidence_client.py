"""An agent that sends pictures, as tests have it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from clearway.v1 import evidence_pb2
from clearway.v1.evidence_pb2_grpc import EvidenceServiceStub
from sqlalchemy.engine import URL

from aggregator import evidence_service
from aggregator.config import EvidenceConfig
from tests.aggregator.harness import config_for, serving

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


def opening(content: bytes, offset: int) -> Any:
    return evidence_service.Opening(sha(content), len(content), "image/jpeg", offset)


NAME = sha(PICTURE).hex()
WHOLE = f"bridge-1/{NAME[:2]}/{NAME}.jpg"
PART = f"bridge-1/partial/{NAME}"
