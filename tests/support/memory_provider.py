"""A backend in memory, with real sessions, and the provider over it. Passes the provider contract suite."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keyturn.core.model import Existence, Idle, Op, Problem, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Capabilities,
    Checklist,
    Credential,
    Denied,
    Misconfigured,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from support.faults import Switchboard


@dataclass
class Role:
    """A principal that can log in."""

    value: Sealed
    enabled: bool = True
    retired: bool = False
    plan: str = ""
    tag: str = ""
    declared: bool = True
    expires: datetime | None = None


@dataclass
class MemoryBackend:
    """Roles and open sessions. ``logins`` remembers every attempt, as a database's log would."""

    system: str = "one"
    roles: dict[str, Role] = field(default_factory=dict)
    sessions: dict[int, Session] = field(default_factory=dict)
    down: bool = False
    refused: list[tuple[str, str]] = field(default_factory=list)
    attempts: list[Session] = field(default_factory=list)
    blind: bool = False
    shut_out: set[str] = field(default_factory=set)  # addresses that the server's rules would not let NEW in from
    unchecked: tuple[Problem, ...] = ()
    now: Callable[[], datetime] = lambda: datetime(2026, 1, 1, tzinfo=UTC)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(40000))

    def login(self, id_: str, value: Sealed, address: str, *, ours: bool = False) -> int | None:
        """A new session's number, or None when refused. Raises Unavailable while down."""
        if self.down:
            raise Unavailable("BackendDown", "the backend is down")
        role = self.roles.get(id_)
        port = next(self._numbers)
        session = Session(id_, address, port, self.now(), ours=ours)
        if role is None or not role.enabled or role.value != value:
            self.refused.append((id_, address))
            if role is not None and role.value == value and not ours:
                self.attempts.append(session)
            return None
        self.sessions[port] = session
        return port

    def hang_up(self, port: int) -> None:
        self.sessions.pop(port, None)


class MemoryProvider:
    """The provider contract over a MemoryBackend."""

    capabilities = Capabilities(
        reversible_disable=True, tells_disabled_from_wrong=True, sees_refused_attempts=True, lists_sessions=True
    )

    def __init__(
        self, backend: MemoryBackend, slots: Sequence[str], board: Switchboard, plan: str = "shop/orders"
    ) -> None:
        self._backend, self._slots, self._board, self._plan = backend, tuple(slots), board, plan
        self._minted = itertools.count(1)
        self.lacking: set[str] = set()

    async def identify(self) -> str:
        self._up()
        return self._backend.system

    async def reach(self) -> Reach:
        return Reach.DOWN if self._backend.down else Reach.UP

    async def same_system(self, current: Credential) -> Sameness:
        self._up()
        del current
        return Sameness.SAME if self._backend.system == "one" else Sameness.DIFFERENT

    async def inventory(self) -> tuple[Principal, ...]:
        self._up()
        return tuple(
            Principal(id_, _state(role), role.plan, role.tag, stranger=not role.declared, expires=role.expires)
            for id_, role in sorted(self._backend.roles.items())
        )

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        self._up()
        del current
        shut_out = [address for address in clients if address in self._backend.shut_out]
        problems = tuple(Problem("HbaRefusesSlot", f"the next slot is not let in from {a}") for a in shut_out)
        return Checklist(problems, self._backend.unchecked)

    async def next_id(self, current_id: str) -> str:
        self._up()
        for slot in self._slots:
            role = self._backend.roles.get(slot)
            if slot != current_id and (role is None or not role.enabled):
                return slot
        raise Misconfigured("NoFreeSlot", "both slots are enabled; disable the one that nobody uses")

    def mint(self) -> Sealed:
        return Sealed(f"minted-value-number-{id(self)}-{next(self._minted)}")

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        self._up()
        del like

        def make() -> None:
            self._backend.roles[new.id] = Role(new.value, plan=self._plan, tag=f"{op.rotation_uid}/{op.generation}")

        await self._board.write("ensure", make)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        self._up()
        roles = self._backend.roles
        named = [id_ for id_ in strangers if id_ in roles]
        if any(roles[id_].declared for id_ in named):
            raise Denied("NotContainable", "a declared role is never cut off")

        def act() -> None:
            roles[new.id] = Role(new.value, plan=self._plan, tag=f"{op.rotation_uid}/{op.generation}")
            for id_ in (old_id, *named):
                roles[id_].enabled = False

        await self._board.write("contain", act)
        for id_ in (old_id, *named):
            await self.end_sessions(op, id_)

    async def test(self, credential: Credential) -> Trial:
        if self._backend.down:
            return Trial.DOWN
        role = self._backend.roles.get(credential.id)
        if role is None or role.value != credential.value:
            return Trial.REFUSED
        if not role.enabled:
            return Trial.DISABLED
        return Trial.LACKING if credential.id in self.lacking else Trial.WORKS

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        self._up()
        port = self._backend.login(control.id, control.value, "10.0.0.1", ours=True)
        seen = port is not None and not self._backend.blind
        found = {id_: self._usage(id_, seen=seen) for id_ in ids}
        if port is not None:
            self._backend.hang_up(port)
        return found

    def _usage(self, id_: str, *, seen: bool) -> Usage:
        mine = tuple(s for s in self._backend.sessions.values() if s.principal == id_)
        if any(not s.ours for s in mine):
            return Usage(Idle.IN_USE, mine)
        return Usage(Idle.NOT_SEEN, mine) if seen else Usage(Idle.UNKNOWN, mine, "the control session was not listed")

    async def disable(self, op: Op, id_: str) -> None:
        self._up()
        del op
        await self._board.write("disable", lambda: self._set(id_, enabled=False))

    async def enable(self, op: Op, credential: Credential) -> None:
        self._up()
        del op

        def act() -> None:
            role = self._backend.roles.setdefault(credential.id, Role(credential.value, plan=self._plan))
            role.value, role.enabled, role.retired = credential.value, True, False

        await self._board.write("enable", act)

    async def end_sessions(self, op: Op, id_: str) -> int:
        self._up()
        del op
        role = self._backend.roles.get(id_)
        if role is not None and role.enabled:
            raise Denied("StillEnabled", "only the sessions of a disabled role are ended")
        mine = [n for n, s in self._backend.sessions.items() if s.principal == id_]
        if not mine:
            return 0

        def act() -> None:
            for number in mine:
                self._backend.hang_up(number)

        await self._board.write("end-sessions", act)
        return len(mine)

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        self._up()
        return tuple(s for s in self._backend.attempts if s.principal == id_ and s.started and s.started > since)

    async def delete(self, op: Op, id_: str) -> None:
        self._up()
        role = self._backend.roles.get(id_)
        if role is None or role.retired:
            return
        if any(s.principal == id_ for s in self._backend.sessions.values()):
            raise Denied("SessionsOpen", "sessions of this role are open")
        del op
        if role.enabled:
            raise Denied("NotDisabled", "only a disabled role is retired")

        def act() -> None:
            role.enabled, role.retired, role.value = False, True, Sealed("nobody-knows-this-value")

        await self._board.write("delete", act)

    async def close(self) -> None:
        """Nothing is held."""

    def _set(self, id_: str, *, enabled: bool) -> None:
        if id_ in self._backend.roles:
            self._backend.roles[id_].enabled = enabled

    def _up(self) -> None:
        if self._backend.down:
            raise Unavailable("BackendDown", "the backend is down")


def _state(role: Role) -> Existence:
    if role.retired:
        return Existence.RETIRED
    return Existence.ACTIVE if role.enabled else Existence.DISABLED
