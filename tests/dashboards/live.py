"""The demo's cameras, an aggregator and a real Prometheus that scrapes both: what dashboards are looked at on."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from tests.end_to_end.running import ROOT, Folder, free_port, metrics_of, until

SPEED = "6"


class Prometheus:
    """A running server."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its HTTP API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=20) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def now(self, expr: str) -> list[dict[str, Any]]:
        """The series of an expression now, those that are no number left out."""
        found = self.ask("query", query=expr)["result"]
        return [each for each in found if each["value"][1] != "NaN"]

    def course(self, expr: str, seconds: float, step_s: float = 1.0) -> list[dict[str, Any]]:
        """The series of an expression over the last ``seconds``."""
        end = time.time()
        times = {"start": f"{end - seconds:.3f}", "end": f"{end:.3f}", "step": f"{step_s}"}
        result: list[dict[str, Any]] = self.ask("query_range", query=expr, **times)["result"]
        return result


@contextmanager
def watched_demo(folder: Folder, prometheus: str) -> Iterator[Prometheus]:
    """The demo at work, and a Prometheus that scrapes it each second and evaluates the committed rules as often."""
    folder.serve(places=str(ROOT / "config/places.yaml"))
    demo = yaml.safe_load((ROOT / "config/demo/agent.yaml").read_text(encoding="utf-8"))
    for camera in demo["cameras"]:
        camera["source"] = str(ROOT / "config/demo" / camera["source"])
    folder.configure_agent(*demo["cameras"], id="demo", site=demo["site"])
    agent = folder.run_agent("--speed", SPEED)
    aggregator = json.loads((folder.path / "ready.json").read_text(encoding="utf-8"))["metrics"]
    rules = folder.path / "rules"
    rules.mkdir()
    for path in (ROOT / "config/prometheus/rules").glob("*.yml"):
        groups = yaml.safe_load(for_minutes(path.read_text(encoding="utf-8")))
        for group in groups["groups"]:
            group["interval"] = "1s"
        (rules / path.name).write_text(yaml.safe_dump(groups), encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "external_labels": {"docs": "docs"}},
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": [
            {
                "job_name": "clearway-aggregator",
                "static_configs": [{"targets": [aggregator], "labels": {"instance": "aggregator-1"}}],
            },
            {
                "job_name": "clearway-agent",
                "static_configs": [{"targets": [metrics_of(agent)], "labels": {"instance": "demo"}}],
            },
        ],
    }
    with scraping(folder, prometheus, config) as server:
        yield server


@contextmanager
def scraping(folder: Folder, prometheus: str, config: dict[str, Any]) -> Iterator[Prometheus]:
    """A Prometheus with this configuration, which ends afterwards."""
    file = folder.write("prometheus.yml", config)
    address = f"127.0.0.1:{free_port()}"
    with (folder.path / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(
            [
                prometheus,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder.path / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: _answers(address), "Prometheus answers")
        yield Prometheus(address)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def for_minutes(rules: str) -> str:
    """The rules as they would be if a street's day were a minute long: a score asks for an hour that was judged."""
    return rules.replace(">= 3600", ">= 5").replace("120 * max", "1 * max")


def _answers(address: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
