"""Tokens of the account: read, made, and switched on or off without changing anything else of them.

A change of a token is a PUT of all of it (https://developers.cloudflare.com/api/resources/accounts/subresources/tokens/
methods/update/): what is left out is dropped, and with a condition or an expiry goes a limit. So each change sends what
was just read, with one word changed, and reads it back whole. A token's record carries no secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, cast

from keyturn.core.model import Existence
from keyturn.core.sealed import Sealed
from keyturn.ports import Conflict, Credential, Denied, OutcomeUnknown
from keyturn.providers.cloudflare_api import CloudflareApi, NotThere
from keyturn.providers.cloudflare_r2.rights import Rights
from keyturn.providers.cloudflare_records import Json, TokenRecord
from keyturn.providers.values import require_fit

_KEPT: Final = ("name", "policies", "condition", "expires_on", "not_before")  # all that a PUT would drop


@dataclass(frozen=True, slots=True)
class Token(TokenRecord):
    """One token as the API tells it."""

    @property
    def id(self) -> str:
        """Its public name, and the S3 access key id."""
        return str(self.record.get("id") or "")

    @property
    def rights(self) -> Rights:
        """What it may do."""
        return Rights.of(self.record)

    @property
    def state(self) -> Existence:
        """An expired one opens nothing either, and is not enabled again by a word."""
        told = self.record.get("status")
        return Existence.ACTIVE if told == "active" else Existence.DISABLED if told else Existence.UNKNOWN

    @property
    def expired(self) -> bool:
        """Past its time."""
        return self.record.get("status") == "expired"

    def same_but_status(self, other: Token) -> bool:
        """Has nothing changed but its status?"""
        return self.rights == other.rights and all(
            (self.record.get(field) or None) == (other.record.get(field) or None)
            for field in ("name", "expires_on", "not_before")
        )


class Tokens:
    """The account's."""

    def __init__(self, api: CloudflareApi) -> None:
        self._api = api

    async def all(self) -> list[Token]:
        """Every token of the account; those of its users stand elsewhere."""
        return [Token(one) for one in await self._api.all("tokens")]

    async def find(self, id_: str) -> Token | None:
        """One, or None."""
        if not id_:
            return None
        try:
            told = await self._api.get("tokens", id_)
        except NotThere:
            return None
        found = Token(cast("Json", told) if isinstance(told, dict) else {})
        return found if found.id == id_ else None

    async def make(self, name: str, rights: Rights, expires: datetime | None) -> Credential:
        """One more token, as an S3 key pair. What the token itself is worth is forgotten here."""
        body: Json = {"name": name, **rights.asked()}
        if expires is not None:
            body["expires_on"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        told: Any = await self._api.post("tokens", body=body)
        found = cast("Json", told) if isinstance(told, dict) else {}
        id_, value = found.get("id"), found.get("value")
        if not isinstance(id_, str) or not id_ or not isinstance(value, str):
            raise OutcomeUnknown("AnswerLost", "Cloudflare answered a create without a token; it is looked for first.")
        try:
            require_fit(Sealed(value))  # before it is hashed: the digest of nothing looks like any other
        except Denied:
            await self._api.delete("tokens", id_)
            raise
        return Credential(id_, Sealed(sha256(value.encode()).hexdigest()))

    async def switch(self, token: Token, status: str) -> None:
        """Its status, and nothing else of it. Raises Conflict if it is another one when it is read back."""
        if token.record.get("status") == status:
            return
        body = {key: token.record[key] for key in _KEPT if token.record.get(key)}
        await self._api.put("tokens", token.id, body={**body, "status": status})
        after = await self.find(token.id)
        if after is None or after.record.get("status") != status or not after.same_but_status(token):
            raise Conflict(
                "TokenChanged", "The token is not as it was just written: somebody else changes it too. See who does."
            )

    async def delete(self, id_: str) -> None:
        """Gone for good, and read back."""
        await self._api.delete("tokens", id_)
        if await self.find(id_) is not None:
            raise Conflict("TokenChanged", "The token is still there after it was deleted; it will be looked at again.")
