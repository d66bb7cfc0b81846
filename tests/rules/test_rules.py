"""The rules of Prometheus and the routes of Alertmanager, by their own programs."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = sorted((ROOT / "config/prometheus/rules").glob("*.yml"))
UNIT_TESTS = sorted(Path(__file__).parent.glob("*.test.yml"))
ALERTMANAGER = ROOT / "config/alertmanager/alertmanager.yml"
RUNBOOKS = ROOT / "docs/runbooks.md"


def rules(kind: str) -> list[dict[str, Any]]:
    """Every rule that is an ``alert`` or a ``record``."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"] if kind in rule]


ALERTS = rules("alert")
NAMES = sorted({rule["alert"] for rule in ALERTS})


def program(name: str, package: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of their programs, or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: {package})")
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=120, check=False)


@cache
def unit_tests() -> list[dict[str, Any]]:
    """Every test of every file for promtool."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in UNIT_TESTS]
    return [test for file in files for test in file["tests"]]


def seconds(duration: str) -> float:
    """Of a duration as Prometheus writes it."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration))


def test_promtool_finds_the_rules_and_the_configuration_right() -> None:
    for arguments in (["rules", *map(str, RULES)], ["config", str(ROOT / "config/prometheus/prometheus.yml")]):
        done = program("promtool", "prometheus", "check", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.name.removesuffix(".test.yml"))
def test_rules_do_what_their_unit_tests_say(path: Path) -> None:
    done = program("promtool", "prometheus", "test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_is_tried_quiet_then_firing_then_resolved(name: str) -> None:
    """In one unit test, in this order; and for each severity that it has."""
    firing = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
    severities: set[str] = set()
    courses = []
    for test in unit_tests():
        looks = [look for look in test.get("promql_expr_test", ()) if look["expr"] == firing]
        looks.sort(key=lambda look: seconds(look["eval_time"]))
        courses.append([len(look["exp_samples"]) for look in looks])
        severities |= {
            found
            for look in looks
            for sample in look["exp_samples"]
            for found in re.findall(r'severity="(\w+)"', sample["labels"])
        }
    assert any(quieter_after(counts) for counts in courses), courses
    assert severities == {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name}


def quieter_after(counts: list[int]) -> bool:
    """True if there are fewer alerts before the most of them, and after."""
    if not counts:
        return False
    at = counts.index(max(counts))
    return counts[at] > min(counts[:at], default=counts[at]) and counts[at] > counts[-1]


def test_every_recording_rule_has_a_unit_test_that_expects_a_value() -> None:
    tried: set[str] = set()
    for test in unit_tests():
        for look in test.get("promql_expr_test", ()):
            if look["exp_samples"]:
                tried |= set(re.findall(r"clearway:[\w:]+", look["expr"]))
    recorded = {rule["record"] for rule in rules("record")}
    assert recorded - tried == {"clearway:agent_district:info"}  # every alert of an agent is made with it


def test_metrics_in_rules_are_metrics_that_there_are() -> None:
    known = set(
        re.findall(r"^\| `(clearway_\w+)`", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    recorded = {rule["record"] for rule in rules("record")}
    for rule in ALERTS + rules("record"):
        for name in re.findall(r"\bclearway_\w+", rule["expr"]):
            assert name.removesuffix("_bucket") in known, rule
        for name in re.findall(r"clearway:[\w:]+", rule["expr"]):
            assert name in recorded, rule


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_says_what_a_person_needs(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Clearway[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["labels"]["audience"] in ("district", "operations")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page, _, anchor = rule["annotations"]["runbook_url"].removeprefix("{{ $externalLabels.docs }}/").partition("#")
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {section.lower() for section in sections}
    assert anchor == rule["alert"].lower()


def test_the_runbooks_and_the_page_of_alerts_have_each_alert_and_no_other() -> None:
    assert sorted(re.findall(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)) == NAMES
    table = re.findall(r"^\| \[(Clearway\w+)\]", (ROOT / "docs/alerts.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(table) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_says_what_it_means_how_to_look_and_what_to_do(name: str) -> None:
    section = RUNBOOKS.read_text(encoding="utf-8").split(f"\n## {name}\n")[1].split("\n## ")[0]
    for part in ("Means", "Look", "Do"):
        assert f"**{part}.** " in section, f"{name}: no {part}"


def test_amtool_finds_the_configuration_of_alertmanager_right() -> None:
    done = program("amtool", "prometheus-alertmanager", "check-config", str(ALERTMANAGER))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("audience=district district=310101 severity=critical", "huangpu-duty"),
        ("audience=district district=310101 severity=warning", "huangpu"),
        ("audience=district district=310115 severity=critical", "pudong-duty"),
        ("audience=district district=310115 severity=warning", "pudong"),
        ("audience=district district=310999 severity=critical", "district-duty"),
        ("audience=district district=310999 severity=warning", "district"),
        ("audience=operations district=310101 severity=critical", "operations-on-call"),
        ("audience=operations severity=warning", "operations"),
        ("severity=critical", "operations-on-call"),
        ("alertname=SomebodyElses", "operations"),
    ],
)
def test_alerts_go_by_audience_district_and_severity(labels: str, receiver: str) -> None:
    done = program(
        "amtool",
        "prometheus-alertmanager",
        "config",
        "routes",
        "test",
        f"--config.file={ALERTMANAGER}",
        *labels.split(),
    )
    assert (done.returncode, done.stdout.strip()) == (0, receiver), done.stderr
