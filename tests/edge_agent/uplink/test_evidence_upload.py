"""Stills that events have named reach the aggregator, whatever comes between, and never before the events."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from edge_agent.config_file import ConfigError
from edge_agent.evidence.evidence import Still
from edge_agent.evidence.reference import EvidenceMoment
from edge_agent.evidence.store import EvidenceStore
from edge_agent.uplink.bandwidth import Bandwidth
from edge_agent.uplink.evidence_upload import EvidenceUpload
from edge_agent.uplink.evidence_upload_settings import UploadSettings
from edge_agent.uplink.evidence_upload_status import EvidenceUploadStatus
from edge_agent.uplink.settings import UplinkSettings
from tests.edge_agent.uplink.scripted_evidence_service import ScriptedEvidenceService

CHUNK = 16 * 1024
SETTINGS = UploadSettings(chunk_bytes=CHUNK, answer_timeout_s=5, upload_timeout_s=20, look_s=0.01)
LINK = UplinkSettings(backoff_first_s=0.05, backoff_max_s=0.1, refused_retry_s=0.2)
PICTURES = [random.Random(n).randbytes(3 * CHUNK + n) for n in range(1, 4)]


@pytest.fixture
def service() -> Iterator[ScriptedEvidenceService]:
    service = ScriptedEvidenceService()
    yield service
    service.close()


class Box:
    """A state folder with stills, and uploads that have ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.store = EvidenceStore(folder / "evidence", 1 << 20)
        self.folder = folder / "uploads"
        self._uploads: list[EvidenceUpload] = []

    def keep(self, content: bytes) -> str:
        """Put a still where stills lie; its hash."""
        reference = self.store.keep(Still(content, EvidenceMoment.LIMIT, datetime(2026, 5, 17, tzinfo=UTC), 1.0, True))
        assert reference is not None
        return reference.sha256

    def upload(self, address: str, **changes: Any) -> EvidenceUpload:
        options: dict[str, Any] = {"insecure": True, "bytes_per_s": 1e9, "settings": SETTINGS, "link": LINK}
        upload = EvidenceUpload(address, "box-1", self.store, self.folder, **(options | changes))
        self._uploads.append(upload)
        return upload

    def close(self) -> None:
        for upload in self._uploads:
            assert upload.stop()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    box.close()


def sha(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def until(holds: Callable[[], Any], timeout_s: float = 10.0) -> None:
    give_up = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up, "it does not hold in time"
        time.sleep(0.01)


def test_what_an_event_has_named_is_sent_once_and_nothing_else(box: Box, service: ScriptedEvidenceService) -> None:
    named, waiting = box.keep(PICTURES[0]), box.keep(PICTURES[1])
    upload = box.upload(service.address)
    upload.start()
    upload.want("incident-1", [named])
    service.wait_for(1)
    until(lambda: upload.status().pending == 0)
    upload.want("incident-1", [named])
    assert upload.status() == EvidenceUploadStatus(uploaded=1, sent_bytes=len(PICTURES[0]))
    assert service.received == {sha(PICTURES[0]): PICTURES[0]}
    opening = service.openings[0]
    assert (opening.incident_id, opening.media_type, opening.size_bytes) == ("incident-1", "image/jpeg", 3 * CHUNK + 1)
    assert service.chunk_sizes == [CHUNK, CHUNK, CHUNK, 1]
    assert service.agents == {"box-1"}
    assert {file.stem for file in (box.folder.parent / "evidence").iterdir()} == {named, waiting}
    assert list(box.folder.iterdir()) == []


@pytest.mark.parametrize("cut", [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_an_upload_goes_on_where_it_was_cut(box: Box, service: ScriptedEvidenceService, cut: int) -> None:
    service.cut_after = cut
    upload = box.upload(service.address)
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    service.wait_for(1)
    assert [opening.offset for opening in service.openings] == [0, cut]
    assert service.received[sha(PICTURES[0])] == PICTURES[0]
    until(lambda: upload.status().uploaded == 1)
    assert upload.status().failures == 1


def test_what_was_wanted_is_remembered_without_an_ordered_end(box: Box, service: ScriptedEvidenceService) -> None:
    box.upload(service.address).want("i", [box.keep(picture) for picture in PICTURES])
    after = box.upload(service.address)
    assert after.status().pending == 3
    after.start()
    service.wait_for(3)
    until(lambda: after.status().pending == 0)
    assert {opening.incident_id for opening in service.openings} == {"i"}
    assert box.upload(service.address).status().pending == 0


def test_a_torn_entry_of_the_list_still_names_its_still(box: Box, service: ScriptedEvidenceService) -> None:
    name = box.keep(PICTURES[0])
    box.upload(service.address)
    (box.folder / name).write_bytes(b"\xff\x00")
    (box.folder / "something else").write_text("is none of ours")
    after = box.upload(service.address)
    after.start()
    service.wait_for(1)
    until(lambda: after.status().pending == 0)
    assert [file.name for file in box.folder.iterdir()] == ["something else"]


def test_what_the_aggregator_has_already_is_not_sent(box: Box, service: ScriptedEvidenceService) -> None:
    service.received[sha(PICTURES[0])] = PICTURES[0]
    upload = box.upload(service.address)
    upload.start()
    upload.want("i", [hashlib.sha256(PICTURES[0]).hexdigest()])  # nor need it be here any more
    until(lambda: upload.status().uploaded == 1)
    assert service.openings == []


def test_an_aggregator_that_is_away_at_first_is_waited_for(box: Box) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    upload = box.upload(f"127.0.0.1:{port}")
    upload.start()
    upload.want("i", [box.keep(picture) for picture in PICTURES])
    until(lambda: upload.status().failures >= 2)
    service = ScriptedEvidenceService(port)
    service.wait_for(3)
    service.close()


def test_a_still_that_is_refused_for_good_does_not_hold_up_the_others(
    box: Box, service: ScriptedEvidenceService
) -> None:
    service.refusals[sha(PICTURES[0])] = [grpc.StatusCode.INVALID_ARGUMENT]
    upload = box.upload(service.address)
    upload.want("i", [box.keep(picture) for picture in PICTURES])
    upload.start()
    service.wait_for(2)
    until(lambda: upload.status().pending == 0 and upload.status().uploaded == 2)
    status = upload.status()
    assert (status.uploaded, status.given_up, status.failures) == (2, 1, 0)
    assert box.store.path_of(hashlib.sha256(PICTURES[0]).hexdigest()).exists()


def test_bytes_that_arrived_damaged_are_sent_again_from_the_beginning(
    box: Box, service: ScriptedEvidenceService
) -> None:
    digest = sha(PICTURES[0])
    service.partial[digest] = bytes(100)
    service.refusals[digest] = [grpc.StatusCode.DATA_LOSS]
    upload = box.upload(service.address)
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    service.wait_for(1)
    assert [opening.offset for opening in service.openings] == [100, 0]


def test_a_still_that_never_arrives_whole_is_given_up(box: Box, service: ScriptedEvidenceService) -> None:
    service.refusals[sha(PICTURES[0])] = [grpc.StatusCode.DATA_LOSS] * 9
    upload = box.upload(service.address)
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    until(lambda: upload.status().given_up == 1)
    assert len(service.openings) == SETTINGS.max_wrong


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"])
def test_what_only_a_person_can_help_is_tried_seldom_and_kept(
    box: Box, service: ScriptedEvidenceService, code: str
) -> None:
    service.refusals[sha(PICTURES[0])] = [grpc.StatusCode[code]]
    waits: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        waits.append((low, high))
        return low

    upload = box.upload(service.address, uniform=uniform)
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    service.wait_for(1)
    assert waits[-1] == (LINK.refused_retry_s / 2, LINK.refused_retry_s)


def test_waits_grow_and_one_sick_still_lets_the_others_go_first(box: Box, service: ScriptedEvidenceService) -> None:
    service.refusals[sha(PICTURES[0])] = [grpc.StatusCode.INTERNAL] * 3
    uppers: list[float] = []

    def uniform(low: float, high: float) -> float:
        uppers.append(high)
        return low

    upload = box.upload(service.address, uniform=uniform)
    upload.want("i", [box.keep(picture) for picture in PICTURES])
    upload.start()
    service.wait_for(3)
    assert list(service.received)[-1] == sha(PICTURES[0])
    assert uppers == [0.05, 0.05, 0.1]  # small again after the others went well


def test_a_still_that_is_gone_or_damaged_here_is_given_up(box: Box, service: ScriptedEvidenceService) -> None:
    gone, damaged, good = (box.keep(picture) for picture in PICTURES)
    box.store.discard(gone)
    box.store.path_of(damaged).write_bytes(b"not what it was")
    upload = box.upload(service.address)
    upload.start()
    upload.want("i", [gone, damaged, good])
    service.wait_for(1)
    until(lambda: upload.status().pending == 0)
    assert (upload.status().given_up, upload.status().uploaded) == (2, 1)


@pytest.mark.parametrize("keep", [True, False])
def test_a_still_stays_here_or_goes_as_configured_once_it_is_there(
    box: Box, service: ScriptedEvidenceService, keep: bool
) -> None:
    name = box.keep(PICTURES[0])
    upload = box.upload(service.address, keep=keep)
    upload.start()
    upload.want("i", [name])
    until(lambda: upload.status().uploaded == 1)
    assert box.store.path_of(name).exists() is keep
    assert box.store.size_bytes == (len(PICTURES[0]) if keep else 0)


def test_the_limit_spaces_bytes_out_and_saves_no_idle_time_up() -> None:
    now_s = 100.0
    limit = Bandwidth(1000, lambda: now_s)
    assert limit.wait_s(500) == 0
    assert limit.wait_s(500) == pytest.approx(0.5)
    assert limit.wait_s(1000) == pytest.approx(1.0)
    now_s = 101.5
    assert limit.wait_s(100) == pytest.approx(0.5)
    now_s = 500.0
    assert limit.wait_s(1000) == 0
    assert limit.wait_s(1) == pytest.approx(1.0)


def test_an_upload_keeps_to_the_limit(box: Box, service: ScriptedEvidenceService) -> None:
    upload = box.upload(service.address, bytes_per_s=5 * CHUNK)
    began_s = time.monotonic()
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    service.wait_for(1)
    assert time.monotonic() - began_s >= 3 / 5


def test_stills_wait_while_events_do_but_not_for_ever(box: Box, service: ScriptedEvidenceService) -> None:
    events = threading.Event()
    events.set()
    patient = UploadSettings(chunk_bytes=CHUNK, look_s=0.01, yield_s=60)
    upload = box.upload(service.address, events_wait=events.is_set, settings=patient)
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    time.sleep(0.3)
    assert upload.status().sent_bytes == 0
    events.clear()
    service.wait_for(1)
    upload.stop()

    impatient = UploadSettings(chunk_bytes=CHUNK, look_s=0.01, yield_s=0.05)
    upload = box.upload(service.address, events_wait=lambda: True, settings=impatient)
    upload.start()
    upload.want("i", [box.keep(PICTURES[1])])
    service.wait_for(2)


def test_a_stuck_upload_ends_at_once_when_told_and_is_kept(box: Box, service: ScriptedEvidenceService) -> None:
    service.stuck.set()
    upload = box.upload(service.address)
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    until(lambda: service.openings)
    began_s = time.monotonic()
    assert upload.stop()
    assert time.monotonic() - began_s < 2
    assert upload.status().pending == 1
    service.stuck.clear()
    after = box.upload(service.address)
    after.start()
    service.wait_for(1)


def test_a_stopping_agent_sends_what_it_can_in_the_time_it_has(box: Box, service: ScriptedEvidenceService) -> None:
    upload = box.upload(service.address, bytes_per_s=40 * CHUNK)
    upload.want("i", [box.keep(picture) for picture in PICTURES])
    upload.start()
    assert upload.stop(flush_s=10)
    assert len(service.received) == 3


def test_a_stopping_agent_does_not_wait_for_an_aggregator_that_is_away(box: Box) -> None:
    upload = box.upload("127.0.0.1:9", link=UplinkSettings(backoff_first_s=30, backoff_max_s=30))
    upload.want("i", [box.keep(PICTURES[0])])
    upload.start()
    until(lambda: upload.status().failures == 1)
    began_s = time.monotonic()
    assert upload.stop(flush_s=20)
    assert time.monotonic() - began_s < 2
    assert upload.status().pending == 1


def test_a_disk_that_takes_no_entry_loses_no_upload(box: Box, service: ScriptedEvidenceService) -> None:
    upload = box.upload(service.address)
    box.folder.rmdir()
    upload.want("i", [box.keep(PICTURES[0])])
    upload.start()
    service.wait_for(1)


def test_credentials_that_cannot_be_read_are_asked_for_again(box: Box) -> None:
    asked = 0

    def unreadable() -> grpc.ChannelCredentials:
        nonlocal asked
        asked += 1
        raise OSError("no such certificate")

    upload = box.upload("127.0.0.1:9", insecure=False, credentials=unreadable)
    upload.start()
    upload.want("i", [box.keep(PICTURES[0])])
    until(lambda: asked >= 2)
    assert upload.status().pending == 1


def test_plain_text_never_leaves_this_machine(box: Box) -> None:
    with pytest.raises(ConfigError, match=r"aggregator\."):
        box.upload("192.0.2.1:50051")
    with pytest.raises((ConfigError, ValueError)):
        box.upload("127.0.0.1:50051", insecure=False)
