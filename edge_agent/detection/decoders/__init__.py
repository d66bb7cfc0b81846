"""One file per model family, each with one function ``decode``.

A new family is a new file here, named as cards name it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates


class Decoder(Protocol):
    """From a model's raw outputs to candidates."""

    def __call__(
        self, outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float
    ) -> Candidates:
        """Decode ``outputs``, in the order of the card, of one picture of ``input_size`` (width, height).

        Every candidate of at least ``min_score`` comes back. Raises ``ValueError`` if the arrays are not this
        family's.
        """
        ...


def known_families() -> tuple[str, ...]:
    """The families there is a decoder for, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def decoder(family: str) -> Decoder:
    """The decoder of a family. Raises ``KeyError`` for one that is not known."""
    if family not in known_families():
        raise KeyError(family)
    return cast(Decoder, importlib.import_module(f"{__name__}.{family}").decode)
