"""Messages that are nearly right: seeded mutations of real ones, made with and without regard for their structure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

_INTERESTING = (0, 1, 127, 128, 255, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_FLOATS = (b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\x7f", b"\0\0\0\0\0\0\xf0\xff", b"\xff" * 8, b"\0" * 7 + b"\x80")
_TEXTS = (
    b"",
    b"\0",
    b"\xff\xfe",
    "\u202e".encode(),
    b"../../etc/passwd",
    b"'; DROP TABLE agents; --",
    b"%s%n",
    b"\n{}",
)
MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Field:
    """One field on the wire: number, wire type, and its bytes without the tag (for type 2 without the length)."""

    number: int
    kind: int
    data: bytes

    def encoded(self) -> bytes:
        tag = varint(self.number << 3 | self.kind)
        return tag + varint(len(self.data)) + self.data if self.kind == 2 else tag + self.data


def varint(value: int) -> bytes:
    """A base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fields_of(data: bytes) -> list[Field] | None:
    """A message's fields in order; None if these bytes are none."""
    found, place = [], 0
    while place < len(data):
        tag, place = _read_varint(data, place)
        if tag is None or not tag >> 3:
            return None
        kind = tag & 7
        if kind == 0:
            value, end = _read_varint(data, place)
            if value is None:
                return None
        elif kind in (1, 5):
            end = place + (8 if kind == 1 else 4)
        elif kind == 2:
            length, place = _read_varint(data, place)
            if length is None:
                return None
            end = place + length
        else:
            return None
        if end > len(data):
            return None
        found.append(Field(tag >> 3, kind, data[place:end]))
        place = end
    return found


def _read_varint(data: bytes, place: int) -> tuple[int | None, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    return None, place


class Mutator:
    """Draws mutations; the same seed and corpus give the same messages."""

    def __init__(self, seed: int, corpus: list[bytes]) -> None:
        self._chance = random.Random(seed)
        self._corpus = corpus
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flip_bits,
            self._cut,
            self._insert,
            self._repeat,
            self._splice,
            self._nest,
            self._huge_varint,
            *(self._inside,) * 20,
        )

    def mutated(self, message: bytes) -> bytes:
        """The message, changed in one to three ways."""
        for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
            message = self._chance.choice(self._ways)(message)
        return message[:MAX_BYTES]

    def _flip_bits(self, data: bytes) -> bytes:
        out = bytearray(data or b"\0")
        for _ in range(self._chance.choice((1, 1, 2, 8))):
            out[self._chance.randrange(len(out))] ^= 1 << self._chance.randrange(8)
        return bytes(out)

    def _cut(self, data: bytes) -> bytes:
        return data[: self._chance.randrange(len(data) + 1)]

    def _insert(self, data: bytes) -> bytes:
        place = self._chance.randrange(len(data) + 1)
        return data[:place] + self._chance.randbytes(self._chance.choice((1, 2, 8, 64))) + data[place:]

    def _repeat(self, data: bytes) -> bytes:
        return data * self._chance.choice((2, 3, 50))

    def _splice(self, data: bytes) -> bytes:
        other = self._chance.choice(self._corpus)
        return data[: self._chance.randrange(len(data) + 1)] + other[self._chance.randrange(len(other) + 1) :]

    def _nest(self, data: bytes) -> bytes:
        """Deeper than any message is: groups and messages in messages."""
        deep = self._chance.choice((10, 99, 101, 500, 5000))
        if self._chance.random() < 0.3:
            return varint(self._chance.randrange(1, 30) << 3 | 3) * deep
        number = self._chance.choice((1, 2, 3, 10, 22))
        for _ in range(deep):
            data = Field(number, 2, data).encoded()
            if len(data) > MAX_BYTES:
                break
        return data

    def _huge_varint(self, data: bytes) -> bytes:
        return (
            data + varint(self._chance.randrange(1, 30) << 3) + b"\xff" * self._chance.choice((9, 10, 11, 40)) + b"\1"
        )

    def _inside(self, data: bytes, depth: int = 0) -> bytes:
        """One field, somewhere within, gets another value, type, number or neighbour."""
        fields = fields_of(data)
        if not fields:
            return self._flip_bits(data)
        place = self._chance.randrange(len(fields))
        field = fields[place]
        if field.kind == 2 and depth < 8 and fields_of(field.data) and self._chance.random() < 0.75:
            fields[place] = Field(field.number, 2, self._inside(field.data, depth + 1))
        else:
            fields[place : place + 1] = self._changed(field, fields)
        return b"".join(each.encoded() for each in fields)

    def _changed(self, field: Field, beside: list[Field]) -> list[Field]:
        draw = self._chance.randrange(6)
        if draw == 0:
            return []
        if draw == 1:
            return [field] * self._chance.choice((2, 70, 300))
        if draw == 2:
            return [Field(self._chance.randrange(1, 40), field.kind, field.data)]
        if draw == 3:
            return [Field(field.number, 2, self._chance.choice(self._corpus))]
        if draw == 4:
            return [field, self._chance.choice(beside)]
        return [Field(field.number, field.kind, self._value(field))]

    def _value(self, field: Field) -> bytes:
        if field.kind == 0:
            return varint(self._chance.choice(_INTERESTING))
        if field.kind == 1:
            return self._chance.choice(_FLOATS)
        if field.kind == 5:
            return self._chance.choice((b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff", b"\xff\xff\x7f\x7f"))
        size = self._chance.choice((1, 65, 129, 300, 5000))
        return self._chance.choice((*_TEXTS, b"x" * size, self._chance.randbytes(size)))
