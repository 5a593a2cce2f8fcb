"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import matches, require_allowed, require_users_apart
from keyturn.providers.rabbitmq.kinds import RabbitmqServer, RabbitmqUsers
from keyturn.providers.server import ServerSettings, mismatch, read_server

_LONGEST_PLAN: Final = 200  # a user's tag is an atom of at most 255 characters, and says the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(ServerSettings):
    """One plan on one system, ready to use. ``admin`` is where the management API answers."""

    vhost: str
    known: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Without TLS."""
        return self.insecure and not self.authority

    def declared(self, user: str) -> bool:
        """Did the provider's owner say that this user is meant to reach the data?"""
        return matches(user, self.known)


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(server, RabbitmqServer) or not isinstance(wanted, RabbitmqUsers):
        raise mismatch("rabbitmq")
    words = AdminSecret(admin)
    require_users_apart("rabbitmq", wanted, words.text("user"), "guest")
    if len(str(plan.key)) > _LONGEST_PLAN:
        raise Misconfigured("NameTooLong", "Namespace and name of the plan are too long for a user's tag: shorten it.")
    require_allowed("rabbitmq", wanted.owner, wanted.slots, record.spec.allow)
    return Settings(
        **read_server("rabbitmq", server, wanted, plan, words, 15671).shared,
        vhost=server.vhost,
        known=tuple(server.known),
    )
