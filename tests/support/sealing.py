"""An offline recipient: the two PEM files that ``openssl genpkey -algorithm X25519`` and ``openssl pkey`` make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


@dataclass(frozen=True)
class Offline:
    """Where the two files are."""

    identity: Path
    recipient: Path


def offline(home: Path, name: str = "offline", passphrase: str = "") -> Offline:
    key = X25519PrivateKey.generate()
    made = Offline(home / f"{name}-identity.pem", home / f"{name}-recipient.pem")
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    made.identity.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    made.recipient.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return made
