"""What this server can do for a plan, honestly; asked anew each time. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from keyturn.ports import Capabilities
from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.kinds import UNASKED
from keyturn.providers.postgres.tripwire import sees_refusals

_TIMEOUT: Final = "SELECT setting::integer FROM pg_settings WHERE name = 'authentication_timeout'"


async def read_abilities(connection: Connection, roles: Sequence[str]) -> Capabilities:
    """A login that began before NOLOGIN may still come in until authentication_timeout has passed."""
    row = await (await connection.execute(_TIMEOUT)).fetchone()
    settles = timedelta(seconds=int(row[0])) if row else UNASKED.settles
    return replace(UNASKED, settles=settles, sees_refused_attempts=await sees_refusals(connection, roles))
