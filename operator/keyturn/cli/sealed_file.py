"""Bytes sealed to somebody's public key, so that who reads the file has nothing: HPKE, as the library does it.

    the line "keyturn sealed export v1"  |  encapsulated key, 32 bytes  |  ciphertext and its tag

RFC 9180, mode Base: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305; ``info`` is the first line. One message,
one tag over all of it: a byte that is changed, cut off or put behind opens nothing. It does not say who sealed it:
whoever has the public key can make such a file. Keys are PEM, as ``openssl genpkey -algorithm X25519`` makes them: no
command of ours makes any. Nothing here knows what is inside.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured

_ANY_VERSION: Final = b"keyturn sealed export v"
_HEADER: Final = _ANY_VERSION + b"1\n"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def seal(content: Sealed, recipient: X25519PublicKey) -> bytes:
    """What only the holder of the identity opens."""
    return _HEADER + _SUITE.encrypt(content.reveal(), recipient, info=_HEADER)


def unseal(sealed: bytes, identity: X25519PrivateKey) -> Sealed:
    """What was sealed, whole and unchanged.

    Raises:
        Misconfigured: not such a file, a newer version's, another identity's, changed, or cut short.
    """
    if not sealed.startswith(_ANY_VERSION):
        raise Misconfigured("NotAnExport", "this is no sealed export; name the file that kubectl keyturn export made")
    if not sealed.startswith(_HEADER):
        raise Misconfigured("NewerExport", "another version sealed this; use the kubectl-keyturn of that version")
    try:
        return Sealed(_SUITE.decrypt(sealed.removeprefix(_HEADER), identity, info=_HEADER))
    except InvalidTag:
        raise Misconfigured(
            "CannotUnseal", "it cannot be opened: sealed to another identity, changed, or cut short; take another copy"
        ) from None


def recipient_of(path: Path) -> X25519PublicKey:
    """The public key in this file. Raises Misconfigured."""
    try:
        found = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, X25519PublicKey):
        raise Misconfigured(
            "NoRecipient", f"{path} holds no X25519 public key; make it: openssl pkey -in IDENTITY -pubout -out {path}"
        )
    return found


def identity_of(path: Path, passphrase: Callable[[], str]) -> X25519PrivateKey:
    """The private key in this file; ``passphrase`` is asked only if the key is encrypted. Raises Misconfigured."""
    content = _read(path)
    try:
        try:
            found = load_pem_private_key(content, password=None)
        except TypeError:  # the library's way to say that it is encrypted
            found = load_pem_private_key(content, password=passphrase().encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        found = None
    if not isinstance(found, X25519PrivateKey):
        raise Misconfigured("NoIdentity", f"{path} holds no X25519 private key, or the passphrase is another one")
    return found


def content_of(path: Path) -> bytes:
    """A sealed file as it is. Raises Misconfigured."""
    return _read(path)


def write_new(path: Path, content: bytes) -> None:
    """Mode 0600, on the disk when this returns; a file that is there is never written over. Raises Misconfigured."""
    try:
        place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Misconfigured("FileExists", f"{path} exists and is not written over; name another file") from None
    except OSError:
        raise Misconfigured("CannotWrite", f"{path} cannot be made; name a file in a directory of yours") from None
    try:
        with os.fdopen(place, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise Misconfigured("CannotWrite", f"{path} could not be written to its end and was removed") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise Misconfigured("CannotRead", f"{path} cannot be read") from None
