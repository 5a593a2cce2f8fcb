"""The provider the reconciler sees: every mutation is preceded by a look at account and user.

IAM has no compare-and-set and keys carry no tags: there is no fence. A change is one bounded call that says which key
and which state; one that comes too late is mended by the next look. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from keyturn.core.model import Idle, Op, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Capabilities,
    Checklist,
    Clock,
    Credential,
    Denied,
    Issuer,
    KeyturnError,
    Misconfigured,
    Pending,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from keyturn.providers.awsiam import identity, orphans, trials
from keyturn.providers.awsiam.checks import go_through
from keyturn.providers.awsiam.connections import Connector
from keyturn.providers.awsiam.failures import LoginFailed
from keyturn.providers.awsiam.idling import Seen
from keyturn.providers.awsiam.keys import ROOM, Key, Keys, last_use, list_keys, remove, switch
from keyturn.providers.awsiam.kinds import ABLE
from keyturn.providers.awsiam.memory import Memory
from keyturn.providers.awsiam.pace import AWS, Pace
from keyturn.providers.awsiam.settings import Settings, read_settings
from keyturn.providers.opening import Open


class AwsIamProvider:
    """Satisfies ``ports.Provider`` and ``ports.Issuer`` for one plan's user."""

    def __init__(self, settings: Settings, memory: Memory, clock: Clock) -> None:
        self._settings, self._memory, self._clock = settings, memory, clock
        self._connector = Connector(settings)
        self.capabilities: Capabilities = replace(ABLE, usage_lag=settings.lag, disable_delay=memory.pace.spreads)

    @property
    def issuer(self) -> Issuer:
        """AWS names keys and makes their values."""
        return self

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """Account and user, by AWS' own ids. Raises like a mutation would."""
        return identity.name_of(await identity.require(self._connector, self._settings))

    async def reach(self) -> Reach:
        """Does AWS know the rotator? Never raises."""
        try:
            await self._connector.sts("get_caller_identity")
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.REFUSED
        return Reach.UP

    async def same_system(self, current: Credential) -> Sameness:
        """Proved live; see ``identity``. Never raises."""
        self._memory.use(current.id, self._now)
        return await identity.same_system(self._connector, self._settings, current)

    async def inventory(self) -> tuple[Principal, ...]:
        """Every key of the user. Before adoption nobody has declared any, and none is called a stranger."""
        return tuple(self._principal(key) for key in (await self._keys()).values())

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        _ = clients  # AWS may have rules about addresses, in the user's policies: both keys are under the same
        await self.identify()
        return await go_through(self._connector, self._settings, current)

    async def next_id(self, current_id: str) -> str:
        """AWS names it: "". Raises Misconfigured if the user has no room for another key."""
        keys = await self._keys()
        if current_id not in keys:
            raise Misconfigured(
                "CurrentNotDeclared",
                f"The Secret holds the access key {current_id!r}, which is none of user {self._settings.user}.",
            )
        if len(keys) < ROOM:
            return ""
        others = " and ".join(sorted(key.told for key in keys.values() if key.id != current_id))
        raise Misconfigured(
            "NoFreeSlot",
            f"User {self._settings.user} has {len(keys)} access keys, and AWS allows no more, those that are Inactive "
            f"included: see that nobody needs {others}, then delete it.",
        )

    def mint(self) -> Sealed:
        """AWS does."""
        raise Denied("MintedByServer", "AWS makes the values of access keys.")

    async def test(self, credential: Credential) -> Trial:
        """Sign for real, in every region, several times in a row. Raises nothing but Awaited: see ``trials``."""
        try:
            user = await identity.require(self._connector, self._settings)
            key = (await self._keys()).get(credential.id)
        except KeyturnError:
            return Trial.DOWN
        used = partial(self._memory.use, credential.id)
        found = await trials.answers(self._connector, self._settings.regions, credential, lambda: used(self._now))
        return trials.judged(key, user, found)

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """From the record of last uses, in which our own use of ``control`` must show. Never raises."""
        signed = await self._signs(control)
        try:
            keys = await self._keys()
            shown = {id_: await last_use(self._connector, id_) for id_ in {*ids, control.id} & set(keys)}
        except KeyturnError as error:
            return dict.fromkeys(
                ids, Usage(Idle.UNKNOWN, blind=f"AWS could not be asked for last uses: {error.reason}")
            )
        seen = Seen(self._now, self._settings.lag, keys, shown, self._memory)
        blind = seen.missed(control.id) if signed else f"{control.id} could not be used, so no use of it can show"
        return {id_: seen.judged(id_, blind) for id_ in ids}

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Whether AWS records refused requests it does not say; what it shows after Disable is told, late as it is."""
        _ = since  # what is shown now may be hours old
        keys = await self._keys()
        shown = {id_: await last_use(self._connector, id_)} if id_ in keys else {}
        return Seen(self._now, self._settings.lag, keys, shown, self._memory).late(id_)

    # --------------------------------------------------------------------------------------------- issuing

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        """One more key, with the user's rights like every other. A named stranger is deleted where there is no room."""
        _ = op, like
        await self.identify()
        keys = await self._keys()
        self._require_containable(strangers)
        spare = [id_ for id_ in strangers if id_ in keys]
        if len(keys) >= ROOM and spare:
            await switch(self._connector, self._settings, spare[0], active=False)
            await remove(self._connector, self._settings, spare[0])
        answer = await self._connector.iam("create_access_key", writing=True, UserName=self._settings.user)
        made = answer["AccessKey"]
        new = Credential(str(made["AccessKeyId"]), Sealed(str(made["SecretAccessKey"])))
        self._memory.issue(new.id)
        return new

    async def sweep(self, op: Op, pending: Pending) -> None:
        """See ``orphans``."""
        _ = op
        await self.identify()
        await orphans.sweep(self._connector, self._settings, pending, self._memory, self._now)

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """It is there and on. What AWS showed once and has no more cannot be made again."""
        _ = like
        await self.enable(op, new)

    async def enable(self, op: Op, credential: Credential) -> None:
        """On. A key's value never changes."""
        _ = op
        await self.identify()
        key = (await self._keys()).get(credential.id)
        if key is None:
            raise Denied(
                "CredentialGone",
                f"Access key {credential.id} does not exist any more, and AWS makes none a second time.",
            )
        if not key.active:
            await self._switch(key.id, active=True)

    async def disable(self, op: Op, id_: str) -> None:
        """Off. A key that does not exist is as disabled as can be."""
        _ = op
        await self.identify()
        key = (await self._keys()).get(id_)
        if key.active if key is not None else self._memory.was_issued(id_):  # so new that no list names it yet
            await self._switch(id_, active=False)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """NEW on, then OLD and these strangers off, call by call: AWS has no transactions."""
        self._require_containable(strangers, old_id, new.id)
        await self.enable(op, new)
        for id_ in (old_id, *strangers):
            await self.disable(op, id_)

    async def end_sessions(self, op: Op, id_: str) -> int:
        """There are none. Tokens that STS gave out for the key live on until they expire: see the page."""
        _ = op
        await self.identify()
        self._require_off((await self._keys()).get(id_))
        return 0

    async def delete(self, op: Op, id_: str) -> None:
        """Only if it is off."""
        _ = op
        await self.identify()
        key = (await self._keys()).get(id_)
        if key is None and not self._memory.was_issued(id_):
            return
        self._require_off(key)
        await remove(self._connector, self._settings, id_)
        self._memory.forget(id_)

    async def close(self) -> None:
        """Give back connections."""
        await self._connector.close()

    # ---------------------------------------------------------------------------------------------- inside

    @property
    def _now(self) -> datetime:
        return self._clock.now()

    async def _signs(self, control: Credential) -> bool:
        self._memory.use(control.id, self._now)
        try:
            await self._connector.login(self._settings.regions[0], control)
        except LoginFailed:
            return False
        return True

    async def _keys(self) -> Keys:
        keys = await list_keys(self._connector, self._settings)
        self._memory.listed(keys.values(), self._now)
        return keys

    async def _switch(self, id_: str, *, active: bool) -> None:
        await switch(self._connector, self._settings, id_, active=active)
        self._memory.switched(id_, self._now, active=active)

    def _require_off(self, key: Key | None) -> None:
        """A list may be older than what we asked for a moment ago."""
        if key is not None and key.active and not self._memory.just_off(key.id, self._now):
            raise Denied("StillEnabled", f"Access key {key.id} is Active: it goes only after it was set Inactive.")

    def _require_containable(self, strangers: Sequence[str], *declared: str) -> None:
        if set(strangers) & {self._settings.current, self._settings.key_id, *declared}:
            raise Denied(
                "NotContainable",
                "An access key that shall be cut off is the plan's own or the rotator's: nothing was changed. Take it "
                "off the list.",
            )

    def _principal(self, key: Key) -> Principal:
        ours = key.id == self._settings.current or self._memory.was_issued(key.id)
        strange = not ours and key.active and bool(self._settings.current)
        why = f"access key {key.told} of user {self._settings.user}, which is for this plan alone; delete it"
        return Principal(
            key.id,
            key.existence,
            plan=self._settings.plan if ours else "",
            stranger=strange,
            why=why if strange else "",
        )


def opened_by(clock: Clock, pace: Pace = AWS) -> Open:
    """Opens plans for the whole process, which remembers its own uses of keys."""
    memory = Memory(pace)
    return lambda record, plan, admin: AwsIamProvider(read_settings(record, plan, admin), memory, clock)
