"""Service level objectives: what is promised, what was kept, and how much of the allowance is left."""

from __future__ import annotations

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard
from pages import page
from parts import Query, Steps, lines, note, number, row

BUDGET: Steps = ((None, "red"), (0, "orange"), (0.25, "green"))


@dataclass(frozen=True, slots=True)
class Objective:
    """``good`` of ``all`` over the range ``$__range`` must be at least ``target``."""

    title: str
    what: str
    target: float
    good: str
    all: str

    def kept(self, window: str) -> str:
        """The share that was good."""
        return f"({self.good.format(window=window)}) / (({self.all.format(window=window)}) > 0)"

    def left(self, window: str) -> str:
        """The share of the allowance that is left; below 0 the objective was missed."""
        return f"1 - (1 - {self.kept(window)}) / {1 - self.target:.6g}"


OBJECTIVES = (
    Objective(
        "Zones are judged",
        "Of the time in which zones are enforced, 95 % can be judged.",
        0.95,
        "sum(increase(clearway_street_judged_seconds_total[{window}]))",
        "sum(increase(clearway_street_enforced_seconds_total[{window}]))",
    ),
    Objective(
        "Agents are heard",
        "Of the agents that are known, 99 % are connected at any time.",
        0.99,
        'sum(avg_over_time(clearway_agents{{state="connected"}}[{window}]))',
        "sum(avg_over_time(clearway_agents[{window}]))",
    ),
    Objective(
        "Batches are acked in time",
        "99 % of batches are durable and acked within a second.",
        0.99,
        'sum(increase(clearway_ingest_ack_latency_seconds_bucket{{le="1.0"}}[{window}]))',
        "sum(increase(clearway_ingest_ack_latency_seconds_count[{window}]))",
    ),
    Objective(
        "Events arrive",
        "Of the events that agents emitted, 99.99 % are stored; those known to be lost are not.",
        0.9999,
        "sum(max by (agent) (increase(clearway_ingest_events_total[{window}])))",
        "sum(max by (agent) (increase(clearway_ingest_events_total[{window}])))"
        " + (sum(clamp_min(max by (agent, reason) (clearway_ingest_lost_events)"
        " - (max by (agent, reason) (clearway_ingest_lost_events offset {window})"
        " or 0 * max by (agent, reason) (clearway_ingest_lost_events)), 0)) or vector(0))",
    ),
)

ABOUT = """\
An objective is what is promised; the allowance is how much may go wrong in the range that is chosen above. Above a
quarter left all is well; at none left, what is done next is to make it reliable. How each number is made stands in
its description. Events that wait in a queue are neither stored nor lost.
"""


def objectives() -> dashboard.Dashboard:
    """The dashboard."""
    made = page(
        "clearway-objectives", "Service level objectives", "What is promised, and what was kept.", since="now-7d"
    ).with_row(row("Kept in the range that is chosen"))
    for each in OBJECTIVES:
        made = made.with_panel(
            number(
                each.title,
                each.what,
                each.kept("$__range"),
                "percentunit",
                ((None, "red"), (each.target, "green")),
                decimals=3,
                absent="nothing to judge",
            ).span(6)
        )
    made = made.with_row(row("Left of the allowance"))
    for each in OBJECTIVES:
        made = made.with_panel(
            number(
                f"{each.title}: allowance left",
                f"1 is untouched, below 0 the objective of {each.target:.2%} was missed.",
                each.left("$__range"),
                "percentunit",
                BUDGET,
                decimals=0,
                absent="nothing to judge",
            ).span(6)
        )
    made = made.with_row(row("Over time"))
    for each in OBJECTIVES:
        made = made.with_panel(
            lines(
                f"{each.title}: by the hour",
                each.what,
                [Query(each.kept("1h"), "kept"), Query(f"vector({each.target})", "objective")],
                "percentunit",
                least=None,
                most=1,
            )
        )
    return made.with_panel(note("What this is", ABOUT, span=24, height=4))
