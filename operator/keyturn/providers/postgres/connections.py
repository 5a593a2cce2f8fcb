"""Opens connections: verified TLS, SCRAM or nothing, time limits on every call, a label the server's owner can read.

A credential's session lives for one call, the rotator's for one tick. Nothing here knows what is asked through it.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from keyturn.core.sealed import Unsuitable
from keyturn.ports import Credential, Endpoint
from keyturn.providers.postgres.dialling import dialler
from keyturn.providers.postgres.failures import Login, LoginFailed, login_failure, rotators_login, translated
from keyturn.providers.postgres.settings import Settings
from keyturn.providers.recent import Recent

Connection = AsyncConnection[TupleRow]

CONNECT_SECONDS: Final = 5
CALL_SECONDS: Final = 15.0  # opening a session, and again all that is done in it, whatever the server does
_LIMITS: Final = """
    SELECT pg_catalog.set_config('search_path', 'pg_catalog', false),
           pg_catalog.set_config('TimeZone', 'UTC', false),
           pg_catalog.set_config('statement_timeout', '10s', false),
           pg_catalog.set_config('lock_timeout', '3s', false),
           pg_catalog.set_config('idle_in_transaction_session_timeout', '15s', false)
"""  # search_path: whoever may create functions in this database must not have them called by the rotator

_MYSELF: Final = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class AuthorityFile:
    """ca.crt as a file in memory: libpq wants a path, and the operator's root file system is read-only."""

    def __init__(self, pem: bytes) -> None:
        descriptor = os.memfd_create("keyturn-ca")
        os.write(descriptor, pem)
        self.path = f"/proc/self/fd/{descriptor}"
        self.close = weakref.finalize(self, os.close, descriptor)


@dataclass(frozen=True, slots=True)
class Backend:
    """One server process, never mistaken for a later one with the same pid."""

    pid: int
    started: datetime


class OwnSessions:
    """Which server processes are trials of ours. A label alone could be put on by anybody who holds a credential.

    Lives as long as the process: a session that was just closed may be listed for a moment still. The rotator's own
    sessions are none of these: where a plan rotates the rotator, they are what uses the credential.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._seen = Recent[Backend](limit)
        self._dialled = Recent[tuple[str, int | None]](limit)

    def add(self, backend: Backend) -> None:
        """Remember."""
        self._seen.add(backend)

    def __contains__(self, backend: Backend) -> bool:
        return backend in self._seen

    def dial(self, address: str, port: int) -> None:
        """Remember where we call from."""
        self._dialled.add((address, port))

    def dialled(self, address: str, port: int | None) -> bool:
        """Was it us who called from there?"""
        return (address, port) in self._dialled


class Connector:
    """Opens sessions on one plan's servers, as the rotator or with a credential."""

    def __init__(self, settings: Settings, own: OwnSessions) -> None:
        self._settings = settings
        self._own = own
        self._connection = dialler(own.dial)
        self._rotators: type[Connection] = AsyncConnection  # its logins are not told apart: see OwnSessions
        self._authority = None if settings.insecure else AuthorityFile(settings.authority.encode())
        # held while a session opens and while sessions are listed: one not registered yet would look like somebody's
        self.still = asyncio.Lock()
        self._idle: list[Connection] = []  # the rotator's sessions that nobody uses just now

    async def close(self) -> None:
        """Give back sessions and the memory file."""
        while self._idle:
            await self._idle.pop().close()
        if self._authority:
            self._authority.close()

    def owns(self, backend: Backend) -> bool:
        """Did this process open it?"""
        return backend in self._own

    def dialled(self, address: str, port: int | None) -> bool:
        """Did this process call from there?"""
        return self._own.dialled(address, port)

    @asynccontextmanager
    async def admin(self, node: Endpoint | None = None, *, writing: bool = False) -> AsyncGenerator[Connection]:
        """A session of the rotator. All failures within the block come out as ours.

        At the rotator's own endpoint a session that went well is kept for the next block: one tick asks many times.
        """
        at = node or self._settings.admin
        kept = node is None or node == self._settings.admin
        connection = self._idle.pop() if kept and self._idle else await self._rotator(at)
        with translated(writing=writing):
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    yield connection
            except BaseException:
                await connection.close()
                raise
        if kept and connection.info.transaction_status is TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            await connection.close()

    async def _rotator(self, at: Endpoint) -> Connection:
        with translated(writing=False):
            try:
                admin = Credential(self._settings.user, self._settings.password)
                connection, _ = await self._open(at, admin, "rotator", self._rotators)
            except LoginFailed as failed:
                raise rotators_login(failed.kind) from None
        return connection

    @asynccontextmanager
    async def login(
        self, node: Endpoint, credential: Credential, label: str
    ) -> AsyncGenerator[tuple[Connection, Backend]]:
        """A session of a credential, labelled ours. Raises LoginFailed; failures within the block come out as ours."""
        connection, backend = await self._open(node, credential, label, self._connection)
        with translated():
            async with asyncio.timeout(CALL_SECONDS), _closing(connection):
                yield connection, backend

    async def _open(
        self, node: Endpoint, credential: Credential, label: str, way: type[Connection]
    ) -> tuple[Connection, Backend]:
        async with self.still:
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    connection = await way.connect(
                        host=node.host,
                        port=node.port,
                        user=credential.id,
                        password=credential.value.reveal_text(),
                        dbname=self._settings.database,
                        application_name=f"keyturn/{label}",
                        autocommit=True,
                        prepare_threshold=None,  # poolers
                        connect_timeout=CONNECT_SECONDS,
                        **self._security(),
                    )
                    return connection, await self._limit(connection, ours=way is not self._rotators)
            except psycopg.Error as error:
                raise login_failure(error) from None
            except (TimeoutError, OSError, UnicodeError, Unsuitable):
                raise LoginFailed(Login.DOWN) from None

    async def _limit(self, connection: Connection, *, ours: bool) -> Backend:
        """Limits first, then remember the server process if it is a trial of ours."""
        try:
            await connection.execute(_LIMITS)
            backend = await _myself(connection)
        except BaseException:
            await connection.close()
            raise
        if ours:
            self._own.add(backend)
        return backend

    def _security(self) -> dict[str, Any]:
        """Never a password in clear, never GSS, never the environment's certificates."""
        always = {"require_auth": "scram-sha-256", "gssencmode": "disable", "sslcertmode": "disable"}
        if self._authority is None:
            return always | {"sslmode": "prefer"}
        return always | {"sslmode": "verify-full", "sslrootcert": self._authority.path}


@asynccontextmanager
async def _closing(connection: Connection) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await connection.close()


async def _myself(connection: Connection) -> Backend:
    """The server process behind the session. As the owner, a slot's session may not see its own start."""
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE NONE")
        row = await (await connection.execute(_MYSELF)).fetchone()
    if row is None or row[1] is None:
        raise psycopg.OperationalError
    return Backend(*row)
