"""The provider over a backend in memory that names credentials itself and shows a value once: at most two a user.

As a service that hands out keys does: another call makes another key, one that is closed still takes up room, and one
that was deleted is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from keyturn.core.model import Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied, Misconfigured, Pending, Unavailable
from support.memory_backend import KEYTURN, MemoryBackend, Role
from support.memory_provider import MemoryProvider
from support.switchboard import Switchboard

ROOM = 2
COMES_TO_LIGHT = timedelta(seconds=5)  # at the latest, so long after it was asked for


class MemoryIssuer(MemoryProvider):
    """Keys come in the order in which they were asked for."""

    def __init__(self, backend: MemoryBackend, board: Switchboard, now: Callable[[], datetime]) -> None:
        super().__init__(backend, (), board)
        self._now = now  # of the operator
        self.issuer = self

    async def next_id(self, current_id: str) -> str:
        await self._ask("next-id")
        if len(self._backend.roles) >= ROOM:
            others = ", ".join(sorted(set(self._backend.roles) - {current_id}))
            raise Misconfigured("NoFreeSlot", f"there is room for two keys; delete {others}")
        return ""

    def mint(self) -> Sealed:
        raise Denied("MintedByServer", "the backend makes the values")

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        del like
        role = self._backend.roles.get(new.id)
        if role is None or role.value != new.value:
            raise Denied("CredentialGone", "what the backend issued and lost cannot be made again")
        if not role.enabled:
            await self.enable(op, new)

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        del like
        made: list[Credential] = []

        def act() -> None:
            roles = self._backend.roles
            spare = [id_ for id_ in strangers if id_ in roles and not roles[id_].declared]
            if len(roles) >= ROOM and spare:
                del roles[spare[0]]
                self._backend.hang_up_all(spare[0])
            if len(roles) >= ROOM:
                raise Denied("NoFreeSlot", "there is room for two keys")
            key = Credential(f"key-{next(self._numbers)}", Sealed(f"issued-value-number-{id(self)}-{len(self.minted)}"))
            self.minted.append(key.value)
            roles[key.id] = Role(key.value, plan=self._plan, made_by=KEYTURN, changed_by=KEYTURN, made_at=self._now())
            self._mark(op, roles[key.id])
            made.append(key)

        await self._change("issue", act, "")
        return made[0]

    async def sweep(self, op: Op, pending: Pending) -> None:
        await self._ask("sweep")
        if self._now() < pending.since + COMES_TO_LIGHT:
            raise Unavailable("CreateUnanswered", "a key that was asked for may still come to light")
        for id_ in [id_ for id_, role in self._backend.roles.items() if role.made_at and id_ not in pending.before]:
            await self.disable(op, id_)
            await self.delete(op, id_)

    def _bury(self, op: Op, id_: str) -> None:
        del op
        del self._backend.roles[id_]
