"""The common recipe, scored beside the agent by the same scorer.

Detector at 5 frames a second, ByteTrack, a polygon zone, and the time in the zone counted by track id: what most
examples of zone dwell do (supervision's "time in zone" among them). It uses the agent's own detector and reads the same
suites, so that only the recipe differs. Its needs are pinned in requirements/benchmarks.txt:

    make bench-recipe SUITE=tests/suites/demo.yaml
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from edge_agent.assembly import card_of
from edge_agent.capture.open_source import open_source
from edge_agent.capture.source import SourceError
from edge_agent.config import ParkingZone, SiteConfig
from edge_agent.config_file import ConfigError
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.detection.detector import Detector, load_detector
from edge_agent.detection.model_card import ModelError
from edge_agent.evaluation.agent_player import AgentPlayer
from edge_agent.evaluation.alarm import Alarm
from edge_agent.evaluation.clip_run import GAP_S, ClipRun
from edge_agent.evaluation.commands import DEFAULT_MODEL
from edge_agent.evaluation.evaluate import ClipResult, Job, as_json, evaluate_clip, judge_run
from edge_agent.evaluation.suite import Clip, load_suite
from edge_agent.evaluation.table import COLUMNS
from edge_agent.evaluation.truth import Span
from edge_agent.scenarios.finding import FindingKind, Scenario
from edge_agent.zone_fit import fit_zones

PERIOD_S = 0.2
"""Five frames a second, which the recipe is commonly run at on small boxes."""
MIN_SCORE = 0.25
"""The score that the examples cut at."""
LOST_BUFFER = 30
"""Frames for which ByteTrack looks for a lost track: its default, a second of video, six seconds here."""
_GROUPS = tuple(ClassGroup)


@contextmanager
def _without_deprecation() -> Iterator[None]:
    """ByteTrack is deprecated in the pinned release, which is pinned because it is the last to have it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


with _without_deprecation():
    import supervision as sv


@dataclass(slots=True)
class _Clock:
    """How long one track has been in one zone, and the alarm that it has raised."""

    since_s: float
    last_s: float
    alarm: Alarm | None = None


class Recipe:
    """One camera's tracker and zones."""

    def __init__(self, zones: Iterable[ParkingZone]) -> None:
        with _without_deprecation():
            self._tracker = sv.ByteTrack(
                frame_rate=round(1 / PERIOD_S), track_activation_threshold=MIN_SCORE, lost_track_buffer=LOST_BUFFER
            )
        self._zones = [(zone, sv.PolygonZone(np.array(zone.polygon).round().astype(int))) for zone in zones]
        self._clocks: dict[tuple[str, int], _Clock] = {}
        self._alarms: list[Alarm] = []

    def take(self, detections: Detections, now_s: float) -> None:
        """One frame: track, place in zones, count by track id."""
        kept = detections.keep(detections.scores >= MIN_SCORE)
        tracked = self._tracker.update_with_detections(
            sv.Detections(
                xyxy=kept.boxes.reshape(-1, 4),
                confidence=kept.scores,
                class_id=np.array([_GROUPS.index(group) for group in kept.groups], int),
                data={"class_name": np.array(kept.class_names, dtype=str)},
            )
        )
        for zone, polygon in self._zones:
            for number in np.flatnonzero(polygon.trigger(tracked)) if len(tracked) else ():
                self._count(zone, tracked, int(number), now_s)
        for key, clock in list(self._clocks.items()):
            if now_s - clock.last_s > LOST_BUFFER * PERIOD_S:
                self._end(key, clock.last_s)

    def end(self) -> tuple[Alarm, ...]:
        """The footage has ended: every alarm, those still going on without an end."""
        for key in list(self._clocks):
            self._end(key, None)
        return tuple(self._alarms)

    def _count(self, zone: ParkingZone, tracked: Any, number: int, now_s: float) -> None:
        group, name = _GROUPS[int(tracked.class_id[number])], str(tracked.data["class_name"][number])
        limit_s = zone.dwell_limit_s.get(name, zone.dwell_limit_s.get(group.value, 0.0))
        if not limit_s or name in zone.exempt_classes:
            return
        track = int(tracked.tracker_id[number])
        clock = self._clocks.setdefault((zone.id, track), _Clock(now_s, now_s))
        clock.last_s = now_s
        if clock.alarm is None and now_s - clock.since_s >= limit_s:
            left, top, right, bottom = (float(side) for side in tracked.xyxy[number])
            clock.alarm = Alarm(
                incident_id=f"{zone.id}-{track}",
                zone_id=zone.id,
                scenario=Scenario.PARKING,
                kind=FindingKind.PARKED,
                class_group=group,
                class_name=name,
                box=(left, top, right, bottom),
                stay_from_s=clock.since_s,
                opened_s=now_s,
            )

    def _end(self, key: tuple[str, int], closed_s: float | None) -> None:
        alarm = self._clocks.pop(key).alarm
        if alarm is not None:
            self._alarms.append(replace(alarm, closed_s=closed_s))


def play(clip: Clip, site: SiteConfig, detector: Detector) -> ClipResult:
    """Play a clip to the recipe and score it; what the recipe cannot do (a passage) it does not report."""
    if clip.missing is not None:
        return ClipResult(clip.name, skipped=clip.missing)
    camera = replace(clip.camera, period_s=PERIOD_S)
    source = open_source(camera, site.time_zone)
    recipe: Recipe | None = None
    times: list[float] = []
    started_at, size = None, (1, 1)
    before_s = time.process_time()
    try:
        for frame in source.frames():
            if recipe is None:
                size = frame.width, frame.height
                zones = fit_zones(camera, *size)
                recipe = Recipe(zone for zone in zones if isinstance(zone, ParkingZone))
                started_at = frame.captured_at - timedelta(seconds=frame.media_time_s)
            recipe.take(detector.detect(frame.image), frame.media_time_s)
            times.append(frame.media_time_s)
    except SourceError as error:
        return ClipResult(clip.name, failed=str(error))
    if recipe is None or started_at is None:
        return ClipResult(clip.name, failed="not one frame could be analysed")
    steps = list(pairwise(times))
    run = ClipRun(
        events=(),
        widths={},
        states=(),
        stills=(),
        footage=Span(times[0], times[-1]),
        gaps=tuple(Span(before + GAP_S, after) for before, after in steps if after - before > GAP_S),
        footage_s=sum(min(after - before, GAP_S) for before, after in steps) + PERIOD_S,
        frames=len(times),
        started_at=started_at,
        size=size,
        cpu_s=time.process_time() - before_s,
    )
    return ClipResult(clip.name, judged=judge_run(camera, site, clip.truth, run, recipe.end()))


def compare(
    suite_path: Path, model: str | None, models_dir: Path | None, names: tuple[str, ...], agent: dict[str, Any] | None
) -> dict[str, Any]:
    """Both on every clip: their results as ``evaluate --json`` prints them, and a table on stderr.

    ``agent`` is what ``evaluate --json`` printed of the same suite and model; without it the agent is played too.
    """
    suite = load_suite(suite_path)
    clips = suite.choose(names)
    player = AgentPlayer(model or suite.model or DEFAULT_MODEL, models_dir or suite.models_dir)
    played: list[ClipResult] = []
    recipe: list[ClipResult] = []
    for clip in clips:
        detector = load_detector(card_of(clip.camera, player.model, player.models_dir))
        if agent is None:
            played.append(evaluate_clip(Job(clip, suite.site, player)))
        recipe.append(play(clip, suite.site, detector))
    results = {"agent": as_json(played) if agent is None else agent, "recipe": as_json(recipe)}
    _print(results)
    return results


def _print(results: dict[str, dict[str, Any]]) -> None:
    console = Console(stderr=True) if sys.stderr.isatty() else Console(stderr=True, width=200)
    table = Table(box=None, pad_edge=False)
    table.add_column("clip")
    table.add_column("by")
    for _, heading, _ in COLUMNS:
        table.add_column(heading, justify="right")
    by_clip = {who: {clip["name"]: clip for clip in of["clips"]} for who, of in results.items()}
    for name in by_clip["recipe"]:
        for who, clips in by_clip.items():
            table.add_row(name, who, *(_cells(clips[name]) if name in clips else ()))
    table.add_section()
    for who, of in results.items():
        table.add_row("total", who, *_cells(of["total"]), style="bold")
    console.print(table)


def _read(path: Path) -> dict[str, Any]:
    """What ``evaluate --json`` wrote. Raises ``UsageError`` if it is anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        keys = {key for key, *_ in COLUMNS}
        if all(keys <= score.keys() for score in (*document["clips"], document["total"])):
            return dict(document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise click.UsageError(f"--agent {path}: not what evaluate --json prints: {error!r}") from error
    raise click.UsageError(f"--agent {path}: not what evaluate --json prints: it lacks scores")


def _cells(values: dict[str, Any]) -> list[str]:
    return ["-" if values[key] is None else str(values[key]) for key, *_ in COLUMNS]


@click.command()
@click.argument("suite_path", metavar="SUITE.yaml", type=click.Path(path_type=Path))
@click.option("--model", help="Model for both.")
@click.option("--models-dir", type=click.Path(path_type=Path))
@click.option("--clip", "names", multiple=True, metavar="NAME", help="Only this clip; may be given again.")
@click.option("--agent", type=click.Path(path_type=Path), help="What evaluate --json printed: the agent is not played.")
def main(
    suite_path: Path, model: str | None, models_dir: Path | None, names: tuple[str, ...], agent: Path | None
) -> None:
    """Score the agent and the common recipe on a suite, side by side: a table on stderr, JSON on stdout."""
    known = None if agent is None else _read(agent)
    try:
        click.echo(json.dumps(compare(suite_path, model, models_dir, names, known), indent=2))
    except (ConfigError, ModelError) as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    main()
