"""From packets to pictures, with as little decoding as the sampling allows."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_agent.capture.capture_status import CaptureCounts
from edge_agent.capture.clock import MediaClock
from edge_agent.capture.sampling import Sampling

VideoPacket: TypeAlias = "Packet[VideoStream]"

_HEALED_S = 10
"""After damage, pictures lean on what is missing until the next key frame. A stream without key frames refreshes itself
piece by piece; this long after the damage it is taken to have done so."""
_READ_ATTEMPTS = 10
"""Places in a row at which a damaged container may fail before the rest is given up."""


class Decoding:
    """The pictures of one stream in presentation order, with their timestamps.

    Pictures that nothing else leans on are not decoded unless they may be due. What cannot be decoded, and what leans
    on it, is counted as broken and left out: a smeared picture shows things that are not there.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: MediaClock,
        sampling: Sampling,
        counts: CaptureCounts,
    ) -> None:
        self._container = container
        self._stream = stream
        self._clock = clock
        self._sampling = sampling
        self._counts = counts
        self._context = stream.codec_context
        # One thread: with several, a decoder reports an error late and by luck of timing.
        self._context.thread_type = "SLICE"
        self._context.thread_count = 1
        rate = stream.average_rate
        interval = 1 / Fraction(rate) if rate else sampling.period
        self._interval = interval
        self._spares = interval * 4 < sampling.period
        self._intra_only = bool(self._context.codec.intra_only)
        self._time_base = stream.time_base or Fraction(1, 1_000_000)
        self._awaited: dict[int, bool] = {}
        self._broken_at: int | None = None
        self._damaged = False

    def pictures(self) -> Iterator[tuple[int | None, VideoFrame]]:
        """(timestamp in the stream's time base, picture) of each decoded picture."""
        for packet in self._packets():
            if packet.is_corrupt:
                self._counts.frames_broken += 1
                self._damage(packet.pts)
                continue
            spare = self._is_spare(packet)
            if spare and self._intra_only:
                self._counts.frames_skipped += 1
                continue
            self._context.skip_frame = "NONREF" if spare else "DEFAULT"
            if packet.pts is not None and not packet.is_discard:
                self._awaited[packet.pts] = spare
            yield from self._decode(packet)
        self._context.skip_frame = "DEFAULT"
        yield from self._decode(None)
        self._settle(None)

    def _packets(self) -> Iterator[VideoPacket]:
        failures = 0
        while failures < _READ_ATTEMPTS:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    if packet.size:  # an empty one would tell the decoder that the stream has ended
                        yield packet
                return
            except FFmpegError:
                failures += 1
                self._counts.frames_broken += 1

    def _is_spare(self, packet: VideoPacket) -> bool:
        if not self._spares or packet.pts is None:
            return False
        media_time = self._clock.media_time(packet.pts)
        if media_time is None:
            return False
        if self._intra_only:
            return not self._sampling.is_due(media_time)
        return not self._sampling.may_become_due(media_time, self._interval)

    def _decode(self, packet: VideoPacket | None) -> Iterator[tuple[int | None, VideoFrame]]:
        try:
            pictures = self._context.decode(packet)
        except FFmpegError:
            timestamp = packet.pts if packet is not None else None
            if timestamp is not None:
                self._awaited.pop(timestamp, None)
            self._counts.frames_broken += 1
            self._damage(timestamp)
            return
        for picture in pictures:
            self._settle(picture.pts)
            if picture.is_corrupt:
                self._counts.frames_broken += 1
                self._damage(picture.pts)
            elif self._damaged and not self._is_healed(picture):
                self._counts.frames_broken += 1
            else:
                self._damaged = False
                yield picture.pts, picture

    def _damage(self, timestamp: int | None) -> None:
        self._damaged = True
        self._broken_at = timestamp

    def _is_healed(self, picture: VideoFrame) -> bool:
        if picture.key_frame:
            return True
        if picture.pts is None or self._broken_at is None:
            return False
        return (picture.pts - self._broken_at) * self._time_base > _HEALED_S

    def _settle(self, shown: int | None) -> None:
        """Count the packets that went in before ``shown``, should have come out before it, and never did."""
        lost = []
        for timestamp in self._awaited:
            if timestamp == shown:
                break
            if shown is None or timestamp < shown:
                lost.append(timestamp)
        if shown is not None:
            self._awaited.pop(shown, None)
        for timestamp in lost:
            if self._awaited.pop(timestamp):
                self._counts.frames_skipped += 1
            else:
                self._counts.frames_broken += 1
