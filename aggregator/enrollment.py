"""The services that give agents their certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import grpc
import structlog
from clearway.v1 import enrollment_pb2

from aggregator.authority import Authority, BadRequestError, Issued
from aggregator.bounds import BadMessageError, check
from aggregator.config import AggregatorConfig
from aggregator.decoding import Undecodable, decoder
from aggregator.identity import Identity
from aggregator.limits import Limits
from aggregator.refusal import RefusalError, exhausted
from aggregator.register import NotGivenError, RegisterError
from aggregator.server_options import enrollment_options

log = structlog.get_logger(__name__)

SERVICE = "clearway.v1.EnrollmentService"
MAX_REQUEST_BYTES = 16 * 1024
MAX_CALLS = 16
"""Strangers may reach this port: so many at one time, the others are told to come back."""
MAX_CONNECTIONS = 256
"""Each is ended after some seconds, so that nobody keeps the others out."""


class EnrollmentError(Exception):
    """The enrolment port cannot be opened; the message says why and what to do."""


class EnrollmentServer:
    """Serves ``GetAuthority`` and ``Enroll`` on a port of its own, to callers without a certificate."""

    def __init__(self, config: AggregatorConfig, identity: Identity, authority: Authority) -> None:
        self._config = config
        self._identity = identity
        self._authority = authority
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=MAX_CALLS,
            options=enrollment_options(MAX_REQUEST_BYTES, MAX_CONNECTIONS),
        )
        methods = {
            "GetAuthority": _unary(
                self._get_authority, enrollment_pb2.GetAuthorityRequest, enrollment_pb2.GetAuthorityResponse
            ),
            "Enroll": _unary(self._enroll, enrollment_pb2.EnrollRequest, enrollment_pb2.EnrollResponse),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))

    async def start(self) -> str:
        """Begin to serve. Returns the address, with the real port. Raises ``EnrollmentError``."""
        listen = self._config.enrollment_listen
        try:
            port = self._server.add_secure_port(listen, self._identity.enrollment_credentials())
        except RuntimeError as error:
            raise EnrollmentError(
                f"cannot listen on {listen}: is it in use? set another address in tls.enrollment_listen"
            ) from error
        await self._server.start()
        return f"{listen.rpartition(':')[0]}:{port}"

    async def stop(self) -> None:
        """Stop, once the calls at work are answered."""
        await self._server.stop(1.0)

    async def _get_authority(self, _request: Any, _context: Any) -> Any:
        return enrollment_pb2.GetAuthorityResponse(ca_certificate_pem=self._authority.pem)

    async def _enroll(self, request: Any, context: Any) -> Any:
        agent_id = (await _checked(request, context, self._identity.now())).agent_id
        sign = partial(_sign, self._authority, self._config, self._identity, agent_id, request.csr_der)
        redeem = partial(self._identity.register.redeem, request.token, agent_id, sign)
        issued = await _given(context, redeem, agent_id)
        log.info("agent enrolled", agent=agent_id, not_after=issued.not_after.isoformat())
        return enrollment_pb2.EnrollResponse(
            certificate_chain_pem=issued.chain_pem, ca_certificate_pem=self._authority.trusted
        )


def renewal_handler(config: AggregatorConfig, identity: Identity, limits: Limits) -> Any:
    """Handler of ``Renew``, for the port on which agents prove who they are."""

    async def renew(request: Any, context: Any) -> Any:
        authority = identity.authority
        if authority is None:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "certificates come from an authority outside this aggregator"
            )
            raise AssertionError("abort does not return")
        await _checked(request, context, identity.now())
        try:
            peer = identity.peer(context)
            if not limits.of(peer.agent_id).may_renew():
                raise exhausted("too_many_renewals", f"agent {peer.agent_id!r} asks for too many certificates")
        except RefusalError as refusal:
            await context.abort(refusal.code, str(refusal))
            raise AssertionError("abort does not return") from refusal
        sign = partial(_sign, authority, config, identity, peer.agent_id, request.csr_der)
        issued = await _given(
            context, partial(identity.register.renew, peer.agent_id, peer.serial, sign), peer.agent_id
        )
        log.info("certificate renewed", agent=peer.agent_id, not_after=issued.not_after.isoformat())
        return enrollment_pb2.RenewResponse(
            certificate_chain_pem=issued.chain_pem, ca_certificate_pem=authority.trusted
        )

    method = _unary(renew, enrollment_pb2.RenewRequest, enrollment_pb2.RenewResponse)
    return grpc.method_handlers_generic_handler(SERVICE, {"Renew": method})


def _sign(authority: Authority, config: AggregatorConfig, identity: Identity, agent_id: str, csr_der: bytes) -> Issued:
    return authority.sign_agent(agent_id, csr_der, config.tls.certificate_days, identity.now())


async def _checked(request: Any, context: Any, now: datetime) -> Any:
    """A request whose values are within their bounds; else the call ends."""
    try:
        if isinstance(request, Undecodable):
            raise request.refusal()
        check(request, now)
    except (BadMessageError, RefusalError) as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        raise AssertionError("abort does not return") from error
    return request


async def _given(context: Any, give: Callable[[], Issued], agent_id: str) -> Issued:
    """What ``give`` gives, or the status that says why not: never what a stranger could use."""
    try:
        return await asyncio.to_thread(give)
    except NotGivenError as error:
        log.warning("certificate refused", agent=agent_id[:64], reason=error.reason)
        why = "the token is not valid: it is unknown, was used, has expired, or is for another agent"
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, why)
    except BadRequestError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    except RegisterError as error:
        log.error("certificate not given", agent=agent_id[:64], error=str(error))
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the register of agents cannot be used now")
    raise AssertionError("abort does not return")


def _unary(handle: Any, request: Any, response: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=decoder(request), response_serializer=response.SerializeToString
    )
