"""The decoder of one live stream."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Literal

import structlog
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_agent.capture.frame import Image
from edge_agent.capture.shot import BrokenPictureError
from edge_agent.capture.video import upright

Skip = Literal["DEFAULT", "NONREF"]

_DEVICES = {"cuda": Path("/dev/nvidia0"), "vaapi": Path("/dev/dri/renderD128"), "qsv": Path("/dev/dri/renderD128")}
"""Hardware decoders that FFmpeg may have been built with, and what there is when the hardware is there too."""
_CAREFUL = {"err_detect": "crccheck+bitstream+buffer+explode"}
"""A decoder that conceals damage makes pictures that show things that are not there: it is to say so instead."""
_CAREFUL_CODECS = ("h264", "hevc")
"""Others are not asked: FFmpeg's own JPEG of RTP (RFC 2435) is refused so, and one that lacks a packet never comes."""
_UNFILTERED = {"skip_loop_filter": "all"}
"""H.264 and H.265 smooth the borders of blocks at the end, for the sake of the pictures that follow. Of a key frame
that is looked at by itself it changes nothing that could be seen (53 to 55 dB), and costs a tenth."""
_RELENT_AFTER = 5
"""So many damaged pictures and no whole one over a network that loses nothing: the camera's encoder bends the rules."""


class Decoder:
    """One thread, whatever the stream. The thread that reads and the one that looks may both use it.

    Raises ``BrokenPictureError`` for damage. With ``may_relent`` a stream of which it refuses every picture is decoded
    as FFmpeg sees fit: for connections that lose nothing. With ``keys_apart`` key frames that are looked at by
    themselves have a decoder of their own, which does no more than that takes; it knows nothing of what a file says of
    its pictures, such as how they are turned.
    """

    def __init__(self, stream: VideoStream, *, may_relent: bool, keys_apart: bool = False) -> None:
        self._context: VideoCodecContext = stream.codec_context
        self._context.thread_type = "SLICE"
        self._context.thread_count = 1
        self._key_context = self._context
        if self._context.name in _CAREFUL_CODECS:
            self._context.options = dict(_CAREFUL)
        self._keys_apart = keys_apart and self._context.name in _CAREFUL_CODECS
        if self._keys_apart:
            self._key_context = self._another(_CAREFUL | _UNFILTERED)
        self._may_relent = may_relent
        self._refused = 0
        self._lock = Lock()
        self._closed = False
        self.hardware: str | None = None

    def use_hardware(self) -> None:
        """Let hardware decode from now on, if there is any that can. To be called before a key frame."""
        for device, node in _DEVICES.items():
            if device in hwdevices_available() and node.exists():
                try:
                    context = CodecContext.create(self._context.codec, "r", HWAccel(device))
                    context.extradata = self._context.extradata
                    context.open()
                except (FFmpegError, NotImplementedError, RuntimeError, ValueError) as error:
                    log = structlog.get_logger("capture")
                    log.info("hardware_decoder_not_used", device=device, why=type(error).__name__)
                    continue
                if isinstance(context, VideoCodecContext) and context.is_hwaccel:
                    with self._lock:
                        self._software, self._context, self.hardware = self._context, context, device
                    return

    def one(self, packet: Packet[VideoStream]) -> VideoFrame:
        """The picture of a key frame's packet alone, at once."""
        with self._lock:
            if self._closed:
                raise BrokenPictureError("the stream is closed")
            context = self._key_context
            context.skip_frame = "DEFAULT"
            try:
                # Without what follows a decoder may hold a picture back; drained, it gives it, and must then forget.
                frames = [*context.decode(packet), *context.decode(None)]
            except FFmpegError as error:
                self._refuse()
                raise BrokenPictureError(str(error.strerror)) from error
            finally:
                if context.is_open:
                    context.flush_buffers()
            if not frames or frames[-1].is_corrupt:
                raise BrokenPictureError("the key frame is damaged")
            self._refused = -1
            return frames[-1]

    def next(self, packet: Packet[VideoStream], skip: Skip) -> list[VideoFrame]:
        """The pictures that this packet makes ready, none that are damaged."""
        with self._lock:
            if self._closed:
                raise BrokenPictureError("the stream is closed")
            self._context.skip_frame = skip
            try:
                frames = self._context.decode(packet)
            except FFmpegError as error:
                if self.hardware is not None:
                    self._context, self.hardware = self._software, None
                else:
                    self._refuse()
                raise BrokenPictureError(str(error.strerror)) from error
            if any(frame.is_corrupt for frame in frames):
                raise BrokenPictureError("the picture is damaged")
            if frames:
                self._refused = -1
            return frames

    def forget(self) -> None:
        """Begin anew: the next packet is a key frame."""
        with self._lock:
            if self._context.is_open:
                self._context.flush_buffers()

    def close(self) -> None:
        """Decode nothing any more."""
        with self._lock:
            self._closed = True

    def _refuse(self) -> None:
        if self._refused < 0 or not self._may_relent:
            return
        self._refused += 1
        if self._refused == _RELENT_AFTER:
            structlog.get_logger("capture").warning("decoder_relents", refused=self._refused)
            self._context = self._key_context = self._another({})
            if self._keys_apart:
                self._key_context = self._another(_UNFILTERED)

    def _another(self, options: dict[str, str]) -> VideoCodecContext:
        """Another decoder of the same stream."""
        context = CodecContext.create(self._context.codec, "r")
        if not isinstance(context, VideoCodecContext):
            raise TypeError(f"{self._context.name} decodes no video")
        context.extradata = self._context.extradata
        context.thread_type, context.thread_count = "SLICE", 1
        context.options = dict(options)
        return context


class KeyPicture:
    """A key frame's packet: decoded when somebody looks, never if nobody does."""

    def __init__(self, decoder: Decoder, packet: Packet[VideoStream]) -> None:
        self._decoder = decoder
        self._packet = packet

    def develop(self) -> Image:
        """The image. Raises ``BrokenPictureError``."""
        return upright(self._decoder.one(self._packet))


class DecodedPicture:
    """A picture in the decoder's own format: made into an image when somebody looks."""

    def __init__(self, frame: VideoFrame) -> None:
        self._frame = frame

    def develop(self) -> Image:
        """The image."""
        return upright(self._frame)
