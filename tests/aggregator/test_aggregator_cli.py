"""The command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import make_url

from aggregator import __version__
from aggregator.cli import main
from aggregator.records import Batch, Opened, Opening
from aggregator.store.store import Store
from aggregator.wire import read_entry
from tests.aggregator.harness import EPOCH, OPENED_AT_S, event


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "aggregator.yaml"
    path.write_text("insecure: true\nstore: sqlite:///store.sqlite\n", encoding="utf-8")
    return path


@pytest.fixture
def filled(config: Path) -> Path:
    """A store with an open incident of an hour ago and a closed one of long ago."""
    recent = event("recent", camera="south", class_name="[b]car[/b]")
    recent.incident.opened_at.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    with Store(make_url(f"sqlite:///{config.parent}/store.sqlite")) as store:
        store.migrate()
        opened = store.open_stream(Opening("bridge-1", EPOCH, 1, 9, "0.1.0", "nanodet", "c0ffee", "linux"))
        assert isinstance(opened, Opened)
        events = [event("old"), event("old", "CLOSED", at_s=90), recent]
        now = datetime.now(UTC)
        entries = tuple(read_entry(seq, message, now) for seq, message in enumerate(events, start=1))
        store.commit([Batch("bridge-1", EPOCH, opened.fence, 1, entries)])
        store.refuse("stranger")
    return config


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def listed(*words: object) -> list[str]:
    result = call(*words, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line)["incident_id"] for line in result.stdout.splitlines()]


def test_version_and_help_are_enough_to_begin() -> None:
    assert call("--version").stdout.strip().endswith(__version__)
    top = call("--help").stdout
    for command in ("serve", "check", "migrate", "incidents", "agents", "places"):
        assert command in top
    assert "--ready-file" in call("serve", "-h").stdout


def test_check_says_good_or_everything_that_is_wrong(config: Path) -> None:
    good = call("check", "--config", config)
    assert (good.exit_code, good.stdout.startswith(f"{config}: good")) == (0, True)
    assert not (config.parent / "store.sqlite").exists()
    config.write_text("insecure: true\nlisten: nowhere\nretention_days: x\n", encoding="utf-8")
    bad = call("check", "--config", config)
    assert bad.exit_code == 2
    assert [line.split(" ")[0] for line in bad.stderr.splitlines()] == [f"{config}:2:", f"{config}:3:"]


def test_wrong_use_is_exit_code_2(config: Path) -> None:
    assert call("serve").exit_code == 2
    assert call("fly").exit_code == 2
    assert call("incidents", "list", "--config", config, "--since", "soon").exit_code == 2


def test_migrate_says_what_it_did(config: Path) -> None:
    assert call("migrate", "--config", config).stdout.endswith("/store.sqlite: up to date\n")
    assert call("migrate", "--config", config).stdout.endswith("/store.sqlite: already up to date\n")


def test_incidents_are_listed_for_programs(filled: Path) -> None:
    command = ("incidents", "list", "--config", filled)
    assert listed(*command) == ["recent", "old"]
    assert listed(*command, "--open") == ["recent"]
    assert listed(*command, "--camera", "north") == ["old"]
    assert listed(*command, "--since", "2h") == ["recent"]
    assert listed(*command, "--since", "2025-01-01", "--limit", 1) == ["recent"]
    (line,) = call(*command, "--camera", "north", "--json").stdout.splitlines()
    old = json.loads(line)
    assert old["opened_at"] == datetime.fromtimestamp(OPENED_AT_S, UTC).isoformat().replace("+00:00", "Z")
    assert (old["agent_id"], old["close_reason"], old["dwell_observed_s"]) == ("bridge-1", "left", 390)


def test_incidents_are_listed_for_people(filled: Path) -> None:
    text = call("incidents", "list", "--config", filled).stdout
    assert "parking parked" in text
    assert "[b]car[/b]" in text
    assert "left 2025-10-09 08:54:50" in text
    assert "open" in text


def test_a_list_that_is_cut_off_says_so(filled: Path) -> None:
    result = call("incidents", "list", "--config", filled, "--limit", 1)
    assert result.stderr == "only the last 1 opened: --limit shows more\n"
    assert call("incidents", "list", "--config", filled).stderr == ""


def test_an_empty_list_says_so_and_is_nothing_for_programs(config: Path) -> None:
    call("migrate", "--config", config)
    for more, said in (((), "no incidents"), (("--camera", "kerb"), "no such incidents")):
        result = call("incidents", "list", "--config", config, *more)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{said}\n")
        assert call("incidents", "list", "--config", config, "--json", *more).stdout == ""
    assert call("agents", "list", "--config", config).stderr == "no agent has connected yet\n"


def test_agents_are_listed(filled: Path) -> None:
    lines = call("agents", "list", "--config", filled, "--json").stdout.splitlines()
    found = {agent["agent_id"]: agent["state"] for agent in map(json.loads, lines)}
    assert found == {"bridge-1": "known", "stranger": "refused"}
    assert "stranger" in call("agents", "list", "--config", filled).stdout


def test_an_agent_is_retired_once_and_only_if_it_was_there(filled: Path) -> None:
    retired = call("agents", "retire", "--config", filled, "bridge-1")
    assert (retired.exit_code, retired.stdout) == (0, "bridge-1: retired\n")
    assert '"retired"' in call("agents", "list", "--config", filled, "--json").stdout
    for name in ("bridge-1", "nobody"):
        again = call("agents", "retire", "--config", filled, name)
        assert (again.exit_code, again.stdout) == (1, "")
        assert f"{name}: no such agent has connected, or it was retired before" in again.stderr


def test_looking_at_a_store_that_is_not_there_makes_none(config: Path) -> None:
    result = call("incidents", "list", "--config", config)
    assert result.exit_code == 1
    assert "there is no store yet" in result.stderr
    assert not (config.parent / "store.sqlite").exists()


def test_a_file_that_is_no_database_is_one_clear_error(config: Path) -> None:
    (config.parent / "store.sqlite").write_text("this is a letter to my aunt, and no database at all " * 40)
    result = call("incidents", "list", "--config", config)
    assert result.exit_code == 1
    assert "file is not a database" in result.stderr


def tls_config(folder: Path, text: str = "") -> str:
    path = folder / "aggregator.yaml"
    path.write_text(f"store: sqlite:///store.sqlite\n{text}", encoding="utf-8")
    return str(path)


def agents(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["agents", *arguments])


def test_an_invitation_is_shown_once_and_listed_without_its_secret(tmp_path: Path) -> None:
    config = tls_config(tmp_path)
    invited = json.loads(agents("invite", "--config", config, "box-1", "--json").output)
    assert invited["agent_id"] == "box-1"
    assert invited["token"].endswith("." + invited["ca_fingerprint"])
    listed = agents("list", "--config", config, "--json").output
    assert json.loads(listed)["certificate"] == "invited"
    assert invited["token"].split(".")[1] not in listed
    assert "shut out" in agents("revoke", "--config", config, "box-1").output
    assert json.loads(agents("list", "--config", config, "--json").output)["certificate"] == "revoked"
    assert "may come in again" in agents("revoke", "--config", config, "box-1", "--undo").output
    assert "never heard of" in agents("revoke", "--config", config, "box-7").output


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("insecure: true\n", ["box-1"], "take insecure: true out"),
        ("agents: [box-2]\n", ["box-1"], "agents: box-1 is not among them"),
        ("tls: {certificate: a, key: b, client_ca: c}\n", ["box-1"], "an authority of your own: ask it"),
        ("", ["box 1"], "is not an agent id"),
        ("", ["box-1", "--ttl", "soon"], "write a time such as 30m, 24h or 7d"),
        ("", ["box-1", "--ttl", "99d"], "at most 30d"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused(tmp_path: Path, text: str, arguments: list[str], said: str) -> None:
    done = agents("invite", "--config", tls_config(tmp_path, text), *arguments)
    assert (done.exit_code, said in done.output) == (2, True), done.output
    assert not (tmp_path / "identity").exists()
