"""Who was invited, who holds which certificate, and who is shut out: one JSON file that commands and server share."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog

from aggregator.authority import Issued
from aggregator.private_file import locked, make_private_folder, write_private

T = TypeVar("T")

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""How old the view of the file may be: a revocation takes effect this much later at most."""
TOKEN_BYTES = 32


class RegisterError(Exception):
    """The register cannot be read or written; the message says why and what to do."""


class NotGivenError(Exception):
    """No certificate is given. ``reason`` is for the log alone: a stranger learns nothing of tokens from it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Standing:
    """How an agent stands: ``invited``, ``invitation expired``, ``enrolled``, ``expired`` or ``revoked``."""

    agent_id: str
    state: str
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Revoked:
    """What is shut out."""

    agents: frozenset[str] = frozenset()
    serials: frozenset[str] = frozenset()


class Register:
    """The file ``agents.json`` of the identity folder. Changes are made under the folder's lock, whole or not at all.

    For each agent: ``token`` (SHA-256) and ``token_expires`` while it is invited, ``certificates`` (serial to end),
    ``revoked`` and ``revoked_serials``. ``clock`` gives UTC. Methods raise ``RegisterError``.
    """

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._path = folder / "agents.json"
        self._clock = clock
        self._seen: tuple[int, int, int] | None = None
        self._looked_s = float("-inf")
        self._revoked = Revoked()

    def invite(self, agent_id: str, ttl: timedelta) -> str:
        """A new token's secret; an older one of the agent no longer counts. A revoked agent may come back with it."""
        secret = secrets.token_urlsafe(TOKEN_BYTES)

        def change(agents: dict[str, Any]) -> None:
            agent = agents.setdefault(agent_id, {})
            agent["token"] = _hash(secret)
            agent["token_expires"] = (self._clock() + ttl).isoformat()

        self._change(change)
        return secret

    def redeem(self, secret: str, agent_id: str, sign: Callable[[], Issued]) -> Issued:
        """Use a token up, and note the certificate that ``sign`` makes. Raises ``NotGivenError``."""

        def change(agents: dict[str, Any]) -> Issued:
            hashed = _hash(secret)
            owner = next(
                (name for name, one in agents.items() if hmac.compare_digest(one.get("token", ""), hashed)), None
            )
            if owner is None:
                raise NotGivenError("unknown or used")
            if owner != agent_id:
                raise NotGivenError("made for another agent")
            agent = agents[owner]
            if datetime.fromisoformat(agent["token_expires"]) <= self._clock():
                raise NotGivenError("expired")
            issued = sign()
            del agent["token"], agent["token_expires"]
            agent.pop("revoked", None)
            self._note(agent, issued)
            return issued

        return self._change(change)

    def renew(self, agent_id: str, serial: str, sign: Callable[[], Issued]) -> Issued:
        """Note the certificate that ``sign`` makes for the holder of another. Raises ``NotGivenError``."""

        def change(agents: dict[str, Any]) -> Issued:
            agent = agents.setdefault(agent_id, {})
            if "revoked" in agent or serial in agent.get("revoked_serials", {}):
                raise NotGivenError("revoked")
            issued = sign()
            self._note(agent, issued)
            return issued

        return self._change(change)

    def revoke(self, agent_id: str) -> bool:
        """Shut an agent out with every certificate it holds, whether or not it was ever heard of: False if not."""

        def change(agents: dict[str, Any]) -> bool:
            known = agent_id in agents
            agent = agents.setdefault(agent_id, {})
            agent["revoked"] = self._clock().isoformat()
            agent["revoked_serials"] = agent.get("revoked_serials", {}) | agent.pop("certificates", {})
            agent.pop("token", None)
            agent.pop("token_expires", None)
            return known

        return self._change(change)

    def readmit(self, agent_id: str) -> bool:
        """Let an agent's name in again; certificates that were revoked stay so. False if it was not shut out."""
        return self._change(lambda agents: agents.get(agent_id, {}).pop("revoked", None) is not None)

    def standings(self) -> dict[str, Standing]:
        """How each agent stands, by id."""
        now = self._clock()
        return {name: _standing(name, agent, now) for name, agent in sorted(self._read().items())}

    def revoked(self) -> Revoked:
        """What is shut out, as of a second ago. When the file cannot be read, what was last read stays in force."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            try:
                self._look()
            except RegisterError as error:
                log.error("the register of agents cannot be read; what was known stays in force", error=str(error))
        return self._revoked

    def open(self) -> None:
        """Make the folder and read the file, so that a register that cannot be used is known at the start."""
        try:
            make_private_folder(self._folder)
        except OSError as error:
            raise RegisterError(f"{self._folder}: cannot be made: {error.strerror or error}") from error
        self._look()

    def _look(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            if self._seen is not None:
                raise RegisterError(f"{self._path}: is gone: put back the copy you have kept") from None
            return
        except OSError as error:
            raise RegisterError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            agents = self._read()
            self._revoked = Revoked(
                frozenset(name for name, agent in agents.items() if "revoked" in agent),
                frozenset(serial for agent in agents.values() for serial in agent.get("revoked_serials", {})),
            )
            self._seen = seen

    def _change(self, change: Callable[[dict[str, Any]], T]) -> T:
        try:
            make_private_folder(self._folder)
            with locked(self._folder):
                agents = self._read()
                result = change(agents)
                self._forget_ended(agents)
                write_private(self._path, json.dumps({"agents": agents}, indent=1, sort_keys=True).encode())
        except OSError as error:
            raise RegisterError(f"{self._path}: cannot be changed: {error.strerror or error}") from error
        return result

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self._path.read_bytes())
            agents = data["agents"]
            if not isinstance(agents, dict) or not all(isinstance(agent, dict) for agent in agents.values()):
                raise ValueError
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RegisterError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise RegisterError(f"{self._path}: is damaged: put back the copy you have kept") from error
        return agents

    def _note(self, agent: dict[str, Any], issued: Issued) -> None:
        agent.setdefault("certificates", {})[issued.serial] = issued.not_after.isoformat()

    def _forget_ended(self, agents: dict[str, Any]) -> None:
        """A certificate that has ended needs no revocation; the last of each agent stays, to show when it ended."""
        now = self._clock()
        for agent in agents.values():
            for kind, kept in (("certificates", 1), ("revoked_serials", 0)):
                by_end = sorted(agent.get(kind, {}).items(), key=lambda item: datetime.fromisoformat(item[1]))
                gone = [serial for serial, end in by_end[: len(by_end) - kept] if datetime.fromisoformat(end) <= now]
                for serial in gone:
                    del agent[kind][serial]


def _standing(name: str, agent: dict[str, Any], now: datetime) -> Standing:
    ends = [datetime.fromisoformat(end) for end in agent.get("certificates", {}).values()]
    not_after = max(ends, default=None)
    if "token" in agent:
        ended = datetime.fromisoformat(agent["token_expires"]) <= now
        if not_after is None:
            return Standing(name, "invitation expired" if ended else "invited", None)
    if "revoked" in agent:
        return Standing(name, "revoked", not_after)
    if not_after is None:
        return Standing(name, "unknown", None)
    return Standing(name, "enrolled" if not_after > now else "expired", not_after)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
