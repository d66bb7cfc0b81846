"""What the aggregator serves: name, type, labels, meaning and source of each metric.

Each is declared where its values are made, and made from its declaration alone; docs/metrics.md is generated from them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric, Sample

Values = Mapping[tuple[str, ...], float]
"""A value for each tuple of label values."""
Sums = defaultdict[tuple[str, ...], float]
"""The same while it is being added up."""
Buckets = list[tuple[str, float]]


class Kind(StrEnum):
    """How a value behaves."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """What there is one set of series for."""

    FIXED = "the aggregator"
    STREET = "each street"
    AGENT = "each agent"
    CAMERA = "each camera"


class Source(StrEnum):
    """Where a value comes from."""

    PROCESS = "this process, since it started"
    STORE = "the store"
    HEARTBEAT = "the agent's last heartbeat"
    SUMS = "sums of what heartbeats said, kept in the store"
    PLACES = "the places file"


Labels = tuple[str, ...]


class SampleBook:
    """The samples of the last look, so that the next one makes anew only what has changed.

    Thousands of agents have more than a dozen samples each, and nearly all stay as they are for hours.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[Labels, Sample]] = {}
        self._listed: dict[str, list[Sample]] = {}
        self._labels: dict[Labels, dict[Labels, dict[str, str]]] = {}

    def turn(self) -> None:
        """A new look begins."""
        self._labels = {}

    def samples(self, name: str, names: Labels, values: Values) -> list[Sample]:
        """A sample for each tuple of label values, in their order. The list is the last one if all are as they were."""
        known = self._known.setdefault(name, {})
        same = len(known) == len(values)
        for labels, value in values.items():
            before = known.get(labels)
            if before is None or before.value != value:
                shared = self._shared(names, labels) if before is None else before.labels
                known[labels] = Sample(name, shared, value)
                same = False
        if same:
            return self._listed[name] if known else []
        for labels in known.keys() - values.keys():
            del known[labels]
        listed = self._listed[name] = [known[labels] for labels in sorted(values)]
        return listed

    def _shared(self, names: Labels, labels: Labels) -> dict[str, str]:
        """Labels by their names: one for all the samples that have the same."""
        same = self._labels.setdefault(names, {})
        return same.setdefault(labels, dict(zip(names, labels, strict=True)))


BOOK = SampleBook()


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. ``name`` is as it is scraped, with ``_total`` or ``_info``; for a histogram without its suffixes."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    scope: Scope
    source: Source

    def filled(self, values: Values) -> Metric:
        """A gauge or a counter with a sample for each tuple of label values, in their order."""
        kind = CounterMetricFamily if self.kind is Kind.COUNTER else GaugeMetricFamily
        metric = kind(self.name.removesuffix("_total"), self.text, labels=self.labels)
        name = metric.name + ("_total" if self.kind is Kind.COUNTER else "")
        metric.samples = BOOK.samples(name, self.labels, values)
        return metric

    def distributed(self, values: Mapping[tuple[str, ...], tuple[Buckets, float]]) -> Metric:
        """A histogram: cumulative buckets and the sum for each tuple of label values."""
        metric = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, (buckets, sum_value) in sorted(values.items()):
            metric.add_metric(labels, buckets=buckets, sum_value=sum_value)
        return metric


PREFIX = "clearway_"

CATALOGUE: dict[str, Family] = {}
"""Every family by its name, once the modules that declare them are imported; ``aggregator.metrics`` imports all."""


def declare(kind: Kind, scope: Scope, source: Source, name: str, labels: str, text: str) -> Family:
    """Put a metric into the catalogue; ``name`` without the prefix, ``labels`` with spaces between them."""
    family = Family(PREFIX + name, kind, tuple(labels.split()), text, scope, source)
    if family.name in CATALOGUE:
        raise ValueError(f"{family.name} is declared twice")
    CATALOGUE[family.name] = family
    return family
