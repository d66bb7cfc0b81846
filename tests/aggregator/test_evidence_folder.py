"""Where pictures lie, how many bytes of them, and for how long."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url

from aggregator import evidence_service
from aggregator.config import ConfigError, EvidenceConfig, load_config
from aggregator.evidence import EvidenceFolder
from aggregator.server import StartError
from aggregator.service import evidence_folder
from tests.aggregator.evidence_client import MIB, files, opening, sha
from tests.aggregator.harness import config_for

Run = Callable[[Any], None]


def test_the_quota_is_exact_after_cuts_restarts_and_wrong_bytes(tmp_path: Path) -> None:
    """Whatever happens to uploads, what is reckoned is what lies there."""
    draw = random.Random(7)
    folder = EvidenceFolder(tmp_path, 10 * MIB, MIB)
    contents = [draw.randbytes(draw.randint(1, 3000)) for _ in range(12)]
    for _ in range(300):
        content = draw.choice(contents)
        held = folder.held("a", sha(content))
        offset = 0 if held.complete else draw.randint(0, held.offset)
        opened = folder.open("a", opening(content, offset))
        if not hasattr(opened, "write"):
            continue
        cut = draw.randint(offset, len(content))
        with contextlib.suppress(evidence_service.RefusalError):
            opened.write(content[offset:cut] if draw.random() < 0.7 else bytes(cut - offset))
            if draw.random() < 0.7:
                opened.finish()
        opened.close()
        assert folder.used_bytes("a") == sum(files(tmp_path).values())
    for name in files(tmp_path):
        if "partial" not in name:
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == Path(name).stem


def test_old_pictures_go_and_new_ones_stay(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path, MIB, MIB)
    for content in (b"old", b"new"):
        upload: Any = folder.open("a", opening(content, 0))
        upload.write(content)
        assert upload.finish().complete
        upload.close()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    os.utime(folder.path_of("a", sha(b"old"), "image/jpeg"), (long_ago, long_ago))
    assert folder.forget(datetime(2021, 1, 1, tzinfo=UTC)) == 1
    assert not folder.held("a", sha(b"old")).complete
    assert folder.held("a", sha(b"new")).complete
    assert folder.used_bytes("a") == 3


def test_where_pictures_go(tmp_path: Path) -> None:
    file = tmp_path / "aggregator.yaml"

    def chosen(text: str) -> Path | None:
        file.write_text(f"insecure: true\n{text}", encoding="utf-8")
        return load_config(file).evidence_dir

    assert chosen("") == tmp_path / "state/received-evidence"
    assert chosen("store: sqlite:////var/x/clearway.sqlite\n") == Path("/var/x/received-evidence")
    assert chosen("evidence: {dir: pictures}\n") == tmp_path / "pictures"
    assert chosen("store: postgresql://db/clearway\n") is None
    assert chosen("store: postgresql://db/clearway\nevidence: {dir: pictures}\n") == tmp_path / "pictures"
    with pytest.raises(ConfigError, match="max_file_bytes"):
        chosen("evidence: {max_file_bytes: 1}\n")


def test_without_a_folder_pictures_are_refused_and_a_bad_folder_is_told_at_the_start(
    run: Run, tmp_path: Path, sqlite_url: URL
) -> None:
    elsewhere = config_for(make_url("postgresql://db/clearway"))
    assert evidence_folder(elsewhere) is None
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    bad = config_for(sqlite_url, evidence=EvidenceConfig(dir=blocked / "pictures"))
    with pytest.raises(StartError, match=r"evidence\.dir"):
        evidence_folder(bad)
