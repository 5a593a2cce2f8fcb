"""Preflight's own checklist for Redis: what would make a rotation unsafe here. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from redis import exceptions

from keyturn.core.model import Problem
from keyturn.ports import Checklist, Credential, Endpoint
from keyturn.providers.redis.changes import Users, not_kept, users
from keyturn.providers.redis.connections import Connector, Wire
from keyturn.providers.redis.identity import Listed, information, lineage, listed
from keyturn.providers.redis.nodes import Everywhere
from keyturn.providers.redis.settings import Settings
from keyturn.providers.redis.users import Rules, User

_OLDEST = 7  # selectors, and exact rules in ACL LIST


async def go_through(connector: Connector, settings: Settings, current: Credential | None) -> Checklist:
    """Everything that blocks, server by server, and what could not be asked. Raises Unavailable if one is down."""
    problems: list[Problem] = []
    unchecked: list[Problem] = []
    found: dict[Endpoint, Users] = {}
    histories: dict[Endpoint, str] = {}
    for node in settings.nodes:
        async with connector.admin(node) as wire:
            found[node] = await users(wire)
            told = await information(wire)
            histories[node] = await lineage(wire, told)
            problems += _server(told, await listed(wire), node, settings, current)
            problems += await _kept(wire, told, node, unchecked)
    problems += _one_system(settings, histories)
    problems += _users(settings, Everywhere(found), current)
    return Checklist(tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(unchecked)))


def _server(
    told: Mapping[str, str],
    connected: Sequence[Listed],
    node: Endpoint,
    settings: Settings,
    current: Credential | None,
) -> Iterator[Problem]:
    """One server by itself."""
    where = f"{node.host}:{node.port}"
    version = told.get("valkey_version") or told.get("redis_version", "")
    if int(version.partition(".")[0] or 0) < _OLDEST:
        yield Problem("ServerTooOld", f"{where} runs version {version}; Keyturn needs 7.0 or newer")
    listening = {(one.host, one.port) for one in settings.nodes}
    missing = int(told.get("connected_slaves", "0")) - (len(listening) - 1)
    if told.get("role") == "master" and missing > 0 and told.get("cluster_enabled") != "1":
        yield Problem(
            "ReplicaNotListed",
            f"{where} has {missing} more replicas than the provider names, and users are not replicated: consumers "
            "there would be refused; add them to spec.redis.nodes",
        )
    again = sum(1 for one in connected if current is not None and one.user == current.id)
    if len(connected) + again > int(told.get("maxclients", "10000")):
        yield Problem(
            "TooFewConnections",
            f"{where} admits {told.get('maxclients')} connections, and during the roll consumers may hold "
            f"{len(connected) + again}; raise maxclients",
        )
    if current is not None and any(one.replica and one.user == current.id for one in connected):
        yield Problem(
            "UserReplicates", f"a replica of {where} logs in as {current.id} (masteruser); give replicas their own user"
        )


async def _kept(wire: Wire, told: Mapping[str, str], node: Endpoint, unchecked: list[Problem]) -> list[Problem]:
    """Would a restart remember the users?"""
    try:
        answer = await wire.ask("CONFIG", "GET", "aclfile")
    except exceptions.NoPermissionError:
        unchecked.append(
            Problem(
                "UsersKeptUnchecked",
                f"the rotator may not ask {node.host}:{node.port} where users are kept (+config|get): see that aclfile "
                "or a writable configuration file is set",
            )
        )
        return []
    if (len(answer) > 1 and answer[1]) or told.get("config_file"):
        return []
    return [not_kept().problem]


def _one_system(settings: Settings, histories: dict[Endpoint, str]) -> Iterator[Problem]:
    """Every server that is named belongs to the one that takes writes."""
    declared = next(iter(histories.values()))  # of the one that takes writes
    for node, history in histories.items():
        if history != declared:
            yield Problem(
                "NodeOfAnotherSystem",
                f"{node.host}:{node.port} is no replica of {settings.admin.host}:{settings.admin.port} and in no "
                "cluster with it; correct spec.redis",
            )


def _users(settings: Settings, everywhere: Everywhere, current: Credential | None) -> Iterator[Problem]:
    owners = everywhere.of(settings.owner)
    if None in owners:
        yield Problem(
            "OwnerMissing",
            f"spec.redis.owner {settings.owner} does not exist on every server: make it, off, with the rules that "
            "consumers need",
        )
        return
    rules = {owner.rules for owner in owners if owner is not None}
    if len(rules) > 1:
        yield Problem("RulesDiffer", f"{settings.owner} has other rules on one server than on another: make them equal")
    if any(owner is not None and owner.rules.administers for owner in owners):
        yield Problem(
            "OwnerTooPowerful",
            f"{settings.owner} may change users (ACL SETUSER); Keyturn does not rotate such users: take -@admin",
        )
    if current is not None and current.id in settings.principals:
        for user in everywhere.of(current.id):
            yield from _current(current.id, user, rules, settings)


def _current(name: str, user: User | None, rules: set[Rules], settings: Settings) -> Iterator[Problem]:
    """The user that the Secret holds, on one server."""
    if user is None:
        yield Problem("UserMissing", f"{name} does not exist on every server: make it on each, with its rules")
        return
    if user.tag is not None and user.tag.plan != settings.plan:
        yield Problem("OtherPlansUser", f"{name} carries the tag of plan {user.tag.plan}; give each its own")
    if user.open:
        yield Problem("UserOpen", f"{name} logs in with any password (nopass): set one, so that it can leave")
    if user.rules not in rules:
        yield Problem(
            "RulesDiffer",
            f"{name} may do other things than {settings.owner}, whose rules the next one gets: make them equal",
        )
