"""Redis' part: users that take turns, and the server's list of refused logins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keyturn_dev.demo.credentials import Authority
from keyturn_dev.demo.kubectl import Kubectl
from keyturn_dev.demo.part import SHOP, Account, Consumer, Part, Passwords, Trace

PAGE = Path(__file__).resolve().parents[4] / "docs" / "providers" / "redis.md"
HOST, RULES = f"redis.{SHOP}.svc", "~basket:* &basket:* +@all -@dangerous"
_TAG = re.compile(r"\(~keyturn:v1:[^)]*\)")
_HOST = re.compile(r"\baddr=(\S+):\d+")
_LOCK = re.compile(r":lock=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One server: a pod of a StatefulSet."""

    kubectl: Kubectl
    root: str = field(repr=False)

    def do(self, *words: str) -> str:
        """A command of the administrator's. His password goes in over standard input, not into a list of processes."""
        script = 'read -r REDISCLI_AUTH; export REDISCLI_AUTH; exec redis-cli --no-auth-warning --tls --insecure "$@"'
        command = ["sh", "-c", script, "sh", "--user", "root", *words]
        return self.kubectl.exec(SHOP, "redis-0", "redis", command, stdin=f"{self.root}\n")

    def accounts(self) -> Mapping[str, Account]:
        """See Server: the list of users, without the tag and the lock that each of Keyturn's changes leaves anew."""
        return dict(account_of(line) for line in self.do("ACL", "LIST").splitlines() if line)

    def sessions(self, name: str) -> int:
        """See Server."""
        return sum(f" user={name} " in line for line in self.do("CLIENT", "LIST").splitlines())

    def refused(self, names: frozenset[str], since: datetime, leave_out: frozenset[str]) -> list[str]:
        """See Server. Refusals of one user within a minute are one entry there, with the address of the last."""
        entries = json.loads(self.do("--json", "ACL", "LOG", "128"))
        return refusals(entries, datetime.now(UTC), names, since, leave_out)  # noqa: TID251 - entries tell their age

    def trace(self, name: str, since: datetime, leave_out: frozenset[str]) -> Trace | None:  # noqa: ARG002 - the port's
        """See Server: it keeps none."""
        return None

    def take_away(self, name: str) -> None:
        """See Server. Who is connected stays connected."""
        self.do("ACL", "SETUSER", name, "off")


def account_of(line: str) -> tuple[str, Account]:
    """Name and account of one line of `ACL LIST`."""
    locks = set(_LOCK.findall(line))
    _, name, *rules = _TAG.sub("", line).split()
    hashes = sorted(rule[1:] for rule in rules if rule.startswith("#") and rule[1:] not in locks)
    rest = [rule for rule in rules if not rule.startswith("#")]
    return name, Account(enabled="on" in rules, stored=" ".join(hashes), rest=rest)


def refusals(
    entries: list[dict[str, str | int]],
    now: datetime,
    names: frozenset[str],
    since: datetime,
    leave_out: frozenset[str],
) -> list[str]:
    """Who was refused a login, of the entries of `ACL LOG` that were made since then."""
    told = list[str]()
    for entry in entries:
        host = _HOST.search(str(entry["client-info"]))
        address = host[1] if host else ""
        recent = now - timedelta(seconds=float(entry["age-seconds"])) >= since
        if entry["reason"] == "auth" and entry["username"] in names and recent and address not in leave_out:
            told.append(f"{entry['username']} from {address}")
    return told


def _server(kubectl: Kubectl, passwords: Passwords) -> RedisServer:
    return RedisServer(kubectl, passwords.root)


def _secrets(passwords: Passwords, authority: Authority) -> Mapping[str, Mapping[str, str]]:
    """The server's users, the rotator's with the rights that its page names, and the Secrets of their credentials."""
    may = " ".join(
        re.findall(r"\+\S+", PAGE.read_text().partition("ACL SETUSER keyturn-rotator")[2].partition("```")[0])
    )
    users = [
        "user default off",
        f"user root on >{passwords.root} ~* &* +@all",
        f"user keyturn-rotator on >{passwords.rotator} resetchannels -@all {may}",
        f"user basket off {RULES}",
        f"user basket_a on >{passwords.current} {RULES}",
    ]
    return {
        "redis-tls": authority.issue(HOST),
        "redis-init": {"users.acl": "\n".join(users) + "\n"},
        "redis-rotator": {
            "user": "keyturn-rotator",
            "password": passwords.rotator,
            "host": HOST,
            "port": "6379",
            "ca.crt": authority.pem,
        },
        "basket": {"REDIS_URL": f"rediss://basket_a:{passwords.current}@{HOST}:6379/0?ssl_cert_reqs=none"},
    }


REDIS = Part(
    name="redis",
    title="Redis",
    plan="basket",
    key="REDIS_URL",
    slots=("basket_a", "basket_b"),
    consumers=(Consumer("basket-web"), Consumer("basket-worker", reloads=True)),
    decoy="basket-report",
    server=_server,
    secrets=_secrets,
)
