"""PostgreSQL's part: roles that take turns, and the server's own log, the highest judge of the demo."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn_dev.demo.credentials import Authority
from keyturn_dev.demo.database import Database
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import SHOP, Consumer, Part, Passwords
from keyturn_dev.demo.roles import DATABASE, roles_sql, rotator_sql

HOST = f"postgres.{SHOP}.svc"


def _server(kubectl: Kubectl, _passwords: Passwords) -> Database:
    return Database(kubectl, SHOP)


def _secrets(passwords: Passwords, authority: Authority) -> Mapping[str, Mapping[str, str]]:
    """The server's certificate, its roles and first SQL, and the Secrets that name its credentials."""
    return {
        "postgres-tls": authority.issue(HOST, f"{HOST}.cluster.local"),
        "postgres-init": {"roles.sql": roles_sql(passwords), "rotator.sql": rotator_sql()},
        "postgres-rotator": admin_secret(passwords, authority),
        "orders-db": {
            "DATABASE_URL": f"postgresql://orders_a:{passwords.current}@{HOST}:5432/{DATABASE}?sslmode=require"
        },
    }


def admin_secret(passwords: Passwords, authority: Authority, host: str = HOST) -> dict[str, str]:
    """What the provider's admin Secret holds: a credential, and where it may be sent."""
    return {
        "user": "keyturn_rotator",
        "password": passwords.rotator,
        "host": host,
        "port": "5432",
        "database": DATABASE,
        "ca.crt": authority.pem,
    }


POSTGRES = Part(
    name="postgres",
    title="PostgreSQL",
    plan="orders-db",
    key="DATABASE_URL",
    slots=("orders_a", "orders_b"),
    consumers=(Consumer("orders-api"), Consumer("orders-worker", reloads=True), Consumer("orders-cache")),
    decoy="orders-report",
    server=_server,
    secrets=_secrets,
)
