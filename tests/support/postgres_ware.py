"""PostgreSQL for a shop of the fault tests."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import SplitResult

import psycopg

from support.backend_proxy import BackendProxy
from support.operator_process import KEYTURN
from support.postgres_plan import CURRENT, OWNER, ROTATOR, ROTATOR_PASSWORD, SLOT_A, SLOT_B, make_ready
from support.postgres_proxy import PostgresSpeech
from support.postgres_server import PostgresServer, flavours
from support.ware import Enabled, Failed, Stock

_SETTINGS = {"log_line_prefix": "%m [%p] %h %u@%d ", "max_connections": "60", "log_statement": "none",
             "log_disconnections": "off", "authentication_timeout": "2s"}  # fmt: skip  # Watch lasts at least as long
_ROLES = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'orders%' ORDER BY 1"
_TEMPLATE = "postgresql://{username}:{password}@{host}:{port}/{database}"
_DATABASE = "shop"


class PostgresWare:
    """A server of its own."""

    field: ClassVar[str] = "postgres"
    changes: ClassVar[re.Pattern[str]] = re.compile(r"keyturn\.(ensure|enable|disable|retire|terminate)")
    program: ClassVar[Sequence[str]] = KEYTURN

    def __init__(self, kill: Callable[[], None], network: int) -> None:
        self._server = PostgresServer(flavours()["18"], _SETTINGS)
        self._pods_in_log = f" 127.{network}."
        self.proxy = BackendProxy({"": self._server.port}, PostgresSpeech, kill)

    def start(self, plan: str) -> None:
        self._server.start()
        self._server.hba("host all all 127.0.0.0/8 scram-sha-256")
        make_ready(self._server, "Functions", plan=plan)

    def stop(self) -> None:
        self._server.stop()

    @property
    def port(self) -> int:
        return self._server.port

    def stock(self) -> Stock:
        (port,) = self.proxy.ports.values()
        endpoint = {"name": "primary", "host": "127.0.0.1", "port": port}
        place = {"host": "127.0.0.1", "port": str(port)}
        first = {"username": CURRENT.id, "password": CURRENT.value.reveal_text(), "database": _DATABASE}
        return Stock(
            provider={"endpoints": [endpoint], "database": _DATABASE, "insecure": True},
            plan={"owner": OWNER, "slots": [SLOT_A, SLOT_B]},
            allow={"owners": [OWNER], "slots": ["orders_*"]},
            rotator={"user": ROTATOR, "password": ROTATOR_PASSWORD, **place},
            template=_TEMPLATE,
            url=_TEMPLATE.format(**first, **place),
            retire={"acceptBlindWatch": True},
        )

    async def log_in(self, host: str, port: int, login: SplitResult) -> _Session:
        try:
            return _Session(await psycopg.AsyncConnection.connect(
                host=host, port=port, user=login.username, password=login.password, dbname=login.path.strip("/"),
                connect_timeout=10, sslmode="disable", autocommit=True, application_name="orders-api",
            ))  # fmt: skip
        except psycopg.Error as error:
            raise Failed(str(error).strip().splitlines()[-1]) from None

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[Enabled]:
        try:
            async with await psycopg.AsyncConnection.connect(
                host="127.0.0.1", port=self._server.port, user="postgres", password=self._server.password,
                dbname="postgres", autocommit=True, sslmode="disable",
            ) as connection:  # fmt: skip

                async def enabled() -> list[str]:
                    return [name for (name,) in await (await connection.execute(_ROLES)).fetchall()]

                yield enabled
        except psycopg.Error as error:
            raise Failed(type(error).__name__) from None

    def refused(self) -> list[str]:
        """From the server's log; the operator's own come from 127.0.0.1."""
        lines = self._server.log_text().splitlines()
        return [line for line in lines if "FATAL" in line and self._pods_in_log in line]


class _Session:
    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def use(self) -> None:
        try:
            await self._connection.execute("SELECT what FROM orders.line")
        except psycopg.Error as error:
            raise Failed(type(error).__name__) from None

    async def close(self) -> None:
        await self._connection.close()
