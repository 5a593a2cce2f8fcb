"""What plans and providers say of shared values. It touches no cluster."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from keyturn.api.backends import Backend
from keyturn.api.rules import Rule, ruled
from keyturn.providers.ring.kinds import InsideTheCluster, RingHalf

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SIGNS = Rule(
    "self.matches('^[A-Za-z0-9._~!@#$^&*()+=:;?/<>|-]+$')",
    "write the signs that a value may hold: letters, digits and . _ ~ ! @ # $ ^ & * ( ) + = : ; ? / < > | - only",
)


class GenericPods(InsideTheCluster):
    """Pods of the plan's namespace that share the value. Nothing is to be said of them here."""


class SharedValue(RingHalf):
    """A value that clients present and servers accept."""

    length: int = Field(default=40, ge=24, le=512, description="Signs of a value.")
    alphabet: str = Field(
        default=ALPHANUMERIC,
        min_length=16,
        max_length=128,
        description="The signs a value is made of; each may stand here once.",
        json_schema_extra=ruled(SIGNS),
    )

    @model_validator(mode="after")
    def _each_once(self) -> SharedValue:
        """A sign that stands twice would come twice as often."""
        if len(set(self.alphabet)) != len(self.alphabet):
            raise ValueError("alphabet: each sign may stand there once")
        return self

    @property
    def lifetime(self) -> timedelta:
        """Whoever presents it holds it: what it was presented for is over at once."""
        return timedelta()


GENERIC = Backend(
    "generic",
    GenericPods,
    "Values that pods share among themselves: no server.",
    SharedValue,
    "A value in a ring: servers learn the new one first, and forget the old one last.",
)
