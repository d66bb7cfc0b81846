"""What an agent does with its certificate: gets it, shows it, renews it, and says when it has none that counts."""

from __future__ import annotations

import stat
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clearway.v1 import ingest_pb2
from click.testing import CliRunner

from edge_agent import wire
from edge_agent.cli import cli
from edge_agent.identity.certificate_keeper import CertificateKeeper
from edge_agent.identity.enrollment import renew
from edge_agent.identity.identity import EnrolledIdentity, GivenIdentity, Identity, IdentityError
from edge_agent.outbox.outbox import EventKind, Outbox
from edge_agent.uplink.uplink import Uplink, UplinkSettings, UplinkState
from tests.end_to_end.identities import TlsAggregator, serving_tls, utc_now
from tests.end_to_end.running import AGENT, AGGREGATOR, Folder, Store, command, free_port, until

QUICK = UplinkSettings(backoff_first_s=0.02, backoff_max_s=0.05, min_heartbeat_s=0.05, batch_age_s=0.01)


@pytest.fixture
def aggregator(tmp_path: Path) -> Iterator[TlsAggregator]:
    with serving_tls(tmp_path / "aggregator") as running:
        yield running


class Clock:
    """The true time, moved on by as much as a test says."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class Box:
    """A queue, a certificate and an uplink, as an agent has them."""

    def __init__(self, folder: Path, aggregator: TlsAggregator) -> None:
        self.clock = Clock()
        self.address = aggregator.service.address
        self.held = EnrolledIdentity.of(folder, "box-1")
        self.outbox = Outbox(folder, 1 << 20)
        self.keeper = CertificateKeeper(self.held, self._renew, self._changed, clock=self.clock)
        self.uplink = Uplink(
            self.address,
            "box-1",
            self.outbox,
            ingest_pb2.Heartbeat,
            insecure=False,
            credentials=self.keeper.credentials,
            settings=QUICK,
        )
        self.emitted = 0

    def _renew(self, identity: Identity, _now: datetime) -> Identity:
        return renew(self.address, "box-1", identity, utc_now())

    def _changed(self) -> None:
        self.uplink.reconnect()

    def emit(self, count: int) -> None:
        events = []
        for _ in range(count):
            message = ingest_pb2.Event(emitted_at=wire.timestamp(utc_now()))
            message.camera_state.camera_id = f"camera-{self.emitted % 7}"
            message.camera_state.from_state, message.camera_state.to_state = 1, 2
            message.camera_state.occurred_at.CopyFrom(wire.timestamp(utc_now()))
            events.append(message.SerializeToString())
            self.emitted += 1
        assert self.outbox.append(events, EventKind.CAMERA_STATE)

    def drained(self) -> bool:
        return self.outbox.status().pending_events == 0

    def is_connected(self) -> bool:
        return self.uplink.status().state is UplinkState.CONNECTED


@pytest.fixture
def make_box(tmp_path: Path, aggregator: TlsAggregator) -> Iterator[Callable[[], Box]]:
    made: list[Box] = []

    def make() -> Box:
        made.append(Box(tmp_path / "box", aggregator))
        return made[-1]

    yield make
    for box in made:
        assert box.uplink.stop()
        box.outbox.close()


def test_a_renewal_moves_to_a_new_channel_and_loses_nothing(
    make_box: Callable[[], Box], aggregator: TlsAggregator, tmp_path: Path
) -> None:
    EnrolledIdentity.of(tmp_path / "box", "box-1").save(aggregator.enrolled("box-1"))
    box = make_box()
    first = box.held.load()
    stop = threading.Event()

    def emit_on() -> None:
        while not stop.wait(0.005):
            box.emit(5)

    emitting = threading.Thread(target=emit_on)
    emitting.start()
    box.uplink.start()
    try:
        until(box.is_connected, "it is connected")
        box.keeper.look()
        assert box.held.load() == first
        box.clock.ahead = timedelta(days=20)
        for _ in range(3):
            before, reconnects = box.held.load(), box.uplink.status().reconnects
            box.keeper._due = box.clock() - timedelta(seconds=1)
            box.keeper.look()
            assert box.held.load().fingerprint != before.fingerprint
            until(lambda many=reconnects: box.uplink.status().reconnects > many, "there is a new channel")
            until(box.is_connected, "it is connected again")
    finally:
        stop.set()
        emitting.join()
    until(box.drained, "everything is acknowledged")
    store = Store(tmp_path / "aggregator" / "clearway.sqlite")
    assert store.count("camera_state_changes") == box.emitted > 50
    assert store.count("gap_records") == 0
    assert box.uplink.status().failures == 0
    (duplicates,) = store.rows("SELECT sum(duplicate_events) FROM streams")[0]
    assert duplicates == 0


@pytest.mark.parametrize(("share", "is_due"), [(0.49, False), (0.66, True)])
def test_it_renews_before_two_thirds_of_a_certificates_life(
    make_box: Callable[[], Box], aggregator: TlsAggregator, tmp_path: Path, share: float, is_due: bool
) -> None:
    EnrolledIdentity.of(tmp_path / "box", "box-1").save(aggregator.enrolled("box-1"))
    box = make_box()
    first = box.held.load()
    box.clock.ahead = first.not_before + (first.not_after - first.not_before) * share - utc_now()
    box.keeper.look()
    assert (box.held.load() != first) is is_due


def test_a_renewal_that_fails_keeps_the_certificate_and_waits_before_the_next(
    aggregator: TlsAggregator, tmp_path: Path
) -> None:
    held = EnrolledIdentity.of(tmp_path / "box", "box-1")
    held.save(aggregator.enrolled("box-1"))
    first, tries, clock = held.load(), [], Clock()

    def fail(identity: Identity, now: datetime) -> Identity:
        tries.append(now)
        raise IdentityError("nobody answers")

    keeper = CertificateKeeper(held, fail, lambda: None, clock=clock)
    clock.ahead = timedelta(days=21)
    keeper.look()
    keeper.look()
    assert len(tries) == 1
    clock.ahead += timedelta(minutes=3)
    keeper.look()
    assert len(tries) == 2
    assert held.load() == first
    assert keeper.not_after == first.not_after


def test_an_agent_without_a_certificate_waits_and_comes_in_once_it_has_one(
    make_box: Callable[[], Box], aggregator: TlsAggregator
) -> None:
    box = make_box()
    box.emit(3)
    box.uplink.start()
    until(lambda: box.uplink.status().state is UplinkState.REFUSED, "it says that it has none")
    until(lambda: "no certificate yet: run clearway-agent enroll" in box.uplink.status().last_error, "why")
    assert box.keeper.not_after is None
    box.held.save(aggregator.enrolled("box-1"))
    box.keeper.look()
    until(box.drained, "everything is acknowledged")
    assert box.keeper.not_after is not None


def test_an_ended_certificate_is_said_plainly(make_box: Callable[[], Box], aggregator: TlsAggregator) -> None:
    box = make_box()
    box.held.save(aggregator.signed("box-1", at=utc_now() - timedelta(days=9)))
    box.uplink.start()
    until(lambda: "the certificate ended at" in box.uplink.status().last_error, "it says so")
    assert box.uplink.status().failures == 0


def test_a_certificate_that_has_not_begun_points_at_the_clock(aggregator: TlsAggregator) -> None:
    with pytest.raises(IdentityError, match="set this box's clock"):
        aggregator.signed("box-1").credentials(utc_now() - timedelta(days=3))


def test_the_identity_is_for_its_owner_alone_and_replaced_whole(aggregator: TlsAggregator, tmp_path: Path) -> None:
    held = EnrolledIdentity.of(tmp_path / "box", "box-1")
    for identity in (aggregator.signed("box-1"), aggregator.signed("box-1")):
        held.save(identity)
        assert held.load() == identity
    assert [path.name for path in held.path.parent.iterdir()] == ["agent.pem"]
    assert stat.S_IMODE(held.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(held.path.parent.stat().st_mode) == 0o700
    held.path.chmod(0o640)
    with pytest.raises(IdentityError, match=r"others than its owner may read this key \(mode 0640\): chmod 600"):
        held.load()


@pytest.mark.parametrize("keep", [0, 1, 300, -40])
def test_a_damaged_identity_is_said_and_not_used(aggregator: TlsAggregator, tmp_path: Path, keep: int) -> None:
    held = EnrolledIdentity.of(tmp_path / "box", "box-1")
    held.save(aggregator.signed("box-1"))
    held.path.write_bytes(held.path.read_bytes()[:keep])
    with pytest.raises(IdentityError, match="enrol this agent again"):
        held.load()


def test_another_boxs_identity_is_not_used(aggregator: TlsAggregator, tmp_path: Path) -> None:
    held = EnrolledIdentity.of(tmp_path / "box", "box-1")
    held.save(aggregator.signed("box-2"))
    with pytest.raises(IdentityError, match="is that of box-2, and this agent's id is box-1"):
        held.load()


def test_files_of_another_authority_are_taken_up_when_they_change(aggregator: TlsAggregator, tmp_path: Path) -> None:
    given = GivenIdentity(tmp_path / "a.pem", tmp_path / "a.key", tmp_path / "ca.pem", "box-1")

    def put(identity: Identity) -> None:
        for path, data in ((given.certificate, identity.chain_pem), (given.ca, identity.ca_pem)):
            path.write_bytes(data)
        given.key.touch(mode=0o600)
        given.key.write_bytes(identity.key_pem)

    put(aggregator.signed("box-1"))
    heard: list[bool] = []
    keeper = CertificateKeeper(given, None, lambda: heard.append(True))
    keeper.look()
    assert heard == []
    following = aggregator.signed("box-1", days=7)
    put(following)
    keeper.look()
    assert heard == [True]
    assert keeper.not_after == following.not_after


def test_two_programs_find_each_other_by_certificates(folder: Folder, short_kerb: dict[str, Any]) -> None:
    enrolment, address = f"127.0.0.1:{free_port()}", folder.address
    tls = {"tls": {"names": ["localhost", "127.0.0.1"], "enrollment_listen": enrolment}, "insecure": False}
    serving = folder.serve(**tls)
    config = folder.configure_agent(short_kerb, aggregator={"address": address})
    checked = command(AGENT, "check", "--config", str(config))
    assert (checked.returncode, "this agent has no certificate yet" in checked.stdout) == (0, True)
    invited = command(AGGREGATOR, "agents", "invite", "--config", str(folder.path / "aggregator.yaml"), "box-1")
    token = next(line.split()[1] for line in invited.stdout.splitlines() if line.startswith("token"))
    enrolled = command(AGENT, "enroll", "--config", str(config), "--token", token, "--at", enrolment)
    assert enrolled.returncode == 0, enrolled.stderr
    assert "box-1 is enrolled until" in enrolled.stdout
    assert "certificate good until" in command(AGENT, "check", "--config", str(config)).stdout
    again = command(AGENT, "enroll", "--config", str(config), "--token", token, "--at", enrolment)
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)
    assert "the token is not valid" in again.stderr
    agent = folder.run_agent("--speed", "max", "--until-end")
    assert agent.wait() == 0
    assert folder.store.count("incidents") == 1
    until(
        lambda: folder.scrape_aggregator().get("clearway_agent_certificate_expiry_timestamp_seconds", 0) > time.time(),
        "the aggregator shows when the certificate ends",
        serving,
    )
    listed = command(AGGREGATOR, "agents", "list", "--config", str(folder.path / "aggregator.yaml"), "--json")
    assert '"certificate": "enrolled"' in listed.stdout
    for program in (serving, agent):
        text = program.log.read_text(encoding="utf-8")
        assert token.split(".")[1] not in text
        assert "PRIVATE KEY" not in text


@pytest.mark.parametrize(
    ("aggregator", "said"),
    [
        (None, "aggregator: is missing: name the address"),
        ({"address": "127.0.0.1:1", "insecure": True}, "aggregator.insecure: is true, so no certificate is used"),
        ({"address": "127.0.0.1:1", "tls": {"certificate": "a", "key": "b", "ca": "c"}}, "renew it there"),
        ({"address": "127.0.0.1:65535"}, "'127.0.0.1:65536' is not an address"),
    ],
)
def test_enrolling_where_there_is_nothing_to_enrol_is_said_plainly(
    folder: Folder, short_kerb: dict[str, Any], aggregator: dict[str, Any] | None, said: str
) -> None:
    config = folder.configure_agent(short_kerb, aggregator=aggregator)
    token = f"clearway1.{'a' * 43}.{'0' * 64}"
    done = CliRunner().invoke(cli, ["enroll", "--config", str(config), "--token", token])
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_an_aggregator_that_is_away_is_said_plainly(folder: Folder, short_kerb: dict[str, Any]) -> None:
    config = folder.configure_agent(short_kerb, aggregator={"address": folder.address})
    done = CliRunner().invoke(
        cli, ["enroll", "--config", str(config), "--token", "-"], input=f"clearway1.{'a' * 43}.{'0' * 64}\n"
    )
    assert (done.exit_code, "cannot be reached" in done.output) == (1, True), done.output
    assert "aaaa" not in done.output
