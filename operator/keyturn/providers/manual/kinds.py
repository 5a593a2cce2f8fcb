"""What plans and providers say where a person mints in some console, and what can be known then. Touches no network."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import Backend, PlanHalf, ProviderHalf
from keyturn.api.base import Duration, Model, Name, Ref
from keyturn.api.rules import Rule, distinct, ruled
from keyturn.core.rendering import Place
from keyturn.ports import Capabilities
from keyturn.providers.allowing import CLUSTER_ONLY, URL_FITS

HEADER_FITS = Rule("self.matches('^[A-Za-z0-9-]+$')", "write the name of an HTTP header")
Status = Annotated[int, Field(ge=200, le=499)]


class Check(Model):
    """A request that tells whether a credential works: it must change nothing, and be refused to whoever may not."""

    url: str = Field(
        min_length=1,
        max_length=512,
        description="What is asked for, with GET. Its host must be one that the admin Secret names.",
        json_schema_extra=ruled(URL_FITS),
    )
    sends: Literal["Basic", "Bearer", "Header"] = Field(
        default="Bearer",
        description="Basic: user name and password. Bearer: the password as a token. Header: the password in a header.",
    )
    header: str = Field(
        default="Authorization",
        min_length=1,
        max_length=64,
        description="Which header, with sends: Header.",
        json_schema_extra=ruled(HEADER_FITS),
    )
    works: list[Status] = Field(
        default_factory=lambda: [200],
        min_length=1,
        max_length=8,
        description="HTTP statuses that say: it works.",
        json_schema_extra=distinct(),
    )
    refused: list[Status] = Field(
        default_factory=lambda: [401, 403],
        min_length=1,
        max_length=8,
        description="HTTP statuses that say: it does not. Any other says nothing.",
        json_schema_extra=distinct(),
    )


class Console(ProviderHalf):
    """A system in whose console people make, disable and delete credentials. Only for a ClusterCredentialProvider."""

    system: str = Field(
        min_length=1, max_length=120, description="What people call it, with the account: Payments, live account 4711."
    )
    admin_secret_ref: Ref = Field(
        description="Secret with host, hosts and ca.crt: where credentials may be sent. It needs no credential.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    check: Check = Field(description="How to see whether a credential works.")
    insecure_loopback: bool = Field(
        default=False, description="Ask at a loopback address too: at the operator's own pod. For tests only."
    )
    disable_delay: Duration = Field(
        default=timedelta(hours=1),
        description="The longest time until the system refuses a disabled credential everywhere; Watch is twice that.",
    )

    @property
    def admin_secret(self) -> str:
        """Names where credentials may be sent."""
        return self.admin_secret_ref.name

    @property
    def place(self) -> Place:
        """Nowhere: templates have no {host}, {port} or {database} to fill."""
        return Place("", 0, "")

    @property
    def where(self) -> str:
        """For people."""
        return self.system


class ByHand(PlanHalf):
    """A credential that a person makes, disables and deletes."""

    hand_over: Name = Field(
        description="Secret of the plan's namespace in which a person hands over the new credential (username, "
        "password) and says, by annotation, what was disabled and deleted."
    )

    @property
    def principals(self) -> frozenset[str]:
        """Two plans that are handed the same credential would both take it."""
        return frozenset({self.hand_over})


MANUAL = Backend(
    "manual",
    Console,
    "A system in whose console people make credentials. Only in a ClusterCredentialProvider.",
    ByHand,
    "A credential that a person makes",
    cluster_only=CLUSTER_ONLY,
)
ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=False,
    sees_refused_attempts=False,
    lists_sessions=False,
    sees_use=False,
    disable_delay=timedelta(hours=1),
    settles=timedelta(minutes=1),
    reuses_ids=False,
    lists_credentials=False,
    by_hand=True,
)
