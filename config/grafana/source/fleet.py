"""All agents: who is there, with what, how their queues and boxes are."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grids import Column, rows
from pages import choice, page
from parts import ANY_IS_BAD, Query, bars, lines, number, once, row

DAY_S = 86400
RUNS = {"version": "Version", "model": "Model", "config": "Configuration", "platform": "Platform"}
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
        .with_panel(
            number("Connected", "Agents with a stream now.", 'max(clearway_agents{state="connected"}) or vector(0)')
        )
        .with_panel(
            number(
                "Silent",
                "Agents that were heard before and are not now.",
                'max(clearway_agents{state="silent"}) or vector(0)',
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Never heard",
                "Agents that should be there and were never heard.",
                'max(clearway_agents{state="never"}) or vector(0)',
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Events lost",
                "Events known to be lost, as agents and sequence numbers say.",
                f"sum(max by (agent, reason) (clearway_ingest_lost_events{mine})) or vector(0)",
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Certificates that end soon",
                "Agents whose certificate ends within ten days: they renew theirs long before.",
                f"count(max by (agent) ({CERTIFICATE}{mine}) - time() < {10 * DAY_S}) or vector(0)",
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
                    Column(
                        "Connected",
                        'clearway_agent_state{agent=~"$agent", state="connected"}',
                        steps=((None, "red"), (1, "green")),
                        yes_or_no=True,
                    ),
                    Column("Info", f"clearway_agent_info{mine}", also=tuple(RUNS), hidden=True),
                    Column("Last heard", f"clearway_agent_last_seen_timestamp_seconds{mine} * 1000", "dateTimeFromNow"),
                    Column("Queued events", f"clearway_agent_queue_events{mine}"),
                    Column("Oldest queued", f"clearway_agent_queue_oldest_age_seconds{heard}", "s"),
                    Column("Clock offset", f"clearway_agent_clock_offset_seconds{heard}", "s", decimals=1),
                ],
                {"agent": "Agent"},
                also=RUNS,
            )
        )
        .with_row(row("Queues and clocks, as the aggregator hears"))
        .with_panel(
            lines(
                "Queued events",
                "Events on boxes that wait for an ack.",
                [Query(once("clearway_agent_queue_events", mine, "agent"), "{{agent}}")],
            )
        )
        .with_panel(
            lines(
                "Age of the oldest queued event",
                "It grows while an agent is silent.",
                [
                    Query(
                        once("clearway_agent_queue_oldest_age_seconds", heard, "agent"),
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
                [Query(once("clearway_agent_clock_offset_seconds", heard, "agent"), "{{agent}}")],
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
                        f"max by (agent) (increase(clearway_agent_queue_shed_events_total{heard}[1h]))",
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
                Query(f"sum by (state) (clearway_agent_cameras_in_state{box}) > 0", "{{state}}"),
            )
        )
    )
