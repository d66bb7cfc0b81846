"""The parts of a motion JPEG (RFC 2046, section 5.1, as cameras understand it)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from edge_agent.capture.source import SourceError

_MAX_HEADER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A picture's bytes, and when the camera says that it was taken."""

    data: bytes
    sent_at: datetime | None


class Parts:
    """Takes bytes as they come and gives whole parts.

    Cameras write the boundary with or without its dashes, and some leave out the length of a part: such a part ends
    where the next boundary begins. Raises ``SourceError`` when a part is longer than ``max_bytes``.
    """

    def __init__(self, boundary: object, max_bytes: int) -> None:
        text = boundary if isinstance(boundary, str) else ""
        self._mark = b"--" + text.strip().strip('"').lstrip("-").encode("latin-1", "replace")
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._length: int | None = None
        self._sent_at: datetime | None = None
        self._in_part = False
        self._searched = 0

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """The parts that these bytes complete."""
        self._buffer += chunk
        while True:
            if not self._in_part and not self._read_header():
                return
            end = self._end()
            if end is None:
                if len(self._buffer) > self._max_bytes + _MAX_HEADER_BYTES:
                    raise SourceError("the camera sends a part that is longer than any picture: correct the address")
                return
            data = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._in_part, self._searched = False, 0
            if data:
                yield Part(data, self._sent_at)

    def _read_header(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        skip = 4
        if end < 0:
            end, skip = self._buffer.find(b"\n\n"), 2
        if end < 0:
            if len(self._buffer) > _MAX_HEADER_BYTES:
                raise SourceError("the camera sends no motion JPEG, whatever it says: correct the address")
            return False
        self._length, self._sent_at = None, None
        for line in bytes(self._buffer[:end]).decode("latin-1").splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() == "content-length" and value.strip().isdigit():
                self._length = int(value)
            elif name.strip().lower() == "x-timestamp":
                self._sent_at = _moment(value)
        if self._length is not None and self._length > self._max_bytes:
            raise SourceError("the camera sends a part that is longer than any picture: correct the address")
        del self._buffer[: end + skip]
        self._in_part = True
        return True

    def _end(self) -> int | None:
        if self._length is not None:
            return self._length if len(self._buffer) >= self._length else None
        end = self._buffer.find(self._mark, self._searched)
        self._searched = max(0, len(self._buffer) - len(self._mark))
        return None if end < 0 else end


def _moment(text: str) -> datetime | None:
    """Unix seconds, as mjpg-streamer and others write them."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (OverflowError, OSError, ValueError):
        return None
