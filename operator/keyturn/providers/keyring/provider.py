"""Opens keyrings, and makes keys of their kinds."""

from __future__ import annotations

import base64
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, cast

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from keyturn.core.sealed import Sealed
from keyturn.ports import Clock, Cluster, Misconfigured, PlanRecord, Probes, Provider, ProviderRecord, SecretRecord
from keyturn.providers.keyring.counting import Tally
from keyturn.providers.keyring.kinds import Keyring
from keyturn.providers.keyring.pages import HttpPages
from keyturn.providers.keyring.uses import CountedUses, Pages
from keyturn.providers.opening import Open
from keyturn.providers.ring.kinds import Format
from keyturn.providers.ring.provider import RingProvider
from keyturn.providers.ring.settings import read_settings

_BYTES: Final = 32
_RSA_BITS: Final = 3072


def opened_inside(clock: Clock, cluster: Cluster, probes: Probes, pages: Pages | None = None) -> Open:
    """Opens plans for the whole process: what acceptors counted is remembered here."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    reads = pages or HttpPages()

    def open_(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Provider:
        _ = admin
        settings = read_settings("keyring", Keyring, record, plan)
        wish = cast("Keyring", settings.wish)  # read_settings has looked
        _require_fitting(wish, settings.form)
        uses = CountedUses(wish.counters, reads, clock, tallies[plan.uid]) if wish.counters else None
        return RingProvider(settings, cluster, probes, MAKING[wish.key], uses)

    return open_


def _require_fitting(wish: Keyring, form: Format) -> None:
    """A public key is published, a shared one never is; and only keys with ids can be told apart by counters."""
    private = wish.key in ("Ed25519", "Rsa")
    if private is not (form is Format.JWKS) or form is Format.CA_BUNDLE:
        raise Misconfigured(
            "FormatDoesNotFit",
            f"spec.keyring.key {wish.key} and acceptors.secret.format {form} do not fit: private keys (Ed25519, Rsa) "
            "are published as Jwks, and shared keys (Hmac, Fernet) never are. CaBundle is for spec.tls.",
        )
    if wish.counters is not None and not form.named:
        raise Misconfigured(
            "FormatDoesNotFit",
            f"spec.keyring.counters and acceptors.secret.format {form} do not fit: in a list keys have no ids that "
            "anybody could count by.",
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
