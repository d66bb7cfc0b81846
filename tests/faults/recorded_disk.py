"""A disk under SQLite that remembers every write and every sync, so that the power can be cut at any of them.

It is a VFS of the very SQLite library that Python's ``sqlite3`` uses, registered as the default one by ``ctypes``. So
the agent's queue and the aggregator's store run over it as they are, with their own library, pragmas and statements.
(The VFS of the ``apsw`` package belongs to another build of SQLite, under which only a copy of their code could run;
apsw is here to look at what is left with a second SQLite.)

What a cut may leave follows what SQLite asks of a disk and no more: a file holds what was written before its last
sync; of each later write any sectors, or its first bytes, or nothing, in any order; a new file may be missing until its
folder was synced.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

SECTOR_BYTES = 512

_NAME = b"recorded"
_OK = 0
_OPEN_MAIN_DB, _OPEN_MAIN_JOURNAL, _OPEN_WAL = 0x100, 0x800, 0x80000
_JOURNALS = ("-wal", "-journal")

_Open = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_Delete = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_Truncate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_pointer = ctypes.c_void_p


class _VfsTable(ctypes.Structure):
    """``sqlite3_vfs``, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("max_path", ctypes.c_int),
        ("next", _pointer),
        ("name", ctypes.c_char_p),
        ("data", _pointer),
        ("open", _pointer),
        ("delete", _pointer),
        ("rest", _pointer * 14),
    )


class _FileTable(ctypes.Structure):
    """``sqlite3_io_methods``, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _pointer),
        ("read", _pointer),
        ("write", _pointer),
        ("truncate", _pointer),
        ("sync", _pointer),
        ("rest", _pointer * 13),
    )


class _File(ctypes.Structure):
    """The head of ``sqlite3_file``."""

    _fields_ = (("methods", ctypes.POINTER(_FileTable)),)


@dataclass(frozen=True, slots=True)
class Wrote:
    """``data`` went to ``path`` from byte ``offset`` on."""

    path: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """``path`` was cut to ``size`` bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """What was written to ``path`` is on the disk."""

    path: str


@dataclass(frozen=True, slots=True)
class Made:
    """``path`` was made, empty."""

    path: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """``path`` was deleted; ``durable`` if its folder was synced after."""

    path: str
    durable: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a test wants to know the place of."""

    what: str
    value: Any


Happening = Wrote | Cut | Synced | Made | Deleted | Mark


class RecordedDisk:
    """What happened, in order. ``before`` holds the files as they were when recording began."""

    def __init__(self) -> None:
        self.happened: list[Happening] = []
        self.before: dict[str, bytes] = {}

    def begin(self, *folders: Path) -> None:
        """Forget what happened; what lies in these folders now is on the disk."""
        self.happened = []
        self.before = {str(file): file.read_bytes() for folder in folders for file in _databases(folder)}

    def mark(self, what: str, value: Any) -> None:
        """Remember that this was so at this moment."""
        self.happened.append(Mark(what, value))

    def marks(self, until: int) -> list[Mark]:
        """The marks of the first ``until`` happenings."""
        return [each for each in self.happened[:until] if isinstance(each, Mark)]

    def leave(self, folder: Path, target: Path, until: int, chance: random.Random) -> None:
        """Put into ``target`` what a power cut after ``until`` happenings may leave of ``folder``."""
        files = _replay(self.before, self.happened[:until])
        keep = chance.choice((0.0, 0.2, 0.5, 0.9, 1.0))
        target.mkdir(parents=True)
        for path, file in files.items():
            if Path(path).parent != folder:
                continue
            if (file.entry_durable or chance.random() < keep) and not (file.deleted and chance.random() < keep):
                (target / Path(path).name).write_bytes(file.left(keep, chance))


@dataclass(slots=True)
class _Kept:
    """One file: what is surely on the disk, and what came after."""

    durable: bytearray
    entry_durable: bool
    deleted: bool = False
    pending: list[Wrote | Cut] = field(default_factory=list)

    def sync(self) -> None:
        for each in self.pending:
            _apply(self.durable, each)
        self.pending.clear()

    def left(self, keep: float, chance: random.Random) -> bytes:
        content = bytearray(self.durable)
        for each in self.pending:
            if isinstance(each, Cut):
                if chance.random() < keep:
                    _apply(content, each)
            else:
                for part in _torn(each, keep, chance):
                    _apply(content, part)
        return bytes(content)


def _replay(before: dict[str, bytes], happened: list[Happening]) -> dict[str, _Kept]:
    files = {path: _Kept(bytearray(data), entry_durable=True) for path, data in before.items()}
    for each in happened:
        match each:
            case Mark():
                pass
            case Made(path):
                files[path] = _Kept(bytearray(), entry_durable=False)
            case Deleted(path, durable):
                if durable:
                    del files[path]
                else:
                    files[path].deleted = True
            case Synced(path):
                files[path].sync()
                if path.endswith(_JOURNALS):  # SQLite syncs the folder with the first sync of a journal
                    for name, file in list(files.items()):
                        if Path(name).parent == Path(path).parent:
                            file.entry_durable = True
                            if file.deleted:
                                del files[name]
            case Wrote(path) | Cut(path):
                files[path].pending.append(each)
    return files


def _apply(content: bytearray, change: Wrote | Cut) -> None:
    if isinstance(change, Cut):
        del content[change.size :]
        return
    if len(content) < change.offset:
        content.extend(bytes(change.offset - len(content)))
    content[change.offset : change.offset + len(change.data)] = change.data


def _torn(write: Wrote, keep: float, chance: random.Random) -> Iterator[Wrote]:
    how = chance.random()
    if how < 0.5:  # whole or not at all
        if chance.random() < keep:
            yield write
    elif how < 0.8:  # any of its sectors
        for start in range(0, len(write.data), SECTOR_BYTES):
            if chance.random() < keep:
                yield Wrote(write.path, write.offset + start, write.data[start : start + SECTOR_BYTES])
    else:  # its first bytes
        yield Wrote(write.path, write.offset, write.data[: int(len(write.data) * keep * chance.random())])


def _databases(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file() and not file.name.endswith(("-shm", ".reserve"))]


@contextmanager
def recorded_disk() -> Iterator[RecordedDisk]:
    """Every SQLite file that is opened meanwhile is recorded. Syncs are only noted, which makes them quick."""
    library = ctypes.CDLL(_sqlite3.__file__)  # its symbols, and those of the libraries that it is linked to
    try:
        find, register, unregister = (
            getattr(library, f"sqlite3_vfs_{name}") for name in ("find", "register", "unregister")
        )
    except AttributeError:
        pytest.skip("the SQLite inside this Python cannot be reached from outside, so no disk can be put under it")
    find.argtypes, find.restype = [ctypes.c_char_p], ctypes.POINTER(_VfsTable)
    register.argtypes, unregister.argtypes = [ctypes.POINTER(_VfsTable), ctypes.c_int], [ctypes.POINTER(_VfsTable)]

    disk = RecordedDisk()
    below = find(None)
    table = _VfsTable.from_buffer_copy(below.contents)
    hooks = _Hooks(disk, below)
    table.name = _NAME
    table.open = ctypes.cast(hooks.open, _pointer)
    table.delete = ctypes.cast(hooks.delete, _pointer)
    assert register(ctypes.byref(table), 1) == _OK
    try:
        yield disk
    finally:
        assert unregister(ctypes.byref(table)) == _OK
        assert not hooks.paths, "a file is still open on the recorded disk"


class _Hooks:
    """What SQLite calls instead of the functions of its own VFS; each calls those in turn."""

    def __init__(self, disk: RecordedDisk, below: Any) -> None:
        self._disk = disk
        self._below = below
        self._tables: dict[int, tuple[_FileTable, tuple[Any, ...]]] = {}
        self.paths: dict[int, str] = {}
        self.open = _Open(self._open)
        self.delete = _Delete(self._delete)

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, out: int | None) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        is_new = bool(path) and not Path(path).exists()
        opened: int = _Open(self._below.contents.open)(ctypes.addressof(self._below.contents), name, file, flags, out)
        if opened == _OK and flags & (_OPEN_MAIN_DB | _OPEN_MAIN_JOURNAL | _OPEN_WAL):
            if is_new:
                self._disk.happened.append(Made(path))
            head = _File.from_address(file)
            head.methods = ctypes.pointer(self._table(head.methods))
            self.paths[file] = path
        return opened

    def _delete(self, _vfs: int, name: bytes, sync_folder: int) -> int:
        done: int = _Delete(self._below.contents.delete)(ctypes.addressof(self._below.contents), name, sync_folder)
        if done == _OK and name.endswith(tuple(suffix.encode() for suffix in _JOURNALS)):
            self._disk.happened.append(Deleted(name.decode(), durable=bool(sync_folder)))
        return done

    def _table(self, below: Any) -> _FileTable:
        """The functions of one kind of file, with those that change it replaced."""
        key = ctypes.addressof(below.contents)
        if key not in self._tables:
            table = _FileTable.from_buffer_copy(below.contents)
            write, truncate, close = _Write(table.write), _Truncate(table.truncate), _Close(table.close)
            mine = (
                _Write(lambda file, data, size, offset: self._write(write, file, data, size, offset)),
                _Truncate(lambda file, size: self._truncate(truncate, file, size)),
                _Sync(lambda file, _flags: self._sync(file)),
                _Close(lambda file: self._close(close, file)),
            )
            table.write, table.truncate, table.sync, table.close = (ctypes.cast(each, _pointer) for each in mine)
            self._tables[key] = table, mine
        return self._tables[key][0]

    def _write(self, below: Callable[..., int], file: int, data: int, size: int, offset: int) -> int:
        self._disk.happened.append(Wrote(self.paths[file], offset, ctypes.string_at(data, size)))
        return below(file, data, size, offset)

    def _truncate(self, below: Callable[..., int], file: int, size: int) -> int:
        self._disk.happened.append(Cut(self.paths[file], size))
        return below(file, size)

    def _sync(self, file: int) -> int:
        self._disk.happened.append(Synced(self.paths[file]))
        return _OK

    def _close(self, below: Callable[..., int], file: int) -> int:
        self.paths.pop(file, None)
        return below(file)
