"""The configuration file, and what is said of its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.config import ConfigError, load_config


def write(folder: Path, text: str) -> Path:
    path = folder / "aggregator.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    return refused.value.problems


def test_the_example_is_good(root: Path) -> None:
    config = load_config(root / "config" / "aggregator.yaml")
    assert config.listen == "127.0.0.1:50051"
    assert config.knows("anybody")


def test_a_short_file_gets_defaults_and_a_store_beside_it(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "insecure: true\n"))
    assert config.store.database == str(tmp_path / "state" / "clearway.sqlite")
    assert (config.metrics.listen, config.stream.window, config.agents) == ("127.0.0.1:9102", 1024, "open")


def test_a_store_in_another_folder_is_named_by_its_plain_path(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    path = write(tmp_path / "config", "insecure: true\nstore: sqlite:///../state/clearway.sqlite\n")
    assert load_config(path).store.database == str(tmp_path.resolve() / "state/clearway.sqlite")


def test_listed_agents_alone_are_known(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "insecure: true\nagents: [bridge-1, bridge-2]\n"))
    assert config.knows("bridge-2")
    assert not config.knows("bridge-3")


def test_everything_that_is_wrong_is_said_in_one_go_with_line_and_field(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """listen: 0.0.0.0:50051
insecure: true
store: mysql://host/db
agents: [good, "bad id"]
stream:
  window: 10
  max_batch: 20
  windows: 3
metrics: {listen: nowhere}
retention_days: -1
""",
    )
    reach = "can be reached from other machines, and plain text must not be: use 127.0.0.1 or [::1]"
    assert problems(path) == [
        f"{path}:1: listen: '0.0.0.0:50051' {reach}",
        f"{path}:3: store: mysql is no store that is known here: use sqlite or postgresql",
        f"{path}:4: agents: bad id: not an agent id: letters, digits, '.', '_' and '-', 64 at most, quoted",
        f"{path}:7: stream.max_batch: is 20, more than the window of 10: lower it",
        f"{path}:8: stream.windows: is not a field that is known here: check its spelling",
        f"{path}:9: metrics.listen: 'nowhere' is not an address: write HOST:PORT, such as 127.0.0.1:50051",
        f"{path}:10: retention_days: input should be greater than or equal to 0 (it is -1)",
    ]


def test_plain_text_must_be_asked_for(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "listen: 127.0.0.1:50051\n"))
    assert not config.insecure
    assert config.tls.own_authority
    assert config.server_names == ("127.0.0.1",)
    assert config.enrollment_listen == "127.0.0.1:50052"
    assert config.identity_folder == tmp_path / "state" / "identity"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listen: 0.0.0.0:50051\n", "tls.names: is missing: list the host names or addresses"),
        ("listen: 0.0.0.0:50051\ntls: {names: [a b]}\n", "tls.names: a b: not a host name or address"),
        ("insecure: true\ntls: {names: [here]}\n", "tls: has no effect with insecure: true"),
        ("tls: {certificate: a.pem}\n", "tls: key, client_ca missing: name certificate, key and client_ca"),
        ("tls: {certificate_days: 0}\n", "tls.certificate_days: input should be greater than 0"),
        ("listen: 127.0.0.1:65535\n", "tls.enrollment_listen: is missing: there is no port after 65535"),
    ],
)
def test_mistakes_about_certificates_are_said(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(write(tmp_path, text))
    assert said in problem


def test_files_of_another_authority_lie_beside_the_configuration(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "tls: {certificate: a.pem, key: a.key, client_ca: ca.pem}\n"))
    assert not config.tls.own_authority
    assert config.tls.key == str(tmp_path / "a.key")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.8.9.1:1", "localhost:1", "'[::1]:1'"])
def test_this_machine_has_many_names(tmp_path: Path, address: str) -> None:
    assert load_config(write(tmp_path, f"insecure: true\nlisten: {address}\n")).listen == address.strip("'")


@pytest.mark.parametrize("address", ["'[::]:1'", "10.0.0.1:1", "example.org:1"])
def test_plain_text_for_other_machines_is_refused(tmp_path: Path, address: str) -> None:
    (problem,) = problems(write(tmp_path, f"insecure: true\nlisten: {address}\n"))
    assert "plain text must not be" in problem


@pytest.mark.parametrize("store", ["sqlite://", "'sqlite:///:memory:'", "postgresql://host", "what is this"])
def test_a_store_that_keeps_nothing_or_is_none_is_refused(tmp_path: Path, store: str) -> None:
    (problem,) = problems(write(tmp_path, f"insecure: true\nstore: {store}\n"))
    assert ":2: store: " in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listen: [unclosed\n", "not valid YAML"),
        ("- a list\n", "must hold a mapping of fields, not a list"),
        ("", "must hold a mapping of fields, not nothing"),
    ],
)
def test_what_is_no_configuration_is_said_to_be_none(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(write(tmp_path, text))
    assert said in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "none.yaml")
    assert problem == f"{tmp_path}/none.yaml: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("insecure: true\ninsecure: true\n", ":2: insecure: is given twice"),
        ("insecure: true\nmetrics: {max_cameras: 1, max_cameras: 2}\n", ":2: metrics.max_cameras: is given twice"),
        ("insecure: true\nmetrics: &m {per_camera: *m}\n", ":2: metrics.per_camera refers to itself"),
        ("insecure: true\nretention_days: 2026-05-12\n", ":2: retention_days: input should be a valid integer"),
        ("insecure: true\nagents: [2026-05-12x, 2026-05-12 10:00:00]\n", ":2: agents: 2026-05-12 10:00:00: not an"),
    ],
)
def test_what_yaml_lets_pass_is_told_with_its_line_and_field(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(write(tmp_path, text))
    assert said in problem


def test_an_agent_may_be_named_like_a_date(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "insecure: true\nagents: [2026-05-12]\n")).knows("2026-05-12")


def test_the_places_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "insecure: true\n")).places is None
    assert load_config(write(tmp_path, "insecure: true\nplaces: city/places.yaml\n")).places == (
        tmp_path / "city" / "places.yaml"
    )
