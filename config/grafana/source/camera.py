"""One camera: can it see, what does it see, and how it works."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from pages import choice, incidents_shaded, page
from parts import ANY_IS_BAD, BLUE, GREEN, MORE_IS_BETTER, RED, Query, lines, note, number, once, row, states

CAMERA = 'agent="$agent", camera="$camera"'
ON_BOX = 'job="clearway-agent", camera="$camera"'

EVIDENCE = """\
Stills of an incident show its place at arrival, at the limit and at departure, with time, zone and measured values
drawn in and people made unrecognisable. They lie in the aggregator's evidence folder, under the SHA-256 that the
incident names.

    clearway-aggregator incidents list --config /etc/clearway/aggregator.yaml --camera $camera --json

lists the incidents of cameras of this name, each with its agent and its stills.
"""


def camera() -> dashboard.Dashboard:
    """The dashboard."""
    here = f"{{{CAMERA}}}"
    box = f"{{{ON_BOX}}}"
    open_incidents = once("clearway_incidents_open", here, "zone, kind, class_group")
    judged = once("clearway_zone_judged", here, "zone")
    enforced = once("clearway_zone_enforced", here, "zone")
    state_time = f"max by (state) (rate(clearway_camera_state_seconds_total{here}[10m]))"
    return (
        page("clearway-camera", "Camera", "The health of one camera, what stands before it, and what it costs.")
        .with_variable(choice("agent", "Agent", "label_values(clearway_camera_state, agent)"))
        .with_variable(choice("camera", "Camera", 'label_values(clearway_camera_state{agent="$agent"}, camera)'))
        .annotation(incidents_shaded(CAMERA))
        .with_row(row("Now"))
        .with_panel(
            number(
                "State",
                "What the camera says of its sight; silent while its agent is.",
                f'max by (state) (clearway_camera_state{{{CAMERA}, state="seeing"}} == 1)'
                f' or 0 * max by (state) (clearway_camera_state{{{CAMERA}, state!="seeing"}} == 1)',
                steps=((None, RED), (1, GREEN)),
                named="{{state}}",
            )
        )
        .with_panel(
            number(
                "Last frame",
                "When the last analysed frame was taken, by the camera's own clock: a recording keeps its own date.",
                f"max(clearway_camera_last_frame_timestamp_seconds{here}) * 1000",
                "dateTimeFromNow",
                steps=((None, BLUE),),
            )
        )
        .with_panel(
            number(
                "Open incidents",
                "Incidents that are open before this camera.",
                f"sum({open_incidents}) or vector(0)",
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Clear width",
                "Of its narrowest passage; unknown where none is measured now.",
                f"min(clearway_passage_clear_width_meters{here})",
                "lengthm",
                ((None, RED), (1.2, "orange"), (1.8, GREEN)),
                decimals=2,
                absent="unknown",
            )
        )
        .with_panel(
            number(
                "Seen, last 24 hours",
                "Share of the time in which the camera could see.",
                f'sum(increase(clearway_camera_state_seconds_total{{{CAMERA}, state="seeing"}}[1d]))'
                f" / (sum(increase(clearway_camera_state_seconds_total{here}[1d])) > 0)",
                "percentunit",
                MORE_IS_BETTER,
            )
        )
        .with_panel(
            number(
                "Zones judged",
                "Of its zones whose schedule is in force, the share that can be judged.",
                f"sum({judged}) / (sum({enforced}) > 0)",
                "percentunit",
                MORE_IS_BETTER,
                absent="nothing enforced",
            )
        )
        .with_row(row("What it sees"))
        .with_panel(
            states(
                "State over time",
                "A gap where nobody asked or answered.",
                Query(f"max by (state) (clearway_camera_state{here}) == 1", "{{state}}"),
            )
        )
        .with_panel(
            lines(
                "Clear width against its limits",
                "A gap is unknown, never clear.",
                [
                    Query(once("clearway_passage_clear_width_meters", here, "zone"), "{{zone}}"),
                    Query(once("clearway_passage_limit_meters", here, "zone, kind"), "{{zone}}: {{kind}} below"),
                ],
                "lengthm",
            )
        )
        .with_panel(
            lines(
                "Incidents",
                "Open, by zone and kind.",
                [Query(f"sum by (zone, kind) ({open_incidents})", "{{zone}}: {{kind}}")],
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "What stands in view",
                "Stays by what the last frame said of them.",
                [Query(f"clearway_agent_stays{box}", "{{state}}")],
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Time by state",
                "Share of the last 10 minutes; all but seeing is blind.",
                [
                    Query(
                        f"({state_time} > 0) / ignoring (state) group_left () (sum({state_time}) > 0)",
                        "{{state}}",
                    )
                ],
                "percentunit",
                stacked=True,
                most=1,
                by_state=True,
            )
        )
        .with_panel(note("Evidence", EVIDENCE, span=24, height=5))
        .with_row(row("How it works, from the box"))
        .with_panel(
            lines(
                "Sampling period",
                "What is asked for and what is kept: under load a period grows, and says so here.",
                [
                    Query(f"clearway_agent_camera_period_seconds{box}", "asked for"),
                    Query(f"clearway_agent_camera_period_kept_seconds{box}", "kept"),
                ],
                "s",
                span=8,
            )
        )
        .with_panel(
            lines(
                "Frames",
                "A second, by what became of them.",
                [Query(f"rate(clearway_agent_frames_total{box}[5m])", "{{result}}")],
                "cps",
                span=8,
            )
        )
        .with_panel(
            lines(
                "Detector",
                "Processor time a second that the camera takes there.",
                [Query(f"rate(clearway_agent_inference_seconds_total{box}[5m])", "share of a core")],
                "percentunit",
                span=8,
            )
        )
    )
