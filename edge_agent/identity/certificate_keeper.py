"""Keeps the agent's certificate good: renews it in time, and says when another one is to be used."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import structlog

from edge_agent.config import AgentConfig
from edge_agent.identity.enrollment import renew
from edge_agent.identity.identity import EnrolledIdentity, GivenIdentity, HoldsIdentity, Identity, IdentityError
from edge_agent.uplink.backoff import Backoff

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 15.0
"""How soon a certificate that somebody put there, or that is due, is noticed."""
RENEW_FROM, RENEW_UNTIL = 0.5, 0.65
"""Share of its life after which it is renewed, drawn anew for each: before two thirds, and not all boxes at once."""
RETRY_FIRST_S, RETRY_MAX_S = 60.0, 3600.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CertificateKeeper:
    """Looks at the certificate every ``LOOK_EVERY_S`` in a thread of its own.

    ``renew`` gives the next identity or raises ``IdentityError``; None leaves that to whoever made the files.
    ``changed`` is called, in that thread, when another certificate is there than before.
    """

    def __init__(
        self,
        held: HoldsIdentity,
        renew: Callable[[Identity, datetime], Identity] | None,
        changed: Callable[[], None],
        *,
        clock: Callable[[], datetime] = _utc_now,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._held = held
        self._renew = renew
        self._changed = changed
        self._clock = clock
        self._uniform = uniform
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_MAX_S, uniform)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._problem = ""
        self._identity = self._load()
        self._due = self._due_at(self._identity)
        self._not_before: datetime | None = None

    @property
    def not_after(self) -> datetime | None:
        """When the present certificate ends; None without one."""
        with self._lock:
            return self._identity.not_after if self._identity is not None else None

    def credentials(self) -> grpc.ChannelCredentials:
        """For a new channel, from what is on the disk now. Raises ``IdentityError``."""
        return self._held.load().credentials(self._clock())

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="certificate", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A renewal that is at work is not waited for longer than a moment: the old certificate stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def look(self) -> None:
        """Notice another certificate, and renew the one there is if it is due."""
        found = self._load()
        if _print_of(found) != _print_of(self._identity):
            self._use(found)
            self._changed()
        now = self._clock()
        if found is None or self._renew is None or now < self._due:
            return
        if self._not_before is not None and now < self._not_before:
            return
        try:
            following = self._renew(found, now)
            if isinstance(self._held, EnrolledIdentity):
                self._held.save(following)
        except IdentityError as error:
            self._not_before = now + timedelta(seconds=RETRY_FIRST_S + self._backoff.next_s())
            _log.warning("certificate_not_renewed", not_after=found.not_after.isoformat(), error=str(error))
            return
        self._backoff.reset()
        self._use(following)
        _log.info("certificate_renewed", not_after=following.not_after.isoformat())
        self._changed()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception:  # noqa: BLE001 the thread must outlive every fault, and none goes unsaid
                _log.exception("certificate_keeper_failed")

    def _load(self) -> Identity | None:
        try:
            identity = self._held.load()
        except IdentityError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.error("certificate_unusable", error=self._problem, consequence="events wait in the queue")
            return None
        self._problem = ""
        return identity

    def _use(self, identity: Identity | None) -> None:
        with self._lock:
            self._identity = identity
        self._due = self._due_at(identity)
        self._not_before = None

    def _due_at(self, identity: Identity | None) -> datetime:
        if identity is None:
            return datetime.max.replace(tzinfo=UTC)
        life = identity.not_after - identity.not_before
        return identity.not_before + life * self._uniform(RENEW_FROM, RENEW_UNTIL)


def held_by(config: AgentConfig) -> HoldsIdentity | None:
    """Where an agent's identity is kept; None if it needs none."""
    aggregator = config.aggregator
    if aggregator is None or aggregator.insecure:
        return None
    if aggregator.tls is not None:
        tls = aggregator.tls
        return GivenIdentity(Path(tls.certificate), Path(tls.key), Path(tls.ca), config.id)
    return EnrolledIdentity.of(Path(config.state_dir), config.id)


def keeper_for(config: AgentConfig, changed: Callable[[], None]) -> CertificateKeeper | None:
    """The keeper of an agent's certificate; None if it needs none."""
    held, aggregator = held_by(config), config.aggregator
    if held is None or aggregator is None:
        return None
    if not isinstance(held, EnrolledIdentity):
        return CertificateKeeper(held, None, changed)
    address, agent_id = aggregator.address, config.id
    return CertificateKeeper(held, lambda identity, now: renew(address, agent_id, identity, now), changed)


def _print_of(identity: Identity | None) -> str | None:
    return identity.fingerprint if identity is not None else None
