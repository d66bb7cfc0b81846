"""Rules of the house that no single part can keep alone: who may import whom, what is installed where, what is said."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from aggregator.cli import main as aggregator_cli
from edge_agent.cli import cli as agent_cli

ROOT = Path(__file__).resolve().parent.parent
VISION = {"cv2", "onnxruntime", "av"}
TRANSPORT = {"grpc", "sqlite3"}
TRANSPORT_FILES = sorted(
    [path for room in ("outbox", "uplink", "identity") for path in (ROOT / "edge_agent" / room).rglob("*.py")]
    + [ROOT / "edge_agent" / name for name in ("wire.py", "metrics.py", "status.py", "status_server.py", "health.py")]
)
VISION_FILES = sorted(
    path
    for room in ("capture", "detection", "scene", "scenarios", "evidence")
    for path in (ROOT / "edge_agent" / room).rglob("*.py")
)


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
    return names


def members(path: Path) -> set[str]:
    """What a file imports from modules by name, which may be modules themselves."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


def packages(path: Path) -> set[str]:
    """The packages that a file imports from."""
    return {name.partition(".")[0] for name in imported(path)}


def reached(path: Path) -> dict[str, str]:
    """Every package that a file needs, itself or through other files of the agent: the way there, by its name."""
    found: dict[str, str] = {}
    seen, waiting = {path}, [(path, path.stem)]
    while waiting:
        file, way = waiting.pop()
        for name in imported(file) | members(file):
            found.setdefault(name.partition(".")[0], way)
            module = ROOT / Path(*name.split("."))
            for inner in (module.with_suffix(".py"), module / "__init__.py"):
                if name.startswith("edge_agent") and inner.is_file() and inner not in seen:
                    seen.add(inner)
                    waiting.append((inner, f"{way} > {name.removeprefix('edge_agent.')}"))
    return found


def tracked() -> list[Path]:
    """The project's own files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    """The project's text files, without generated stubs."""
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data and "_pb2" not in path.name:
            found.append((path, data.decode("utf-8")))
    return found


def test_agent_and_aggregator_import_nothing_of_each_other() -> None:
    for path in (ROOT / "edge_agent").rglob("*.py"):
        assert "aggregator" not in packages(path), path
    for path in (ROOT / "aggregator").rglob("*.py"):
        assert "edge_agent" not in packages(path), path


def house_name(path: Path) -> str:
    return str(path.relative_to(ROOT / "edge_agent"))


@pytest.mark.parametrize("path", TRANSPORT_FILES, ids=house_name)
def test_transport_reaches_no_vision_on_any_way(path: Path) -> None:
    assert not {name: way for name, way in reached(path).items() if name in VISION}


@pytest.mark.parametrize("path", VISION_FILES, ids=house_name)
def test_vision_reaches_no_transport_on_any_way(path: Path) -> None:
    assert not {name: way for name, way in reached(path).items() if name in TRANSPORT}


def test_scenarios_decide_without_vision_or_transport() -> None:
    for path in (ROOT / "edge_agent/scenarios").glob("*.py"):
        assert not {name: way for name, way in reached(path).items() if name in VISION | TRANSPORT}, path


def test_the_way_to_a_package_is_found_through_other_files() -> None:
    assert reached(ROOT / "edge_agent/uplink/uplink.py")["sqlite3"].startswith("uplink > outbox.outbox")
    assert "cv2" in reached(ROOT / "edge_agent/pipeline.py")


def test_sql_stays_in_the_store() -> None:
    for path in (ROOT / "aggregator").rglob("*.py"):
        if (ROOT / "aggregator/store") not in path.parents:
            said = imported(path)
            assert not {name for name in said if name.startswith("alembic")}, path
            assert not {name for name in said if name.startswith("sqlalchemy")} - {
                "sqlalchemy.engine",
                "sqlalchemy.exc",
            }, path


def pinned(name: str) -> set[str]:
    """The packages of a requirements file."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0].lower() for line in lines if "==" in line and not line.startswith((" ", "#"))}


def test_agent_and_aggregator_install_apart() -> None:
    agent, aggregator = pinned("agent.txt"), pinned("aggregator.txt")
    assert {"onnxruntime", "opencv-python-headless", "av", "grpcio"} <= agent
    assert {"sqlalchemy", "alembic", "grpcio"} <= aggregator
    assert not agent & {"sqlalchemy", "alembic", "pytest"}
    assert not aggregator & {"onnxruntime", "opencv-python-headless", "av", "numpy", "shapely", "pytest"}
    assert agent | aggregator == pinned("run.txt") <= pinned("dev.txt")


def test_every_text_file_ends_with_one_newline_and_has_no_trailing_space() -> None:
    for path, text in texts():
        if not text or path.name.startswith("LICENSE") or path.suffix in {".json", ".patch"}:
            continue
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), path


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    registries = "|".join(
        re.escape(host) for host in ("pypi" + ".org", "files.python" + "hosted.org", "registry.npmjs" + ".org")
    )
    places = r"/(?:root|home/\w+|work|Users/\w+)/"
    for path, text in texts():
        if path == Path(__file__).resolve():
            continue
        found = re.search(rf"{registries}|(?<![\w.$~-]){places}", text)
        assert found is None, f"{path}: {found[0] if found else ''}"


def test_nothing_is_left_to_be_done_later() -> None:
    for path, text in texts():
        if path != Path(__file__).resolve():
            found = re.search(r"\b(?:TODO|FIXME|XXX|HACK)\b", text)
            assert found is None, f"{path}: {found[0] if found else ''}"


def commands_in(page: Path) -> list[str]:
    """Every command that a page shows: indented lines and code spans that begin with one of our programs."""
    text = page.read_text(encoding="utf-8")
    spans = [line.strip() for line in text.splitlines() if line.startswith("    ")] + re.findall(r"`([^`\n]+)`", text)
    return [re.sub(r"^(sudo |\S*/bin/)+", "", span) for span in spans]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests/suites/README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_a_page_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for command in commands_in(page):
        words = command.split()
        if words[:1] == ["make"] and len(words) > 1:
            assert words[1] in targets, command
        elif words[:1] == ["clearway-agent"] and len(words) > 1:
            known_command(agent_cli, words[1:], command)
        elif words[:1] == ["clearway-aggregator"] and len(words) > 1:
            known_command(aggregator_cli, words[1:], command)


def known_command(group: object, words: list[str], command: str) -> None:
    """Fail unless the words name a command, its options, and nothing else."""
    while hasattr(group, "commands") and words and not words[0].startswith("-"):
        commands = group.commands  # type: ignore[attr-defined]
        assert words[0] in commands, command
        group, words = commands[words[0]], words[1:]
    options = {option for parameter in group.params for option in parameter.opts}  # type: ignore[attr-defined]
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options | {"--help", "--version"}, command


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs/decisions").glob("*.md"))], ids=lambda page: page.name)
def test_links_on_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"
