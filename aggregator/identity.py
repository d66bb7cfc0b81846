"""Who a peer is: the server's own certificate, and the name in an agent's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from aggregator.authority import AGENT_URI, SERVER_DAYS, Authority, AuthorityError
from aggregator.config import AggregatorConfig
from aggregator.private_file import ExposedError, read_private
from aggregator.refusal import RefusalError
from aggregator.register import Register, RegisterError

log = structlog.get_logger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECONDS_OF_A_DAY = 86_400.0


class IdentityError(Exception):
    """The aggregator cannot prove who it is; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An agent that has proved who it is."""

    agent_id: str
    serial: str
    not_after: datetime

    def must_be(self, agent_id: str) -> None:
        """Raise ``RefusalError`` unless this is the agent's name."""
        if self.agent_id != agent_id:
            raise RefusalError(
                grpc.StatusCode.PERMISSION_DENIED,
                "wrong_identity",
                f"the certificate is that of agent {self.agent_id!r}, and the call is made for {agent_id[:80]!r}",
            )


@dataclass(frozen=True, slots=True)
class _ServerCertificate:
    key: bytes = field(repr=False)
    chain: bytes
    not_after: datetime


class Identity:
    """The server's credentials, and the judge of agents' certificates.

    ``clock`` gives UTC. Raises ``IdentityError`` for files that cannot be used.
    """

    def __init__(self, config: AggregatorConfig, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._clock = clock
        self.register = Register(config.identity_folder, clock)
        try:
            self.authority = Authority.open(config.identity_folder) if config.tls.own_authority else None
            self.register.open()
        except (AuthorityError, RegisterError) as error:
            raise IdentityError(str(error)) from error
        self._server = self._own()

    @property
    def not_after(self) -> datetime:
        """When the server's own certificate ends."""
        return self._server.not_after

    def now(self) -> datetime:
        """UTC, by this identity's clock."""
        return self._clock()

    def ingest_credentials(self) -> grpc.ServerCredentials:
        """For the port on which every client must show a certificate."""
        return self._credentials(self._client_ca())

    def enrollment_credentials(self) -> grpc.ServerCredentials:
        """For the port on which clients have none yet."""
        return self._credentials(None)

    def peer(self, context: Any) -> Peer:
        """The agent at the other end of a call. Raises ``RefusalError`` if it has no certificate that counts."""
        found = context.auth_context().get("x509_pem_cert")
        if not found:
            raise _unproven("the agent shows no certificate")
        try:
            certificate = x509.load_pem_x509_certificate(found[0])
            agent_id = _agent_of(certificate, dns_counts=self.authority is None)
        except ValueError as error:
            raise _unproven("the certificate names no agent") from error
        peer = Peer(agent_id, f"{certificate.serial_number:x}", certificate.not_valid_after_utc)
        refusal = self.refuses(peer)
        if refusal is not None:
            raise refusal
        return peer

    def admit(self, context: Any, agent_id: str) -> Peer:
        """The agent at the other end, if it is the one it says. Raises ``RefusalError``."""
        peer = self.peer(context)
        peer.must_be(agent_id)
        return peer

    def refuses(self, peer: Peer) -> RefusalError | None:
        """Why this agent may not go on, or None. Cheap: asked for every message."""
        revoked = self.register.revoked()
        if peer.agent_id in revoked.agents or peer.serial in revoked.serials:
            return RefusalError(
                grpc.StatusCode.PERMISSION_DENIED, "revoked", f"agent {peer.agent_id!r} has been shut out"
            )
        if peer.not_after <= self._clock():
            return _unproven(f"the certificate of agent {peer.agent_id!r} has ended")
        return None

    def _own(self) -> _ServerCertificate:
        if self.authority is not None:
            try:
                key, issued = self.authority.sign_server(self._config.server_names, self._clock())
            except ValueError as error:
                raise IdentityError(f"tls.names: {', '.join(self._config.server_names)}: {error}") from error
            return _ServerCertificate(key, issued.chain_pem, issued.not_after)
        tls = self._config.tls
        try:
            key, chain = read_private(Path(tls.key or "")), Path(tls.certificate or "").read_bytes()
            certificate = x509.load_pem_x509_certificate(chain)
            if serialization.load_pem_private_key(key, None).public_key() != certificate.public_key():
                raise IdentityError(f"{tls.key}: is not the key of {tls.certificate}")
        except OSError as error:
            raise IdentityError(f"{error.filename}: cannot be read: {error.strerror or error}") from error
        except ExposedError as error:
            raise IdentityError(str(error)) from error
        except (ValueError, TypeError) as error:
            raise IdentityError(f"{tls.certificate}, {tls.key}: no PEM certificate and unencrypted PEM key") from error
        return _ServerCertificate(key, chain, certificate.not_valid_after_utc)

    def _client_ca(self) -> bytes:
        if self.authority is not None:
            return self.authority.trusted
        path = Path(self._config.tls.client_ca or "")
        try:
            data = path.read_bytes()
            x509.load_pem_x509_certificates(data)
        except OSError as error:
            raise IdentityError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise IdentityError(f"{path}: holds no PEM certificate") from error
        return data

    def _credentials(self, client_ca: bytes | None) -> grpc.ServerCredentials:
        shown = self._server

        def configuration(server: _ServerCertificate) -> grpc.ServerCertificateConfiguration:
            return grpc.ssl_server_certificate_configuration([(server.key, server.chain)], client_ca)

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            self._renew_if_due()
            server = self._server
            if shown is server:
                return None
            shown = server
            return configuration(server)

        return grpc.dynamic_ssl_server_credentials(
            configuration(shown), fetch, require_client_authentication=client_ca is not None
        )

    def _renew_if_due(self) -> None:
        """The built-in authority signs the server anew after two thirds of its certificate's life."""
        left_s = (self.not_after - self._clock()).total_seconds()
        if self.authority is not None and left_s < SERVER_DAYS * _SECONDS_OF_A_DAY / 3:
            self._server = self._own()
            log.info("server certificate renewed", not_after=self.not_after.isoformat())


def _agent_of(certificate: x509.Certificate, *, dns_counts: bool) -> str:
    """The one agent that a certificate names. Raises ``ValueError`` if it names none, or several."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise ValueError("no names") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    found = [uri.removeprefix(AGENT_URI) for uri in uris if uri.startswith(AGENT_URI)]
    if not found and dns_counts:
        found = names.get_values_for_type(x509.DNSName)
    if len(found) != 1 or not _NAME.fullmatch(found[0]):
        raise ValueError("not one name")
    return found[0]


def _unproven(message: str) -> RefusalError:
    return RefusalError(grpc.StatusCode.UNAUTHENTICATED, "unproven_identity", message)
