"""Getting a model file: from its URL, going on where a cut left off, or from a mirror folder."""

from __future__ import annotations

import base64
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from edge_agent.detection.model_card import ModelCard, ModelError, file_sha256

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes there will be, or None where the server does not say."""

TIMEOUT_S = 30.0
"""Longest silence of a server."""

MAX_BYTES = 2 * 1024**3
"""No model for an edge box is larger; a server that sends more sends something else."""

ATTEMPTS = 4
"""How often a connection that is cut, but brought something, is taken up again before giving up."""

_CHUNK_BYTES = 256 * 1024


class _CutOffError(Exception):
    """The connection ended early; what came is in the ``.part`` file."""


def fetch(url: str, target: Path, sha256: str, progress: Progress) -> None:
    """Download ``url`` to ``target``; the file appears there only once its SHA-256 is right.

    What has come is kept beside it in a ``.part`` file, from which a later call goes on if the server can. Raises
    ``ModelError``.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https", "file"):
        raise ModelError(f"{_shown(url)}: a model's URL starts with https://, http:// or file://")
    part = _part_of(target)
    goes_on = _size(part) > 0
    _download_all(url, part, progress)
    if goes_on and file_sha256(part) != sha256:  # what lay there was of another file
        part.unlink()
        _download_all(url, part, progress)
    _finish(part, target, sha256, _shown(url))


def _download_all(url: str, part: Path, progress: Progress) -> None:
    for attempt in range(ATTEMPTS):
        had = _size(part)
        try:
            _download(url, part, progress)
            return
        except _CutOffError as error:
            if attempt == ATTEMPTS - 1 or _size(part) <= had:
                raise ModelError(
                    f"{_shown(url)}: {error}: run the same command again to go on from {_size(part)} bytes"
                ) from error


def copy_from_mirror(card: ModelCard, mirror: Path, target: Path, progress: Progress) -> Path:
    """Copy the card's file from a folder, searched with all folders in it by hash. Gives the file it was taken from.

    Raises ``ModelError``.
    """
    if not mirror.is_dir():
        raise ModelError(f"mirror {mirror} is not a folder")
    source = find_in_mirror(card, mirror)
    part = _part_of(target)
    total = source.stat().st_size
    try:
        with source.open("rb") as origin:
            _pour(origin, part, 0, total, progress)
    except OSError as error:
        raise ModelError(f"{source}: cannot be read: {error.strerror or error}") from error
    _finish(part, target, card.sha256, str(source))
    return source


def find_in_mirror(card: ModelCard, mirror: Path) -> Path:
    """The file under ``mirror`` that has the card's SHA-256. Raises ``ModelError`` if there is none."""
    files = sorted(path for path in mirror.rglob("*.onnx") if path.is_file())
    likely_first = sorted(files, key=lambda path: path.name != card.file)
    try:
        for path in likely_first:
            if file_sha256(path) == card.sha256:
                return path
    except OSError as error:
        raise ModelError(f"mirror {mirror}: cannot be read: {error.strerror or error}") from error
    same_name = [path for path in files if path.name == card.file]
    if same_name:
        raise ModelError(f"mirror {mirror}: {same_name[0]} has another sha256 than the card {card.name} says")
    raise ModelError(
        f"mirror {mirror}: none of its {len(files)} ONNX files is that of card {card.name} (sha256 {card.sha256})"
    )


def _part_of(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"folder {target.parent} cannot be made: {error.strerror or error}") from error
    return target.with_name(target.name + ".part")


def _download(url: str, part: Path, progress: Progress) -> None:
    have = _size(part)
    request = _request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            start = have if _goes_on(answer, have) else 0
            length = answer.headers.get("Content-Length")
            total = start + int(length) if length is not None and length.isdigit() else None
            got = _pour(answer, part, start, total, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # everything is there, or the part is of another file; its hash will tell
        raise ModelError(f"{_shown(url)}: the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise ModelError(f"{_shown(url)}: cannot be reached: {error.reason}") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _CutOffError(f"the connection broke off ({type(error).__name__})") from error
    except ValueError as error:
        raise ModelError(f"{_shown(url)}: not a URL: {error}") from error
    if total is not None and got < total:
        raise _CutOffError(f"the connection ended after {got} of {total} bytes")


def _request(url: str) -> urllib.request.Request:
    """A request whose user and password, if the URL has any, go to its own host and never on to another."""
    parts = urllib.parse.urlsplit(url)
    account, _, host = parts.netloc.rpartition("@")
    bare = urllib.parse.urlunsplit(parts._replace(netloc=host))
    request = urllib.request.Request(bare, headers={"User-Agent": "clearway-agent"})
    if account:
        secret = base64.b64encode(urllib.parse.unquote(account).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


def _goes_on(answer: http.client.HTTPResponse, have: int) -> bool:
    """True if the server sends what follows the ``have`` bytes, false if it sends everything anew."""
    begins = f"bytes {have}-"
    return bool(have) and answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(begins)


def _pour(
    source: IO[bytes] | http.client.HTTPResponse, part: Path, start: int, total: int | None, progress: Progress
) -> int:
    """Write ``source`` to ``part`` from byte ``start`` on; the bytes that are there now."""
    done = start
    progress(done, total)
    with _opened(part, start) as file:
        while chunk := source.read(_CHUNK_BYTES):
            done += len(chunk)
            if done > MAX_BYTES:
                raise ModelError(f"{part}: more than {MAX_BYTES} bytes came: this is no model")
            with _writing(part):
                file.write(chunk)
            progress(done, total)
    return done


@contextmanager
def _opened(part: Path, start: int) -> Iterator[IO[bytes]]:
    """The part to write to from byte ``start`` on; on the disk for sure when left."""
    with ExitStack() as stack:
        with _writing(part):
            file = stack.enter_context(part.open("r+b" if start else "wb"))
            file.seek(start)
        yield file
        with _writing(part):
            file.flush()
            os.fsync(file.fileno())


def _finish(part: Path, target: Path, sha256: str, source: str) -> None:
    try:
        found = file_sha256(part)
    except OSError as error:
        raise ModelError(f"{part}: cannot be read: {error.strerror or error}") from error
    if found != sha256:
        part.unlink(missing_ok=True)
        raise ModelError(f"{source}: what came has sha256 {found}, the card says {sha256}: it was thrown away")
    with _writing(target):
        part.replace(target)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _shown(url: str) -> str:
    """The URL without user, password and query."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say which file it was that could not be written."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror or error}") from error
