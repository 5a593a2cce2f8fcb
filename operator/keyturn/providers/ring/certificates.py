"""Certificates of authorities as entries of a ring: a bundle in PEM, as programs that verify TLS read it. Pure.

An entry is the certificate as it stands there, without the line end behind it. It is told from others by what it is,
never by how its text is laid out. RFC 7468 (the text), RFC 5280 (what is in it).
"""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Misconfigured

_BLOCK: Final = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+?\n-----END CERTIFICATE-----")
_NAMED: Final = 16  # bytes of a fingerprint that name a certificate nobody gave an id


def blocks(text: str) -> tuple[str, ...] | None:
    """Every certificate of a bundle as it stands there; None if one cannot be read, or stands there twice."""
    found = tuple(_BLOCK.findall(text))
    loaded = [_loaded(block.encode()) for block in found]
    readable = [one for one in loaded if one is not None]
    if len(readable) < len(found) or len(set(readable)) < len(found):
        return None
    return found


def in_entry(text: str) -> x509.Certificate:
    """Of a block that ``blocks`` gave."""
    return x509.load_pem_x509_certificate(text.encode())


def authority(value: Sealed) -> x509.Certificate | None:
    """The last certificate of a value: of a credential's its authority's, which verifiers are given."""
    try:
        found = _BLOCK.findall(value.reveal_text())
    except Unsuitable:
        return None
    return _loaded(found[-1].encode()) if found else None


def entry_text(value: Sealed) -> str:
    """What the bundle is given of a credential. Raises Misconfigured where it holds no certificate."""
    found = authority(value)
    if found is None:
        raise Misconfigured(
            "NotACertificate",
            "The credential holds no certificate of an authority in PEM, and format CaBundle publishes that: let "
            "secret.keys read {privateKey}, {certificate} and {ca}, or choose another format.",
        )
    return found.public_bytes(serialization.Encoding.PEM).decode().strip()


def same(text: str, value: Sealed) -> bool:
    """Is this entry the certificate of that credential's authority?"""
    return authority(value) == in_entry(text)


def name_of(text: str) -> str:
    """How people are told of a certificate that is nobody's: ``sha256:`` and the first 16 bytes of its fingerprint."""
    return "sha256:" + in_entry(text).fingerprint(hashes.SHA256())[:_NAMED].hex()


def _loaded(pem: bytes) -> x509.Certificate | None:
    """The library's own errors say nothing that a person could use."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
