"""What a plan, its provider and the admin Secret say, checked against each other. Touches no service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.awsiam.kinds import AwsAccount, AwsUser, sts_host


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan on one account, ready to use."""

    plan: str  # namespace/name
    user: str
    account: str
    regions: tuple[str, ...]
    key_id: str  # the rotator's own
    secret: Sealed
    iam_url: str  # "": AWS' own for the partition of the first region
    sts_template: str  # with {region}; "": AWS' own
    lag: timedelta
    current: str  # the key that the plan has adopted; "" before that
    system: str  # as first seen by the plan; "" before that

    def sts_url(self, region: str) -> str:
        """Where STS of this region is asked."""
        return self.sts_template.replace("{region}", region) or f"https://{sts_host(region)}"


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    account, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(account, AwsAccount) or not isinstance(wanted, AwsUser):
        raise Misconfigured(
            "BackendMismatch", "Plan and provider must both have spec.awsIam: one names another backend."
        )
    if wanted.user not in record.spec.allow.owners:
        raise Misconfigured(
            "OwnerNotAllowed",
            f"spec.awsIam.user {wanted.user!r} is not in the provider's allow.owners: add it there.",
        )
    words = AdminSecret(admin)
    return Settings(
        plan=str(plan.key),
        user=wanted.user,
        account=account.account,
        regions=tuple(account.regions),
        key_id=words.text("accessKeyId"),
        secret=Sealed(words.text("secretAccessKey")),
        iam_url=_url(words, "iam.url", insecure=account.insecure),
        sts_template=_url(words, "sts.url", insecure=account.insecure),
        lag=account.usage_lag,
        current=plan.status.current_id,
        system=plan.status.system_id,
    )


def _url(words: AdminSecret, key: str, *, insecure: bool) -> str:
    """Raises Misconfigured unless it is a plain https URL, or there is none."""
    text = words.text(key, needed=False)
    if not text:
        return ""
    try:
        parts = urlsplit(text.replace("{region}", "region"))
        plain = bool(parts.hostname) and not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        plain, parts = False, urlsplit("")
    if not plain or parts.scheme not in ({"https", "http"} if insecure else {"https"}):
        raise Misconfigured(
            "AdminSecretUnreadable",
            f"{key!r} of the admin Secret {words.record.key} must be a URL like https://host:port, without user or "
            "query; without TLS only where the provider says insecure: true.",
        )
    return text
