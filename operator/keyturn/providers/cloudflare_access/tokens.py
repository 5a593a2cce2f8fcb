"""Service tokens: read, made, switched by one field, deleted. A record is never written back.

On 24 January 2023 a record was read, its secret redacted, and written back whole: secrets became empty strings. So a
change here sends the name and the one field that changes, and nothing that was read besides; what could be a secret is
not even taken from an answer, but for the one that made it.
Sources: https://blog.cloudflare.com/cloudflare-incident-on-january-24th-2023/ and
https://developers.cloudflare.com/cloudflare-one/access-controls/service-credentials/service-tokens/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from keyturn.core.model import Existence
from keyturn.core.sealed import Sealed
from keyturn.ports import Conflict, Credential, Denied, OutcomeUnknown
from keyturn.providers.cloudflare_api import CloudflareApi
from keyturn.providers.cloudflare_records import Json, TokenRecord
from keyturn.providers.values import require_fit

_PATH: Final = ("access", "service_tokens")
_LEFT_ALONE: Final = ("client_id", "name", "expires_at", "client_secret_version", "previous_client_secret_expires_at")


@dataclass(frozen=True, slots=True)
class Token(TokenRecord):
    """One service token as the API tells it, without anything secret."""

    @property
    def id(self) -> str:
        """The client id: its public name among consumers."""
        return str(self.record.get("client_id") or "")

    @property
    def uuid(self) -> str:
        """Its name among policies."""
        return str(self.record.get("id") or "")

    @property
    def state(self) -> Existence:
        """A token says nothing of this where it was never switched off."""
        return Existence.DISABLED if self.record.get("enabled") is False else Existence.ACTIVE

    def left_alone(self, other: Token) -> bool:
        """Is everything but the switch as it was?"""
        return all(self.record.get(field) == other.record.get(field) for field in _LEFT_ALONE)


class Tokens:
    """The account's."""

    def __init__(self, api: CloudflareApi) -> None:
        self._api = api

    async def all(self) -> list[Token]:
        """Every service token of the account."""
        return [_read(one) for one in await self._api.all(*_PATH)]

    async def find(self, client_id: str) -> Token | None:
        """By its client id; the API itself knows another."""
        if not client_id:
            return None
        return next((one for one in await self.all() if one.id == client_id), None)

    async def make(self, name: str, duration: str) -> tuple[Token, Credential]:
        """One more. Its secret is in this answer and in no other."""
        told: Any = await self._api.post(*_PATH, body={"name": name, "duration": duration})
        found = cast("Json", told) if isinstance(told, dict) else {}
        token, value = _read(found), found.get("client_secret")
        if not token.id or not token.uuid or not isinstance(value, str):
            raise OutcomeUnknown("AnswerLost", "Cloudflare answered a create without a token; it is looked for first.")
        try:
            require_fit(Sealed(value))
        except Denied:
            await self.delete(token)
            raise
        return token, Credential(token.id, Sealed(value))

    async def switch(self, token: Token, *, enabled: bool) -> None:
        """That one field. Raises Conflict if anything else of it is different when it is read back."""
        if (token.state is Existence.ACTIVE) == enabled:
            return
        await self._api.put(*_PATH, token.uuid, body={"name": token.name, "enabled": enabled})
        after = await self.find(token.id)
        if after is None or (after.state is Existence.ACTIVE) != enabled or not after.left_alone(token):
            raise Conflict(
                "TokenChanged", "The token is not as it was just written: somebody else changes it too. See who does."
            )

    async def delete(self, token: Token) -> None:
        """Gone for good, and read back."""
        await self._api.delete(*_PATH, token.uuid)
        if await self.find(token.id) is not None:
            raise Conflict("TokenChanged", "The token is still there after it was deleted; it will be looked at again.")


def _read(record: Json) -> Token:
    """Whatever might be a secret, or what a redaction leaves of one, is not even remembered."""
    return Token({key: value for key, value in record.items() if key != "client_secret"})
