"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter, ValidationError

from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import CLUSTER_ONLY, matches, require_allowed
from keyturn.providers.outside import Target, target
from keyturn.providers.server import mismatch, places
from keyturn.providers.webhook.kinds import WebhookCredentials, WebhookServer
from keyturn.providers.webhook.wire import Name

_NAME: Final = TypeAdapter[str](Name)
_SHORTEST_KEY: Final = 32  # bytes; a random key of 32 letters and digits has more than 128 bits


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go, and how both sides know each other."""

    target: Target
    key: Sealed


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan at one server, ready to use."""

    plan: str  # namespace/name
    owner: str
    slots: tuple[str, ...]
    server: Server
    known: tuple[str, ...]
    system: str  # as first seen by the plan; "" before that

    @property
    def users(self) -> tuple[str, ...]:
        """All credentials this plan may touch."""
        return (self.owner, *self.slots)

    def declared(self, name: str) -> bool:
        """Did the provider's owner say that this credential is meant to reach the data?"""
        return matches(name, self.known)


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    server, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(server, WebhookServer) or not isinstance(wanted, WebhookCredentials):
        raise mismatch("webhook")
    if record.kind != "ClusterCredentialProvider":  # admission refuses it too; an older one may be stored
        raise Misconfigured("WebhookNotAllowed", f"spec.webhook: {CLUSTER_ONLY}.")
    require_allowed("webhook", wanted.owner, wanted.slots, record.spec.allow)
    if len(wanted.principals) != len(wanted.slots) + 1:
        raise Misconfigured(
            "CredentialsRepeat", "spec.webhook.owner and spec.webhook.slots must be three different names."
        )
    words = AdminSecret(admin)
    words.admitted("webhook.endpoints", places(server.endpoints))
    for name in (wanted.owner, *wanted.slots):
        require_name(name)
    return Settings(
        plan=str(plan.key),
        owner=wanted.owner,
        slots=tuple(wanted.slots),
        server=_server(server, words),
        known=tuple(server.known),
        system=plan.status.system_id,
    )


def require_name(name: str) -> str:
    """One that can be sent: a Secret, above all, may hold any. Raises Misconfigured."""
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        raise Misconfigured(
            "NameNotSent", "A credential's name is not made of letters, digits and _ . : @ - alone: nothing was asked."
        ) from None


def _server(named: WebhookServer, words: AdminSecret) -> Server:
    return Server(target("webhook.url", named.url, words, loopback=named.insecure_loopback), _key(words))


def _key(words: AdminSecret) -> Sealed:
    key = Sealed(words.text("key"))  # without the newline that editors put at the end of files
    if len(key.reveal()) < _SHORTEST_KEY:
        raise words.unreadable(
            "key", f"a key of at least {_SHORTEST_KEY} characters: make one with openssl rand -hex 32"
        )
    return key
