"""Preflight's own checklist for R2: what would make a rotation unsafe here. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from keyturn.core.model import Existence, Problem
from keyturn.ports import Credential
from keyturn.providers.cloudflare_names import mark_of
from keyturn.providers.cloudflare_r2.rights import names_bucket
from keyturn.providers.cloudflare_r2.settings import Settings
from keyturn.providers.cloudflare_r2.tokens import Token


def of_current(settings: Settings, token: Token | None, current: Credential) -> Iterator[Problem]:
    """The token behind the key pair that the Secret holds."""
    if token is None:
        yield Problem(
            "TokenMissing",
            f"{current.id} is no token of account {settings.account.id}: tokens of users cannot be rotated; make an "
            "account API token, and put its key pair into the Secret",
        )
        return
    if token.made.plan and token.made.plan != mark_of(settings.plan):
        yield Problem("OtherPlansToken", f"{current.id} carries the name of plan {token.made.plan}; give each its own")
    if token.state is not Existence.ACTIVE:
        yield Problem("TokenNotActive", f"{current.id} is {token.record.get('status')}: enable it, or make another")
    if not names_bucket(token.record, settings.resource):
        yield Problem(
            "BucketNotNamed",
            f"no policy of {current.id} names bucket {settings.bucket} of jurisdiction {settings.jurisdiction}: it is "
            "of another environment, or for the whole account; correct spec.cloudflareR2, or make a token for it",
        )
