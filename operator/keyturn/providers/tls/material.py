"""A certificate as one sealed value, and the authority that signs: read, fitted together, judged. Pure, no clock.

    private key | leaf | certificates between, if any | root        one after the other, in PEM

The value is what presenters hold; its last certificate is what verifiers are given. RFC 5280, RFC 7468.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, PublicKeyTypes

from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured, SecretRecord

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
CERTIFICATE, PRIVATE, ROOT = "tls.crt", "tls.key", "ca.crt"


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf and what leads from it to the root that verifiers trust."""

    leaf: x509.Certificate
    between: tuple[x509.Certificate, ...]
    root: x509.Certificate

    @property
    def ends(self) -> datetime:
        """The first of them that ends, ends them all."""
        return min(one.not_valid_after_utc for one in (self.leaf, *self.between, self.root))

    @property
    def begins(self) -> datetime:
        """When all of them are good."""
        return max(one.not_valid_before_utc for one in (self.leaf, *self.between, self.root))


@dataclass(frozen=True, slots=True)
class Signer:
    """An authority with its key. Keys have no ``repr`` that tells anything."""

    certificate: x509.Certificate
    key: Key
    between: tuple[x509.Certificate, ...]  # from its own certificate up to the root, without it
    root: x509.Certificate


def chain_of(value: Sealed) -> Chain | None:
    """What a value holds, if its parts fit: the key is the leaf's, and each certificate signed the one before."""
    raw = value.reveal()
    try:
        key, certificates = _key(raw), x509.load_pem_x509_certificates(raw)
        leaf, *between, root = certificates
    except ValueError:  # unreadable, or fewer than two of them: the library's own words are not repeated
        return None
    if key is None or not _fits(key.public_key(), leaf) or not _signed_in_turn(certificates):
        return None
    return Chain(leaf, tuple(between), root)


def signer_of(secret: SecretRecord) -> Signer:
    """The authority that a Secret holds. Raises Misconfigured if it cannot be read or its parts do not fit."""
    try:
        own = _certificates(secret, CERTIFICATE)
        key = _key(secret.data[PRIVATE].reveal()) if PRIVATE in secret.data else None
        above = [*own[1:], *_certificates(secret, ROOT)]
    except ValueError:
        own, key, above = [], None, []
    if not own or key is None or not _fits(key.public_key(), own[0]):
        raise Misconfigured(
            "AuthorityUnreadable",
            f"Secret {secret.key.name} must hold {CERTIFICATE} and {PRIVATE} of an authority in PEM, which fit "
            "together, the key (EC, RSA, Ed25519) without a pass phrase.",
        )
    chain = list(dict.fromkeys([own[0], *above]))
    if chain[-1].issuer != chain[-1].subject or not _signed_in_turn([*chain, chain[-1]]):
        raise Misconfigured(
            "AuthorityNotRooted",
            f"The certificates in Secret {secret.key.name} do not lead to a root that signed itself, which is what "
            f"verifiers trust: put what is between into {CERTIFICATE}, in turn, and the root into {ROOT}.",
        )
    return Signer(own[0], key, tuple(chain[:-1]), chain[-1])


def written(key: Key, leaf: x509.Certificate, signer: Signer) -> Sealed:
    """As one value."""
    return _joined(key, [leaf, *signer.between, signer.root])


def put_together(key: Key, certificate: bytes, root: bytes) -> Sealed | None:
    """What somebody else signed, as one value; None if it is for another key, or leads to no root that is told."""
    try:
        leaf, *between = x509.load_pem_x509_certificates(certificate)
        told = x509.load_pem_x509_certificates(root) if root.strip() else []
    except ValueError:
        return None
    chain = list(dict.fromkeys([*between, *told]))
    if not chain or chain[-1].issuer != chain[-1].subject:
        return None
    value = _joined(key, [leaf, *chain])
    return value if chain_of(value) is not None else None


def key_identifier(certificate: x509.Certificate) -> bytes:
    """By which verifiers look for who signed. RFC 5280, section 4.2.1.2; made where it does not stand there."""
    with suppress(x509.ExtensionNotFound, ValueError):
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = cast("CertificateIssuerPublicKeyTypes", certificate.public_key())
        return x509.SubjectKeyIdentifier.from_public_key(key).digest
    return certificate.fingerprint(hashes.SHA256())  # of a kind of key that is not known here: nobody else's


def is_authority(certificate: x509.Certificate) -> bool:
    """May it sign certificates at all?"""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _joined(key: Key, certificates: Sequence[x509.Certificate]) -> Sealed:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Sealed(b"".join([private, *(one.public_bytes(serialization.Encoding.PEM) for one in certificates)]))


def _certificates(secret: SecretRecord, key: str) -> list[x509.Certificate]:
    value = secret.data.get(key)
    return x509.load_pem_x509_certificates(value.reveal()) if value is not None and value.reveal().strip() else []


def _key(pem: bytes) -> Key | None:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) else None


def _fits(key: PublicKeyTypes, certificate: x509.Certificate) -> bool:
    with suppress(ValueError, UnsupportedAlgorithm):
        return key == certificate.public_key()
    return False


def _signed_in_turn(certificates: Sequence[x509.Certificate]) -> bool:
    try:
        for one, above in pairwise(certificates):
            one.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
