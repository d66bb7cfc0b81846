"""Reading suites."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from edge_agent.config import PassageZone
from edge_agent.config_file import ConfigError
from edge_agent.evaluation.perturb import PERTURBATIONS
from edge_agent.evaluation.suite import Suite, load_suite

ZONE = {"id": "kerb", "scenario": "parking", "polygon": [[0, 0], [9, 0], [9, 9]], "dwell_limit_s": {"vehicle": 20}}
TRUTH = {"events": [{"id": "e1", "kind": "stay", "class": "car", "from_s": 0, "to_s": 9, "box": [0, 0, 9, 9]}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "street.mp4").write_bytes(b"\0")
    (tmp_path / "clips" / "street.truth.json").write_text(json.dumps(TRUTH))
    return tmp_path


def suite(folder: Path, text: object) -> Suite:
    path = folder / "suite.yaml"
    path.write_text(text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False))
    return load_suite(path)


def clip(**fields: object) -> dict[str, object]:
    given = {"name": "street", "source": "clips/street.mp4", "truth": "clips/street.truth.json"}
    return {**given, "camera": {"zones": [ZONE]}, **fields}


def test_paths_are_taken_from_the_suites_own_folder(folder: Path) -> None:
    (read,) = suite(folder, {"clips": [clip()]}).clips
    assert read.camera.source == str(folder / "clips" / "street.mp4")
    assert read.truth.events[0].id == "e1"
    assert read.missing is None


def test_the_source_may_stand_in_the_camera_section(folder: Path) -> None:
    section = clip(camera={"source": "clips/street.mp4", "zones": [ZONE]})
    del section["source"]
    assert suite(folder, {"clips": [section]}).clips[0].camera.source == str(folder / "clips" / "street.mp4")


def test_the_source_of_the_clip_wins_over_that_of_a_camera_copied_from_an_agents_config(folder: Path) -> None:
    section = clip(camera={"id": "cam-7", "source": "rtsp://camera/stream", "zones": [ZONE]})
    (read,) = suite(folder, {"clips": [section]}).clips
    assert (read.camera.id, read.camera.source) == ("cam-7", str(folder / "clips" / "street.mp4"))


def test_a_camera_without_an_id_is_called_after_its_clip(folder: Path) -> None:
    (read,) = suite(folder, {"clips": [clip(name="A street, by day")]}).clips
    assert (read.name, read.camera.id) == ("A street, by day", "A-street-by-day")


def test_name_and_truth_may_follow_from_the_source(folder: Path) -> None:
    (read,) = suite(folder, {"clips": [{"source": "clips/street.mp4", "camera": {"zones": [ZONE]}}]}).clips
    assert read.name == "street"
    assert len(read.truth.events) == 1


def test_the_truth_of_a_folder_of_stills_stands_beside_it(folder: Path) -> None:
    (folder / "stills").mkdir()
    (folder / "stills.truth.json").write_text(json.dumps(TRUTH))
    (read,) = suite(folder, {"clips": [{"source": "stills", "camera": {"zones": [ZONE]}}]}).clips
    assert (read.name, len(read.truth.events)) == ("stills", 1)


def test_notes_and_anchors_may_be_written(folder: Path) -> None:
    text = f"""
description: two ways to look at one street
x-zone: &zone {json.dumps(ZONE)}
clips:
  - {{name: a, note: by day, source: clips/street.mp4, camera: {{zones: [*zone]}}}}
  - {{name: b, source: clips/street.mp4, camera: {{zones: [{{<<: *zone, dwell_limit_s: {{vehicle: 60}}}}]}}}}
"""
    read = suite(folder, text)
    assert [c.camera.zones[0].dwell_limit_s for c in read.clips] == [{"vehicle": 20}, {"vehicle": 60}]  # type: ignore[union-attr]


def test_what_holds_for_the_whole_suite_is_read(folder: Path) -> None:
    whole = {"model": "yolox-nano", "models_dir": "models", "skip_missing": True, "perturb": ["knock", "restart"]}
    read = suite(folder, {**whole, "site": {"time_zone": "Asia/Shanghai"}, "clips": [clip()]})
    assert (read.model, read.models_dir, read.skip_missing) == ("yolox-nano", folder / "models", True)
    assert read.perturb == ("knock", "restart")
    assert read.site.time_zone.key == "Asia/Shanghai"


def test_a_recording_that_is_not_here_is_said_to_be_missing_and_needs_no_truth(folder: Path) -> None:
    (read,) = suite(folder, {"clips": [clip(source="far/away.mp4", truth="far/away.truth.json")]}).clips
    assert read.missing == f"{folder / 'far' / 'away.mp4'} is not here"


def test_clips_are_chosen_by_name(folder: Path) -> None:
    read = suite(folder, {"clips": [clip(), clip(name="again")]})
    assert [c.name for c in read.choose(())] == ["street", "again"]
    assert [c.name for c in read.choose(("again",))] == ["again"]
    with pytest.raises(ConfigError, match="no clip 'agian'; there are: street, again"):
        read.choose(("agian",))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "clips: must list at least one clip"),
        ({"clips": []}, "clips: must list at least one clip"),
        ({"clips": ["street.mp4"]}, "clips[0]: must be a mapping"),
        ({"clips": [clip()], "modle": "x"}, "modle: is not a field that is known here"),
        ({"clips": [clip(sorce="x")]}, "clips[0].sorce: is not a field that is known here"),
        ({"clips": [clip(camera={"zone": [ZONE]})]}, "clips[0].camera.zone: is not a field that is known here"),
        ({"clips": [clip(camera={"zones": [{**ZONE, "polygon": [[0, 0]]}]})]}, "clips[0].camera.zones[0].polygon"),
        ({"clips": [clip(camera="front.yaml")]}, "clips[0].camera: must be a camera section"),
        ({"clips": [clip(source=None)]}, "clips[0].source: is missing"),
        ({"clips": [clip(source=7)]}, "clips[0].source: must be text (it is 7)"),
        ({"clips": [clip(truth="clips/none.json")]}, "clips[0].truth: "),
        ({"clips": [clip(), clip()]}, "'street' is used 2 times"),
        ({"clips": [clip()], "skip_missing": "maybe"}, "skip_missing: must be true or false"),
        ({"clips": [clip()], "perturb": ["fog"]}, "perturb[0]: 'fog' is not known; there are: half-recall"),
        ({"clips": [clip()], "site": {"time_zone": "Mars/Base"}}, "site.time_zone: unknown time zone 'Mars/Base'"),
        ("clips: [\n", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_field(folder: Path, data: object, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        suite(folder, data)
    assert says in str(error.value)
    assert f"{folder / 'suite.yaml'}:" in str(error.value)


def test_everything_wrong_is_said_in_one_go(folder: Path) -> None:
    (folder / "clips" / "bad.truth.json").write_text('{"events": [{"id": "e1"}]}')
    bad = [clip(name="a", surce="x"), clip(name="b", truth="clips/bad.truth.json"), clip(name="c", camera=3)]
    with pytest.raises(ConfigError) as error:
        suite(folder, {"clips": bad, "perturb": "fog"})
    said = "\n".join(error.value.problems)
    for part in ("surce", "bad.truth.json", "clips[2].camera", "fog"):
        assert part in said


def test_two_passages_and_one_true_width_need_a_name(folder: Path) -> None:
    (folder / "clips" / "street.truth.json").write_text(json.dumps({"clear_width": [{"t_s": 0, "width_m": 2}]}))
    points = [{"px": p, "m": p} for p in ([0, 0], [9, 0], [9, 9], [0, 9])]
    deck = {
        "id": "deck",
        "scenario": "passage",
        "polygon": [[0, 0], [9, 0], [9, 9], [0, 9]],
        "ends": [[[0, 0], [9, 0]], [[0, 9], [9, 9]]],
        "calibration": {"points": points},
    }
    with pytest.raises(ConfigError, match="has 2 passages, and the truth holds one clear width"):
        suite(folder, {"clips": [clip(camera={"zones": [deck, {**deck, "id": "ramp"}]})]})


def test_the_projects_own_suites_hold(root: Path) -> None:
    demo = load_suite(root / "tests" / "suites" / "demo.yaml")
    assert [c.missing for c in demo.clips] == [None] * len(demo.clips)
    for name in ("parking", "passage"):
        assert load_suite(root / "tests" / "suites" / f"{name}.yaml").skip_missing
    assert any(isinstance(zone, PassageZone) for c in demo.clips for zone in c.camera.zones)


def test_the_examples_of_the_documentation_hold(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "evaluate.md").read_text()
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "kerb.mp4").write_bytes(b"\0")
    example = page.partition("```json\n")[2].partition("```")[0]
    (tmp_path / "clips" / "kerb.truth.json").write_text(example)
    read = suite(tmp_path, page.partition("```yaml\n")[2].partition("```")[0])
    assert [event.id for event in read.clips[0].truth.events] == ["e1", "e2"]
    assert read.perturb == ("knock", "restart")


def test_every_hardship_is_documented(root: Path) -> None:
    page = (root / "docs" / "evaluate.md").read_text()
    for name in PERTURBATIONS:
        assert f"`{name}`" in page
