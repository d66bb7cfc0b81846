"""Plays the clips of a suite to the agent and scores what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context
from typing import Any, Protocol

from edge_agent.capture.open_source import open_recording
from edge_agent.capture.source import Source, SourceError
from edge_agent.config import CameraConfig, PassageZone, SiteConfig
from edge_agent.evaluation.alarm import Alarm, gather
from edge_agent.evaluation.clip_run import ClipRun, NoFramesError, Watch, record
from edge_agent.evaluation.enforced import enforced
from edge_agent.evaluation.expected import expected_incidents, is_measured
from edge_agent.evaluation.perturb import PERTURBATIONS, Perturbation, PerturbedSource, lay_back, thinned
from edge_agent.evaluation.scorer import Score, Verdict, WidthErrors, compare_widths, judge, score
from edge_agent.evaluation.suite import Clip
from edge_agent.evaluation.truth import Span, Truth
from edge_agent.pipeline import Observation, Pipeline
from edge_agent.zone_fit import fit_zones

PLAIN = ""
"""The condition under which a recording is played as it is."""

_FOREVER = Span(0.0, 1e9)

Adjust = Callable[[Pipeline], Pipeline]
"""Exchanges parts of a pipeline before it starts."""


class Player(Protocol):
    """Plays a recording to the agent and gives what each analysed frame came to.

    ``adjust`` is applied to every pipeline that is built; at ``restart_at_s`` of media time the agent is stopped and a
    new one goes on from its kept state.
    """

    def __call__(
        self,
        camera: CameraConfig,
        site: SiteConfig,
        source: Source,
        *,
        adjust: Adjust | None = None,
        restart_at_s: float | None = None,
    ) -> Iterable[Observation]:
        """What each analysed frame came to, in order. Raises ``SourceError``."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """One clip that was played and scored; ``truth`` is what it was scored against."""

    camera: CameraConfig
    truth: Truth
    run: ClipRun
    alarms: tuple[Alarm, ...]
    verdicts: tuple[Verdict, ...]
    score: Score


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What became of one clip under one condition: ``judged``, or why it was skipped or has failed."""

    name: str
    condition: str = PLAIN
    judged: Judged | None = None
    skipped: str | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One clip under one condition, with everything a worker of its own needs."""

    clip: Clip
    site: SiteConfig
    player: Player
    condition: str = PLAIN
    period_s: float | None = None
    with_report: bool = False


def evaluate_clip(job: Job) -> ClipResult:
    """Play and score one clip. A source that cannot be read is a failed result, not an exception."""
    clip = job.clip
    if clip.missing is not None:
        return ClipResult(clip.name, job.condition, skipped=clip.missing)
    hardship = PERTURBATIONS[job.condition] if job.condition else Perturbation("")
    camera = clip.camera
    period_s = hardship.period_s or job.period_s
    if period_s is not None:
        camera = replace(camera, period_s=period_s)
    try:
        run, duration_s = _play(job, camera, hardship)
    except (SourceError, NoFramesError) as error:
        return ClipResult(clip.name, job.condition, failed=str(error))
    alarms = tuple(_laid_back(alarm, hardship, duration_s, run) for alarm in gather(run.events))
    return ClipResult(clip.name, job.condition, judge_run(camera, job.site, clip.truth, run, alarms))


def judge_run(camera: CameraConfig, site: SiteConfig, truth: Truth, run: ClipRun, alarms: tuple[Alarm, ...]) -> Judged:
    """Score what was said of a recording. Raises ``ConfigError`` if a zone lies outside the picture."""
    camera = replace(camera, zones=fit_zones(camera, *run.size), size=run.size)
    expected = expected_incidents(truth, camera, run.footage, enforced(site, run.started_at))
    verdicts = judge(expected, alarms)
    errors = WidthErrors()
    for zone in camera.zones:
        if isinstance(zone, PassageZone) and is_measured(zone, camera, truth):
            errors += compare_widths(truth.clear_width, run.widths.get(zone.id, ()), truth.hidden_spans())
    counts = score(verdicts, width_errors=errors, footage_s=run.footage_s, cpu_s=run.cpu_s, gaps=run.gaps)
    return Judged(camera, truth, run, alarms, verdicts, counts)


def evaluate_all(jobs: Iterable[Job], workers: int = 1) -> Iterator[ClipResult]:
    """The results in the order of the jobs, each as soon as it and those before it are done."""
    if workers <= 1:
        yield from map(evaluate_clip, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(evaluate_clip, jobs)


def total(results: Iterable[ClipResult]) -> Score:
    """All played clips together, from their sums."""
    return sum((result.judged.score for result in results if result.judged is not None), Score())


def as_json(results: Iterable[ClipResult]) -> dict[str, Any]:
    """What ``evaluate --json`` prints.

    ``skipped`` and ``failed`` (name and reason) are there only if something was; ``perturbed`` (the same for each
    perturbation) only if one was asked for.
    """
    results = tuple(results)
    document = _section([result for result in results if result.condition == PLAIN])
    conditions = list(dict.fromkeys(result.condition for result in results if result.condition != PLAIN))
    if conditions:
        document["perturbed"] = {
            name: _section([result for result in results if result.condition == name]) for name in conditions
        }
    return document


def _section(results: list[ClipResult]) -> dict[str, Any]:
    section: dict[str, Any] = {
        "clips": [{"name": r.name, **r.judged.score.as_json()} for r in results if r.judged is not None],
        "total": total(results).as_json(),
    }
    skipped = [{"name": r.name, "reason": r.skipped} for r in results if r.skipped is not None]
    failed = [{"name": r.name, "reason": r.failed} for r in results if r.failed is not None]
    if skipped:
        section["skipped"] = skipped
    if failed:
        section["failed"] = failed
    return section


def _play(job: Job, camera: CameraConfig, hardship: Perturbation) -> tuple[ClipRun, float]:
    source: Source = open_recording(camera, job.site.time_zone)
    info = source.probe()
    duration_s = info.duration_s or 0.0
    if hardship.change is not None:
        source = PerturbedSource(source, hardship.change)
    adjust = None if hardship.keep_detections is None else partial(thinned, keep=hardship.keep_detections)
    restart_at_s = None if hardship.restart_at is None else hardship.restart_at * duration_s
    watch = None
    if job.with_report:
        in_force = enforced(job.site, _started_at(source))
        fitted = replace(camera, zones=fit_zones(camera, info.width, info.height), size=None)
        asked = expected_incidents(job.clip.truth, fitted, _FOREVER, in_force)
        watch = Watch(tuple(item.due_s for item in asked), {event.id: event.box for event in job.clip.truth.events})
    observations = job.player(camera, job.site, source, adjust=adjust, restart_at_s=restart_at_s)
    return record(observations, camera.period_s, watch), duration_s


def _started_at(source: Source) -> datetime:
    """The moment at which media time is 0."""
    first = next(iter(source.frames()), None)
    if first is None:
        raise NoFramesError("not one frame could be analysed")
    return first.captured_at - timedelta(seconds=first.media_time_s)


def _laid_back(alarm: Alarm, hardship: Perturbation, duration_s: float, run: ClipRun) -> Alarm:
    """The alarm with its box in pixels of the original recording, unless the agent itself has seen the view move."""
    if alarm.box is None or not duration_s:
        return alarm
    before_s = max((at_s for at_s, _ in run.shifts if not _moved(hardship, at_s / duration_s, run)), default=0.0)
    (right, down), (old_right, old_down) = run.shift_at(alarm.opened_s), run.shift_at(before_s)
    x1, y1, x2, y2 = alarm.box
    right, down = right - old_right, down - old_down
    seen = (
        (x1 + right, y1 + down, x2 + right, y2 + down)
        if _moved(hardship, alarm.opened_s / duration_s, run)
        else alarm.box
    )
    return replace(alarm, box=lay_back(seen, hardship, alarm.opened_s / duration_s, run.size[0]))


def _moved(hardship: Perturbation, share: float, run: ClipRun) -> bool:
    return hardship.moved is not None and any(hardship.moved(share, run.size[0]))
