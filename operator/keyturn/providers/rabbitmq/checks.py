"""Preflight's own checklist for RabbitMQ: what would make a rotation unsafe here. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from keyturn.core.model import Problem
from keyturn.core.sealed import Sealed
from keyturn.ports import Checklist, Credential
from keyturn.providers.rabbitmq.changes import Look, look
from keyturn.providers.rabbitmq.management import Api, Row, rotator
from keyturn.providers.rabbitmq.settings import Settings
from keyturn.providers.rabbitmq.users import MOST, User
from keyturn.providers.telling import listed

_OLDEST: Final = (3, 10)
_CLIENTS: Final = frozenset(("amqp", "amqp/ssl", "mqtt", "mqtt/ssl", "stomp", "stomp/ssl"))  # tried on 3.10
_OTHERS: Final = frozenset(("http", "https", "http/prometheus", "https/prometheus", "clustering"))
_USER_ID: Final = Problem(
    "UserIdUnchecked",
    "the server refuses a message whose user_id property is not the user of its connection, and nobody can see which "
    "publishers set one: see that none has a fixed name in it",
)


async def go_through(settings: Settings, current: Credential | None) -> Checklist:
    """Everything that blocks, and what could not be asked. Raises Unavailable if the API does not answer."""
    async with rotator(settings) as api:
        users = await look(api)
        problems = [*_server(await api.row("overview") or {}), *_flags(await api.rows("feature-flags"))]
        problems += [*_nodes(await api.rows("nodes")), *await _room(api, settings, users, current)]
        problems += _users(settings, users, current)
        for what in ("parameters", "global-parameters", "policies", "operator-policies"):
            problems += _named_in(what, await api.rows(what), settings, current)
        unchecked = [_USER_ID, *_other_protocols(await api.row("overview") or {})]
        unchecked += _exclusive(await api.rows("queues", settings.vhost, columns="name,exclusive"))
    return Checklist(tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(unchecked)))


def _server(overview: Row) -> Iterator[Problem]:
    version = str(overview.get("rabbitmq_version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST:
        yield Problem("ServerTooOld", f"the server runs version {version}; Keyturn needs 3.10 or newer")


def _flags(flags: Iterable[Row]) -> Iterator[Problem]:
    """Limits of users came with 3.8.10, and must be switched on where a cluster is older than that."""
    if any(flag.get("name") == "user_limits" and flag.get("state") != "enabled" for flag in flags):
        yield Problem(
            "UserLimitsOff",
            "limits of users are switched off, so nobody can be disabled: rabbitmqctl enable_feature_flag user_limits",
        )


def _nodes(nodes: Sequence[Row]) -> Iterator[Problem]:
    for node in nodes:
        name = node.get("name")
        if not node.get("running"):
            yield Problem("NodeDown", f"node {name} of the cluster is not running; start it, or forget it")
        elif node.get("partitions"):
            yield Problem("ClusterParted", f"node {name} does not see every other node of the cluster; mend that first")
        elif node.get("mem_alarm") or node.get("disk_free_alarm"):
            yield Problem(
                "ResourceAlarm", f"node {name} is short of memory or disk and takes no messages; give it more"
            )


async def _room(api: Api, settings: Settings, users: Look, current: Credential | None) -> list[Problem]:
    """For both pools at once."""
    if current is None:
        return []
    again, user = len(await api.rows("connections", "username", current.id)), users.get(current.id)
    ours = 2 * len(settings.endpoints)  # a control session and a trial at each
    if user is not None and user.most is not None and again + ours > user.most:
        return [
            Problem(
                "TooFewConnections",
                f"{current.id} may have {user.most} connections and has {again}, and Keyturn itself needs {ours}; "
                f"raise the limit of {settings.owner} and of {current.id}",
            )
        ]
    limits = await api.rows("vhost-limits", settings.vhost)
    most = [int(value) for row in limits for name, value in dict(row.get("value") or {}).items() if name == MOST]
    here = len(await api.rows("vhosts", settings.vhost, "connections", columns="name"))  # 5 s ago
    if most and 0 <= most[0] < here + again:
        return [
            Problem(
                "TooFewConnections",
                f"vhost {settings.vhost} admits {most[0]} connections, and during the roll consumers may hold "
                f"{here + again}; raise its limit",
            )
        ]
    return []


def _users(settings: Settings, users: Look, current: Credential | None) -> Iterator[Problem]:
    owner = users.get(settings.owner)
    if owner is None:
        yield Problem(
            "OwnerMissing",
            f"spec.rabbitmq.owner {settings.owner} does not exist: make it, without a password, with the permissions "
            "that consumers need",
        )
        return
    if owner.rights.manages:
        yield Problem(
            "OwnerTooPowerful",
            f"{settings.owner} may use the management API ({', '.join(sorted(owner.rights.manages))}), where a limit "
            "of connections stops nobody; take these tags away, and from the slots",
        )
    if owner.rights.within(settings.vhost) is None:
        yield Problem(
            "OwnerWithoutPermissions", f"{settings.owner} may do nothing in vhost {settings.vhost}: set_permissions"
        )
    if current is not None and current.id in settings.principals:
        yield from _current(current.id, users.get(current.id), owner, settings)


def _current(name: str, user: User | None, owner: User, settings: Settings) -> Iterator[Problem]:
    """The user that the Secret holds."""
    if user is None:
        yield Problem("UserMissing", f"{name} does not exist: make it, with its permissions")
        return
    if user.tag is not None and user.tag.plan != settings.plan:
        yield Problem("OtherPlansUser", f"{name} carries the tag of plan {user.tag.plan}; give each its own")
    if user.rights != owner.rights:
        yield Problem(
            "RightsDiffer",
            f"{name} has other permissions, tags or limits than {settings.owner}, whose own the next one gets: make "
            "them equal",
        )


def _named_in(what: str, rows: Iterable[Row], settings: Settings, current: Credential | None) -> Iterator[Problem]:
    """Shovels, federation and the like, which log in by themselves with a URI that Keyturn does not rewrite."""
    for row in rows:
        texts = list(_texts(row.get("value", row.get("definition"))))
        named = {user for user, _ in map(_login_in, texts) if user in settings.principals}
        if named or (current is not None and any(current.value == _login_in(text)[1] for text in texts)):
            kind = row.get("component", what.removesuffix("s"))
            yield Problem(
                "CredentialInParameters",
                f"{kind} {row.get('name')} of vhost {row.get('vhost', '-')} logs in as "
                f"{listed(sorted(named)) or 'this user'}, and would be refused after the rotation; give it a user of "
                "its own",
            )


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():  # pyright: ignore[reportUnknownVariableType] -- JSON carries no types
            yield from _texts(one)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list | tuple):
        for one in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(one)  # pyright: ignore[reportUnknownArgumentType]


def _login_in(text: str) -> tuple[str, Sealed]:
    """User and password in a URI, if it is one; else the text may be a password itself."""
    try:
        if "://" not in text:
            return "", Sealed(text)
        parts = urlsplit(text.strip())
        return unquote(parts.username or ""), Sealed(unquote(parts.password or ""))
    except ValueError:
        return "", Sealed("")


def _other_protocols(overview: Row) -> Iterator[Problem]:
    found = {str(one.get("protocol")) for one in overview.get("listeners", ())} - _CLIENTS - _OTHERS
    if found:
        yield Problem(
            "OtherProtocols",
            f"the server speaks {listed(sorted(found))} as well; whether a disabled user is refused there, and its "
            "connections are listed, was tried with AMQP, MQTT and STOMP only: try it with a user of your own",
        )


def _exclusive(queues: Iterable[Row]) -> Iterator[Problem]:
    names = [str(one.get("name")) for one in queues if one.get("exclusive")]
    fixed = sorted(name for name in names if not name.startswith("amq."))
    if fixed:
        yield Problem(
            "ExclusiveQueues",
            f"{listed(fixed)}: a queue like that belongs to one connection, so a new pod that wants one of the same "
            "name is refused until the old pod is gone; let consumers with such queues restart one after the other",
        )
