"""A pipeline is put together so that its parts agree with the camera's sampling period."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge_agent.assembly import Site, build_pipeline, load_detectors
from edge_agent.config import load_config
from edge_agent.scenarios.finding import ClearWidth, FindingKind, FindingState
from edge_agent.scenarios.moment import Moment, Passage


def test_a_passage_that_is_seen_once_a_minute_is_judged_all_the_same(root: Path) -> None:
    config = load_config(root / "config/demo/agent.yaml")
    camera = replace(config.camera("footbridge"), period_s=60.0)
    detector = load_detectors((camera,), config.model, config.models_dir, 1)[camera.id]
    (judge,) = build_pipeline(camera, Site.of(config), detector, 960, 540).parts.judges
    began = datetime(2026, 5, 18, 18, 2, tzinfo=UTC)
    states = []
    for minute in range(12):
        at_s = 60.0 * minute
        width = ClearWidth(width_m=0.9, uncertainty_m=0.05, media_time_s=at_s)
        seen = {judge.zone_id: Passage(width)}
        found = judge.judge(Moment(at_s, began + timedelta(seconds=at_s), True, (), seen))
        states.append({finding.kind: finding.state for finding in found})
    assert states[0][FindingKind.BLOCKED] is FindingState.PENDING
    assert states[-1][FindingKind.BLOCKED] is FindingState.VIOLATION
