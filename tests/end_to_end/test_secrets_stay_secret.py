"""Nothing that both programs say, show or store holds a key, a token, or a camera's password."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from tests.end_to_end.running import AGENT, AGGREGATOR, Folder, command, free_port, metrics_of, until

PASSWORD, QUERY_TOKEN = "hunter2-open-sesame", "q-9f8e7d6c5b"
SECRET_FILES = ("identity", "agent.yaml")
"""Where secrets belong: the keys' own folders, and the file into which a person wrote the password."""


def private_lines(pem: bytes) -> list[str]:
    """What makes a key a secret, in every form in which it might be said."""
    key = serialization.load_pem_private_key(pem, None)
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return [*pem.decode().splitlines()[1:3], der.hex()[-64:], str(key.private_numbers().private_value)]  # type: ignore[union-attr]


def page(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def test_no_log_metric_error_or_store_holds_a_secret(folder: Folder, short_kerb: dict[str, Any]) -> None:
    enrollment = f"127.0.0.1:{free_port()}"
    aggregator = folder.serve(insecure=False, tls={"enrollment_listen": enrollment})
    ready = json.loads((folder.path / "ready.json").read_text(encoding="utf-8"))
    config = str(folder.path / "aggregator.yaml")
    invited = command(AGGREGATOR, "agents", "invite", "--config", config, "box-1")
    token = next(word for word in invited.stdout.split() if word.startswith("clearway1."))
    camera = {"id": "gate", "source": f"rtsp://admin:{PASSWORD}@127.0.0.1:{free_port()}/live?token={QUERY_TOKEN}"}
    file = folder.configure_agent(short_kerb, camera, aggregator={"address": folder.address})
    said = [
        command(AGENT, "enroll", "--config", str(file), "--token", token[:-3], "--at", enrollment),
        command(AGENT, "enroll", "--config", str(file), "--token", token, "--at", enrollment),
        command(AGENT, "check", "--config", str(file)),
    ]
    assert [each.returncode == 0 for each in said[:2]] == [False, True]
    agent = folder.run_agent()
    until(lambda: folder.store.count("incidents"), "an incident is stored", agent, aggregator)
    shown = [page(metrics_of(agent)), page(ready["metrics"])]
    agent.stop()
    aggregator.stop()

    secrets = [PASSWORD, QUERY_TOKEN, token.split(".")[1], "PRIVATE KEY"]
    for pem in (folder.path / "state/identity/agent.pem", folder.path / "identity/ca.key"):
        assert pem.stat().st_mode & 0o777 == 0o600
        secrets += private_lines(pem.read_bytes())
    told = {"metrics": "".join(shown), "commands": "".join(each.stdout + each.stderr for each in said)}
    told |= {str(path): path.read_bytes().decode("latin-1") for path in files_of(folder.path)}
    assert len(told) > 5
    assert any("gate" in text for text in told.values()), "what was said is looked at"
    found = [(where, secret) for where, text in told.items() for secret in secrets if secret in text]
    assert found == []


def files_of(folder: Path) -> list[Path]:
    """Every file that the programs wrote, but for those that hold secrets by what they are for."""
    return [path for path in folder.rglob("*") if path.is_file() and not set(SECRET_FILES) & set(path.parts)]
