"""A backend in memory: principals, real sessions, changes that take a while to bite, and a log of refused logins."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keyturn.core.model import Existence, Problem
from keyturn.core.sealed import Sealed
from keyturn.ports import Session, Unavailable

KEYTURN, SOMEBODY = "keyturn", "somebody"


@dataclass
class Role:
    """A principal that can log in. ``enabled`` is what the inventory says; logins follow after the backend's delay."""

    value: Sealed
    enabled: bool = True
    retired: bool = False
    plan: str = ""
    tag: str = ""  # rotation uid / generation
    declared: bool = True
    expires: datetime | None = None
    epoch: int = 0  # of the lease under which it was last changed
    made_by: str = SOMEBODY
    made_at: datetime | None = None  # where the backend tells
    changed_by: str = SOMEBODY  # who last decided whether it opens sessions
    changed_at: datetime | None = None
    opened_before: bool = True  # what logins saw before the last change,
    bites_at: datetime | None = None  # until then

    def state(self) -> Existence:
        if self.retired:
            return Existence.RETIRED
        return Existence.ACTIVE if self.enabled else Existence.DISABLED


@dataclass
class MemoryBackend:
    """Roles and open sessions."""

    system: str = "one"
    roles: dict[str, Role] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    down: bool = False
    refuses_rotator: bool = False
    refused: list[tuple[str, str]] = field(default_factory=list)
    attempts: list[Session] = field(default_factory=list)  # correct logins that were refused, as a database's log has
    blind: bool = False
    shut_out: set[str] = field(default_factory=set)  # addresses that the server's rules would not let NEW in from
    unchecked: tuple[Problem, ...] = ()
    restored_at: datetime | None = None  # from a copy
    delay: timedelta = timedelta()  # until a disable or enable bites everywhere
    now: Callable[[], datetime] = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(40000))

    def login(self, id_: str, value: Sealed, address: str, *, ours: bool = False) -> int | None:
        """A new session's number, or None when refused. Raises Unavailable while down."""
        if self.down:
            raise Unavailable("BackendDown", "the backend is down")
        role = self.roles.get(id_)
        port = next(self._numbers)
        session = Session(id_, address, port, self.now(), ours=ours)
        if role is None or not self.opens(role) or role.value != value:
            self.refused.append((id_, address))
            if role is not None and not role.retired and role.value == value and not ours:
                self.attempts.append(session)
            return None
        self.sessions[port] = session
        return port

    def opens(self, role: Role) -> bool:
        """Does it open sessions at this moment? A change bites after the delay, and not before."""
        waits = role.bites_at is not None and self.now() < role.bites_at
        return role.opened_before if waits else role.enabled

    def switch(self, id_: str, *, enabled: bool, who: str) -> None:
        """Enable or disable."""
        role = self.roles.get(id_)
        if role is None:
            return
        if role.enabled is not enabled:
            role.opened_before, role.changed_at = self.opens(role), self.now()
            role.bites_at, role.changed_by = self.now() + self.delay, who
        role.enabled = enabled

    def hang_up(self, port: int) -> None:
        self.sessions.pop(port, None)

    def hang_up_all(self, id_: str) -> None:
        for port in [p for p, s in self.sessions.items() if s.principal == id_]:
            del self.sessions[port]

    def restart(self) -> None:
        """Every session is gone."""
        self.sessions.clear()
