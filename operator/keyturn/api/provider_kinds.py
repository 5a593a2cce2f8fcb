"""CredentialProvider and ClusterCredentialProvider: what a backend is, and what plans may ask of it.

They belong to the backend's owner. Nothing here reads the cluster or decides.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import NamesABackend, ProviderHalf, none_for_the_cluster_only
from keyturn.api.base import Model
from keyturn.api.rules import Rule, distinct

Text = Annotated[str, Field(min_length=1, max_length=253)]


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


class CredentialProviderSpec(NamesABackend):
    """Belongs to the backend's owner: what the backend is, and what plans may ask of it."""

    half: ClassVar[Literal["in_provider", "in_plan"]] = "in_provider"

    allow: Allow = Field(default=Allow(), description="What plans may ask for. Empty lists allow nothing.")
    approvals: Approvals = Field(default=Approvals(), description="Who must agree.")

    @classmethod
    def refused(cls) -> tuple[Rule, ...]:
        """Backends that only the whole cluster's provider may name."""
        return none_for_the_cluster_only()

    @property
    def backend(self) -> ProviderHalf | None:
        """What the backend is; None if the spec names none that is known here."""
        return cast("ProviderHalf", self.named[0]) if self.named else None


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

    @classmethod
    def refused(cls) -> tuple[Rule, ...]:
        """It may name them all."""
        return ()
