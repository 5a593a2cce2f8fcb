"""What plans and providers say of certificates. It touches no cluster."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from keyturn.api import rules
from keyturn.api.backends import Backend
from keyturn.api.base import Model, Name, PositiveDuration, Ref
from keyturn.api.rules import Rule, distinct, ruled
from keyturn.providers.ring import kinds
from keyturn.providers.ring.kinds import InsideTheCluster, RingHalf

SERVED_NAME = Rule(
    "self.all(name, name.matches('^([*][.])?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$') || "
    "name.matches('^[0-9a-f:]*:[0-9a-f:]*$'))",
    "write DNS names in lower case, or addresses; a * may stand for the first label",
)
DIAL_NAME = Rule(
    "!has(self.port) || !self.names[0].startsWith('*')",
    "the first name is the one that Keyturn asks servers for: write one without *",
    ".names",
)
SERVES = Rule(
    "!has(self.port) || !has(self.usages) || 'ServerAuth' in self.usages",
    "port says that pods serve with this certificate: usages must list ServerAuth",
    ".usages",
)
SEEN_OR_LISTED = Rule(
    "has(self.port) || !has(self.clients) || self.clients.size() == 0",
    "clients names those of the presenters that do not serve: without a port nobody does, so leave it out",
    ".clients",
)
NAMES_ALLOWED = Rule(
    "!(has(self.adminSecretRef) || has(self.certManager)) || (has(self.names) && self.names.size() > 0)",
    "whoever may use this provider is given certificates that this authority signs: say in names which",
    ".names",
)
ONE_SIGNER = Rule(
    "!(has(self.adminSecretRef) && has(self.certManager))",
    "adminSecretRef and certManager both say who signs: set one of them",
    ".certManager",
)


class CertManagerIssuer(Model):
    """Who signs, where cert-manager is asked."""

    name: Name = Field(description="Of the issuer.")
    kind: Literal["Issuer", "ClusterIssuer"] = Field(
        default="ClusterIssuer", description="An Issuer stands in the namespace of the plan."
    )


class TlsPods(InsideTheCluster):
    """Pods of the plan's namespace that present certificates and verify them, and who signs."""

    model_config = ConfigDict(json_schema_extra=ruled(NAMES_ALLOWED, ONE_SIGNER))

    admin_secret_ref: Ref | None = Field(
        default=None,
        description="Secret with tls.crt and tls.key of the authority that signs, and ca.crt where that is not its own "
        "root: such as the one of a cert-manager CA issuer. Without it each rotation makes an authority of its own, "
        "whose key is forgotten as soon as it has signed.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    cert_manager: CertManagerIssuer | None = Field(
        default=None,
        description="The issuer of cert-manager that is asked, by a CertificateRequest in the plan's namespace. Only a "
        "ClusterCredentialProvider may name one. It must tell its root (status.ca).",
    )
    names: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(
        default_factory=list[Annotated[str, Field(min_length=1, max_length=253)]],
        max_length=16,
        description="Names that plans may ask for: whole ones, or all that end like *.shop.svc. None: any.",
        json_schema_extra=distinct(SERVED_NAME),
    )

    @property
    def admin_secret(self) -> str:
        """Name of the authority's Secret; "" where none is kept."""
        return self.admin_secret_ref.name if self.admin_secret_ref is not None else ""


class Certificate(RingHalf):
    """A key with its certificate that some pods present, and others verify by a bundle of authorities."""

    model_config = ConfigDict(json_schema_extra=ruled(DIAL_NAME, SERVES, SEEN_OR_LISTED))

    names: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(
        min_length=1,
        max_length=16,
        description="DNS names and addresses that the certificate is for. Servers are asked for the first one.",
        json_schema_extra=distinct(SERVED_NAME),
    )
    usages: list[Literal["ServerAuth", "ClientAuth"]] = Field(
        default_factory=lambda: ["ServerAuth"],
        min_length=1,
        max_length=2,
        description="What it may be presented as.",
        json_schema_extra=distinct(),
    )
    validity: PositiveDuration = Field(
        default=timedelta(days=90), description="How long a certificate is good for. schedule.maxAge must be shorter."
    )
    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Where every presenter's pod serves TLS: each is shaken hands with. Without it nobody sees who "
        "presents what, and the plan must accept a blind soak.",
    )
    clients: list[Name] = Field(
        default_factory=list[Name],
        max_length=16,
        description="Deployments that present the certificate as clients only and serve nothing on that port: their "
        "processes alone prove what they hold, and the plan must accept a blind soak.",
        json_schema_extra=distinct(),
    )

    @property
    def lifetime(self) -> timedelta:
        """A certificate is judged each time: nothing is made with it that would be good beyond it."""
        return timedelta()

    @property
    def seen(self) -> bool:
        """Can every presenter be asked what it presents?"""
        return self.port is not None and not self.clients


TLS = Backend(
    "tls",
    TlsPods,
    "Certificates that pods present and pods verify: no server of ours.",
    Certificate,
    "A key and certificate, and the bundle that verifies it: the new authority is trusted first, the old one last.",
)
ABLE: Final = replace(kinds.ABLE, sees_use=True, outlived=False)
"""Where every presenter serves on a port that can be asked."""
