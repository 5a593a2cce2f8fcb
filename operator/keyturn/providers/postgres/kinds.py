"""What plans and providers say of PostgreSQL, and what it can do. It touches no server and no driver."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field

from keyturn.api.backends import Backend, ServerEndpoint, ServerHalf, TakingTurns
from keyturn.api.rules import Rule, ruled
from keyturn.ports import Capabilities

NAME_FITS = Rule(
    "self.trim() == self && bytes(self).size() <= 63",
    "write a role name of at most 63 bytes without blanks around it; PostgreSQL would cut a longer one off",
)
NOT_RESERVED = Rule(
    "!self.lowerAscii().startsWith('pg_')",
    "names that start with pg_ belong to PostgreSQL itself; choose a role of your own",
)

RoleName = Annotated[str, Field(min_length=1, max_length=63, json_schema_extra=ruled(NAME_FITS, NOT_RESERVED))]


class PostgresEndpoint(ServerEndpoint):
    """Where consumers log in."""

    port: int = Field(default=5432, ge=1, le=65535, description="TCP port.")


class PostgresServer(ServerHalf[PostgresEndpoint]):
    """A PostgreSQL server and how the rotator reaches it."""

    database: str = Field(min_length=1, max_length=63, description="The database that consumers log in to.")
    rotator: Literal["Functions", "CreateRole"] = Field(
        default="Functions",
        description="Functions: EXECUTE on installed SECURITY DEFINER functions with a fixed slot list (smallest). "
        "CreateRole: the CREATEROLE attribute (convenient; near-superuser on 15).",
    )
    acknowledge_create_role_on_15: bool = Field(
        default=False,
        description="On PostgreSQL 15 CREATEROLE can alter every role but superusers. Say that you know.",
    )
    insecure: bool = Field(
        default=False,
        description="Allow connections without TLS verification. Never for production; shown loudly.",
    )

    @property
    def within(self) -> str:
        """The database."""
        return self.database


class PostgresRoles(TakingTurns):
    """Two login roles that take turns, members of a common owner."""

    owner: RoleName = Field(description="The role that owns the data. Sessions of both slots act as it.")
    slots: list[RoleName] = Field(
        min_length=2, max_length=2, description="The two login roles that take turns; made when they do not exist."
    )


POSTGRES = Backend(
    "postgres",
    PostgresServer,
    "A PostgreSQL server, 15 or newer.",
    PostgresRoles,
    "Two login roles that take turns.",
)

# Before the server was asked. A minute is the default of authentication_timeout
# (https://www.postgresql.org/docs/current/runtime-config-connection.html).
UNASKED: Final = Capabilities(
    reversible_disable=True,
    tells_disabled_from_wrong=True,
    sees_refused_attempts=False,  # only the server's log has them: see tripwire
    lists_sessions=True,
    settles=timedelta(minutes=1),
)
