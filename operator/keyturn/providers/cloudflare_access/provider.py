"""The provider the reconciler sees: every mutation is preceded by a look at the account and read back after.

Decides nothing; keeps nothing between calls but when it used which token itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keyturn.core.model import Existence, Idle, Op, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Checklist,
    Clock,
    Credential,
    Denied,
    KeyturnError,
    Pending,
    Principal,
    Session,
    Unavailable,
    Usage,
)
from keyturn.providers.cloudflare_access import checks
from keyturn.providers.cloudflare_access.holders import Holder, Holders, standing
from keyturn.providers.cloudflare_access.kinds import ABLE
from keyturn.providers.cloudflare_access.settings import Settings, read_settings
from keyturn.providers.cloudflare_access.tokens import Token, Tokens
from keyturn.providers.cloudflare_access.trials import Answer, Door
from keyturn.providers.cloudflare_api import CloudflareApi
from keyturn.providers.cloudflare_names import mark_of, name_for
from keyturn.providers.cloudflare_records import gone, orphans, require_late_enough, require_room
from keyturn.providers.last_use import OwnUses
from keyturn.providers.opening import Open
from keyturn.providers.values import require_escrowed, require_fit


class AccessProvider:
    """Satisfies ``ports.Provider`` and ``ports.Issuer`` for one plan on one account."""

    def __init__(self, settings: Settings, clock: Clock, own: OwnUses) -> None:
        self._settings, self._clock, self._own = settings, clock, own
        self._api = CloudflareApi(settings.account)
        self._tokens, self._holders, self._door = Tokens(self._api), Holders(self._api), Door(settings)
        self._verified = ""  # the rotator's own id, once it was asked for
        self.capabilities = replace(ABLE, disable_delay=settings.disable_delay, settles=settings.session)

    @property
    def issuer(self) -> AccessProvider:
        """Cloudflare names tokens, and shows a secret once."""
        return self

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """The declared app's name, once the rotator's token has proved to be one of the declared account."""
        self._verified = ""
        await self._verify()
        return self._settings.name

    async def _verify(self) -> None:
        """Looks ask once for all of them, for calls are limited; each change asks anew (``identify``)."""
        if self._settings.system not in ("", self._settings.name):
            raise Denied(
                "WrongSystem",
                "The provider names another account or app than the one this plan was adopted on. Point it back, or "
                "make a new plan.",
            )
        self._verified = self._verified or await self._api.rotator()

    async def reach(self) -> Reach:
        """Does the rotator's own token work? Never raises."""
        try:
            await self.identify()
        except Unavailable:
            return Reach.DOWN
        except KeyturnError as error:
            return Reach.UP if error.reason == "WrongSystem" else Reach.REFUSED
        return Reach.UP

    async def same_system(self, current: Credential) -> Sameness:
        """The app lets this token in, and nobody without one; and its client id is a token of the account."""
        try:
            await self._verify()
            token = await self._tokens.find(current.id)
        except Denied as error:
            return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
        except KeyturnError:
            return Sameness.UNKNOWN
        if not await self._door.closed() or await self._ask(current) is not Answer.APP:
            return Sameness.UNKNOWN
        return Sameness.SAME if token is not None else Sameness.DIFFERENT

    async def inventory(self) -> tuple[Principal, ...]:
        """The plan's tokens, and every other that stands in one of their policies."""
        await self._verify()
        tokens, holders = await self._tokens.all(), await self._holders.all()
        ours = self._ours_among(holders, tokens)
        return tuple(one for token in tokens if (one := self._principal(token, ours)) is not None)

    def _ours_among(self, holders: Sequence[Holder], tokens: Sequence[Token]) -> list[Holder]:
        uuids = {token.uuid for token in tokens if self._is_ours(token)}
        return [one for one in holders if one.uuids & uuids or one.named(self._settings.policies)]

    def _principal(self, token: Token, ours: Sequence[Holder]) -> Principal | None:
        mine = self._is_ours(token)
        way = self._way(token, ours)
        if not mine and not way:
            return None
        plan = self._settings.plan if token.made.plan == mark_of(self._settings.plan) else token.made.plan
        declared = mine or self._settings.declared(token.id, token.name)
        words = "" if declared else f"{way}; add it to the provider's cloudflareAccess.known if it is meant to"
        return Principal(token.id, token.state, plan, None, not declared, token.time("expires_at"), words)

    def _way(self, token: Token, ours: Sequence[Holder]) -> str:
        for holder in ours:
            if token.uuid in holder.uuids:
                return f"it stands in {holder.where}"
            if holder.any_token:
                return f"{holder.where} lets in every valid service token"
        return ""

    def _is_ours(self, token: Token) -> bool:
        return token.made.plan == mark_of(self._settings.plan) or token.id == self._settings.current

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        _ = clients  # a policy's networks bind old and new alike
        await self._verify()
        problems = list(checks.of_door(closed=await self._door.closed()))
        if current is not None:
            token, holders = await self._tokens.find(current.id), await self._holders.all()
            problems += checks.of_current(self._settings, token, holders, current, self._clock.now())
        return Checklist(tuple(problems))

    async def next_id(self, current_id: str) -> str:
        """None; Cloudflare names it. Raises Misconfigured while the plan has another token besides the current one."""
        await self._verify()
        require_room(self._settings.plan, await self._tokens.all(), current_id)
        return ""

    def mint(self) -> Sealed:
        """Nobody but Cloudflare makes them."""
        raise Denied("MintedByServer", "Cloudflare makes the secrets of service tokens.")

    async def test(self, credential: Credential) -> Trial:
        """Asks the app, and compares where the token stands with where it shall. Never raises."""
        try:
            await self._verify()
            require_escrowed(credential.value)
            tokens = await self._tokens.all()
            token = next((one for one in tokens if one.id == credential.id), None)
            found = await self._door.trial(credential, token)
            self._own.add(credential.id, self._clock.now())
            lacks = found is Trial.WORKS and token is not None and await self._lacks(token, tokens)
        except KeyturnError as error:
            return Trial.REFUSED if error.reason == "UnsuitableValue" else Trial.DOWN
        return Trial.LACKING if lacks else found

    async def _lacks(self, token: Token, tokens: Sequence[Token]) -> bool:
        old = next((one for one in tokens if one.id == self._settings.current), None)
        if token.id == self._settings.current or (old is None and not token.made.from_baseline):
            return False
        holders = await self._holders.all()
        return standing(holders, token.uuid) != frozenset(
            (holder.where, name)
            for holder, names in self._places(holders, None if token.made.from_baseline else old)
            for name in names
        )

    def _places(self, holders: Sequence[Holder], old: Token | None) -> list[tuple[Holder, tuple[str, ...]]]:
        """Where a new token shall stand: wherever OLD does, or in what is declared."""
        if old is not None:
            return [(holder, names) for holder in holders if (names := holder.lists_of(old.uuid))]
        return [(holder, ("include",)) for holder in holders if holder.named(self._settings.policies)]

    async def _ask(self, credential: Credential) -> Answer:
        answer = await self._door.ask(credential)
        self._own.add(credential.id, self._clock.now())
        return answer

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Use, where the API dates one that was not ours; that there is none proves nothing. Never raises."""
        blind = "nobody lists who uses a service token"
        if await self._ask(control) is not Answer.APP:
            blind = "the control token was not let in just now"
        try:
            tokens = {token.id: token for token in await self._tokens.all()}
        except KeyturnError:
            return dict.fromkeys(ids, Usage(Idle.UNKNOWN, blind="the tokens could not be looked at"))
        return {id_: self._usage(tokens.get(id_), blind) for id_ in ids}

    def _usage(self, token: Token | None, blind: str) -> Usage:
        off = token is not None and token.state is Existence.DISABLED
        last = token.time("last_seen_at") if token is not None else None
        if token is not None and last is not None:
            since = token.time("updated_at") if off else None
            if self._own.is_anothers(token.id, last, self._clock.now(), off_since=since):
                return Usage(Idle.IN_USE, blind=f"{token.id} was seen at {last:%H:%M:%S} UTC, by Cloudflare's record")
        if off:
            return Usage(Idle.NOT_SEEN)  # cookies of earlier requests: see ``settles``
        return Usage(Idle.UNKNOWN, blind=blind)

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Nobody tells."""
        _ = id_, since
        return ()

    # -------------------------------------------------------------------------------------------- issuing

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        """A second token, put wherever the old one stands. If that fails half way, ``ensure`` goes on."""
        _ = strangers
        await self.identify()
        old = await self._tokens.find(like) if like else None
        if like and old is None:
            raise Denied("TokenMissing", f"{like}, where the new token shall stand too, is gone: nothing was made.")
        if old is None and not self._settings.policies:
            raise Denied(
                "NoBaseline",
                "spec.cloudflareAccess.policies of the provider says where a token for a compromised one shall stand: "
                "name them there. Nothing was made.",
            )
        name = name_for(self._settings.plan, op, baseline=old is None)
        token, credential = await self._tokens.make(name, self._settings.duration)
        try:
            await self._put(token, old)
        except KeyturnError:
            return credential  # nobody else will ever be told its secret
        return credential

    async def _put(self, token: Token, old: Token | None) -> None:
        for holder, names in self._places(await self._holders.all(), old):
            await self._holders.add(holder, names, token.uuid)

    async def sweep(self, op: Op, pending: Pending) -> None:
        """A token with this plan's name that was not there before is ours, and nobody knows its secret."""
        _ = op
        await self.identify()
        require_late_enough(pending, self._clock.now())
        plan, found = self._settings.plan, await self._tokens.all()
        for one in orphans(plan, found, pending, used=lambda one: one.time("last_seen_at") is not None):
            await self._bury(one)

    async def _bury(self, token: Token) -> None:
        for holder in await self._holders.all():
            await self._holders.remove(holder, token.uuid)
        await self._tokens.delete(token)

    # ------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """It is there, enabled, and stands where it shall; what Cloudflare lost cannot be made again."""
        _ = op
        require_fit(new.value)
        await self.identify()
        token = await self._ours(new.id)
        if token is None:
            raise gone(new.id)
        old = None if token.made.from_baseline or like == new.id else await self._tokens.find(like)
        if old is not None or token.made.from_baseline:
            await self._put(token, old)
        await self._tokens.switch(token, enabled=True)

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """NEW first, then OLD and these strangers disabled: three calls are no transaction."""
        await self.identify()
        tokens, holders = await self._tokens.all(), await self._holders.all()
        ours = self._ours_among(holders, tokens)
        named = [token for token in tokens if token.id in strangers]
        for token in named:
            declared = self._is_ours(token) or self._settings.declared(token.id, token.name)
            if declared or not self._way(token, ours):
                raise Denied(
                    "NotContainable",
                    "A token that shall be cut off is declared, or stands in none of this plan's policies: nothing was "
                    "changed. Take it off the list, or see to it.",
                )
        await self.ensure(op, new, "")
        await self.disable(op, old_id)
        for token in named:
            await self._tokens.switch(token, enabled=False)

    async def disable(self, op: Op, id_: str) -> None:
        """Both secrets it may have stop working, once every place knows. One that is gone is as disabled as can be."""
        _ = op
        await self.identify()
        token = await self._ours(id_)
        if token is not None:
            await self._tokens.switch(token, enabled=False)

    async def enable(self, op: Op, credential: Credential) -> None:
        """Exactly back: the secret is the one it always had, and where it stands was never touched."""
        _ = op
        require_escrowed(credential.value)
        await self.identify()
        token = await self._ours(credential.id)
        if token is None:
            raise gone(credential.id)
        await self._tokens.switch(token, enabled=True)

    async def end_sessions(self, op: Op, id_: str) -> int:
        """Cookies of earlier requests end by themselves; ``settles`` says when."""
        _ = op
        await self.identify()
        token = await self._tokens.find(id_)
        if token is not None and token.state is Existence.ACTIVE:
            raise Denied("StillEnabled", "The token is enabled: its use ends only after it was disabled.")
        return 0

    async def delete(self, op: Op, id_: str) -> None:
        """Only what is disabled, asked again just before; it leaves its policies first."""
        _ = op
        await self.identify()
        token = await self._ours(id_)
        if token is None:
            return
        if token.state is not Existence.DISABLED:
            raise Denied("StillEnabled", "The token is enabled. It goes only after it was disabled.")
        await self._bury(token)

    async def close(self) -> None:
        """No connection outlives its call."""

    async def _ours(self, id_: str) -> Token | None:
        token = await self._tokens.find(id_)
        if token is not None and not self._is_ours(token):
            raise Denied("TokenNotManaged", f"{token.id} is not this plan's: nothing was changed.")
        return token


def opened_by(clock: Clock) -> Open:
    """Opens plans for the whole process: it remembers when it used which token itself."""
    own = OwnUses()
    return lambda record, plan, admin: AccessProvider(read_settings(record, plan, admin), clock, own)
