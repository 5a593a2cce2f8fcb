"""Asks the protected app with a service token, as consumers do, and tells its answer from Access' own.

Without strict authentication a wrong secret is answered with a redirect to the login page, or with that page and status
200. So the app is asked without any token first: what answers that like the app would prove nothing.
Source: https://developers.cloudflare.com/cloudflare-one/access-controls/service-credentials/service-tokens/
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import httpx

from keyturn.core.model import Existence, Trial
from keyturn.core.sealed import Unsuitable
from keyturn.ports import Credential
from keyturn.providers.cloudflare_access.settings import Settings
from keyturn.providers.cloudflare_access.tokens import Token
from keyturn.providers.cloudflare_api import client

TRIES: Final = 3  # one after the other, each over a connection of its own and without a cookie
_TRANSPORT: Final = (408, 425, 429)


class Answer(StrEnum):
    """Who answered."""

    APP = "App"
    ACCESS = "Access"  # it did not let the request in
    NOBODY = "Nobody"


class Door:
    """The way into one plan's app."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def ask(self, credential: Credential | None) -> Answer:
        """With this token, or with none. Never raises."""
        try:
            headers = _headers(credential)
            async with client(self._settings.account.authority) as http:
                return self._who(await http.get(self._settings.url, headers=headers))
        except (httpx.HTTPError, OSError, ValueError, Unsuitable):
            return Answer.NOBODY

    def _who(self, answer: httpx.Response) -> Answer:
        if answer.status_code >= 500 or answer.status_code in _TRANSPORT:
            return Answer.NOBODY
        marked = self._settings.contains in answer.content
        return Answer.APP if answer.status_code == self._settings.status and marked else Answer.ACCESS

    async def closed(self) -> bool | None:
        """Is somebody without a token kept out, visibly? None: nobody can tell."""
        answer = await self.ask(None)
        return None if answer is Answer.NOBODY else answer is Answer.ACCESS

    async def trial(self, credential: Credential, token: Token | None) -> Trial:
        """All tries agree, or nobody can tell."""
        if not await self.closed():
            return Trial.DOWN
        answers = {await self.ask(credential) for _ in range(TRIES)}
        if len(answers) != 1 or Answer.NOBODY in answers:
            return Trial.DOWN
        if Answer.APP in answers:  # without a record: of another account, or deleted and not everywhere yet
            return Trial.WORKS if token is not None else Trial.DOWN
        return Trial.DISABLED if token is not None and token.state is Existence.DISABLED else Trial.REFUSED


def _headers(credential: Credential | None) -> dict[str, str]:
    if credential is None:
        return {}
    return {"CF-Access-Client-Id": credential.id, "CF-Access-Client-Secret": credential.value.reveal_text()}
