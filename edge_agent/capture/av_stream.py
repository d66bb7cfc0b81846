"""A live stream that FFmpeg reads: RTSP, a device, a file that plays again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from threading import Event

from av.container import InputContainer
from av.video.stream import VideoStream

from edge_agent.capture.capture_status import CaptureCounts
from edge_agent.capture.decode_plan import DecodeMode, DecodePlan
from edge_agent.capture.decoder import DecodedPicture, Decoder, KeyPicture
from edge_agent.capture.live_clock import LiveClock
from edge_agent.capture.live_sampling import LiveSampling
from edge_agent.capture.meter import RateMeter
from edge_agent.capture.packets import USUAL_FPS, Packets, VideoPacket, sent_at
from edge_agent.capture.shot import BrokenPictureError, Shot
from edge_agent.capture.source import SourceError

_UNDUE_INTERVALS = 1.5
"""A packet so many frame intervals before the due time may be the first after it: cameras jitter."""


_MOST_FED = 64
"""Pictures that a decoder owes: it holds back sixteen at most, and never gives those that it was told to skip."""


@dataclass(frozen=True, slots=True)
class _Fed:
    """The times of a packet that was fed to the decoder."""

    at_s: float
    taken_s: float
    sent_at: datetime | None


class AvStream:
    """Reads packets as they come and decodes as few as the plan allows. Never waits for whoever looks."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        packets: Packets,
        plan: DecodePlan,
        sampling: LiveSampling,
        clock: LiveClock,
        counts: CaptureCounts,
        rate: RateMeter,
        *,
        name: str,
        hardware: bool,
        reliable: bool,
        keys_apart: bool = False,
    ) -> None:
        self._name = name
        self._container = container
        self._packets = packets
        self._plan = plan
        self._sampling = sampling
        self._clock = clock
        self._counts = counts
        self._rate = rate
        self._decoder = Decoder(stream, may_relent=reliable, keys_apart=keys_apart)
        self._wants_hardware = hardware
        self._time_base = stream.time_base or Fraction(1, 1_000_000)
        fps = stream.average_rate or stream.guessed_rate or Fraction(USUAL_FPS)
        self._interval_s = 1 / float(fps)
        self._undue_s = _UNDUE_INTERVALS * self._interval_s
        self._linked = False
        self._fed: dict[int | None, _Fed] = {}
        self._clock_in_use = (-1, False)
        clock.restart()

    @property
    def hardware(self) -> str | None:
        """The hardware that decodes, if any does."""
        return self._decoder.hardware

    def shots(self, stop: Event) -> Iterator[Shot]:
        """The pictures that are due. Raises ``SourceError`` when the stream stalls or ends."""
        for stream_s, packet in self._packets(stop):
            arrived_s = time.monotonic()
            taken_s = self._clock.taken_s(stream_s, arrived_s)
            self._rate.count(taken_s)
            if (self._clock.leaps, stream_s is None) != self._clock_in_use:
                self._clock_in_use = self._clock.leaps, stream_s is None
                self._plan.restart()
                self._sampling.restart()
            # Due is what the camera's own clock says: packets of a backlog arrive together.
            at_s = arrived_s if stream_s is None else stream_s
            self._plan.see(packet.is_keyframe, at_s)
            if packet.is_corrupt:
                self._break()
            elif self._plan.mode is DecodeMode.KEYFRAMES:
                self._linked = False
                if packet.is_keyframe and self._sampling.take(at_s, self._plan.gop_s or self._sampling.period_s):
                    yield Shot(KeyPicture(self._decoder, packet), taken_s, sent_at(packet))
                else:
                    self._counts.frames_skipped += 1
            else:
                yield from self._linked_shots(packet, at_s, taken_s)
            if stop.is_set():
                return
        raise SourceError(f"{self._name}: the camera has ended the stream")

    def _linked_shots(self, packet: VideoPacket, at_s: float, taken_s: float) -> Iterator[Shot]:
        if not self._link(packet):
            self._counts.frames_skipped += 1
            return
        now = _Fed(at_s, taken_s, sent_at(packet))
        if len(self._fed) >= _MOST_FED:
            self._fed.clear()
        self._fed[packet.pts] = now
        spares = self._plan.mode is DecodeMode.SAMPLED
        undue = spares and not self._sampling.is_due(at_s + self._undue_s, self._interval_s)
        try:
            frames = self._decoder.next(packet, "NONREF" if undue else "DEFAULT")
        except BrokenPictureError:
            self._break()
            return
        taken = 0
        for frame in frames:
            # A picture that others lean on comes out after them, and late: its times are those of its own packet.
            fed = self._fed.pop(frame.pts, now)
            if self._sampling.take(fed.at_s, self._interval_s):
                taken += 1
                yield Shot(DecodedPicture(frame), fed.taken_s, fed.sent_at)
        if not taken:
            self._counts.frames_skipped += 1
        if taken and spares and self._plan.next_key_will_do(self._sampling):
            self._linked = False  # until then nothing is due, so that nothing need be decoded

    def _link(self, packet: VideoPacket) -> bool:
        """True if all that the packet leans on has been decoded."""
        if not self._linked and (packet.is_keyframe or self._plan.without_keys):
            self._decoder.forget()
            if self._wants_hardware and self._decoder.hardware is None:
                self._wants_hardware = False
                self._decoder.use_hardware()
            self._linked = True
        return self._linked

    def _break(self) -> None:
        self._counts.frames_broken += 1
        if not self._plan.without_keys:
            self._linked = False

    def close(self) -> None:
        """Let go of the connection."""
        self._decoder.close()
        self._container.close()
