"""Every number that scene memory decides by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryRules:
    """Thresholds of scene memory, each with its unit and reason. Times are seconds of media time.

    Sizes are relative to the thing itself (the root of its box's area), so that the same rule holds near and far.
    """

    match_iou: float = 0.35
    """Least overlap of a detection with a place to be the thing that stands there: boxes of small models jitter."""
    same_thing_iou: float = 0.5
    """Two detections of one group that overlap this much are one thing seen twice (car and truck, say)."""
    part_covered: float = 0.8
    """A weaker detection that lies in another by this share is a part of it (a cab, a boot lid)."""
    rest_offset: float = 0.14
    """Most that a box of a resting thing strays from where it rests, in units of its size: the detector's jitter."""
    rest_offset_px: float = 2.5
    """The same in pixels, for things so small that a pixel is much of them."""
    rest_share: float = 0.7
    """Share of the boxes since it came to rest that must be in place; the others are jitter."""
    settle_s: float = 2.5
    """Time in place after which a candidate is standing: longer than a stop to let someone cross the beam."""
    settle_sightings: int = 3
    """Detections in place that a candidate needs, whatever the sampling period."""
    settle_score: float = 0.75
    """Sum of scores in place that a candidate needs: weak scores at one place, again and again, are evidence."""
    least_best_score: float = 0.35
    """Best score with which a candidate stands at once: below it a model sees cars in every shop window."""
    fair_share: float = 0.5
    """Share of the frames in which its place looked as it does that a candidate below ``sure_score`` was detected."""
    weak_floor: float = 0.1
    """What of a weak score is chance: only what lies above it adds up."""
    weak_evidence: float = 1.3
    """Sum of scores above ``weak_floor`` that makes a candidate stand which never had ``least_best_score``."""
    weak_apart_s: float = 1.0
    """Time between two weak sights that are evidence each: what looks like a car looks so in the next frame too."""
    weak_detected_share: float = 0.6
    """Share of the frames in which such a candidate must have been detected."""
    part_size: float = 5.0
    """Largest ratio of the areas of a thing and its part: a whole scene taken for a thing has no parts."""
    vast_share: float = 0.3
    """A weak candidate that fills this share of the picture is the scene itself."""
    odd_size: float = 3.0
    """A weak candidate this many times larger or smaller than things of its group are at its height in the picture
    is none of them."""
    slender: float = 0.65
    """A weak candidate for a vehicle that is less wide than this share of its height is a door, a post or a gap: even
    a bus from the front is wider. Things that the picture's edge cuts are not measured."""
    size_band: float = 0.08
    """Share of the picture's height within which things are as far from the camera."""
    size_samples: int = 6
    """Sure detections in that band that it takes to know their size."""
    together_s: float = 3.0
    """Things that came to rest within this time of each other may be one thing, seen in parts."""
    together_covered: float = 0.5
    """Share of the smaller that two such things have in common when they are one."""
    together_weak_covered: float = 0.4
    """The same of two that never had ``sure_score``: one vehicle that a model is unsure of is boxed in halves."""
    lesser_score: float = 0.8
    """A candidate inside, or around, a known thing is a part of it unless its score is at least this share of its."""
    settle_detected_share: float = 0.3
    """Share of the frames since it came to rest in which it was detected; the rest is carried by appearance."""
    same_appearance: float = 0.68
    """Least similarity with the remembered picture at which the thing is still there though nobody detected it."""
    sure_appearance: float = 0.83
    """The same for a thing that was detected without fail until it was missed ``reliable_misses`` times in a row."""
    reliable_share: float = 0.8
    """Share of the last frames in which a thing must have been detected for its misses to mean something."""
    reliable_misses: int = 3
    """Misses in a row that mean something of a thing that is detected reliably."""
    part_appearance: float = 0.75
    """Least similarity at which its upper part alone keeps a thing: a part shows less, and look-alikes are more."""
    renewing_appearance: float = 0.75
    """Similarity from which a new picture of a thing may replace the remembered one: it can't be of a departure."""
    relit_s: float = 8.0
    """Time for which a thing must be detected in place, looking other than remembered, until the light is to blame."""
    other_appearance: float = 0.65
    """Similarity below which, after a break, what is detected there is another thing."""
    doubt: float = 0.1
    """How much more similarity it takes once the place was seen empty, or with another thing."""
    moving_appearance: float = 0.5
    """Similarity below which two detections in a row at one place are two things, one after the other."""
    steady_share: float = 0.6
    """Share of the frames since it came to rest in which a candidate's place must look as now, or it is traffic."""
    move_offset: float = 0.3
    """A detection that strays this far from a place, in units of the thing's size, is of something else."""
    sure_score: float = 0.5
    """Score from which a detection is a thing of its own though it overlaps others that are known."""
    known_cover: float = 0.5
    """Share of a weak candidate that known things cover when it is nothing but them, seen as one."""
    occluder_score: float = 0.35
    """Least score of what can hide a thing: weaker ones come and go on the background."""
    occluder_cover: float = 0.25
    """Share of a place that other detections must cover to hide it."""
    weak_occluder_cover: float = 0.7
    """The same of a weaker one: it hides nothing for sure, but nothing is gone behind it."""
    same_ground: float = 0.6
    """Share of the smaller ground contact that two sights of one group have in common when they are one thing: two
    vehicles never stand on the same ground."""
    quiet: float = 0.8
    """Similarity of a place with itself one frame ago at which nothing moves in front of it."""
    gone_s: float = 3.0
    """Time for which a place must be seen without its thing before the thing is gone."""
    gone_sightings: int = 3
    """Frames in which a place must be seen without its thing, whatever the sampling period."""
    gone_stills: int = 6
    """The same of frames that have nothing but gaps between them."""
    hidden_s: float = 120.0
    """Longest that something undetected may stand or move before a place until its thing counts as gone."""
    candidate_s: float = 4.0
    """Time after which a candidate that is neither detected nor recognised is forgotten."""
    gap_factor: float = 3.0
    """Frames further apart than this many sampling periods have unknown time between them."""
    gap_least_s: float = 4.0
    """No less than this is a gap: recordings drop a frame now and then."""
    share_memory: float = 0.08
    """Weight of a frame in the share of frames in which a thing is detected."""
    box_memory: float = 0.08
    """Weight of a new box in the place of a standing thing: it follows the view, not a creeping car."""
    picture_memory_s: float = 20.0
    """How often the remembered picture of a stay is renewed while it is detected, so that it follows the light."""
    most_places: int = 400
    """Most places remembered for a camera; the weakest candidate goes first, what stands is kept."""
    most_detections: int = 120
    """Most detections of a frame that are looked at, the best first: no street shows more vehicles than this."""
