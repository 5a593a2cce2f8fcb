"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from keyturn.ports import Endpoint, Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import matches
from keyturn.providers.cloudflare_access.kinds import AccessAccount, AccessToken
from keyturn.providers.cloudflare_api import Account, place, read_account


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan on one account, ready to use."""

    plan: str  # namespace/name
    current: str  # client id of the token that the plan last knew to serve; "" before adoption
    account: Account
    url: str  # of the protected app
    status: int
    contains: bytes
    policies: tuple[str, ...]
    known: tuple[str, ...]
    duration: str
    disable_delay: timedelta
    session: timedelta
    name: str  # of the system
    system: str  # as first seen by the plan; "" before that

    def declared(self, id_: str, name: str) -> bool:
        """Did the provider's owner say that this token is meant to be there?"""
        return matches(id_, self.known) or matches(name, self.known)


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    home, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(home, AccessAccount) or not isinstance(wanted, AccessToken):
        raise Misconfigured(
            "BackendMismatch", "Plan and provider must both have spec.cloudflareAccess: one names another backend."
        )
    words, app = AdminSecret(admin), home.app
    account = read_account(words, home.account, "cloudflareAccess")
    words.admitted("cloudflareAccess.app", [Endpoint("app", app.host, 443)])
    if wanted.client not in record.spec.allow.owners:
        raise Misconfigured(
            "OwnerNotAllowed",
            f"spec.cloudflareAccess.client {wanted.client!r} is not in the provider's allow.owners: add it there.",
        )
    base = place("app", words.text("app", needed=False) or f"https://{app.host}", words)
    return Settings(
        plan=str(plan.key),
        current=plan.status.current_id,
        account=account,
        url=base + app.path,
        status=app.status,
        contains=app.contains.encode(),
        policies=tuple(home.policies),
        known=tuple(home.known),
        duration=home.duration,
        disable_delay=home.disable_delay,
        session=home.session,
        name=f"cloudflare-access/{account.id}/{app.host}{app.path}",
        system=plan.status.system_id,
    )
