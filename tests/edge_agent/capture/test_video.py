"""Recordings as sources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from edge_agent.capture.sampling import Sampling
from edge_agent.capture.source import SourceError
from edge_agent.capture.video import VideoSource

MakeVideo = Callable[..., Path]
NumberOf = Callable[[np.ndarray], int]

STEADY_MS = range(0, 12_000, 100)
UNSTEADY_MS = [0, 40, 90, 260, 410, 1020, 1100, 1190, 2600, 2640, 2990, 3010, 7430, 7470, 8000, 8040]


def media_times(source: VideoSource) -> list[float]:
    return [frame.media_time_s for frame in source.frames()]


def test_a_variable_frame_rate_keeps_every_frame_at_its_own_time(make_video: MakeVideo, number_of: NumberOf) -> None:
    source = VideoSource(make_video("unsteady.mkv", UNSTEADY_MS), 0.01)
    seen = [(frame.media_time_s, number_of(frame.image)) for frame in source.frames()]
    assert seen == [(at_ms / 1000, number) for number, at_ms in enumerate(UNSTEADY_MS)]


def test_a_sample_is_the_first_frame_of_its_period_and_a_gap_shows(make_video: MakeVideo) -> None:
    source = VideoSource(make_video("unsteady.mp4", UNSTEADY_MS, b_frames=0), 1.0)
    assert media_times(source) == [0.0, 1.02, 2.6, 3.01, 7.43, 8.0]
    assert source.counts.frames_analysed == 6
    assert source.counts.frames_skipped == len(UNSTEADY_MS) - 6


@pytest.mark.parametrize("name", ["late.ts", "late.mkv"])
def test_media_time_is_zero_at_the_first_frame_of_a_container_that_starts_late(
    make_video: MakeVideo, name: str
) -> None:
    source = VideoSource(make_video(name, range(5_000, 8_000, 100), b_frames=0), 1.0)
    assert media_times(source) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("codec", "name"), [("libx264", "a.mp4"), ("mpeg4", "a.avi"), ("mjpeg", "a.mkv")])
def test_decoding_less_gives_the_same_frames(
    make_video: MakeVideo, number_of: NumberOf, monkeypatch: pytest.MonkeyPatch, codec: str, name: str
) -> None:
    path = make_video(name, STEADY_MS, codec=codec, gop=40)
    sparing = VideoSource(path, 1.0)
    seen = [(frame.media_time_s, number_of(frame.image), frame.image.tobytes()) for frame in sparing.frames()]
    monkeypatch.setattr(Sampling, "may_become_due", lambda *_: True)
    monkeypatch.setattr(Sampling, "is_due", lambda *_: True)
    thorough = VideoSource(path, 1.0)
    assert seen == [(f.media_time_s, number_of(f.image), f.image.tobytes()) for f in thorough.frames()]
    assert [number for _, number, _ in seen] == list(range(0, 120, 10))
    assert sparing.counts == thorough.counts
    assert sparing.counts.frames_skipped == 108


def test_the_same_file_gives_the_same_bytes_twice(make_video: MakeVideo) -> None:
    source = VideoSource(make_video("a.mp4", STEADY_MS), 0.5)
    assert [f.image.tobytes() for f in source.frames()] == [f.image.tobytes() for f in source.frames()]


@pytest.mark.parametrize("name", ["torn.ts", "torn.mkv", "torn.mp4"])
def test_damage_in_the_middle_costs_only_what_leans_on_it(
    make_video: MakeVideo, number_of: NumberOf, name: str
) -> None:
    path = make_video(name, STEADY_MS, gop=10, b_frames=0)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1200] = np.random.default_rng(3).bytes(1200)
    path.write_bytes(data)
    source = VideoSource(path, 0.1)
    seen = [(frame.media_time_s, number_of(frame.image)) for frame in source.frames()]
    assert source.counts.frames_broken >= 1
    assert 95 <= len(seen) < 120
    assert [time for time, _ in seen] == pytest.approx([number / 10 for _, number in seen], abs=0.002)
    assert seen[-1][1] == 119


@pytest.mark.parametrize("name", ["cut.ts", "cut.mkv", "cut.avi"])
def test_a_recording_that_ends_too_early_gives_the_frames_that_are_there(make_video: MakeVideo, name: str) -> None:
    path = make_video(name, STEADY_MS, b_frames=0)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    times = media_times(VideoSource(path, 1.0))
    assert 5 <= len(times) <= 8
    assert times == pytest.approx(list(range(len(times))), abs=0.002)


def test_two_recordings_in_one_file_play_one_after_the_other(make_video: MakeVideo) -> None:
    first = make_video("first.ts", range(20_000, 23_000, 100), b_frames=0)
    second = make_video("second.ts", range(0, 2_000, 100), size=(256, 128), b_frames=0)
    first.write_bytes(first.read_bytes() + second.read_bytes())
    source = VideoSource(first, 1.0)
    frames = list(source.frames())
    times = [frame.media_time_s for frame in frames]
    assert times == pytest.approx([0, 1, 2, 3, 4], abs=0.101)
    assert source.counts.clock_restarts == 1
    assert [(frame.width, frame.height) for frame in frames] == [(192, 96)] * 3 + [(256, 128)] * 2
    assert source.counts.size_changes == 1


def test_a_frame_is_captured_at_the_start_plus_its_media_time(make_video: MakeVideo) -> None:
    path = make_video("a.mp4", STEADY_MS)
    started = datetime(2026, 5, 17, 7, 0, tzinfo=UTC)
    frames = list(VideoSource(path, 2.5, started).frames())
    assert frames[1].media_time_s == 2.5
    assert frames[1].captured_at == datetime(2026, 5, 17, 7, 0, 2, 500_000, tzinfo=UTC)


def test_without_a_start_the_files_own_counts_and_else_1970(make_video: MakeVideo) -> None:
    dated = make_video("dated.mp4", STEADY_MS, metadata={"creation_time": "2024-02-03T19:52:00Z"})
    assert next(VideoSource(dated, 1.0).frames()).captured_at == datetime(2024, 2, 3, 19, 52, tzinfo=UTC)
    undated = make_video("undated.mp4", STEADY_MS)
    assert next(VideoSource(undated, 1.0).frames()).captured_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_probing_says_what_the_file_is(make_video: MakeVideo) -> None:
    info = VideoSource(make_video("a.mp4", STEADY_MS), 1.0).probe()
    assert (info.width, info.height, info.fps) == (192, 96, 10.0)
    assert info.duration_s == pytest.approx(12.0, abs=0.2)
    assert info.details["codec"] == "h264"


def _text(path: Path) -> None:
    path.write_text("this is no film\n" * 200)


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("make", "said"),
    [(_text, "not a video"), (_nothing, "not a video"), (_sound, "no video stream"), (None, "no such file")],
)
def test_what_is_no_video_is_refused_by_name(tmp_path: Path, make: Callable[[Path], None] | None, said: str) -> None:
    path = tmp_path / "street.mp4"
    if make is not None:
        make(path)
    for read in (VideoSource(path, 1.0).probe, lambda: list(VideoSource(path, 1.0).frames())):
        with pytest.raises(SourceError, match=said) as refused:
            read()
        assert str(path) in str(refused.value)


def test_an_mp4_that_was_cut_off_before_its_index_says_so(make_video: MakeVideo) -> None:
    path = make_video("cut.mp4", STEADY_MS)
    path.write_bytes(path.read_bytes()[:-6000])
    with pytest.raises(SourceError, match="damaged or was not finished"):
        list(VideoSource(path, 1.0).frames())


def test_a_file_of_which_no_picture_can_be_decoded_says_so(make_video: MakeVideo) -> None:
    path = make_video("hollow.mkv", STEADY_MS)
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = path.read_bytes()
    for packet in packets:
        data = data.replace(packet, b"\x00" * len(packet))
    path.write_bytes(data)
    source = VideoSource(path, 1.0)
    with pytest.raises(SourceError, match="no picture that can be decoded"):
        list(source.frames())
    assert source.counts.frames_broken >= 100


def test_a_bare_stream_without_timestamps_is_refused(make_video: MakeVideo) -> None:
    path = make_video("a.h264", STEADY_MS, b_frames=0)
    with pytest.raises(SourceError, match="no timestamps"):
        list(VideoSource(path, 1.0).frames())


@pytest.mark.footage
def test_a_recording_that_starts_between_key_frames_starts_with_its_first_whole_picture(footage: Path) -> None:
    source = VideoSource(footage / "real/street_parked/parked_street_73s.mp4", 1.0)
    times = media_times(source)
    assert (times[0], len(times)) == (0.0, 74)
    assert times[-1] == pytest.approx(73.0, abs=0.1)
    assert source.counts.frames_broken == 19
