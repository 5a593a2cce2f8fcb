"""Opens connections: verified TLS, time limits on every call. Keeps none open. Nothing here knows what is asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import aiomysql
from pymysql import err

from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Credential, Endpoint
from keyturn.providers.recent import Recent
from keyturn.providers.role_accounts.failures import Login, LoginFailed, login_failure, rotators_login, translated
from keyturn.providers.role_accounts.settings import Settings

CONNECT_SECONDS: Final = 5
_GOODBYE_SECONDS: Final = 1.0
CALL_SECONDS: Final = 15.0  # opening a connection, and again all that is done in it, whatever the server does
_connect = cast("Callable[..., Awaitable[Any]]", aiomysql.connect)  # pyright: ignore[reportUnknownMemberType]
_SAME_BOOT: Final = 2  # seconds that two looks at uptime may differ


@dataclass(frozen=True, slots=True)
class Thread:
    """One connection of one server's life: numbers begin anew when it is started again."""

    number: int
    boot: int  # seconds since 1970

    def is_(self, number: int, boot: int) -> bool:
        """Is it that one?"""
        return self.number == number and abs(self.boot - boot) <= _SAME_BOOT


class OwnThreads(Recent[Thread]):
    """Which connections were trials of ours; the rotator's are uses of what it logs in with. Lives with the process."""

    def have(self, number: int, boot: int) -> bool:
        """Was it ours?"""
        return any(own.is_(number, boot) for own in self)


class Wire:
    """An open connection. Failures come out as the driver's: ``Connector`` translates them."""

    def __init__(self, connection: Any, thread: Thread) -> None:  # the driver carries no types
        self._connection = connection
        self.thread = thread

    async def ask(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement; of the first result, where a procedure gives several."""
        return await _rows(self._connection, query, parameters)

    async def hang_up(self) -> None:
        """No more is asked."""
        await _hang_up(self._connection)


class Connector:
    """Opens connections to one plan's server, as the rotator or with a credential."""

    def __init__(self, settings: Settings, own: OwnThreads) -> None:
        self._settings, self.own = settings, own

    @asynccontextmanager
    async def admin(self, node: Endpoint | None = None, *, writing: bool = False) -> AsyncGenerator[Wire]:
        """As the rotator. All failures within the block come out as ours."""
        with translated():
            try:
                user, password = self._settings.user, self._settings.password
                wire = await self._open(node or self._settings.admin, user, password, "keyturn")
            except LoginFailed as failed:
                raise rotators_login(failed.kind) from None
        with translated(writing=writing):
            async with _closing(wire), asyncio.timeout(CALL_SECONDS):
                yield wire

    @asynccontextmanager
    async def login(self, node: Endpoint, credential: Credential) -> AsyncGenerator[Wire]:
        """As a credential. Raises LoginFailed; the driver's own failures within the block come out as ours."""
        wire = await self._open(node, credential.id, credential.value, self._settings.database)
        self.own.add(wire.thread)
        with translated():
            async with _closing(wire), asyncio.timeout(CALL_SECONDS):
                yield wire

    async def _open(self, node: Endpoint, user: str, password: Sealed, database: str) -> Wire:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                connection = await _connect(
                    host=node.host,
                    port=node.port,
                    user=user,
                    password=password.reveal_text(),
                    db=database,
                    autocommit=True,
                    charset="utf8mb4",
                    connect_timeout=CONNECT_SECONDS,
                    program_name="keyturn",
                    ssl=self._security(),
                )
                boot = await self._boot(connection)
        except (err.MySQLError, ssl.SSLError) as error:
            raise login_failure(error, self._settings.dialect.locked) from None
        except (TimeoutError, OSError, UnicodeError, Unsuitable):
            raise LoginFailed(Login.DOWN) from None
        return Wire(connection, Thread(int(connection.thread_id()), boot))

    async def _boot(self, connection: Any) -> int:
        """Since when its server runs. The first that is asked: an expired password may show only now."""
        try:
            ((boot,),) = await _rows(connection, self._settings.dialect.boot, ())
        except BaseException:
            await _hang_up(connection)
            raise
        return int(boot)

    def _security(self) -> ssl.SSLContext | None:
        if not self._settings.authority:
            return None
        context = ssl.create_default_context(cadata=self._settings.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


async def _hang_up(connection: Any) -> None:
    """Says goodbye, or the server would log a client that got lost; waits a second for its answer at most."""
    writer = connection._writer  # noqa: SLF001 -- the driver waits for no answer
    with suppress(err.MySQLError, OSError, TimeoutError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await connection.ensure_closed()
            await writer.wait_closed()
            return
    writer.transport.abort()


async def _rows(connection: Any, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    async with connection.cursor() as cursor:
        await cursor.execute(query, tuple(parameters))
        rows = cast("Sequence[tuple[Any, ...]]", await cursor.fetchall()) if cursor.description else ()
        while await cursor.nextset():
            pass
        return list(rows)


@asynccontextmanager
async def _closing(wire: Wire) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await wire.hang_up()
