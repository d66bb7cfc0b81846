"""The agent's certificate and key: on this box alone, for their owner alone, replaced whole or not at all."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AGENT_URI = "spiffe://clearway/agent/"
_PEM = serialization.Encoding.PEM


class IdentityError(Exception):
    """The agent cannot prove who it is; the message says why and what to do, and holds nothing secret."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What proves who this agent is, and what the aggregator must prove. ``fingerprint`` is the certificate's."""

    key_pem: bytes = field(repr=False)
    chain_pem: bytes
    ca_pem: bytes
    not_before: datetime
    not_after: datetime
    fingerprint: str

    @staticmethod
    def of(key_pem: bytes, chain_pem: bytes, ca_pem: bytes, agent_id: str, where: str) -> Identity:
        """Check that the parts are PEM, belong together and to this agent. Raises ``IdentityError``."""
        try:
            key = serialization.load_pem_private_key(key_pem, None)
            certificate = x509.load_pem_x509_certificates(chain_pem)[0]
            x509.load_pem_x509_certificates(ca_pem)
            names = _names(certificate)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IdentityError(
                f"{where}: no unencrypted PEM key, certificate and authority: enrol this agent again"
            ) from error
        if key.public_key() != certificate.public_key():
            raise IdentityError(f"{where}: the key is not that of the certificate: enrol this agent again")
        if agent_id not in names:
            said = ", ".join(sorted(names)) or "nobody"
            raise IdentityError(
                f"{where}: the certificate is that of {said}, and this agent's id is {agent_id}: enrol it by this name"
            )
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return Identity(key_pem, chain_pem, ca_pem, begin, end, certificate.fingerprint(hashes.SHA256()).hex())

    def credentials(self, now: datetime) -> grpc.ChannelCredentials:
        """For a channel to the aggregator. Raises ``IdentityError`` outside the certificate's time."""
        if now >= self.not_after:
            raise IdentityError(
                f"the certificate ended at {self.not_after:%Y-%m-%dT%H:%M:%SZ}: enrol it again, or set the clock"
            )
        if now < self.not_before:
            raise IdentityError(
                f"the certificate begins at {self.not_before:%Y-%m-%dT%H:%M:%SZ}, and it is {now:%Y-%m-%dT%H:%M:%SZ} "
                f"here: set this box's clock"
            )
        return grpc.ssl_channel_credentials(self.ca_pem, self.key_pem, self.chain_pem)


class HoldsIdentity(Protocol):
    """Where an identity is kept."""

    def load(self) -> Identity:
        """Read it. Raises ``IdentityError``."""
        ...


@dataclass(frozen=True, slots=True)
class EnrolledIdentity:
    """The file that enrolling makes: key, certificate and authority in one, so that they change together."""

    path: Path
    agent_id: str

    @staticmethod
    def of(state_dir: Path, agent_id: str) -> EnrolledIdentity:
        """The file of an agent with this state."""
        return EnrolledIdentity(state_dir / "identity" / "agent.pem", agent_id)

    def load(self) -> Identity:
        """Read it. Raises ``IdentityError``."""
        try:
            data = _read_private(self.path)
        except FileNotFoundError as error:
            raise IdentityError("this agent has no certificate yet: run clearway-agent enroll") from error
        except OSError as error:
            raise IdentityError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        key, _, rest = data.partition(_CERTIFICATES)
        chain, _, ca = rest.partition(_AUTHORITY)
        return Identity.of(key, chain, ca, self.agent_id, str(self.path))

    def save(self, identity: Identity) -> None:
        """Replace the file, mode 0600, at once or not at all. Raises ``IdentityError``."""
        parts = (identity.key_pem, _CERTIFICATES, identity.chain_pem, _AUTHORITY, identity.ca_pem)
        try:
            self._write(b"".join(parts))
        except OSError as error:
            raise IdentityError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    def _write(self, data: bytes) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
            _give_to_owner_of(folder.parent, folder)
        draft = folder / f".{self.path.name}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _give_to_owner_of(folder, draft)
        draft.replace(self.path)
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@dataclass(frozen=True, slots=True)
class GivenIdentity:
    """PEM files of an authority outside the aggregator; whoever made them renews them."""

    certificate: Path
    key: Path
    ca: Path
    agent_id: str

    def load(self) -> Identity:
        """Read them. Raises ``IdentityError``."""
        try:
            key, chain, ca = _read_private(self.key), self.certificate.read_bytes(), self.ca.read_bytes()
        except OSError as error:
            raise IdentityError(f"{error.filename}: cannot be read: {error.strerror or error}") from error
        return Identity.of(key, chain, ca, self.agent_id, f"{self.certificate}, {self.key}, {self.ca}")


def new_key(agent_id: str) -> tuple[bytes, bytes]:
    """A new P-256 key, PEM, and a signing request for it, DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, agent_id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, request.public_bytes(serialization.Encoding.DER)


_CERTIFICATES = b"# The agent's certificate\n"
_AUTHORITY = b"# The aggregator's authority\n"


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    agents = {uri.removeprefix(AGENT_URI) for uri in uris if uri.startswith(AGENT_URI)}
    return agents or set(names.get_values_for_type(x509.DNSName))


def _read_private(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode & 0o777
        if mode & 0o077:
            raise IdentityError(f"{path}: others than its owner may read this key (mode {mode:04o}): chmod 600")
        return file.read()


def _give_to_owner_of(folder: Path, path: Path) -> None:
    """A command run by root must not make files that the service's own user cannot read."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
