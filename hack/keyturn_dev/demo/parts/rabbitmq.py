"""RabbitMQ's part: users that take turns, and the server's log, which tells of every login that it refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyturn.core.sealed import Sealed
from keyturn.providers.rabbitmq.users import ALGORITHM, hash_of
from keyturn_dev.demo.credentials import Authority
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import SHOP, Account, Consumer, Part, Passwords, Trace

HOST, CTL = f"rabbitmq.{SHOP}.svc", "/usr/lib/rabbitmq/bin/rabbitmqctl"
MOST, OURS = "max-connections", "keyturn:v1:"
MAY = {"configure": "^post\\.", "write": "^(post\\.|amq\\.default$)", "read": "^post\\."}
CONFIGURATION = """\
listeners.tcp = none
listeners.ssl.1 = 5671
ssl_options.cacertfile = /tls/tls.crt
ssl_options.certfile = /tls/tls.crt
ssl_options.keyfile = /tls/tls.key
ssl_options.verify = verify_none
management.ssl.port = 15671
management.ssl.cacertfile = /tls/tls.crt
management.ssl.certfile = /tls/tls.crt
management.ssl.keyfile = /tls/tls.key
load_definitions = /config/definitions.json
cluster_name = shop
"""
# What the log has of a refused login, and of nothing else (seen on 3.10); one process serves one connection:
#   2026-03-01 12:00:00.123456+00:00 [info] <0.9.0> accepting AMQP connection <0.9.0> (10.0.0.7:5000 -> 10.0.0.9:5671)
#   2026-03-01 12:00:00.123456+00:00 [error] <0.9.0> PLAIN login refused: user 'post_a' - invalid credentials
#   2026-03-01 12:00:00.123456+00:00 [error] <0.9.0> connection refused for user 'post_a': user connection limit (0)
_AT = re.compile(r"(\S+ \S+) \[\w+\] (<[\d.]+>) ")
_HOST = re.compile(r"\((\S+):\d+ -> ")
_USER = re.compile(r"user '([^']+)'")


@dataclass(frozen=True, slots=True)
class RabbitmqServer:
    """One server: a pod of a StatefulSet."""

    kubectl: Kubectl

    def do(self, *words: str) -> str:
        """A command of the administrator's, inside the server's own container."""
        return self.kubectl.exec(SHOP, "rabbitmq-0", "rabbitmq", [CTL, "--silent", *words])

    def accounts(self) -> Mapping[str, Account]:
        """See Server."""
        return accounts_of(json.loads(self.do("export_definitions", "-", "--format", "json")))

    def sessions(self, name: str) -> int:
        """See Server. One that was closed stays in the list for half a minute, as that (seen on 3.10)."""
        rows = [line.split() for line in self.do("list_connections", "user", "state").splitlines()]
        return rows.count([name, "running"])

    def refused(self, names: frozenset[str], since: datetime, leave_out: frozenset[str]) -> list[str]:
        """See Server."""
        log = self.kubectl("logs", "-n", SHOP, "rabbitmq-0", "-c", "rabbitmq", "--since-time", since.isoformat())
        return [f"{name} from {host}" for name, host in refusals(log, since) if name in names and host not in leave_out]

    def trace(self, name: str, since: datetime, leave_out: frozenset[str]) -> Trace | None:  # noqa: ARG002 - the port's
        """See Server: it keeps none."""
        return None

    def take_away(self, name: str) -> None:
        """See Server. Who is connected stays connected."""
        self.do("set_user_limits", name, json.dumps({MOST: 0}))


def accounts_of(definitions: dict[str, Any]) -> dict[str, Account]:
    """Users as the server exports them, without the tags that each of Keyturn's changes leaves anew."""
    may = {row["user"]: row for row in definitions["permissions"]}
    found = dict[str, Account]()
    for row in definitions["users"]:
        limits = dict(row.get("limits") or {})
        shut = limits.pop(MOST, None) == 0 or not row["password_hash"]
        tags = row["tags"] if isinstance(row["tags"], list) else row["tags"].split(",")
        rest = (sorted(tag for tag in tags if tag and not tag.startswith(OURS)), limits, may.get(row["name"]))
        found[row["name"]] = Account(enabled=not shut, stored=row["password_hash"], rest=rest)
    return found


def refusals(log: str, since: datetime) -> list[tuple[str, str]]:
    """As whom, and from where, logins were refused since then; "" for an address that the log does not tell."""
    hosts, told = dict[str, str](), list[tuple[str, str]]()
    for line in log.splitlines():
        at = _AT.match(line)
        if at is None:
            continue
        when, process = at.groups()
        if host := _HOST.search(line):
            hosts[process] = host[1]
        user = _USER.search(line)
        if user and " refused" in line and datetime.fromisoformat(when) >= since:
            told.append((user[1], hosts.get(process, "")))
    return told


def _server(kubectl: Kubectl, _passwords: Passwords) -> RabbitmqServer:
    return RabbitmqServer(kubectl)


def _secrets(passwords: Passwords, authority: Authority) -> Mapping[str, Mapping[str, str]]:
    """The server's users, as its page tells to make them, and the Secrets of their credentials."""
    users: list[dict[str, Any]] = [
        _user("keyturn-rotator", passwords.rotator, "administrator"),
        _user("post_a", passwords.current),
        {**_user("post", ""), "password_hash": ""},  # the owner: nobody has a password of it
    ]
    definitions: dict[str, Any] = {
        "vhosts": [{"name": "/"}],
        "users": users,
        "permissions": [{"user": name, "vhost": "/", **MAY} for name in ("post", "post_a")],
    }
    return {
        "rabbitmq-tls": authority.issue(HOST),
        "rabbitmq-init": {"rabbitmq.conf": CONFIGURATION, "definitions.json": json.dumps(definitions)},
        "rabbitmq-rotator": {
            "user": "keyturn-rotator",
            "password": passwords.rotator,
            "host": HOST,
            "port": "15671",
            "ca.crt": authority.pem,
        },
        "post": {"AMQP_URL": f"amqps://post_a:{passwords.current}@{HOST}:5671/%2F"},
    }


def _user(name: str, password: str, *tags: str) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": hash_of(Sealed(password)),
        "hashing_algorithm": ALGORITHM,
        "tags": list(tags),
        "limits": {},
    }


RABBITMQ = Part(
    name="rabbitmq",
    title="RabbitMQ",
    plan="post",
    key="AMQP_URL",
    slots=("post_a", "post_b"),
    consumers=(Consumer("post-web"), Consumer("post-worker", reloads=True)),
    decoy="post-report",
    server=_server,
    secrets=_secrets,
)
