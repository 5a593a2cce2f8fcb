"""What plans and providers say of RabbitMQ, and what it can do. It touches no server and no driver."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import Backend, ServerEndpoint, ServerHalf, TakingTurns
from keyturn.api.rules import Rule, distinct, ruled
from keyturn.ports import Capabilities

NAME_FITS = Rule(
    "self.matches('^[A-Za-z0-9_.:@-]+$') && self != 'guest'",
    "write a user name of letters, digits and _ . : @ -; guest is the server's own",
)
VHOST_FITS = Rule(
    "self.matches('^[A-Za-z0-9_.:/-]+$')",
    "write a virtual host's name of letters, digits and _ . : / -",
)

UserName = Annotated[str, Field(min_length=1, max_length=63, json_schema_extra=ruled(NAME_FITS))]
KnownName = Annotated[str, Field(min_length=1, max_length=253)]


class RabbitmqEndpoint(ServerEndpoint):
    """Where consumers log in."""

    port: int = Field(default=5671, ge=1, le=65535, description="TCP port of AMQP over TLS.")


class RabbitmqServer(ServerHalf[RabbitmqEndpoint]):
    """A RabbitMQ server or cluster, and how the rotator reaches its management API."""

    called = "vhost "

    vhost: str = Field(
        default="/",
        min_length=1,
        max_length=253,
        description="The virtual host that consumers log in to.",
        json_schema_extra=ruled(VHOST_FITS),
    )
    known: list[KnownName] = Field(
        default_factory=list[KnownName],
        max_length=64,
        description="Users that are meant to reach the data besides those of plans: names, or patterns with a "
        "trailing *.",
        json_schema_extra=distinct(rules.TRAILING_STAR),
    )
    insecure: bool = Field(
        default=False,
        description="Allow connections without TLS. Passwords then cross the network in clear; never for production.",
    )

    @property
    def within(self) -> str:
        """The virtual host."""
        return self.vhost


class RabbitmqUsers(TakingTurns):
    """Two users that take turns, with the permissions of a common owner."""

    owner: UserName = Field(
        description="The user whose permissions both slots get. An existing single user becomes it."
    )
    slots: list[UserName] = Field(
        min_length=2, max_length=2, description="The two users that take turns; made when they do not exist."
    )


RABBITMQ = Backend(
    "rabbitmq",
    RabbitmqServer,
    "A RabbitMQ server or cluster, 3.10 or newer; its admin Secret is the management API's.",
    RabbitmqUsers,
    "Two users that take turns.",
)

ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=True,
    sees_refused_attempts=False,  # the server counts them, and names nobody
    lists_sessions=True,
    usage_lag=timedelta(seconds=5),  # of names; who is connected as whom is listed at once (seen on 3.10)
    settles=timedelta(seconds=1),  # the limit is asked last, when a login's handshake is over
)
