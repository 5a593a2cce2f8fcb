"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server.

The admin Secret names where the rotator's credential may be sent; a provider can only repeat those hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from keyturn.api.kinds import Allow, PostgresPlan, PostgresProvider
from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Endpoint, Misconfigured, PlanRecord, ProviderRecord, SecretRecord

LONGEST_NAME = 63  # bytes: NAMEDATALEN - 1 of every stock build


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
    authority: bytes  # PEM; empty only if insecure
    endpoints: tuple[Endpoint, ...]
    functions: bool
    acknowledged_15: bool
    insecure: bool
    system: str  # as first seen by the plan; "" before that

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles this plan may touch."""
        return (self.owner, *self.slots)

    @property
    def nodes(self) -> tuple[Endpoint, ...]:
        """Every server that is asked for sessions, each once."""
        by_address = {(node.host, node.port): node for node in (self.admin, *self.endpoints)}
        return tuple(by_address.values())


def _text(admin: SecretRecord, key: str, *, needed: bool = True) -> str:
    value = admin.data.get(key)
    if value is None or not value.reveal().strip():
        if not needed:
            return ""
        raise Misconfigured("AdminSecretIncomplete", f"The admin Secret {admin.key} has no {key!r}: add that key.")
    try:
        return value.reveal_text().strip()
    except Unsuitable:
        raise Misconfigured("AdminSecretUnreadable", f"{key!r} of the admin Secret {admin.key} is not UTF-8.") from None


def _admin_endpoint(admin: SecretRecord) -> Endpoint:
    port = _text(admin, "port", needed=False) or "5432"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise Misconfigured("AdminSecretUnreadable", f"'port' of the admin Secret {admin.key} is not a port number.")
    host = _text(admin, "host")
    if "," in host or host.startswith(("/", "@")):
        raise Misconfigured("AdminSecretUnreadable", f"'host' of the admin Secret {admin.key} must be one host name.")
    return Endpoint("admin", host, int(port))


def _endpoints(provider: PostgresProvider, admin: SecretRecord, own: Endpoint) -> tuple[Endpoint, ...]:
    extra = _text(admin, "hosts", needed=False).split(",")
    allowed = {own.host.lower(), *(host.strip().lower() for host in extra if host.strip())}
    for index, endpoint in enumerate(provider.endpoints):
        if endpoint.host.lower() not in allowed:
            raise Misconfigured(
                "HostNotAllowed",
                f"spec.postgres.endpoints[{index}].host is not a host that the admin Secret {admin.key} names: "
                "credentials "
                "go only where the Secret says. Add it to 'hosts' of that Secret, or correct the endpoint.",
            )
    return tuple(Endpoint(e.name, e.host, e.port) for e in provider.endpoints)


def _require_name(field: str, name: str) -> None:
    if not name or len(name.encode()) > LONGEST_NAME:
        raise Misconfigured(
            "NameTooLong", f"{field}: PostgreSQL cuts role names at {LONGEST_NAME} bytes; use a shorter one."
        )
    if name.startswith("pg_") or name in {"public", "none"} or "\x00" in name:
        raise Misconfigured("NameReserved", f"{field}: PostgreSQL reserves this name; use another one.")


def _require_allowed(plan: PostgresPlan, allow: Allow) -> None:
    if plan.owner not in allow.owners:
        raise Misconfigured(
            "OwnerNotAllowed",
            f"spec.postgres.owner {plan.owner!r} is not in the provider's allow.owners: add it there.",
        )
    for index, slot in enumerate(plan.slots):
        if not any(fnmatchcase(slot, _literal(pattern)) for pattern in allow.slots):
            raise Misconfigured(
                "SlotNotAllowed",
                f"spec.postgres.slots[{index}] {slot!r} matches no pattern of the provider's allow.slots: add one "
                "there.",
            )


def _literal(pattern: str) -> str:
    """Only a trailing star is a pattern; the other signs of fnmatch are names' own."""
    stem, star = (pattern[:-1], "*") if pattern.endswith("*") else (pattern, "")
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in stem) + star


def _require_roles(plan: PostgresPlan, user: str) -> None:
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
    provider, wanted = record.spec.postgres, plan.spec.postgres
    if provider is None or wanted is None:
        raise Misconfigured(
            "BackendMismatch", "Plan and provider must both have spec.postgres: one names another backend."
        )
    user = _text(admin, "user")
    own = _admin_endpoint(admin)
    _require_roles(wanted, user)
    _require_allowed(wanted, record.spec.allow)
    password = admin.data.get("password")
    if password is None or not password.reveal().strip():
        raise Misconfigured("AdminSecretIncomplete", f"The admin Secret {admin.key} has no 'password': add that key.")
    return Settings(
        plan=str(plan.key),
        owner=wanted.owner,
        slots=tuple(wanted.slots),
        database=provider.database,
        admin=own,
        user=user,
        password=password,
        authority=_text(admin, "ca.crt", needed=not provider.insecure).encode(),
        endpoints=_endpoints(provider, admin, own),
        functions=provider.rotator == "Functions",
        acknowledged_15=provider.acknowledge_create_role_on_15,
        insecure=provider.insecure,
        system=plan.status.system_id,
    )
