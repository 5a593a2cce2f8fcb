"""A person at a console, under the provider contract: whatever Keyturn asks for is done in the console, and said."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import aiohttp

from keyturn.core.model import Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Awaited, Credential, Issuer, Provider
from keyturn.providers.manual.provider import ManualProvider
from support.console import Console, Setting
from support.provider_rig import SNEAKY, RealTime

CURRENT = Credential("pk-0", Sealed("value-from-the-beginning"))
_DEEDS = 6  # at most, until a call is through: each of them is another one
T = TypeVar("T")


class Attended:
    """A provider with somebody beside it who reads what is waited for, and does it. Asks again, as the reconciler.

    A rotation is under way from the first change that is asked for.
    """

    def __init__(self, console: Console) -> None:
        self._console, self._at_rest = console, not console.made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    @property
    def _provider(self) -> ManualProvider:
        return Setting(self._console, current_id=CURRENT.id, busy=not self._at_rest).open()

    @property
    def issuer(self) -> Issuer:
        return cast("Issuer", self)

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        return await self._until_done(lambda it: it.issue(op, like, strangers))

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        await self._until_done(lambda it: it.ensure(op, new, like))

    async def enable(self, op: Op, credential: Credential) -> None:
        await self._until_done(lambda it: it.enable(op, credential))

    async def disable(self, op: Op, id_: str) -> None:
        await self._until_done(lambda it: it.disable(op, id_))

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        await self._until_done(lambda it: it.contain(op, new, old_id, strangers))

    async def delete(self, op: Op, id_: str) -> None:
        await self._until_done(lambda it: it.delete(op, id_))

    async def _until_done(self, call: Callable[[ManualProvider], Awaitable[T]]) -> T:
        self._at_rest = False
        for _ in range(_DEEDS):
            try:
                return await call(self._provider)
            except Awaited as asked:
                self._console.act(asked.message)
        return await call(self._provider)


class ManualRig(RealTime):
    """A simulated system whose door lets a key in, or refuses it."""

    free = ""
    version = "a simulated console, and a person who does what is asked"

    def __init__(self, console: Console) -> None:
        self.console, self.current = console, CURRENT
        console.keys[CURRENT.id] = (CURRENT.value.reveal_text(), True)
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return cast("Provider", Attended(self.console))

    async def admits(self, credential: Credential) -> bool:
        """By a request of its own."""
        trust = ssl.create_default_context(cadata=self.console.ca_pem)
        told = {"Authorization": f"Bearer {credential.value.reveal_text()}"}
        connector = aiohttp.TCPConnector(ssl=trust, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(self.console.url, headers=told) as response,
        ):
            return response.status == 200

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        assert await self.admits(credential)  # over when it is answered: nothing can be held open
        yield

    def unplug(self) -> None:
        self.console.unplug()

    def add_stranger(self) -> Credential:
        self.console.keys[SNEAKY.id] = (SNEAKY.value.reveal_text(), True)
        return SNEAKY

    def remove_stranger(self) -> None:
        del self.console.keys[SNEAKY.id]
