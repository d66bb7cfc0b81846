"""What holds of scene memory whatever the detector, the stream and the camera do."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.stay import Stay, StayState
from tests.edge_agent.synthetic_street import (
    DARK,
    SEEING,
    Eye,
    Street,
    Watched,
    passing,
    standing,
    steps,
    watch,
)

LAST_S = 60
THINGS = (
    standing("early", 30, 110, -1, 35),
    standing("long", 120, 112, 8, 500, seed=6),
    standing("late", 220, 108, 20, 500, seed=8),
    passing("bus", 150, 28, 5, size=(140, 80), class_name="bus", seed=3),
)
SLOW = settings(max_examples=8, deadline=None, derandomize=True)

eyes = st.builds(
    Eye,
    miss=st.sampled_from([0.0, 0.2, 0.4]),
    jitter_px=st.sampled_from([0.0, 0.7, 1.5]),
    swap=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 1000),
)


def check(told: Watched) -> None:
    """The promises that hold for every stay in every frame."""
    ended: set[str] = set()
    before: dict[str, tuple[float, Stay]] = {}
    for at_s, stays in told.moments:
        standing_now = [stay for stay in stays if stay.standing]
        ids = [stay.stay_id for stay in standing_now]
        assert len(ids) == len(set(ids))
        assert not ended & set(ids)
        for stay in standing_now:
            dwell = stay.dwell
            assert min(dwell.observed_s, dwell.occluded_s, dwell.unknown_s) >= 0
            assert dwell.total_s <= at_s - stay.from_s + 1e-6
            assert 0 <= stay.from_s <= stay.last_observed_s <= at_s
            if stay.state is StayState.ABSENT:
                ended.add(stay.stay_id)
                assert stay.gone_from_s is not None
                assert stay.from_s <= stay.gone_from_s <= at_s
                assert dwell.total_s <= stay.gone_from_s - stay.from_s + 1e-6
                continue
            assert stay.gone_from_s is None
            if stay.stay_id in before:
                then_s, then = before[stay.stay_id]
                assert dwell.total_s <= then.dwell.total_s + (at_s - then_s) + max(at_s - then.last_observed_s, 0)
                assert dwell.observed_s >= then.dwell.observed_s
                assert (stay.from_s, stay.open_start) == (then.from_s, then.open_start)
            before[stay.stay_id] = at_s, stay


def no_twins(told: Watched) -> None:
    """At no time do two stays hold one place."""
    for at_s, stays in told.moments:
        boxes = [stay.box for stay in stays if stay.standing and stay.state is not StayState.ABSENT]
        for index, (x1, y1, x2, y2) in enumerate(boxes):
            for u1, v1, u2, v2 in boxes[index + 1 :]:
                shared = max(min(x2, u2) - max(x1, u1), 0) * max(min(y2, v2) - max(y1, v1), 0)
                union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
                assert shared / union < 0.5, (at_s, boxes)


@SLOW
@given(eyes, st.sets(st.integers(0, LAST_S), max_size=20))
def test_missed_swapped_and_jittering_detections_and_dropped_frames_make_no_twins(eye: Eye, dropped: set[int]) -> None:
    told = watch(Street(THINGS, eye), [at_s for at_s in steps(0, LAST_S) if int(at_s) not in dropped])
    check(told)
    no_twins(told)
    assert len(told.stays()) <= len(THINGS)


@SLOW
@given(eyes, st.lists(st.tuples(st.integers(1, LAST_S), st.floats(1, 4000)), max_size=4))
def test_gaps_are_unknown_time_and_end_nothing_by_themselves(eye: Eye, gaps: list[tuple[int, float]]) -> None:
    """The stream stops and goes on with the picture as it was: the street's own clock stands still."""
    memory = SceneMemory("gate", 1.0)
    street = Street((standing("car", 120, 112, -1, 500, seed=6),), eye)
    moments = []
    late_s = 0.0
    for at_s in steps(0, LAST_S):
        late_s += sum(length for start, length in gaps if start == at_s)
        frame = street.frame(at_s)
        frame = type(frame)(frame.image, frame.captured_at, at_s + late_s)
        moments.append((at_s + late_s, memory.observe(frame, SEEING, street.detections(at_s))))
    told = Watched(memory, tuple(moments))
    check(told)
    no_twins(told)
    (stay,) = told.stays()
    assert told.ended_at(stay.stay_id) is None
    real = [length + 1 for length in (sum(g for s, g in gaps if s == at) for at in steps(1, LAST_S)) if length]
    assert abs(stay.dwell.unknown_s - sum(gap for gap in real if gap > memory.gap_s)) <= 3 * len(real) + 1e-6


@SLOW
@example(Eye(miss=0.4, jitter_px=0.0, swap=0.0, seed=640), [])  # a candidate that began anew, and was looked back upon
@given(eyes, st.lists(st.tuples(st.integers(0, LAST_S), st.integers(1, 25)), max_size=3))
def test_nothing_ends_while_the_camera_cannot_tell(eye: Eye, blindness: list[tuple[int, int]]) -> None:
    def view(at_s: float) -> View:
        return DARK if any(start <= at_s < start + length for start, length in blindness) else SEEING

    told = watch(Street(THINGS, eye), steps(0, LAST_S), view=view)
    check(told)
    for at_s, stays in told.moments:
        if not view(at_s).can_see:
            assert {stay.state for stay in stays} <= {StayState.UNKNOWN}


@SLOW
@given(eyes, st.randoms(use_true_random=False))
def test_the_order_of_detections_within_a_frame_does_not_matter(eye: Eye, random: object) -> None:
    street = Street(THINGS, eye)
    memory = SceneMemory("gate", 1.0)
    moments = []
    for at_s in steps(0, LAST_S):
        seen = street.detections(at_s)
        order = list(range(len(seen)))
        random.shuffle(order)  # type: ignore[attr-defined]
        shuffled = Detections(
            seen.boxes[order],
            seen.scores[order],
            tuple(seen.class_names[index] for index in order),
            tuple(seen.groups[index] for index in order),
        )
        moments.append((at_s, memory.observe(street.frame(at_s), SEEING, shuffled)))
    told = Watched(memory, tuple(moments))
    check(told)
    no_twins(told)
    assert told.stays() == watch(street, steps(0, LAST_S)).stays()


@SLOW
@given(eyes, st.integers(1, LAST_S - 1))
def test_a_restart_at_any_frame_keeps_every_stay(eye: Eye, restart_at: int) -> None:
    street = Street(THINGS, eye)
    before = watch(street, steps(0, restart_at))
    memory = SceneMemory("gate", 1.0)
    memory.load(json.loads(json.dumps(before.memory.dump())))
    after = watch(street, steps(restart_at + 1, LAST_S), memory=memory)
    told = Watched(memory, (*before.moments, *after.moments))
    check(told)
    no_twins(told)
    assert len(told.stays()) <= len(THINGS)


_boxes = st.tuples(st.floats(-40, 330), st.floats(-40, 190), st.floats(0, 200), st.floats(0, 150))
_detection = st.tuples(_boxes, st.floats(0.01, 1.0), st.sampled_from(["car", "bicycle", "person", "crate"]))
_GROUPS = {
    "car": ClassGroup.VEHICLE,
    "bicycle": ClassGroup.CYCLE,
    "person": ClassGroup.PERSON,
    "crate": ClassGroup.OBJECT,
}
_frame = st.tuples(
    st.floats(0, 30),
    st.lists(_detection, max_size=6),
    st.sampled_from([CameraState.SEEING] * 3 + [CameraState.DARK]),
    st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    st.booleans(),
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(_frame, max_size=25))
def test_whatever_comes_the_sums_are_true_and_the_state_can_be_kept(frames: list[object]) -> None:
    """Boxes out of the picture or without area, wild times, blindness and shifts: no crash, no broken promise."""
    street = Street(THINGS)
    memory, twin = SceneMemory("gate", 1.0), SceneMemory("gate", 1.0)
    moments, twins = [], []
    at_s = 0.0
    for elapsed_s, found, state, shift, again in frames:  # type: ignore[misc, attr-defined]
        at_s += elapsed_s
        found = [found[0]] * 2 + found if again and found else found
        detections = Detections(
            np.array([(x, y, x + w, y + h) for (x, y, w, h), _, _ in found], np.float32).reshape(-1, 4),
            np.array([score for _, score, _ in found], np.float32),
            tuple(name for _, _, name in found),
            tuple(_GROUPS[name] for _, _, name in found),
        )
        frame, view = street.frame(at_s % LAST_S), View(state, shift)
        frame = type(frame)(frame.image, frame.captured_at, at_s)
        moments.append((at_s, memory.observe(frame, view, detections)))
        twins.append((at_s, twin.observe(frame, view, detections)))
    check(Watched(memory, tuple(moments)))
    assert json.dumps([[asdict(s) for s in stays] for _, stays in moments]) == json.dumps(
        [[asdict(s) for s in stays] for _, stays in twins]
    )
    kept = json.dumps(memory.dump(), allow_nan=False)
    restored = SceneMemory("gate", 1.0)
    restored.load(json.loads(kept))
    assert len(restored.places) == len(memory.places)
