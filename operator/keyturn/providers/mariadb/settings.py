"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.core.sealed import Sealed
from keyturn.ports import Endpoint, Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import require_allowed
from keyturn.providers.mariadb.kinds import MariadbAccounts, MariadbServer


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan on one server, ready to use."""

    plan: str  # namespace/name
    owner: str
    slots: tuple[str, ...]
    database: str
    admin: Endpoint
    user: str
    password: Sealed
    authority: str  # PEM; empty only if insecure
    endpoints: tuple[Endpoint, ...]
    insecure: bool
    system: str  # as first seen by the plan; "" before that

    @property
    def nodes(self) -> tuple[Endpoint, ...]:
        """Every server that is asked for sessions, each once."""
        by_address = {(node.host, node.port): node for node in (self.admin, *self.endpoints)}
        return tuple(by_address.values())


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(server, MariadbServer) or not isinstance(wanted, MariadbAccounts):
        raise Misconfigured(
            "BackendMismatch", "Plan and provider must both have spec.mariadb: one names another backend."
        )
    words = AdminSecret(admin)
    user, own = words.text("user"), words.endpoint(3306)
    if user in wanted.principals:
        raise Misconfigured(
            "RotatorAsAccount", "spec.mariadb names the rotator itself, which cannot rotate its own login: use others."
        )
    if len(wanted.principals) != len(wanted.slots) + 1:
        raise Misconfigured("AccountsRepeat", "spec.mariadb.owner and slots must be three different names.")
    require_allowed("mariadb", wanted.owner, wanted.slots, record.spec.allow)
    return Settings(
        plan=str(plan.key),
        owner=wanted.owner,
        slots=tuple(wanted.slots),
        database=server.database,
        admin=own,
        user=user,
        password=words.sealed("password"),
        authority=words.text("ca.crt", needed=not server.insecure),
        endpoints=words.admitted("mariadb.endpoints", [Endpoint(e.name, e.host, e.port) for e in server.endpoints]),
        insecure=server.insecure,
        system=plan.status.system_id,
    )
