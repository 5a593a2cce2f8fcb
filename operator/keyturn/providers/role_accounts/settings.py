"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.api.backends import TakingTurns
from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import require_allowed
from keyturn.providers.role_accounts.dialect import Dialect
from keyturn.providers.role_accounts.kinds import SqlServer
from keyturn.providers.server import ServerSettings, mismatch, read_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServerSettings):
    """One plan on one server, ready to use."""

    dialect: Dialect
    database: str


def read_settings(dialect: Dialect, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted, field = record.spec.backend, plan.spec.backend, dialect.field
    fit = isinstance(server, dialect.backend.in_provider) and isinstance(wanted, dialect.backend.in_plan)
    if not fit or not isinstance(server, SqlServer) or not isinstance(wanted, TakingTurns):
        raise mismatch(field)
    words = AdminSecret(admin)
    if words.text("user") in wanted.principals:
        raise Misconfigured(
            "RotatorAsAccount", f"spec.{field} names the rotator itself, which cannot rotate its own login: use others."
        )
    if len(wanted.principals) != len(wanted.slots) + 1:
        raise Misconfigured("AccountsRepeat", f"spec.{field}.owner and slots must be three different names.")
    require_allowed(field, wanted.owner, wanted.slots, record.spec.allow)
    return Settings(
        **read_server(field, server, wanted, plan, words, 3306).shared,
        dialect=dialect,
        database=server.database,
    )
