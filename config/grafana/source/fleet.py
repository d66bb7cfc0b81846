"""All agents: who is there, with what, how their queues and boxes are."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from parts import ANY_IS_BAD, Column, Query, bars, choice, lines, number, page, row, rows

DAY_S = 86400
CERTIFICATE = "clearway_agent_certificate_expiry_timestamp_seconds"


def fleet() -> dashboard.Dashboard:
    """The dashboard."""
    mine = '{agent=~"$agent"}'
    heard = '{job="clearway-aggregator", agent=~"$agent"}'
    box = '{job="clearway-agent", instance=~"$instance"}'
    return (
        page("clearway-fleet", "Fleet", "Agents, their versions, queues, processors and periods.", since="now-6h")
        .with_variable(choice("agent", "Agent", "label_values(clearway_agent_state, agent)", several=True))
        .with_variable(
            choice(
                "instance",
                "Box",
                'label_values(clearway_agent_build_info{job="clearway-agent"}, instance)',
                several=True,
            )
        )
        .with_row(row("Now"))
        .with_panel(number("Connected", "Agents with a stream now.", 'clearway_agents{state="connected"} or vector(0)'))
        .with_panel(
            number(
                "Silent",
                "Agents that were heard before and are not now.",
                'clearway_agents{state="silent"} or vector(0)',
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Never heard",
                "Agents that should be there and were never heard.",
                'clearway_agents{state="never"} or vector(0)',
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Events lost",
                "Events known to be lost, as agents and sequence numbers say.",
                f"sum(clearway_ingest_lost_events{mine}) or vector(0)",
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Certificates that end soon",
                "Agents whose certificate ends within ten days: they renew theirs long before.",
                f"count({CERTIFICATE}{mine} - time() < {10 * DAY_S}) or vector(0)",
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Models in use",
                "How many different ones; more than one while a new one is rolled out.",
                f"count(count by (model) (clearway_agent_info{mine}))",
                steps=((None, "green"), (2, "yellow")),
            )
        )
        .with_panel(
            rows(
                "Agents",
                "What runs on each box, and how it is.",
                [
                    Column("Connected", f"clearway_agent_connected{mine}", steps=((None, "red"), (1, "green"))),
                    Column("Info", f"clearway_agent_info{mine}"),
                    Column("Last heard", f"clearway_agent_last_seen_timestamp_seconds{mine} * 1000", "dateTimeFromNow"),
                    Column("Queued events", f"clearway_agent_queue_events{mine}"),
                    Column("Oldest queued", 'clearway_agent_queue_oldest_age_seconds{agent=~"$agent"}', "s"),
                    Column("Clock offset", 'clearway_agent_clock_offset_seconds{agent=~"$agent"}', "s", decimals=3),
                ],
                {
                    "agent": "Agent",
                    "version": "Version",
                    "model": "Model",
                    "config": "Configuration",
                    "platform": "Platform",
                },
            )
        )
        .with_row(row("Queues and clocks, as the aggregator hears"))
        .with_panel(
            lines(
                "Queued events",
                "Events on boxes that wait for an ack.",
                [Query(f"clearway_agent_queue_events{mine}", "{{agent}}")],
            )
        )
        .with_panel(
            lines(
                "Age of the oldest queued event",
                "It grows while an agent is silent.",
                [
                    Query(
                        f"clearway_agent_queue_oldest_age_seconds{heard}",
                        "{{agent}}",
                    )
                ],
                "s",
            )
        )
        .with_panel(
            lines(
                "Clock offset",
                "The agent's clock minus the aggregator's.",
                [Query(f"clearway_agent_clock_offset_seconds{heard}", "{{agent}}")],
                "s",
                least=None,
            )
        )
        .with_panel(
            lines(
                "Events shed by full queues",
                "An hour.",
                [
                    Query(
                        f"increase(clearway_agent_queue_shed_events_total{heard}[1h])",
                        "{{agent}}",
                    )
                ],
            )
        )
        .with_row(row("Boxes, as they say themselves"))
        .with_panel(
            lines(
                "Processor",
                "Cores in use.",
                [Query(f"rate(clearway_agent_cpu_seconds_total{box}[5m])", "{{instance}}")],
            )
        )
        .with_panel(
            lines(
                "Memory",
                "Resident memory of the agent.",
                [Query(f"clearway_agent_resident_memory_bytes{box}", "{{instance}}")],
                "bytes",
            )
        )
        .with_panel(
            lines(
                "Periods: kept over asked for",
                "1 is on time; 2 looks half as often as it should.",
                [
                    Query(
                        f"max by (instance) (clearway_agent_camera_period_kept_seconds{box}"
                        f" / clearway_agent_camera_period_seconds{box})",
                        "{{instance}}",
                    )
                ],
            )
        )
        .with_panel(
            bars(
                "Cameras by state",
                "All boxes.",
                Query(f"sum by (state) (clearway_agent_cameras_in_state{box})", "{{state}}"),
            )
        )
    )
