"""What one agent's pictures may cost, and that others do not pay for it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from clearway.v1 import evidence_pb2
from clearway.v1.evidence_pb2_grpc import EvidenceServiceStub
from sqlalchemy.engine import URL

from aggregator.config import LimitsConfig
from aggregator.limits import MAX_UPLOADS
from tests.aggregator.harness import config_for, serving

Run = Callable[[Any], None]
STILL = random.Random(4).randbytes(64 * 1024)


def opens(content: bytes, **changes: Any) -> evidence_pb2.UploadEvidenceRequest:
    said = {"sha256": hashlib.sha256(content).digest(), "size_bytes": len(content), "media_type": "image/jpeg"}
    return evidence_pb2.UploadEvidenceRequest(open=evidence_pb2.EvidenceUpload(**(said | changes)))


def chunk(content: bytes) -> evidence_pb2.UploadEvidenceRequest:
    return evidence_pb2.UploadEvidenceRequest(chunk=content)


def of(agent_id: str) -> tuple[tuple[str, str], ...]:
    return (("clearway-agent-id", agent_id),)


def test_an_agent_that_leaves_uploads_open_keeps_its_own_places_alone(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, grpc.aio.insecure_channel(service.address) as channel:
            stub = EvidenceServiceStub(channel)
            held = []
            for number in range(MAX_UPLOADS):
                held.append(stub.UploadEvidence(metadata=of("greedy"), timeout=20))
                await held[-1].write(opens(STILL + bytes([number])))
                await held[-1].write(chunk(STILL[:1000]))
            await asyncio.sleep(0.3)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.UploadEvidence(iter([opens(STILL)]), metadata=of("greedy"), timeout=20)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            answer = await stub.UploadEvidence(iter([opens(STILL), chunk(STILL)]), metadata=of("modest"), timeout=20)
            assert answer.complete
            for call in held:
                call.cancel()

    run(scene())


def test_pictures_come_no_faster_than_their_share_and_are_not_cut(run: Run, sqlite_url: URL) -> None:
    async def scene() -> None:
        limits = LimitsConfig(evidence_bytes_per_s=len(STILL))
        async with (
            serving(config_for(sqlite_url, limits=limits)) as service,
            grpc.aio.insecure_channel(service.address) as channel,
        ):
            stub, loop = EvidenceServiceStub(channel), asyncio.get_running_loop()
            request = evidence_pb2.GetUploadOffsetRequest(sha256=bytes(32))
            whole = STILL * 3
            pieces = [opens(whole), *(chunk(whole[at : at + 16384]) for at in range(0, len(whole), 16384))]
            began_s = loop.time()
            assert (await stub.UploadEvidence(iter(pieces), metadata=of("fast"), timeout=20)).complete
            assert 1.5 < loop.time() - began_s < 15
            asking = [stub.GetUploadOffset(request, metadata=of("curious"), timeout=20) for _ in range(500)]
            answers = await asyncio.gather(*asking, return_exceptions=True)
            codes = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
            assert codes == {grpc.StatusCode.UNAVAILABLE}
            assert not (await stub.GetUploadOffset(request, metadata=of("modest"), timeout=20)).complete

    run(scene())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"media_type": "text/html"}, "is not taken"),
        ({"media_type": "x" * 200}, "media_type has 200 characters"),
        ({"size_bytes": 2**40}, "evidence.max_file_bytes"),
        ({"sha256": b"short"}, "sha256 has 5 bytes, not 32"),
        ({"incident_id": "a\nb"}, "incident_id has a control character"),
    ],
)
def test_types_sizes_and_names_that_cannot_be_are_refused(
    run: Run, sqlite_url: URL, changes: dict[str, Any], said: str
) -> None:
    async def scene() -> None:
        async with serving(config_for(sqlite_url)) as service, grpc.aio.insecure_channel(service.address) as channel:
            stub = EvidenceServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.UploadEvidence(iter([opens(STILL, **changes)]), metadata=of("box-1"), timeout=20)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert said in str(refused.value.details())

    run(scene())
