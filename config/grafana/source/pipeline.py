"""What goes through the aggregator: ingest, store, evidence."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from pages import page
from parts import ANY_IS_BAD, Query, lines, number, row

STORED, AGAIN, REJECTED = (
    f"sum(max by (agent) (rate(clearway_ingest_{name}_total[5m])))"
    for name in ("events", "duplicate_events", "rejected_events")
)
"""Counts of the store: the same from every replica."""


def or_none(expr: str, label: str) -> str:
    """An expression, or one series of 0 that is called none: a reason that never came has no series."""
    return f'{expr} or label_replace(vector(0), "{label}", "none", "", "")'


def quantiles(metric: str) -> list[Query]:
    """The median and the 99th percentile of a histogram."""
    return [
        Query(f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket[5m])))", name)
        for share, name in ((0.5, "median"), (0.99, "99 %"))
    ]


def pipeline() -> dashboard.Dashboard:
    """The dashboard."""
    return (
        page("clearway-pipeline", "Pipeline", "Ingest, store and evidence of the aggregator.", since="now-6h")
        .with_row(row("Now"))
        .with_panel(number("Agents connected", "Streams to this process.", "sum(clearway_agents_connected)"))
        .with_panel(number("Events a second", "Stored.", STORED, "cps", decimals=2))
        .with_panel(
            number(
                "Failed commits",
                "In the last hour. Agents wait and send again; nothing is lost.",
                "sum(increase(clearway_ingest_commit_failures_total[1h]))",
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Disk left for the store",
                "Share of the disk that is free.",
                "min(clearway_store_disk_free_bytes / clearway_store_disk_size_bytes)",
                "percentunit",
                ((None, "red"), (0.1, "orange"), (0.2, "green")),
                absent="PostgreSQL",
            )
        )
        .with_panel(number("Store", "Its size.", "max(clearway_store_size_bytes)", "bytes"))
        .with_panel(
            number(
                "Age of these numbers",
                "Since the aggregator last looked at its store.",
                "time() - min(clearway_metrics_snapshot_timestamp_seconds)",
                "s",
                ((None, "green"), (30, "orange"), (120, "red")),
            )
        )
        .with_row(row("Ingest"))
        .with_panel(
            lines(
                "Events",
                "Each second: stored, come again, refused for good.",
                [
                    Query(STORED, "stored"),
                    Query(AGAIN, "again"),
                    Query(REJECTED, "rejected"),
                ],
                "cps",
            )
        )
        .with_panel(
            lines(
                "Time from reading a batch to its ack",
                "What an agent waits for, without the network.",
                quantiles("clearway_ingest_ack_latency_seconds"),
                "s",
            )
        )
        .with_panel(
            lines(
                "Time of a commit",
                "A transaction, with the wait for the disk.",
                quantiles("clearway_ingest_commit_seconds"),
                "s",
            )
        )
        .with_panel(
            lines(
                "Batches that share a commit",
                "Group commit: the more at once, the more.",
                [
                    Query(
                        "sum(rate(clearway_ingest_commit_batches_sum[5m]))"
                        " / (sum(rate(clearway_ingest_commit_batches_count[5m])) > 0)",
                        "mean",
                    )
                ],
            )
        )
        .with_panel(
            lines(
                "Streams refused",
                "An hour, by reason.",
                [
                    Query(
                        or_none("sum by (reason) (increase(clearway_streams_refused_total[1h]))", "reason"),
                        "{{reason}}",
                    )
                ],
            )
        )
        .with_panel(
            lines(
                "Agents asked to pause",
                "An hour, by agent.",
                [Query(or_none("sum by (agent) (increase(clearway_agent_throttled_total[1h]))", "agent"), "{{agent}}")],
            )
        )
        .with_row(row("Store and evidence"))
        .with_panel(
            lines(
                "Disk space left",
                "Where the store and the pictures lie.",
                [
                    Query("min(clearway_store_disk_free_bytes)", "store"),
                    Query("min(clearway_evidence_disk_free_bytes)", "pictures"),
                ],
                "bytes",
            )
        )
        .with_panel(
            lines(
                "Pictures",
                "Bytes a second that came and were verified.",
                [Query("sum(rate(clearway_evidence_bytes_total[5m])) or vector(0)", "verified")],
                "Bps",
            )
        )
        .with_panel(
            lines(
                "Pictures refused",
                "Calls an hour, by reason.",
                [
                    Query(
                        or_none("sum by (reason) (increase(clearway_evidence_refused_total[1h]))", "reason"),
                        "{{reason}}",
                    )
                ],
            )
        )
        .with_panel(
            lines(
                "Aggregator",
                "Cores in use.",
                [Query('rate(process_cpu_seconds_total{job="clearway-aggregator"}[5m])', "{{instance}}")],
            )
        )
        .with_panel(
            lines(
                "Memory of the aggregator",
                "Resident.",
                [Query('process_resident_memory_bytes{job="clearway-aggregator"}', "{{instance}}")],
                "bytes",
            )
        )
        .with_panel(
            lines(
                "Time of a look at the store",
                "To read the values and to make the series.",
                [Query("clearway_metrics_snapshot_duration_seconds", "{{instance}}")],
                "s",
            )
        )
    )
