"""What the configuration says of a live stream."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from edge_agent.capture.source_kind import SCHEMES, kind_of
from edge_agent.config_fields import STRICT
from edge_agent.redaction import redacted

_LONGEST_TIMEOUT_S = 300.0


def checked_source(source: str) -> str:
    """A path, a device or an address, as far as its text tells. Raises ``ValueError`` without its secrets."""
    kind_of(source)
    if "://" not in source:
        return source
    try:
        parts = urlsplit(source)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise ValueError(f"{redacted(source)!r} is no address: {redacted(str(error))}") from None
    if not parts.hostname:
        raise ValueError(f"{redacted(source)!r} names no host: write {parts.scheme}://HOST/PATH")
    if re.search(r"\s", source):
        raise ValueError(f"{redacted(source)!r} holds a space: write it as %20")
    return source


def _checked_address(source: str) -> str:
    if "://" not in source:
        raise ValueError(f"is no address: it must begin with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    return checked_source(source)


SourceText = Annotated[str, Field(min_length=1), AfterValidator(checked_source)]
Address = Annotated[str, AfterValidator(_checked_address)]
Timeout = Annotated[float, Field(ge=0.5, le=_LONGEST_TIMEOUT_S)]


@dataclass(frozen=True, slots=True, config=STRICT)
class StreamConfig:
    """How a live source is opened and read. Nothing here concerns a recording.

    ``decode`` says how much of the stream is decoded: ``keyframes``, ``sampled`` (what the pictures that are due lean
    on), ``all``; ``auto`` chooses from the distance of the key frames and the sampling period.
    """

    transport: Literal["auto", "tcp", "udp"] = "auto"
    username: str | None = None
    password_file: str | None = None
    password_env: str | None = None
    sub_source: Address | None = None
    decode: Literal["auto", "keyframes", "sampled", "all"] = "auto"
    hardware: Literal["auto", "off"] = "auto"
    verify_tls: bool = True
    open_timeout_s: Timeout = 5.0
    read_timeout_s: Timeout = 5.0

    @model_validator(mode="after")
    def _one_password(self) -> StreamConfig:
        given = [name for name in ("password_file", "password_env") if getattr(self, name) is not None]
        if len(given) == 2:
            raise ValueError("give password_file or password_env, not both")
        if given and self.username is None:
            raise ValueError(f"{given[0]} needs a username")
        if self.username is not None and not given:
            raise ValueError("username needs a password_file or a password_env")
        return self
