"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import require_allowed
from keyturn.providers.mariadb.kinds import MariadbAccounts, MariadbServer
from keyturn.providers.server import ServerSettings, mismatch, read_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServerSettings):
    """One plan on one server, ready to use."""

    database: str


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(server, MariadbServer) or not isinstance(wanted, MariadbAccounts):
        raise mismatch("mariadb")
    words = AdminSecret(admin)
    if words.text("user") in wanted.principals:
        raise Misconfigured(
            "RotatorAsAccount", "spec.mariadb names the rotator itself, which cannot rotate its own login: use others."
        )
    if len(wanted.principals) != len(wanted.slots) + 1:
        raise Misconfigured("AccountsRepeat", "spec.mariadb.owner and slots must be three different names.")
    require_allowed("mariadb", wanted.owner, wanted.slots, record.spec.allow)
    return Settings(
        **read_server("mariadb", server, wanted, plan, words, 3306).shared,
        database=server.database,
    )
