"""Who is connected as whom, on every server; an empty list counts only when our own connection was in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keyturn.ports import Credential, Endpoint, KeyturnError, Session, Usage
from keyturn.providers.role_accounts.connections import Connector, OwnThreads
from keyturn.providers.role_accounts.failures import LoginFailed
from keyturn.providers.role_accounts.settings import Settings
from keyturn.providers.verdicts import usage_of


@dataclass(frozen=True, slots=True)
class Listed:
    """One connection as the server lists it."""

    number: int
    name: str
    address: str
    port: int | None


@dataclass(frozen=True, slots=True)
class Node:
    """What one server told."""

    found: tuple[Listed, ...] = ()
    boot: int = 0
    blind: str = ""


async def usage(
    connector: Connector, settings: Settings, ids: Sequence[str], control: Credential
) -> Mapping[str, Usage]:
    """Asks every server, with a control session on each; any that cannot be trusted makes idle UNKNOWN."""
    nodes = [await _look(connector, node, control) for node in settings.nodes]
    return {id_: _judge(id_, nodes, connector.own) for id_ in ids}


async def _look(connector: Connector, at: Endpoint, control: Credential) -> Node:
    where = f"{at.host}:{at.port}"
    try:
        async with connector.login(at, control) as session, connector.admin(at) as wire:
            found = tuple(_listed(*row) for row in await wire.ask("CALL keyturn.sessions()"))
            mine = any((one.number, one.name) == (session.thread.number, control.id) for one in found)
            blind = "" if mine else f"a session opened by Keyturn is not in the list at {where}"
            return Node(found, wire.thread.boot, blind)
    except LoginFailed:
        return Node(blind=f"no control session could be opened at {where}")
    except KeyturnError as error:
        return Node(blind=f"sessions could not be listed at {where}: {error.reason}")


def _listed(number: int, name: str, client: str) -> Listed:
    host, _, port = str(client).rpartition(":")
    return Listed(int(number), str(name), host if port.isdigit() else "", int(port) if port.isdigit() else None)


def _judge(id_: str, nodes: Sequence[Node], own: OwnThreads) -> Usage:
    found = tuple(
        Session(id_, one.address, one.port, None, ours=own.have(one.number, node.boot))
        for node in nodes
        for one in node.found
        if one.name == id_
    )
    blind = "; ".join(node.blind for node in nodes if node.blind)
    return usage_of(found, blind)
