"""What plans and providers say of AWS IAM, and what it can do. It touches no service and no driver."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import Backend, PlanHalf, ProviderHalf
from keyturn.api.base import PositiveDuration, Ref
from keyturn.api.rules import Rule, distinct, ruled
from keyturn.core.rendering import Place
from keyturn.ports import Capabilities
from keyturn.providers.awsiam.pace import AWS

ACCOUNT = Rule("self.matches('^[0-9]{12}$')", "write the account's number, twelve digits in quotes")
USER = Rule(
    "self.matches('^[A-Za-z0-9_+=,.@-]+$')",
    "write the name of an IAM user, without its path: letters, digits and _ + = , . @ -",
)
REGIONS = Rule(
    "self.all(r, r.matches('^[a-z]{2,4}(-[a-z]+)+-[0-9]+$'))",
    "write names of regions, like eu-central-1 or us-gov-west-1",
)

LAG: Final = timedelta(hours=4)
"""AWS names no bound for GetAccessKeyLastUsed. Of its sibling, service last accessed information, it says: usually
within four hours. https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_last-accessed.html"""

Region = Annotated[str, Field(min_length=1, max_length=32)]


def sts_host(region: str) -> str:
    """Where STS of a region is asked.

    https://docs.aws.amazon.com/general/latest/gr/sts.html
    """
    return f"sts.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


class AwsAccount(ProviderHalf):
    """An AWS account, and how the rotator reaches it."""

    admin_secret_ref: Ref = Field(
        description="Secret with accessKeyId and secretAccessKey of the rotator; for endpoints that are not AWS' own "
        "also iam.url and sts.url. A credential names where it may be sent.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    account: str = Field(
        min_length=12, max_length=12, description="The account's number.", json_schema_extra=ruled(ACCOUNT)
    )
    regions: list[Region] = Field(
        min_length=1,
        max_length=8,
        description="Regions whose STS is asked when a key is tried, every one of them; those that consumers work in. "
        "The first also fills {host} and, by its name, {database} of templates.",
        json_schema_extra=distinct(REGIONS),
    )
    usage_lag: PositiveDuration = Field(
        default=LAG,
        description="How long after a use at the latest AWS shows it as last use. It names no bound; four hours is "
        "what it says of similar records.",
    )
    insecure: bool = Field(
        default=False,
        description="Allow iam.url and sts.url without TLS. Values of new keys then cross the network in clear; never "
        "for production.",
    )

    @property
    def admin_secret(self) -> str:
        """Name of the rotator's Secret."""
        return self.admin_secret_ref.name

    @property
    def place(self) -> Place:
        """STS of the first region, and that region's name."""
        return Place(sts_host(self.regions[0]), 443, self.regions[0])

    @property
    def where(self) -> str:
        """For people."""
        return f"account {self.account}, " + ", ".join(self.regions)


class AwsUser(PlanHalf):
    """A user that no people and no other plan use."""

    user: str = Field(
        min_length=1,
        max_length=64,
        description="The IAM user whose access keys take turns. It is for this plan alone: every other key of it is a "
        "stranger.",
        json_schema_extra=ruled(USER),
    )

    @property
    def principals(self) -> frozenset[str]:
        """The user; AWS names the keys."""
        return frozenset({self.user})


AWS_IAM = Backend(
    "awsIam",
    AwsAccount,
    "An AWS account.",
    AwsUser,
    "Two access keys of an IAM user, each made anew.",
)

ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=False,  # a key that is off is unknown to STS; that it is off, IAM says, not the answer
    sees_refused_attempts=False,  # AWS does not say whether it records them; see ``idling``
    lists_sessions=False,
    disable_delay=AWS.spreads,
    usage_lag=LAG,
    reuses_ids=False,
)
