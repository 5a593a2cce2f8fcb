"""CredentialProvider and ClusterCredentialProvider: what a backend is, and what plans may ask of it.

They belong to the backend's owner. Nothing here reads the cluster or decides.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from keyturn.api import rules
from keyturn.api.base import Model, Name, Ref
from keyturn.api.rules import distinct, keyed, ruled

Text = Annotated[str, Field(min_length=1, max_length=253)]


class PostgresEndpoint(Model):
    """Where consumers log in. May only repeat hosts that the admin Secret allows."""

    name: Name = Field(default="primary", description="For people, and to tell endpoints apart.")
    host: str = Field(
        min_length=1,
        max_length=253,
        description="Host name or address, as it shall stand in rendered URLs.",
        json_schema_extra=ruled(rules.HOST),
    )
    port: int = Field(default=5432, ge=1, le=65535, description="TCP port.")


class PostgresProvider(Model):
    """A PostgreSQL server and how the rotator reaches it."""

    admin_secret_ref: Ref = Field(
        description="Secret with user, password, host, port and ca.crt. A credential names where it may be sent.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    endpoints: list[PostgresEndpoint] = Field(
        min_length=1,
        max_length=8,
        description="Where consumers log in; every one of them is tested.",
        json_schema_extra=keyed("name"),
    )
    database: str = Field(min_length=1, max_length=63, description="The database that consumers log in to.")
    rotator: Literal["Functions", "CreateRole"] = Field(
        default="Functions",
        description="Functions: EXECUTE on installed SECURITY DEFINER functions with a fixed slot list (smallest). "
        "CreateRole: the CREATEROLE attribute (convenient; near-superuser on 15).",
    )
    acknowledge_create_role_on_15: bool = Field(
        default=False,
        description="On PostgreSQL 15 CREATEROLE can alter every role but superusers. Say that you know.",
    )
    insecure: bool = Field(
        default=False,
        description="Allow connections without TLS verification. Never for production; shown loudly.",
    )


class Allow(Model):
    """What plans may ask for. Empty lists allow nothing."""

    owners: list[Text] = Field(
        default_factory=list[str],
        max_length=64,
        description="Names of roles that plans may rotate for.",
        json_schema_extra=distinct(rules.PLAIN_NAMES),
    )
    slots: list[Text] = Field(
        default_factory=list[str],
        max_length=64,
        description="Names, or patterns with a trailing *.",
        json_schema_extra=distinct(rules.TRAILING_STAR),
    )
    secrets: list[Text] = Field(
        default_factory=lambda: ["*"],
        max_length=64,
        description="Names of Secrets plans may write, or patterns with a trailing *; * for any.",
        json_schema_extra=distinct(rules.TRAILING_STAR),
    )


class Approvals(Model):
    """Who must agree."""

    minimum: int = Field(
        default=0,
        ge=0,
        le=10,
        description="People who must agree before an old credential is disabled, whatever a plan says. From 1 on, "
        "everyone who edits the provider puts his name on it.",
    )


class CredentialProviderSpec(Model):
    """Belongs to the backend's owner: what the backend is, and what plans may ask of it."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.ONE_BACKEND))

    postgres: PostgresProvider | None = Field(default=None, description="A PostgreSQL server, 15 or newer.")
    allow: Allow = Field(default=Allow(), description="What plans may ask for. Empty lists allow nothing.")
    approvals: Approvals = Field(default=Approvals(), description="Who must agree.")


class LabelSelector(Model):
    """Which namespaces may use a ClusterCredentialProvider."""

    match_labels: dict[str, str] = Field(
        default_factory=dict[str, str],
        max_length=16,
        description="Labels a namespace must all have; none: any namespace.",
    )


class ClusterCredentialProviderSpec(CredentialProviderSpec):
    """A provider for several namespaces; its admin Secret lives in the operator's namespace."""

    namespace_selector: LabelSelector = Field(description="Namespaces whose plans may use this provider.")
