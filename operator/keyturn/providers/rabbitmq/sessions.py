r"""Who is connected as whom, in the whole cluster; an empty list counts only when our own connection was in it.

The management API tells connections in two ways (both seen on 3.10):

    by user, from the servers' own books     at once, in every protocol; of each only where it comes from
    all of them, from its statistics         after up to 5 s; of each also the name that its client gave it

A connection of ours is known by its name. One too young to have been told its name is known by where it comes from,
which nobody between may have changed; so behind a gateway that does, a look takes 5 s to know its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from keyturn.core.model import Idle
from keyturn.ports import Credential, Endpoint, KeyturnError, Session, Usage
from keyturn.providers.rabbitmq.connections import Connector, Line, OwnLines
from keyturn.providers.rabbitmq.controls import Controls
from keyturn.providers.rabbitmq.failures import LoginFailed
from keyturn.providers.rabbitmq.management import Api, Row, rotator
from keyturn.providers.verdicts import usage_of

_COLUMNS: Final = "name,user,peer_host,peer_port,connected_at,user_provided_name"
_FROM: Final = re.compile(r"(?P<address>\S+):(?P<port>\d+) -> ")  # 10.0.0.7:5123 -> 10.0.0.9:5671
_GRAIN: Final = timedelta(seconds=1)  # the server tells its time in whole seconds


@dataclass(frozen=True, slots=True)
class Listed:
    """One connection as the management API lists it."""

    user: str
    place: tuple[str, int | None]
    label: str  # "" while it is too young
    started: datetime | None

    def is_(self, line: Line, user: str) -> bool:
        """Is it that connection of ours, under this user?"""
        mine = self.label == line.label if self.label else self.place == line.place
        return mine and self.user == user


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the cluster told."""

    found: tuple[Listed, ...]
    blind: tuple[str, ...]  # why it may not be all

    def of(self, user: str, own: OwnLines) -> tuple[Session, ...]:
        """Connections of one user. A name of ours that shows twice is forged."""
        shown = Counter(one.label for one in self.found)
        return tuple(
            Session(user, *one.place, one.started, ours=_is_ours(one, own, shown[one.label]))
            for one in self.found
            if one.user == user
        )


def _is_ours(one: Listed, own: OwnLines, times: int) -> bool:
    return one.label in own.labels and times == 1 if one.label else one.place in own.open


async def look(api: Api, users: Collection[str], now: datetime) -> Seen:
    """Connections of these users, in either list."""
    kept = [row for user in sorted(set(users)) for row in await api.rows("connections", "username", user)]
    told = {
        str(row["name"]): row for row in await api.rows("connections", columns=_COLUMNS) if row.get("user") in users
    }
    rows: dict[str, Row] = {str(row["name"]): row for row in kept} | told
    later = now - api.told_at if api.told_at else timedelta()
    return Seen(tuple(_listed(name, row, later) for name, row in rows.items()), tuple(await _missing(api)))


async def _missing(api: Api) -> list[str]:
    """Nodes whose connections nobody lists."""
    blind: list[str] = []
    for node in await api.rows("nodes", columns="name,running,partitions"):
        if not node.get("running"):
            blind.append(f"node {node.get('name')} is not running, and its connections are not listed")
        elif node.get("partitions"):
            blind.append(f"node {node.get('name')} does not see every other node of the cluster")
    return blind


def _listed(name: str, row: Row, later: timedelta) -> Listed:
    """``later``: our clock against the server's."""
    since: Any = row.get("connected_at")
    started = datetime.fromtimestamp(since / 1000, UTC) + later - _GRAIN if isinstance(since, int) else None
    return Listed(str(row.get("user", "")), _place(name, row), str(row.get("user_provided_name") or ""), started)


def _place(name: str, row: Row) -> tuple[str, int | None]:
    """Where it comes from; a connection inside the server (a shovel's) comes from nowhere."""
    host, port = row.get("peer_host"), row.get("peer_port")
    if isinstance(host, str) and isinstance(port, int):
        return host, port
    found = _FROM.match(name)
    return (found["address"].strip("[]"), int(found["port"])) if found else ("", None)


async def usage(
    connector: Connector, controls: Controls, ids: Sequence[str], control: Credential, now: datetime
) -> Mapping[str, Usage]:
    """One look, with a control session at each endpoint; whatever cannot be trusted makes idle UNKNOWN."""
    lines: list[tuple[Endpoint, Line]] = []
    blind: list[str] = []
    for at in connector.settings.endpoints:
        try:
            lines.append((at, await controls.session(connector, at, control)))
        except LoginFailed:
            blind.append(f"no control session could be opened at {at.host}:{at.port}")
    try:
        async with rotator(connector.settings) as api:
            seen = await look(api, {*ids, control.id}, now)
    except KeyturnError as error:
        words = f"connections could not be listed: {error.reason}"
        return {id_: Usage(Idle.UNKNOWN, (), words) for id_ in ids}
    blind += seen.blind
    blind += [
        f"a session opened by Keyturn at {at.host}:{at.port} is not in the list yet: behind a gateway that takes 5 s"
        for at, line in lines
        if not any(one.is_(line, control.id) for one in seen.found)
    ]
    return {id_: usage_of(seen.of(id_, connector.own), "; ".join(blind)) for id_ in ids}
