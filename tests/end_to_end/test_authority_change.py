"""A new authority in place of the old one, while boxes go on; and what comes with an authority's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from clearway.v1 import enrollment_pb2
from clearway.v1.enrollment_pb2_grpc import EnrollmentServiceServicer, add_EnrollmentServiceServicer_to_server

from aggregator.authority import Authority, AuthorityError
from aggregator.authority_change import finish, prepare, switch
from aggregator.config import TlsConfig
from edge_agent.identity.enrollment import Token, enroll, renew
from edge_agent.identity.identity import Identity, IdentityError
from tests.end_to_end.identities import Stream, TlsAggregator, serving_tls, signed_by, utc_now


def is_welcome(aggregator: TlsAggregator, identity: Identity) -> bool:
    with Stream(aggregator.service.address, identity.credentials(utc_now()), "box-1") as stream:
        try:
            return stream.welcome().window > 0
        except grpc.RpcError:
            return False


def renewed(aggregator: TlsAggregator, identity: Identity) -> Identity:
    return renew(aggregator.service.address, "box-1", identity, utc_now())


def test_a_box_stays_welcome_through_a_change_of_the_authority(tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    with serving_tls(tmp_path) as aggregator:
        at_first = aggregator.enrolled("box-1")
        first = aggregator.authority()
    second = prepare(folder)
    with serving_tls(tmp_path) as aggregator:
        assert is_welcome(aggregator, at_first)
        knows_both = renewed(aggregator, at_first)
    assert switch(folder).fingerprint == second.fingerprint
    with serving_tls(tmp_path) as aggregator:
        assert aggregator.authority().fingerprint == second.fingerprint
        assert not is_welcome(aggregator, at_first), "it never heard of the new authority"
        assert is_welcome(aggregator, knows_both), "the old authority's certificates still count"
        by_the_second = renewed(aggregator, knows_both)
    finish(folder)
    with serving_tls(tmp_path) as aggregator:
        assert not is_welcome(aggregator, knows_both), "the old authority counts no more"
        assert is_welcome(aggregator, by_the_second)
        assert is_welcome(aggregator, renewed(aggregator, by_the_second))
        assert is_welcome(aggregator, aggregator.enrolled("box-1"))
    stolen = signed_by(first, "box-1", trusts=second.pem)
    with serving_tls(tmp_path) as aggregator:
        assert not is_welcome(aggregator, stolen)
    assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]


def test_the_steps_of_a_change_are_taken_in_order(tmp_path: Path) -> None:
    Authority.open(tmp_path)
    with pytest.raises(AuthorityError, match="there is no next authority"):
        switch(tmp_path)
    prepare(tmp_path)
    with pytest.raises(AuthorityError, match="does not sign yet"):
        finish(tmp_path)
    switch(tmp_path)
    with pytest.raises(AuthorityError, match="is not finished"):
        prepare(tmp_path)
    finish(tmp_path)
    prepare(tmp_path)


def test_two_authorities_of_ones_own_may_be_trusted_at_one_time(tmp_path: Path) -> None:
    old, new = Authority.open(tmp_path / "old"), Authority.open(tmp_path / "new")
    key, issued = new.sign_server(("127.0.0.1",), utc_now())
    for name, data in (("server.key", key), ("server.pem", issued.chain_pem), ("ca.pem", old.pem + new.pem)):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    files = TlsConfig(
        certificate=str(tmp_path / "server.pem"), key=str(tmp_path / "server.key"), client_ca=str(tmp_path / "ca.pem")
    )
    with serving_tls(tmp_path / "aggregator", files) as aggregator:
        for authority in (old, new):
            assert is_welcome(aggregator, signed_by(authority, "box-1", trusts=old.pem + new.pem))


class Imposter(EnrollmentServiceServicer):
    """Shows the right authority's certificate, which is no secret, and its own behind it."""

    def __init__(self, shown: bytes) -> None:
        self.shown = shown
        self.tokens: list[str] = []

    def GetAuthority(self, request: Any, context: Any) -> Any:  # noqa: N802 as gRPC names it
        return enrollment_pb2.GetAuthorityResponse(ca_certificate_pem=self.shown)

    def Enroll(self, request: Any, context: Any) -> Any:  # noqa: N802 as gRPC names it
        self.tokens.append(request.token)
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "thank you")


@contextmanager
def imposing(imposter: Imposter, authority: Authority) -> Iterator[str]:
    key, issued = authority.sign_server(("127.0.0.1",), utc_now())
    server = grpc.server(ThreadPoolExecutor(2))
    add_EnrollmentServiceServicer_to_server(imposter, server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, issued.chain_pem)]))
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("order", ["the_right_one_first", "its_own_first"])
def test_an_imposter_that_shows_the_right_authority_beside_its_own_gets_no_token(tmp_path: Path, order: str) -> None:
    right, own = Authority.open(tmp_path / "right"), Authority.open(tmp_path / "own")
    shown = right.pem + own.pem if order == "the_right_one_first" else own.pem + right.pem
    imposter = Imposter(shown)
    with imposing(imposter, own) as address, pytest.raises(IdentityError):
        enroll(address, "box-1", Token("s" * 43, right.fingerprint))
    assert imposter.tokens == []
