"""What the provider contract needs of any backend: a provider, a credential that works, and other people."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

import psycopg
import pymysql
import redis

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Provider
from keyturn.providers.postgres.connections import OwnSessions
from keyturn.providers.rabbitmq.controls import Controls
from keyturn.providers.redis.refusals import Refusals
from keyturn.providers.role_accounts.connections import OwnThreads
from support import mariadb_plan, rabbitmq_plan, redis_plan
from support.memory_backend import MemoryBackend, Role
from support.memory_issuer import MemoryIssuer
from support.memory_provider import MemoryProvider
from support.postgres_plan import CURRENT, ROTATOR, SLOT_A, SLOT_B, Setting, WallClock
from support.switchboard import Switchboard

SNEAKY = Credential("sneaky", Sealed("password-of-a-stranger"))


class Rig(Protocol):
    """One backend under the contract."""

    provider: Provider
    current: Credential
    version: str  # of the server, as it says itself
    free: str  # the id next_id must name; "" where the backend does

    def now(self) -> datetime:
        """The operator's clock."""
        ...

    def wait(self, time: timedelta) -> None:
        """So much later, where time can be moved; what depends on it does not exist elsewhere."""
        ...

    def again(self) -> Provider:
        """The same plan's provider, opened anew, as after a restart of the operator."""
        ...

    async def admits(self, credential: Credential) -> bool:
        """Can somebody else log in with it?"""
        ...

    def somebody(self, credential: Credential) -> AbstractAsyncContextManager[None]:
        """Somebody else holds a session open."""
        ...

    def unplug(self) -> None:
        """The backend cannot be reached from now on."""
        ...

    def add_stranger(self) -> Credential:
        """A login nobody declared."""
        ...

    def remove_stranger(self) -> None:
        """It is gone again."""
        ...


class RealTime:
    """Servers that keep their own time, which nobody can move."""

    def now(self) -> datetime:
        return WallClock().now()

    def wait(self, time: timedelta) -> None:
        raise AssertionError(f"nobody can make {time} pass on this server")


class PostgresRig(RealTime):
    """A real server."""

    free = SLOT_B

    def __init__(self, setting: Setting) -> None:
        self.setting, self.version = setting, setting.server.version
        self.current = CURRENT
        self._own = OwnSessions()
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return self.setting.open(self._own)

    async def admits(self, credential: Credential) -> bool:
        try:
            self._login(credential).close()
        except psycopg.OperationalError:
            return False
        return True

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        session = self._login(credential, application_name="keyturn/control")  # a forged label helps nobody
        try:
            yield
        finally:
            session.close()

    def unplug(self) -> None:
        self.setting.server.halt()

    def add_stranger(self) -> Credential:
        server = self.setting.server
        server.sql(f"CREATE ROLE sneaky LOGIN PASSWORD '{SNEAKY.value.reveal_text()}'", "GRANT orders_owner TO sneaky")
        if self.setting.form == "CreateRole" and server.flavour.name != "15":
            server.sql(f"GRANT sneaky TO {ROTATOR} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        return SNEAKY

    def remove_stranger(self) -> None:
        self.setting.server.sql("DROP ROLE sneaky")

    def _login(self, credential: Credential, **options: str) -> psycopg.Connection:
        value = credential.value.reveal_text()
        return self.setting.server.connect(credential.id, value, self.setting.database, **options)


class RedisRig(RealTime):
    """A real server and its replica."""

    free = SLOT_B

    def __init__(self, setting: redis_plan.Setting) -> None:
        self.setting, self.version = setting, setting.pair.version
        self.current = redis_plan.CURRENT
        self._remembered = Refusals()
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return self.setting.open(self._remembered)

    async def admits(self, credential: Credential) -> bool:
        try:
            with self._login(credential) as client:
                client.ping()
        except redis.exceptions.AuthenticationError:
            return False
        return True

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        with self._login(credential, client_name="keyturn-forged") as client:  # a forged label helps nobody
            client.ping()
            yield

    def unplug(self) -> None:
        self.setting.pair.primary.halt()

    def add_stranger(self) -> Credential:
        words = ("ACL", "SETUSER", SNEAKY.id, "on", f">{SNEAKY.value.reveal_text()}", "~orders:secret:*", "+get")
        self.setting.pair.everywhere(*words, "+ping", "+client|setname")
        return SNEAKY

    def remove_stranger(self) -> None:
        self.setting.pair.everywhere("ACL", "DELUSER", SNEAKY.id)

    def _login(self, credential: Credential, **options: str) -> redis.Redis:
        return self.setting.pair.primary.client(
            credential.id, credential.value.reveal_text(), single_connection_client=True, **options
        )


class MariadbRig(RealTime):
    """A real server, MariaDB or MySQL."""

    free = SLOT_B

    def __init__(self, setting: mariadb_plan.Setting) -> None:
        self.setting, self.version = setting, setting.server.version
        self.current = mariadb_plan.CURRENT
        self._own = OwnThreads()
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return self.setting.open(self._own)

    async def admits(self, credential: Credential) -> bool:
        try:
            self._login(credential).close()
        except pymysql.err.OperationalError:
            return False
        return True

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        session = self._login(credential, program_name="keyturn")  # a forged label helps nobody
        try:
            yield
        finally:
            session.close()

    def unplug(self) -> None:
        self.setting.server.halt()

    def add_stranger(self) -> Credential:
        name, value = SNEAKY.id, SNEAKY.value.reveal_text()
        server = self.setting.server
        server.sql(f"CREATE USER {name}@'%' IDENTIFIED BY '{value}'", f"GRANT SELECT ON shop.orders TO {name}@'%'")
        return SNEAKY

    def remove_stranger(self) -> None:
        self.setting.server.sql(f"DROP USER {SNEAKY.id}@'%'")

    def _login(self, credential: Credential, **options: str) -> pymysql.Connection:
        return self.setting.server.connect(credential.id, credential.value.reveal_text(), **options)


class RabbitmqRig(RealTime):
    """A real server."""

    free = SLOT_B

    def __init__(self, setting: rabbitmq_plan.Setting) -> None:
        self.setting, self.version = setting, setting.server.version
        self.current = rabbitmq_plan.CURRENT
        self._controls = Controls()
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return self.setting.open(self._controls)

    async def admits(self, credential: Credential) -> bool:
        return await rabbitmq_plan.logs_in(self.setting.server, credential)

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        async with rabbitmq_plan.session(self.setting.server, credential):
            yield

    def unplug(self) -> None:
        self.setting.server.halt()

    def add_stranger(self) -> Credential:
        server = self.setting.server
        server.put("users", SNEAKY.id, password=SNEAKY.value.reveal_text(), tags="")
        server.put("permissions", "/", SNEAKY.id, configure="", write="", read="^orders")
        return SNEAKY

    def remove_stranger(self) -> None:
        self.setting.server.drop("users", SNEAKY.id)


class MemoryRig(RealTime):
    """The backend of the world tests."""

    version = "the simulated world's"
    free = SLOT_B

    def __init__(self) -> None:
        self.backend = MemoryBackend(roles={SLOT_A: Role(CURRENT.value)})
        self.current = CURRENT
        self.provider: Provider = self.again()

    def again(self) -> Provider:
        return MemoryProvider(self.backend, (SLOT_A, SLOT_B), Switchboard())

    async def admits(self, credential: Credential) -> bool:
        number = self.backend.login(credential.id, credential.value, "10.9.9.9")
        if number is not None:
            self.backend.hang_up(number)
        return number is not None

    @asynccontextmanager
    async def somebody(self, credential: Credential) -> AsyncGenerator[None]:
        number = self.backend.login(credential.id, credential.value, "10.9.9.9")
        assert number is not None
        try:
            yield
        finally:
            self.backend.hang_up(number)

    def unplug(self) -> None:
        self.backend.down = True

    def add_stranger(self) -> Credential:
        self.backend.roles[SNEAKY.id] = Role(SNEAKY.value, declared=False)
        return SNEAKY

    def remove_stranger(self) -> None:
        del self.backend.roles[SNEAKY.id]


class MemoryIssuerRig(MemoryRig):
    """The same, where the backend names credentials and makes their values."""

    free = ""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 21, 12, tzinfo=UTC)
        super().__init__()

    def now(self) -> datetime:
        return self.time

    def wait(self, time: timedelta) -> None:
        self.time += time

    def again(self) -> Provider:
        return MemoryIssuer(self.backend, Switchboard(), self.now)
