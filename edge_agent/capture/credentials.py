"""Who the agent says it is to a camera."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from edge_agent.capture.source import SourceError
from edge_agent.stream_config import StreamConfig


class RefusedError(SourceError):
    """The camera does not know the user, or not by this password. Asking again soon may lock the user out."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A user and a password. Has no readable form, so that none gets into a log."""

    username: str
    password: str


def credentials_of(url: str, stream: StreamConfig) -> Credentials | None:
    """Those that the configuration names, read anew each time, else those in the address. Raises ``SourceError``."""
    if stream.username is not None:
        return Credentials(stream.username, _password(stream))
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return Credentials(unquote(parts.username), unquote(parts.password or ""))


def _password(stream: StreamConfig) -> str:
    if stream.password_env is not None:
        password = os.environ.get(stream.password_env)
        if password is None:
            raise SourceError(f"the environment has no {stream.password_env}: stream.password_env names it: set it")
        return password
    path = Path(stream.password_file or "")
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}: stream.password_file is no text: write the password into it, and nothing else"
        ) from error
    except OSError as error:
        raise SourceError(
            f"{path}: stream.password_file cannot be read ({error.strerror}): make it, readable for this user alone"
        ) from error


def without_user(url: str) -> str:
    """The address without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def with_user(url: str, credentials: Credentials | None) -> str:
    """The address with user and password in it, as FFmpeg takes them. Never to be shown."""
    if credentials is None:
        return without_user(url)
    parts = urlsplit(url)
    user = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))
