"""Reading truth files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config_file import ConfigError
from edge_agent.detection.detections import ClassGroup
from edge_agent.evaluation.truth import Span, load_truth


def write(folder: Path, data: Any) -> Path:
    path = folder / "clip.truth.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data, indent=1))
    return path


EVENT = {"id": "e1", "kind": "stay", "class": "car", "from_s": 1, "to_s": 9.5, "box": [1, 2, 30, 40]}


def test_an_event_is_read_with_what_is_known_of_its_ends(tmp_path: Path) -> None:
    more = {"group": "vehicle", "left_between_s": [9.5, 20], "open_start": True, "occlusions": [], "owner": "unknown"}
    (event,) = load_truth(write(tmp_path, {"events": [{**EVENT, **more}]})).events
    assert (event.class_name, event.group, event.box) == ("car", ClassGroup.VEHICLE, (1, 2, 30, 40))
    assert (event.left_between_s, event.arrived_between_s, event.open_start) == ((9.5, 20), None, True)
    assert event.is_stay


@pytest.mark.parametrize(
    ("name", "group"),
    [("truck", "vehicle"), ("ups", "vehicle"), ("Scooter", "cycle"), ("person", "person"), ("sofa", "object")],
)
def test_a_group_that_is_left_out_follows_from_the_class(tmp_path: Path, name: str, group: str) -> None:
    (event,) = load_truth(write(tmp_path, {"events": [{**EVENT, "class": name}]})).events
    assert event.group == group


def test_a_kind_that_is_no_stay_is_never_one(tmp_path: Path) -> None:
    (event,) = load_truth(write(tmp_path, {"events": [{**EVENT, "kind": "standing_person"}]})).events
    assert not event.is_stay


def test_spans_written_down_for_a_width_win_over_the_samples(tmp_path: Path) -> None:
    samples = [{"t_s": t, "width_m": 1.0 if 3 <= t < 6 else 2.0, "resting": []} for t in range(10)]
    data = {"clear_width": samples, "blocked": {"1.2": [{"from_s": 2.5, "to_s": 6.1, "min_clear_m": 1}]}}
    truth = load_truth(write(tmp_path, {**data, "passage": {"id": "deck", "polygon_px": []}}))
    assert truth.spans_below(1.2) == (Span(2.5, 6.1),)
    assert truth.spans_below(1.8) == (Span(3, 6),)
    assert truth.spans_below(0.5) == ()
    assert truth.passage_id == "deck"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ('{"events": [', "not valid JSON"),
        ("[]", "no truth file"),
        ({"frames": []}, "no truth file"),
        ({"events": [{**EVENT, "to_s": 0}]}, "ends (0.0 s) before it begins (1.0 s)"),
        ({"events": [{**EVENT, "box": [30, 2, 1, 40]}]}, "is not a box"),
        ({"events": [{**EVENT, "box": [30, 2, 1]}]}, "events[0].box"),
        ({"events": [{**EVENT, "group": "cars"}]}, "events[0].group"),
        ({"events": [{**EVENT, "left_between_s": [9, 2]}]}, "runs backwards"),
        ({"events": [EVENT, EVENT]}, "'e1' is used 2 times"),
        ({"events": [{k: v for k, v in EVENT.items() if k != "from_s"}]}, "events[0].from_s: is missing"),
        ({"events": [{k: v for k, v in EVENT.items() if k != "class"}]}, "needs a group"),
        ({"events": [{**EVENT, "from_s": float("nan")}]}, "from_s"),
        ({"clear_width": [{"t_s": 2, "width_m": 1}, {"t_s": 1, "width_m": 1}]}, "in order of t_s"),
        ({"clear_width": [{"t_s": 2, "width_m": -1}]}, "clear_width[0].width_m"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_field(tmp_path: Path, data: Any, says: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(ConfigError) as error:
        load_truth(path)
    assert says in str(error.value)
    assert str(path) in str(error.value)
    assert len(error.value.problems) == 1


def test_the_line_is_named(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '{"events": [\n{"id": 1, "kind": "stay", "class": "car",\n"from_s": "soon", "to_s": 3,\n"box": [0, 0, 1, 1]}]}',
    )
    with pytest.raises(ConfigError, match=r"truth\.json:3: events\[0\]\.from_s"):
        load_truth(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json: cannot be read"):
        load_truth(tmp_path / "nowhere.json")


def test_every_truth_file_of_the_recordings_can_be_read(footage: Path) -> None:
    files = sorted(footage.rglob("*.truth.json"))
    assert files
    for path in files:
        truth = load_truth(path)
        assert all(event.group in ClassGroup for event in truth.events)


def test_an_event_says_when_it_was_hidden_and_only_mostly_hidden_counts(tmp_path: Path) -> None:
    event = {"id": "e1", "kind": "stay", "group": "object", "from_s": 5, "to_s": 50, "box": [0, 0, 10, 10]}
    event["occlusions"] = [
        {"from_s": 5, "to_s": 8.4, "min_visible": 0.2},
        {"from_s": 20, "to_s": 22, "min_visible": 0.7},
    ]
    path = tmp_path / "clip.truth.json"
    path.write_text(json.dumps({"events": [event]}))
    assert load_truth(path).hidden_spans() == (Span(5, 8.4),)
