"""One thing without a class that stands in a zone, and the rules by which it is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_agent.scene.background import Look
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.stay import StayState


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """What makes a region of change a standing thing, and what ends it. Times are media time."""

    stand_s: float = 2.0
    """A region whose look has kept for so long stands: longer than a step, short enough to be told in time,"""
    place_s: float = 1.0
    """if the region as a whole has kept its place for so long, and in two frames at least: the middle of a plain cart
    looks the same while it is pushed along."""
    still_share: float = 0.7
    """A region is a slice of something that moves when its look has kept on less than this share of the change that it
    is a part of,"""
    patience_s: float = 6.0
    """unless it has kept its place for so long: a thing with somebody beside it whom no detector sees."""
    hidden_arrival_s: float = 5.0
    """What came while its place was hidden came at the middle of that time, but no longer than this before it was seen:
    whoever waits there for an hour and then leaves a bag has not left it for half an hour."""
    keep_iou: float = 0.6
    """Overlap with where it was first seen by which a region has kept its place."""
    foot_px: float = 2.0
    foot_share: float = 0.06
    """Most that the foot of a region may move, in pixels and as a share of its height: far away, a thing that is
    pushed along hardly changes but for its foot."""
    own_outline: float = 0.6
    """Least share of its outline at which a thing must have a border of its own to stand: the chest of somebody whose
    coat is as light as the ground beside it borders on the rest of the coat: only the ground had edges there."""
    own_edge: float = 0.4
    """What is an edge: a step of ten per cent of brightness gives as much."""
    person_memory_s: float = 4.0
    """Time constant of the share of time in which a look has been under detected people. A person who stands is
    detected in most frames; one who passes a thing covers it for a second."""
    person_step_s: float = 2.0
    """A frame counts for no longer than this: one in which somebody was missed must not decide because it came late."""
    person_time: float = 0.35
    """Share of that time from which a look is a person's and not a thing's."""
    person_share: float = 0.5
    """Share of a region that must be a person's for it to be one."""
    ask_s: float = 1.0
    ask_share: float = 0.1
    """How long after a second look another is taken, and as a share of how long the region has been seen, if that is
    more: what has kept its place for a minute need not be asked about every second."""
    ask_again: int = 3
    """So many looks on end that show nobody where one was seen take the person back: detectors miss a still one."""
    gone_share: float = 0.35
    """A thing is gone when less than this share of it has not been seen to be ground again."""
    whole_share: float = 0.9
    """A thing of which less than this share is left has lost a part: what remains is measured anew."""
    hidden_share: float = 0.5
    """A thing is occluded when more than this share of it is hidden, or shows neither it nor the ground."""
    like_share: float = 0.3
    """Less than this share of what is seen of a thing looks like it: something else is there."""
    calm_share: float = 0.5
    """Less than this share of what is seen of a thing keeps its look: it is being moved."""
    edge_share: float = 0.5
    """Less than this share of the edges along its outline is left: its sides are no longer there."""
    like_slack: float = 2.0
    """Times the noise by which a thing may differ from how it looked when it came: the light on it changes."""
    doubt_s: float = 2.0
    """So long after a part of a thing has left nobody knows what remains of it: it is probably being taken away."""
    glimpse_share: float = 0.2
    """A thing of which no more than this share is in sight can be carried off behind the people who hide it,"""
    unseen_s: float = 3.0
    """and after so long nobody knows whether it was."""
    seam_share: float = 0.5
    """A region that touches a thing along a border of which this share was hidden when the thing was found is the rest
    of it, which people had hidden."""
    other_s: float = 2.0
    """A thing of which nothing is seen for so long although nobody stands before it has been moved."""
    same_thing_share: float = 0.12
    """A region that touches a thing and is smaller than this share of it is a part of it that was not seen at first."""
    check_s: float = 5.0
    """How often a standing thing is asked again whether it is a ghost: its surroundings may have been hidden."""
    close_share: float = 0.45
    """Gaps narrower than this share of the smallest thing's side belong to a thing (spokes, handles): 11 cm."""
    post_share: float = 1.25
    """So do those that a railing hides if they are up to this share: posts and rails are narrower than anything that is
    put down, but nearer to the camera."""
    margin_px: int = 4
    """The background learns nothing so near to a thing: its blurred border is neither."""
    beside_px: int = 20
    """What is nearer than this to a thing may be another part of it."""
    most_objects: int = 60
    """More regions than this are no things but a scene out of hand: the smallest are dropped."""


OBJECT_RULES = ObjectRules()


@dataclass(slots=True, eq=False)
class StandingObject:
    """One thing without a class, or (not ``standing``) a candidate for one.

    ``region``: where it is in the crop; ``anchor``: where it was when it was first seen; ``look``: what it looked like
    there when it came to stand; ``edges``: how strong its outline was then. ``version`` changes with the region.
    ``since_s``: when it came, at best knowledge;
    ``look_s``: since when it has looked as it does; ``first_seen_s``: since when the region as a whole was seen.
    ``judged``: the pixels of the crop whose look was known when ``anchor`` was taken; None for all. ``person``: it
    looks as if people stood there; ``moves``: it is a slice of something that moves. ``doubted_s``: when it was last
    seen to change; ``shown_s``: when it was last in sight, ``shown``: in how many frames it was as a candidate.
    ``asked_s``: when the second look was taken, ``person_box``: where in the crop that showed a person, ``not_person``:
    how many looks since have not.
    """

    object_id: int
    region: Patch
    anchor: Patch
    look: Look
    first_area_px: int
    since_s: float
    look_s: float
    first_seen_s: float
    last_observed_s: float
    state: StayState
    standing: bool
    version: int = 0
    other_s: float = 0.0
    checked_s: float = 0.0
    edges: float = 0.0
    judged: Mask | None = None
    person: bool = False
    moves: bool = False
    doubted_s: float = -np.inf
    shown_s: float = -np.inf
    shown: int = 0
    asked_s: float = -np.inf
    person_box: tuple[int, int, int, int] | None = None
    not_person: int = 0


def keeps_place(
    before: Patch, judged_before: Mask | None, now: Patch, judged: Mask, rules: ObjectRules = OBJECT_RULES
) -> bool:
    """True if a region is where it was, as far as both could be seen then and now; masks are of the whole crop."""
    both = judged if judged_before is None else judged & judged_before
    then, here = before.kept(both[before.part]), now.kept(both[now.part])
    if not then.area or not here.area:
        return before.iou(now) >= rules.keep_iou
    moved_px = abs(here.box[3] - then.box[3])
    return moved_px <= max(rules.foot_px, rules.foot_share * then.mask.shape[0]) and then.iou(here) >= rules.keep_iou
