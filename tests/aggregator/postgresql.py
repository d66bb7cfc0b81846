"""A private PostgreSQL cluster for the length of a test run."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin"))


class Cluster:
    """A server that listens on a socket in its own folder, and forgets all at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def new_database(self) -> URL:
        """The address of a database without tables."""
        self._made += 1
        name = f"clearway_{self._made}"
        engine = create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url(name)

    def _url(self, database: str) -> URL:
        return URL.create(
            "postgresql+psycopg", username="clearway", database=database, query={"host": str(self._folder)}
        )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster, or a skip that says what is missing."""
    tools = next((place for place in _PLACES if (place / "initdb").exists()), None)
    if tools is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("the PostgreSQL driver is not installed: pip install 'psycopg[binary]'")
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="clearway-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data = str(folder / "data")
        settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=40"
        _run(user, folder, tools / "initdb", "-D", data, "-U", "clearway", "--auth=trust", "--no-sync", "-E", "UTF8")
        control = (tools / "pg_ctl", "-D", data, "-w", "-l", str(folder / "log"))
        _run(user, folder, *control, "-o", settings, "start")
        try:
            yield Cluster(folder)
        finally:
            _run(user, folder, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; None if this process is not root anyway."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _run(user: str | None, folder: Path, *command: object) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
