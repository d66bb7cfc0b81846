"""What of an address may be shown, what it may be, and who the agent says it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.capture.credentials import credentials_of, with_user, without_user
from edge_agent.capture.source import SourceError
from edge_agent.capture.source_kind import SourceKind, kind_of
from edge_agent.config import ConfigError, StreamConfig, load_config
from edge_agent.redaction import redacted, shown_address


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://root:pa55@10.0.0.7/live",
        "rtsp://root:p@55/w@10.0.0.7:554/live",
        "http://10.0.0.7/snap.jpg?user=root&pwd=pa55",
        "http://10.0.0.7/snap.jpg?a=1&token=pa55#top",
        "rtsp://10.0.0.7:554/user=root_password=pa55_channel=1_stream=0.sdp?real_stream",
        "https://root:pa55@[fe80::7]/live",
    ],
)
def test_no_form_of_password_is_shown(address: str) -> None:
    for shown in (redacted(f"opening '{address}' failed"), shown_address(address)):
        assert not any(secret in shown for secret in ("pa55", "p@55", "55/w", "root"))
        assert "10.0.0.7" in shown or "fe80::7" in shown


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("rtsp://a/b", SourceKind.RTSP),
        ("RTSPS://a/b", SourceKind.RTSP),
        ("https://a/b", SourceKind.HTTP),
        ("/dev/video0", SourceKind.DEVICE),
        ("/dev/v4l/by-id/usb-cam-index0", SourceKind.DEVICE),
        ("clip.mp4", SourceKind.RECORDING),
    ],
)
def test_a_source_is_told_by_how_it_is_written(source: str, kind: SourceKind) -> None:
    assert kind_of(source) is kind


def test_credentials_come_from_a_file_the_environment_or_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("p@ss:/w%20d\n")
    monkeypatch.setenv("GATE_PASSWORD", "other")
    of_file = credentials_of("rtsp://h/x", StreamConfig(username="me", password_file=str(tmp_path / "password")))
    of_environment = credentials_of("rtsp://h/x", StreamConfig(username="me", password_env="GATE_PASSWORD"))
    of_address = credentials_of("rtsp://me:a%40b@h/x", StreamConfig())
    assert of_file is not None
    assert of_environment is not None
    assert of_address is not None
    assert (of_file.password, of_environment.password, of_address.password) == ("p@ss:/w%20d", "other", "a@b")
    full = with_user("rtsp://h:554/x?y=1", of_file)
    assert full == "rtsp://me:p%40ss%3A%2Fw%2520d@h:554/x?y=1"
    assert without_user(full) == "rtsp://h:554/x?y=1"
    assert credentials_of("rtsp://h/x", StreamConfig()) is None
    assert "p@ss" not in repr(of_file)


def test_a_password_that_is_not_there_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"password_file cannot be read"):
        credentials_of("rtsp://h/x", StreamConfig(username="me", password_file=str(tmp_path / "none")))
    with pytest.raises(SourceError, match="the environment has no NO_SUCH"):
        credentials_of("rtsp://h/x", StreamConfig(username="me", password_env="NO_SUCH"))


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ("source: rtmp://u:s3cret@h/x", "cannot be read: give an address that begins with one of rtsp://"),
        ("source: rtsp://u:s3cret@h:99999/x", "is no address"),
        ("source: 'rtsp://u:s3cret@'", "names no host"),
        ("source: 'rtsp://u:s3cret@h/a b'", "holds a space"),
        ("source: rtsp://u:s3cret@h/x\n    loop: true", "loop is for video files"),
        ("source: rtsp://u:s3cret@h/x\n    stream: {username: v, password_env: P}", "names a user already"),
        ("source: rtsp://h/x\n    stream: {username: v}", "username needs a password_file"),
        (
            "source: rtsp://h/x\n    stream: {username: v, password_env: P, sub_source: 'rtsp://u:s3cret@h/y'}",
            "names a user already",
        ),
        ("source: rtsp://h/x\n    stream: {password_env: P}", "password_env needs a username"),
        ("source: rtsp://h/x\n    stream: {username: v, password_env: P, password_file: q}", "not both"),
        ("source: rtsp://h/x\n    stream: {sub_source: 'x:s3cret'}", "is no address"),
        ("source: rtsp://h/x\n    stream: {read_timeout_s: 0}", "read_timeout_s"),
        ("source: rtsp://h/x\n    stream: {transport: s3cret}", "transport"),
        ("source: rtsp://h/x\n    stream: {sub_source: 'rtsp://u:s3cret@h:99999/'}", "is no address"),
    ],
)
def test_what_cannot_be_is_refused_without_its_password(tmp_path: Path, camera: str, said: str) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(f"id: a\ncameras:\n  - id: gate\n    {camera}\n")
    with pytest.raises(ConfigError) as error:
        load_config(file)
    text = str(error.value)
    assert said in text
    if "transport" not in said:
        assert "s3cret" not in text


def test_paths_are_taken_from_the_files_own_folder_and_devices_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(
        "id: a\ncameras:\n"
        "  - {id: gate, source: rtsp://h/x, stream: {username: v, password_file: secrets/gate}}\n"
        "  - {id: usb, source: /dev/v4l/by-id/usb-cam-index0}\n"
        "  - {id: twin, source: rtsp://h/x}\n"
    )
    cameras = load_config(file).cameras
    assert cameras[0].stream.password_file == str(tmp_path / "secrets" / "gate")
    assert cameras[1].source == "/dev/v4l/by-id/usb-cam-index0"
    assert cameras[2].source == cameras[0].source
