"""A full disk on either side: what was taken stays and arrives, what was not taken is counted and said, and once there
is room everything goes on by itself."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from clearway.v1 import evidence_pb2
from clearway.v1.evidence_pb2_grpc import EvidenceServiceStub
from sqlalchemy.engine import URL, make_url

from edge_agent.uplink.evidence_upload import AGENT_ID, EvidenceUpload
from edge_agent.uplink.settings import UplinkSettings
from tests.aggregator.harness import rows
from tests.end_to_end.running import AGGREGATOR, Folder, Process, until
from tests.faults.small_disk import ProcessOn, SmallDisk, small_disk
from tests.faults.test_kill_nine import EMITTER, check, read_diaries, stored

MEBIBYTE = 1024 * 1024

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", 8 * MEBIBYTE) as mounted:
        yield mounted


class Started:
    """Programs on a small disk, which end with the test."""

    def __init__(self, folder: Folder, disk: SmallDisk) -> None:
        self._folder = folder
        self._disk = disk
        self._running: list[Process] = []

    def start(self, module: str, *arguments: str) -> Process:
        log = self._folder.path / f"on-disk-{len(self._running)}.log"
        process = ProcessOn(self._disk, module, *arguments, log=log)
        self._running.append(process)
        return process

    def close(self) -> None:
        for process in self._running:
            process.close()


@pytest.fixture
def on_disk(folder: Folder, disk: SmallDisk) -> Iterator[Started]:
    started = Started(folder, disk)
    yield started
    started.close()


def sqlite_of(folder: Folder) -> URL:
    return make_url(f"sqlite:///{folder.store.path}")


def losses(store: URL) -> dict[str, int]:
    """Events that are said to be lost, by reason."""
    query = "SELECT reason, sum(events_lost) FROM gap_records WHERE NOT explained GROUP BY reason"
    return {str(reason): int(lost) for reason, lost in rows(store, query)}


# -- the agent's -----------------------------------------------------------------------------------------------------


def test_a_box_whose_disk_is_full_keeps_what_it_took_sends_it_and_says_what_it_could_not_take(
    folder: Folder, disk: SmallDisk, on_disk: Started
) -> None:
    box = on_disk.start(EMITTER, str(disk.place / "state"), folder.address, str(folder.path / "diaries"), "0.005")
    until(
        lambda: (folder.path / "diaries").exists() and len(read_diaries(folder.path / "diaries")) > 50, "it emits", box
    )
    disk.fill()
    until(lambda: "queue_not_writable" in box.log.read_text(), "the disk is full", box)
    taken = len(read_diaries(folder.path / "diaries"))

    aggregator = folder.serve()
    until(lambda: folder.store.count("incident_events") >= taken, "a full disk is drained", box, aggregator)
    assert disk.free_bytes < 2 * MEBIBYTE, "free is what the queue gave back: its reserve and its journal"
    until(lambda: "queue_writable_again" in box.log.read_text(), "what was acknowledged makes room", box)
    until(lambda: len(read_diaries(folder.path / "diaries")) > taken + 20, "new events are taken again", box)
    disk.free()
    assert box.stop() == 0
    assert aggregator.stop() == 0

    (last,) = box.said("emitter_stopped")
    said = read_diaries(folder.path / "diaries")
    found = {seq: name for _, seq, name in stored(sqlite_of(folder))}
    assert said == found, "every event that was taken arrived, and none else"
    assert last["rejected_events"] > 0
    assert losses(sqlite_of(folder)) == {"rejected_new": last["rejected_events"]}
    assert last["offered"] == len(said) + last["rejected_events"]
    assert last["dropped_events"] == last["damaged_events"] == last["quarantined_files"] == last["failures"] == 0


def test_a_box_whose_queue_is_full_says_which_events_it_dropped(folder: Folder) -> None:
    quota = str(512 * 1024)
    box = folder.start(EMITTER, str(folder.path / "state"), folder.address, str(folder.path / "diaries"), "0", quota)
    until(lambda: (folder.path / "diaries").exists() and len(read_diaries(folder.path / "diaries")) > 3000, "full", box)
    aggregator = folder.serve()
    until(lambda: folder.store.count("incident_events") > 500, "it drains", box, aggregator)
    assert box.stop() == 0
    assert aggregator.stop() == 0

    (last,) = box.said("emitter_stopped")
    said = read_diaries(folder.path / "diaries")
    found = {seq: name for _, seq, name in stored(sqlite_of(folder))}
    assert found.items() <= said.items()
    dropped = set(said) - set(found)
    assert dropped
    gaps = rows(
        sqlite_of(folder), "SELECT first_lost_seq, last_lost_seq FROM gap_records WHERE reason='dropped_oldest'"
    )
    assert all(any(first <= seq <= final for first, final in gaps) for seq in dropped), (
        "each is within a gap that is said"
    )
    assert losses(sqlite_of(folder))["dropped_oldest"] == last["dropped_events"] >= len(dropped)


# -- the aggregator's ------------------------------------------------------------------------------------------------


class Stills:
    """Stills of an agent, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()

    def add(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self.path_of(sha256).write_bytes(content)
        return sha256

    def path_of(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.jpg"

    def discard(self, sha256: str) -> None:
        self.path_of(sha256).unlink()


def serve_on(disk: SmallDisk, on_disk: Started, folder: Folder) -> Process:
    ready = folder.path / "ready.json"
    ready.unlink(missing_ok=True)
    config: dict[str, Any] = {
        "listen": folder.address,
        "insecure": True,
        "store": f"sqlite:///{disk.place}/clearway.sqlite",
        "metrics": {"listen": "127.0.0.1:0", "refresh_s": 0.2},
        "stream": {"heartbeat_s": 0.5, "drain_s": 0.5},
    }
    file = folder.write("aggregator.yaml", config)
    aggregator = on_disk.start(AGGREGATOR, "serve", "--config", str(file), "--ready-file", str(ready))
    until(ready.exists, "the aggregator serves", aggregator)
    return aggregator


def refused_offset(address: str, content: bytes) -> grpc.StatusCode:
    """What a full disk says to a picture."""
    opening = evidence_pb2.EvidenceUpload(
        sha256=hashlib.sha256(content).digest(), size_bytes=len(content), media_type="image/jpeg"
    )
    messages = [
        evidence_pb2.UploadEvidenceRequest(open=opening),
        *(
            evidence_pb2.UploadEvidenceRequest(chunk=content[start : start + 65536])
            for start in range(0, len(content), 65536)
        ),
    ]
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = EvidenceServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.RpcError) as refused:
            stub.UploadEvidence(iter(messages), metadata=((AGENT_ID, "box-2"),), timeout=20)
    return refused.value.code()


def test_an_aggregator_whose_disk_is_full_refuses_and_has_everything_once_there_is_room(
    folder: Folder, disk: SmallDisk, on_disk: Started
) -> None:
    aggregator = serve_on(disk, on_disk, folder)
    box = folder.start(EMITTER, str(folder.path / "state"), folder.address, str(folder.path / "diaries"))
    until(
        lambda: (folder.path / "diaries").exists() and len(read_diaries(folder.path / "diaries")) > 50, "it emits", box
    )
    disk.fill()

    stills = Stills(folder.path / "stills")
    pictures = [random.Random(number).randbytes(300_000) for number in range(3)]
    link = UplinkSettings(refused_retry_s=0.4, backoff_first_s=0.1, backoff_max_s=0.4)
    upload = EvidenceUpload(
        folder.address, "box-1", stills, folder.path / "uploads", insecure=True, bytes_per_s=10 * MEBIBYTE, link=link
    )
    upload.want("incident", [stills.add(picture) for picture in pictures])
    upload.start()
    until(lambda: "RESOURCE_EXHAUSTED" in box.log.read_text(), "events are refused by the right name", box, aggregator)
    until(lambda: upload.status().failures >= 2, "pictures are refused too", box, aggregator)
    assert refused_offset(folder.address, pictures[0]) is grpc.StatusCode.RESOURCE_EXHAUSTED
    refused = scrape_refused(folder)
    until(lambda: scrape_refused(folder) > refused, "the agent comes back again and again", box, aggregator)
    waits = [line for line in box.log.read_text().splitlines() if "RESOURCE_EXHAUSTED" in line]
    assert all("how=lost" in line and "retry_in_s=" in line for line in waits), "it waits before it comes back"
    assert upload.status().uploaded == upload.status().given_up == 0

    disk.free()
    until(lambda: upload.status().uploaded == 3, "the pictures arrive", box, aggregator)
    assert box.stop() == 0
    assert upload.stop()
    assert aggregator.stop() == 0
    (last,) = box.said("emitter_stopped")
    shutil.copy(disk.seen / "clearway.sqlite", folder.store.path)
    check(folder, sqlite_of(folder), last)
    for picture in pictures:
        sha256 = hashlib.sha256(picture).hexdigest()
        there = disk.seen / "received-evidence" / "box-1" / sha256[:2] / f"{sha256}.jpg"
        assert there.read_bytes() == picture
    assert not list((disk.seen / "received-evidence" / "box-1" / "partial").iterdir())


def scrape_refused(folder: Folder) -> float:
    return folder.scrape_aggregator().get('clearway_streams_refused_total{reason="store_full"}', 0.0)


def test_an_aggregator_that_is_killed_while_its_disk_is_full_goes_on_once_there_is_room(
    folder: Folder, disk: SmallDisk, on_disk: Started
) -> None:
    aggregator = serve_on(disk, on_disk, folder)
    box = folder.start(EMITTER, str(folder.path / "state"), folder.address, str(folder.path / "diaries"))
    until(
        lambda: (folder.path / "diaries").exists() and len(read_diaries(folder.path / "diaries")) > 50, "it emits", box
    )
    disk.fill()
    until(lambda: "RESOURCE_EXHAUSTED" in box.log.read_text(), "the disk is full", box, aggregator)
    aggregator.kill()
    aggregator = serve_on(disk, on_disk, folder)
    before = scrape_refused(folder)
    until(lambda: scrape_refused(folder) > before, "it serves on a full disk, to say so", box, aggregator)
    disk.free()
    assert box.stop() == 0
    assert aggregator.stop() == 0
    (last,) = box.said("emitter_stopped")
    shutil.copy(disk.seen / "clearway.sqlite", folder.store.path)
    check(folder, sqlite_of(folder), last)


def test_a_damaged_queue_on_a_full_disk_is_read_and_sent_all_the_same(
    folder: Folder, disk: SmallDisk, on_disk: Started
) -> None:
    state, diaries = disk.place / "state", folder.path / "diaries"
    box = on_disk.start(EMITTER, str(state), folder.address, str(diaries), "0.005")
    until(lambda: diaries.exists() and len(read_diaries(diaries)) > 50, "it emits", box)
    box.kill()
    emitted = set(read_diaries(diaries).values())
    journal = disk.seen / "state" / "outbox.sqlite-wal"
    content = bytearray(journal.read_bytes())
    content[12] ^= 0xFF  # its header: SQLite would take the whole journal for none
    journal.write_bytes(content)
    disk.fill()

    box = on_disk.start(EMITTER, str(state), folder.address, str(diaries), "0.005")
    aggregator = folder.serve()
    until(lambda: box.said("emitter_started"), "it runs", box, aggregator)
    disk.free()
    assert box.stop() == 0
    assert aggregator.stop() == 0
    (last,) = box.said("emitter_stopped")
    assert last["quarantined_files"] == 1
    names = {name for _, _, name in stored(sqlite_of(folder))}
    gaps = rows(sqlite_of(folder), "SELECT events_lost FROM gap_records WHERE reason = 'queue_damaged'")
    assert gaps == [(0,)] or emitted <= names, "what was in the journal alone is said to be lost"
    later = [line.split()[1] for line in (diaries / "0001").read_text(encoding="utf-8").splitlines()]
    assert set(later) <= names
