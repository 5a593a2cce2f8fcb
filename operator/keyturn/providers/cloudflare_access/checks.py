"""Preflight's own checklist for Access: what would make a rotation unsafe here. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from keyturn.core.model import Existence, Problem
from keyturn.ports import Credential
from keyturn.providers.cloudflare_access.holders import Holder, standing
from keyturn.providers.cloudflare_access.settings import Settings
from keyturn.providers.cloudflare_access.tokens import Token
from keyturn.providers.cloudflare_names import mark_of


def of_door(*, closed: bool | None) -> Iterator[Problem]:
    """Would a trial mean anything?"""
    if closed is False:
        yield Problem(
            "DoorOpen",
            "the app answers a request without any token just as it shall answer one with a token, so no trial proves "
            "anything: name a path that Access protects, or a text that its login page does not contain (app.contains)",
        )


def of_current(
    settings: Settings, token: Token | None, holders: Sequence[Holder], current: Credential, now: datetime
) -> Iterator[Problem]:
    """The token that the Secret holds."""
    if token is None:
        yield Problem("TokenMissing", f"{current.id} is no service token of account {settings.account.id}")
        return
    if token.made.plan and token.made.plan != mark_of(settings.plan):
        yield Problem("OtherPlansToken", f"{current.id} carries the name of plan {token.made.plan}; give each its own")
    if token.state is not Existence.ACTIVE:
        yield Problem("TokenNotActive", f"{current.id} is disabled: enable it, or make another")
    ends = token.time("previous_client_secret_expires_at")
    if ends is not None and ends > now:
        yield Problem(
            "TwoSecrets",
            f"{current.id} was rotated in place, and its former secret works until {ends:%Y-%m-%d %H:%M} UTC: nobody "
            "could tell which of the two is used; wait until then",
        )
    if not standing(holders, token.uuid) and not any(holder.any_token for holder in holders):
        yield Problem("NoPolicy", f"{current.id} stands in no policy and no group: put it where it shall be let in")
