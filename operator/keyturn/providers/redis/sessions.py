"""Who is connected as whom, on every server; an empty list counts only when our own connection was in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyturn.ports import Credential, Endpoint, KeyturnError, Session, Usage
from keyturn.providers.redis.connections import Client, Connector, OwnClients
from keyturn.providers.redis.failures import LoginFailed
from keyturn.providers.redis.identity import Listed, is_there, listed
from keyturn.providers.redis.settings import Settings
from keyturn.providers.verdicts import usage_of

_GRAIN = timedelta(seconds=1)  # ages are whole seconds, cut off: a connection may be a second older than it seems


@dataclass(frozen=True, slots=True)
class Node:
    """What one server told."""

    at: Endpoint
    found: tuple[Listed, ...] = ()
    blind: str = ""


async def usage(
    connector: Connector, settings: Settings, ids: Sequence[str], control: Credential, now: datetime
) -> Mapping[str, Usage]:
    """Asks every server, with a control session on each; any that cannot be trusted makes idle UNKNOWN."""
    nodes = [await _look(connector, node, control) for node in settings.nodes]
    return {id_: _judge(id_, nodes, connector.own, now) for id_ in ids}


async def _look(connector: Connector, at: Endpoint, control: Credential) -> Node:
    where = f"{at.host}:{at.port}"
    try:
        async with connector.login(at, control) as session, connector.admin(at) as wire:
            found = await listed(wire)
            if is_there(session.client, found, control.id):
                return Node(at, found)
            return Node(at, found, f"a session opened by Keyturn is not in the list at {where}")
    except LoginFailed:
        return Node(at, blind=f"no control session could be opened at {where}")
    except KeyturnError as error:
        return Node(at, blind=f"sessions could not be listed at {where}: {error.reason}")


def _judge(id_: str, nodes: Sequence[Node], own: OwnClients, now: datetime) -> Usage:
    found = tuple(
        Session(
            principal=id_,
            client_address=one.address,
            client_port=one.port,
            started=now - timedelta(seconds=one.age) - _GRAIN,
            ours=Client(node.at, one.number, one.name) in own,
        )
        for node in nodes
        for one in node.found
        if one.user == id_
    )
    blind = "; ".join(node.blind for node in nodes if node.blind)
    return usage_of(found, blind)
