"""Models are fetched from a real server, also from one that breaks off, and counted only when whole."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from edge_agent.detection.fetch import fetch
from edge_agent.detection.model_card import ModelError

CONTENT = np.random.default_rng(11).bytes(900_000)
HASH = hashlib.sha256(CONTENT).hexdigest()


class ModelServer(ThreadingHTTPServer):
    """Serves ``CONTENT``; ``cuts`` says after how many bytes each of the next answers breaks off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.ranges = True
        self.cuts: list[int] = []
        self.asked: list[str | None] = []
        self.accounts: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/model.onnx"


class _Answer(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.accounts.append(self.headers.get("Authorization"))
        self.server.asked.append(asked)
        if self.path != "/model.onnx":
            self.send_error(404)
            return
        found = re.fullmatch(r"bytes=(\d+)-", asked or "") if self.server.ranges else None
        start = int(found[1]) if found else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[start:]
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests keep quiet."""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.02,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def ignore(done: int, total: int | None) -> None:
    """No progress bar."""


def test_a_model_comes_whole_and_leaves_no_part_behind(server: ModelServer, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "model.onnx"
    steps: list[tuple[int, int | None]] = []
    fetch(server.url, target, HASH, lambda done, total: steps.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]
    assert steps[0] == (0, len(CONTENT))
    assert steps[-1] == (len(CONTENT), len(CONTENT))


def test_a_download_that_is_cut_goes_on_where_it_ended(server: ModelServer, tmp_path: Path) -> None:
    server.cuts = [300_000, 200_000]
    fetch(server.url, tmp_path / "model.onnx", HASH, ignore)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"]


def test_a_later_call_goes_on_from_the_part(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:400_000])
    fetch(server.url, tmp_path / "model.onnx", HASH, ignore)
    assert server.asked == ["bytes=400000-"]
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_a_server_that_cannot_go_on_sends_it_anew(server: ModelServer, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:400_000])
    fetch(server.url, tmp_path / "model.onnx", HASH, ignore)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_a_part_of_another_file_is_thrown_away_and_fetched_anew(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").write_bytes(b"x" * 400_000)
    fetch(server.url, tmp_path / "model.onnx", HASH, ignore)
    assert server.asked == ["bytes=400000-", None]
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [CONTENT, b"y" * 1_000_000])
def test_a_part_that_is_as_long_as_the_file_is_taken_if_it_is_right(
    server: ModelServer, tmp_path: Path, part: bytes
) -> None:
    (tmp_path / "model.onnx.part").write_bytes(part)
    fetch(server.url, tmp_path / "model.onnx", HASH, ignore)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_a_server_that_always_breaks_off_at_once_is_given_up_and_the_part_kept(
    server: ModelServer, tmp_path: Path
) -> None:
    server.cuts = [100_000, 0]
    with pytest.raises(ModelError, match="run the same command again to go on from 100000 bytes"):
        fetch(server.url, tmp_path / "model.onnx", HASH, ignore)
    assert (tmp_path / "model.onnx.part").read_bytes() == CONTENT[:100_000]
    assert not (tmp_path / "model.onnx").exists()


def test_another_file_than_the_card_means_is_refused_and_what_was_there_stays(
    server: ModelServer, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"the old one")
    with pytest.raises(ModelError, match=f"what came has sha256 {HASH}, the card says {'0' * 64}"):
        fetch(server.url, tmp_path / "model.onnx", "0" * 64, ignore)
    assert (tmp_path / "model.onnx").read_bytes() == b"the old one"
    assert not (tmp_path / "model.onnx.part").exists()


def test_user_and_password_of_a_url_are_given_to_its_server(server: ModelServer, tmp_path: Path) -> None:
    fetch(server.url.replace("http://", "http://me:se%40cret@"), tmp_path / "model.onnx", HASH, ignore)
    assert server.accounts == ["Basic " + base64.b64encode(b"me:se@cret").decode()]


def test_a_page_that_is_not_there_is_said_without_the_secrets_of_the_url(server: ModelServer, tmp_path: Path) -> None:
    url = server.url.replace("http://", "http://me:secret@").replace("model.onnx", "gone.onnx?token=secret")
    with pytest.raises(ModelError) as caught:
        fetch(url, tmp_path / "model.onnx", HASH, ignore)
    assert "/gone.onnx: the server answers 404" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_clear_error(server: ModelServer, tmp_path: Path) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError, match=r"model\.onnx: cannot be reached"):
        fetch(url, tmp_path / "model.onnx", HASH, ignore)


@pytest.mark.parametrize("url", ["ftp://host/model.onnx", "model.onnx", "/models/model.onnx"])
def test_only_urls_are_fetched(url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a model's URL starts with"):
        fetch(url, tmp_path / "model.onnx", HASH, ignore)


def test_a_folder_that_cannot_be_made_is_said(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(ModelError, match=r"folder .*file/models cannot be made: Not a directory"):
        fetch(server.url, tmp_path / "file" / "models" / "model.onnx", HASH, ignore)


def test_a_part_that_cannot_be_written_is_said(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.part").mkdir()
    with pytest.raises(ModelError, match=r"model\.onnx\.part: cannot be written: Is a directory"):
        fetch(server.url, tmp_path / "model.onnx", HASH, ignore)
