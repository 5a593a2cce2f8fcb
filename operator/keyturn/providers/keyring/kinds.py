"""What plans and providers say of keyrings. It touches no cluster."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from keyturn.api.backends import Backend
from keyturn.api.base import Model, PositiveDuration
from keyturn.api.plan_kinds import Path, Port
from keyturn.api.rules import Rule, ruled
from keyturn.providers.ring.kinds import InsideTheCluster, RingHalf

METRIC_FITS = Rule("self.matches('^[a-zA-Z_:][a-zA-Z0-9_:]*$')", "write the name of a metric, without labels")
LABEL_FITS = Rule("self.matches('^[a-zA-Z_][a-zA-Z0-9_]*$')", "write the name of a label")


class KeyringPods(InsideTheCluster):
    """Pods of the plan's namespace that sign and verify. Nothing is to be said of them here."""


class Counters(Model):
    """A page of every acceptor pod, in Prometheus' text format, that counts the tokens it found good, by key id."""

    port: Port = Field(description="The port of the pod on which the page is served, by plain HTTP.")
    path: Path = Field(default="/metrics", description="Its path.")
    metric: str = Field(
        min_length=1,
        max_length=200,
        description="The counter's name as the page has it, as in tokens_accepted_total.",
        json_schema_extra=ruled(METRIC_FITS),
    )
    label: str = Field(
        default="kid",
        min_length=1,
        max_length=100,
        description="Its label that holds the key's id. Every key of the ring must have a line from the start, with 0.",
        json_schema_extra=ruled(LABEL_FITS),
    )


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

    counters: Counters | None = Field(
        default=None,
        description="Acceptors count which keys they find good: then the old one is seen to be idle, or in use.",
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
