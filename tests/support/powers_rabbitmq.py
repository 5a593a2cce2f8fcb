"""A thief with the credential of RabbitMQ's rotator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiormq
import httpx
from aiormq.exceptions import AMQPError

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential
from support.powers import BACKUP, FORGOTTEN, TAKEN, THEIR_PASSWORD, as_slot
from support.rabbitmq_plan import SLOT_A, Setting, dial, logs_in
from support.rabbitmq_server import ROOT, ROTATOR, ROTATOR_PASSWORD

_QUEUE, _ROW = "orders.new", "tea"
_ITSELF = Credential(ROTATOR, Sealed(ROTATOR_PASSWORD))
_LOOK = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
_REFUSED = {400, 401, 403, 404}  # 400 is what the management API answers where AMQP or a parameter's check refuses


class RabbitmqThief:
    """An administrator without a permission in any virtual host. The data is a letter in a queue."""

    name = ("RabbitMQ", "")

    def __init__(self, setting: Setting) -> None:
        self.setting = setting.but(known=(ROOT, BACKUP))
        self.server = setting.server
        self.server.put("queues", "/", _QUEUE, durable=True)
        self._letter()
        for name in (BACKUP, FORGOTTEN):
            self.server.put("users", name, password=THEIR_PASSWORD, tags="")
            self.server.put("permissions", "/", name, configure="", write="", read=".*")

    async def reads_as_itself(self) -> bool:
        copied = self._do("PUT", "vhosts", "thief") and self._do(
            "PUT", "parameters", "shovel", "thief", "steal",
            value={"src-uri": "amqp:///%2f", "src-queue": _QUEUE, "dest-uri": "amqp:///thief", "dest-queue": "loot"},
        )  # fmt: skip
        return bool(copied) or _ROW in str(self._taken()) or await self._reads(_ITSELF)

    async def destroys_as_itself(self) -> bool:
        return self._any(
            self._destroyed,
            ("DELETE", "queues", "/", _QUEUE, "contents"),
            ("DELETE", "queues", "/", _QUEUE),
            ("DELETE", "vhosts", "/"),
        )

    async def widens(self) -> bool:
        self._do("PUT", "permissions", "/", ROTATOR, configure=".*", write=".*", read=".*")
        return await self._reads(_ITSELF)

    async def reads_as_slot(self) -> bool:
        return await self._reads(await as_slot(self.setting.open(), SLOT_A))

    async def destroys_as_slot(self) -> bool:
        connection = await dial(self.server, await as_slot(self.setting.open(), SLOT_A))
        try:
            await (await connection.channel()).queue_delete(_QUEUE)
        finally:
            await connection.close()
        return self._destroyed()

    async def sees_hashes(self) -> bool:
        return self.server.get("users", BACKUP)["password_hash"] in str(self._do("GET", "users", BACKUP))

    async def takes_backup(self) -> bool:
        self._do("PUT", "users", BACKUP, password=TAKEN, tags="")
        return await logs_in(self.server, Credential(BACKUP, Sealed(TAKEN)))

    async def shuts_backup(self) -> bool:
        return await self._shuts(BACKUP)

    async def shuts_forgotten(self) -> bool:
        return await self._shuts(FORGOTTEN)

    async def _shuts(self, name: str) -> bool:
        self._do("PUT", "user-limits", name, "max-connections", value=0)
        return not await logs_in(self.server, Credential(name, Sealed(THEIR_PASSWORD)))

    async def rules(self) -> bool:
        self._do("PUT", "users", "boss", password=TAKEN, tags="administrator")
        with self._client("boss", TAKEN) as boss:
            return boss.put("users/another", json={"password": TAKEN, "tags": "administrator"}).is_success

    # ------------------------------------------------------------------------------------------------- inside

    def _do(self, method: str, *path: str, **body: object) -> Any:
        """As the rotator: what was answered; None if it may not. Any other answer is a mistake of this file."""
        with self._client(ROTATOR, ROTATOR_PASSWORD) as client:
            answer = client.request(method, "/".join(quote(part, safe="") for part in path), json=body or None)
        if answer.status_code in _REFUSED:
            return None
        answer.raise_for_status()
        return answer.text or "done"

    def _any(self, succeeded: Callable[[], bool], *ways: tuple[str, ...]) -> bool:
        for method, *path in ways:
            self._do(method, *path)
            if succeeded():
                return True
        return False

    def _client(self, user: str, password: str) -> httpx.Client:
        base = f"https://{self.server.host}:{self.server.api_port}/api/"
        return httpx.Client(base_url=base, auth=(user, password), verify=self.server.security, trust_env=False)

    def _letter(self) -> None:
        words = {"properties": {}, "routing_key": _QUEUE, "payload": _ROW, "payload_encoding": "string"}
        answer = self.server.api.post("exchanges/%2F/amq.default/publish", json=words)
        assert answer.json() == {"routed": True}

    def _taken(self) -> Any:
        return self._do("POST", "queues", "/", _QUEUE, "get", **_LOOK)

    async def _reads(self, credential: Credential) -> bool:
        try:
            connection = await dial(self.server, credential)
        except AMQPError:
            return False
        try:
            return await _letter_in(connection) == _ROW.encode()
        finally:
            await connection.close()

    def _destroyed(self) -> bool:
        answer = self.server.api.post(f"queues/%2F/{_QUEUE}/get", json=_LOOK)
        return _ROW not in answer.text


async def _letter_in(connection: aiormq.Connection) -> bytes:
    """It stays there: nothing is confirmed."""
    channel = await connection.channel()
    return (await channel.basic_get(_QUEUE)).body
