"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.ports import Endpoint, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import matches, require_allowed, require_users_apart
from keyturn.providers.redis.kinds import RedisServer, RedisUsers
from keyturn.providers.server import ServerSettings, each_once, mismatch, places, read_server


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServerSettings):
    """One plan on one system, ready to use. ``admin`` is the server that takes writes."""

    database: int
    others: tuple[Endpoint, ...]  # every other server that keeps users
    known: tuple[str, ...]

    @property
    def nodes(self) -> tuple[Endpoint, ...]:
        """Every server that keeps users, each once; the one that takes writes comes first."""
        return each_once((self.admin, *self.endpoints, *self.others))

    def declared(self, user: str) -> bool:
        """Did the provider's owner say that this user is meant to reach the data?"""
        return matches(user, self.known)


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(server, RedisServer) or not isinstance(wanted, RedisUsers):
        raise mismatch("redis")
    words = AdminSecret(admin)
    require_users_apart("redis", wanted, words.text("user"), "default")
    require_allowed("redis", wanted.owner, wanted.slots, record.spec.allow)
    return Settings(
        **read_server("redis", server, wanted, plan, words, 6379).shared,
        database=server.database,
        others=words.admitted("redis.nodes", places(server.nodes)),
        known=tuple(server.known),
    )
