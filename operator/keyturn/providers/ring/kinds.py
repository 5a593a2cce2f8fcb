"""What plans and providers say where pods judge a key, and what can be known then. It touches no cluster."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from keyturn.api import rules
from keyturn.api.backends import PlanHalf, ProviderHalf
from keyturn.api.base import Model, Name
from keyturn.api.rules import Rule, distinct, keyed, ruled
from keyturn.core.rendering import Place
from keyturn.ports import Capabilities

ONE_KEY = Rule("self.matches('^[-._a-zA-Z0-9]+$')", "keys of a Secret may hold letters, digits, -, _ and . only")
KNOWN_ID = Rule(
    "self.all(id, id.matches('^[A-Za-z0-9._~:@-]+$'))", "write key ids: letters, digits and . _ ~ : @ - only"
)
KeyId = Annotated[str, Field(min_length=1, max_length=63)]


class Format(StrEnum):
    """Ways that programs read several keys."""

    JSON_MAP = "JsonMap"  # {"key id": "key"}
    JWKS = "Jwks"  # RFC 7517: public keys, each with its kid
    LINES = "Lines"  # one key a line, the newest first
    COMMA_LIST = "CommaList"  # as MultiFernet is configured, the newest first
    CA_BUNDLE = "CaBundle"  # certificates of authorities in PEM, the newest first

    @property
    def named(self) -> bool:
        """Does every key stand beside its id? Else it is known by its value."""
        return self in (Format.JSON_MAP, Format.JWKS)

    @property
    def public(self) -> bool:
        """Is it for everybody to read?"""
        return self in (Format.JWKS, Format.CA_BUNDLE)

    @property
    def by_place(self) -> bool:
        """Is what nobody knows told from others by its place only?"""
        return self in (Format.LINES, Format.COMMA_LIST)


class AcceptorsSecret(Model):
    """The Secret that tells acceptors which keys to accept."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.NOT_OURS))

    name: Name = Field(description="Its name, in the plan's namespace: not the one that presenters consume.")
    key: str = Field(
        min_length=1, max_length=253, description="The key of it that holds the ring.", json_schema_extra=ruled(ONE_KEY)
    )
    format: Literal["JsonMap", "Jwks", "Lines", "CommaList", "CaBundle"] = Field(
        description="JsonMap: an object from id to key. Jwks: public keys, each with its kid. Lines, CommaList: keys "
        "without ids, the newest first. CaBundle: certificates of authorities in PEM, for tls and nothing else."
    )


class AcceptingWorkload(Model):
    """A workload that verifies or accepts."""

    kind: Literal["Deployment"] = Field(default="Deployment", description="Kind of the workload.")
    name: Name = Field(description="Its name, in the plan's namespace.")
    allow_unavailable: bool = Field(
        default=False, description="Required for a workload that stops pods before it starts their replacements."
    )


class Acceptors(Model):
    """Who judges a key: every one of them must accept the new key before anybody presents it."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.SOMEBODY_TO_PROVE))

    secret: AcceptorsSecret = Field(description="The Secret that tells them which keys to accept.")
    discover: Literal["SecretReference", "None"] = Field(
        default="SecretReference",
        description="SecretReference: also every workload of the namespace whose pods refer to that Secret.",
    )
    listed: list[AcceptingWorkload] = Field(
        default_factory=list[AcceptingWorkload],
        max_length=16,
        alias="list",
        description="Workloads that must be there.",
        json_schema_extra=keyed("kind", "name"),
    )
    known: list[KeyId] = Field(
        default_factory=list[KeyId],
        max_length=16,
        description="Ids in the ring that are meant to be there besides this plan's keys. Lists have no ids; a "
        "certificate's is sha256: and the first 32 hexadecimal digits of its fingerprint.",
        json_schema_extra=distinct(KNOWN_ID),
    )


class InsideTheCluster(ProviderHalf):
    """A backend that is no server: there is nothing to log in to, and no rotator's credential."""

    @property
    def admin_secret(self) -> str:
        """None is needed."""
        return ""

    @property
    def place(self) -> Place:
        """Nowhere: templates have no {host}, {port} or {database} to fill."""
        return Place("", 0, "")

    @property
    def where(self) -> str:
        """For people."""
        return "pods of this cluster"


class RingHalf(PlanHalf):
    """What is rotated: a key that presenters use and acceptors judge."""

    acceptors: Acceptors = Field(description="Who judges a key, and the Secret that tells them which to accept.")

    @property
    @abstractmethod
    def lifetime(self) -> timedelta:
        """How long something that was made with a key is good for: the least soak."""

    @property
    def form(self) -> Format:
        """How the ring is written."""
        return Format(self.acceptors.secret.format)

    @property
    def principals(self) -> frozenset[str]:
        """Two plans on one ring would take each other's keys away."""
        return frozenset({f"{self.acceptors.secret.name}/{self.acceptors.secret.key}"})

    @property
    def paired(self) -> bool:
        """A key that is looked up by its id is of no use with another id."""
        return self.form.named


ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=True,
    sees_refused_attempts=False,
    lists_sessions=False,
    sees_use=False,
    outlived=True,
    reuses_ids=False,
)
