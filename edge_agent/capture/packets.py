"""Packets of a stream, each with its time on the stream's own clock."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from threading import Event
from typing import Final, TypeAlias

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from edge_agent.capture.source import SourceError

VideoPacket: TypeAlias = "Packet[VideoStream]"
Timed: TypeAlias = tuple[float | None, VideoPacket]
"""A packet and its time on the stream's own clock, seconds."""
Packets = Callable[[Event], Iterator[Timed]]

USUAL_FPS = 25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def live_packets(
    container: InputContainer, stream: VideoStream, stalled: Callable[[FFmpegError], SourceError]
) -> Packets:
    """The packets of a stream that comes at its own pace."""
    time_base = stream.time_base or Fraction(1, 1_000_000)

    def packets(stop: Event) -> Iterator[Timed]:
        try:
            for packet in whole_pictures(container.demux(stream)):
                at = packet.pts if packet.pts is not None else packet.dts
                yield (None if at is None else float(at * time_base)), packet
        except FFmpegError as error:
            raise stalled(error) from None

    return packets


def whole_pictures(packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
    """Packets of which each is a whole picture.

    Some cameras mark the end of each slice as that of the picture, so that one picture comes as several packets of the
    same time. From the first such one on a packet is held back until the next picture begins.
    """
    sliced = False
    held: list[VideoPacket] = []
    last: int | None = None
    for packet in packets:
        if not packet.size:
            continue
        same = packet.pts is not None and packet.pts == last
        last = packet.pts
        if same and not sliced:
            sliced = True  # the part before has gone already
            continue
        if not sliced:
            yield packet
            continue
        if held and not same:
            yield _joined(held)
            held = []
        held.append(packet)
    if held:
        yield _joined(held)


def _joined(parts: list[VideoPacket]) -> VideoPacket:
    first = parts[0]
    if len(parts) == 1:
        return first
    whole: VideoPacket = Packet(b"".join(bytes(part) for part in parts))  # type: ignore[assignment]
    whole.pts, whole.dts, whole.time_base = first.pts, first.dts, first.time_base
    whole.is_keyframe = any(part.is_keyframe for part in parts)
    whole.is_corrupt = any(part.is_corrupt for part in parts)
    for part in parts:
        if part.has_sidedata(_SENDER_TIME):
            whole.set_sidedata(part.get_sidedata(_SENDER_TIME))
            break
    return whole


_SENDER_TIME: Final = "prft"
"""FFmpeg's "producer reference time", which it works out from RTCP sender reports."""


def sent_at(packet: VideoPacket) -> datetime | None:
    """When the camera says that a packet's picture was taken (RTCP sender reports, RFC 3550, section 6.4.1)."""
    if not packet.has_sidedata(_SENDER_TIME):
        return None
    (wall_us,) = struct.unpack_from("<q", bytes(packet.get_sidedata(_SENDER_TIME)))
    try:
        return _EPOCH + timedelta(microseconds=wall_us)
    except OverflowError:
        return None


def looped_packets(container: InputContainer, stream: VideoStream) -> Packets:
    """The packets of a file in real time, from the beginning again at its end."""
    time_base = stream.time_base or Fraction(1, 1_000_000)
    interval_s = float(1 / (stream.average_rate or Fraction(USUAL_FPS)))

    def packets(stop: Event) -> Iterator[Timed]:
        began_s = time.monotonic()
        before_s = 0.0
        while not stop.is_set():
            first_s: float | None = None
            last_s = before_s
            for packet in container.demux(stream):
                decoded_at = packet.dts if packet.dts is not None else packet.pts
                if not packet.size or decoded_at is None:
                    continue
                sent_s = float(decoded_at * time_base)
                first_s = sent_s if first_s is None else first_s
                at_s = before_s + sent_s - first_s
                stop.wait(max(0.0, began_s + at_s - time.monotonic()))
                if stop.is_set():
                    return
                shown_s = at_s if packet.pts is None else at_s + float((packet.pts - decoded_at) * time_base)
                last_s = max(last_s, shown_s)
                yield shown_s, packet
            if first_s is None:
                raise SourceError("the file holds no pictures that can be played")
            before_s = last_s + interval_s
            container.seek(0)

    return packets
