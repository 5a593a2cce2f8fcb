"""A plan, a provider and an admin Secret for a real MariaDB, and the server made ready for them as the docs tell to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.mariadb.connections import OwnThreads
from keyturn.providers.mariadb.provider import MariadbProvider
from keyturn.providers.mariadb.settings import read_settings
from support.mariadb_server import MariadbServer

PROCEDURES = Path(__file__).resolve().parents[2] / "docs" / "providers" / "mariadb" / "procedures.sql"
ROTATOR, ROTATOR_PASSWORD = "keyturn_rotator", "rotator-password-of-a-test"
OWNER, SLOT_A, SLOT_B = "orders_owner", "orders_a", "orders_b"
CURRENT = Credential(SLOT_A, Sealed("current-password-of-a-test"))


@dataclass(frozen=True)
class Setting:
    """One server as a plan sees it. Change a field with ``replace`` for bad input."""

    server: MariadbServer
    owner: str = OWNER
    slots: tuple[str, str] = (SLOT_A, SLOT_B)
    endpoints: tuple[dict[str, Any], ...] = ()
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    system: str = ""
    plan: str = "orders-db"

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        server = self.server
        endpoints = self.endpoints or ({"name": "primary", "host": server.host, "port": server.port},)
        admin = {"name": "mariadb-rotator"}
        spec = CredentialProviderSpec.model_validate({
            "mariadb": {"adminSecretRef": admin, "endpoints": list(endpoints), "database": "shop"},
            "allow": {"owners": [OWNER], "slots": ["orders_*"]},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": "shop-mariadb"}, "mariadb": {"owner": self.owner, "slots": list(self.slots)},
            "secret": {"name": "orders-db", "keys": {"URL": "mysql://{username}:{password}@{host}:{port}/{database}"}},
        })  # fmt: skip
        data = {"user": ROTATOR, "password": ROTATOR_PASSWORD, "host": server.host, "port": str(server.port),
                "ca.crt": server.authority.ca_pem.decode()} | dict(self.admin)  # fmt: skip
        secret = {name: Sealed(value) for name, value in data.items() if value}
        return (
            ProviderRecord("CredentialProvider", ObjectKey("shop", "shop-mariadb"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey("shop", self.plan), "uid-plan", 1, "1", plan, PlanStatus(system_id=self.system)),
            SecretRecord(ObjectKey("shop", "mariadb-rotator"), "uid-secret", "1", secret, {}),
        )

    def open(self, own: OwnThreads | None = None) -> MariadbProvider:
        return MariadbProvider(read_settings(*self.records()), own or OwnThreads())

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def make_ready(server: MariadbServer) -> Setting:
    """The shop's database, its role, one working account, and the rotator, on a swept server."""
    server.clean()
    server.sql(
        "CREATE DATABASE shop",
        "CREATE TABLE shop.orders (id int PRIMARY KEY, what varchar(80))",
        f"CREATE ROLE {OWNER}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO {OWNER}",
        f"CREATE USER {SLOT_A}@'%' IDENTIFIED BY '{CURRENT.value.reveal_text()}'",
    )
    server.script(PROCEDURES)
    server.sql(
        f"CALL keyturn.admit('shop/orders-db', '{OWNER}', '{SLOT_A}', '{SLOT_B}', '%', '{ROTATOR}')",
        f"SET PASSWORD FOR {ROTATOR}@'%' = PASSWORD('{ROTATOR_PASSWORD}')",
    )
    return Setting(server)
