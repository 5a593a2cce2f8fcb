"""What the server needs and makes for itself, once: a key, a certificate, accounts, and the Secret for Keyturn."""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shop import Account, Accounts

OWNER, SLOTS, RIGHTS = "orders", ("orders_a", "orders_b"), ["read", "write"]
ADMIN_SECRET = """\
apiVersion: v1
kind: Secret
metadata: {{name: shop-webhook, namespace: keyturn-system}}
stringData:
  key: {key}
  host: {host}
  hosts: {hosts}
  ca.crt: |
{ca}
"""  # noqa: S105 -- a form, to be filled


@dataclass(frozen=True)
class Home:
    """The directory, and what is in it."""

    path: Path

    @property
    def certificate(self) -> Path:
        """Also what Keyturn trusts: it is its own authority."""
        return self.path / "tls.crt"

    @property
    def private_key(self) -> Path:
        """Of the certificate."""
        return self.path / "tls.key"

    @property
    def keys(self) -> list[bytes]:
        """Of signatures, one a line, the newest first."""
        return [line.encode() for line in (self.path / "keys").read_text().split()]

    @property
    def system(self) -> str:
        """The system's own name."""
        return (self.path / "system").read_text()

    def remember_ports(self, https: int, door: int) -> None:
        """For bench.py."""
        (self.path / "ports.json").write_text(json.dumps({"https": https, "door": door}))

    def ports(self) -> dict[str, int]:
        """What was remembered."""
        return json.loads((self.path / "ports.json").read_text())


def made(path: Path, names: Sequence[str]) -> Home:
    """Everything that is not there yet."""
    home = Home(path)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if home.certificate.exists():
        return home
    key = secrets.token_hex(32)
    _write(path / "keys", key)
    _write(path / "system", f"shop-{secrets.token_hex(8)}")
    certificate, private = _certificate(names)
    _write(home.private_key, private)
    ca = "\n".join(f"    {line}" for line in certificate.splitlines())
    _write(path / "admin-secret.yaml", ADMIN_SECRET.format(key=key, host=names[0], hosts=", ".join(names), ca=ca))
    fill(path)
    _write(home.certificate, certificate)  # last: it says that all is there
    return home


def fill(path: Path) -> tuple[str, str]:
    """Accounts as they are at first: an owner that nobody logs in as, and one slot in use. Its name and value."""
    current, value = Account(list(RIGHTS), enabled=True), "kt" + secrets.token_hex(20)
    current.take(value)
    Accounts(path).write({OWNER: Account(list(RIGHTS)), SLOTS[0]: current})
    _write(path / "current.json", json.dumps({"id": SLOTS[0], "value": value}))
    return SLOTS[0], value


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _certificate(names: Sequence[str]) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)  # noqa: TID251 -- a certificate's dates are real ones
    identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([_named(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identity, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
