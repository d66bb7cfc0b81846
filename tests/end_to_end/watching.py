"""Prometheus, Alertmanager and a receiver of its messages, with the committed rules and routes at a quicker pace."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.running import ROOT, free_port, until

RULES = ROOT / "config/prometheus/rules"
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, body: Any = None) -> Any:
    """The JSON that an HTTP API answers; what has no body is None."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with _NO_PROXY.open(request, timeout=20) as answer:
        said = answer.read()
    return json.loads(said) if said else None


@dataclass(frozen=True, slots=True)
class Message:
    """One alert of one message to a receiver."""

    receiver: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]


class Webhook:
    """Somebody who is told."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        messages = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the name that http.server asks for
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver = self.path.strip("/")
                messages.extend(
                    Message(receiver, alert["status"], alert["labels"], alert["annotations"])
                    for alert in said["alerts"]
                )
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """A test's output is no place for it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def told(self, alert: str, status: str = "firing", **labels: str) -> list[Message]:
        """Every message of an alert, oldest first."""
        wanted = {"alertname": alert, **labels}.items()
        return [one for one in list(self.messages) if one.status == status and wanted <= one.labels.items()]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Alertmanager:
    """A running one."""

    def __init__(self, address: str) -> None:
        self.address = address

    def post(self, *alerts: dict[str, str]) -> None:
        """Tell it of alerts that fire, each by its labels."""
        ask(f"http://{self.address}/api/v2/alerts", [{"labels": labels} for labels in alerts])

    def states(self, alert: str, **labels: str) -> list[str]:
        """``active`` or ``suppressed``, of each alert of a name that fires."""
        matchers = [f'{name}="{value}"' for name, value in {"alertname": alert, **labels}.items()]
        query = urllib.parse.urlencode({"filter": matchers}, doseq=True)
        return [one["status"]["state"] for one in ask(f"http://{self.address}/api/v2/alerts?{query}")]


class Prometheus:
    """A running one."""

    def __init__(self, address: str) -> None:
        self.address = address

    def values(self, expr: str) -> list[float]:
        """What each series of an expression is now."""
        url = f"http://{self.address}/api/v1/query?{urllib.parse.urlencode({'query': expr})}"
        return [float(series["value"][1]) for series in ask(url)["data"]["result"]]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Somebody who is told."""
    made = Webhook()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def alertmanager(folder: Path, told: Webhook) -> Iterator[Alertmanager]:
    """Alertmanager with the committed routes, which waits a second where they wait longer."""
    text = (ROOT / "config/alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:5001", told.address)
    file = folder / "alertmanager.yml"
    file.write_text(re.sub(r"(group_wait|group_interval): \w+", r"\1: 1s", text), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder / 'alertmanager'}"]
    command += [f"--web.listen-address={address}", "--cluster.listen-address="]
    with _running(command, "prometheus-alertmanager", address, folder / "alertmanager.log"):
        yield Alertmanager(address)


@contextmanager
def prometheus(
    folder: Path, targets: dict[str, str], tells: str, *, minutes_in_a_second: float, day_s: float
) -> Iterator[Prometheus]:
    """Prometheus with the committed configuration. ``targets`` has the address of each job, ``tells`` Alertmanager's.

    What the rules wait for passes so much quicker, and each second is ``day_s`` seconds of a street's day.
    """
    rules = folder / "rules"
    rules.mkdir()
    for path in RULES.glob("*.yml"):
        (rules / path.name).write_text(_quicker(path.read_text(encoding="utf-8"), minutes_in_a_second, day_s))
    config = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    config["global"] |= {"scrape_interval": "500ms", "evaluation_interval": "1s"}
    config["rule_files"] = [f"{rules}/*.yml"]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [tells]}]}]
    config["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
    ]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'prometheus'}"]
    with _running([*command, f"--web.listen-address={address}"], "prometheus", address, folder / "prometheus.log"):
        yield Prometheus(address)


def _quicker(text: str, minutes_in_a_second: float, day_s: float) -> str:
    rules = yaml.safe_load(text)
    for group in rules["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            for wait in {"for", "keep_firing_for"} & set(rule):
                rule[wait] = f"{max(1, round(_minutes(rule[wait]) / minutes_in_a_second))}s"
            rule["expr"] = rule["expr"].replace(">= 3600", ">= 10")  # an hour that was judged, of a day of a minute
            rule["expr"] = re.sub(r"^120 \* ", f"{day_s:g} * ", rule["expr"])
    return yaml.safe_dump(rules, allow_unicode=True)


def _minutes(duration: str) -> float:
    units = {"d": 1440, "h": 60, "m": 1, "s": 1 / 60}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration))


@contextmanager
def _running(command: list[str], package: str, address: str, log: Path) -> Iterator[None]:
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed (Debian: {package})")
    with log.open("wb") as output:
        process = subprocess.Popen([program, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            try:
                with _NO_PROXY.open(f"http://{address}/-/ready", timeout=5) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        until(answers, f"{command[0]} answers")
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
