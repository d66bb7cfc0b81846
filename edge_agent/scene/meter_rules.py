"""How detections, stays and regions of change are put together in a passage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MeterRules:
    """How detections, stays and regions of change are put together."""

    hiding_score: float = 0.2
    """Least score of a person who hides what is behind: a missed one costs more than a doubtful one."""
    person_score: float = 0.35
    """Least score of a person who is counted."""
    person_margin: float = 0.08
    """A person's box is grown by this share of its sides: arms and bags stick out."""
    person_changed: float = 0.2
    """Least share of a person's box, beside those of others, that must not show the bare ground: where people are it is
    0.35 to 0.8, and a detector that sees somebody in stairs and shadows sees them there for minutes."""
    not_person_iou: float = 0.5
    """A person detected where a thing of another class is detected with this overlap, and no lower score, is that thing
    seen amiss; of a cycle that is detected, or stands, also"""
    not_person_score: float = 0.2
    """unless it scores more than the cycle's score divided by this."""
    same_thing_share: float = 0.8
    """A region of change of which this share lies in a stay's box is that stay,"""
    same_thing_s: float = 5.0
    """if the stay did not begin so much earlier (what stood there before is not what has come),"""
    filled_share: float = 0.35
    """and if such regions fill this share of its box: a small thing before a large one is another thing."""
    tight_iou: float = 0.5
    """From this overlap on the region's own box is the better box of the stay: it is good to a pixel."""
    cycle_score: float = 0.2
    """Least score of a cycle that a region of change in its box may be, if wheels are seen there."""
    ask_s: float = 5.0
    """How often a region in a cycle's box is asked whether it is the cycle: people may have hidden its wheels."""
    box_change: float = 0.02
    """A stay's footprint is found anew when its box has changed by this share of its size."""
    start_s: float = 3.0
    """No width is given for so long after the first frame: what stands there already must first be recognised."""
    known_share: float = 0.5
    """Share of the zone that must have been seen bare or settled once before a width is given."""
    still_share: float = 0.5
    """A detected person of whom this share looks as it has looked stands,"""
    still_slack: float = 2.0
    """within so many times the noise."""
    ground_share: float = 0.65
    """A stay whose own change against the background shows ground again on this share is gone, whatever it is taken
    for."""
    hidden_share: float = 0.3
    """A stay that is not seen, though people cover less than this share of it, may be gone."""
    top_share: float = 0.25
    """A change of less than this share of a larger one's box is its upper end,"""
    top_overlap: float = 0.5
    """if it is over it by this share of its width"""
    top_gap_px: float = 4.0
    """and no further above it than this."""
    roof_overlap: float = 0.6
    """A change over another that came with it is its roof if it covers so much of the other's width, came"""
    roof_s: float = 3.0
    """no later or earlier than this: what came at another time stands behind it,"""
    roof_m: float = 2.6
    """and if its upper end would be no higher than this over the other's foot."""
    known_soon_s: float = 8.0
    """A change that the detector begins to see as a thing with a class has its width when that stands, if by then."""
    coming_s: float = 0.8
    """A candidate with a class that has kept its place for so long may be about to stand,"""
    coming_score: float = 0.35
    """if it is detected with this score."""
    unseen_s: float = 3.0
    """A stay that has not been seen for so long may be gone too: nobody knows."""
    most_unexplained: int = 3
    """More regions of change that nobody can explain than this say no more."""
    same_width_m: float = 0.05
    """Doubtful things that change the width by less than this leave it known: it scatters by as much."""
    marked_px: float = 1.5
    """How well the zone's walls are marked in the picture."""


METER_RULES = MeterRules()
