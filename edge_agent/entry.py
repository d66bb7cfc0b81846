"""Where the installed script ``clearway-agent`` begins."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command, or say what must be installed for it."""
    try:
        from edge_agent.cli import main as command
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] in ("edge_agent", "aggregator", "clearway"):
            raise
        sys.stderr.write(
            f"clearway-agent needs {error.name}, which is not installed here: install clearway[agent] "
            f"(requirements/agent.txt pins what it needs)\n"
        )
        raise SystemExit(2) from error
    command()
