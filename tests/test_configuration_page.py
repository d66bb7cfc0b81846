"""docs/configuration.md says of every field what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from edge_agent import config
from edge_agent.config_fields import Weekday

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
COMPUTED = {("AgentConfig", "version")}
"""What the agent fills in itself."""
CLASSES = sorted(
    name for name, value in vars(config).items() if isinstance(value, type) and hasattr(value, "__pydantic_fields__")
)


def documented(class_name: str) -> dict[str, str]:
    """Each field's default as the page's table gives it."""
    heading = re.search(rf"^## .*\(`{class_name}`\)$", PAGE, re.MULTILINE)
    assert heading is not None, f"docs/configuration.md has no section for {class_name}"
    section = PAGE[heading.end() :].partition("\n## ")[0]
    return {field: default.strip() for field, default in re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE)}


def said(value: Any) -> str:
    """A default as the page writes it; fields that hold a section of their own are linked there."""
    if value is None:
        return "none"
    if isinstance(value, config.Schedule):
        return "[always](#a-schedule-schedule)"
    if hasattr(value, "__pydantic_fields__"):
        return "[see there]"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"`{value:.10g}`"
    if isinstance(value, dict):
        inside = ", ".join(f"{key}: {item:g}" for key, item in value.items())
        return f"`{{{inside}}}`"
    if value == frozenset(Weekday):
        return "every day"
    if value == (0, 24 * 60):
        return "`00:00-24:00`"
    if isinstance(value, (tuple, frozenset)):
        assert not value
        return "`[]`"
    return f"`{value}`"


def test_every_section_of_the_configuration_is_on_the_page() -> None:
    sections = set(re.findall(r"^## .*\(`(\w+)`\)$", PAGE, re.MULTILINE))
    assert sections == set(CLASSES)


@pytest.mark.parametrize("class_name", CLASSES)
def test_the_page_names_each_field_with_its_default(class_name: str) -> None:
    fields = getattr(config, class_name).__pydantic_fields__
    expected = {}
    for name, field in fields.items():
        if (class_name, name) not in COMPUTED:
            default = field.get_default(call_default_factory=True)
            expected[name] = "required" if default is PydanticUndefined else said(default)
    found = {
        name: "[see there]" if default.startswith("[see there](#") else default
        for name, default in documented(class_name).items()
    }
    assert found == expected


def test_links_within_the_page_lead_to_its_sections() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors
