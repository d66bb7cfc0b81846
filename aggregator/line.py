"""Both directions of one agent's stream."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc

from aggregator.decoding import Undecodable
from aggregator.stream_parts import Arrived


class GoneError(Exception):
    """The agent went away while something was being sent to it."""


class Line:
    """What comes from an agent and what goes to it, one message after the other. ``context`` is gRPC's."""

    __slots__ = ("_context", "_writing")

    def __init__(self, context: Any) -> None:
        self._context = context
        self._writing = asyncio.Lock()

    async def next(self) -> Arrived | None:
        """The next message, or None once the agent has half-closed. Raises ``RefusalError`` for what is none."""
        arrived = await self._context.read()
        if arrived is grpc.aio.EOF:
            return None
        if isinstance(arrived.message, Undecodable):
            raise arrived.message.refusal()
        return cast(Arrived, arrived)

    async def write(self, message: Any) -> None:
        """Send a message. Raises ``GoneError``."""
        try:
            async with self._writing:
                await self._context.write(message)
        except (grpc.aio.AioRpcError, grpc.aio.BaseError, asyncio.InvalidStateError) as error:
            raise GoneError from error
