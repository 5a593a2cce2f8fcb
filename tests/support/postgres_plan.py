"""A plan, a provider and an admin Secret for a real server, and the server made ready for them as the docs tell to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from keyturn.api.kinds import CredentialProviderSpec, PlanStatus, RotationPlanSpec
from keyturn.core.model import ObjectKey, Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, PlanRecord, Provider, ProviderRecord, SecretRecord
from keyturn.providers.postgres.connections import OwnSessions
from keyturn.providers.postgres.provider import PostgresProvider
from keyturn.providers.postgres.settings import read_settings
from support.postgres_server import PostgresServer, orders_database

SQL = Path(__file__).resolve().parents[2] / "docs" / "providers" / "postgres"
ROTATOR = "keyturn_rotator"
ROTATOR_PASSWORD = "rotator-password-of-a-test"
OWNER, SLOT_A, SLOT_B = "orders_owner", "orders_a", "orders_b"
CURRENT = Credential(SLOT_A, Sealed("current-password-of-a-test"))

OPENED: list[Provider] = []  # closed after each test: a provider keeps connections while it lives


def op(step: str = "Create", generation: int = 1, epoch: int = 1, rotation: str = "rotation-1") -> Op:
    return Op(rotation, generation, step, epoch)


class WallClock:
    """The time as it is: real servers have their own."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251


@dataclass(frozen=True)
class Setting:
    """One server in one rotator form, as a plan sees it. Change a field with ``replace`` for bad input."""

    server: PostgresServer
    form: str = "Functions"
    database: str = "shop"
    plan: str = "orders-db"
    owner: str = OWNER
    slots: tuple[str, str] = (SLOT_A, SLOT_B)
    owners_allowed: tuple[str, ...] = (OWNER,)
    slots_allowed: tuple[str, ...] = ("orders_*",)
    endpoints: tuple[dict[str, Any], ...] = ()
    admin: tuple[tuple[str, str], ...] = ()  # keys of the admin Secret to override; "" takes one away
    acknowledged: bool = True
    insecure: bool | None = None
    system: str = ""

    def records(self) -> tuple[ProviderRecord, PlanRecord, SecretRecord]:
        server = self.server
        endpoints = self.endpoints or ({"name": "primary", "host": server.host, "port": server.port},)
        insecure = not server.flavour.tls if self.insecure is None else self.insecure
        spec = CredentialProviderSpec.model_validate({
            "postgres": {
                "adminSecretRef": {"name": "postgres-rotator"}, "endpoints": list(endpoints),
                "database": self.database, "rotator": self.form, "insecure": insecure,
                "acknowledgeCreateRoleOn15": self.acknowledged,
            },
            "allow": {"owners": list(self.owners_allowed), "slots": list(self.slots_allowed)},
        })  # fmt: skip
        plan = RotationPlanSpec.model_validate({
            "providerRef": {"name": "shop-postgres"}, "postgres": {"owner": self.owner, "slots": list(self.slots)},
            "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}/{database}"}},
        })  # fmt: skip
        data = {"user": ROTATOR, "password": ROTATOR_PASSWORD, "host": server.host, "port": str(server.port),
                "ca.crt": server.authority.ca_pem.decode()} | dict(self.admin)  # fmt: skip
        if not server.flavour.tls and "ca.crt" not in dict(self.admin):
            del data["ca.crt"]
        secret = {name: Sealed(value) for name, value in data.items() if value}
        shop = "shop"
        return (
            ProviderRecord("CredentialProvider", ObjectKey(shop, "shop-postgres"), "uid-provider", 1, spec),
            PlanRecord(ObjectKey(shop, self.plan), "uid-plan", 1, "1", plan, PlanStatus(system_id=self.system)),
            SecretRecord(ObjectKey(shop, "postgres-rotator"), "uid-secret", "1", secret, {}),
        )

    def open(self, own: OwnSessions | None = None) -> PostgresProvider:
        provider = PostgresProvider(read_settings(*self.records()), own or OwnSessions(), WallClock())
        OPENED.append(provider)
        return provider

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def make_ready(server: PostgresServer, form: str, *, first: str = SLOT_A, plan: str = "shop/orders-db") -> Setting:
    """The shop's database, one working login (``first``), and the rotator in the given form, on a swept server."""
    sweep(server)
    orders_database(server)
    password = CURRENT.value.reveal_text()
    if first == OWNER:
        statements = (f"ALTER ROLE {OWNER} LOGIN PASSWORD '{password}'",)
    else:
        inherit = " WITH INHERIT TRUE, SET TRUE" if server.flavour.name != "15" else ""
        statements = (f"CREATE ROLE {first} LOGIN PASSWORD '{password}'", f"GRANT {OWNER} TO {first}{inherit}",
                      f"ALTER ROLE {first} SET role TO '{OWNER}'")  # fmt: skip
    server.sql(*statements)
    install(server, form, plan=plan)
    return Setting(server, form)


def install(server: PostgresServer, form: str, **names: str) -> None:
    """Run the documented SQL, then give the rotator its password."""
    roles = {"rotator": ROTATOR, "plan": "shop/orders-db", "owner": OWNER, "slot_a": SLOT_A, "slot_b": SLOT_B} | names
    if form == "Functions":
        server.script(SQL / "functions.sql", "shop", **roles)
    elif server.flavour.name == "15":
        server.script(SQL / "createrole-15.sql", "shop", rotator=ROTATOR)
    else:
        server.script(SQL / "createrole-16.sql", "shop", **roles)
    server.sql(f"ALTER ROLE {ROTATOR} PASSWORD '{ROTATOR_PASSWORD}'")


def sweep(server: PostgresServer) -> None:
    """Take away databases, roles and everything else an earlier test left; often, and so over one connection."""
    with server.connect() as connection:

        def rows(question: LiteralString) -> list[tuple[str, ...]]:
            return connection.execute(question).fetchall()

        def change(words: str) -> None:
            connection.execute(words.encode())

        for gid, database in rows("SELECT gid, database FROM pg_prepared_xacts"):
            server.sql(f"ROLLBACK PREPARED '{gid}'", database=database)
        for name, database in rows("SELECT subname, datname FROM pg_subscription, pg_database d WHERE d.oid = subdbid"):
            server.sql(f"DROP SUBSCRIPTION {name}", database=database)
        for (name,) in rows("SELECT datname FROM pg_database WHERE datname <> 'postgres' AND NOT datistemplate"):
            change(f'DROP DATABASE "{name}" WITH (FORCE)')
        change("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> 'postgres'")
        found = rows("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'")
        if found:
            roles = ", ".join(f'"{name}"' for (name,) in found)
            change(f"DROP OWNED BY {roles} CASCADE")
            change(f"DROP ROLE {roles}")


async def made(provider: PostgresProvider) -> Credential:
    """NEW, as the first steps of a rotation make it."""
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    await provider.ensure(op(), new, SLOT_A)
    return new


def session(setting: Setting, credential: Credential) -> psycopg.Connection[TupleRow]:
    """As a consumer would open it."""
    return setting.server.connect(credential.id, credential.value.reveal_text(), "shop")
