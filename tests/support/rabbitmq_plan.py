"""A plan, a provider and an admin Secret for a real RabbitMQ, and the server made ready as the docs tell to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiormq
from aiormq.exceptions import AMQPError
from yarl import URL

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.rabbitmq.controls import Controls
from keyturn.providers.rabbitmq.provider import RabbitmqProvider
from keyturn.providers.rabbitmq.settings import read_settings
from support.postgres_plan import OPENED, WallClock, op
from support.rabbitmq_server import ROOT, ROTATOR, ROTATOR_PASSWORD, RabbitmqServer

OWNER, SLOT_A, SLOT_B = "orders", "orders_a", "orders_b"
CURRENT = Credential(SLOT_A, Sealed("current-password-of-a-test"))
PERMISSION = {"configure": r"^orders\.", "write": r"^(orders\.|amq\.default$)", "read": r"^orders\."}
TOPIC = {"exchange": "orders.events", "write": r"^eu\.", "read": ".*"}


@dataclass(frozen=True)
class Setting:
    """One system as a plan sees it. Change a field with ``replace`` for bad input."""

    server: RabbitmqServer
    owner: str = OWNER
    slots: tuple[str, str] = (SLOT_A, SLOT_B)
    known: tuple[str, ...] = (ROOT,)
    vhost: str = "/"
    endpoints: tuple[dict[str, Any], ...] = ()
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    system: str = ""
    plan: str = "orders-queue"

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        server = self.server
        endpoints = self.endpoints or ({"name": "primary", "host": server.host, "port": server.port},)
        spec = CredentialProviderSpec.model_validate({
            "rabbitmq": {"adminSecretRef": {"name": "rabbitmq-rotator"}, "endpoints": list(endpoints),
                         "vhost": self.vhost, "known": list(self.known)},
            "allow": {"owners": [OWNER], "slots": ["orders_*"]},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": "shop-rabbitmq"}, "rabbitmq": {"owner": self.owner, "slots": list(self.slots)},
            "secret": {"name": "orders-queue", "keys": {"URL": "amqps://{username}:{password}@{host}:{port}/{database}"}},
        })  # fmt: skip
        data = {"user": ROTATOR, "password": ROTATOR_PASSWORD, "host": server.host, "port": str(server.api_port),
                "ca.crt": server.authority.ca_pem.decode()} | dict(self.admin)  # fmt: skip
        secret = {name: Sealed(value) for name, value in data.items() if value}
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "shop-rabbitmq"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", self.plan), "uid-plan", 1, "1", plan, PlanStatus(system_id=self.system)),
            SecretRecord(ObjectKey("shop", "rabbitmq-rotator"), "uid-secret", "1", secret, {}),
        )

    def open(self, controls: Controls | None = None) -> RabbitmqProvider:
        controls = controls or Controls()
        OPENED.append(controls)
        return RabbitmqProvider(read_settings(*self.records()), controls, WallClock())

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def make_ready(server: RabbitmqServer, *, first: str = SLOT_A) -> Setting:
    """The owner with its permissions, and one working login (``first``), on a swept server."""
    server.clean()
    server.put("users", OWNER, password_hash="", tags="")
    permit(server, OWNER)
    server.put("users", first, password=CURRENT.value.reveal_text(), tags="")
    if first != OWNER:
        permit(server, first)
    return Setting(server)


def permit(server: RabbitmqServer, user: str) -> None:
    """What consumers may do."""
    server.put("permissions", "/", user, **PERMISSION)
    server.put("topic-permissions", "/", user, **TOPIC)


async def dial(server: RabbitmqServer, credential: Credential, *, name: str = "keyturn-forged") -> aiormq.Connection:
    """As a consumer would log in; a forged label helps nobody. Raises AMQPError."""
    url = URL.build(
        scheme="amqps", host=server.host, port=server.port, user=credential.id, query={"name": name},
        password=credential.value.reveal_text(), path="/",
    )  # fmt: skip
    connection = aiormq.Connection(url, context=server.security)
    await connection.connect()
    return connection


@asynccontextmanager
async def session(server: RabbitmqServer, credential: Credential) -> AsyncGenerator[aiormq.Connection]:
    """Somebody else's."""
    connection = await dial(server, credential)
    try:
        yield connection
    finally:
        await connection.close()


async def logs_in(server: RabbitmqServer, credential: Credential) -> bool:
    try:
        async with session(server, credential):
            return True
    except AMQPError:
        return False


async def made(provider: RabbitmqProvider) -> Credential:
    """NEW, as the first steps of a rotation make it."""
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    await provider.ensure(op("Create"), new, SLOT_A)
    return new


async def problems(setting: Setting) -> set[str]:
    """Reasons why Preflight blocks."""
    return {problem.reason for problem in (await setting.open().preflight(CURRENT)).problems}
