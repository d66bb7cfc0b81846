"""Writes docs/metrics.md from the code: ``python -m tests.metrics_page``."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from prometheus_client.core import Metric

from aggregator.catalogue import CATALOGUE, Family, Kind, Scope
from aggregator.config import MetricsConfig
from aggregator.metrics import Metrics
from edge_agent.capture.source_kind import SourceKind
from edge_agent.metrics import AgentCollector
from edge_agent.status import AgentSnapshot
from edge_agent.uplink.latency import Latencies, LatencyHistogram

PAGE = Path(__file__).resolve().parent.parent / "docs/metrics.md"
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

UNITS = {
    "_timestamp_seconds": "Unix time",
    "_seconds": "s",
    "_meters": "m",
    "_bytes": "bytes",
    "_degrees": "degrees",
    "_celsius": "°C",
}

BUDGET = {Scope.STREET: 110, Scope.AGENT: 25, Scope.CAMERA: 50, Scope.FIXED: 150}
"""Most series for each street, agent, camera with series of its own, and for everything else together."""
AGENT_BUDGET = {"camera": 90, "box": 120}
"""The same on an agent: for each camera, and for the box."""

HEAD = """# Metrics

What the two programs serve to Prometheus. This page is made from the code by `python -m tests.metrics_page`; a test
says when it is old. What to watch: [operating.md](operating.md). Where cameras stand:
[aggregator.md](aggregator.md#places).

- Units are base units: seconds, metres, bytes, degrees. A `_timestamp_seconds` is Unix time.
- No label holds an id of an incident or a stay, an address, or the text of an error.
- An agent's series stay while it is silent, and end when it is retired
  (`clearway-aggregator agents retire`): a series that vanished would resolve its alert.
- Counters of the store go on after a restart of the aggregator. **A street's counters never fall**: not when an agent
  loses its state or restarts, not when the aggregator is killed, not when a camera gets another place (what it counted
  stays with the street it stood in). They begin at 0 with the first heartbeat that names a zone, so that the first
  thing to happen is an increase; what a camera counted before this aggregator first heard of it is not added.
- Counters of one camera fall to 0 when its agent loses its state; `rate()` and `increase()` take that rightly.
- Seconds are media time, as cameras saw it; they arrive with heartbeats. After an outage of the network all that was
  counted meanwhile arrives at once.

## How many series

| for each | at most | |
|---|---|---|
| street | {street} | with parking zones and passages; half of that with one of the two |
| agent | {agent} | |
| camera with series of its own | {camera} | with one zone; {max_cameras} cameras unless `metrics.max_cameras` says so |
| aggregator | {fixed} | |

At 10,000 cameras, 2,000 agents and 500 streets that is 105,000 series and 9 MB a scrape, half a second of one core; a
refresh takes four fifths of a second of one, so set `metrics.refresh_s: 15` there. Everything that alerts and the
index of a street need is in the series of streets and agents, which are never capped. An agent serves at most
{agent_camera} series for each camera and {agent_box} for its box.

"""

BETWEEN = """
# The agent's

Each agent serves these itself, at `metrics.listen`, of its own box and cameras. They have no label for the agent: the
scrape's `instance` tells. Where a name is like one of the aggregator's, that one has the label `agent` and came by
heartbeat. Everything is read from one snapshot for each scrape; counters begin anew with the agent's state or process.

"""


def page() -> str:
    """The whole page."""
    Metrics(MetricsConfig())  # its modules declare what there is
    counts = {scope.name.lower(): most for scope, most in BUDGET.items()}
    counts |= {f"agent_{what}": most for what, most in AGENT_BUDGET.items()}
    parts = [HEAD.format(**counts, max_cameras=MetricsConfig().max_cameras), "# The aggregator's\n"]
    for scope in (Scope.STREET, Scope.CAMERA, Scope.AGENT, Scope.FIXED):
        parts.append(f"\n## Of {scope.value}\n\n")
        parts.append(_table([_row(family) for family in CATALOGUE.values() if family.scope is scope]))
    parts.append("\nThe Python client adds `process_*`: CPU, memory, open files and start of the process.\n")
    parts += [BETWEEN, _table([_agent_row(metric) for metric in agent_metrics()])]
    return "".join(parts)


def agent_metrics() -> list[Metric]:
    """Every family that an agent can serve, from a snapshot in which nothing is missing."""
    return list(AgentCollector(lambda: complete(AgentSnapshot)).collect())


def complete(kind: Any) -> Any:
    """A value of ``kind`` with something in every field, whatever fields there are."""
    if kind is Latencies:
        return LatencyHistogram().snapshot()
    if kind is SourceKind:  # a recording has less to say
        return next(one for one in SourceKind if one.is_live)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: complete(hints[field.name]) for field in dataclasses.fields(kind) if field.init})
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return complete(next(one for one in typing.get_args(kind) if one is not type(None)))
    if typing.get_origin(kind) is tuple:
        return tuple(complete(one) for one in typing.get_args(kind) if one is not ...)
    if typing.get_origin(kind) in (Mapping, dict):
        key, value = typing.get_args(kind)
        return {complete(key): complete(value)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    simple = {int: 1, float: 1.0, str: "x", bool: True, bytes: b"x", datetime: NOW, timedelta: timedelta(1), Path: PAGE}
    return simple[kind]


def _row(family: Family) -> list[str]:
    return [family.name, family.kind, _unit(family.name), _labels(family.labels), family.text, family.source]


def _agent_row(metric: Metric) -> list[str]:
    name = metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")
    labels = {label for sample in metric.samples for label in sample.labels} - {"le"}
    kind = Kind.GAUGE.value if metric.type == "info" else metric.type
    return [name, kind, _unit(name), _labels(sorted(labels)), metric.documentation, "the box"]


def _unit(name: str) -> str:
    """By the name's ending; empty for counts and states."""
    return next((unit for ending, unit in UNITS.items() if name.removesuffix("_total").endswith(ending)), "–")


def _labels(labels: Iterable[str]) -> str:
    return ", ".join(labels) or "–"


def _table(rows: list[list[str]]) -> str:
    lines = ["| metric | type | unit | labels | meaning | from |", "|---|---|---|---|---|---|"]
    for name, *rest in rows:
        lines.append(f"| `{name}` | " + " | ".join(str(cell).replace("|", "\\|") for cell in rest) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
