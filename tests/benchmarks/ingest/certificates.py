"""Certificates for thousands of agents, signed by the aggregator's own authority; all boxes share one key, which
saves minutes and costs a handshake exactly as much."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aggregator.authority import Authority


def write_identities(authority_folder: Path, to: Path, agent_ids: list[str]) -> None:
    """One JSON file with the key, the authority and a certificate chain for each agent."""
    authority = Authority.open(authority_folder)
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    csr_der = request.public_bytes(serialization.Encoding.DER)
    now = datetime.now(UTC)
    chains = {name: authority.sign_agent(name, csr_der, 1.0, now).chain_pem.decode() for name in agent_ids}
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    to.touch(mode=0o600)
    to.write_text(json.dumps({"ca": authority.pem.decode(), "key": key_pem, "chains": chains}), encoding="utf-8")
