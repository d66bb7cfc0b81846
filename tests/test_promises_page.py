"""Every promise on the page is shown by a test that is there, and every test under faults stands for a promise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def names_of_tests(path: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in functions if node.name.startswith("test_")}


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_a_test_that_the_page_names_is_there(file: str, name: str) -> None:
    assert (ROOT / file).is_file(), file
    assert name in names_of_tests(ROOT / file)


def test_every_row_of_promises_names_its_tests() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count(" | ") == 2]
    promises = [row for row in rows if "| shown by |" not in row]
    assert len(promises) > 20
    assert [row for row in promises if "::test_" not in row] == []


def test_every_test_under_faults_stands_for_a_promise() -> None:
    for path in sorted((ROOT / "tests/faults").glob("test_*.py")):
        for name in names_of_tests(path):
            assert (str(path.relative_to(ROOT)), name) in NAMED, f"{path.name}::{name} shows nothing that is promised"


def test_every_other_mention_of_a_test_file_is_a_file() -> None:
    for file in re.findall(r"`(tests/[\w/]+\.py)`", PAGE):
        assert (ROOT / file).is_file(), file
