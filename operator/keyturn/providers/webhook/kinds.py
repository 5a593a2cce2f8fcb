"""What plans and providers say of a webhook, and what one that says nothing can do. It touches no server."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import Backend, ProviderHalf, ServerEndpoint, TakingTurns
from keyturn.api.base import Ref
from keyturn.api.rules import Rule, distinct, keyed, ruled
from keyturn.core.rendering import Place
from keyturn.ports import Capabilities
from keyturn.providers.allowing import CLUSTER_ONLY, URL_FITS

NAME_FITS = Rule("self.matches('^[A-Za-z0-9_.:@-]+$')", "write a credential's name of letters, digits and _ . : @ -")

CredentialName = Annotated[str, Field(min_length=1, max_length=63, json_schema_extra=ruled(NAME_FITS))]
KnownName = Annotated[str, Field(min_length=1, max_length=63)]


class WebhookEndpoint(ServerEndpoint):
    """Where consumers log in."""


class WebhookServer(ProviderHalf):
    """A server that speaks Keyturn's protocol for one backend. Only a ClusterCredentialProvider may name one."""

    url: str = Field(
        min_length=1,
        max_length=512,
        description="Where the server is called; /v1/... follows. Its host must be one that the admin Secret names.",
        json_schema_extra=ruled(URL_FITS),
    )
    admin_secret_ref: Ref = Field(
        description="Secret with key (of signatures), host, hosts and ca.crt. It names where credentials may be sent.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    endpoints: list[WebhookEndpoint] = Field(
        min_length=1,
        max_length=8,
        description="Where consumers log in. The first one fills {host} and {port}.",
        json_schema_extra=keyed("name"),
    )
    database: str = Field(default="", max_length=253, description="Fills {database}, where templates want one.")
    known: list[KnownName] = Field(
        default_factory=list[KnownName],
        max_length=64,
        description="Credentials that are meant to reach the data besides those of plans: names, or patterns with a "
        "trailing *.",
        json_schema_extra=distinct(rules.TRAILING_STAR),
    )
    insecure_loopback: bool = Field(
        default=False,
        description="Call a server at a loopback address too: at the operator's own pod. For tests; never for "
        "production, and told in every rotation.",
    )

    @property
    def admin_secret(self) -> str:
        """Name of the Secret with the key."""
        return self.admin_secret_ref.name

    @property
    def place(self) -> Place:
        """The first endpoint."""
        return Place(self.endpoints[0].host, self.endpoints[0].port, self.database)

    @property
    def where(self) -> str:
        """For people."""
        at = ", ".join(f"{one.host}:{one.port}" for one in self.endpoints)
        return f"{self.database} at {at}" if self.database else at


class WebhookCredentials(TakingTurns):
    """Two credentials that take turns, with the rights of a common owner."""

    owner: CredentialName = Field(
        description="Says which rights both slots get. An existing single credential becomes it."
    )
    slots: list[CredentialName] = Field(
        min_length=2, max_length=2, description="The two credentials that take turns; made when they do not exist."
    )


WEBHOOK = Backend(
    "webhook",
    WebhookServer,
    "A server of your own that speaks Keyturn's protocol. Only in a ClusterCredentialProvider.",
    WebhookCredentials,
    "Two credentials that take turns.",
    cluster_only=CLUSTER_ONLY,
)

UNSAID_DELAY: Final = timedelta(hours=1)
"""Until a disable bites at a server that does not say: in the outage of R2 it took 61 minutes to be felt.

https://blog.cloudflare.com/cloudflare-incident-march-21-2025/
"""

LEAST: Final = Capabilities(
    reversible_disable=False,
    tells_disabled_from_wrong=False,
    sees_refused_attempts=False,
    lists_sessions=False,
    sees_use=False,
    disable_delay=UNSAID_DELAY,
    usage_lag=UNSAID_DELAY,
    settles=timedelta(minutes=1),
)
