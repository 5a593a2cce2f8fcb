"""Public keys as JSON Web Keys, made from the private keys that presenters hold. Pure.

RFC 7517 (the set), RFC 7518 section 6 (RSA, EC), RFC 8037 (Ed25519).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured

_TELLING = ("kty", "crv", "x", "y", "n", "e")  # the members that are the key; others are about it
_SECRET = frozenset({"k", "d", "p", "q", "dp", "dq", "qi", "oth"})  # RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1
_P256_BYTES = 32


def public(kid: str, private: Sealed) -> dict[str, str]:
    """The public half of a private key in PEM. Raises Misconfigured if it is none that is known here."""
    members = _members(private)
    if members is None:
        raise Misconfigured(
            "NotAPrivateKey",
            "The key is not a private key in PEM without a pass phrase (Ed25519, EC P-256 or RSA), and format Jwks "
            "publishes public halves: put such a key there, or choose another format.",
        )
    return {"kid": kid, **members, "use": "sig"}


def same(published: Mapping[str, Any], private: Sealed) -> bool:
    """Is this the public half of that key?"""
    members = _members(private)
    return members is not None and all(published.get(name) == members.get(name) for name in _TELLING)


def is_public(published: Mapping[str, Any]) -> bool:
    """Does it hold no shared key and no private half? Somebody may have put one there."""
    return not _SECRET & published.keys()


def _members(private: Sealed) -> dict[str, str] | None:
    """None for what is no private key of a known kind. The library's own errors say nothing, and are not repeated."""
    try:
        key = serialization.load_pem_private_key(private.reveal(), password=None)
    except (ValueError, TypeError):
        return None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": _text(raw), "alg": "EdDSA"}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e), "alg": "RS256"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        point = key.public_key().public_numbers()
        x, y = (_text(part.to_bytes(_P256_BYTES, "big")) for part in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256"}
    return None


def _number(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
