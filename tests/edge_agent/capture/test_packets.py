"""Packets of live streams, from films that ffmpeg's libraries write here."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge_agent.capture.decoder import Decoder
from edge_agent.capture.frame import Image
from edge_agent.capture.open_source import open_live
from edge_agent.capture.packets import VideoPacket, whole_pictures
from edge_agent.capture.shot import BrokenPictureError
from edge_agent.capture.video import upright
from edge_agent.config import CameraConfig, StreamConfig

MakeVideo = Callable[..., Path]
NumberOf = Callable[[np.ndarray], int]


def part(data: bytes, pts: int | None, *, key: bool = False) -> VideoPacket:
    packet: VideoPacket = av.Packet(data)  # type: ignore[assignment]
    packet.pts = packet.dts = pts
    packet.time_base = Fraction(1, 1000)
    packet.is_keyframe = key
    return packet


def test_slices_that_come_as_packets_of_their_own_are_put_together() -> None:
    parts = [part(b"k0", 0, key=True), part(b"k1", 0), part(b"p0", 40), part(b"p1", 40), part(b"q0", 80, key=True)]
    whole = [(bytes(packet), packet.pts, packet.is_keyframe) for packet in whole_pictures([*parts, part(b"q1", 80)])]
    assert whole == [
        (b"k0", 0, True),
        (b"p0p1", 40, False),
        (b"q0q1", 80, True),
    ]  # the first shows that there are slices


def test_whole_pictures_are_passed_on_at_once() -> None:
    given: list[VideoPacket] = []

    def stream() -> object:
        for number in range(3):
            given.append(part(b"x", number))
            yield given[-1]

    for number, packet in enumerate(whole_pictures(stream())):  # type: ignore[arg-type]
        assert packet is given[-1]
        assert len(given) == number + 1


@pytest.mark.parametrize("keys_apart", [False, True])
@pytest.mark.parametrize("lost", ["a packet", "the rest", "a slice"])
def test_damage_is_said_and_never_shown(make_video: MakeVideo, lost: str, keys_apart: bool) -> None:
    path = make_video("a.mkv", range(0, 4000, 100), size=(640, 384), gop=10, b_frames=0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = Decoder(stream, may_relent=False, keys_apart=keys_apart)
        for packet in container.demux(stream):
            if not packet.is_keyframe:
                continue
            assert decoder.one(packet).width == 640
            data = bytes(packet)
            middle = len(data) // 2
            torn = {"a packet": data[:middle] + data[middle + 1400 :], "the rest": data[:middle], "a slice": data[:40]}
            damaged = part(torn[lost], packet.pts, key=True)
            with pytest.raises(BrokenPictureError):
                decoder.one(damaged)
            assert not decoder.one(packet).is_corrupt


def test_a_key_frame_with_a_decoder_of_its_own_shows_the_same_and_disturbs_no_other(make_video: MakeVideo) -> None:
    path = make_video("a.mkv", range(0, 2000, 100), size=(640, 384), gop=5, b_frames=0)

    def shown(*, keys_apart: bool) -> tuple[list[Image], list[Image]]:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            decoder = Decoder(stream, may_relent=True, keys_apart=keys_apart)
            keys, all_of_them = [], []
            for packet in container.demux(stream):
                if packet.size:
                    all_of_them += [upright(frame) for frame in decoder.next(packet, "DEFAULT")]
                if packet.is_keyframe and keys_apart:
                    keys.append(upright(decoder.one(packet)))
            return keys, all_of_them

    keys, beside = shown(keys_apart=True)
    _, alone = shown(keys_apart=False)
    assert len(keys) == 4
    assert all(np.array_equal(one, other) for one, other in zip(beside, alone, strict=True))
    for key, other in zip(keys, alone[::5], strict=False):
        assert cv2.PSNR(key, other) > 40  # without the filter at the end, which smooths the borders of blocks


@pytest.mark.parametrize("decode", ["keyframes", "sampled", "all"])
def test_a_looped_film_is_a_camera_that_never_ends_in_each_decode_mode(
    make_video: MakeVideo, number_of: NumberOf, decode: str
) -> None:
    path = make_video("a.mkv", range(0, 1000, 100), gop=5, b_frames=2 if decode == "all" else 0)
    settings = StreamConfig(decode=decode)  # type: ignore[arg-type]
    source = open_live(CameraConfig("gate", str(path), loop=True, period_s=0.5, stream=settings))
    seen = []
    for frame in source.frames():
        seen.append((frame.media_time_s, number_of(frame.image)))
        if len(seen) == 7:
            break
    assert [number % 5 for _, number in seen] == [0] * 7
    assert {number for _, number in seen} == {0, 5}
    apart = [after - before for (before, _), (after, _) in pairwise(seen)]
    # By the first ones the clock learns the least delay; one that this machine was too busy to look at is left out.
    periods = [seconds / 0.5 for seconds in apart[2:]]
    assert all(round(each) >= 1 and abs(each - round(each)) < 0.3 for each in periods)
    assert source.counts.clock_restarts == 0
    status = source.status()
    assert (status.decode, status.kind.value) == (decode, "loop")


def test_between_key_frames_only_what_is_due_is_decoded(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = []
    decode = Decoder.next

    def count(self: Decoder, packet: VideoPacket, skip: object) -> object:
        fed.append(packet)
        return decode(self, packet, skip)  # type: ignore[arg-type]

    monkeypatch.setattr(Decoder, "next", count)
    path = make_video("a.mkv", range(0, 1000, 100), gop=10, b_frames=0)
    source = open_live(CameraConfig("gate", str(path), loop=True, period_s=0.5))
    seen = [frame for frame, _ in zip(source.frames(), range(8), strict=False)]
    assert source.status().decode == "sampled"
    assert len(seen) == 8
    # Of each second those up to the picture in its middle: little more than half.
    assert len(fed) < 0.75 * (source.counts.frames_skipped + source.counts.frames_analysed)
