"""docs/parking.md says what the code does."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from edge_agent.cli import cli
from edge_agent.config import ParkingZone
from edge_agent.scenarios.parking import FIRST_LOOK_S, LEAVE_LEAST, LEAVE_SHARE
from edge_agent.scenarios.traffic import TrafficRules
from edge_agent.scene.appearance import LEAST_SIDE_PX, SIDE_PX
from edge_agent.scene.foot import CORNER_SHARE, FOOT_SHARE
from edge_agent.scene.look_back import APART_S, KEPT
from edge_agent.scene.memory_rules import MemoryRules
from tests.test_configuration_page import said

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/parking.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
PICTURE_MOST_BYTES = 200_000


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> dict[str, tuple[str, ...]]:
    """The other cells of each row of a section's table, by its first."""
    found = re.findall(r"^\| `(\w+)` \|(.+)\|$", section(heading), re.MULTILINE)
    return {name: tuple(cell.strip() for cell in cells.split(" | ")) for name, cells in found}


def reasons(rules: type) -> dict[str, str]:
    """What the code says below each field."""
    (body,) = ast.parse(inspect.getsource(rules)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            assert isinstance(text.value, ast.Constant)
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


@pytest.mark.parametrize(
    ("rules", "heading"), [(MemoryRules, "The rules of scene memory"), (TrafficRules, "The rules of traffic")]
)
def test_every_rule_is_on_the_page_with_its_default_and_the_reason_that_the_code_gives(
    rules: type, heading: str
) -> None:
    told = reasons(rules)
    assert {name: (cells[0], cells[2]) for name, cells in rows(heading).items()} == {
        field.name: (f"{field.default:g}", told[field.name]) for field in fields(rules)
    }


@pytest.mark.parametrize("heading", ["The rules of scene memory", "The rules of traffic"])
def test_every_rule_has_a_unit_that_agrees_with_its_name(heading: str) -> None:
    for name, (_, unit, _) in rows(heading).items():
        assert unit, name
        assert (unit == "s") == name.endswith("_s"), name
        assert (unit == "px") == name.endswith("_px"), name


def test_every_field_of_the_zone_is_on_the_page_with_its_default() -> None:
    expected = {}
    for name, field in ParkingZone.__pydantic_fields__.items():
        default = field.get_default(call_default_factory=True)
        expected[name] = "required" if default is PydanticUndefined else said(default)
    found = {name: re.sub(r"^\[always\]\(#.*\)$", "[always]", cells[0]) for name, cells in rows("The zone").items()}
    assert found == expected | {"schedule": "[always]"}


@pytest.mark.parametrize(
    "sentence",
    [
        f"The last {KEPT} frames, a second apart at least",
        f"The lowest {FOOT_SHARE:.0%} of the box without the outer {CORNER_SHARE:.0%} on each side".replace(
            "%", " %"
        ).replace("The", "the", 1),
        f"only when {LEAVE_SHARE:g} less than that is left (or half of it, if that is more)",
        f"is not reported before it was watched for {FIRST_LOOK_S:g} s",
        f"as far as {SIDE_PX} pixels show it",
        f"Below some {LEAST_SIDE_PX} pixels of height",
    ],
)
def test_the_numbers_in_the_text_are_those_of_the_code(sentence: str) -> None:
    assert sentence in TEXT
    assert (LEAVE_LEAST, round(APART_S)) == (0.5, 1)


def test_rules_that_the_text_names_exist() -> None:
    known = {field.name for rules in (MemoryRules, TrafficRules) for field in fields(rules)}
    known |= set(ParkingZone.__pydantic_fields__) | {"period_s", "vehicle", "schedule_ended", "camera_blind_too_long"}
    words = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", PAGE)) - {"parking"}
    assert words <= known


@pytest.mark.parametrize("command", re.findall(r"^clearway-agent (.+)$", PAGE, re.MULTILINE))
def test_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    name, *arguments = command.split()
    context = cli.commands[name].make_context(name, arguments)
    for path in re.findall(r"\S+\.yaml", command):
        assert (ROOT / path).is_file()
    context.close()


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^##? (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, anchor = link.partition("#")
        assert not path or (ROOT / "docs" / path).is_file(), link
        assert path or anchor in anchors, link
    assert "](parking.md)" in (ROOT / "docs/README.md").read_text(encoding="utf-8")


def test_the_picture_is_small() -> None:
    assert 0 < (ROOT / "docs/pictures/parking-states.jpg").stat().st_size < PICTURE_MOST_BYTES
