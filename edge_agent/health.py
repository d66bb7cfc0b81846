"""Is the agent well, and how is each of its cameras: what ``/healthz`` and ``/status`` answer.

The agent is well while it can do its work. A camera without a picture, an aggregator that is away or refuses: these are
the world's troubles, which no restart of the agent would end; they are stated and are no reason to be unwell.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from edge_agent.capture.capture_status import CaptureStatus
from edge_agent.status import AgentSnapshot, CameraActivity, ZoneStatus
from edge_agent.uplink.state import UplinkState

MAIN_SILENT_S = 30.0
"""Longest without a look by the main thread, which looks twice a second; changing cameras may take half of this."""


def troubles(now: AgentSnapshot) -> tuple[str, ...]:
    """Why the agent cannot do its work, one sentence each; nothing if it can."""
    found = []
    life = now.lifetime
    if life is not None:
        if life.main_silent_s > MAIN_SILENT_S:
            found.append(f"the main thread has given no sign of life for {life.main_silent_s:.0f} s")
        found += [f"camera {camera} failed or hangs and waits to be started again" for camera in life.supervisor.down]
        held = now.box.resident_bytes if now.box is not None else None
        ceiling = life.memory_ceiling_bytes
        if held is not None and ceiling is not None and held > ceiling:
            found.append(f"memory is above its ceiling: {held} of {ceiling} bytes")
    if now.queue is not None and not now.queue.writable:
        found.append("the disk does not take events")
    if now.uplink is not None and now.uplink.state is UplinkState.STOPPED:
        found.append("the uplink is not running")
    return tuple(found)


def brief(now: AgentSnapshot) -> dict[str, Any]:
    """What ``/healthz`` answers."""
    found = troubles(now)
    return {
        "healthy": not found,
        "troubles": list(found),
        "cameras": {activity.status.camera: activity.status.state.value for activity in now.cameras},
    }


def full(now: AgentSnapshot) -> dict[str, Any]:
    """What ``/status`` answers: everything a person asks first, camera by camera. Ages and spans in seconds."""
    report: dict[str, Any] = {
        **brief(now),
        "at": now.taken_at.isoformat(),
        "version": now.build.version,
        "model": now.build.model,
        "config": now.build.config,
        "cameras": {activity.status.camera: _camera(activity, now.taken_at) for activity in now.cameras},
    }
    if now.queue is not None:
        report["queue"] = {
            "pending_events": now.queue.pending_events,
            "oldest_age_s": _age(now.taken_at, now.queue.oldest_emitted_at),
            "lost_events": now.queue.shed_events,
            "dead_letters": now.queue.dead_letters,
            "writable": now.queue.writable,
        }
    if now.uplink is not None:
        report["uplink"] = {
            "state": now.uplink.state.value,
            "for_s": _age(now.taken_at, now.uplink.since),
            "clock_offset_s": now.uplink.clock_offset_s,
            "problem": now.uplink.last_error or None,
        }
    if now.certificate_not_after is not None:
        report["certificate_not_after"] = now.certificate_not_after.isoformat()
    if now.box is not None:
        report["box"] = {
            "memory_bytes": now.box.resident_bytes,
            "cpu_s": round(now.box.cpu_s, 2),
            "threads": now.box.threads,
            "open_files": now.box.open_files,
            "written_bytes": now.box.written_bytes,
            "state_disk_free_bytes": now.box.state_free_bytes,
            "temperatures_c": dict(now.box.temperatures),
            "throttled_now": [name for name, is_now, _ in now.box.throttled if is_now],
            "throttled_since_start": [name for name, _, ever in now.box.throttled if ever],
        }
    if now.lifetime is not None:
        report["lifetime"] = {
            "memory_ceiling_bytes": now.lifetime.memory_ceiling_bytes,
            "written_bytes_a_day": now.lifetime.written_bytes_a_day,
            "write_budget_bytes": now.lifetime.write_budget_bytes,
            "stuck_threads": now.lifetime.supervisor.stuck_threads,
            "config_reload_successful": now.lifetime.reload_successful,
            "config_taken_at": now.lifetime.reloaded_at.isoformat(),
        }
    return report


def _camera(activity: CameraActivity, now: datetime) -> dict[str, Any]:
    status = activity.status
    return {
        "state": status.state.value,
        "state_for_s": _age(now, status.state_since),
        "last_frame_age_s": _rounded(activity.last_frame_age_s),
        "period_s": activity.period_s,
        "period_kept_s": _rounded(activity.period_kept_s),
        "frames": {
            "analysed": status.frames_analysed,
            "skipped": activity.frames_skipped,
            "late": activity.frames_late,
            "broken": status.frames_broken,
            "untimed": activity.frames_untimed,
        },
        "inferences": activity.inferences,
        "inference_s": _rounded(activity.inference_s),
        "looks": asdict(activity.looks),
        "turns": {name: _rounded(value) for name, value in asdict(activity.turns).items()},
        "source": _source(activity.capture) if activity.capture is not None else None,
        "zones": {zone.zone: _zone(zone) for zone in status.zones},
    }


def _source(capture: CaptureStatus) -> dict[str, Any]:
    if not capture.kind.is_live:
        return {"kind": capture.kind.value}
    return {
        "kind": capture.kind.value,
        "connected": capture.connected,
        "problem": capture.problem,
        "fps_in": capture.fps_in,
        "decode": capture.decode,
        "key_frame_distance_s": _rounded(capture.gop_s),
        "hardware": capture.hardware,
        "sub_stream": capture.sub_stream,
        "sender_time": capture.sender_time,
        "reconnects": capture.reconnects,
    }


def _zone(zone: ZoneStatus) -> dict[str, Any]:
    said: dict[str, Any] = {
        "scenario": zone.scenario.value,
        "enforced": zone.enforced,
        "judged": zone.judged,
        "open_incidents": zone.open_incidents,
        "coverage": _rounded(zone.judged_s / zone.enforced_s) if zone.enforced_s > 0 else None,
    }
    if zone.clear_width is not None:
        said["clear_width_m"] = _rounded(zone.clear_width.width_m)
    return said


def _age(now: datetime, then: datetime | None) -> float | None:
    return None if then is None else _rounded((now - then).total_seconds())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
