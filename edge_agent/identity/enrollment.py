"""How an agent gets its first certificate, and the next ones."""

from __future__ import annotations

import hmac
import re
import socket
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc
from clearway.v1 import enrollment_pb2
from clearway.v1.enrollment_pb2_grpc import EnrollmentServiceStub
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from edge_agent.identity.identity import Identity, IdentityError, new_key

TIMEOUT_S = 20.0
"""For each step: a mobile link that wakes up takes several seconds."""
_OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))
_TOKEN = re.compile(r"clearway1\.([A-Za-z0-9_-]{20,100})\.([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Token:
    """A one-time token: the secret, and the fingerprint by which the aggregator's authority is known."""

    secret: str = field(repr=False)
    ca_fingerprint: str

    @staticmethod
    def parse(text: str) -> Token:
        """Read a token as the aggregator prints it. Raises ``IdentityError``, which does not repeat it."""
        found = _TOKEN.fullmatch(text.strip())
        if found is None:
            raise IdentityError("the token is not whole: copy all of what clearway-aggregator agents invite printed")
        return Token(found[1], found[2])


def next_port(address: str) -> str:
    """Where an aggregator that listens on ``address`` enrols agents, unless it is told otherwise."""
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + 1}"


def enroll(address: str, agent_id: str, token: Token, timeout_s: float = TIMEOUT_S) -> Identity:
    """Exchange a token for an identity. Nothing secret is sent before the authority is proven.

    Raises ``IdentityError``.
    """
    ca_pem = _authority(address, token, timeout_s)
    key_pem, csr_der = new_key(agent_id)
    request = enrollment_pb2.EnrollRequest(token=token.secret, agent_id=agent_id, csr_der=csr_der)
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca_pem), options=_OPTIONS) as channel:
        stub = EnrollmentServiceStub(channel)  # type: ignore[no-untyped-call]  # as it is generated
        answer = _call(stub.Enroll, request, address, timeout_s)
    trusted = answer.ca_certificate_pem or ca_pem
    return Identity.of(key_pem, answer.certificate_chain_pem, trusted, agent_id, "the aggregator's answer")


def renew(address: str, agent_id: str, identity: Identity, now: datetime, timeout_s: float = TIMEOUT_S) -> Identity:
    """A new key and certificate for an agent whose certificate is still good, and whom to trust from now on.

    The aggregator, which has proved itself, may name several authorities: that is how they change. Raises
    ``IdentityError``.
    """
    key_pem, csr_der = new_key(agent_id)
    request = enrollment_pb2.RenewRequest(csr_der=csr_der)
    with grpc.secure_channel(address, identity.credentials(now), options=_OPTIONS) as channel:
        stub = EnrollmentServiceStub(channel)  # type: ignore[no-untyped-call]  # as it is generated
        answer = _call(stub.Renew, request, address, timeout_s)
    trusted = answer.ca_certificate_pem or identity.ca_pem
    return Identity.of(key_pem, answer.certificate_chain_pem, trusted, agent_id, "the aggregator's answer")


def _authority(address: str, token: Token, timeout_s: float) -> bytes:
    """The authority's certificate, PEM, that has the token's fingerprint.

    It is asked for over a connection that proves nothing yet; the fingerprint is what proves it, and it alone is used:
    whatever else came with it might be anybody's.
    """
    leaf = _shown_certificate(address, timeout_s)
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(leaf), options=_OPTIONS) as channel:
        stub = EnrollmentServiceStub(channel)  # type: ignore[no-untyped-call]  # as it is generated
        answer = _call(stub.GetAuthority, enrollment_pb2.GetAuthorityRequest(), address, timeout_s)
    try:
        certificate = x509.load_pem_x509_certificate(answer.ca_certificate_pem)
    except ValueError as error:
        raise IdentityError(f"{address}: no authority's certificate came: is this the enrolment port?") from error
    if not hmac.compare_digest(certificate.fingerprint(hashes.SHA256()).hex(), token.ca_fingerprint):
        raise IdentityError(
            f"{address}: this is not the aggregator that made the token: its authority has another fingerprint. "
            f"The token was not sent"
        )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _shown_certificate(address: str, timeout_s: float) -> bytes:
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout_s) as plain,
            context.wrap_socket(plain) as connection,
        ):
            shown = connection.getpeercert(binary_form=True)
    except OSError as error:
        raise IdentityError(
            f"{address}: cannot be reached, or speaks no TLS ({error.strerror or error}): is the aggregator running, "
            f"and is this its enrolment port?"
        ) from error
    if shown is None:
        raise IdentityError(f"{address}: shows no certificate")
    return ssl.DER_cert_to_PEM_cert(shown).encode()


def _call(method: Any, request: Any, address: str, timeout_s: float) -> Any:
    try:
        return method(request, timeout=timeout_s)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            why = "cannot be reached, or its certificate is not for this name, or this agent's does not count there"
        elif error.code() is grpc.StatusCode.UNIMPLEMENTED:
            why = "gives no certificates: is this the right port, and has the aggregator an authority of its own?"
        else:
            why = error.details() or error.code().name
        raise IdentityError(f"{address}: {why}") from error
