"""Cards are checked to the last field, and models are found where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.detection.class_groups import COCO80
from edge_agent.detection.detections import ClassGroup
from edge_agent.detection.model_card import ModelError, find_card, read_card


def test_a_card_says_which_group_a_class_counts_in(make_model: Any) -> None:
    card = read_card(make_model(classes="coco80", groups="coco80"))
    named = {name: card.group_of(number) for number, name in enumerate(COCO80)}
    assert named["truck"] is ClassGroup.VEHICLE
    assert named["bicycle"] is ClassGroup.CYCLE
    assert named["person"] is ClassGroup.PERSON
    assert named["suitcase"] is ClassGroup.OBJECT
    assert named["traffic light"] is None
    assert len(COCO80) == len(set(COCO80)) == 80
    assert card.group_of(99) is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"family": "yolo99"}, "family: unknown family 'yolo99': use one of deim, fastestdet, nanodet"),
        ({"sha256": "abc"}, "sha256: 'abc' does not fit the pattern"),
        ({"licence": None}, "licence: is missing"),
        ({"scores": 1}, "scores: is not a field that is known here"),
        ({"score_threshold": 1.5}, "score_threshold: input should be less than 1"),
        ({"memory_score": 0.8}, "memory_score (0.8) must not be above score_threshold (0.5)"),
        ({"groups": {"vehicle": ["tram"]}}, "groups names 'tram', which is not one of the classes"),
        ({"groups": {"vehicle": ["car"], "object": ["car"]}}, "class 'car' stands in groups more than once"),
        ({"groups": {"boats": ["car"]}}, "groups"),
        ({"groups": {}}, "no class has a group"),
        ({"classes": ["car", "car"]}, "stands twice in classes"),
        ({"outputs": []}, "outputs"),
        ({"input": {"name": "image", "width": 64, "height": 64, "std": [1, 0, 1]}}, "every std must be greater than 0"),
        ({"input": {"name": "image", "width": 64, "height": 64, "trim_to": 32}}, "trim_to needs resize"),
        ({"input": {"name": "image", "width": 64, "height": 64, "colour": "grey"}}, "input.colour"),
        ({"url": "ftp://somewhere/x.onnx"}, "url"),
        ({"file": "../tiny.onnx"}, "file"),
        ({"model_path": "/etc/passwd"}, "model_path: is not a field of a card"),
        ({"name": "other"}, "'other' must be the card's file name, 'tiny'"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_line(make_model: Any, changes: dict[str, Any], says: str) -> None:
    path = make_model(**changes)
    with pytest.raises(ModelError) as caught:
        read_card(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")


def test_a_card_that_is_not_there_or_no_yaml_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.yaml: cannot be read"):
        find_card(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "bad.yaml").write_text("name: [")
    with pytest.raises(ModelError, match=r"bad\.yaml:\d+: not valid YAML"):
        find_card(str(tmp_path / "bad.yaml"))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'nanodet' is not known: there are .*nanodet-g-416.*yolox-s"):
        find_card("nanodet")


def test_the_path_of_a_model_file_is_not_a_card() -> None:
    with pytest.raises(ModelError, match="give the name of a model card"):
        find_card("some/model.onnx")


def test_a_models_dir_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"models_dir .*missing is not a folder"):
        find_card("nanodet-g-416", tmp_path / "missing")


def test_the_file_of_a_bundled_card_is_found_in_a_folder_of_the_models_dir(tmp_path: Path) -> None:
    assert find_card("yolox-nano", tmp_path).model_path is None
    deep = tmp_path / "some" / "folder" / "yolox-nano.onnx"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"anything")
    assert find_card("yolox-nano", tmp_path).model_path == deep


def test_of_two_files_of_that_name_the_one_with_the_right_hash_is_taken(make_model: Any, tmp_path: Path) -> None:
    card_path = make_model()
    folder = tmp_path / "models"
    for name, content in (("a", b"another"), ("b", (tmp_path / "tiny.onnx").read_bytes())):
        (folder / name).mkdir(parents=True)
        (folder / name / "tiny.onnx").write_bytes(content)
    (tmp_path / "tiny.onnx").unlink()
    assert find_card(str(card_path), folder).model_path == folder / "b" / "tiny.onnx"


def test_a_card_in_the_models_dir_hides_the_bundled_one_of_its_name(make_model: Any, tmp_path: Path) -> None:
    text = make_model().read_text().replace("name: tiny", "name: nanodet-g-416")
    (tmp_path / "nanodet-g-416.yaml").write_text(text)
    assert find_card("nanodet-g-416", tmp_path).source == "made for a test"
    assert find_card("nanodet-g-416").source != "made for a test"
