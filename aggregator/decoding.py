"""Bytes to messages: what is no message is a value too, so that its sender is told and nothing is raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from aggregator.refusal import RefusalError


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Bytes that are no message of the kind that was expected."""

    expected: str
    size_bytes: int

    def refusal(self) -> RefusalError:
        """What their sender is told."""
        return RefusalError(
            grpc.StatusCode.INVALID_ARGUMENT, "undecodable", f"{self.size_bytes} bytes that are no {self.expected}"
        )


def decoder(kind: Any) -> Callable[[bytes], Any]:
    """A function from bytes to a message of this class, or ``Undecodable``."""

    def decode(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            return Undecodable(kind.DESCRIPTOR.name, len(data))

    return decode
