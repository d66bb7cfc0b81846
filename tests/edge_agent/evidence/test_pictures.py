"""The stills of incidents: taken when it matters, written only when something came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.evidence.pictures import MOST_WAITING
from edge_agent.evidence.reference import EvidenceMoment, EvidenceReference
from edge_agent.evidence.store import EvidenceStore
from edge_agent.incident_event import IncidentEvent
from edge_agent.scenarios.moment import Moment
from edge_agent.scene.camera_state import View
from tests.edge_agent.street_pipeline import Watch, parking_zone, written
from tests.edge_agent.synthetic_street import DARK, SEEING, Street, Thing, standing, steps

CAR = standing("car", 100, 110, 10, 70)


def watched(folder: Path, street: Street, **more: object) -> Watch:
    return Watch(street, store=EvidenceStore(folder, 10**8), **more)  # type: ignore[arg-type]


def moments(event: IncidentEvent) -> list[str]:
    return [picture.moment.value for picture in event.evidence]


def picture_of(folder: Path, reference: EvidenceReference) -> np.ndarray:
    image = cv2.imread(str(folder / f"{reference.sha256}.jpg"))
    assert image is not None
    return image


def test_nothing_is_written_while_nothing_has_happened(tmp_path: Path) -> None:
    watch = watched(tmp_path, Street((CAR,))).see(steps(0, 35))
    assert watch.events == []
    assert written(tmp_path) == {}


def test_a_car_that_leaves_within_its_limit_leaves_no_picture_though_the_state_was_kept(tmp_path: Path) -> None:
    watch = watched(tmp_path, Street((standing("car", 100, 110, 10, 30),))).see(steps(0, 20))
    watch.pipeline.dump()
    assert len(written(tmp_path)) == 1
    watch.restart()
    watch.see(steps(21, 60))
    assert watch.events == []
    assert written(tmp_path) == {}


def test_an_incidents_pictures_stay_when_it_is_over(tmp_path: Path) -> None:
    watch = watched(tmp_path, Street((CAR,))).see(steps(0, 30))
    watch.pipeline.dump()
    watch.see(steps(31, 50))
    watch.restart()
    watch.see(steps(51, 120))
    assert moments(watch.events[-1]) == ["arrival", "limit", "departure"]
    assert set(written(tmp_path)) == {picture.sha256 for picture in watch.events[-1].evidence}


def test_each_picture_shows_its_moment(tmp_path: Path) -> None:
    watch = watched(tmp_path, Street((CAR,))).see(steps(0, 100))
    arrival, limit, departure = watch.events[-1].evidence
    assert arrival.media_time_s == pytest.approx(13, abs=2)
    assert limit.media_time_s == watch.events[0].media_time_s
    assert departure.media_time_s == watch.events[-1].media_time_s
    car = [picture_of(tmp_path, each)[94:106, 108:152].astype(float) for each in (arrival, limit, departure)]
    likeness = [float(np.corrcoef(car[0].ravel(), other.ravel())[0, 1]) for other in car[1:]]
    assert likeness[0] > 0.9
    assert likeness[1] < 0.5


def test_a_picture_says_what_was_measured_below_the_scene(tmp_path: Path) -> None:
    watch = watched(tmp_path, Street((CAR,))).see(steps(0, 50))
    picture = picture_of(tmp_path, watch.events[0].evidence[1])
    assert picture.shape[0] > 180
    assert picture.shape[1] == 320
    assert picture[180:].std() > 10


def test_a_departure_while_the_camera_is_blind_has_no_picture_of_it(tmp_path: Path) -> None:
    def views(at_s: float) -> View:
        return DARK if at_s >= 60 else SEEING

    zone = parking_zone(blind_close_s=50)
    watch = watched(tmp_path, Street((CAR,)), zones=(zone,), views=views).see(steps(0, 130))
    assert watch.story[-1] == ("closed", "camera_blind_too_long")
    assert moments(watch.events[-1]) == ["arrival", "limit"]


def test_the_zone_and_the_subject_are_drawn_where_the_shaken_view_shows_them(tmp_path: Path) -> None:
    def shift(at_s: float) -> tuple[int, int]:
        return (0, 0) if at_s < 35 else (12, -8)

    watch = watched(tmp_path, Street((CAR,), shift=shift)).see(steps(0, 50))
    arrival, limit = (picture_of(tmp_path, each).astype(int) for each in watch.events[0].evidence)

    def red(picture: np.ndarray) -> tuple[float, float]:
        rows, columns = np.nonzero((picture[:180, :, 2] > 170) & (picture[:180, :, 1] < 90))
        return float(columns.min()), float(rows.max())

    before, after = red(arrival), red(limit)
    assert after[0] - before[0] == pytest.approx(12, abs=2)
    assert after[1] - before[1] == pytest.approx(-8, abs=2)


def test_people_are_masked_before_anything_is_written(tmp_path: Path) -> None:
    person = Thing("person", ((0, 230, 130), (200, 230, 130)), (24, 60), "person", 17)
    watch = watched(tmp_path, Street((CAR, person), noise=10.0)).see(steps(0, 50))

    def detail(picture: np.ndarray) -> float:
        return float(np.median(np.abs(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F)[74:126, 234:250])))

    for reference in watch.events[0].evidence:
        assert reference.people_masked
        real = watch.street.frame(reference.media_time_s).image
        assert detail(picture_of(tmp_path, reference)[:180]) < 0.2 * detail(real)


def test_many_arrivals_wait_within_a_bound(tmp_path: Path) -> None:
    watch = watched(tmp_path, Street((CAR,))).see(steps(0, 20))
    pictures = watch.pipeline.parts.illustrator
    assert pictures is not None
    seen = watch.observations[-1]
    (finding,) = seen.findings
    assert finding.subject is not None
    crowd = tuple(replace(finding, subject=replace(finding.subject, stay_id=f"car {n}")) for n in range(200))
    frame, detections, view = seen.frame, seen.detections, seen.view
    moment = Moment(frame.media_time_s, frame.captured_at, True, seen.stays)
    assert pictures.illustrate((), crowd, frame, detections, moment, view) == ()
    assert len(pictures.dump()["arrivals"]) == MOST_WAITING


def test_a_full_disk_costs_the_picture_and_not_the_incident(tmp_path: Path) -> None:
    watch = Watch(Street((CAR,)), store=EvidenceStore(tmp_path, 100)).see(steps(0, 100))
    assert [phase for phase, _ in watch.story if phase != "updated"] == ["opened", "closed"]
    assert all(event.evidence == () for event in watch.events)


def test_a_later_event_names_the_same_pictures_once(tmp_path: Path) -> None:
    watch = watched(tmp_path, Street((standing("car", 100, 110, 10, 900),))).see(steps(0, 260))
    assert [phase for phase, _ in watch.story] == ["opened", "updated", "updated"]
    assert [event.evidence for event in watch.events] == [watch.events[0].evidence] * 3
    assert {picture.moment for picture in watch.events[0].evidence} == {EvidenceMoment.ARRIVAL, EvidenceMoment.LIMIT}
