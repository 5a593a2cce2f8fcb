"""RotationApproval: one person's word that the old credential of one rotation may go. Nothing here counts them."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from keyturn.api import rules
from keyturn.api.base import Model, Name
from keyturn.api.rules import distinct, ruled

StrangerId = Annotated[str, Field(min_length=1, max_length=253)]


class RotationRef(Model):
    """The one rotation that is meant: a later one of the same name is another."""

    name: Name = Field(description="Its name, in the same namespace.")
    uid: str = Field(min_length=1, max_length=64, description="Its metadata.uid.")


class RotationApprovalSpec(Model):
    """Written by the person who approves, and never changed. Deleting it takes the approval back."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.APPROVAL_FIXED))

    rotation_ref: RotationRef = Field(description="The rotation that is approved.")
    digest: str = Field(
        max_length=64,
        description="What is approved: status.approval.digest of the rotation, as it was shown.",
        json_schema_extra=ruled(rules.DIGEST),
    )
    approver: str = Field(min_length=1, max_length=512, description="Your user name, as the API server knows you.")
    comment: str = Field(default="", max_length=1024, description="Why, for the record.")
    strangers: list[StrangerId] = Field(
        default_factory=list[str],
        max_length=64,
        description="Credentials that nobody declared and that shall be cut off too, by id.",
        json_schema_extra=distinct(),
    )
