"""Control sessions that stay open from one look to the next: names of connections are listed only after some seconds.

One a user and endpoint; it ends by itself a minute after the last look that wanted it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Endpoint
from keyturn.providers.rabbitmq.connections import Connector, Line, OwnLines

_KEPT_SECONDS: Final = 60.0

_Key = tuple[str, int, str, str, str]


@dataclass(slots=True)
class _Held:
    line: Line
    value: Sealed = field(repr=False)
    end: asyncio.TimerHandle


class Controls:
    """All of this process."""

    def __init__(self) -> None:
        self.own = OwnLines()
        self._held: dict[_Key, _Held] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def session(self, connector: Connector, at: Endpoint, credential: Credential) -> Line:
        """An open one, new if there is none with this value. Raises LoginFailed."""
        settings = connector.settings
        key = (at.host, at.port, settings.vhost, credential.id, settings.authority)
        held = self._held.get(key)
        if held is not None and held.value == credential.value and not held.line.closed:
            held.end.cancel()
            held.end = self._end_of(key)
            return held.line
        if held is not None:
            await self._drop(key)
        line = await connector.open(at, credential)
        if key in self._held:  # another plan's look was faster
            await self._drop(key)
        self._held[key] = _Held(line, credential.value, self._end_of(key))
        return line

    async def forget(self, user: str) -> None:
        """End those of a user that shall have no session."""
        for key in [key for key in self._held if key[3] == user]:
            await self._drop(key)

    async def close(self) -> None:
        """End all of them."""
        for key in list(self._held):
            await self._drop(key)

    def _end_of(self, key: _Key) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(_KEPT_SECONDS, self._end, key)

    def _end(self, key: _Key) -> None:
        ending = asyncio.get_running_loop().create_task(self._drop(key))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _drop(self, key: _Key) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            held.end.cancel()
            await held.line.hang_up()
