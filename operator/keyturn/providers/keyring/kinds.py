"""What plans and providers say of keyrings. It touches no cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from keyturn.api.backends import Backend
from keyturn.api.base import PositiveDuration
from keyturn.providers.ring.kinds import InsideTheCluster, RingHalf


class KeyringPods(InsideTheCluster):
    """Pods of the plan's namespace that sign and verify. Nothing is to be said of them here."""


class Keyring(RingHalf):
    """A key that some pods sign or encrypt with, and others verify or decrypt."""

    key: Literal["Hmac", "Fernet", "Ed25519", "Rsa"] = Field(
        description="What is made: Hmac, 32 random bytes in URL-safe base64 without padding. Fernet, as the Python "
        "library `cryptography` has it. Ed25519 and Rsa (3072 bits), private keys in PEM: acceptors get public halves."
    )
    max_token_lifetime: PositiveDuration = Field(
        description="How long a cookie or token is good for, with clock skew and verifiers' caches; verify.soak must "
        "not be shorter. What is encrypted at rest must be encrypted anew before: no time makes its key idle."
    )

    @property
    def lifetime(self) -> timedelta:
        """Of a token."""
        return self.max_token_lifetime


KEYRING = Backend(
    "keyring",
    KeyringPods,
    "Keys that pods sign with and pods verify: no server.",
    Keyring,
    "A key in a ring: verifiers learn the new one first, and forget the old one last.",
)
