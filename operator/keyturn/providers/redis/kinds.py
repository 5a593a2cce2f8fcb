"""What plans and providers say of Redis, and what it can do. It touches no server and no driver."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from keyturn.api import rules
from keyturn.api.backends import Backend, ServerEndpoint, ServerHalf, TakingTurns
from keyturn.api.rules import Rule, distinct, keyed, ruled
from keyturn.ports import Capabilities

NAME_FITS = Rule(
    "self.matches('^[A-Za-z0-9_.:@-]+$') && self != 'default'",
    "write a user name of letters, digits and _ . : @ -; default is the server's own",
)

UserName = Annotated[str, Field(min_length=1, max_length=63, json_schema_extra=ruled(NAME_FITS))]
KnownName = Annotated[str, Field(min_length=1, max_length=253)]


class RedisEndpoint(ServerEndpoint):
    """A server of this system."""

    port: int = Field(default=6379, ge=1, le=65535, description="TCP port.")


class RedisServer(ServerHalf[RedisEndpoint]):
    """A Redis or Valkey server, its replicas, and how the rotator reaches them."""

    called = "database "

    nodes: list[RedisEndpoint] = Field(
        default_factory=list[RedisEndpoint],
        max_length=16,
        description="Every other server that keeps users of its own, replicas above all: users are not replicated.",
        json_schema_extra=keyed("name"),
    )
    database: int = Field(default=0, ge=0, le=1023, description="Number of the database that consumers use.")
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
        """The database's number."""
        return str(self.database)


class RedisUsers(TakingTurns):
    """Two users that take turns, with the rules of a common owner."""

    owner: UserName = Field(description="The user whose rules both slots get. An existing single user becomes it.")
    slots: list[UserName] = Field(
        min_length=2, max_length=2, description="The two users that take turns; made when they do not exist."
    )


REDIS = Backend(
    "redis",
    RedisServer,
    "A Redis or Valkey server, 7 or newer.",
    RedisUsers,
    "Two users that take turns.",
)

ABLE: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=True,  # not the server: the rotator sees which of the two it is
    sees_refused_attempts=True,
    lists_sessions=True,
    settles=timedelta(seconds=1),
)
