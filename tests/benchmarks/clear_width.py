"""What one clear width costs: ours, which is exact, beside distance transform and bisection on a raster of 5 cm.

python -m tests.benchmarks.clear_width
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from shapely.geometry import Polygon, box

from edge_agent.scene.clear_width import Corridor, clear_path, clear_width
from tests.edge_agent.scene.raster_width import raster_width

LENGTH_M, WIDTH_M = 40.0, 6.0
ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU time for one answer on a deck of 40 m by 6 m, the median of several rounds."""

    things: int
    exact_ms: float
    path_ms: float
    raster_ms: float

    @property
    def ratio(self) -> float:
        """Cost of the exact answer as a share of the raster's."""
        return self.exact_ms / self.raster_ms


def measure(things: int, rounds: int = ROUNDS) -> Cost:
    """Cost of one answer with so many things of 1.0 m by 0.6 m at random places; the solvers take turns."""
    corridor = Corridor.between(
        [(0.0, 0.0), (LENGTH_M, 0.0), (LENGTH_M, WIDTH_M), (0.0, WIDTH_M)],
        [((0.0, 0.0), (0.0, WIDTH_M)), ((LENGTH_M, 0.0), (LENGTH_M, WIDTH_M))],
    )
    random = np.random.default_rng(things)
    took: list[tuple[float, float, float]] = []
    for _ in range(rounds):
        footprints: list[Polygon] = [
            box(x, y, x + 1.0, y + 0.6) for x, y in random.uniform((0, 0), (LENGTH_M - 1, WIDTH_M), (things, 2))
        ]
        exact = clear_width(corridor, footprints)
        took.append(
            (
                _cpu_ms(lambda: clear_width(corridor, footprints)),  # noqa: B023
                _cpu_ms(lambda: clear_path(corridor, footprints, exact.width_m)),  # noqa: B023
                _cpu_ms(lambda: raster_width(corridor, footprints)),  # noqa: B023
            )
        )
    return Cost(things, *(float(middle) for middle in np.median(np.array(took), axis=0)))


def _cpu_ms(solve: Callable[[], object]) -> float:
    start = time.process_time()
    solve()
    return (time.process_time() - start) * 1000


def main() -> None:
    """Print a table of costs for decks that are more and more full."""
    table = Table("things", "exact, ms", "path for the still, ms", "raster of 5 cm, ms", "exact to raster")
    for things in (0, 3, 10, 30, 60):
        cost = measure(things)
        table.add_row(
            str(things), f"{cost.exact_ms:.2f}", f"{cost.path_ms:.1f}", f"{cost.raster_ms:.1f}", f"{cost.ratio:.3f}"
        )
    Console(file=sys.stdout).print(table)


if __name__ == "__main__":
    main()
