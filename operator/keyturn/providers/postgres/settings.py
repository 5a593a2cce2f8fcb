"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server.

The admin Secret names where the rotator's credential may be sent; a provider can only repeat those hosts.
"""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import require_allowed
from keyturn.providers.postgres.kinds import PostgresRoles, PostgresServer
from keyturn.providers.server import ServerSettings, mismatch, read_server

LONGEST_NAME = 63  # bytes: NAMEDATALEN - 1 of every stock build


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServerSettings):
    """One plan on one server, ready to use."""

    database: str
    functions: bool
    acknowledged_15: bool


def _require_name(field: str, name: str) -> None:
    if not name or len(name.encode()) > LONGEST_NAME:
        raise Misconfigured(
            "NameTooLong", f"{field}: PostgreSQL cuts role names at {LONGEST_NAME} bytes; use a shorter one."
        )
    if name.startswith("pg_") or name in {"public", "none"} or "\x00" in name:
        raise Misconfigured("NameReserved", f"{field}: PostgreSQL reserves this name; use another one.")


def _require_roles(plan: PostgresRoles, user: str) -> None:
    named = [("spec.postgres.owner", plan.owner), *((f"spec.postgres.slots[{i}]", s) for i, s in enumerate(plan.slots))]
    for field, name in named:
        _require_name(field, name)
        if name == user:
            raise Misconfigured(
                "RotatorAsRole", f"{field} is the rotator itself, which cannot rotate its own login: use another role."
            )
    if len({plan.owner, *plan.slots}) != len(plan.slots) + 1:
        raise Misconfigured("RolesRepeat", "spec.postgres.owner and spec.postgres.slots must be three different roles.")


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(server, PostgresServer) or not isinstance(wanted, PostgresRoles):
        raise mismatch("postgres")
    words = AdminSecret(admin)
    _require_roles(wanted, words.text("user"))
    require_allowed("postgres", wanted.owner, wanted.slots, record.spec.allow)
    return Settings(
        **read_server("postgres", server, wanted, plan, words, 5432).shared,
        database=server.database,
        functions=server.rotator == "Functions",
        acknowledged_15=server.acknowledge_create_role_on_15,
    )
