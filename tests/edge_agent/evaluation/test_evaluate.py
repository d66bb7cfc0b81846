"""Playing clips and scoring them, with a player that says what the test wants."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from edge_agent.capture.source import Source
from edge_agent.config import CameraConfig, ParkingZone, SiteConfig
from edge_agent.evaluation.evaluate import Adjust, ClipResult, Job, as_json, evaluate_all, evaluate_clip
from edge_agent.evaluation.report import write_report
from edge_agent.evaluation.scorer import Outcome
from edge_agent.evaluation.suite import Clip
from edge_agent.evaluation.table import print_table
from edge_agent.evaluation.truth import Truth, TruthEvent
from edge_agent.incident_event import IncidentPhase
from edge_agent.pipeline import Observation
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.stay import Box
from tests.edge_agent.evaluation.observations import CAR, ELSEWHERE, SITE, SIZE, incident, observation


@dataclass(frozen=True)
class Script:
    """Opens and closes an incident at these seconds, each with its box."""

    opens: tuple[tuple[float, float, Box], ...] = ()
    class_name: str = "car"

    def __call__(
        self,
        camera: CameraConfig,
        site: SiteConfig,
        source: Source,
        *,
        adjust: Adjust | None = None,
        restart_at_s: float | None = None,
    ) -> Iterable[Observation]:
        for seen in source.frames():
            events = []
            for number, (opened_s, closed_s, box) in enumerate(self.opens):
                for at_s, phase in ((opened_s, IncidentPhase.OPENED), (closed_s, IncidentPhase.CLOSED)):
                    if seen.media_time_s == at_s:
                        events.append(incident(seen, phase, box, f"i{number}", self.class_name))
            yield observation(seen, tuple(events))


FOUND = Script(((31.0, 50.0, CAR),))
WRONG = Script(((31.0, 50.0, ELSEWHERE),))


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of stills, one a second."""
    folder = tmp_path_factory.mktemp("clip") / "street"
    folder.mkdir()
    cv2.imwrite(str(folder / "one.jpg"), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    entries = [{"file": "one.jpg", "t_s": float(t)} for t in range(61)]
    (folder / "index.json").write_text(json.dumps({"frames": entries}))
    return folder


def clip(folder: Path, name: str = "street", **fields: Any) -> Clip:
    kerb = ParkingZone(
        id="kerb",
        scenario="parking",
        polygon=((0, 0), (160, 0), (160, 90), (0, 90)),
        dwell_limit_s={"vehicle": 20},
    )
    truth = Truth(events=(TruthEvent(id="e<1>", kind="stay", class_name="car", from_s=10, to_s=55, box=CAR),))
    camera = CameraConfig(id="street", source=str(folder), zones=(kerb,))
    return replace(Clip(name, camera, truth), **fields)


def test_a_clip_is_played_and_scored(stills: Path) -> None:
    result = evaluate_clip(Job(clip(stills), SITE, FOUND))
    assert result.judged is not None
    score = result.judged.score
    assert (score.expected, score.found, score.false, score.delays_s) == (1, 1, 0, (1.0,))
    assert score.footage_s == 61


def test_a_zone_drawn_on_a_picture_of_another_size_is_scaled_before_it_is_scored(stills: Path) -> None:
    given = clip(stills)
    doubled = tuple((x * 2, y * 2) for x, y in given.camera.zones[0].polygon)
    zone = replace(given.camera.zones[0], polygon=doubled)
    camera = replace(given.camera, zones=(zone,), size=(SIZE[0] * 2, SIZE[1] * 2))
    result = evaluate_clip(Job(replace(given, camera=camera), SITE, FOUND))
    assert result.judged is not None
    assert result.judged.score.found == 1


def test_a_clip_that_is_missing_is_skipped_with_its_reason() -> None:
    result = evaluate_clip(Job(clip(Path("/nowhere"), missing="/nowhere is not here"), SITE, FOUND))
    assert (result.judged, result.skipped) == (None, "/nowhere is not here")


def test_a_recording_that_cannot_be_read_has_failed(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    result = evaluate_clip(Job(clip(tmp_path / "broken.mp4"), SITE, FOUND))
    assert result.failed is not None
    assert "broken.mp4" in result.failed


def test_another_period_can_be_asked_for(stills: Path) -> None:
    result = evaluate_clip(Job(clip(stills), SITE, FOUND, period_s=10.0))
    assert result.judged is not None
    assert result.judged.run.frames == 7


def test_boxes_seen_after_a_knock_are_laid_back_before_they_are_scored(stills: Path) -> None:
    thing = clip(stills, truth=Truth(events=(replace(clip(stills).truth.events[0], box=(40, 20, 56, 50)),)))
    knocked = Script(((31.0, 50.0, (46.0, 20.0, 62.0, 50.0)),))
    result = evaluate_clip(Job(thing, SITE, knocked, condition="knock"))
    assert result.judged is not None
    assert result.judged.alarms[0].box == (40.0, 20.0, 56.0, 50.0)


@dataclass(frozen=True)
class Follows(Script):
    """An agent that sees the knock itself: its view lies off from then on, and its boxes stay in the reference view."""

    def __call__(
        self,
        camera: CameraConfig,
        site: SiteConfig,
        source: Source,
        *,
        adjust: Adjust | None = None,
        restart_at_s: float | None = None,
    ) -> Iterable[Observation]:
        for seen in Script.__call__(self, camera, site, source, adjust=adjust, restart_at_s=restart_at_s):
            right = 3.0 + (6.0 if seen.frame.media_time_s >= 30.0 else 0.0)  # the view was off a little before that
            yield replace(seen, view=View(CameraState.SEEING, (right, 0.0)))


def test_boxes_of_an_agent_that_has_followed_the_knock_are_scored_as_they_are(stills: Path) -> None:
    thing = clip(stills, truth=Truth(events=(replace(clip(stills).truth.events[0], box=(40, 20, 56, 50)),)))
    result = evaluate_clip(Job(thing, SITE, Follows(((31.0, 50.0, (40.0, 20.0, 56.0, 50.0)),)), condition="knock"))
    assert result.judged is not None
    assert result.judged.alarms[0].box == (40.0, 20.0, 56.0, 50.0)
    assert result.judged.run.shift_at(29.0) == (3.0, 0.0)
    assert result.judged.run.shift_at(31.0) == (9.0, 0.0)


def test_workers_give_the_same_results_in_the_same_order(stills: Path) -> None:
    jobs = [Job(clip(stills, name), SITE, player) for name, player in (("a", FOUND), ("b", WRONG), ("c", FOUND))]
    one = [replace_cpu(result) for result in evaluate_all(jobs)]
    assert [replace_cpu(result) for result in evaluate_all(jobs, workers=2)] == one
    assert [result.name for result in one] == ["a", "b", "c"]


def replace_cpu(result: ClipResult) -> ClipResult:
    assert result.judged is not None
    judged = result.judged
    run, score = replace(judged.run, cpu_s=0.0), replace(judged.score, cpu_s=0.0)
    return replace(result, judged=replace(judged, run=run, score=score))


KEYS = [
    "expected",
    "found",
    "missed",
    "false",
    "duplicates",
    "precision",
    "recall",
    "f1",
    "alarm_delay_median_s",
    "alarm_delay_worst_s",
    "width_error_mean_m",
    "width_error_worst_m",
    "width_within_2sd",
    "false_per_camera_hour",
    "cpu_s_per_min",
]


def test_the_json_has_a_name_and_the_same_keys_for_each_clip_and_the_total(stills: Path) -> None:
    document = as_json(evaluate_all([Job(clip(stills), SITE, FOUND), Job(clip(stills, "b"), SITE, WRONG)]))
    assert list(document) == ["clips", "total"]
    assert [list(one) for one in document["clips"]] == [["name", *KEYS]] * 2
    assert list(document["total"]) == KEYS
    assert (document["total"]["expected"], document["total"]["found"], document["total"]["precision"]) == (2, 1, 0.5)
    json.loads(json.dumps(document, allow_nan=False))


def test_the_json_says_what_was_skipped_has_failed_or_was_perturbed(stills: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    jobs = [
        Job(clip(stills), SITE, FOUND),
        Job(clip(stills, "far", missing="far is not here"), SITE, FOUND),
        Job(clip(tmp_path / "broken.mp4", "broken"), SITE, FOUND),
        Job(clip(stills), SITE, WRONG, condition="darker"),
    ]
    document = as_json(evaluate_all(jobs))
    assert document["skipped"] == [{"name": "far", "reason": "far is not here"}]
    assert document["failed"][0]["name"] == "broken"
    assert [one["name"] for one in document["clips"]] == ["street"]
    assert document["total"]["found"] == 1
    assert document["perturbed"]["darker"]["total"]["found"] == 0


def test_the_table_names_every_clip_and_the_total(stills: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_table([evaluate_clip(Job(clip(stills), SITE, FOUND)), ClipResult("far", skipped="far is not here")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["clip", "expected", "found"]
    assert lines[1].split()[:6] == ["street", "1", "1", "0", "0", "0"]
    assert lines[2].split() == ["far", "skipped"]
    assert lines[-1].split()[0] == "total"


# What is recorded ------------------------------------------------------------------------------------------------


# The report ------------------------------------------------------------------------------------------------------

NASTY = "<script>alert('x')</script>"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith(("#", "data:")):
                self.outside.append(value)


@pytest.fixture(scope="module")
def report(stills: Path) -> str:
    wrong = Script(((31.0, 50.0, ELSEWHERE),), class_name=NASTY)
    jobs = [
        Job(clip(stills, NASTY), SITE, wrong, with_report=True),
        Job(clip(stills), SITE, Script(((31.0, 50.0, CAR), (35.0, 52.0, CAR))), with_report=True),
        Job(clip(stills, "far", missing=NASTY), SITE, FOUND),
        Job(clip(stills), SITE, FOUND, condition="darker"),
    ]
    return write_report(NASTY, evaluate_all(jobs))


def test_the_report_needs_nothing_from_outside_and_runs_no_script(report: str) -> None:
    page = Page(report)
    assert "script" not in page.tags
    assert page.outside == []
    assert "@import" not in report
    assert "url(http" not in report


def test_the_report_shows_every_outcome_with_its_reason(report: str) -> None:
    for outcome in (Outcome.FOUND, Outcome.MISSED, Outcome.FALSE, Outcome.DUPLICATE):
        assert f"<article class='{outcome.value}'>" in report
    assert "The truth knows of nothing that stood here then." in report
    assert "the detector does not see it" in report
    assert "Found 1.0 s after its limit was over." in report
    assert "40 % less light" in report


def test_the_drawings_of_the_report_are_well_formed(report: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", report, re.DOTALL)
    assert len(drawings) > 4
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_the_report_holds_the_stills_of_both_moments(report: str) -> None:
    assert report.count("data:image/jpeg;base64,") >= 4
    assert "limit over at 30 s" in report
    assert "reported at 31 s" in report
