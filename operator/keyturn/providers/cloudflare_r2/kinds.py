"""What plans and providers say of R2, and what it can do. It touches no server."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import Backend, PlanHalf, ProviderHalf
from keyturn.api.base import Duration, Ref
from keyturn.api.rules import Rule, distinct, ruled
from keyturn.core.rendering import Place
from keyturn.ports import Capabilities

DISABLE_DELAY: Final = timedelta(minutes=61)
"""From the deletion of a key pair to the first refusals on 21 March 2025, and it was gradual from there.
Source: https://blog.cloudflare.com/cloudflare-incident-march-21-2025/
"""
HOST: Final = "r2.cloudflarestorage.com"
READ, WRITE = "6a018a9f2fc74eb6b293b0c548f38b39", "2efd5506f9c8494dacb1fa10a3e7d5b6"
"""Workers R2 Storage Bucket Item Read and Write, as https://developers.cloudflare.com/r2/api/tokens/ shows them."""

ACCOUNT = Rule("self.matches('^[0-9a-f]{32}$')", "write the account id: 32 hexadecimal digits")
BUCKET = Rule(
    "self.matches('^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$')",
    "write the name of a bucket: lower case letters, digits and -",
)
CANARY = Rule(
    "self.matches('^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$')", "write a key of letters, digits and . _ -, parts split by /"
)
NO_SOONER = Rule(
    "self.matches('^((6[1-9]|[7-9][0-9]|[1-9][0-9]{2,})m|([2-9]|[1-9][0-9]+)h.*|1h([1-9]|[1-5][0-9])m.*|[1-9][0-9]*d.*)$')",
    "a deleted key pair was seen to work for 61 minutes; write that or more, like 61m, 90m, 2h or 1d",
)
GROUPS = Rule("self.all(g, g.matches('^[0-9a-f]{32}$'))", "write ids of permission groups: 32 hexadecimal digits")

AccountId = Annotated[str, Field(min_length=32, max_length=32, json_schema_extra=ruled(ACCOUNT))]
Known = Annotated[str, Field(min_length=1, max_length=120)]
Group = Annotated[str, Field(min_length=32, max_length=32)]
Network = Annotated[str, Field(min_length=1, max_length=43)]


class R2Account(ProviderHalf):
    """An account of Cloudflare's, one jurisdiction of its R2, and how the rotator reaches them."""

    admin_secret_ref: Ref = Field(
        description="Secret with account and token: an account API token. A credential names where it may be sent.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    account: AccountId = Field(description="The account's id; must be the one that the admin Secret names.")
    jurisdiction: Literal["default", "eu", "fedramp"] = Field(
        default="default", description="Of the buckets; each jurisdiction has an endpoint of its own."
    )
    permission_groups: list[Group] = Field(
        default_factory=lambda: [READ, WRITE],
        min_length=1,
        max_length=16,
        description="Ids of the permission groups that a token for a compromised one gets; else it gets those of the "
        "token it replaces. Default: read and write the bucket's objects.",
        json_schema_extra=distinct(GROUPS),
    )
    addresses: list[Network] = Field(
        default_factory=list[Network],
        max_length=64,
        description="Networks that such a token may be used from; none: from anywhere.",
        json_schema_extra=distinct(),
    )
    known: list[Known] = Field(
        default_factory=list[Known],
        max_length=64,
        description="Tokens that are meant to reach the bucket besides the plan's: ids or names, or patterns with a "
        "trailing *.",
        json_schema_extra=distinct(rules.TRAILING_STAR),
    )
    disable_delay: Duration = Field(
        default=DISABLE_DELAY,
        description="How long a disabled key pair may go on working somewhere; retire.watch must be twice as long.",
        json_schema_extra=ruled(rules.DURATION, NO_SOONER),
    )

    @property
    def admin_secret(self) -> str:
        """Name of the rotator's Secret."""
        return self.admin_secret_ref.name

    @property
    def host(self) -> str:
        """The documented endpoint. Source: https://developers.cloudflare.com/r2/reference/data-location/."""
        return f"{self.account}.{'' if self.jurisdiction == 'default' else f'{self.jurisdiction}.'}{HOST}"

    @property
    def place(self) -> Place:
        """The S3 endpoint. The bucket is the plan's, and stands in its templates as it is."""
        return Place(self.host, 443, self.jurisdiction)

    @property
    def where(self) -> str:
        """For people."""
        return f"R2 ({self.jurisdiction}) of account {self.account}"


class R2Bucket(PlanHalf):
    """One bucket, and what may count as proof for it."""

    bucket: str = Field(
        min_length=3,
        max_length=63,
        description="The bucket that the key pair is for.",
        json_schema_extra=ruled(BUCKET),
    )
    canary: str = Field(
        default="keyturn/canary",
        min_length=1,
        max_length=200,
        description="Objects are written and deleted below this key to try the write path.",
        json_schema_extra=ruled(CANARY),
    )

    @property
    def principals(self) -> frozenset[str]:
        """Two plans for one bucket would each find the other's token."""
        return frozenset({self.bucket})


CLOUDFLARE_R2 = Backend(
    "cloudflareR2",
    R2Account,
    "Buckets of Cloudflare R2.",
    R2Bucket,
    "A second account API token with the same policies.",
)

ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=True,  # not the endpoint: the rotator sees the token's status
    sees_refused_attempts=False,
    lists_sessions=False,
    sees_use=False,  # its date of the last use shows use, and never idleness
    reuses_ids=False,
    disable_delay=DISABLE_DELAY,
)
