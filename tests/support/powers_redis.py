"""A thief with the credential of Redis' rotator."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import redis

from support.powers import BACKUP, FORGOTTEN, TAKEN, THEIR_PASSWORD, as_slot
from support.redis_plan import SLOT_A, Setting
from support.redis_server import ROTATOR, ROTATOR_PASSWORD

_KEY, _VALUE = "orders:1", "tea"


class RedisThief:
    """On the primary: what he does on the replica is no different."""

    name = ("Redis", "")

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        setting.pair.primary.do("SET", _KEY, _VALUE)
        for name in (BACKUP, FORGOTTEN):
            setting.pair.everywhere("ACL", "SETUSER", name, "on", f">{THEIR_PASSWORD}", "~*", "+@read", "+ping")

    async def reads_as_itself(self) -> bool:
        return self._do("GET", _KEY) == _VALUE

    async def destroys_as_itself(self) -> bool:
        return self._any(self._destroyed, ("DEL", _KEY), ("FLUSHDB",), ("FLUSHALL",))

    async def widens(self) -> bool:
        self._do("ACL", "SETUSER", ROTATOR, "~*", "+@all")
        return await self.reads_as_itself()

    async def reads_as_slot(self) -> bool:
        made = await as_slot(self.setting.open(), SLOT_A)
        with self._client(made.id, made.value.reveal_text()) as client:
            return client.execute_command("GET", _KEY) == _VALUE

    async def destroys_as_slot(self) -> bool:
        made = await as_slot(self.setting.open(), SLOT_A)
        with self._client(made.id, made.value.reveal_text()) as client:
            client.execute_command("DEL", _KEY)
        return self._destroyed()

    async def sees_hashes(self) -> bool:
        return hashlib.sha256(THEIR_PASSWORD.encode()).hexdigest() in str(self._do("ACL", "LIST"))

    async def takes_backup(self) -> bool:
        return self._any(lambda: self._opens(BACKUP, TAKEN), ("ACL", "SETUSER", BACKUP, f">{TAKEN}"))

    async def shuts_backup(self) -> bool:
        return self._shuts(BACKUP)

    async def shuts_forgotten(self) -> bool:
        return self._shuts(FORGOTTEN)

    def _shuts(self, name: str) -> bool:
        return self._any(lambda: not self._opens(name, THEIR_PASSWORD), ("ACL", "SETUSER", name, "off"))

    async def rules(self) -> bool:
        self._do("ACL", "SETUSER", "boss", "on", f">{TAKEN}", "~*", "&*", "+@all")
        if not self._opens("boss", TAKEN):
            return False
        with self._client("boss", TAKEN) as client:
            return bool(client.execute_command("CONFIG", "SET", "appendonly", "no"))

    # ------------------------------------------------------------------------------------------------- inside

    def _do(self, *words: str) -> Any:
        """As the rotator; None if it may not. Any other error is a mistake of this file."""
        with self._client(ROTATOR, ROTATOR_PASSWORD) as client:
            try:
                return client.execute_command(*words)
            except redis.exceptions.NoPermissionError:
                return None

    def _any(self, succeeded: Callable[[], bool], *ways: tuple[str, ...]) -> bool:
        for way in ways:
            self._do(*way)
            if succeeded():
                return True
        return False

    def _client(self, user: str, password: str) -> redis.Redis:
        return self.setting.pair.primary.client(user, password, single_connection_client=True)

    def _opens(self, user: str, password: str) -> bool:
        try:
            with self._client(user, password) as client:
                client.ping()
        except redis.exceptions.AuthenticationError:
            return False
        return True

    def _destroyed(self) -> bool:
        return self.setting.pair.primary.do("GET", _KEY) != _VALUE
