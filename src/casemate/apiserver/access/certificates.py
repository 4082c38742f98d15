"""The engine's own certificate authority: one CA, one server, one administrator, on one machine.

Keys are P-256, lie in a private directory (0700, files 0600) and never leave it but inside a
kubeconfig of their owner. What is close to its end is made anew at start; clients verify against
the CA, which stays.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from casemate import clock
from casemate.errors import Unavailable

CA_DAYS = 3650
LEAF_DAYS = 365
# Made anew when less than a third of a leaf's life is left.
_RENEW_DAYS = LEAF_DAYS // 3
# Clocks of two machines differ a little.
_BACKDATE = timedelta(minutes=5)
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class UnreadableKeys(Unavailable):
    """A key or certificate file of ours cannot be used."""

    code = "UnreadableKeys"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "KeyPair()"


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the server and its administrator need."""

    directory: Path
    ca: bytes
    """The CA's certificate, PEM."""
    server: KeyPair
    admin: KeyPair

    def server_context(self) -> ssl.SSLContext:
        """Return TLS for the server: TLS 1.2 up, a client certificate of our CA or none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.directory / "server.crt", self.directory / "server.key")
        context.load_verify_locations(cadata=self.ca.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context


def ensure_certificates(directory: Path, names: Iterable[str] = ()) -> Certificates:
    """Return the certificates of `directory`, made or renewed as needed. Raises UnreadableKeys."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    wanted = (*LOOPBACK_NAMES, *names)
    ca = _load(directory, "ca") or _make_ca(directory)
    server = _load(directory, "server")
    if server is None or _is_due(server) or not _has_names(server, wanted):
        server = _make_leaf(directory, "server", ca, _name("casemate-api"), wanted)
    admin = _load(directory, "admin")
    if admin is None or _is_due(admin):
        # The group is what opens everything; only this directory's owner holds its key.
        admin = _make_leaf(directory, "admin", ca, _name("casemate-admin", "system:masters"), ())
    return Certificates(directory, ca.certificate, server, admin)


def subject_of(certificate: bytes) -> tuple[str, tuple[str, ...]]:
    """Return (common name, organizations) of a DER certificate that TLS has verified."""
    subject = x509.load_der_x509_certificate(certificate).subject
    names = [str(one.value) for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return (names[0] if len(names) == 1 else ""), tuple(str(one.value) for one in groups)


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _make_ca(directory: Path) -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("casemate-ca")
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        _builder(name, name, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _save(directory, "ca", builder.sign(key, hashes.SHA256()), key)


def _make_leaf(
    directory: Path, file_name: str, ca: KeyPair, name: x509.Name, names: Iterable[str]
) -> KeyPair:
    authority = x509.load_pem_x509_certificate(ca.certificate)
    signing = serialization.load_pem_private_key(ca.key, None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        raise UnreadableKeys(f"{directory}/ca.key is no key of ours", hint="remove the directory")
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [_alternative(one) for one in names]
    usage = ExtendedKeyUsageOID.SERVER_AUTH if alternatives else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(name, authority.subject, key.public_key(), LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
            critical=False,
        )
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return _save(directory, file_name, builder.sign(signing, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = clock.now()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=days))
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load(directory: Path, file_name: str) -> KeyPair | None:
    certificate, key = directory / f"{file_name}.crt", directory / f"{file_name}.key"
    if not certificate.exists() or not key.exists():
        return None
    if key.stat().st_mode & 0o077 or key.stat().st_uid != os.geteuid():
        raise UnreadableKeys(
            f"{key} may be read by others", hint=f"chmod 600 {key}, and think who has read it"
        )
    pair = KeyPair(certificate.read_bytes(), key.read_bytes())
    try:
        x509.load_pem_x509_certificate(pair.certificate)
        serialization.load_pem_private_key(pair.key, None)
    except ValueError:
        raise UnreadableKeys(
            f"{directory}/{file_name}.* cannot be read", hint="remove both files: new ones are made"
        ) from None
    return pair


def _is_due(pair: KeyPair) -> bool:
    end: datetime = x509.load_pem_x509_certificate(pair.certificate).not_valid_after_utc
    return end - clock.now().astimezone(UTC) < timedelta(days=_RENEW_DAYS)


def _has_names(pair: KeyPair, wanted: Iterable[str]) -> bool:
    found = x509.load_pem_x509_certificate(pair.certificate)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {_alternative(one) for one in wanted} <= set(names)


def _save(
    directory: Path, file_name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> KeyPair:
    pair = KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    _write(directory / f"{file_name}.key", pair.key)
    _write(directory / f"{file_name}.crt", pair.certificate)
    return pair


def _write(path: Path, content: bytes) -> None:
    """Replace a file whole; its mode is 0600 from the first byte on."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).replace(path)
