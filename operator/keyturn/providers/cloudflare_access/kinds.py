"""What plans and providers say of Access, and what it can do. It touches no server."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import Backend, PlanHalf, ProviderHalf
from keyturn.api.base import Duration, Model, PositiveDuration, Ref
from keyturn.api.rules import Rule, distinct, ruled
from keyturn.core.rendering import Place
from keyturn.ports import Capabilities

DISABLE_DELAY: Final = timedelta(minutes=10)  # not documented; on 24 January 2023 changes took minutes to reach places
SESSION: Final = timedelta(hours=24)  # how long an application's cookie is good for, unless it says otherwise
"""Source: https://developers.cloudflare.com/cloudflare-one/access-controls/access-settings/session-management/"""

ACCOUNT = Rule("self.matches('^[0-9a-f]{32}$')", "write the account id: 32 hexadecimal digits")
PATH = Rule("self.matches('^/[A-Za-z0-9._~/-]*$')", "write a path that begins with /, without a query")
LIFE = Rule("self.matches('^[1-9][0-9]*h$')", "write whole hours, like 8760h for a year")

AccountId = Annotated[str, Field(min_length=32, max_length=32, json_schema_extra=ruled(ACCOUNT))]
Known = Annotated[str, Field(min_length=1, max_length=120)]


class ProtectedApp(Model):
    """What a service token opens, and how its own answer is told from Access' login page."""

    host: str = Field(
        min_length=1, max_length=253, description="Its host; the admin Secret must name it.",
        json_schema_extra=ruled(rules.HOST),
    )  # fmt: skip
    path: str = Field(
        default="/", min_length=1, max_length=200, description="A path below it that changes nothing when asked for.",
        json_schema_extra=ruled(PATH),
    )  # fmt: skip
    status: int = Field(default=200, ge=200, le=499, description="The status that the app itself answers there.")
    contains: str = Field(
        default="",
        max_length=200,
        description="A text that the app's answer contains and a login page does not; needed where both have one "
        "status.",
    )


class AccessAccount(ProviderHalf):
    """An account of Cloudflare's, an app behind Access, and how the rotator reaches them."""

    admin_secret_ref: Ref = Field(
        description="Secret with account, token (an account API token) and host: the app's. A credential names where "
        "it may be sent.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    account: AccountId = Field(description="The account's id; must be the one that the admin Secret names.")
    app: ProtectedApp = Field(description="The app that consumers reach with the token.")
    policies: list[Known] = Field(
        default_factory=list[Known],
        max_length=32,
        description="Ids or names of the policies and groups that a token for a compromised one is put into; else it "
        "stands wherever the one does that it replaces.",
        json_schema_extra=distinct(),
    )
    known: list[Known] = Field(
        default_factory=list[Known],
        max_length=64,
        description="Service tokens that are meant to be in the same policies: client ids or names, or patterns with a "
        "trailing *.",
        json_schema_extra=distinct(rules.TRAILING_STAR),
    )
    duration: str = Field(
        default="8760h", max_length=8, description="How long a new token is good for.", json_schema_extra=ruled(LIFE)
    )
    disable_delay: PositiveDuration = Field(
        default=DISABLE_DELAY,
        description="How long a disabled token may go on working somewhere; retire.watch must be twice as long.",
    )
    session: Duration = Field(
        default=SESSION,
        description="How long a cookie of an earlier request is good for; 0s where strict service token "
        "authentication is on. Watch lasts at least that long.",
    )

    @property
    def admin_secret(self) -> str:
        """Name of the rotator's Secret."""
        return self.admin_secret_ref.name

    @property
    def place(self) -> Place:
        """The app."""
        return Place(self.app.host, 443, self.app.path.strip("/"))

    @property
    def where(self) -> str:
        """For people."""
        return f"{self.app.host}{self.app.path} behind Access"


class AccessToken(PlanHalf):
    """A service token, by the name of what uses it."""

    client: str = Field(
        min_length=1, max_length=63, description="What the token is for, as the provider's allow.owners names it."
    )

    @property
    def principals(self) -> frozenset[str]:
        """Two plans for one client would each find the other's token."""
        return frozenset({self.client})


CLOUDFLARE_ACCESS = Backend(
    "cloudflareAccess",
    AccessAccount,
    "Service tokens of Cloudflare Access.",
    AccessToken,
    "A second service token in the same policies.",
)

ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=False,  # Access answers a disabled token like a wrong secret
    sees_refused_attempts=False,
    lists_sessions=False,
    sees_use=False,  # its date of the last use shows use, and never idleness
    reuses_ids=False,
    disable_delay=DISABLE_DELAY,
    settles=SESSION,
)
