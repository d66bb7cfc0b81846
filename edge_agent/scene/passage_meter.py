"""Measures one passage on every analysed frame: what stands in it, and how wide a way is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from edge_agent.capture.frame import Frame
from edge_agent.config import PassageZone
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scenarios.finding import ClearWidth
from edge_agent.scenarios.moment import Obstacle, Passage
from edge_agent.scene.background import Background, Look
from edge_agent.scene.calibration import Calibration
from edge_agent.scene.camera_state import View
from edge_agent.scene.clear_width import ClearPassage, Corridor, clear_path, clear_width, narrowing
from edge_agent.scene.footprint import Footprint
from edge_agent.scene.hidden_sides import HiddenSides
from edge_agent.scene.kept_footprints import KeptFootprints
from edge_agent.scene.lifeless import Lifeless
from edge_agent.scene.meter_memory import UNUSABLE, dump_meter, load_meter
from edge_agent.scene.meter_rules import METER_RULES, MeterRules
from edge_agent.scene.named_things import NamedThings
from edge_agent.scene.passage_people import are_changed, covered_by, people_boxes
from edge_agent.scene.passage_things import PassageThings, Thing
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.pose import Pose
from edge_agent.scene.railing import Railing
from edge_agent.scene.second_look import LookAt, SecondLook
from edge_agent.scene.standing_objects import StandingObjects
from edge_agent.scene.standing_people import StandingPeople
from edge_agent.scene.stay import Stay
from edge_agent.scene.sway import Sway
from edge_agent.scene.unexplained import Unexplained
from edge_agent.scene.upright import Upright
from edge_agent.scene.zone_crop import ZoneCrop


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """The last answer and the things it was for.

    ``known``: what is doubtful does not change it. ``spread_m``: how far it is off, one standard deviation, because
    silhouettes leave open what things stand on; ``bounds_m``: between which it lies, whatever is doubtful and wherever
    feet beyond the picture are.
    """

    key: tuple[tuple[bytes, float, bool], ...]
    answer: ClearPassage
    known: bool
    spread_m: float
    bounds_m: tuple[float, float]
    path_m: tuple[tuple[float, float], ...]
    narrowed_since: tuple[tuple[float, float], ...]


class PassageMeter:
    """The meter of one passage zone. Feed it every analysed frame of its camera in order of media time.

    ``frame_size`` is (width, height) of the frames, on which the zone's polygon and the calibration are given. Raises
    ``CalibrationError`` or ``CorridorError`` when zone and calibration do not make a passage.
    """

    def __init__(
        self,
        zone: PassageZone,
        calibration: Calibration,
        frame_size: tuple[int, int],
        rules: MeterRules = METER_RULES,
    ) -> None:
        calibration.require_ground(zone.polygon)
        self.zone_id = zone.id
        self._rules = rules
        self._calibration = calibration
        self._frame_size = frame_size
        self._upright = Upright.of(calibration, frame_size)
        ends = [_pair(calibration.to_ground(end)) for end in zone.ends]
        self._corridor = Corridor.between([_point(p) for p in calibration.to_ground(zone.polygon)], ends)
        self._crop = ZoneCrop.around(zone.polygon, calibration, self._upright, frame_size)
        self._background = Background(self._crop.shape)
        self._sway = Sway(self._crop.shape)
        self._railing = Railing(self._corridor, self._upright, self._crop)
        self._objects = StandingObjects(self._crop.ground, self._crop.watched, self._crop.least_area_px, self._railing)
        self._people = StandingPeople(self._corridor.outline)
        footprints = KeptFootprints(self._crop, calibration, self._upright, frame_size, self._background, rules)
        self._things = PassageThings(self._crop, self._objects, footprints, rules)
        self._unexplained = Unexplained()
        self._sides = HiddenSides(self._crop, rules.person_margin)
        self._at_most: dict[int, Patch] = {}
        self._lifeless = Lifeless(self._crop, self._background)
        self._named = NamedThings(self._crop, self._background)
        self._change: list[Patch] = []
        self._bare = np.zeros(self._crop.shape, bool)
        self._hidden = np.zeros(self._crop.shape, bool)
        self._solved: _Solved | None = None
        self._last_s: float | None = None
        self._settled_from_s: float | None = None

    def measure(
        self,
        frame: Frame,
        view: View,
        detections: Detections,
        stays: tuple[Stay, ...],
        look_at: LookAt,
    ) -> Passage:
        """The passage after this frame. The width is None while the camera cannot tell.

        ``detections`` are in pixels of the frame, boxes of ``stays`` in those of the reference view; what comes back is
        in pixels of the frame. ``look_at`` gives what a second look at a box of the frame shows, before a change there
        is believed to be a thing.
        """
        now_s = frame.media_time_s
        if not view.can_see:
            return Passage(ClearWidth(None, None, now_s))
        if (frame.width, frame.height) != self._frame_size:
            raise ValueError(
                f"zone {self.zone_id!r}: the frame is {frame.width}x{frame.height} pixels, not "
                f"{self._frame_size[0]}x{self._frame_size[1]} as the zone was given for"
            )
        pose = self._pose(frame, Pose.shifted(view.shift_px), detections, stays)
        if pose is None:
            return Passage(ClearWidth(None, None, now_s))
        people, scores = people_boxes(detections, stays, pose, self._rules)
        sure = scores >= self._rules.person_score
        people[sure] = self._railing.whole(people[sure], self._objects.rails)
        alive = ~self._lifeless.among(people, scores)
        look, real, second_look = self._look(frame, pose, people[alive], detections, look_at, now_s)
        seen, seen_scores = np.concatenate([people, second_look.seen]), np.concatenate([scores, second_look.scores])
        self._lifeless.observe(look, seen, seen_scores, now_s)
        people, scores = people[alive][real], scores[alive][real]
        standing, density = self._people.observe(self._feet(people[scores >= self._rules.person_score]), now_s)
        cycles = self._cycle_boxes(detections, pose)
        things = self._things.standing(stays, cycles, self._bare, self._hidden, self._at_most, now_s)
        things += self._things.unexplained(self._change, stays, now_s)
        things = [thing for thing in things if thing.footprint.most.intersects(self._corridor.outline)]
        if self._settled_from_s is None:
            self._settled_from_s = now_s + self._rules.start_s
        known = np.count_nonzero(self._background.known & self._crop.ground)
        enough = known >= self._rules.known_share * np.count_nonzero(self._crop.ground)
        if not enough or now_s < self._settled_from_s - 1e-6:
            return Passage(ClearWidth(None, None, now_s), standing, density)
        return self._solve(things, standing, density, pose, now_s)

    def dump(self) -> dict[str, Any]:
        """What must survive a restart, as JSON values."""
        return dump_meter(self._background, self._objects)

    def load(self, kept: dict[str, Any]) -> None:
        """Take up what ``dump`` gave. Raises ``ValueError`` when it does not fit this zone."""
        try:
            load_meter(kept, self._background, self._objects)
            self._settled_from_s = -np.inf
        except UNUSABLE as error:
            raise ValueError(f"zone {self.zone_id!r}: the kept background cannot be used: {error}") from error

    def _cycle_boxes(self, detections: Detections, pose: Pose) -> NDArray[np.float32]:
        """(n, 4) boxes of cycles in the reference view."""
        is_cycle = np.array([group is ClassGroup.CYCLE for group in detections.groups], bool)
        is_cycle &= detections.scores >= self._rules.cycle_score
        return pose.boxes_to_reference(detections.boxes[is_cycle])

    def _pose(self, frame: Frame, pose: Pose, detections: Detections, stays: tuple[Stay, ...]) -> Pose | None:
        """Where this very picture lies, None if nobody can tell; sought from where camera health has it, which
        follows slowly."""
        people, _ = people_boxes(detections, stays, pose, self._rules)
        if self._sway.is_due(frame.media_time_s):
            usual, known = self._background.usual_plane()
            self._sway.learn(usual, known & ~self._objects.held(), frame.media_time_s)
        plane = self._background.plane(self._crop.of(frame.image, pose))
        motion = self._sway.find(plane, covered_by(people, self._crop, self._rules.person_margin), frame.media_time_s)
        if motion is None:
            return None
        return self._crop.posed(pose, motion.matrix) if motion.reach_px else pose

    def _look(
        self,
        frame: Frame,
        pose: Pose,
        people: NDArray[np.float32],
        detections: Detections,
        look_at: LookAt,
        now_s: float,
    ) -> tuple[Look, NDArray[np.bool_], SecondLook]:
        """Take in a frame: its look, which of the ``people`` boxes, (n, 4), are believed, and its second looks."""
        crop, held = self._crop, self._objects.held()
        elapsed_s = 0.0 if self._last_s is None else max(now_s - self._last_s, 0.0)
        self._last_s = now_s
        picture, outside = crop.of(frame.image, pose), crop.outside(pose, self._frame_size)
        turned = self._background.turns(picture)
        if turned:
            self._background.turn()
            self._settled_from_s = now_s + self._rules.start_s
        hidden = covered_by(people, crop, self._rules.person_margin) | outside
        look = self._background.lit(picture, hidden, held, crop.watched)
        ground = self._background.alike(look, self._background.background)
        other = ~ground | ~self._background.known | outside
        real = are_changed(people, other, crop, self._rules)
        people = people[real]
        hidden = covered_by(people, crop, self._rules.person_margin) | outside
        self._background.learn(look, hidden, now_s)
        if turned:
            self._objects.relearn(look, hidden, now_s)
        changed = self._background.shows_thing()
        changed |= self._named.observe(detections, pose, changed, self._objects.standing(), hidden, now_s)
        still = self._still(people, look, ground)
        self._hidden, self._bare = hidden, self._background.has_kept(now_s) & ~changed & ~hidden
        second_look = SecondLook(look_at, crop, other, pose, self._lifeless)
        self._objects.observe(self._background, look, ground, changed, hidden, still, now_s, second_look)
        shown = self._background.shows_thing(look)
        change = self._objects.regions(shown & ~hidden)
        lasting = np.zeros(crop.shape, bool)
        for region in self._unexplained.observe(change, hidden, now_s):
            region.add_to(lasting)
        self._at_most = self._sides.observe(self._objects.objects, people, shown, now_s)
        change = self._objects.regions_beside(lasting)
        self._change = [self._sides.with_people(region) or region for region in change]
        self._background.absorb(self._objects.held(), changed, crop.watched, now_s, elapsed_s)
        return look, real, second_look

    def _still(self, people: NDArray[np.float32], look: Look, ground: Mask) -> Mask:
        """Where people are who look as in the frames in which nobody was found there: who stands, but no passer-by."""
        background, rules = self._background, self._rules
        still = np.zeros(self._crop.shape, bool)
        for box in people:
            part = self._crop.part(box, rules.person_margin)
            body = ~ground[part]
            if not body.size:
                continue
            same = background.alike(look[part], background.settled[part], rules.still_slack)
            if np.count_nonzero(body & same) >= rules.still_share * max(int(np.count_nonzero(body)), 1):
                still[part] |= same
        return still

    def _feet(self, people: NDArray[np.float32]) -> NDArray[np.float64]:
        if not len(people):
            return np.zeros((0, 2))
        return self._calibration.to_ground(np.column_stack([(people[:, 0] + people[:, 2]) / 2, people[:, 3]]))

    def _solve(self, things: list[Thing], standing: int, density: float, pose: Pose, now_s: float) -> Passage:
        solved = self._solved_for(things)
        answer = solved.answer
        limiting = {side for side in answer.gap_sides if side >= 0}
        narrowest_px = self._calibration.to_pixels(np.array(answer.narrowest_m))
        uncertainty_m = float(
            np.sqrt(
                self._calibration.length_uncertainty_m(narrowest_px[0], narrowest_px[1], self._rules.marked_px) ** 2
                + sum(things[side].footprint.uncertainty_m ** 2 for side in limiting)
                + solved.spread_m**2
            )
        )
        obstacles = tuple(
            Obstacle(
                box=pose.box_to_frame(thing.box),
                footprint_px=_points(pose.to_frame(self._calibration.to_pixels(_ring(thing.footprint.shape)))),
                state=thing.state,
                since_s=thing.since_s,
                stay_id=thing.stay_id,
                limits_width=index in limiting,
            )
            for index, thing in enumerate(things)
        )
        known = solved.known
        path_m = solved.path_m if known else ()
        path_px = pose.to_frame(self._calibration.to_pixels(np.array(path_m))) if path_m else np.zeros((0, 2))
        return Passage(
            clear_width=ClearWidth(answer.width_m, uncertainty_m, now_s) if known else ClearWidth(None, None, now_s),
            standing_people=standing,
            crowd_density=density,
            path_px=_points(path_px),
            narrowest_px=_pair(pose.to_frame(narrowest_px)) if known else None,
            obstacles=obstacles,
            at_least_m=solved.bounds_m[0],
            at_most_m=solved.bounds_m[1],
            narrowed_since=solved.narrowed_since,
        )

    def _solved_for(self, things: list[Thing]) -> _Solved:
        """The width between all things, and at most between those that are sure; solved anew when they change."""
        key = tuple((thing.footprint.shape.wkb, thing.since_s, thing.sure) for thing in things)
        if self._solved is None or key != self._solved.key:
            shapes = [thing.footprint.shape for thing in things]
            sure = [thing for thing in things if thing.sure]
            answer = clear_width(self._corridor, shapes)
            steps = narrowing(
                self._corridor, [thing.footprint.shape for thing in sure], [thing.since_s for thing in sure]
            )
            at_most_m = self._between(sure, lambda its: its.shape) if len(sure) < len(things) else answer.width_m
            known = at_most_m - answer.width_m <= self._rules.same_width_m
            spread_m = (self._between(things, lambda its: its.least) - self._between(things, lambda its: its.most)) / 2
            bounds_m = answer.width_m, answer.width_m if known else at_most_m
            if not all(thing.footprint.foot_seen for thing in things):
                bounds_m = (
                    self._between(things, lambda its: its.shape if its.foot_seen else its.most),
                    self._between(sure, lambda its: its.shape if its.foot_seen else its.least),
                )
            path_m = clear_path(self._corridor, shapes, answer.width_m)
            self._solved = _Solved(key, answer, known, spread_m, bounds_m, path_m, steps)
        return self._solved

    def _between(self, things: list[Thing], ground: Callable[[Footprint], BaseGeometry]) -> float:
        """The width between things, each on that ``ground`` of its footprint."""
        return clear_width(self._corridor, [ground(thing.footprint) for thing in things]).width_m


def _point(point: NDArray[np.float64]) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _points(points: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    return tuple(_point(point) for point in points)


def _pair(points: NDArray[np.float64]) -> tuple[tuple[float, float], tuple[float, float]]:
    return _point(points[0]), _point(points[1])


def _ring(shape: BaseGeometry) -> NDArray[np.float64]:
    """The outline of a footprint; of its largest part, if it has several."""
    part = max(getattr(shape, "geoms", [shape]), key=lambda polygon: polygon.area)
    return np.asarray(part.convex_hull.buffer(1e-6).exterior.coords, np.float64)
