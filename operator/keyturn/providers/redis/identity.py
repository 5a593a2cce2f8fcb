"""Which system is this? Servers have no name that outlives a restart, so it is the address that TLS proves.

That consumers' endpoints lead there is proved live: a login with today's credential takes a name that only we know,
and the rotator must find that very connection on one of the servers it changes users on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keyturn.core.model import Sameness
from keyturn.ports import Credential, Denied, Endpoint, KeyturnError, Unavailable
from keyturn.providers.redis.connections import Client, Connector, Wire
from keyturn.providers.redis.failures import LoginFailed
from keyturn.providers.redis.settings import Settings


@dataclass(frozen=True, slots=True)
class Listed:
    """One connection as a server lists it."""

    number: int
    name: str
    user: str
    address: str
    port: int | None
    age: int  # seconds
    replica: bool


async def listed(wire: Wire) -> tuple[Listed, ...]:
    """Every connection of this server."""
    return tuple(_listed(line) for line in str(await wire.ask("CLIENT", "LIST")).splitlines() if line)


def fields(line: str) -> dict[str, str]:
    """What a line like ``id=3 addr=10.0.0.7:5123 name= …`` says."""
    return dict(part.split("=", 1) for part in line.split(" ") if "=" in part)


def place(address: str) -> tuple[str, int | None]:
    """``10.0.0.7:5123`` or ``[fe80::1]:5123``; a path of a Unix socket has no port."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else None


def _listed(line: str) -> Listed:
    found = fields(line)
    host, port = place(found.get("addr", ""))
    return Listed(
        number=int(found["id"]),
        name=found.get("name", ""),
        user=found.get("user", ""),
        address=host,
        port=port,
        age=int(found.get("age", "0")),
        replica="S" in found.get("flags", ""),
    )


async def information(wire: Wire) -> Mapping[str, str]:
    """What the server says of itself; every section that we ask for, in one answer."""
    lines = str(await wire.ask("INFO", "server", "clients", "replication", "cluster")).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def name_of(settings: Settings) -> str:
    """The system's own name, as far as it has one."""
    return f"redis/{settings.admin.host}:{settings.admin.port}/{settings.database}"


async def require(wire: Wire, settings: Settings) -> str:
    """The name of the system behind the rotator's connection, which must be the one seen before and take writes."""
    name = name_of(settings)
    if settings.system and name != settings.system:
        raise Denied(
            "WrongSystem",
            "The admin Secret names another server than the one this plan was adopted on. Point it back, or make a new "
            "plan for the new system.",
        )
    if (await information(wire)).get("role") != "master":
        raise Unavailable("OnReplica", "The admin Secret's host is a replica just now; name the one that takes writes.")
    return name


async def lineage(wire: Wire, told: Mapping[str, str]) -> str:
    """What servers of one system have in common: a replication history, or the cluster they know each other in."""
    if told.get("cluster_enabled") == "1":
        lines = str(await wire.ask("CLUSTER", "NODES")).splitlines()
        return " ".join(sorted(line.split(" ", 1)[0] for line in lines if line))
    return told.get("master_replid", "")


async def same_system(connector: Connector, settings: Settings, current: Credential) -> Sameness:
    """Do all endpoints lead to the system the rotator works on? Never raises."""
    try:
        async with connector.admin() as wire:
            await require(wire, settings)
            history = await lineage(wire, await information(wire))
        answers = [await _ask(connector, settings, endpoint, current, history) for endpoint in settings.endpoints]
    except Denied as error:
        return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
    except (LoginFailed, KeyturnError):
        return Sameness.UNKNOWN
    return Sameness.SAME if all(answers) else Sameness.DIFFERENT


async def _ask(connector: Connector, settings: Settings, at: Endpoint, current: Credential, history: str) -> bool:
    async with connector.login(at, current) as session:
        for node in settings.nodes:
            async with connector.admin(node) as wire:
                if is_there(session.client, await listed(wire), current.id):
                    return await lineage(wire, await information(wire)) == history
    return False


def is_there(client: Client, found: tuple[Listed, ...], user: str) -> bool:
    """Is our own connection in the list, under this user?"""
    return any((one.number, one.name, one.user) == (client.number, client.name, user) for one in found)
