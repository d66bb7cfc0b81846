"""The service that takes pictures: beside the streams of events, and never in their way."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

import grpc
import structlog
from clearway.v1 import evidence_pb2

from aggregator.bounds import BadMessageError, check
from aggregator.decoding import Undecodable, decoder
from aggregator.evidence import EvidenceFolder, Held, Opening, Upload
from aggregator.identity import Identity
from aggregator.limits import CALL_BYTES, Allowance, Limits
from aggregator.limits import MAX_UPLOADS as MAX_UPLOADS_OF_AN_AGENT
from aggregator.refusal import RefusalError
from aggregator.store.store import utc_now

log = structlog.get_logger(__name__)

SERVICE = "clearway.v1.EvidenceService"
AGENT_ID = "clearway-agent-id"
"""Metadata in which an agent says who it is."""

SILENCE_S = 60.0
"""Without a message for so long an upload is ended, so that its file is free for the next attempt."""
MAX_UPLOADS = 64
"""Uploads at one time; more are asked to come back, so that pictures do not take the server from events."""
LEAST_CHUNK_BYTES = 1024
"""A chunk of fewer bytes costs as much: it goes to a thread all the same."""
MAX_WAIT_S = 5.0
"""For an agent's share of the bandwidth; one that would wait longer is told to come back."""
_THREADS = 2  # the pictures' own: a slow disk holds up pictures, not commits

T = TypeVar("T")


class WatchesEvidence(Protocol):
    """Hears of what happens to pictures."""

    def evidence_received(self, agent_id: str, size_bytes: int) -> None:
        """A picture of this size is here and verified."""
        ...

    def evidence_refused(self, reason: str) -> None:
        """A call was ended with an error."""
        ...


class EvidenceService:
    """Answers for one folder, for the agents that ``knows`` says yes to; without a folder it refuses every picture.

    ``identity`` judges certificates; None where plain text is served to this machine alone.
    """

    def __init__(
        self,
        folder: EvidenceFolder | None,
        knows: Callable[[str], bool],
        watch: WatchesEvidence,
        identity: Identity | None,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._identity = identity
        self._folder = folder
        self._knows = knows
        self._watch = watch
        self._uploads = 0
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="evidence")

    def close(self) -> None:
        """Finish what is being written."""
        self._threads.shutdown(wait=True)

    def handler(self) -> Any:
        """What answers the calls, for a gRPC server."""
        offset = grpc.unary_unary_rpc_method_handler(
            self._get_upload_offset,
            request_deserializer=decoder(evidence_pb2.GetUploadOffsetRequest),
            response_serializer=evidence_pb2.GetUploadOffsetResponse.SerializeToString,
        )
        upload = grpc.stream_unary_rpc_method_handler(
            self._upload_evidence,
            request_deserializer=decoder(evidence_pb2.UploadEvidenceRequest),
            response_serializer=evidence_pb2.UploadEvidenceResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"GetUploadOffset": offset, "UploadEvidence": upload})

    async def _get_upload_offset(self, request: Any, context: Any) -> Any:
        """How much of a picture is here."""
        return await self._answered(context, self._held(request, context), evidence_pb2.GetUploadOffsetResponse)

    async def _upload_evidence(self, request_iterator: Any, context: Any) -> Any:
        """Take a picture."""
        taking = self._taken(request_iterator, context)
        return await self._answered(context, taking, evidence_pb2.UploadEvidenceResponse)

    async def _answered(self, context: Any, work: Any, response: Callable[..., Any]) -> Any:
        try:
            held = await work
        except RefusalError as refusal:
            self._watch.evidence_refused(refusal.reason)
            log.warning("picture refused", reason=refusal.reason, detail=str(refusal))
            await context.abort(refusal.code, str(refusal), refusal.metadata)
        return response(offset=held.offset, complete=held.complete)

    async def _held(self, request: Any, context: Any) -> Held:
        folder, agent_id = self._place(context)
        _check(request)
        await self._pace(self._limits.of(agent_id), CALL_BYTES)
        return await self._run(partial(folder.held, agent_id, request.sha256))

    async def _taken(self, messages: Any, context: Any) -> Held:
        folder, agent_id = self._place(context)
        allowance = self._limits.of(agent_id)
        if self._uploads >= MAX_UPLOADS or allowance.uploads >= MAX_UPLOADS_OF_AN_AGENT:
            raise _busy("too many pictures come at once")
        self._uploads += 1
        allowance.uploads += 1
        try:
            await self._pace(allowance, CALL_BYTES)
            reading = aiter(messages)
            opening = _read_opening(await _next(reading))
            upload = await self._opened(folder, agent_id, opening)
            if isinstance(upload, Held):
                return upload
            try:
                held = await self._receive(upload, reading, allowance)
            finally:  # shielded: the file must be let go however often the call is cancelled
                await asyncio.shield(asyncio.wrap_future(self._threads.submit(upload.close)))
        finally:
            self._uploads -= 1
            allowance.uploads -= 1
        if held.complete:
            self._watch.evidence_received(agent_id, held.offset)
            log.info("picture received", agent=agent_id, sha256=opening.sha256.hex(), size_bytes=held.offset)
        return held

    async def _opened(self, folder: EvidenceFolder, agent_id: str, opening: Opening) -> Upload | Held:
        future = self._threads.submit(folder.open, agent_id, opening)
        try:
            return await self._done(future)
        except asyncio.CancelledError:
            future.add_done_callback(_let_go)  # the thread may be opening it now
            raise

    async def _receive(self, upload: Upload, reading: Any, allowance: Allowance) -> Held:
        while True:
            message = await _next(reading)
            if message is None:
                return await self._run(upload.finish)
            if message.WhichOneof("message") != "chunk":
                raise _bad_message("only chunks may follow the message that opens an upload")
            await self._run(partial(upload.write, message.chunk))
            await self._pace(allowance, max(len(message.chunk), LEAST_CHUNK_BYTES))

    async def _pace(self, allowance: Allowance, size_bytes: int) -> None:
        """Read on when the agent's share of the bandwidth allows it; until then its bytes wait on its own side."""
        wait_s = allowance.picture(size_bytes)
        if wait_s > MAX_WAIT_S:
            raise _busy("pictures come faster than limits.evidence_bytes_per_s")
        if wait_s:
            await asyncio.sleep(wait_s)

    def _place(self, context: Any) -> tuple[EvidenceFolder, str]:
        said = [value for key, value in context.invocation_metadata() or () if key == AGENT_ID]
        if len(said) != 1:
            raise _bad_message(f"the metadata must say once, as {AGENT_ID}, which agent this is")
        agent_id = str(said[0])
        if self._identity is not None:
            self._identity.admit(context, agent_id)
        if not self._knows(agent_id):
            raise RefusalError(
                grpc.StatusCode.PERMISSION_DENIED,
                "unknown_agent",
                f"agent {agent_id[:80]!r} is not among this aggregator's agents",
            )
        if self._folder is None:
            raise RefusalError(
                grpc.StatusCode.UNIMPLEMENTED, "no_folder", "this aggregator takes no pictures: evidence.dir is not set"
            )
        return self._folder, agent_id

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._done(self._threads.submit(work))

    async def _done(self, future: Future[T]) -> T:
        try:
            return await asyncio.wrap_future(future)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, "disk_full", "the disk is full") from error
            log.exception("picture not written")
            raise RefusalError(
                grpc.StatusCode.UNAVAILABLE, "disk", f"pictures cannot be written now: {error.strerror or error}"
            ) from error


def _let_go(future: Future[Upload | Held]) -> None:
    if not future.cancelled() and future.exception() is None:
        opened = future.result()
        if isinstance(opened, Upload):
            opened.close()


async def _next(reading: Any) -> Any:
    """The next message; None once the agent has half-closed."""
    try:
        async with asyncio.timeout(SILENCE_S):
            message = await anext(reading, None)
    except TimeoutError as error:
        raise RefusalError(
            grpc.StatusCode.DEADLINE_EXCEEDED, "silent", f"nothing came for {SILENCE_S:.0f} s"
        ) from error
    if isinstance(message, Undecodable):
        raise message.refusal()
    return message


def _read_opening(message: Any) -> Opening:
    if message is None or message.WhichOneof("message") != "open":
        raise _bad_message("the first message must open the upload")
    said = message.open
    _check(said)
    return Opening(said.sha256, said.size_bytes, said.media_type, said.offset)


def _check(message: Any) -> None:
    if isinstance(message, Undecodable):
        raise message.refusal()
    try:
        check(message, utc_now())
    except BadMessageError as error:
        raise _bad_message(str(error)) from error


def _busy(problem: str) -> RefusalError:
    return RefusalError(grpc.StatusCode.UNAVAILABLE, "busy", f"{problem}: come back later")


def _bad_message(problem: str) -> RefusalError:
    return RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "bad_message", problem)
