"""Stills of incidents."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
import pytest

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.evidence.evidence import EvidenceRecorder, Still
from edge_agent.evidence.reference import EvidenceMoment
from edge_agent.evidence.store import EvidenceStore

ZONE = [(20.0, 20.0), (300.0, 20.0), (300.0, 220.0), (20.0, 220.0)]
SUBJECT = (180.0, 60.0, 280.0, 150.0)
PERSON = (60, 60, 110, 200)
LINES = ["van parked 5:00, limit 5:00", "model nanodet-g-416 config 0123456789abcdef"]


def a_frame(width: int = 320, height: int = 240) -> Frame:
    coarse = np.random.default_rng(5).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return Frame(image, datetime(2026, 5, 17, 7, 0, tzinfo=UTC), 300.0)


def one_person() -> Detections:
    return Detections(np.array([PERSON], np.float32), np.array([0.3], np.float32), ("person",), (ClassGroup.PERSON,))


def take(recorder: EvidenceRecorder, frame: Frame | None = None) -> Still:
    return recorder.take(frame or a_frame(), one_person(), EvidenceMoment.LIMIT, "no-parking", ZONE, SUBJECT, LINES)


def decoded(still: Still) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.astype(float).ravel(), other.astype(float).ravel())[0, 1])


def test_a_still_shows_the_subject_and_hides_the_person() -> None:
    frame = a_frame()
    still = take(EvidenceRecorder("gate"), frame)
    shown = decoded(still)
    assert likeness(shown[65:145, 185:275], frame.image[65:145, 185:275]) > 0.95
    assert likeness(shown[60:200, 60:110], frame.image[60:200, 60:110]) < 0.5
    assert still.people_masked


def test_people_are_left_visible_only_where_that_is_asked_for() -> None:
    frame = a_frame()
    still = take(EvidenceRecorder("gate", mask=False), frame)
    assert likeness(decoded(still)[60:200, 60:110], frame.image[60:200, 60:110]) > 0.95
    assert not still.people_masked


def test_the_zone_the_subject_and_the_way_through_are_drawn_in_their_places() -> None:
    grey = Frame(np.full((240, 320, 3), 128, np.uint8), datetime(2026, 5, 17, tzinfo=UTC), 0.0)
    still = EvidenceRecorder("gate").take(
        grey, Detections.empty(), EvidenceMoment.LIMIT, "deck", ZONE, SUBJECT, LINES,
        path=[(60, 210), (100, 120)], narrowest=((60, 120), (140, 120)),
    )  # fmt: skip
    drawn = np.abs(decoded(still)[:240].astype(int) - 128).sum(axis=2) > 60
    assert drawn[20, 150]
    assert drawn[100, 180]
    assert drawn[120, 130]
    assert drawn[165, 80]
    assert not drawn[40:50, 30:290].any()


@pytest.mark.parametrize(("width", "height"), [(352, 240), (640, 360), (1920, 1080)])
def test_text_stands_below_the_picture_and_covers_none_of_it(width: int, height: int) -> None:
    frame = a_frame(width, height)
    still = EvidenceRecorder("gate").take(
        frame, Detections.empty(), EvidenceMoment.ARRIVAL, "z", ((0, 0), (1, 0), (1, 1)), None, LINES
    )
    shown = decoded(still)
    bar = shown[height:]
    assert shown.shape[1] == width
    assert height * 0.05 < len(bar) < height * 0.45
    assert likeness(shown[8:height, 8:], frame.image[8:, 8:]) > 0.95
    light = bar.max(axis=2) > 150
    assert light.mean() > 0.01
    assert not light[:, -2:].any()


def test_the_time_is_written_in_the_sites_own_time_zone() -> None:
    here = take(EvidenceRecorder("gate", ZoneInfo("Asia/Shanghai")))
    there = take(EvidenceRecorder("gate", UTC))
    assert here.jpeg != there.jpeg
    assert here.captured_at == there.captured_at


def test_text_that_the_font_cannot_write_does_no_harm() -> None:
    recorder = EvidenceRecorder("gate")
    frame = a_frame()
    still = recorder.take(
        frame, Detections.empty(), EvidenceMoment.DEPARTURE, "z", ZONE, None, ["Übergang 天桥", "", "x" * 400]
    )
    assert decoded(still).shape[1] == 320


def test_the_same_moment_gives_the_same_bytes() -> None:
    assert take(EvidenceRecorder("gate")).jpeg == take(EvidenceRecorder("gate")).jpeg


def test_nothing_is_written_to_disk_before_people_are_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            written.append(str(arguments[0]))

    encoded: list[np.ndarray] = []
    imencode = cv2.imencode

    def remember(kind: str, image: np.ndarray, options: list[int]) -> tuple[bool, np.ndarray]:
        encoded.append(image.copy())
        return imencode(kind, image, options)

    sys.addaudithook(watch)
    monkeypatch.setattr(cv2, "imencode", remember)
    monkeypatch.setattr(cv2, "imwrite", lambda *_: pytest.fail("a picture was written without the store"))
    frame = a_frame()
    still = take(EvidenceRecorder("gate"), frame)
    assert written == []
    store = EvidenceStore(tmp_path / "evidence", 10_000_000)
    reference = store.keep(still)
    watching = False
    assert reference is not None
    assert [Path(name).parent for name in written] == [tmp_path / "evidence"]
    assert [file.read_bytes() for file in (tmp_path / "evidence").iterdir()] == [still.jpeg]
    for image in encoded:
        assert likeness(image[60:200, 60:110], frame.image[60:200, 60:110]) < 0.5
