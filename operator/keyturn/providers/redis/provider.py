"""The provider the reconciler sees: every mutation is preceded by a look at the system's identity and read back after.

Users are changed on every server of the system, each time on all of them; what is already as it should be is saved
again and no more. Decides nothing; keeps nothing between calls but which connections were its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from keyturn.core.model import Existence, Op, Reach, Sameness, Trial
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
from keyturn.providers.redis import changes, identity, sessions
from keyturn.providers.redis.checks import go_through
from keyturn.providers.redis.connections import Connector, OwnClients, Wire
from keyturn.providers.redis.kinds import ABLE
from keyturn.providers.redis.nodes import connected, look
from keyturn.providers.redis.refusals import Refusals
from keyturn.providers.redis.settings import Settings, read_settings
from keyturn.providers.redis.tags import Tag
from keyturn.providers.redis.trials import trial
from keyturn.providers.redis.users import User
from keyturn.providers.turns import Mark, first_free, require_declared
from keyturn.providers.values import minted, require_escrowed, require_fit

Change = Callable[[User, Tag], tuple[str, ...]]


class RedisProvider:
    """Satisfies ``ports.Provider`` for one plan on one system."""

    capabilities = ABLE
    issuer = None

    def __init__(self, settings: Settings, own: OwnClients, refusals: Refusals, clock: Clock) -> None:
        self._settings, self._refusals, self._clock = settings, refusals, clock
        self._connector = Connector(settings, own)

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """The declared system's own name. Raises like a mutation would."""
        async with self._connector.admin() as wire:
            return await identity.require(wire, self._settings)

    async def reach(self) -> Reach:
        """Does the rotator's own login work? Never raises."""
        try:
            async with self._connector.admin() as wire:
                await wire.ask("PING")
                return Reach.UP
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.REFUSED

    async def same_system(self, current: Credential) -> Sameness:
        """Proved live; see ``identity``. Never raises."""
        return await identity.same_system(self._connector, self._settings, current)

    async def inventory(self) -> tuple[Principal, ...]:
        """Owner, slots and strangers, as open as on the server where they are most so."""
        found = await look(self._connector, self._settings.nodes)
        ours = tuple(found.principal(name) for name in self._settings.principals)
        return (*ours, *found.strangers(self._settings))

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        _ = clients  # the server has no rules about addresses
        await self.identify()
        return await go_through(self._connector, self._settings, current)

    async def next_id(self, current_id: str) -> str:
        """The free slot. Raises Misconfigured with the reason for each slot that is not."""
        require_declared(current_id, self._settings.principals, called="user", backend="redis")
        found = await look(self._connector, self._settings.nodes)
        busy = await connected(self._connector, self._settings.nodes)
        others = (slot for slot in self._settings.slots if slot != current_id)
        return first_free({slot: found.taken(slot, self._settings.plan, busy) for slot in others})

    def mint(self) -> Sealed:
        """See ``values``."""
        return minted()

    async def test(self, credential: Credential) -> Trial:
        """Log in for real at every endpoint. Never raises."""
        try:
            await self.identify()
        except KeyturnError:
            return Trial.DOWN
        return await trial(self._connector, self._settings, self._refusals, credential, self._clock.now())

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Connections on every server. Never raises: what cannot be seen is UNKNOWN."""
        return await sessions.usage(self._connector, self._settings, ids, control, self._clock.now())

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Refused logins as this user; the server does not tell whether the value was right."""
        for node in self._settings.nodes:
            async with self._connector.admin(node) as wire:
                await self._refusals.read(wire, id_, self._settings.user, self._clock.now())
        return self._refusals.of(id_, since)

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """The slot exists, enabled, tagged, with this value and the owner's rules, which ``like`` has too."""
        self._require_slot(new)
        if like:
            self._require_ours(like)
        tag = self._tag(op, Mark.ACTIVE)
        await self.identify()
        for node in self._settings.nodes:
            async with self._connector.admin(node, writing=True) as wire:
                await changes.ensure(wire, new, like, self._settings.owner, tag)
                await changes.save(wire)
                await self._read_back_new(wire, new, tag)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """In one transaction on each server: NEW with the owner's rules, OLD and these strangers off. Then sessions."""
        self._require_ours(old_id)
        self._require_slot(new)
        tag = self._tag(op, Mark.ACTIVE)
        await self.identify()
        await self._require_containable(strangers)
        for node in self._settings.nodes:
            async with self._connector.admin(node, writing=True) as wire:
                found = await changes.users(wire)
                commands = changes.containment(found, new, self._settings.owner, tag)
                commands += changes.cut_off(found, [old_id], self._tag(op, Mark.DISABLED))
                commands += changes.cut_off(found, strangers, self._tag(op, Mark.CONTAINED))
                await wire.all_at_once(commands)
                await changes.save(wire)
                await self._read_back_new(wire, new, tag)
                for name in (old_id, *strangers):
                    if name in found:
                        await wire.ask("CLIENT", "KILL", "USER", name)

    async def enable(self, op: Op, credential: Credential) -> None:
        """On, with this value beside what it had; whoever logs in with it already is tagged and no more."""
        self._require_ours(credential.id)
        require_escrowed(credential.value)
        await self._change(op, credential.id, Mark.ACTIVE, lambda user, tag: changes.enabled(user, credential, tag))

    async def disable(self, op: Op, id_: str) -> None:
        """Off, passwords kept. A user that does not exist is as disabled as can be."""
        self._require_ours(id_)
        await self._change(op, id_, Mark.DISABLED, changes.disabled)

    async def end_sessions(self, op: Op, id_: str) -> int:
        """Only of a user that cannot log in: the plan's, or a stranger that was contained."""
        _ = op
        await self.identify()
        ended = 0
        for node in self._settings.nodes:
            async with self._connector.admin(node, writing=True) as wire:
                user = (await changes.users(wire)).get(id_)
                cut = user is not None and user.tag is not None and user.tag.state is Mark.CONTAINED
                if id_ not in self._settings.principals and user is not None and not cut:
                    raise _not_ours(id_)
                if user is not None and user.existence is Existence.ACTIVE:
                    raise Denied("StillEnabled", "The user can still log in: its sessions are ended only after that.")
                if user is not None:
                    ended += int(await wire.ask("CLIENT", "KILL", "USER", id_))
        return ended

    async def delete(self, op: Op, id_: str) -> None:
        """No password, off, our tag. The user stays, with its rules: its name is the next free slot."""
        self._require_ours(id_)
        await self.identify()
        for node in self._settings.nodes:
            async with self._connector.admin(node) as wire:
                if (await _state(wire, id_)) is Existence.ACTIVE:
                    raise Denied("StillEnabled", "The user can still log in. It goes only after it was disabled.")
                if any(one.user == id_ for one in await identity.listed(wire)):
                    raise Denied("StillInUse", "The user has open connections. End them, or wait until they end.")
        await self._change(op, id_, Mark.RETIRED, changes.retired)

    async def close(self) -> None:
        """No connection outlives its call."""

    # ---------------------------------------------------------------------------------------------- inside

    async def _change(self, op: Op, id_: str, mark: Mark, change: Change) -> None:
        """One user on every server that answers. Raises what the first of the others said, when all were asked."""
        tag = self._tag(op, mark)
        await self.identify()
        failures: list[KeyturnError] = []
        for node in self._settings.nodes:
            try:
                async with self._connector.admin(node, writing=True) as wire:
                    await _change_at(wire, id_, tag, change)
            except KeyturnError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    async def _read_back_new(self, wire: Wire, new: Credential, tag: Tag) -> None:
        found = await changes.users(wire)
        slot, owner = found.get(new.id), found.get(self._settings.owner)
        if slot is None or owner is None or not changes.is_made(slot, owner, new, tag):
            raise changes.changed_meanwhile()

    async def _require_containable(self, names: Sequence[str]) -> None:
        found = await look(self._connector, self._settings.nodes)
        for node in self._settings.nodes:
            async with self._connector.admin(node) as wire:
                replicating = {one.user for one in await identity.listed(wire) if one.replica}
            for name in names:
                users = [user for user in found.of(name) if user is not None]
                declared = (
                    name in self._settings.principals or name == self._settings.user or self._settings.declared(name)
                )
                reaches = not users or found.way(name, self._settings)
                if declared or not reaches or name in replicating or any(user.rules.administers for user in users):
                    raise Denied(
                        "NotContainable",
                        "A user that shall be cut off may change users, replicates, is the rotator, is declared, or "
                        "does not reach this plan's data: nothing was changed. Take it off the list, or see to it.",
                    )

    def _tag(self, op: Op, mark: Mark) -> Tag:
        return Tag.of(self._settings.plan, op, mark)

    def _require_ours(self, id_: str) -> None:
        if id_ not in self._settings.principals:
            raise _not_ours(id_)

    def _require_slot(self, new: Credential) -> None:
        if new.id not in self._settings.slots:
            raise Misconfigured("NotASlot", f"{new.id} is not one of spec.redis.slots.")
        require_fit(new.value)


async def _change_at(wire: Wire, id_: str, tag: Tag, change: Change) -> None:
    """On one server, and read back. Where there is no such user, nothing is to be done."""
    user = (await changes.users(wire)).get(id_)
    if user is None:
        return
    changes.require_not_overtaken(user, tag)
    await wire.ask(*change(user, tag))
    await changes.save(wire)
    after = (await changes.users(wire)).get(id_)
    if after is None or after.tag != tag or (after.existence is Existence.ACTIVE) != (tag.state is Mark.ACTIVE):
        raise changes.changed_meanwhile()


async def _state(wire: Wire, name: str) -> Existence:
    user = (await changes.users(wire)).get(name)
    return Existence.ABSENT if user is None else user.existence


def _not_ours(id_: str) -> Denied:
    return Denied("UserNotManaged", f"{id_} is neither the owner nor a slot of this plan: nothing was changed.")


def opened_by(clock: Clock) -> Open:
    """Opens plans for the whole process: it remembers which connections were its own, and what logs said."""
    own, refusals = OwnClients(), Refusals()
    return lambda record, plan, admin: RedisProvider(read_settings(record, plan, admin), own, refusals, clock)
