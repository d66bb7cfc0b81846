"""The stills that incidents name reach the aggregator through kills on either side, and no event waits for them."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge_agent.uplink.evidence_upload import EvidenceUpload
from edge_agent.uplink.evidence_upload_settings import UploadSettings
from edge_agent.uplink.settings import UplinkSettings
from tests.end_to_end.identities import serving_tls, utc_now
from tests.end_to_end.running import ENVIRONMENT, Folder, metrics_of, scrape, until

RECEIVED = "received-evidence"
SLOW = 64 * 1024
PICTURE = random.Random(11).randbytes(3 * SLOW)
NAME = hashlib.sha256(PICTURE).hexdigest()

SENDER = """
import json, sys, time
from pathlib import Path
from edge_agent.uplink.evidence_upload import EvidenceUpload
from edge_agent.uplink.evidence_upload_settings import UploadSettings

class Stills:
    def path_of(self, sha256): return Path(sys.argv[2]) / sha256
    def discard(self, sha256): raise AssertionError

upload = EvidenceUpload(
    sys.argv[1], "box-1", Stills(), Path(sys.argv[3]), insecure=True, bytes_per_s=float(sys.argv[4]),
    settings=UploadSettings(chunk_bytes=8192),
)
upload.want("incident-1", json.loads(sys.argv[5]))
upload.start()
while upload.status().pending:
    time.sleep(0.02)
print(upload.status().sent_bytes)
"""


class Stills:
    """Pictures in a folder, by their hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / NAME).write_bytes(PICTURE)

    def path_of(self, sha256: str) -> Path:
        return self.folder / sha256

    def discard(self, sha256: str) -> None:
        self.path_of(sha256).unlink()


def received(folder: Folder, agent_id: str = "box-1") -> dict[str, bytes]:
    """The pictures that the aggregator has of an agent, by hash."""
    files = (folder.path / RECEIVED / agent_id).glob("??/*")
    return {file.stem: file.read_bytes() for file in files}


def coming(folder: Folder) -> int:
    """Bytes of the picture that have come so far."""
    partial = folder.path / RECEIVED / "box-1/partial" / NAME
    return partial.stat().st_size if partial.exists() else 0


def named(folder: Folder) -> set[str]:
    """The pictures that the stored incidents name."""
    return {sha.hex() for (sha,) in folder.store.rows("SELECT sha256 FROM evidence_references")}


def start_sender(folder: Folder, stills: Stills, rate: float, wanted: list[str]) -> subprocess.Popen[str]:
    arguments = [folder.address, str(stills.folder), str(folder.path / "uploads"), str(rate), json.dumps(wanted)]
    return subprocess.Popen(
        [sys.executable, "-c", SENDER, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )


def test_the_stills_that_incidents_name_arrive_and_both_sides_count_them(
    folder: Folder, short_kerb: dict[str, Any]
) -> None:
    folder.configure_agent(short_kerb)
    aggregator = folder.serve()
    agent = folder.run_agent("--speed", "max")
    metrics = metrics_of(agent)

    def all_there() -> dict[str, float] | None:
        sums = scrape(metrics)
        return sums if sums["clearway_agent_evidence_uploaded_files_total"] >= 3 else None

    sums = until(all_there, "three stills are there", agent, aggregator)
    assert sums is not None
    there = received(folder)
    assert set(there) == named(folder)
    for name, content in there.items():
        assert hashlib.sha256(content).hexdigest() == name
        assert content == (folder.path / "state/evidence" / f"{name}.jpg").read_bytes()
    assert list((folder.path / "state/uploads").iterdir()) == []
    size = sum(map(len, there.values()))
    assert sums["clearway_agent_evidence_uploaded_files_total"] == len(there) == 3
    assert sums["clearway_agent_evidence_sent_bytes_total"] == size
    assert sums["clearway_agent_evidence_pending_files"] == 0
    counted = folder.scrape_aggregator()
    assert (counted["clearway_evidence_files_total"], counted["clearway_evidence_bytes_total"]) == (3, size)
    assert agent.stop() == 0


def test_an_incident_arrives_although_its_picture_is_stuck(folder: Folder, short_kerb: dict[str, Any]) -> None:
    folder.configure_agent(short_kerb, evidence={"upload_bytes_per_s": 4096})
    aggregator = folder.serve()
    agent = folder.run_agent("--speed", "max", "--until-end")
    until(lambda: folder.store.count("incidents", "closed_at IS NOT NULL"), "the incident is stored", agent, aggregator)
    assert not received(folder)
    assert agent.wait() == 0
    waiting = {file.name for file in (folder.path / "state/uploads").iterdir()}
    assert waiting
    assert waiting == named(folder) - set(received(folder))

    folder.configure_agent(short_kerb, evidence={"keep_after_upload": False, "upload_bytes_per_s": 10_000_000})
    again = folder.run_agent("--speed", "max", "--until-end")
    assert again.wait() == 0
    assert set(received(folder)) == named(folder)
    assert not waiting & {file.stem for file in (folder.path / "state/evidence").iterdir()}


def test_an_agent_that_uploads_nothing_keeps_its_stills(folder: Folder, short_kerb: dict[str, Any]) -> None:
    folder.configure_agent(short_kerb, evidence={"upload": False})
    folder.serve()
    assert folder.run_agent("--speed", "max", "--until-end").wait() == 0
    assert named(folder)
    assert not (folder.path / RECEIVED).exists()
    assert not (folder.path / "state/uploads").exists()
    assert named(folder) <= {file.stem for file in (folder.path / "state/evidence").iterdir()}


def test_a_sender_that_is_killed_goes_on_where_it_was(folder: Folder) -> None:
    aggregator = folder.serve()
    stills = Stills(folder.path / "stills")
    first = start_sender(folder, stills, SLOW, [NAME])
    with first:
        until(lambda: coming(folder) >= SLOW, "a part of the picture is there", aggregator)
        first.kill()
    assert not received(folder)
    part = coming(folder)
    second = start_sender(folder, stills, 1e9, [])
    with second:
        said, _ = second.communicate(timeout=60)
    assert received(folder) == {NAME: PICTURE}
    assert int(said.splitlines()[-1]) <= len(PICTURE) - part


def test_an_aggregator_that_is_killed_goes_on_with_what_it_has(folder: Folder) -> None:
    aggregator = folder.serve()
    stills = Stills(folder.path / "stills")
    upload = EvidenceUpload(
        folder.address,
        "box-1",
        stills,
        folder.path / "uploads",
        insecure=True,
        bytes_per_s=SLOW,
        settings=UploadSettings(chunk_bytes=8192),
        link=UplinkSettings(backoff_first_s=0.2, backoff_max_s=0.5),
    )
    upload.start()
    try:
        upload.want("incident-1", [NAME])
        until(lambda: coming(folder) >= SLOW, "a part of the picture is there", aggregator)
        aggregator.kill()
        assert not received(folder)
        aggregator = folder.serve()
        until(lambda: upload.status().uploaded, "the picture is there", aggregator)
    finally:
        assert upload.stop()
    assert received(folder) == {NAME: PICTURE}
    assert upload.status().failures >= 1
    assert upload.status().sent_bytes < len(PICTURE) + SLOW


def test_with_certificates_an_agent_sends_under_its_own_name_alone(tmp_path: Path) -> None:
    stills = Stills(tmp_path / "stills")
    with serving_tls(tmp_path / "aggregator") as aggregator:
        shown = aggregator.enrolled("box-1").credentials(utc_now())

        def upload_as(agent_id: str) -> EvidenceUpload:
            return EvidenceUpload(
                aggregator.service.address,
                agent_id,
                stills,
                tmp_path / agent_id,
                insecure=False,
                credentials=lambda: shown,
                bytes_per_s=1e9,
            )

        own, others = upload_as("box-1"), upload_as("box-2")
        for upload in (own, others):
            upload.want("incident-1", [NAME])
            upload.start()
        until(lambda: own.status().uploaded, "the agent's own is there")
        until(lambda: others.status().failures, "the other's is refused")
        assert own.stop()
        assert others.stop()
        assert others.status().pending == 1
    assert [file.parent.parent.name for file in (tmp_path / "aggregator/received-evidence").rglob("*.jpg")] == ["box-1"]
