"""docs/metrics.md says what the programs serve, and every metric that they serve is declared."""

from __future__ import annotations

from tests.metrics_page import PAGE, page


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/metrics.md is old: run python -m tests.metrics_page"
