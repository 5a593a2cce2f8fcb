"""Opens connections: verified TLS, time limits on every call, a name that only we know. Keeps none open.

Nothing here knows what is asked through it.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection

from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Credential, Endpoint
from keyturn.providers.recent import Recent
from keyturn.providers.redis.failures import Login, LoginFailed, login_failure, rotators_login, translated
from keyturn.providers.redis.settings import Settings

NAMED: Final = "keyturn-"  # how the names of our connections begin
CONNECT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 15.0  # opening a connection, and again all that is done in it, whatever the server does


@dataclass(frozen=True, slots=True)
class Client:
    """One connection as a server lists it. Somebody may take a name of ours, but is given another number."""

    node: Endpoint
    number: int
    name: str


OwnClients = Recent[Client]
"""Which connections were trials of ours; the rotator's are uses of what it logs in with. Lives with the process."""


class Wire:
    """An open connection. Failures come out as the driver's: ``Connector`` translates them."""

    def __init__(self, connection: Connection, client: Client, database: int, own: OwnClients) -> None:
        self._connection, self._own = connection, own
        self.client = client
        self._database = database

    async def ask(self, *words: str | int) -> Any:
        """One command and its answer: text, number, list or None."""
        await self._connection.send_command(*words)
        return cast("Any", await self._connection.read_response())  # pyright: ignore[reportUnknownMemberType]

    async def log_in(self, credential: Credential) -> None:
        """Again, with another credential. Raises LoginFailed; the connection then belongs to whom it did before."""
        self._own.add(self.client)
        with _logging_in():
            await _log_in(self._connection, credential.id, credential.value, self.client.name, self._database)

    async def hang_up(self) -> None:
        """At once, whatever was on its way."""
        await self._connection.disconnect(nowait=True)

    async def all_at_once(self, commands: Sequence[Sequence[str]]) -> None:
        """In one transaction of the server: nobody comes in between. Raises what the first failing one says."""
        await self.ask("MULTI")
        for words in commands:
            await self.ask(*words)
        answers = await self.ask("EXEC")
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        if failed:
            raise failed[0]


class Connector:
    """Opens connections to one plan's servers, as the rotator or with a credential."""

    def __init__(self, settings: Settings, own: OwnClients) -> None:
        self._settings, self.own = settings, own

    @asynccontextmanager
    async def admin(self, node: Endpoint | None = None, *, writing: bool = False) -> AsyncGenerator[Wire]:
        """As the rotator. All failures within the block come out as ours."""
        with translated():
            try:
                wire = await self._open(node or self._settings.admin, self._settings.user, self._settings.password)
            except LoginFailed as failed:
                raise rotators_login(failed.kind) from None
        with translated(writing=writing):
            async with _closing(wire), asyncio.timeout(CALL_SECONDS):
                yield wire

    @asynccontextmanager
    async def login(self, node: Endpoint, credential: Credential) -> AsyncGenerator[Wire]:
        """As a credential. Raises LoginFailed; the driver's own failures within the block come out as ours."""
        wire = await self._open(node, credential.id, credential.value)
        self.own.add(wire.client)
        with translated():
            async with _closing(wire), asyncio.timeout(CALL_SECONDS):
                yield wire

    async def _open(self, node: Endpoint, user: str, password: Sealed) -> Wire:
        name = f"{NAMED}{secrets.token_hex(12)}"
        connection = self._connection(node)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                with _logging_in():
                    await connection.connect()
                    number = await _log_in(connection, user, password, name, self._settings.database)
        except TimeoutError:
            await connection.disconnect(nowait=True)
            raise LoginFailed(Login.DOWN) from None
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return Wire(connection, Client(node, number, name), self._settings.database, self.own)

    def _connection(self, node: Endpoint) -> Connection:
        always: dict[str, Any] = {
            "host": node.host,
            "port": node.port,
            "protocol": 2,
            "decode_responses": True,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": None,  # the limit is CALL_SECONDS: the driver's own swallows cancellations on Python 3.11
            "driver_info": None,  # CLIENT SETINFO is unknown before 7.2, and needs a right
            "retry": None,
        }
        if self._settings.insecure and not self._settings.authority:
            return Connection(**always)
        return SSLConnection(
            **always,
            ssl_ca_data=self._settings.authority,
            ssl_cert_reqs="required",
            ssl_check_hostname=True,
            ssl_min_version=ssl.TLSVersion.TLSv1_2,
        )


@asynccontextmanager
async def _closing(wire: Wire) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await wire.hang_up()


async def _log_in(connection: Connection, user: str, password: Sealed, name: str, database: int) -> int:
    """The number that the server gave the connection."""
    # HELLO gives name and login in one: no right is needed for it, and it never asks another command
    await connection.send_command("HELLO", 2, "AUTH", user, password.reveal_text(), "SETNAME", name)
    told = cast("list[Any]", await connection.read_response())  # pyright: ignore[reportUnknownMemberType]
    if database:
        await connection.send_command("SELECT", database)
        await connection.read_response()
    return int(pairs(told)["id"])


@contextmanager
def _logging_in() -> Generator[None]:
    try:
        yield
    except exceptions.RedisError as error:
        raise login_failure(error) from None
    except (TimeoutError, OSError, UnicodeError, Unsuitable):
        raise LoginFailed(Login.DOWN) from None


def pairs(flat: Sequence[Any]) -> dict[str, Any]:
    """A map as the older protocol sends it."""
    return dict(zip(flat[::2], flat[1::2], strict=False))
