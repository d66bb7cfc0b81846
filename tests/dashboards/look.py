"""Pictures of the dashboards on the demo's data, for looking at them: ``python -m tests.dashboards.look FOLDER``.

Every query of every panel is asked of a real Prometheus that scrapes the running demo. The answers are kept in the
folder, so that ``--again`` draws changed dashboards without another run. Drawn by tests.dashboards.drawing, not by
Grafana: it shows what a panel says, with its units, thresholds, legend and place, not every pixel of it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.dashboards.drawing import drawn
from tests.dashboards.live import Prometheus, watched_demo
from tests.dashboards.panels import FILES, asked, chosen_at_first, filled, load, panels
from tests.end_to_end.running import folder_at

PATIENCE_S = 150.0
COURSE_S = 90.0
"""How long a course is kept: of the demo at six times its speed, nine minutes."""
LEAST_S = 30.0
SOMETHING = "sum(clearway_street_incidents_open) > 1"
"""What is looked at is a moment at which something is wrong, after a while, if there is one in time."""
WIDTH_PX = 1480
ROW_PX = 38
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def answers(server: Prometheus) -> dict[str, Any]:
    """What every query says: its course, or its value now if it asks for no more. Those of marks, too."""
    found: dict[str, Any] = {}
    for dashboard in map(load, FILES):
        chosen = chosen_at_first(dashboard)
        for panel in panels(dashboard):
            for target in panel.get("targets", ()):
                expr = filled(target["expr"], chosen)
                if target.get("instant"):
                    found[expr] = server.now(expr)
                else:
                    found[expr] = server.course(expr, COURSE_S)
        for annotation in dashboard.get("annotations", {}).get("list", ()):
            expr = filled(annotation["expr"], chosen)
            found[expr] = server.course(expr, COURSE_S)
    return found


def gathered(folder: Path) -> dict[str, Any]:
    """Run the demo until every panel says something, or patience ends, and ask everything."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        sys.exit("no prometheus here (Debian: prometheus)")
    waiting = {filled(query.expr) for path in FILES for query in asked(load(path))}
    with tempfile.TemporaryDirectory() as scratch, folder_at(Path(scratch)) as home:
        began = time.monotonic()
        with watched_demo(home, prometheus) as server:
            seen = False
            while time.monotonic() < began + PATIENCE_S and (waiting or not seen):
                time.sleep(1.0)
                waiting = {expr for expr in waiting if not server.now(expr)}
                past_s = time.monotonic() - began
                seen = past_s > COURSE_S or (past_s > LEAST_S and bool(server.now(SOMETHING)))
            found = answers(server)
    for expr in sorted(waiting):
        print(f"says nothing: {expr}", file=sys.stderr)
    (folder / "answers.json").write_text(json.dumps(found), encoding="utf-8")
    return found


def picture(page: Path, rows: int) -> None:
    """Have a browser take a picture of a page, beside it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no browser here (Debian: chromium)")
    size = f"--window-size={WIDTH_PX},{rows * ROW_PX + 90}"
    with tempfile.TemporaryDirectory() as profile:
        to = page.with_suffix(".png").resolve()
        command = [browser, *QUIET, f"--user-data-dir={profile}", size, f"--screenshot={to}", page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode or not to.is_file():
            sys.exit(f"the browser took no picture of {page}:\n{done.stderr}")


def main() -> None:
    """Gather, draw, take pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--again", action="store_true", help="draw the answers that are in the folder")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    kept = given.folder / "answers.json"
    found = json.loads(kept.read_text(encoding="utf-8")) if given.again else gathered(given.folder)
    for path in FILES:
        dashboard = load(path)
        page = given.folder / f"{path.stem}.html"
        page.write_text(drawn(dashboard, found, WIDTH_PX, ROW_PX), encoding="utf-8")
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
        picture(page, rows)
        print(page.with_suffix(".png"))


if __name__ == "__main__":
    main()
