"""``clearway-agent models`` as a user meets it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge_agent.detection.commands import models
from edge_agent.detection.model_card import user_dir


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(models, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def mirror(make_model: Any, tmp_path: Path) -> Path:
    """A folder that holds the tiny model under another name; its card stands alone in ``cards``."""
    card = make_model()
    folder, cards = tmp_path / "mirror" / "deep", tmp_path / "cards"
    folder.mkdir(parents=True)
    cards.mkdir()
    (tmp_path / "tiny.onnx").rename(folder / "renamed.onnx")
    card.rename(cards / "tiny.yaml")
    return tmp_path / "mirror"


def states(models_dir: Path) -> dict[str, str]:
    return {row["name"]: row["state"] for row in json.loads(call("list", "--json", "--models-dir", models_dir).stdout)}


def test_the_list_says_what_is_present_and_what_is_absent() -> None:
    rows = {row["name"]: row for row in json.loads(call("list", "--json").stdout)}
    assert rows["nanodet-g-416"]["state"] == "present"
    assert rows["yolox-s"]["state"] == "absent"
    assert rows["yolox-s"]["ap"] == 40.5
    assert rows["yolox-s"]["input"] == [640, 640]
    assert rows["yolox-s"]["licence"] == "Apache-2.0"
    assert rows["nanodet-g-416"]["size_bytes"] > 7_000_000


def test_the_table_holds_every_model() -> None:
    lines = call("list").stdout.splitlines()
    assert lines[0].split() == ["model", "family", "input", "COCO", "AP", "size", "licence", "file"]
    assert any(line.split()[0] == "nanodet-g-416" and line.split()[-1] == "present" for line in lines)


def test_a_damaged_file_is_listed_as_corrupt_and_fails_to_verify(make_model: Any, tmp_path: Path) -> None:
    make_model(sha256="0" * 64)
    assert states(tmp_path)["tiny"] == "corrupt"
    result = call("verify", "--models-dir", tmp_path)
    assert result.exit_code == 1
    assert "tiny: FAILED:" in result.stderr
    assert "nanodet-g-416: good" in result.stdout


def test_a_bad_card_does_not_hide_the_others(make_model: Any, tmp_path: Path) -> None:
    make_model(family="yolo99")
    assert states(tmp_path) | {"tiny": "bad card", "nanodet-g-416": "present"} == states(tmp_path)
    assert "unknown family" in call("list", "--models-dir", tmp_path).stderr


def test_other_yaml_beside_models_is_no_card(make_model: Any, tmp_path: Path) -> None:
    make_model()
    (tmp_path / "agent.yaml").write_text("id: a\ncameras: []\n")
    assert "agent" not in states(tmp_path)
    assert states(tmp_path)["tiny"] == "present"


def test_verify_looks_at_the_model_that_is_named(make_model: Any, tmp_path: Path) -> None:
    make_model()
    result = call("verify", "tiny", "--models-dir", tmp_path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("tiny: good (")


def test_verify_fails_for_a_model_that_is_absent_or_unknown() -> None:
    assert call("verify", "yolox-s").exit_code == 1
    assert "is not known" in call("verify", "yolox-xxl").stderr


def test_a_model_is_taken_from_a_mirror_by_its_hash(mirror: Path, tmp_path: Path) -> None:
    cards = tmp_path / "cards"
    assert states(cards)["tiny"] == "absent"
    result = call("pull", "tiny", "--mirror", mirror, "--models-dir", cards)
    assert result.exit_code == 0, result.output
    assert states(cards)["tiny"] == "present"
    assert sorted(path.name for path in cards.iterdir()) == ["tiny.onnx", "tiny.yaml"]
    assert result.stderr == "", "no progress bar when piped"
    assert "already there" in call("pull", "tiny", "--mirror", mirror, "--models-dir", cards).stdout


def test_a_mirror_without_the_model_is_said(mirror: Path, tmp_path: Path) -> None:
    result = call("pull", "yolox-nano", "--mirror", mirror)
    assert result.exit_code == 1
    assert "none of its 1 ONNX files is that of card yolox-nano" in result.stderr


def test_a_mirror_whose_file_of_that_name_is_another_is_said(mirror: Path) -> None:
    (mirror / "yolox-nano.onnx").write_bytes(b"another")
    assert "has another sha256 than the card yolox-nano says" in call("pull", "yolox-nano", "--mirror", mirror).stderr


def test_without_models_dir_a_model_goes_to_the_users_own_folder(tmp_path: Path, make_model: Any) -> None:
    card = make_model()
    content = (tmp_path / "tiny.onnx").read_bytes()
    (tmp_path / "tiny.onnx").rename(tmp_path / "elsewhere.onnx")
    result = call("pull", card, "--url", (tmp_path / "elsewhere.onnx").as_uri())
    assert result.exit_code == 0, result.output
    pulled = user_dir() / "tiny.onnx"
    assert hashlib.sha256(pulled.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert call("verify", card).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pull", "yolox-xxl"], "is not known: there are"),
        (["pull", "picodet-s-416"], "has no public URL"),
        (["pull", "yolox-s", "--mirror", ".", "--url", "http://x/y"], "not both"),
        (["list", "--models-dir", "/nowhere/at/all"], "is not a folder"),
        (["pull"], "Missing argument"),
    ],
)
def test_wrong_use_exits_2_with_one_message(arguments: list[str], says: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_help_is_enough_to_work_from() -> None:
    assert "goes on where it ended" in call("pull", "--help").output.replace("\n", " ").replace("  ", " ")
    for command in ("list", "verify", "pull"):
        assert command in call("--help").output
