"""Things without a class: found when they have kept their place, kept while hidden, gone when the ground shows."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.scene.background import Background
from edge_agent.scene.patch import Patch
from edge_agent.scene.standing_object import StandingObject
from edge_agent.scene.standing_objects import StandingObjects
from edge_agent.scene.stay import StayState
from tests.edge_agent.scene.made_deck import DECK_PX, SIZE, Deck, cuboid, person, silhouette

SHAPE = (SIZE[1], SIZE[0])
NOTHING = np.zeros(SHAPE, bool)
CRATE = (cuboid(1.5, 8.0, 0.9, 0.8, 0.7), (40, 90, 190))


def ground() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(DECK_PX)).astype(np.int32)], 1)
    return mask > 0


class Scene:
    def __init__(self, period_s: float = 0.5) -> None:
        self.background = Background(SHAPE)
        self.objects = StandingObjects(ground(), np.ones(SHAPE, bool), np.full(SHAPE, 150.0, np.float32))
        self.period_s, self.now_s = period_s, 0.0
        self.seen: tuple[int, int, int, int] | None = None
        self.asked_s: list[float] = []

    def person_at(self, region: Patch) -> tuple[int, int, int, int] | None:
        """The second look of this scene: sees ``seen``, wherever it is asked."""
        self.asked_s.append(self.now_s)
        return self.seen

    def show(self, picture: np.ndarray, seconds: float, hidden: np.ndarray = NOTHING) -> list[StandingObject]:
        watched = np.ones(SHAPE, bool)
        for _ in range(round(seconds / self.period_s)):
            look = self.background.lit(picture, hidden, self.objects.held(), watched)
            self.background.learn(look, hidden, self.now_s)
            changed = self.background.shows_thing()
            still = hidden & self.background.alike(look, self.background.settled, 2.0)
            ground = self.background.alike(look, self.background.background)
            self.objects.observe(self.background, look, ground, changed, hidden, still, self.now_s, self)
            self.background.absorb(self.objects.held(), changed, watched, self.now_s, self.period_s)
            self.now_s += self.period_s
        return [thing for thing in self.objects.objects if thing.standing]


def covered(body: np.ndarray) -> np.ndarray:
    """Where the detector sees a person: the box of the body."""
    rows, columns = np.nonzero(silhouette(body))
    mask = np.zeros(SHAPE, bool)
    mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    return mask


def test_a_thing_put_down_stands_after_seconds_and_knows_since_when() -> None:
    deck, scene = Deck(), Scene()
    assert scene.show(deck.picture(), 10) == []
    assert scene.show(deck.picture(CRATE), 1.0) == []
    (thing,) = scene.show(deck.picture(CRATE), 2.5)
    assert abs(thing.since_s - 10.0) <= 0.5
    mask = np.zeros(SHAPE, bool)
    thing.region.add_to(mask)
    true = silhouette(CRATE[0])
    assert (mask & true).sum() > 0.9 * (mask | true).sum()


def test_it_is_gone_when_the_ground_shows_again_and_leaves_no_ghost() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    assert len(scene.show(deck.picture(CRATE), 20)) == 1
    assert scene.show(deck.picture(), 2.5) == []
    assert scene.show(deck.picture(), 15) == []


def test_a_person_who_stands_is_no_thing_even_if_the_detector_misses_some_frames() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    body = person(2.0, 9.0)
    for step in range(40):
        seen = step % 2 == 0
        assert scene.show(deck.picture((body, (60, 40, 160))), 0.5, covered(body) if seen else NOTHING) == []


def test_what_a_person_puts_down_is_found_beside_the_person() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    body, bag = person(2.0, 9.0), cuboid(2.6, 8.7, 0.45, 0.3, 0.4)
    things = scene.show(deck.picture((body, (60, 40, 160)), (bag, (30, 20, 20))), 5, covered(body))
    assert len(things) == 1
    assert abs(things[0].since_s - 10.0) <= 0.5


def test_a_thing_that_people_hide_is_occluded_and_stays() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    (before,) = scene.show(deck.picture(CRATE), 10)
    front = cuboid(1.2, 7.2, 1.6, 0.3, 1.8)
    (hidden,) = scene.show(deck.picture(CRATE, (front, (50, 60, 60))), 20, covered(front))
    assert hidden.object_id == before.object_id
    assert hidden.state is StayState.OCCLUDED
    assert hidden.last_observed_s < 22
    (after,) = scene.show(deck.picture(CRATE), 5)
    assert after.object_id == before.object_id
    assert after.state is StayState.OBSERVED


def test_who_hides_a_thing_that_was_in_doubt_ends_no_doubt() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    (thing,) = scene.show(deck.picture(CRATE), 6)
    doubts = {}
    for doubted in (False, True):
        if doubted:
            thing.doubted_s = scene.now_s - scene.objects.rules.doubt_s / 2
        scene.show(deck.picture(CRATE), 1.5, covered(CRATE[0]))
        doubts[doubted] = scene.objects.is_doubtful(thing, scene.now_s)
        scene.show(deck.picture(CRATE), 4)
        assert not scene.objects.is_doubtful(thing, scene.now_s)
    assert doubts == {False: False, True: True}


def test_a_thing_taken_while_it_was_hidden_is_gone_when_the_people_leave() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    assert len(scene.show(deck.picture(CRATE), 10)) == 1
    front = cuboid(1.2, 7.2, 1.6, 0.3, 1.8)
    assert len(scene.show(deck.picture((front, (50, 60, 60))), 20, covered(front))) == 1
    assert scene.show(deck.picture(), 4) == []


def test_a_thing_taken_by_somebody_in_whose_box_the_ground_shows_is_gone_before_he_leaves() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    assert len(scene.show(deck.picture(CRATE), 10)) == 1
    beside, box = person(2.9, 7.6), covered(CRATE[0])
    taker = deck.picture((beside, (60, 40, 160)))
    assert scene.show(taker, 1.0, box | covered(beside)) == []


def test_a_thing_over_which_shadows_flit_is_one_thing() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    (before,) = scene.show(deck.picture(CRATE), 10)
    shade = cv2.GaussianBlur(np.where(covered(CRATE[0]), 0.55, 1.0).astype(np.float32), (0, 0), 12)[:, :, None]
    for step in range(16):
        picture = deck.picture(CRATE)
        lit = picture if step % 2 else np.clip(picture * shade, 0, 255).astype(np.uint8)
        (thing,) = scene.show(lit, 0.5)
        assert thing.object_id == before.object_id


def test_what_was_there_at_the_start_and_leaves_is_a_ghost_and_not_a_thing() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(CRATE), 10)
    for _ in range(40):
        assert scene.show(deck.picture(), 0.5) == []


def test_a_thing_that_moves_a_little_stands_where_it_is_now_and_not_where_it_was() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(CRATE), 10)
    moved = (cuboid(2.9, 8.0, 0.9, 0.8, 0.7), CRATE[1])
    (thing,) = scene.show(deck.picture(moved), 10)
    x = thing.region.x + thing.region.mask.shape[1] / 2
    assert x > np.nonzero(silhouette(CRATE[0]))[1].max()


def test_a_thing_pushed_along_does_not_stand() -> None:
    deck, scene = Deck(), Scene(0.2)
    scene.show(deck.picture(), 5)
    for step in range(50):
        cart = (cuboid(1.5, 14.0 - 0.16 * step, 1.2, 1.0, 1.0), (150, 60, 30))
        assert scene.show(deck.picture(cart), 0.2) == []


def test_a_crowd_of_regions_stays_bounded() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 5)
    random = np.random.default_rng(1)
    for _ in range(6):
        litter = [(cuboid(x, y, 0.25, 0.25, 0.3), (20, 30, 160)) for x, y in random.uniform((0, 6), (3.7, 17), (90, 2))]
        scene.show(deck.picture(*litter), 1.0)
        assert len(scene.objects.objects) <= scene.objects.rules.most_objects


def test_what_comes_to_stand_beside_a_thing_where_the_ground_was_seen_is_another_thing() -> None:
    deck, scene = Deck(), Scene()
    beside = (cuboid(2.4, 8.0, 0.9, 0.8, 0.7), (190, 90, 40))
    scene.show(deck.picture(), 6)
    # Somebody hides the place beside the crate when that comes: what shows there later might be the rest of it.
    scene.show(deck.picture(), 3, covered(person(2.6, 8.2)))
    scene.show(deck.picture(CRATE), 5, covered(person(2.6, 8.2)))
    assert len(scene.show(deck.picture(CRATE), 5)) == 1
    both = scene.show(deck.picture(CRATE, beside), 6)
    assert len(both) == 2
    (left,) = scene.show(deck.picture(CRATE), 4)
    mask = np.zeros(SHAPE, bool)
    left.region.add_to(mask)
    true = silhouette(CRATE[0])
    assert (mask & true).sum() > 0.85 * (mask | true).sum()


def test_change_that_shows_only_where_the_ground_was_dark_is_no_thing() -> None:
    """Somebody in a coat as light as the deck stands over a dark stripe: only there is a change, without an edge."""
    deck, scene = Deck(), Scene()
    stripe = silhouette(cuboid(0.0, 9.0, 4.0, 0.5, 0.0))
    coat = silhouette(cuboid(1.6, 8.7, 0.7, 0.3, 1.5))
    striped = deck.picture()
    striped[stripe] = (60, 60, 60)
    scene.show(striped, 8)
    hidden = striped.copy()
    hidden[coat] = (225, 225, 225)
    assert scene.show(hidden, 6) == []
    crate = striped.copy()
    crate[silhouette(CRATE[0])] = CRATE[1]
    assert len(scene.show(crate, 6)) == 1


def test_what_a_second_look_shows_to_be_somebody_does_not_stand_until_three_looks_show_nobody() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    scene.seen = (200, 100, 260, 200)
    assert scene.show(deck.picture(CRATE), 20) == []
    assert all(not scene.objects.is_doubtful(thing, scene.now_s) for thing in scene.objects.objects)
    scene.seen, since = None, len(scene.asked_s)
    while not scene.show(deck.picture(CRATE), scene.period_s):
        assert scene.now_s < 60
    assert len(scene.asked_s) - since == 3


def test_second_looks_are_a_second_apart_and_further_the_longer_it_lasts() -> None:
    deck, scene = Deck(), Scene(period_s=0.25)
    scene.show(deck.picture(), 10)
    scene.seen = (200, 100, 260, 200)
    scene.show(deck.picture(CRATE), 60)
    apart = np.diff(scene.asked_s)
    assert apart.min() >= 1.0
    assert apart[-1] >= 4.0
    assert len(scene.asked_s) <= 30


def test_a_thing_that_stands_is_not_looked_at_again() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    scene.show(deck.picture(CRATE), 30)
    assert 1 <= len(scene.asked_s) <= 4
