"""Pictures on disk: one file for each, named by what is in it, whole or still coming."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import grpc

from aggregator.refusal import RefusalError

SUFFIXES: Final = {"image/jpeg": ".jpg", "image/png": ".png"}
"""The media types that are taken, with the ending of their files."""

HASH_BYTES = 32
_AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PARTIAL = "partial"
_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a picture is here: ``complete`` once all of it is, with its hash verified."""

    offset: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """What an agent says of a picture before its bytes: ``offset`` is where they begin."""

    sha256: bytes
    size_bytes: int
    media_type: str
    offset: int


class EvidenceFolder:
    """``<folder>/<agent>/<aa>/<sha256>.jpg``, and ``<folder>/<agent>/partial/<sha256>`` while bytes still come.

    A file appears under its name only when it is whole, verified and on the disk. Each agent may fill
    ``max_bytes_per_agent``, what is still coming included; the quota is this process's own reckoning. Several threads
    and processes may share a folder: a file that is being written is locked. The folder is made with the first
    picture. Methods raise ``RefusalError`` for what an agent may not do, ``OSError`` for what the disk does not.
    """

    def __init__(self, folder: Path, max_bytes_per_agent: int, max_file_bytes: int) -> None:
        self._folder = folder
        self._max_bytes_per_agent = max_bytes_per_agent
        self._max_file_bytes = max_file_bytes
        self._lock = threading.Lock()
        self._used: dict[str, int] = {}

    def path_of(self, agent_id: str, sha256: bytes, media_type: str) -> Path:
        """Where this picture lies once it is complete."""
        name = _name(sha256)
        return self._of(agent_id) / name[:2] / (name + SUFFIXES[media_type])

    def held(self, agent_id: str, sha256: bytes) -> Held:
        """How much of this picture is here."""
        for media_type in SUFFIXES:
            whole = self.path_of(agent_id, sha256, media_type)
            if whole.exists():
                return Held(whole.stat().st_size, True)
        try:
            return Held(self.partial_of(agent_id, sha256).stat().st_size, False)
        except FileNotFoundError:
            return Held(0, False)

    def open(self, agent_id: str, opening: Opening) -> Upload | Held:
        """A place for the bytes that come, or what is held if that is all there is to come."""
        self._check(opening)
        handle = self._locked(agent_id, opening.sha256)
        if handle is None:
            return self.held(agent_id, opening.sha256)
        upload = Upload(self, agent_id, opening, handle)
        try:
            upload.begin()
        except BaseException:
            upload.close()
            raise
        return upload

    def forget(self, before: datetime) -> int:
        """Delete what came before a time; how many files."""
        gone = 0
        for agent in self._agents():
            for size, file in _files(agent):
                if file.stat().st_mtime < before.timestamp():
                    file.unlink(missing_ok=True)
                    self.give_back(agent.name, size)
                    gone += 1
        return gone

    def used_bytes(self, agent_id: str) -> int:
        """Bytes of this agent's pictures, those included that uploads under way have been promised."""
        with self._lock:
            return self._known_use(agent_id)

    def _agents(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return [path for path in sorted(self._folder.iterdir()) if _AGENT_ID.fullmatch(path.name) and path.is_dir()]

    def _of(self, agent_id: str) -> Path:
        if not _AGENT_ID.fullmatch(agent_id):
            raise RefusalError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "bad_agent_id",
                f"{agent_id[:80]!r} is not an agent id: letters, digits, '.', '_' and '-', 64 at most",
            )
        return self._folder / agent_id

    def partial_of(self, agent_id: str, sha256: bytes) -> Path:
        """Where the bytes of this picture wait for the rest."""
        return self._of(agent_id) / _PARTIAL / _name(sha256)

    def _check(self, opening: Opening) -> None:
        if opening.media_type not in SUFFIXES:
            raise RefusalError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "foreign_type",
                f"media type {opening.media_type[:80]!r} is not taken: only {' and '.join(SUFFIXES)}",
            )
        if not 0 < opening.size_bytes <= self._max_file_bytes:
            raise RefusalError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "bad_size",
                f"a picture of {opening.size_bytes} bytes is not taken: 1 to {self._max_file_bytes}, which is "
                f"evidence.max_file_bytes",
            )

    def _locked(self, agent_id: str, sha256: bytes) -> int | None:
        """The partial file, made if need be, open and locked; None if the picture has been completed."""
        path = self.partial_of(agent_id, sha256)
        _make_folder(path.parent)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(handle)
                raise RefusalError(
                    grpc.StatusCode.ABORTED, "upload_under_way", "this picture is being uploaded already"
                ) from error
            # Between opening and locking another upload may have moved the file to its final name.
            if self.held(agent_id, sha256).complete:
                if _is_same(handle, path):
                    path.unlink()
                os.close(handle)
                return None
            if _is_same(handle, path):
                return handle
            os.close(handle)

    def reserve(self, agent_id: str, wanted: int) -> None:
        """Set bytes of an agent's quota aside."""
        with self._lock:
            used = self._known_use(agent_id)
            if used + wanted > self._max_bytes_per_agent:
                raise RefusalError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "quota",
                    f"agent {agent_id!r} has {used} of {self._max_bytes_per_agent} bytes, which is "
                    f"evidence.max_bytes_per_agent: {wanted} more have no room",
                )
            self._used[agent_id] = used + wanted

    def give_back(self, agent_id: str, size: int) -> None:
        """Bytes of an agent's quota that are not, or no longer, taken."""
        with self._lock:
            if agent_id in self._used:
                self._used[agent_id] -= size

    def _known_use(self, agent_id: str) -> int:
        if agent_id not in self._used:
            self._used[agent_id] = sum(size for size, _ in _files(self._of(agent_id)))
        return self._used[agent_id]


class Upload:
    """A picture that comes in. It holds the lock of its file until ``close``; methods may come from any thread."""

    def __init__(self, folder: EvidenceFolder, agent_id: str, opening: Opening, handle: int) -> None:
        self._folder = folder
        self._agent_id = agent_id
        self._opening = opening
        self._handle = handle
        self._partial = folder.partial_of(agent_id, opening.sha256)
        self._digest = hashlib.sha256()
        self._offset = 0
        self._reserved = False
        self._closed = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Go to the opening's offset: bytes after it are forgotten, those before it are read for the hash."""
        here, offset = os.fstat(self._handle).st_size, self._opening.offset
        if offset > min(here, self._opening.size_bytes):
            raise RefusalError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "bad_offset",
                f"the upload goes on at byte {offset}, and {here} bytes are here: ask for the offset",
            )
        self._folder.reserve(self._agent_id, self._opening.size_bytes - here)
        self._reserved = True
        os.ftruncate(self._handle, offset)
        while data := os.read(self._handle, _COPY_BYTES):
            self._digest.update(data)
        self._offset = offset

    def write(self, chunk: bytes) -> None:
        """Take bytes that follow the ones before."""
        with self._lock:
            if self._closed:
                return  # the call was ended while this waited for the thread
            if self._offset + len(chunk) > self._opening.size_bytes:
                self._discard()
                raise RefusalError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "bad_size",
                    f"more bytes came than the {self._opening.size_bytes} that were announced: begin again",
                )
            view = memoryview(chunk)
            while view:
                written = os.write(self._handle, view)
                self._offset += written
                view = view[written:]
            self._digest.update(chunk)

    def finish(self) -> Held:
        """No more bytes come: put the picture in its place if it is whole and what it was said to be."""
        with self._lock:
            if self._offset < self._opening.size_bytes:
                os.fsync(self._handle)
                return Held(self._offset, False)
            if self._digest.digest() != self._opening.sha256:
                self._discard()
                raise RefusalError(
                    grpc.StatusCode.DATA_LOSS, "wrong_hash", "the bytes are not those that the hash names: begin again"
                )
            os.fsync(self._handle)
            whole = self._folder.path_of(self._agent_id, self._opening.sha256, self._opening.media_type)
            _make_folder(whole.parent)
            self._partial.replace(whole)
            _sync_folder(whole.parent)
            _sync_folder(self._partial.parent)
            return Held(self._offset, True)

    def close(self) -> None:
        """Let go of the file; what has come of it stays for the next attempt."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            here = os.fstat(self._handle).st_size
            if here == 0:
                self._remove()
            os.close(self._handle)
            if self._reserved:
                self._folder.give_back(self._agent_id, self._opening.size_bytes - here)

    def _discard(self) -> None:
        os.ftruncate(self._handle, 0)
        self._remove()

    def _remove(self) -> None:
        if _is_same(self._handle, self._partial):  # else it is another upload's by now
            self._partial.unlink()


def _name(sha256: bytes) -> str:
    if len(sha256) != HASH_BYTES:
        raise RefusalError(
            grpc.StatusCode.INVALID_ARGUMENT, "bad_hash", f"sha256 has {len(sha256)} bytes, not {HASH_BYTES}"
        )
    return sha256.hex()


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _files(agent: Path) -> list[tuple[int, Path]]:
    """Each file of an agent with its size; those that vanish meanwhile are left out."""
    found = []
    for file in agent.glob("*/*"):
        try:
            found.append((file.stat().st_size, file))
        except FileNotFoundError:
            continue
    return found


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents so that a power failure does not take them away again."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=0o750, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
