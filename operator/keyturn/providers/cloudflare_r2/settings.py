"""What a plan, its provider and the admin Secret say, checked against each other. Touches no server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import matches
from keyturn.providers.cloudflare_api import Account, place, read_account
from keyturn.providers.cloudflare_r2.kinds import DISABLE_DELAY, R2Account, R2Bucket
from keyturn.providers.cloudflare_r2.rights import Rights, baseline, bucket_key


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan on one account, ready to use."""

    plan: str  # namespace/name
    current: str  # id of the token that the plan last knew to serve; "" before adoption
    account: Account
    jurisdiction: str
    bucket: str
    s3: str  # URL of the endpoint
    canary: str
    baseline: Rights  # what a token gets when nothing of the old one's may be trusted
    known: tuple[str, ...]
    disable_delay: timedelta
    system: str  # as first seen by the plan; "" before that

    @property
    def resource(self) -> str:
        """The bucket, as policies name it."""
        return bucket_key(self.account.id, self.jurisdiction, self.bucket)

    @property
    def name(self) -> str:
        """Of the system."""
        return f"cloudflare-r2/{self.account.id}/{self.jurisdiction}/{self.bucket}"

    def declared(self, id_: str, name: str) -> bool:
        """Did the provider's owner say that this token is meant to reach the bucket?"""
        return matches(id_, self.known) or matches(name, self.known)


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    home, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(home, R2Account) or not isinstance(wanted, R2Bucket):
        raise Misconfigured(
            "BackendMismatch", "Plan and provider must both have spec.cloudflareR2: one names another backend."
        )
    words = AdminSecret(admin)
    account = read_account(words, home.account, "cloudflareR2")
    if wanted.bucket not in record.spec.allow.owners:
        raise Misconfigured(
            "OwnerNotAllowed",
            f"spec.cloudflareR2.bucket {wanted.bucket!r} is not in the provider's allow.owners: add it there.",
        )
    if home.disable_delay < DISABLE_DELAY:
        raise Misconfigured(
            "DelayTooShort", "spec.cloudflareR2.disableDelay is shorter than the 61 minutes that were seen: write more."
        )
    resource = bucket_key(account.id, home.jurisdiction, wanted.bucket)
    return Settings(
        plan=str(plan.key),
        current=plan.status.current_id,
        account=account,
        jurisdiction=home.jurisdiction,
        bucket=wanted.bucket,
        s3=place("s3", words.text("s3", needed=False) or f"https://{home.host}", words),
        canary=wanted.canary,
        baseline=baseline(resource, home.permission_groups, home.addresses),
        known=tuple(home.known),
        disable_delay=home.disable_delay,
        system=plan.status.system_id,
    )
