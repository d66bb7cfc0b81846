"""HTTP/2 frames by hand (RFC 9113, RFC 7541): what a library would refuse to send."""

from __future__ import annotations

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
CONNECT = b"/clearway.v1.IngestService/Connect"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", *, says_bytes: int | None = None) -> bytes:
    """A frame; ``says_bytes`` is a length that is not the payload's."""
    length = len(payload) if says_bytes is None else says_bytes
    return length.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def opening(**settings: int) -> bytes:
    """Preface and SETTINGS; settings by number, as ``s1=0``."""
    payload = b"".join(int(name[1:]).to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in settings.items())
    return PREFACE + frame(SETTINGS, 0, 0, payload)


def header(name: bytes, value: bytes) -> bytes:
    """A literal header field without indexing, without Huffman coding."""
    return b"\x00" + _length(name) + name + _length(value) + value


def call(stream: int, path: bytes = CONNECT, extra: bytes = b"", flags: int = END_HEADERS) -> bytes:
    """The headers that begin a gRPC call."""
    block = b"".join(
        header(name, value)
        for name, value in (
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":path", path),
            (b":authority", b"aggregator"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
        )
    )
    return frame(HEADERS, flags, stream, block + extra)


def message(stream: int, payload: bytes, *, says_bytes: int | None = None, compressed: int = 0) -> bytes:
    """A gRPC message in DATA frames of 16 KiB."""
    length = len(payload) if says_bytes is None else says_bytes
    body = bytes((compressed,)) + length.to_bytes(4, "big") + payload
    pieces = [body[start : start + 16_384] for start in range(0, len(body), 16_384)]
    return b"".join(frame(DATA, 0, stream, piece) for piece in pieces)


def _length(text: bytes) -> bytes:
    """An integer with a prefix of seven bits."""
    size = len(text)
    if size < 127:
        return bytes((size,))
    out, size = bytearray((127,)), size - 127
    while size > 127:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*out, size))
