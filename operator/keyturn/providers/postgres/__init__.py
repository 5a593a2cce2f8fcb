"""PostgreSQL: two login roles that take turns, members of a common owner.

The package knows SQL and the driver; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.postgres.provider import PostgresProvider, open_postgres

__all__ = ["PostgresProvider", "open_postgres"]
