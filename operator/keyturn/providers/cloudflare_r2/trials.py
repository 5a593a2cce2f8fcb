"""Tries a key pair as consumers use it: writes and deletes a small object through the S3 endpoint.

Never by a look alone. On 21 March 2025 calls about metadata went on being answered while every write failed, so a HEAD
would have said that all was well: https://blog.cloudflare.com/cloudflare-incident-march-21-2025/
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from enum import StrEnum
from typing import Final

import httpx

from keyturn.core.model import Existence, Trial
from keyturn.core.sealed import Unsuitable
from keyturn.ports import Clock, Credential
from keyturn.providers.cloudflare_api import client
from keyturn.providers.cloudflare_r2.rights import Rights
from keyturn.providers.cloudflare_r2.settings import Settings
from keyturn.providers.cloudflare_r2.signing import signed
from keyturn.providers.cloudflare_r2.tokens import Token

TRIES: Final = 3  # one after the other, each over a connection of its own: places learn of a change one by one
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")


class Answer(StrEnum):
    """What the endpoint says to one try."""

    WROTE = "Wrote"
    SHUT_OUT = "ShutOut"  # not this key pair
    WRONG = "Wrong"  # the secret is not the one of this key
    MAY_NOT = "MayNot"  # it knows the key pair, and refuses the write
    DOWN = "Down"


class Canary:
    """One plan's write path."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    async def once(self, credential: Credential) -> Answer:
        """Write, and delete what was written. Never raises."""
        path = f"/{self._settings.bucket}/{self._settings.canary}-{secrets.token_hex(8)}"
        wrote = await self._ask("PUT", path, b"keyturn tries the write path\n", credential)
        if wrote is not Answer.WROTE:
            return wrote
        return await self._ask("DELETE", path, b"", credential)

    async def _ask(self, method: str, path: str, body: bytes, credential: Credential) -> Answer:
        url, now = self._settings.s3 + path, self._clock.now()
        try:
            return await self._send(method, url, body, credential, now)
        except (httpx.HTTPError, OSError, ValueError, Unsuitable):
            return Answer.DOWN

    async def _send(self, method: str, url: str, body: bytes, credential: Credential, now: datetime) -> Answer:
        headers = signed(method, url, {}, body, (credential.id, credential.value), now)
        async with client(self._settings.account.authority) as http:
            return _understood(await http.request(method, url, headers=headers, content=body))


def _understood(answer: httpx.Response) -> Answer:
    """Codes: https://developers.cloudflare.com/r2/api/error-codes/ and those of S3. Unknown refusals shut out."""
    if 200 <= answer.status_code < 300:
        return Answer.WROTE
    if answer.status_code not in (400, 401, 403, 404):
        return Answer.DOWN
    found = _CODE.search(answer.text[:4096])
    match found.group(1) if found else "":
        case "SignatureDoesNotMatch":
            return Answer.WRONG
        case "AccessDenied" | "NoSuchBucket":
            return Answer.MAY_NOT
        case "RequestTimeTooSkewed":
            return Answer.DOWN
        case _:
            return Answer.SHUT_OUT if answer.status_code in (401, 403) else Answer.DOWN


async def trial(canary: Canary, credential: Credential, token: Token | None, wanted: Rights | None) -> Trial:
    """All tries agree, or nobody can tell. ``wanted``: exactly what it must be allowed to do. Never raises."""
    answers = [await canary.once(credential) for _ in range(TRIES)]
    if len(set(answers)) != 1:
        return Trial.DOWN  # a change is on its way: some places know it, and some do not
    match answers[0]:
        case Answer.WRONG:
            return Trial.REFUSED
        case Answer.SHUT_OUT:
            disabled = token is not None and token.state is Existence.DISABLED
            return Trial.DISABLED if disabled else Trial.REFUSED
        case Answer.MAY_NOT:
            return Trial.LACKING
        case Answer.WROTE if token is not None:
            return Trial.LACKING if wanted is not None and token.rights != wanted else Trial.WORKS
        case _:
            return Trial.DOWN  # or it is of another account, or deleted and not everywhere yet
