"""Dashboards against the types that Grafana publishes, checked by TypeScript's compiler."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.panels import ROOT, panels

HERE = ROOT / "tests/dashboards/schema"
PLACE = ROOT / "build/dashboards-schema"
INSTALL_S = 120
WITH_FIELDS = ("state-timeline", "table", "timeseries")
"""Kinds of panels that have field settings of their own."""
COMPILER = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": True,
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "types": [],
}


def installed() -> Path:
    """The folder with the pinned packages, filled once; skips where that cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("no node and npm here (Debian: nodejs, npm)")
    lock = HERE / "package-lock.json"
    place = PLACE / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    if (place / "complete").is_file():
        return place
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, place)
    command = [npm, "ci", "--ignore-scripts", "--omit=peer", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm reached no registry within {INSTALL_S} s")
    if done.returncode:
        if "EINTEGRITY" in done.stderr:
            pytest.fail(f"a package is not what the lock file says:\n{done.stderr}")
        pytest.skip(f"npm could not install what dashboards are checked with: {done.stderr.strip()[-300:]}")
    (place / "complete").touch()
    return place


def constants(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Everything of a dashboard that has a type, with its type."""
    yield "AnyDashboard", dashboard
    for panel in panels(dashboard):
        kind = panel["type"]
        yield f"Options['{kind}']", panel.get("options", {})
        if kind in WITH_FIELDS:
            yield f"Custom['{kind}']", panel["fieldConfig"]["defaults"].get("custom", {})


def complaints(place: Path, folder: Path, dashboards: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the compiler says of dashboards, by their names."""
    files = []
    for name, dashboard in dashboards.items():
        file = folder / f"{name}.ts"
        lines = [(HERE / "types.ts").read_text(encoding="utf-8")]
        for number, (kind, value) in enumerate(constants(dashboard)):
            lines.append(f"export const c{number}: {kind} = {json.dumps(value)};")
        file.write_text("\n".join(lines), encoding="utf-8")
        files.append(file.name)
    (folder / "node_modules").symlink_to(place / "node_modules")
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILER, "files": files}), encoding="utf-8")
    compiler = place / "node_modules/typescript/bin/tsc"
    command = ["node", str(compiler), "--project", "tsconfig.json", "--pretty", "false"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    return done.stdout.splitlines()
