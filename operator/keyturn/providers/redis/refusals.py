"""Refused logins, from the servers' own log: who still tries a user that is off.

A server keeps one entry for all refusals of a minute, and names the last caller only; a wrong password and a right one
look alike (https://redis.io/docs/latest/commands/acl-log/). The last caller is often us, who try whether the login is
refused. So the log is read before we try, and what it said of others is kept.

Our own are known by the user to whom the caller's connection belonged before: a trial is made over the rotator's
(``client-info`` says ``user=keyturn-rotator``; strangers' say ``user=default``), under a name that only who has logged
in can take: somebody may have made ``default`` the rotator. An address would not tell: networks translate them, and
the operator that called may have been another process.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keyturn.ports import Session
from keyturn.providers.redis.connections import NAMED, Wire, pairs
from keyturn.providers.redis.identity import fields, place


@dataclass
class Refusals:
    """What the logs said so far. Lives as long as the process."""

    limit: int = 1024
    _seen: OrderedDict[Session, None] = field(default_factory=OrderedDict[Session, None])

    async def read(self, wire: Wire, user: str, rotator: str, now: datetime) -> None:
        """Keep what this server says of refused logins as this user, other than the rotator's."""
        for entry in await wire.ask("ACL", "LOG"):
            told = pairs(entry)
            caller = fields(str(told.get("client-info", "")))
            ours = caller.get("user") == rotator and caller.get("name", "").startswith(NAMED)
            if (told.get("reason"), told.get("username")) == ("auth", user) and not ours:
                self._keep(user, caller.get("addr", ""), now - timedelta(seconds=float(told["age-seconds"])))

    def of(self, user: str, since: datetime) -> tuple[Session, ...]:
        """Since then, each caller's last."""
        return tuple(one for one in self._seen if one.principal == user and one.started and one.started >= since)

    def _keep(self, user: str, caller: str, at: datetime) -> None:
        address, port = place(caller)
        for former in [one for one in self._seen if (one.client_address, one.client_port) == (address, port)]:
            if former.principal == user:
                del self._seen[former]
        self._seen[Session(user, address, port, at)] = None
        while len(self._seen) > self.limit:
            self._seen.popitem(last=False)
