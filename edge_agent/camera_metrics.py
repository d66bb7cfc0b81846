"""What ``/metrics`` shows of each camera and its zones."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from edge_agent.capture.decode_plan import DecodeMode
from edge_agent.incident_event import IncidentPhase
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import StayState
from edge_agent.status import CameraActivity, ZoneStatus

PREFIX = "clearway_agent_"
MAX_CAMERAS = 100
"""Cameras with series of their own: far more than one box serves, and an end to what a wrong configuration costs."""
MAX_ZONES = 50
"""Zones of a camera with series of their own."""
_WIDTH_STATES = ("measured", "unknown")


def of_cameras(cameras: tuple[CameraActivity, ...]) -> Iterator[Metric]:
    """How each camera is, what became of its frames and what they cost."""
    state = _gauge("camera_state", "1 for the state the camera is in.", "state")
    seconds = _counter("camera_state_seconds", "Media time that the camera spent in each state.", "state")
    frames = _counter("frames", "Frames by what became of them.", "result")
    last = _gauge("last_frame_timestamp_seconds", "Capture time of the last analysed frame.")
    age = _gauge("last_frame_age_seconds", "Time since a frame was last analysed, on the box's clock.")
    period = _gauge("camera_period_seconds", "Sampling period that is asked for.")
    kept = _gauge("camera_period_kept_seconds", "Mean distance of the last ten analysed frames.")
    inference = _counter("inference_seconds", "Time spent in the detector.")
    inferences = _counter("inferences", "Runs of the detector.")
    stays = _gauge("stays", "Things that stand in view.", "state")
    written = _counter("camera_state_written_bytes", "Bytes of the camera's state that were written to the disk.")
    for activity in cameras:
        status, name = activity.status, activity.status.camera
        spent = dict(status.state_s)
        for each in CameraState:
            state.add_metric([name, each.value], float(each is status.state))
            seconds.add_metric([name, each.value], spent.get(each, 0.0))
        for result, count in (
            ("analysed", status.frames_analysed),
            ("skipped", activity.frames_skipped),
            ("late", activity.frames_late),
            ("broken", status.frames_broken),
            ("untimed", activity.frames_untimed),
        ):
            frames.add_metric([name, result], count)
        if status.last_frame_at is not None:
            last.add_metric([name], status.last_frame_at.timestamp())
        if activity.last_frame_age_s is not None:
            age.add_metric([name], activity.last_frame_age_s)
        period.add_metric([name], activity.period_s)
        if activity.period_kept_s is not None:
            kept.add_metric([name], activity.period_kept_s)
        inference.add_metric([name], activity.inference_s)
        inferences.add_metric([name], activity.inferences)
        for stay_state in StayState:
            stays.add_metric([name, stay_state.value], sum(stay.state is stay_state for stay in status.stays))
        written.add_metric([name], activity.state_bytes)
    yield from (state, seconds, frames, last, age, period, kept, inference, inferences, stays, written)


def of_sources(cameras: tuple[CameraActivity, ...]) -> Iterator[Metric]:
    """What arrives from each camera and how it is decoded. Recordings have none of it."""
    fps = _gauge("camera_input_frames_per_second", "Pictures that arrive, decoded or not.")
    decode = _gauge("camera_decode_mode", "1 for how much of a live stream is decoded.", "mode")
    keys = _gauge("camera_key_frame_distance_seconds", "Largest of the last distances between key frames.")
    again = _counter("camera_reconnects", "Times that a live camera was connected again.")
    hardware = _gauge("camera_hardware_decoding", "1 if hardware decodes a live camera's stream.")
    for activity in cameras:
        name, capture = activity.status.camera, activity.capture
        if capture is None or not capture.kind.is_live:
            continue
        if capture.fps_in is not None:
            fps.add_metric([name], capture.fps_in)
        for mode in DecodeMode:
            decode.add_metric([name, mode.value], float(mode.value == capture.decode))
        if capture.gop_s is not None:
            keys.add_metric([name], capture.gop_s)
        again.add_metric([name], capture.reconnects)
        hardware.add_metric([name], float(capture.hardware is not None))
    yield from (fps, decode, keys, again, hardware)


def of_looks(cameras: tuple[CameraActivity, ...]) -> Iterator[Metric]:
    """What the change gate decided, and what it took to get a turn with the detector."""
    looks = _counter("camera_looks", "Frames by what the change gate had the detector do.", "look")
    turns = _counter("detector_turns", "Turns that the camera had.")
    missed = _counter("detector_turns_missed", "Of those, ended after the camera's next frame was due.")
    waited = _counter("detector_wait_seconds", "Time that the camera waited for its turns.")
    used = _counter("detector_turn_seconds", "Time that the camera's turns took, with all that is done to a frame.")
    for activity in cameras:
        name = activity.status.camera
        for look, count in (
            ("close", activity.looks.close),
            ("glance", activity.looks.glances),
            ("postponed", activity.looks.postponed),
        ):
            looks.add_metric([name, look], count)
        turns.add_metric([name], activity.turns.taken)
        missed.add_metric([name], activity.turns.missed)
        waited.add_metric([name], activity.turns.waited_s)
        used.add_metric([name], activity.turns.used_s)
    yield from (looks, turns, missed, waited, used)


def of_zones(cameras: tuple[CameraActivity, ...]) -> Iterator[Metric]:
    """What each zone says, and for how much of its time it could be judged."""
    opened = _gauge("incidents_open", "Incidents open now.", "zone")
    events = _counter("incidents", "Incident events since the agent started.", "zone", "scenario", "phase")
    enforced = _counter("zone_enforced_seconds", "Media time with the zone's schedule in force.", "zone")
    judged = _counter("zone_judged_seconds", "Of that, time in which the zone could be judged.", "zone")
    violated = _counter("zone_violation_seconds", "Of that, time in which it was violated.", "zone")
    width = _gauge("passage_clear_width_meters", "Clear width of the passage; absent while unknown.", "zone")
    width_state = _gauge("passage_clear_width_state", "1 for whether there is a width.", "zone", "state")
    for activity in cameras:
        name = activity.status.camera
        for zone in activity.status.zones[:MAX_ZONES]:
            opened.add_metric([name, zone.zone], zone.open_incidents)
            _add_width(width, width_state, name, zone)
            counted = {each.phase: each.events for each in activity.incidents if each.zone == zone.zone}
            for phase in IncidentPhase:
                events.add_metric([name, zone.zone, zone.scenario.value, phase.value], counted.get(phase, 0))
            enforced.add_metric([name, zone.zone], zone.enforced_s)
            judged.add_metric([name, zone.zone], zone.judged_s)
            violated.add_metric([name, zone.zone], zone.violation_s)
    yield from (opened, events, enforced, judged, violated, width, width_state)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, labels=["camera", *labels])


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, text, labels=["camera", *labels])


def _add_width(width: GaugeMetricFamily, width_state: GaugeMetricFamily, camera: str, zone: ZoneStatus) -> None:
    if zone.clear_width is None:
        return
    value = zone.clear_width.width_m
    if value is not None:
        width.add_metric([camera, zone.zone], value)
    now = "unknown" if value is None else "measured"
    for each in _WIDTH_STATES:
        width_state.add_metric([camera, zone.zone, each], float(each == now))
