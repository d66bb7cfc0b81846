"""The command ``evaluate``, with the real agent on a bundled recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from edge_agent.evaluation.commands import evaluate


def run(*arguments: str) -> Result:
    return CliRunner().invoke(evaluate, arguments)


@pytest.fixture(scope="module")
def suite(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parking scenes of the demo, and a recording that is not here."""
    demo = root / "tests" / "suites" / "demo.yaml"
    data = yaml.safe_load(demo.read_text())
    clips = [one for one in data["clips"] if one["name"] == "P1_kerb_parking"]
    for one in clips:
        for key in ("source", "truth"):
            one[key] = str((demo.parent / one[key]).resolve())
    far = {"name": "far", "source": "far.mp4", "camera": {"zones": []}}
    path = tmp_path_factory.mktemp("suite") / "suite.yaml"
    path.write_text(yaml.safe_dump({**data, "clips": [*clips, far]}))
    return path


@pytest.fixture(scope="module")
def played(suite: Path) -> Result:
    return run(str(suite), "--json", "--period", "2", "--html", str(suite.parent / "report.html"))


def test_the_agent_finds_the_parked_car_of_the_demo(played: Result) -> None:
    total = json.loads(played.stdout)["total"]
    assert (total["expected"], total["found"], total["false"], total["duplicates"]) == (1, 1, 0, 0)
    assert abs(total["alarm_delay_worst_s"]) <= 4
    assert total["cpu_s_per_min"] > 0


def test_a_skipped_clip_is_said_on_stderr_and_makes_the_exit_code_one(played: Result, suite: Path) -> None:
    assert f"skipped: far: {suite.parent / 'far.mp4'} is not here" in played.stderr
    assert json.loads(played.stdout)["skipped"][0]["name"] == "far"
    assert played.exit_code == 1


def test_the_report_is_written(played: Result, suite: Path) -> None:
    page = (suite.parent / "report.html").read_text()
    assert "P1_kerb_parking" in page
    assert "data:image/jpeg" in page
    assert "true clear width" in page
    assert "measured (a gap: unknown)" in page


def test_a_suite_that_allows_it_may_skip_but_not_everything(suite: Path, tmp_path: Path) -> None:
    data = {**yaml.safe_load(suite.read_text()), "skip_missing": True}
    allowed = tmp_path / "suite.yaml"
    allowed.write_text(yaml.safe_dump(data))
    assert run(str(allowed), "--clip", "far").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{suite}", "--clip", "fra"), "no clip 'fra'; there are: P1_kerb_parking, far"),
        (("{suite}", "--perturb", "fog"), "'fog' is not one of"),
        (("{suite}", "--model", "no-such-model"), "no-such-model"),
        (("{suite}", "--period", "0"), "--period"),
        (("{suite}", "--html", "/no/such/folder/r.html"), "there is no folder /no/such/folder"),
        (("nowhere.yaml",), "nowhere.yaml: cannot be read"),
        ((), "SUITE.yaml"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_two(suite: Path, arguments: tuple[str, ...], says: str) -> None:
    result = run(*(argument.format(suite=suite) for argument in arguments))
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.output


def test_a_zone_that_does_not_fit_its_picture_is_refused_before_anything_is_played(suite: Path, tmp_path: Path) -> None:
    data = yaml.safe_load(suite.read_text())
    data["clips"][0]["camera"]["zones"][0]["polygon"] = [[0, 0], [5000, 0], [5000, 5000]]
    wrong = tmp_path / "suite.yaml"
    wrong.write_text(yaml.safe_dump(data))
    result = run(str(wrong))
    assert result.exit_code == 2
    assert "lies outside the picture of 960x540" in result.stderr
