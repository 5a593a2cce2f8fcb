"""Opens keyrings, and makes keys of their kinds."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from keyturn.core.sealed import Sealed
from keyturn.ports import Clock, Cluster, Misconfigured, PlanRecord, Probes, Provider, ProviderRecord, SecretRecord
from keyturn.providers.keyring.kinds import Keyring
from keyturn.providers.opening import Open
from keyturn.providers.ring.kinds import Format
from keyturn.providers.ring.provider import RingProvider
from keyturn.providers.ring.settings import read_settings

_BYTES: Final = 32
_RSA_BITS: Final = 3072


def opened_inside(clock: Clock, cluster: Cluster, probes: Probes) -> Open:
    """Opens plans for the whole process."""
    _ = clock

    def open_(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        _ = admin
        settings = read_settings("keyring", Keyring, record, plan)
        wish = plan.spec.backend
        kind = wish.key if isinstance(wish, Keyring) else ""
        _require_fitting(kind, settings.form)
        return RingProvider(settings, cluster, probes, MAKING[kind])

    return open_


def _require_fitting(kind: str, form: Format) -> None:
    """A public key is published, a shared one never is."""
    private = kind in ("Ed25519", "Rsa")
    if private is not (form is Format.JWKS):
        raise Misconfigured(
            "FormatDoesNotFit",
            f"spec.keyring.key {kind} and acceptors.secret.format {form} do not fit: private keys (Ed25519, Rsa) are "
            "published as Jwks, and shared keys (Hmac, Fernet) never are.",
        )


def _hmac() -> Sealed:
    return Sealed(base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).rstrip(b"="))


def _pem(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> Sealed:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Sealed(key.private_bytes(serialization.Encoding.PEM, form, plain))


MAKING: Final[Mapping[str, Callable[[], Sealed]]] = {
    "Hmac": _hmac,
    "Fernet": lambda: Sealed(Fernet.generate_key()),
    "Ed25519": lambda: _pem(ed25519.Ed25519PrivateKey.generate()),
    "Rsa": lambda: _pem(rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)),
}
