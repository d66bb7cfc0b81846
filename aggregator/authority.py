"""The built-in certificate authority: a key in a folder, and the certificates that it signs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aggregator.private_file import ExposedError, locked, make_private_folder, read_private, write_private

TRUSTED = "trusted.pem"
AGENT_URI = "spiffe://clearway/agent/"
CA_DAYS = 3650
"""An authority that ends takes every box with it, so it outlives the boxes."""
SERVER_DAYS = 90
BACKDATED = timedelta(minutes=5)
"""A box whose clock is a little behind must not find its new certificate not valid yet."""
MAX_CSR_BYTES = 4096


class AuthorityError(Exception):
    """The authority's folder cannot be used; the message says why and what to do."""


class BadRequestError(Exception):
    """A certificate signing request that is not signed; the message says why."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was just signed."""

    chain_pem: bytes
    serial: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates. Make one with ``Authority.open``; its key is in no representation of it."""

    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey
    also_trusted: bytes = b""
    """Certificates, PEM, of the authority before or after this one, while the two change."""

    def __repr__(self) -> str:
        return f"Authority({self.fingerprint})"

    @staticmethod
    def open(folder: Path) -> Authority:
        """The authority of a folder, made if there is none. Raises ``AuthorityError``."""
        try:
            make_private_folder(folder)
            with locked(folder):
                if not (folder / "ca.pem").exists() and not (folder / "ca.key").exists():
                    _found(folder)
                key = serialization.load_pem_private_key(read_private(folder / "ca.key"), None)
                certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
                also = (folder / TRUSTED).read_bytes() if (folder / TRUSTED).exists() else b""
                if also:
                    x509.load_pem_x509_certificates(also)
        except OSError as error:
            raise AuthorityError(f"{error.filename or folder}: {error.strerror or error}") from error
        except ExposedError as error:
            raise AuthorityError(str(error)) from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise AuthorityError(
                f"{folder}: ca.key, ca.pem or {TRUSTED} is damaged: put back the copy you have kept"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise AuthorityError(f"{folder}: ca.key and ca.pem do not belong together: put back the copy you have kept")
        return Authority(certificate, key, also)

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def trusted(self) -> bytes:
        """Every certificate, PEM, whose holders count now: this authority's, then those it changes with."""
        return self.pem + self.also_trusted

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 hexadecimal digits."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def sign_agent(self, agent_id: str, csr_der: bytes, days: float, now: datetime) -> Issued:
        """A client certificate for the key of a request; its names are ignored. Raises ``BadRequestError``."""
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(AGENT_URI + agent_id)])
        life = timedelta(days=days)
        return self._sign(agent_id, _requested_key(csr_der), names, ExtendedKeyUsageOID.CLIENT_AUTH, now, life)

    def sign_server(self, names: tuple[str, ...], now: datetime) -> tuple[bytes, Issued]:
        """A new key, PEM, and its server certificate for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        listed = x509.SubjectAlternativeName([_general_name(name) for name in names])
        life = timedelta(days=SERVER_DAYS)
        issued = self._sign(names[0][:64], key.public_key(), listed, ExtendedKeyUsageOID.SERVER_AUTH, now, life)
        return _key_pem(key), issued

    def _sign(
        self,
        common_name: str,
        key: ec.EllipticCurvePublicKey,
        names: x509.SubjectAlternativeName,
        usage: x509.ObjectIdentifier,
        now: datetime,
        life: timedelta,
    ) -> Issued:
        serial = x509.random_serial_number()
        not_after = min(now + life, self.certificate.not_valid_after_utc).replace(microsecond=0)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(serial)
            .not_valid_before(now - BACKDATED)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), f"{serial:x}", not_after)


def _found(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = _name("Clearway agents")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))
    write_private(folder / "ca.key", _key_pem(key))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _requested_key(csr_der: bytes) -> ec.EllipticCurvePublicKey:
    if len(csr_der) > MAX_CSR_BYTES:
        raise BadRequestError(f"the request has {len(csr_der)} bytes, more than {MAX_CSR_BYTES}")
    try:
        request = x509.load_der_x509_csr(csr_der)
        key = request.public_key()
        valid = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise BadRequestError("the request is no certificate signing request") from error
    if not valid:
        raise BadRequestError("the request is not signed with its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequestError("the request's key is no P-256 key")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
