"""The drawings that dashboards are looked at by: they know every panel, and tables come out as Grafana makes them."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.dashboards.drawing import drawn
from tests.dashboards.panels import FILES, chosen_at_first, filled, load, panels
from tests.dashboards.tables import tabled

LABELS = {"agent": "box-1", "camera": "gate", "district": "d", "street": "s", "state": "seeing", "kind": "parked"}
BOARDS = [pytest.param(load(path), id=path.stem) for path in FILES]


def series(target: dict[str, Any]) -> dict[str, Any]:
    labels = LABELS | {name: name for name in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))}
    if target.get("instant"):
        return {"metric": labels, "value": [100.0, "0.5"]}
    return {"metric": labels, "values": [[100.0, "0.5"], [101.0, "NaN"], [105.0, "0.7"]]}


@pytest.mark.parametrize("board", BOARDS)
def test_every_panel_is_drawn_with_data_and_without(board: dict[str, Any]) -> None:
    chosen = chosen_at_first(board)
    targets = [target for panel in panels(board) for target in panel.get("targets", ())]
    answers = {filled(target["expr"], chosen): [series(target)] for target in targets}
    full, empty = drawn(board, answers, 1480, 38), drawn(board, {}, 1480, 38)
    for panel in panels(board):
        for page in (full, empty):
            assert f"<h2>{html.escape(panel['title'])}</h2>" in page
    assert "No data" not in full
    assert full.count("<svg") > empty.count("<svg")


def asked(ref: str, *rows: tuple[dict[str, str], float]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {"refId": ref}, [{"metric": labels, "value": [0.0, str(value)]} for labels, value in rows]


MERGE = [{"id": "merge", "options": {}}]


def test_queries_come_together_by_the_labels_that_all_have_and_an_empty_one_hinders_nothing() -> None:
    a, b = {"street": "a"}, {"street": "b"}
    table = tabled([asked("A", (a, 1), (b, 2)), asked("B"), asked("C", (b, 3))], MERGE)
    assert table.rows == [
        {"Time": 0.0, "street": "a", "Value #A": 1.0},
        {"Time": 0.0, "street": "b", "Value #A": 2.0, "Value #C": 3.0},
    ]


def test_rows_whose_metrics_have_other_names_stay_apart() -> None:
    one, other = {"street": "a", "__name__": "x"}, {"street": "a", "__name__": "y"}
    assert len(tabled([asked("A", (one, 1)), asked("B", (other, 2))], MERGE).rows) == 2


@pytest.mark.parametrize("board", BOARDS)
def test_no_column_of_a_table_brings_the_name_of_its_metric(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] in ("table", "geomap"):
            for target in panel["targets"]:
                assert target["expr"].startswith("max by ("), f"{panel['title']}: {target['expr']}"
                assert target["format"] == "table"


@pytest.mark.parametrize("board", BOARDS)
def test_a_number_is_asked_for_this_moment_and_says_what_it_means_to_have_none(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] == "stat":
            assert panel["fieldConfig"]["defaults"]["noValue"]
            assert all(target["instant"] and not target["range"] for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize("board", BOARDS)
def test_marks_have_all_that_prometheus_annotations_have(board: dict[str, Any]) -> None:
    for mark in board.get("annotations", {}).get("list", ()):
        assert mark["enable"]
        assert mark["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        grouped = re.search(r"max by \(([\w, ]+)\)", mark["expr"])
        assert grouped is not None, mark["expr"]
        named = set(re.findall(r"\{\{(\w+)\}\}", mark["titleFormat"])) | set(mark["tagKeys"].split(","))
        assert named <= set(grouped[1].split(", "))
        step_s, range_s = int(mark["step"].rstrip("s")), re.search(r"\[(\d+)s\]", mark["expr"])
        assert range_s is None or int(range_s[1]) >= 2 * step_s, "a rise between two looks would be missed"
