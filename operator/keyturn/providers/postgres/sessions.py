"""Who is connected as whom, by role oid, on every node; an empty list counts only when our own session was in it.

Sessions are told apart by server process and start time, so our own are known without trusting a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from keyturn.ports import Credential, Endpoint, KeyturnError, Session, Usage
from keyturn.providers.postgres.connections import Backend, Connection, Connector
from keyturn.providers.postgres.failures import LoginFailed
from keyturn.providers.postgres.settings import Settings
from keyturn.providers.verdicts import usage_of

_DIRECT: Final = """
    SELECT a.pid, a.backend_start AS started, coalesce(r.rolname::text, '') AS principal,
           host(a.client_addr) AS address, a.client_port AS port, a.backend_type AS kind
    FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid
    WHERE a.usesysid IS NOT NULL AND a.backend_type IS DISTINCT FROM 'parallel worker'
      AND (r.oid IS NULL OR r.rolname = ANY(%s))
"""
_INSTALLED: Final = "SELECT pid, started, principal, address, port, kind FROM keyturn.sessions()"
_PREPARED: Final = "SELECT owner::text, prepared FROM pg_prepared_xacts WHERE owner = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Row:
    """One server process; ``principal`` is empty when its role was dropped."""

    pid: int
    started: datetime | None  # None when the rotator may not see it
    principal: str
    address: str | None
    port: int | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """What one node told."""

    rows: tuple[Row, ...] = ()
    prepared: tuple[tuple[str, datetime], ...] = ()
    blind: str = ""


async def usage(
    connector: Connector, settings: Settings, ids: Sequence[str], control: Credential
) -> Mapping[str, Usage]:
    """Asks every node, with a control session through each; any node that cannot be trusted makes idle UNKNOWN."""
    nodes = [await _look(connector, settings, node, ids, control) for node in settings.nodes]
    return {id_: _judge(id_, nodes, connector) for id_ in ids}


async def _look(
    connector: Connector, settings: Settings, node: Endpoint, ids: Sequence[str], control: Credential
) -> Node:
    where = f"{node.host}:{node.port}"
    try:
        async with connector.login(node, control, "control") as (_, backend), connector.admin(node) as admin:
            async with connector.still:
                rows = await read_sessions(admin, settings, [*ids, control.id])
            cursor = await admin.execute(_PREPARED, [list(ids)])
            prepared = tuple((str(owner), at) for owner, at in await cursor.fetchall())
            return Node(rows, prepared, _control(rows, backend, control.id, where))
    except LoginFailed:
        return Node(blind=f"no control session could be opened at {where}")
    except KeyturnError as error:
        return Node(blind=f"sessions could not be listed at {where}: {error.reason}")


async def read_sessions(admin: Connection, settings: Settings, names: Sequence[str]) -> tuple[Row, ...]:
    """The sessions of these roles, and those of roles that were dropped meanwhile."""
    async with admin.cursor(row_factory=class_row(Row)) as cursor:
        if settings.functions:
            await cursor.execute(_INSTALLED)
        else:
            await cursor.execute(_DIRECT, [list(names)])
        return tuple(await cursor.fetchall())


def _control(rows: Sequence[Row], backend: Backend, principal: str, where: str) -> str:
    """Why the list cannot be trusted; empty if our own session stands in it with principal and address."""
    mine = next((row for row in rows if row.pid == backend.pid), None)
    if mine is None:
        return f"a session opened by Keyturn is not in the list at {where}"
    if mine.started != backend.started or mine.address is None:
        return f"the rotator may not see addresses at {where}: GRANT pg_read_all_stats"
    return "" if mine.principal == principal else f"the list at {where} names another role for Keyturn's session"


def _judge(id_: str, nodes: Sequence[Node], connector: Connector) -> Usage:
    sessions = {
        (row.pid, row.started): Session(
            principal=id_,
            client_address=row.address or "",
            client_port=row.port,
            started=row.started,
            ours=row.started is not None and connector.owns(Backend(row.pid, row.started)),
        )
        for node in nodes
        for row in node.rows
        if row.principal == id_
    }
    waiting = {(owner, at): Session(id_, "", None, at) for node in nodes for owner, at in node.prepared if owner == id_}
    found = (*sessions.values(), *waiting.values())
    blind = "; ".join(node.blind for node in nodes if node.blind)
    if not blind and any(not row.principal for node in nodes for row in node.rows):
        blind = "a role that was dropped still has open sessions, which nobody can attribute: end them"
    return usage_of(found, blind)
