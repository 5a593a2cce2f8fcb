"""Counts, many times a second and from inside the server, which roles can log in as what the plan hands out."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread

from keyturn_dev.cluster.shell import Trouble, wait_until
from keyturn_dev.demo.database import Database

# Every login that reaches the owner's tables counts, whatever it is called. `\watch` runs it again and again.
_WATCH = r"""
SET application_name = 'lookout';
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
       coalesce(string_agg(rolname, ',' ORDER BY rolname), '')
  FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, 'orders_owner', 'MEMBER') \watch 0.05
"""


@dataclass(slots=True)
class Enabled:
    """What was seen: how often each set of roles could log in, and the longest time nobody looked."""

    seen: Counter[tuple[str, ...]] = field(default_factory=Counter[tuple[str, ...]])
    first: datetime | None = None
    last: datetime | None = None
    longest_gap: float = 0.0  # seconds, by the server's clock

    def read(self, lines: Iterable[str]) -> None:
        """Take in the server's answers: a time and the roles, or nothing."""
        for line in lines:
            moment, bar, roles = line.strip().partition("|")
            if bar:
                self._add(datetime.fromisoformat(moment), tuple(name for name in roles.split(",") if name))

    def _add(self, moment: datetime, roles: tuple[str, ...]) -> None:
        self.first = self.first or moment
        self.longest_gap = max(self.longest_gap, (moment - (self.last or moment)).total_seconds())
        self.last = moment
        self.seen[roles] += 1

    @property
    def samples(self) -> int:
        """How often it looked."""
        return self.seen.total()

    @property
    def rate(self) -> float:
        """Looks a second, the gaps included."""
        if self.first is None or self.last is None or self.first == self.last:
            return 0.0
        return self.samples / (self.last - self.first).total_seconds()

    @property
    def most(self) -> int:
        """The most roles that could log in at the same time."""
        return max((len(roles) for roles in self.seen), default=0)

    @property
    def least(self) -> int:
        """The fewest."""
        return min((len(roles) for roles in self.seen), default=0)


@contextmanager
def looking(database: Database) -> Generator[Enabled]:
    """While inside, look. Raises Trouble when the looking does not begin, or ended before the block did."""
    kubectl, enabled = database.kubectl, Enabled()
    psql = ["psql", "--no-psqlrc", "-qtAX", "-v", "ON_ERROR_STOP=1", "-h", "/tmp", "-U", "postgres", database.name]  # noqa: S108 - the socket's place in the pod
    where = ["-n", database.namespace, database.pod, "-c", "postgres"]
    argv = [str(kubectl.cluster.kubectl), "exec", "-i", *where, "--", *psql]
    stream = subprocess.Popen(
        argv, env=kubectl.cluster.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert stream.stdin is not None  # noqa: S101 - Popen was told to make pipes
    assert stream.stdout is not None  # noqa: S101 - same
    stream.stdin.write(_WATCH)
    stream.stdin.flush()
    reader = Thread(target=enabled.read, args=(stream.stdout,), daemon=True)
    reader.start()
    try:
        if not wait_until(lambda: enabled.samples > 0, timeout=20):
            raise Trouble("the server does not say which roles can log in")
        yield enabled
        if stream.poll() is not None:
            raise Trouble("the lookout at the database ended before its time")
    finally:
        stream.terminate()
        stream.wait(timeout=10)
        reader.join(timeout=10)
        stream.stdin.close()
        stream.stdout.close()
