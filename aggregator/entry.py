"""Where the installed script ``clearway-aggregator`` begins."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command, or say what must be installed for it."""
    try:
        from aggregator.cli import main as command
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] in ("edge_agent", "aggregator", "clearway"):
            raise
        sys.stderr.write(
            f"clearway-aggregator needs {error.name}, which is not installed here: install clearway[aggregator] "
            f"(requirements/aggregator.txt pins what it needs)\n"
        )
        raise SystemExit(2) from error
    command()
