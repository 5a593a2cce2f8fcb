"""A plan, a provider and an admin Secret for a real MariaDB or MySQL, and the server made ready as the docs tell to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymysql

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.mariadb.provider import DIALECT
from keyturn.providers.role_accounts.connections import OwnThreads
from keyturn.providers.role_accounts.dialect import Dialect
from keyturn.providers.role_accounts.provider import RoleAccountsProvider
from keyturn.providers.role_accounts.settings import read_settings
from support.mariadb_server import MariadbServer
from support.postgres_plan import op

PROVIDERS = Path(__file__).resolve().parents[2] / "docs" / "providers"
ROTATOR, ROTATOR_PASSWORD = "keyturn_rotator", "rotator-password-of-a-test"
OWNER, SLOT_A, SLOT_B = "orders_owner", "orders_a", "orders_b"
CURRENT = Credential(SLOT_A, Sealed("current-password-of-a-test"))


@dataclass(frozen=True)
class Setting:
    """One server as a plan sees it. Change a field with ``replace`` for bad input."""

    server: MariadbServer
    dialect: Dialect = DIALECT
    owner: str = OWNER
    slots: tuple[str, str] = (SLOT_A, SLOT_B)
    endpoints: tuple[dict[str, Any], ...] = ()
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    system: str = ""
    plan: str = "orders-db"

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        server = self.server
        endpoints = self.endpoints or ({"name": "primary", "host": server.host, "port": server.port},)
        field, admin = self.dialect.field, {"name": f"{self.dialect.field}-rotator"}
        spec = CredentialProviderSpec.model_validate({
            field: {"adminSecretRef": admin, "endpoints": list(endpoints), "database": "shop"},
            "allow": {"owners": [OWNER], "slots": ["orders_*"]},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": f"shop-{field}"}, field: {"owner": self.owner, "slots": list(self.slots)},
            "secret": {"name": "orders-db", "keys": {"URL": "mysql://{username}:{password}@{host}:{port}/{database}"}},
        })  # fmt: skip
        data = {"user": ROTATOR, "password": ROTATOR_PASSWORD, "host": server.host, "port": str(server.port),
                "ca.crt": server.authority.ca_pem.decode()} | dict(self.admin)  # fmt: skip
        secret = {name: Sealed(value) for name, value in data.items() if value}
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", f"shop-{field}"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", self.plan), "uid-plan", 1, "1", plan, PlanStatus(system_id=self.system)),
            SecretRecord(ObjectKey("shop", admin["name"]), "uid-secret", "1", secret, {}),
        )

    def open(self, own: OwnThreads | None = None) -> RoleAccountsProvider:
        return RoleAccountsProvider(read_settings(self.dialect, *self.records()), own or OwnThreads())

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def make_ready(server: MariadbServer, dialect: Dialect = DIALECT) -> Setting:
    """The shop's database, its role, one working account, and the rotator, on a swept server."""
    server.clean()
    server.sql(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.orders (id int PRIMARY KEY, what varchar(80))",
        f"CREATE ROLE {OWNER}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO {OWNER}",
        f"CREATE USER {SLOT_A}@'%' IDENTIFIED BY '{CURRENT.value.reveal_text()}'",
    )
    server.script(PROVIDERS / dialect.field / "procedures.sql")
    server.sql(
        f"CALL keyturn.admit('shop/orders-db', '{OWNER}', '{SLOT_A}', '{SLOT_B}', '%', '{ROTATOR}')",
        f"ALTER USER {ROTATOR}@'%' IDENTIFIED BY '{ROTATOR_PASSWORD}'",
    )
    return Setting(server, dialect)


async def made(provider: RoleAccountsProvider) -> Credential:
    """NEW, as the first steps of a rotation make it."""
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    await provider.ensure(op("Create"), new, SLOT_A)
    return new


def session(setting: Setting, credential: Credential) -> pymysql.Connection[Any]:
    """A consumer's."""
    return setting.server.connect(credential.id, credential.value.reveal_text(), database="shop")


async def problems(setting: Setting) -> set[str]:
    """Reasons why Preflight blocks."""
    return {problem.reason for problem in (await setting.open().preflight(CURRENT)).problems}
