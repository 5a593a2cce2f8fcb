"""Opens connections with AMQP: verified TLS, time limits, a name that only we know; and hears why a server hangs up.

Nothing here knows what is asked through it.
"""

from __future__ import annotations

import asyncio
import secrets
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aiormq
from aiormq.abc import AbstractChannel
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPError
from pamqp import commands, frame
from pamqp.exceptions import PAMQPException
from yarl import URL

from keyturn.core.sealed import Unsuitable
from keyturn.ports import Credential, Endpoint
from keyturn.providers.rabbitmq.failures import Login, LoginFailed, login_failure, refusal, translated
from keyturn.providers.rabbitmq.management import security
from keyturn.providers.rabbitmq.settings import Settings
from keyturn.providers.recent import Recent

CALL_SECONDS: Final = 15.0  # opening a connection, and again all that is done in it, whatever the server does
_GOODBYE_SECONDS: Final = 2.0
_HEARTBEAT_SECONDS: Final = 30


class OwnLines:
    """Which connections are our own. Lives as long as the process."""

    def __init__(self) -> None:
        self.labels = Recent[str]()
        self.open: set[tuple[str, int]] = (
            set()
        )  # from where we call just now: a server knows that before it knows labels


class Line:
    """An open connection. Failures come out as the driver's: ``Connector`` translates them."""

    def __init__(self, connection: aiormq.Connection, label: str, place: tuple[str, int], own: OwnLines) -> None:
        self._connection, self._own = connection, own
        self.label = label
        self.place = place  # address and port from where we call
        self.since = asyncio.get_running_loop().time()
        own.labels.add(label)
        own.open.add(place)

    @property
    def closed(self) -> bool:
        """Did the server hang up, or we?"""
        return self._connection.is_closed

    @property
    def cluster(self) -> str:
        """What the system at the other end calls itself: ``cluster_name``, which every client is told."""
        name: Any = self._connection.server_properties.get("cluster_name", "")
        return name.decode(errors="replace") if isinstance(name, bytes) else str(name)

    async def channel(self) -> AbstractChannel:
        """On which a publisher is told whether the server took its message."""
        return await self._connection.channel(publisher_confirms=True)

    async def hang_up(self) -> None:
        """Says goodbye, and waits two seconds for its answer at most."""
        with suppress(AMQPError, OSError, TimeoutError, RuntimeError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self._connection.close()
        self._own.open.discard(self.place)


class Connector:
    """Opens connections to one plan's system with a credential."""

    def __init__(self, settings: Settings, own: OwnLines) -> None:
        self.settings, self.own = settings, own

    @asynccontextmanager
    async def login(self, at: Endpoint, credential: Credential) -> AsyncGenerator[Line]:
        """As a credential. Raises LoginFailed; the driver's own failures within the block come out as ours."""
        line = await self.open(at, credential)
        try:
            with translated():
                async with asyncio.timeout(CALL_SECONDS):
                    yield line
        finally:
            await line.hang_up()

    async def open(self, at: Endpoint, credential: Credential) -> Line:
        """A connection that whoever asked for it hangs up. Raises LoginFailed."""
        call = _Call(self.settings)
        label = f"keyturn-{secrets.token_hex(12)}"
        try:
            connection = aiormq.Connection(
                _url(self.settings, at, credential),
                transport_factory=call,
                client_properties={"connection_name": label, "product": "keyturn"},
            )
            connection.vhost = self.settings.vhost
            async with asyncio.timeout(CALL_SECONDS):
                await connection.connect()  # pyright: ignore[reportUnknownMemberType]
        except (AMQPError, TimeoutError, OSError, UnicodeError, Unsuitable) as error:
            raise LoginFailed(call.why(error)) from None
        return Line(connection, label, call.place, self.own)


class _Ear(StreamReader):
    """Remembers the last frame that was read: the driver forgets why a server closes while a login is under way."""

    heard = b""

    async def readexactly(self, n: int) -> bytes:
        """The driver reads a frame in three parts, its first byte alone."""
        part = await super().readexactly(n)
        self.heard = part if n == 1 else self.heard + part
        return part


class _Call(TransportFactory):
    """One connection of the network."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ear: _Ear | None = None
        self.place = ("", 0)

    async def create(self, url: URL, **kwargs: Any) -> tuple[StreamReader, StreamWriter]:
        """As ``asyncio.open_connection`` does, with an ear of ours."""
        _ = kwargs
        loop = asyncio.get_running_loop()
        self._ear = ear = _Ear(loop=loop)
        protocol = StreamReaderProtocol(ear, loop=loop)
        transport, _ = await loop.create_connection(
            lambda: protocol, url.host or "", url.port or 0, ssl=security(self._settings)
        )
        address, port, *_ = transport.get_extra_info("sockname")
        self.place = (str(address), int(port))
        return ear, StreamWriter(transport, protocol, ear, loop)

    def why(self, error: Exception) -> Login:
        """Why the login did not come about."""
        with suppress(PAMQPException, ValueError, IndexError):
            last = frame.unmarshal(self._ear.heard)[2] if self._ear and self._ear.heard else None
            if isinstance(last, commands.Connection.Close):
                return refusal(last.reply_code or 0, last.reply_text or "")
        return login_failure(error)


def _url(settings: Settings, at: Endpoint, credential: Credential) -> URL:
    return URL.build(
        scheme="amqp" if settings.plain else "amqps",
        host=at.host,
        port=at.port,
        user=credential.id,
        password=credential.value.reveal_text(),
        path="/",
        query={"heartbeat": str(_HEARTBEAT_SECONDS)},
    )
