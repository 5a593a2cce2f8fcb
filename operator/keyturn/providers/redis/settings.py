"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyturn.core.sealed import Sealed
from keyturn.ports import Endpoint, Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import matches, require_allowed
from keyturn.providers.redis.kinds import RedisEndpoint, RedisServer, RedisUsers


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan on one system, ready to use."""

    plan: str  # namespace/name
    owner: str
    slots: tuple[str, ...]
    database: int
    admin: Endpoint  # the server that takes writes
    user: str
    password: Sealed
    authority: str  # PEM; empty only if insecure
    endpoints: tuple[Endpoint, ...]
    others: tuple[Endpoint, ...]
    known: tuple[str, ...]
    insecure: bool
    system: str  # as first seen by the plan; "" before that

    @property
    def users(self) -> tuple[str, ...]:
        """All users this plan may touch."""
        return (self.owner, *self.slots)

    @property
    def nodes(self) -> tuple[Endpoint, ...]:
        """Every server that keeps users, each once; the one that takes writes comes first."""
        by_address = {(node.host, node.port): node for node in (self.admin, *self.endpoints, *self.others)}
        return tuple(by_address.values())

    def declared(self, user: str) -> bool:
        """Did the provider's owner say that this user is meant to reach the data?"""
        return matches(user, self.known)


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(server, RedisServer) or not isinstance(wanted, RedisUsers):
        raise Misconfigured(
            "BackendMismatch", "Plan and provider must both have spec.redis: one names another backend."
        )
    words = AdminSecret(admin)
    user, own = words.text("user"), words.endpoint(6379)
    _require_apart(wanted, user)
    require_allowed("redis", wanted.owner, wanted.slots, record.spec.allow)
    return Settings(
        plan=str(plan.key),
        owner=wanted.owner,
        slots=tuple(wanted.slots),
        database=server.database,
        admin=own,
        user=user,
        password=words.sealed("password"),
        authority=words.text("ca.crt", needed=not server.insecure),
        endpoints=words.admitted("redis.endpoints", _places(server.endpoints)),
        others=words.admitted("redis.nodes", _places(server.nodes)),
        known=tuple(server.known),
        insecure=server.insecure,
        system=plan.status.system_id,
    )


def _places(named: Sequence[RedisEndpoint]) -> list[Endpoint]:
    return [Endpoint(one.name, one.host, one.port) for one in named]


def _require_apart(plan: RedisUsers, rotator: str) -> None:
    for field, name in (("owner", plan.owner), *((f"slots[{i}]", slot) for i, slot in enumerate(plan.slots))):
        if name == rotator:
            raise Misconfigured(
                "RotatorAsUser",
                f"spec.redis.{field} is the rotator itself, which cannot rotate its own login: use another user.",
            )
        if name == "default":
            raise Misconfigured("NameReserved", f"spec.redis.{field}: default is the server's own; use another user.")
    if len(plan.principals) != len(plan.slots) + 1:
        raise Misconfigured("UsersRepeat", "spec.redis.owner and spec.redis.slots must be three different users.")
