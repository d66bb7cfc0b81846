"""A real gRPC server that takes stills as the protocol says, except where a test tells it to do otherwise."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from clearway.v1 import evidence_pb2
from clearway.v1.evidence_pb2_grpc import EvidenceServiceServicer, add_EvidenceServiceServicer_to_server


class ScriptedEvidenceService(EvidenceServiceServicer):
    """Set its attributes to script it; read what it saw from the others.

    ``refusals`` are given, one for each upload of a file, before it is taken; ``cut_after`` bytes an upload is broken
    off once; while ``stuck`` is set uploads are opened and never read.
    """

    def __init__(self, port: int = 0) -> None:
        self.received: dict[bytes, bytes] = {}
        self.partial: dict[bytes, bytes] = {}
        self.openings: list[evidence_pb2.EvidenceUpload] = []
        self.agents: set[Any] = set()
        self.chunk_sizes: list[int] = []
        self.refusals: dict[bytes, list[grpc.StatusCode]] = {}
        self.cut_after: int | None = None
        self.stuck = threading.Event()
        self._free = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(4))
        add_EvidenceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._free.set()
        self._server.stop(0).wait()

    def GetUploadOffset(self, request: Any, context: Any) -> evidence_pb2.GetUploadOffsetResponse:  # noqa: N802
        self._note_agent(context)
        if request.sha256 in self.received:
            return evidence_pb2.GetUploadOffsetResponse(offset=len(self.received[request.sha256]), complete=True)
        return evidence_pb2.GetUploadOffsetResponse(offset=len(self.partial.get(request.sha256, b"")))

    def UploadEvidence(self, request_iterator: Iterator[Any], context: Any) -> Any:  # noqa: N802
        self._note_agent(context)
        opening = next(request_iterator).open
        self.openings.append(opening)
        if self.stuck.is_set():
            self._free.wait(30)
        if self.refusals.get(opening.sha256):
            code = self.refusals[opening.sha256].pop(0)
            if code is grpc.StatusCode.DATA_LOSS:
                self.partial.pop(opening.sha256, None)
            context.abort(code, "as the test says")
        data = self.partial.get(opening.sha256, b"")[: opening.offset]
        for message in request_iterator:
            self.chunk_sizes.append(len(message.chunk))
            data += message.chunk
            self.partial[opening.sha256] = data
            if self.cut_after is not None and len(data) >= self.cut_after:
                self.partial[opening.sha256] = data[: self.cut_after]
                self.cut_after = None
                context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
        complete = len(data) == opening.size_bytes and hashlib.sha256(data).digest() == opening.sha256
        if complete:
            self.received[opening.sha256] = data
        return evidence_pb2.UploadEvidenceResponse(offset=len(data), complete=complete)

    def _note_agent(self, context: Any) -> None:
        self.agents.add(dict(context.invocation_metadata()).get("clearway-agent-id"))

    def wait_for(self, files: int, timeout_s: float = 10.0) -> None:
        """Return once so many files are here."""
        give_up = time.monotonic() + timeout_s
        while len(self.received) < files:
            assert time.monotonic() < give_up, f"{len(self.received)} of {files} files came"
            time.sleep(0.01)
