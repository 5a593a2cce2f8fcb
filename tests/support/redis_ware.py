"""Redis for a shop of the fault tests: a primary and its replica, which keep users each for itself."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import SplitResult

from redis import exceptions
from redis.asyncio.connection import Connection

from support.backend_proxy import BackendProxy
from support.operator_process import KEYTURN
from support.redis_plan import CURRENT, OWNER, SLOT_A, SLOT_B, make_ready
from support.redis_proxy import RedisSpeech
from support.redis_server import REPLICA, ROOT, ROOT_PASSWORD, ROTATOR, ROTATOR_PASSWORD, RedisPair
from support.ware import Enabled, Failed, Stock

_TEMPLATE = "redis://{username}:{password}@{host}:{port}/{database}"
_PATIENCE = 10.0  # seconds that an application waits for its backend
_DOORS = ("", " at replica")
_BROKEN = (exceptions.RedisError, OSError, TimeoutError)


class RedisWare:
    """A pair of servers of its own."""

    field: ClassVar[str] = "redis"
    changes: ClassVar[re.Pattern[str]] = re.compile(r"ACL (SETUSER|SAVE)|CLIENT KILL")
    program: ClassVar[Sequence[str]] = KEYTURN

    def __init__(self, kill: Callable[[], None], network: int) -> None:
        self._pair = RedisPair(plain=True)
        self._pods = f"127.{network}."
        self._refused: dict[str, None] = {}  # what was seen in a log that forgets
        ports = [server.plain_port for server in self._pair.both]
        self.proxy = BackendProxy(dict(zip(_DOORS, ports, strict=True)), RedisSpeech, kill)

    def start(self, plan: str) -> None:
        _ = plan  # the first rotation tags the users
        self._pair.start()
        make_ready(self._pair)

    def stop(self) -> None:
        self._pair.stop()

    @property
    def port(self) -> int:
        return self._pair.primary.plain_port

    def stock(self) -> Stock:
        primary, replica = ({"host": "127.0.0.1", "port": self.proxy.ports[door]} for door in _DOORS)
        place = {"host": "127.0.0.1", "port": str(primary["port"])}
        first = {"username": CURRENT.id, "password": CURRENT.value.reveal_text(), "database": 0}
        return Stock(
            provider={"endpoints": [{"name": "primary", **primary}], "nodes": [{"name": "replica", **replica}],
                      "known": [ROOT, REPLICA], "insecure": True},
            plan={"owner": OWNER, "slots": [SLOT_A, SLOT_B]},
            allow={"owners": [OWNER], "slots": ["orders_*"]},
            rotator={"user": ROTATOR, "password": ROTATOR_PASSWORD, **place},
            template=_TEMPLATE,
            url=_TEMPLATE.format(**first, **place),
        )  # fmt: skip

    async def log_in(self, host: str, port: int, login: SplitResult) -> _Session:
        session = _Session(_connection(host, port, login.username or "", login.password or ""))
        try:
            await session.open()
        except Failed:
            await session.close()
            raise
        return session

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[Enabled]:
        sessions = [
            _Session(_connection("127.0.0.1", server.plain_port, ROOT, ROOT_PASSWORD)) for server in self._pair.both
        ]
        try:
            for session in sessions:
                await session.open()

            async def enabled() -> list[str]:
                for session in sessions:
                    self._note(await session.ask("ACL", "LOG"))
                return _open_ones([await session.ask("ACL", "LIST") for session in sessions])

            yield enabled
        finally:
            for session in sessions:
                await session.close()

    def refused(self) -> list[str]:
        """The log names one caller of a minute, so it is read at every look; pods tell their own view besides."""
        return list(self._refused)

    def _note(self, entries: list[Any]) -> None:
        for entry in entries:
            told = dict(zip(entry[::2], entry[1::2], strict=True))
            caller = re.search(r"\baddr=(\S+)", told["client-info"])
            if told["reason"] == "auth" and caller and caller[1].startswith(self._pods):
                self._refused[f"{told['username']} from {caller[1]}"] = None


class _Session:
    """One connection. Everything raises Failed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._connection.connect()
        except _BROKEN as error:
            raise Failed(type(error).__name__) from None

    async def ask(self, *words: str) -> Any:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._connection.send_command(*words)
                return await self._connection.read_response()
        except _BROKEN as error:
            raise Failed(type(error).__name__) from None

    async def use(self) -> None:
        await self.ask("SET", "orders:line", "one")

    async def close(self) -> None:
        await self._connection.disconnect(nowait=True)


def _connection(host: str, port: int, user: str, password: str) -> Connection:
    return Connection(
        host=host, port=port, username=user, password=password, protocol=2, decode_responses=True, driver_info=None,
        socket_timeout=None,  # the driver's own limit swallows cancellations: a pod would never end
    )  # fmt: skip


def _open_ones(lists: list[list[str]]) -> list[str]:
    """Users of the plan that are on; all servers should agree, and where they do not it is said."""
    found = [{line.split()[1] for line in lines if line.split()[2] == "on"} for lines in lists]
    anywhere, everywhere = set[str]().union(*found), found[0].intersection(*found)
    ours = sorted(name for name in anywhere if name.startswith(OWNER))
    return [name if name in everywhere else f"{name} (not on every server)" for name in ours]
