"""Asks the system whether a credential works, with one request that changes nothing. Decides nothing else."""

from __future__ import annotations

from base64 import b64encode
from typing import Protocol

from keyturn.core.model import Reach, Trial
from keyturn.core.sealed import Unsuitable
from keyturn.ports import Credential, KeyturnError
from keyturn.providers.addresses import Resolve
from keyturn.providers.manual.kinds import Check
from keyturn.providers.manual.settings import Settings
from keyturn.providers.outside import NotAnswered, answers, call


class Asker(Protocol):
    """Does it work? Never raises."""

    async def ask(self, credential: Credential) -> Trial:
        """WORKS or REFUSED if the system says so; DOWN for everything else."""
        ...

    async def reach(self) -> Reach:
        """UP if the system is there to be asked."""
        ...


class HttpAsker:
    """By the provider's check."""

    def __init__(self, settings: Settings, resolve: Resolve) -> None:
        self._settings, self._resolve = settings, resolve

    async def ask(self, credential: Credential) -> Trial:
        """WORKS or REFUSED if the system says so; DOWN for everything else."""
        settings = self._settings
        try:
            headers = headers_of(settings.check, credential)
            came = await call(settings.asked, "GET", settings.asked.path or "/", headers, b"", self._resolve)
        except (KeyturnError, NotAnswered, Unsuitable):
            return Trial.DOWN
        if came.status in settings.check.works:
            return Trial.WORKS
        return Trial.REFUSED if came.status in settings.check.refused else Trial.DOWN

    async def reach(self) -> Reach:
        """UP if the system is there to be asked."""
        return Reach.UP if await answers(self._settings.asked, self._resolve) else Reach.DOWN


def headers_of(check: Check, credential: Credential) -> dict[str, str]:
    """The credential as this system wants it. Raises Unsuitable for a value that is no text."""
    value = credential.value.reveal_text()
    match check.sends:
        case "Basic":
            pair = b64encode(f"{credential.id}:{value}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        case "Bearer":
            return {"Authorization": f"Bearer {value}"}
        case "Header":
            return {check.header: value}
