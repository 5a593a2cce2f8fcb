"""What plans and providers say of either family. It touches no server and no driver."""

from __future__ import annotations

from pydantic import Field

from keyturn.api.backends import ServerEndpoint, ServerHalf


class SqlEndpoint(ServerEndpoint):
    """Where consumers log in."""

    port: int = Field(default=3306, ge=1, le=65535, description="TCP port.")


class SqlServer(ServerHalf[SqlEndpoint]):
    """A server and how the rotator reaches it."""

    database: str = Field(min_length=1, max_length=64, description="The database that consumers log in to.")
    insecure: bool = Field(
        default=False,
        description="Allow connections without TLS verification. Never for production; shown loudly.",
    )

    @property
    def within(self) -> str:
        """The database."""
        return self.database
