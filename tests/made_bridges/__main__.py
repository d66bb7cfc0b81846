"""Makes footbridges from many seeds and scores the agent on them: ``python -m tests.made_bridges 0-23 [VIEW]``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from edge_agent.evaluation.commands import evaluate
from tests.made_bridges.bridge import VIEWS
from tests.made_bridges.people import walkers
from tests.made_bridges.recorded import FOOTAGE
from tests.made_bridges.suite import write_suite


def main(given: str, view: str = "along") -> int:
    """Print the table of a range of seeds, ``first-last``, seen in one of ``VIEWS``."""
    if not FOOTAGE.is_dir():
        print(f"the people of these scenes are cut out of recordings, which are not here: {FOOTAGE}", file=sys.stderr)
        return 2
    first, _, last = given.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and int(first) <= int(last or first)):
        print(f"SEEDS is a number or a range such as 0-23, not {given!r}", file=sys.stderr)
        return 2
    if view not in VIEWS:
        print(f"VIEW is one of {', '.join(VIEWS)}, not {view!r}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(int(first), int(last or first) + 1)
        suite = write_suite(Path(folder), seeds, walkers(FOOTAGE), view=view)
        done = CliRunner().invoke(evaluate, [str(suite)])
    print(done.stdout)
    print(done.stderr, file=sys.stderr)
    return done.exit_code


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["0-23"])))
