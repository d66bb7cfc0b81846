"""Who may come in: enrolment, certificates that count and certificates that do not, over real TLS."""

from __future__ import annotations

import logging
import stat
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from clearway.v1 import enrollment_pb2, evidence_pb2
from clearway.v1.enrollment_pb2_grpc import EnrollmentServiceStub
from clearway.v1.evidence_pb2_grpc import EvidenceServiceStub
from structlog.testing import capture_logs

from aggregator.authority import Authority
from aggregator.config import AggregatorConfig, TlsConfig
from aggregator.service import StartError, open_identity
from edge_agent.identity.enrollment import Token, enroll, renew
from edge_agent.identity.identity import Identity, IdentityError, new_key
from tests.end_to_end.identities import OPTIONS, Stream, TlsAggregator, serving_tls, signed_by, utc_now


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[TlsAggregator]:
    with serving_tls(tmp_path / "aggregator") as running:
        yield running


def credentials(identity: Identity) -> grpc.ChannelCredentials:
    """What the identity shows, whatever the time is."""
    return grpc.ssl_channel_credentials(identity.ca_pem, identity.key_pem, identity.chain_pem)


def refused(aggregator: TlsAggregator, identity: Identity, agent_id: str) -> tuple[grpc.StatusCode, str]:
    with Stream(aggregator.service.address, credentials(identity), agent_id) as stream:
        return stream.refusal()


def metric(aggregator: TlsAggregator, line: str) -> float:
    with urllib.request.urlopen(f"http://{aggregator.service.metrics_address}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(each.rpartition(" ")[2]) for each in lines if each.startswith(line + " "))


def test_an_enrolled_agent_is_welcome_and_the_server_proves_itself(aggregator: TlsAggregator) -> None:
    identity = aggregator.enrolled("box-1")
    with Stream(aggregator.service.address, credentials(identity), "box-1") as stream:
        assert stream.welcome().window > 0
    life = identity.not_after - identity.not_before
    assert timedelta(days=30) <= life < timedelta(days=31)
    assert metric(aggregator, "clearway_server_certificate_expiry_timestamp_seconds") > time.time() + 80 * 86400


def test_a_token_is_good_once(aggregator: TlsAggregator) -> None:
    token = aggregator.invite("box-1")
    enroll(aggregator.service.enrollment_address, "box-1", token)
    with pytest.raises(IdentityError, match="the token is not valid"):
        enroll(aggregator.service.enrollment_address, "box-1", token)


def test_a_token_ends(aggregator: TlsAggregator) -> None:
    token = aggregator.invite("box-1", ttl=timedelta(milliseconds=1))
    time.sleep(0.01)
    with pytest.raises(IdentityError, match="the token is not valid"):
        enroll(aggregator.service.enrollment_address, "box-1", token)
    assert aggregator.register.standings()["box-1"].state == "invitation expired"


def test_a_token_is_for_one_name_and_a_wrong_name_does_not_use_it_up(aggregator: TlsAggregator) -> None:
    token = aggregator.invite("box-1")
    with pytest.raises(IdentityError, match="the token is not valid"):
        enroll(aggregator.service.enrollment_address, "box-2", token)
    enroll(aggregator.service.enrollment_address, "box-1", token)


def test_a_new_invitation_replaces_the_one_before(aggregator: TlsAggregator) -> None:
    first, second = aggregator.invite("box-1"), aggregator.invite("box-1")
    with pytest.raises(IdentityError, match="the token is not valid"):
        enroll(aggregator.service.enrollment_address, "box-1", first)
    enroll(aggregator.service.enrollment_address, "box-1", second)


def test_a_token_is_never_sent_to_another_authority(aggregator: TlsAggregator, tmp_path: Path) -> None:
    token = aggregator.invite("box-1")
    with serving_tls(tmp_path / "imposter") as imposter, capture_logs() as logs:
        with pytest.raises(IdentityError, match=r"another fingerprint\. The token was not sent"):
            enroll(imposter.service.enrollment_address, "box-1", token)
        assert "certificate refused" not in [each["event"] for each in logs]
        with pytest.raises(IdentityError, match="the token is not valid"):
            enroll(imposter.service.enrollment_address, "box-1", imposter.invite("box-2"))
        assert "certificate refused" in [each["event"] for each in logs]
    enroll(aggregator.service.enrollment_address, "box-1", token)


def test_a_request_must_hold_a_p256_key_signed_by_itself(aggregator: TlsAggregator) -> None:
    token = aggregator.invite("box-1")
    _, csr = new_key("box-1")
    broken = bytearray(csr)
    broken[-1] ^= 1
    ca = grpc.ssl_channel_credentials(aggregator.authority().pem)
    with grpc.secure_channel(aggregator.service.enrollment_address, ca, options=OPTIONS) as channel:
        for request in (bytes(broken), b"", b"\0" * 5000):
            with pytest.raises(grpc.RpcError) as said:
                EnrollmentServiceStub(channel).Enroll(
                    enrollment_pb2.EnrollRequest(token=token.secret, agent_id="box-1", csr_der=request), timeout=5
                )
            assert said.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    enroll(aggregator.service.enrollment_address, "box-1", token)


def test_the_stream_is_not_served_without_a_certificate(aggregator: TlsAggregator) -> None:
    nothing = grpc.ssl_channel_credentials(aggregator.authority().pem)
    for address, shown, code in (
        (aggregator.service.address, nothing, grpc.StatusCode.UNAVAILABLE),
        (aggregator.service.address, None, grpc.StatusCode.UNAVAILABLE),
        (aggregator.service.enrollment_address, nothing, grpc.StatusCode.UNIMPLEMENTED),
    ):
        with Stream(address, shown, "box-1") as stream:
            assert stream.refusal()[0] is code


def test_a_certificate_of_another_authority_does_not_count(aggregator: TlsAggregator, tmp_path: Path) -> None:
    other = signed_by(Authority.open(tmp_path / "other"), "box-1", trusts=aggregator.authority().pem)
    assert refused(aggregator, other, "box-1")[0] is grpc.StatusCode.UNAVAILABLE


def test_an_agent_does_not_speak_to_an_aggregator_of_another_authority(
    aggregator: TlsAggregator, tmp_path: Path
) -> None:
    deceived = signed_by(aggregator.authority(), "box-1", trusts=Authority.open(tmp_path / "other").pem)
    assert refused(aggregator, deceived, "box-1")[0] is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_has_ended_does_not_count_and_the_agent_says_so_itself(aggregator: TlsAggregator) -> None:
    ended = aggregator.signed("box-1", days=1, at=utc_now() - timedelta(days=2))
    assert refused(aggregator, ended, "box-1")[0] is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(IdentityError, match=r"the certificate ended at .*: enrol it again"):
        ended.credentials(utc_now())


def test_a_stream_ends_when_its_certificate_does(aggregator: TlsAggregator) -> None:
    shortly = aggregator.signed("box-1", days=2 / 86400)
    with Stream(aggregator.service.address, credentials(shortly), "box-1") as stream:
        stream.welcome()
        code, why = stream.refusal()
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert "has ended" in why


def test_another_agents_name_in_hello_is_refused_and_counted(aggregator: TlsAggregator) -> None:
    code, why = refused(aggregator, aggregator.enrolled("box-1"), "box-2")
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "the certificate is that of agent 'box-1'" in why
    assert metric(aggregator, 'clearway_streams_refused_total{reason="wrong_identity"}') == 1


def test_another_agents_name_with_a_picture_is_refused(aggregator: TlsAggregator) -> None:
    shown = credentials(aggregator.enrolled("box-1"))
    asked = evidence_pb2.GetUploadOffsetRequest(sha256=bytes(32))
    with grpc.secure_channel(aggregator.service.address, shown, options=OPTIONS) as channel:
        stub = EvidenceServiceStub(channel)
        assert stub.GetUploadOffset(asked, metadata=(("clearway-agent-id", "box-1"),), timeout=5).offset == 0
        with pytest.raises(grpc.RpcError) as said:
            stub.GetUploadOffset(asked, metadata=(("clearway-agent-id", "box-2"),), timeout=5)
    assert said.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert metric(aggregator, 'clearway_evidence_refused_total{reason="wrong_identity"}') == 1


def test_the_servers_own_certificate_is_no_agents(aggregator: TlsAggregator) -> None:
    key, issued = aggregator.authority().sign_server(("box-1",), utc_now())
    shown = grpc.ssl_channel_credentials(aggregator.authority().pem, key, issued.chain_pem)
    with Stream(aggregator.service.address, shown, "box-1") as stream:
        assert stream.refusal()[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)


def test_revoking_ends_a_live_silent_stream_within_seconds_and_shuts_the_door(aggregator: TlsAggregator) -> None:
    identity = aggregator.enrolled("box-1")
    with Stream(aggregator.service.address, credentials(identity), "box-1") as stream:
        stream.welcome()
        began_s = time.monotonic()
        assert aggregator.register.revoke("box-1")
        code, why = stream.refusal()
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "has been shut out" in why
    assert time.monotonic() - began_s < 5
    assert refused(aggregator, identity, "box-1")[0] is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(IdentityError, match="has been shut out"):
        renew(aggregator.service.address, "box-1", identity, utc_now())


def test_a_revoked_agent_comes_back_by_a_new_invitation_alone_and_its_old_certificate_never(
    aggregator: TlsAggregator,
) -> None:
    old = aggregator.enrolled("box-1")
    aggregator.register.revoke("box-1")
    new = aggregator.enrolled("box-1")
    time.sleep(1.1)
    with Stream(aggregator.service.address, credentials(new), "box-1") as stream:
        stream.welcome()
    assert refused(aggregator, old, "box-1")[0] is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("damage", ["emptied", "removed"])
def test_a_register_that_cannot_be_read_keeps_the_door_as_it_was(aggregator: TlsAggregator, damage: str) -> None:
    good, bad = aggregator.enrolled("box-1"), aggregator.enrolled("box-2")
    aggregator.register.revoke("box-2")
    time.sleep(1.1)
    assert refused(aggregator, bad, "box-2")[0] is grpc.StatusCode.PERMISSION_DENIED
    file = aggregator.config.identity_folder / "agents.json"
    file.write_bytes(b"") if damage == "emptied" else file.unlink()
    time.sleep(1.1)
    assert refused(aggregator, bad, "box-2")[0] is grpc.StatusCode.PERMISSION_DENIED
    with Stream(aggregator.service.address, credentials(good), "box-1") as stream:
        stream.welcome()


def test_a_certificate_is_renewed_with_a_new_key_for_the_same_name(aggregator: TlsAggregator) -> None:
    first = aggregator.enrolled("box-1")
    second = renew(aggregator.service.address, "box-1", first, utc_now())
    assert second.key_pem != first.key_pem
    assert second.fingerprint != first.fingerprint
    with Stream(aggregator.service.address, credentials(second), "box-1") as stream:
        stream.welcome()


def test_certificates_are_not_renewed_where_enrolment_is_served(aggregator: TlsAggregator) -> None:
    identity = aggregator.enrolled("box-1")
    with pytest.raises(IdentityError, match="gives no certificates: is this the right port"):
        renew(aggregator.service.enrollment_address, "box-1", identity, utc_now())


def test_an_authority_of_ones_own_serves_instead(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "pki")
    key, issued = authority.sign_server(("127.0.0.1",), utc_now())
    for name, data in (("server.key", key), ("server.pem", issued.chain_pem), ("ca.pem", authority.pem)):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    files = TlsConfig(
        certificate=str(tmp_path / "server.pem"), key=str(tmp_path / "server.key"), client_ca=str(tmp_path / "ca.pem")
    )
    identity = signed_by(authority, "box-1")
    with serving_tls(tmp_path / "aggregator", files) as aggregator:
        assert aggregator.service.enrollment_address == ""
        with Stream(aggregator.service.address, credentials(identity), "box-1") as stream:
            stream.welcome()
            aggregator.register.revoke("box-1")
            assert stream.refusal()[0] is grpc.StatusCode.PERMISSION_DENIED
        assert aggregator.register.readmit("box-1")


def test_plain_text_for_other_machines_is_refused_even_past_the_configuration_file() -> None:
    with pytest.raises(StartError, match="can be reached from other machines"):
        open_identity(AggregatorConfig(listen="0.0.0.0:0", insecure=True))


def test_secrets_are_for_their_owner_alone(aggregator: TlsAggregator) -> None:
    folder = aggregator.config.identity_folder
    token = aggregator.invite("box-1")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(
        ("ca.key", "ca.pem", "agents.json", ".lock"), 0o600
    )
    assert token.secret not in (folder / "agents.json").read_text(encoding="utf-8")


def test_a_key_that_others_can_read_is_not_used(aggregator: TlsAggregator, tmp_path: Path) -> None:
    (aggregator.config.identity_folder / "ca.key").chmod(0o644)
    with pytest.raises(StartError, match=r"ca\.key: others than its owner may read this key \(mode 0644\): chmod 600"):
        open_identity(aggregator.config)


def test_no_secret_is_logged_or_shown(
    aggregator: TlsAggregator, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    token = aggregator.invite("box-1")
    wrong = aggregator.invite("box-2")
    with capture_logs() as logs:
        with pytest.raises(IdentityError) as refusal:
            enroll(aggregator.service.enrollment_address, "box-1", wrong)
        identity = enroll(aggregator.service.enrollment_address, "box-1", token)
        with Stream(aggregator.service.address, credentials(identity), "box-1") as stream:
            stream.welcome()
    out, err = capfd.readouterr()
    with urllib.request.urlopen(f"http://{aggregator.service.metrics_address}/metrics", timeout=5) as answer:
        metrics = answer.read().decode()
    told = "".join((out, err, caplog.text, repr(logs), str(refusal.value), repr(token), repr(identity), metrics))
    told += repr(aggregator.authority())
    assert "agent enrolled" in told
    for secret in (token.secret, wrong.secret, identity.key_pem.decode().splitlines()[1], "PRIVATE KEY"):
        assert secret not in told


def test_a_token_that_is_not_whole_is_not_repeated() -> None:
    with pytest.raises(IdentityError, match="the token is not whole") as said:
        Token.parse("clearway1.abcdefghijklmnopqrstuvwxyz.0123")
    assert "abcdef" not in str(said.value)


def test_the_certificate_names_whom_the_authority_says_and_not_whom_the_request_says(
    aggregator: TlsAggregator,
) -> None:
    key, csr = new_key("somebody-else")
    issued = aggregator.authority().sign_agent("box-1", csr, 1, utc_now())
    assert Identity.of(key, issued.chain_pem, aggregator.authority().pem, "box-1", "a test")
    with pytest.raises(IdentityError, match="the certificate is that of box-1"):
        Identity.of(key, issued.chain_pem, aggregator.authority().pem, "somebody-else", "a test")
