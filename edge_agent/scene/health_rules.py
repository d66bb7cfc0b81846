"""The numbers by which a camera is judged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HealthRules:
    """Thresholds of camera health. Times are media time; brightness is 0-255; lengths are shares of the width.

    ``start_hold_s``, ``end_hold_s``: how long a fault must last before it is stated, and how long it must be over. A
    bus in front of the lens or a flash is shorter; both stay well within 5 s at one frame a second. Frames in between
    are not trusted.
    ``stickiness``: a fault ends only when its threshold is undercut by this factor, so that a picture at the threshold
    does not flicker.
    ``dark_below``: a picture is dark if nine tenths of it are darker. Lit streets at night have 120 and more there; a
    covered sensor's noise stays below 10. Lettering burnt into the picture is less than a tenth of it.
    ``clipped_from``, ``over_exposed_share``: over-exposed if this share is clipped. The sky and a sunlit deck
    together clip half a picture in which all else is still to be seen.
    ``flat_contrast``: with nothing to compare with, local contrast below this (mean deviation) is no scene: the
    dullest street has three times as much, a lens cap's noise a third.
    ``texture_contrast``: a block of the reference with less local contrast than this cannot lose any.
    ``flat_share_of_reference``, ``covered_share``: a block is flat if it has lost this much of its contrast, allowing
    for less light; covered if that many of the textured blocks are flat.
    ``sharpness_lost``: blurred if the sharpest edges have less than this share of the reference's sharpness. Rain,
    compression and changes of light leave 0.64 and more; a blur of 0.3 % of the width leaves 0.46 at most.
    ``sharpness_least``: with nothing to compare with, blurred below this; the softest lens met has 0.22, a blur of
    0.6 % of the width 0.08.
    ``same_scene``: likeness of the coarsest picture (correlation) above which a picture without detail is the same
    scene out of focus, below which something is in front.
    ``frozen_hold_s``, ``frozen_pairs``: frozen, and stated at once, after this long and this many identical pictures
    in a row ...
    ``recent_pairs``, ``repeats_allowed``: ... if no more than this many in a row were identical among the recent ones.
    ``least_pairs``: so many pictures that all differ show a sensor whose noise comes through the codec.
    ``quiet_hold_s``: where codecs do repeat the picture while nothing moves, or nothing is known yet, only a long
    standstill tells.
    ``block_likeness``: a block agrees with the reference if the correlation of its edges is above this.
    ``lost_agreement``, ``found_agreement``: the view is lost if fewer blocks agree, found again if that many do.
    Measured: a street full of traffic has 0.65 and more, mostly 0.9; another view 0.5 and less, mostly 0.2.
    ``agreement_noise``: two or three blocks of forty; agreement may fall by so much where correlation rises.
    ``largest_shift``: a larger shift is not followed: what the zones were drawn on has left the picture.
    ``least_shift``: a smaller one is not worth moving zones for.
    ``shift_gain``, ``creep_gain``: by how much the edges' correlation must rise for a jump to be believed, and for a
    mount that gives way bit by bit.
    ``smooth_shift_px``: measurements this close together, in pixels of the small picture, are one shift and are
    averaged.
    ``reference_s``: the reference follows the scene at this time constant: slower than traffic, faster than dusk.
    ``longest_step_s``: a frame after a gap weighs no more than this.
    """

    start_hold_s: float = 2.0
    end_hold_s: float = 1.0
    stickiness: float = 1.2
    dark_below: float = 24.0
    clipped_from: int = 250
    over_exposed_share: float = 0.6
    flat_contrast: float = 0.8
    texture_contrast: float = 3.0
    flat_share_of_reference: float = 0.3
    covered_share: float = 0.5
    sharpness_lost: float = 0.5
    sharpness_least: float = 0.1
    same_scene: float = 0.8
    frozen_hold_s: float = 3.0
    frozen_pairs: int = 3
    recent_pairs: int = 30
    repeats_allowed: int = 1
    least_pairs: int = 8
    quiet_hold_s: float = 60.0
    block_likeness: float = 0.3
    lost_agreement: float = 0.5
    found_agreement: float = 0.6
    agreement_noise: float = 0.08
    largest_shift: float = 0.05
    least_shift: float = 0.004
    shift_gain: float = 0.05
    creep_gain: float = 0.002
    smooth_shift_px: float = 1.0
    reference_s: float = 120.0
    longest_step_s: float = 3.0
