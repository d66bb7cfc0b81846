"""What the detector saw in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class ClassGroup(StrEnum):
    """The group of classes that decisions use: small models swap car, van and truck, the group is stable."""

    VEHICLE = "vehicle"
    CYCLE = "cycle"
    PERSON = "person"
    OBJECT = "object"


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The detections of one frame as aligned arrays, best score first.

    ``boxes``: (n, 4) float32, xyxy in pixels of the full frame. ``scores``: (n,) float32, 0-1.
    ``class_names``: n names as the model card gives them. ``groups``: n class groups; classes that a card gives no
    group are left out before a ``Detections`` is made.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_names: tuple[str, ...]
    groups: tuple[ClassGroup, ...]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes.shape != (count, 4) or len(self.class_names) != count or len(self.groups) != count:
            raise ValueError(
                f"detections must be aligned: boxes {self.boxes.shape}, scores {self.scores.shape}, "
                f"{len(self.class_names)} names, {len(self.groups)} groups"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def keep(self, mask: NDArray[np.bool_]) -> Detections:
        """The detections for which ``mask``, (n,) bool, is true."""
        index = np.flatnonzero(mask)
        return Detections(
            self.boxes[index],
            self.scores[index],
            tuple(self.class_names[i] for i in index),
            tuple(self.groups[i] for i in index),
        )

    def first(self, count: int) -> Detections:
        """The best ``count`` of them."""
        return self if len(self) <= count else self.keep(np.arange(len(self)) < count)

    @staticmethod
    def empty() -> Detections:
        """No detections."""
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), (), ())
