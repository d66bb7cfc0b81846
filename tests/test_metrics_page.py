"""docs/metrics.md says what the programs serve, and what pages and rules name is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.metrics_page import PAGE, page

ROOT = PAGE.parent.parent
NAMING = [*ROOT.glob("docs/*.md"), *ROOT.glob("config/prometheus/**/*.y*ml")]


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/metrics.md is old: run python -m tests.metrics_page"


@pytest.mark.parametrize("file", NAMING, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_metric_that_is_named_exists(file: Path) -> None:
    known = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bclearway_\w*[a-z]\b", file.read_text(encoding="utf-8")))
    assert {name for name in named if re.sub("_(bucket|sum|count)$", "", name) not in known} - known == set()
