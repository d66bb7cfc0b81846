"""Logs are for a person on a terminal and for a machine elsewhere, and never give credentials away."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from edge_agent.logs import configure_logs, redact


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    threading.excepthook = hook
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.5:554/stream", "rtsp://***@10.0.0.5:554/stream"),
        ("rtsp://admin:p@ss@10.0.0.5/", "rtsp://***@10.0.0.5/"),
        ("open https://token@host/a failed", "open https://***@host/a failed"),
        ("http://h/snap.jpg?user=a&password=hunter2&x=1", "http://h/snap.jpg?user=***&password=***&x=1"),
        ("http://h/?ACCESS_TOKEN=abc", "http://h/?ACCESS_TOKEN=***"),
        ("two rtsp://a:b@h/ and rtsp://c:d@i/", "two rtsp://***@h/ and rtsp://***@i/"),
        ("mail me at someone@example.org", "mail me at someone@example.org"),
        ("rtsp://admin:hun/te?r2@10.0.0.5/", "rtsp://***@10.0.0.5/"),
        ("'rtsp://a:b@h/' failed at 10@5", "'rtsp://***@h/' failed at 10@5"),
    ],
)
def test_credentials_in_urls_are_made_unreadable(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_elsewhere_every_line_is_one_json_object() -> None:
    out = io.StringIO()
    configure_logs(stream=out)
    structlog.get_logger("edge_agent.x").warning("camera_lost", camera="gate", tries=3)
    logging.getLogger("a_library").error("it said %s", "no")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["event"], first["camera"], first["tries"], first["level"]) == ("camera_lost", "gate", 3, "warning")
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"]) == ("it said no", "error")


def test_on_a_terminal_a_line_is_for_a_person() -> None:
    out = Terminal()
    configure_logs(stream=out)
    structlog.get_logger().info("camera_lost", camera="gate")
    assert "camera_lost" in out.getvalue()
    assert not out.getvalue().startswith("{")


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_credentials_are_redacted_in_values_lists_and_tracebacks(out: io.StringIO) -> None:
    configure_logs(stream=out)
    url = "rtsp://admin:hunter2@10.0.0.5/"
    try:
        raise ValueError(f"cannot open {url}")
    except ValueError:
        structlog.get_logger().exception("failed", source=url, all=[url, {"inner": url}], error=OSError(url))
    logging.getLogger("a_library").error("cannot open %s", url)
    assert "hunter2" not in out.getvalue()
    assert "ValueError" in out.getvalue()


def test_levels_below_the_one_set_are_silent() -> None:
    out = io.StringIO()
    configure_logs("warning", out)
    structlog.get_logger().info("not said")
    structlog.get_logger().warning("said")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["said"]


def test_a_level_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="log level 'loud' is not known"):
        configure_logs("loud")


def test_a_thread_never_dies_silently() -> None:
    out = io.StringIO()
    configure_logs(stream=out)

    def die() -> None:
        raise RuntimeError("rtsp://admin:hunter2@h/ went away")

    thread = threading.Thread(target=die, name="camera-gate")
    thread.start()
    thread.join()
    [line] = map(json.loads, out.getvalue().splitlines())
    assert (line["event"], line["thread"], line["level"]) == ("thread_died", "camera-gate", "error")
    assert "RuntimeError" in line["exception"]
    assert "hunter2" not in line["exception"]


def test_setting_up_twice_says_everything_once() -> None:
    out = io.StringIO()
    configure_logs(stream=out)
    configure_logs(stream=out)
    structlog.get_logger().info("said")
    assert len(out.getvalue().splitlines()) == 1
