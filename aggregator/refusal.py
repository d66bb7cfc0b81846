"""Why a stream is ended with an error, and what the agent is told."""

from __future__ import annotations

import grpc

from aggregator.store.errors import StoreError, StoreFullError


class RefusalError(Exception):
    """Ends a stream with a status. ``reason`` is one word for the metrics, the message is for a person."""

    def __init__(self, code: grpc.StatusCode, reason: str, message: str, **metadata: int) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata = tuple((f"clearway-{name.replace('_', '-')}", str(value)) for name, value in metadata.items())


def taken_over(agent_id: str) -> RefusalError:
    """A newer stream of the same agent is there."""
    return RefusalError(grpc.StatusCode.ABORTED, "fenced", f"a newer stream of agent {agent_id!r} took over")


def exhausted(reason: str, message: str) -> RefusalError:
    """An agent asks for more than its share; later it may be there."""
    return RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, reason, message)


def store_refuses(error: StoreError) -> RefusalError:
    """Nothing of the batch was stored, and trying again later may help."""
    if isinstance(error, StoreFullError):
        return RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, "store_full", f"the store is full: {error}")
    return RefusalError(grpc.StatusCode.UNAVAILABLE, "store_unavailable", f"the store cannot be written now: {error}")
