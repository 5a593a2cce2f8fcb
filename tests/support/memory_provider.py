"""The provider over a backend in memory. Passes the contract suite, so it refuses what real ones refuse."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from keyturn.core.model import Idle, Op, Problem, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Capabilities,
    Checklist,
    Credential,
    Denied,
    Issuer,
    KeyturnError,
    Misconfigured,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from support.memory_backend import KEYTURN, MemoryBackend, Role
from support.switchboard import Side, Switchboard

OURS = "10.0.0.1"  # the operator's own address


class MemoryProvider:
    """The provider contract over a MemoryBackend."""

    issuer: Issuer | None = None
    capabilities = Capabilities(
        reversible_disable=True, tells_disabled_from_wrong=True, sees_refused_attempts=True, lists_sessions=True
    )

    def __init__(
        self, backend: MemoryBackend, slots: Sequence[str], board: Switchboard, plan: str = "shop/orders"
    ) -> None:
        self._backend, self._slots, self._board, self._plan = backend, tuple(slots), board, plan
        self._numbers = itertools.count(1)
        self.minted: list[Sealed] = []
        self.lacking: set[str] = set()  # these log in to other rights than expected
        self.lagging: set[str] = set()  # an endpoint does not know these yet
        self.skew: Callable[[], timedelta] = timedelta  # of the operator's clock: a time is told as an age
        self.told: Callable[[str, Idle], None] = lambda _id, _idle: None  # hears every answer of ``usage``

    # ------------------------------------------------------------------------------------------------ looking

    async def identify(self) -> str:
        await self._ask("identify")
        return self._backend.system

    async def reach(self) -> Reach:
        if self._backend.refuses_rotator:
            return Reach.REFUSED
        try:
            await self._ask("reach")
        except KeyturnError:
            return Reach.DOWN
        return Reach.UP

    async def same_system(self, current: Credential) -> Sameness:
        await self._ask("same-system")
        del current
        return Sameness.SAME if self._backend.system == "one" else Sameness.DIFFERENT

    async def inventory(self) -> tuple[Principal, ...]:
        await self._ask("inventory")
        return tuple(
            Principal(id_, role.state(), role.plan, role.tag, stranger=not role.declared, expires=role.expires)
            for id_, role in sorted(self._backend.roles.items())
        )

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        await self._ask("preflight")
        del current
        shut_out = [address for address in clients if address in self._backend.shut_out]
        problems = tuple(Problem("HbaRefusesSlot", f"the next slot is not let in from {a}") for a in shut_out)
        return Checklist(problems, self._backend.unchecked)

    async def next_id(self, current_id: str) -> str:
        await self._ask("next-id")
        for slot in self._slots:
            role = self._backend.roles.get(slot)
            if slot != current_id and (role is None or not role.enabled):
                return slot
        raise Misconfigured("NoFreeSlot", "both slots are enabled; disable the one that nobody uses")

    def mint(self) -> Sealed:
        self.minted.append(Sealed(f"minted-value-number-{id(self)}-{next(self._numbers)}"))
        return self.minted[-1]

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        def act() -> None:
            roles = self._backend.roles
            named = [id_ for id_ in strangers if id_ in roles]
            if any(roles[id_].declared for id_ in named):
                raise Denied("NotContainable", "a declared role is never cut off")
            for id_ in (new.id, old_id, *named):
                if id_ in roles:
                    self._fence(op, roles[id_])
            fresh = Role(new.value, plan=self._plan, made_by=KEYTURN, changed_by=KEYTURN)
            roles[new.id] = fresh
            self._mark(op, fresh)
            for id_ in (old_id, *named):
                self._backend.switch(id_, enabled=False, who=KEYTURN)

        await self._change("contain", act, old_id)
        for id_ in (old_id, *(s for s in strangers if s in self._backend.roles)):
            await self.end_sessions(op, id_)

    async def test(self, credential: Credential) -> Trial:
        try:
            await self._ask("test")
        except KeyturnError:
            return Trial.DOWN
        role = self._backend.roles.get(credential.id)
        if role is None or role.value != credential.value or credential.id in self.lagging:
            return Trial.REFUSED
        if not self._backend.opens(role):
            return Trial.DISABLED
        return Trial.LACKING if credential.id in self.lacking else Trial.WORKS

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        await self._ask("usage")
        port = self._backend.login(control.id, control.value, OURS, ours=True)
        seen = port is not None and not self._backend.blind
        found = {id_: self._usage(id_, seen=seen) for id_ in ids}
        if port is not None:
            self._backend.hang_up(port)
        for id_, usage in found.items():
            self.told(id_, usage.idle)
        if not self.capabilities.sees_use:
            return {id_: Usage(Idle.UNKNOWN, (), "this backend keeps no account of use") for id_ in ids}
        return found

    def _usage(self, id_: str, *, seen: bool) -> Usage:
        mine = tuple(s for s in self._backend.sessions.values() if s.principal == id_)
        if any(not s.ours for s in mine):
            return Usage(Idle.IN_USE, mine)
        return Usage(Idle.NOT_SEEN, mine) if seen else Usage(Idle.UNKNOWN, mine, "the control session was not listed")

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        await self._ask("refused-attempts")
        since -= self.skew()
        return tuple(s for s in self._backend.attempts if s.principal == id_ and s.started and s.started > since)

    # ----------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        def make() -> None:
            if like in self._backend.roles:
                self._fence(op, self._backend.roles[like])
            role = self._backend.roles.get(new.id)
            if role is not None:
                self._fence(op, role)
                if not role.plan:
                    raise Denied("RoleNotOurs", "a role of this name exists and does not carry our tag")
                if not role.tag.startswith(f"{op.rotation_uid}/") and (role.enabled or self._in_use(new.id)):
                    raise Denied("SlotInUse", "the slot is in use")
            fresh = Role(new.value, plan=self._plan, made_by=KEYTURN, changed_by=KEYTURN)
            self._backend.roles[new.id] = fresh
            self._mark(op, fresh)

        await self._change("ensure", make, new.id)

    async def disable(self, op: Op, id_: str) -> None:
        if id_ not in self._backend.roles:
            return

        def act() -> None:
            role = self._backend.roles.get(id_)
            if role is None:
                return  # lost since we looked
            self._fence(op, role)
            if not role.retired:
                self._backend.switch(id_, enabled=False, who=KEYTURN)
                self._mark(op, role)

        await self._change("disable", act, id_)

    async def enable(self, op: Op, credential: Credential) -> None:
        def act() -> None:
            role = self._backend.roles.get(credential.id)
            if role is None:
                raise Denied("RoleMissing", "the role does not exist")
            self._fence(op, role)
            if role.retired:
                raise Denied("RoleRetired", "a retired role does not come back")
            role.value = credential.value
            self._backend.switch(credential.id, enabled=True, who=KEYTURN)
            self._mark(op, role)

        await self._change("enable", act, credential.id)

    async def end_sessions(self, op: Op, id_: str) -> int:
        del op
        mine = [n for n, s in self._backend.sessions.items() if s.principal == id_]

        def act() -> None:
            role = self._backend.roles.get(id_)
            if role is not None and role.enabled:
                raise Denied("StillEnabled", "only the sessions of a disabled role are ended")
            self._backend.hang_up_all(id_)

        if not mine:
            await self._ask("end-sessions")
            act()
            return 0

        await self._change("end-sessions", act, id_)
        return len(mine)

    async def delete(self, op: Op, id_: str) -> None:
        if id_ not in self._backend.roles or self._backend.roles[id_].retired:
            return

        def act() -> None:
            role = self._backend.roles.get(id_)
            if role is None:
                return  # lost since we looked
            self._fence(op, role)
            if role.enabled:
                raise Denied("NotDisabled", "only a disabled role is retired")
            if self._in_use(id_):
                raise Denied("SessionsOpen", "sessions of this role are open")
            self._bury(op, id_)

        await self._change("delete", act, id_)

    async def close(self) -> None:
        """Nothing is held."""

    # ------------------------------------------------------------------------------------------------- inside

    async def _change(self, kind: str, act: Callable[[], None], id_: str) -> None:
        await self._ask(kind, writes=True)
        await self._board.write(kind, act, id_)

    async def _ask(self, name: str, *, writes: bool = False) -> None:
        await self._board.call(Side.BACKEND, name, writes=writes)
        if self._backend.down:
            raise Unavailable("BackendDown", "the backend is down")

    def _in_use(self, id_: str) -> bool:
        return any(s.principal == id_ for s in self._backend.sessions.values())

    def _bury(self, op: Op, id_: str) -> None:
        role = self._backend.roles[id_]
        role.retired, role.value = True, Sealed("nobody-knows-this-value")
        self._mark(op, role)

    def _fence(self, op: Op, role: Role) -> None:
        rotation, _, generation = role.tag.partition("/")
        turned_back = rotation == op.rotation_uid and int(generation) > op.generation
        if role.epoch > op.epoch or turned_back:
            raise Denied("NewerOperator", "a newer operator, or the way back of this rotation, has changed this role")

    def _mark(self, op: Op, role: Role) -> None:
        role.plan, role.tag, role.epoch = self._plan, f"{op.rotation_uid}/{op.generation}", op.epoch
