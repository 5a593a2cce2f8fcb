"""The provider the reconciler sees: every mutation is preceded by a look at the system's identity and read back after.

Decides nothing; keeps nothing between calls but which connections were its own, and control sessions for a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keyturn.core.model import Op, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Checklist,
    Clock,
    Credential,
    Denied,
    KeyturnError,
    Misconfigured,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from keyturn.providers.opening import Open
from keyturn.providers.rabbitmq import changes, identity, sessions
from keyturn.providers.rabbitmq.checks import go_through
from keyturn.providers.rabbitmq.connections import Connector
from keyturn.providers.rabbitmq.controls import Controls
from keyturn.providers.rabbitmq.inventory import principal, strangers, taken, way
from keyturn.providers.rabbitmq.kinds import ABLE
from keyturn.providers.rabbitmq.management import Api, rotator
from keyturn.providers.rabbitmq.settings import Settings, read_settings
from keyturn.providers.rabbitmq.tags import Tag
from keyturn.providers.rabbitmq.trials import trial
from keyturn.providers.rabbitmq.users import User
from keyturn.providers.turns import Mark, first_free, require_declared
from keyturn.providers.values import minted, require_escrowed, require_fit

Change = Callable[[User, Tag], changes.Body]
_REASON = "keyturn: the credential was disabled"


class RabbitmqProvider:
    """Satisfies ``ports.Provider`` for one plan on one system."""

    capabilities = ABLE
    issuer = None

    def __init__(self, settings: Settings, controls: Controls, clock: Clock) -> None:
        self._settings, self._controls, self._clock = settings, controls, clock
        self._connector = Connector(settings, controls.own)

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """The declared system's own name. Raises like a mutation would."""
        async with rotator(self._settings) as api:
            return await identity.require(api, self._settings)

    async def reach(self) -> Reach:
        """Does the rotator's own login work? Never raises."""
        try:
            async with rotator(self._settings) as api:
                await api.row("whoami")
                return Reach.UP
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.REFUSED

    async def same_system(self, current: Credential) -> Sameness:
        """Proved live; see ``identity``. Never raises."""
        return await identity.same_system(self._connector, self._controls, current, self._clock.now())

    async def inventory(self) -> tuple[Principal, ...]:
        """Owner, slots and strangers."""
        async with rotator(self._settings) as api:
            seen = await changes.look(api)
        ours = tuple(principal(name, seen.get(name)) for name in self._settings.principals)
        return (*ours, *strangers(seen, self._settings))

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        _ = clients  # the server has no rules about addresses
        await self.identify()
        return await go_through(self._settings, current)

    async def next_id(self, current_id: str) -> str:
        """The free slot. Raises Misconfigured with the reason for each slot that is not."""
        require_declared(current_id, self._settings.principals, called="user", backend="rabbitmq")
        against: dict[str, str] = {}
        async with rotator(self._settings) as api:
            seen = await changes.look(api)
            for slot in self._settings.slots:
                if slot != current_id:
                    busy = bool(await self._connected(api, slot))
                    against[slot] = taken(seen.get(slot), self._settings.plan, busy=busy)
        return first_free(against)

    def mint(self) -> Sealed:
        """See ``values``."""
        return minted()

    async def test(self, credential: Credential) -> Trial:
        """Log in for real at every endpoint. Never raises."""
        return await trial(self._connector, self._controls, credential, self._clock.now())

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Connections of the whole cluster. Never raises: what cannot be seen is UNKNOWN."""
        return await sessions.usage(self._connector, self._controls, ids, control, self._clock.now())

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """None are told: see ``capabilities``."""
        _ = id_, since
        return ()

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """The slot exists, open, tagged, with this value and the owner's permissions, which ``like`` has too."""
        self._require_slot(new)
        if like:
            self._require_ours(like)
        async with rotator(self._settings, writing=True) as api:
            await identity.require(api, self._settings)
            await self._make(api, op, new, like)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """NEW with the owner's permissions, then OLD, then these strangers; then their sessions.

        The server has no transaction over several users. A call that was cut short has refused fewer than it should
        and locked out nobody, and is made again.
        """
        self._require_ours(old_id)
        self._require_slot(new)
        async with rotator(self._settings, writing=True) as api:
            await identity.require(api, self._settings)
            self._require_containable(await changes.look(api), strangers)
            await self._make(api, op, new, "")
            await changes.cut_off(api, [old_id], self._tag(op, Mark.DISABLED))
            await changes.cut_off(api, strangers, self._tag(op, Mark.CONTAINED))
            after = await changes.look(api)
            for name in (old_id, *strangers):
                user = after.get(name)
                if user is not None and not user.shut:
                    raise changes.changed_meanwhile()
                if user is not None:
                    await self._end(api, name)

    async def enable(self, op: Op, credential: Credential) -> None:
        """Open, with this value; whoever logs in with it already is tagged and no more."""
        self._require_ours(credential.id)
        require_escrowed(credential.value)
        await self._change(op, credential.id, Mark.ACTIVE, lambda user, tag: changes.enabled(user, credential, tag))

    async def disable(self, op: Op, id_: str) -> None:
        """No connection is admitted any more; the password stays. A user that does not exist is disabled enough."""
        self._require_ours(id_)
        await self._controls.forget(id_)
        await self._change(op, id_, Mark.DISABLED, changes.disabled)

    async def end_sessions(self, op: Op, id_: str) -> int:
        """Only of a user that cannot log in: the plan's, or a stranger that was contained."""
        _ = op
        async with rotator(self._settings, writing=True) as api:
            await identity.require(api, self._settings)
            user = (await changes.look(api)).get(id_)
            cut = user is not None and user.tag is not None and user.tag.state is Mark.CONTAINED
            if id_ not in self._settings.principals and user is not None and not cut:
                raise _not_ours(id_)
            if user is None:
                return 0
            if not user.shut:
                raise Denied("StillEnabled", "The user can still log in: its sessions are ended only after that.")
            return await self._end(api, id_)

    async def delete(self, op: Op, id_: str) -> None:
        """No password, no connection, our tag. The user stays, with its permissions: it is the next free slot."""
        self._require_ours(id_)
        async with rotator(self._settings) as api:
            await identity.require(api, self._settings)
            user = (await changes.look(api)).get(id_)
            if user is not None and not user.shut:
                raise Denied("StillEnabled", "The user can still log in. It goes only after it was disabled.")
            if await self._connected(api, id_):
                raise Denied("StillInUse", "The user has open connections. End them, or wait until they end.")
        await self._change(op, id_, Mark.RETIRED, changes.retired)
        async with rotator(self._settings, writing=True) as api:
            await self._end(api, id_)  # whoever came in between

    async def close(self) -> None:
        """Control sessions are for the next look, and end by themselves."""

    # ---------------------------------------------------------------------------------------------- inside

    async def _make(self, api: Api, op: Op, new: Credential, like: str) -> None:
        tag = self._tag(op, Mark.ACTIVE)
        await changes.ensure(api, new, like, self._settings.owner, tag)
        seen = await changes.look(api)
        slot, owner = seen.get(new.id), seen.get(self._settings.owner)
        if slot is None or owner is None or not changes.is_made(slot, owner, new, tag):
            raise changes.changed_meanwhile()

    async def _change(self, op: Op, id_: str, mark: Mark, change: Change) -> None:
        """One user, and read back. Where there is no such user, nothing is to be done."""
        tag = self._tag(op, mark)
        async with rotator(self._settings, writing=True) as api:
            await identity.require(api, self._settings)
            seen = await changes.look(api)
            user = seen.get(id_)
            if user is None:
                return
            changes.require_not_overtaken(user, tag)
            await changes.write(api, seen, id_, change(user, tag))
            after = (await changes.look(api)).get(id_)
        wrote = after is not None and after.tag is not None and replace(after.tag, was=None) == tag
        if after is None or not wrote or after.shut is (mark is Mark.ACTIVE):
            raise changes.changed_meanwhile()

    async def _connected(self, api: Api, id_: str) -> int:
        """Connections of others as this user."""
        seen = await sessions.look(api, [id_], self._clock.now())
        return sum(1 for one in seen.of(id_, self._controls.own) if not one.ours)

    async def _end(self, api: Api, id_: str) -> int:
        await self._controls.forget(id_)
        told = await self._connected(api, id_)
        await api.drop("connections", "username", id_, reason=_REASON)
        return told

    def _require_containable(self, seen: changes.Look, names: Sequence[str]) -> None:
        for name in names:
            user = seen.get(name)
            declared = name in self._settings.principals or name == self._settings.user or self._settings.declared(name)
            if declared or (user is not None and not self._is_containable(user, seen)):
                raise Denied(
                    "NotContainable",
                    "A user that shall be cut off is an administrator, is the rotator, is declared, belongs to another "
                    "plan, or does not reach this plan's data: nothing was changed. Take it off the list, or see to "
                    "it.",
                )

    def _is_containable(self, user: User, seen: changes.Look) -> bool:
        others = user.tag is not None and user.tag.plan != self._settings.plan
        return not others and not user.rights.administers and bool(way(user, seen, self._settings))

    def _tag(self, op: Op, mark: Mark) -> Tag:
        return Tag.of(self._settings.plan, op, mark)

    def _require_ours(self, id_: str) -> None:
        if id_ not in self._settings.principals:
            raise _not_ours(id_)

    def _require_slot(self, new: Credential) -> None:
        if new.id not in self._settings.slots:
            raise Misconfigured("NotASlot", f"{new.id} is not one of spec.rabbitmq.slots.")
        require_fit(new.value)


def _not_ours(id_: str) -> Denied:
    return Denied("UserNotManaged", f"{id_} is neither the owner nor a slot of this plan: nothing was changed.")


def opened_by(clock: Clock) -> Open:
    """Opens plans for the whole process: it remembers which connections were its own."""
    controls = Controls()
    return lambda record, plan, admin: RabbitmqProvider(read_settings(record, plan, admin), controls, clock)
