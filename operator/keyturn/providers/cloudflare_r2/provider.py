"""The provider the reconciler sees: every mutation is preceded by a look at the account and read back after.

Decides nothing; keeps nothing between calls but when it used which key pair itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keyturn.core.model import Existence, Idle, Op, Problem, Reach, Sameness, Trial
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
from keyturn.providers.cloudflare_api import CloudflareApi
from keyturn.providers.cloudflare_names import mark_of, name_for
from keyturn.providers.cloudflare_r2 import checks
from keyturn.providers.cloudflare_r2.kinds import ABLE
from keyturn.providers.cloudflare_r2.rights import Rights, reaches
from keyturn.providers.cloudflare_r2.settings import Settings, read_settings
from keyturn.providers.cloudflare_r2.tokens import Token, Tokens
from keyturn.providers.cloudflare_r2.trials import Answer, Canary, trial
from keyturn.providers.cloudflare_records import gone, orphans, require_late_enough, require_room
from keyturn.providers.last_use import OwnUses
from keyturn.providers.opening import Open
from keyturn.providers.values import require_escrowed


class R2Provider:
    """Satisfies ``ports.Provider`` and ``ports.Issuer`` for one plan on one account."""

    def __init__(self, settings: Settings, clock: Clock, own: OwnUses) -> None:
        self._settings, self._clock, self._own = settings, clock, own
        self._api = CloudflareApi(settings.account)
        self._tokens = Tokens(self._api)
        self._canary = Canary(settings, clock)
        self._verified = ""  # the rotator's own id, once it was asked for
        self.capabilities = replace(ABLE, disable_delay=settings.disable_delay)

    @property
    def issuer(self) -> R2Provider:
        """Cloudflare names tokens, and shows a value once."""
        return self

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """The declared bucket's name, once the rotator's token has proved to be one of the declared account."""
        self._verified = ""
        await self._rotator()
        return self._settings.name

    async def _rotator(self) -> str:
        """Its id. Looks ask once for all of them, for calls are limited; each change asks anew (``identify``)."""
        if self._settings.system not in ("", self._settings.name):
            raise Denied(
                "WrongSystem",
                "Provider or plan name another account, jurisdiction or bucket than the one this plan was adopted on. "
                "Point them back, or make a new plan.",
            )
        self._verified = self._verified or await self._api.rotator()
        return self._verified

    async def reach(self) -> Reach:
        """Does the rotator's own token work? Never raises."""
        try:
            await self._api.rotator()
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.REFUSED
        return Reach.UP

    async def same_system(self, current: Credential) -> Sameness:
        """The endpoint lets this key pair write, and its id is a token of the account; ids are never used twice."""
        try:
            await self._rotator()
            token = await self._tokens.find(current.id)
        except Denied as error:
            return Sameness.DIFFERENT if error.reason == "WrongSystem" else Sameness.UNKNOWN
        except KeyturnError:
            return Sameness.UNKNOWN
        if await self._try_once(current) is not Answer.WROTE:
            return Sameness.UNKNOWN
        return Sameness.SAME if token is not None else Sameness.DIFFERENT

    async def inventory(self) -> tuple[Principal, ...]:
        """The plan's tokens, and every other of the account that reaches the bucket."""
        rotator = await self._rotator()
        found = [self._principal(token, rotator) for token in await self._tokens.all()]
        return tuple(one for one in found if one is not None)

    def _principal(self, token: Token, rotator: str) -> Principal | None:
        mine = self._is_ours(token)
        way = reaches(token.record, self._settings.resource, self._settings.account.id)
        if not mine and (not way or token.id == rotator):
            return None
        plan = self._settings.plan if token.made.plan == mark_of(self._settings.plan) else token.made.plan
        declared = mine or self._settings.declared(token.id, token.name)
        words = f"{way}; add its id or name to the provider's cloudflareR2.known if it is meant to"
        expires = token.time("expires_on")
        return Principal(token.id, token.state, plan, None, not declared, expires, "" if declared else words)

    def _is_ours(self, token: Token) -> bool:
        return token.made.plan == mark_of(self._settings.plan) or token.id == self._settings.current

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        _ = clients  # a token's networks are compared with the old one's
        rotator = await self._rotator()
        problems: list[Problem] = []
        if current is not None and current.id == rotator:
            words = "the Secret holds the rotator's own token, which cannot rotate itself: make another for consumers"
            problems.append(Problem("RotatorAsUser", words))
        if current is not None:
            problems += checks.of_current(self._settings, await self._tokens.find(current.id), current)
        return Checklist(tuple(problems))

    async def next_id(self, current_id: str) -> str:
        """None; Cloudflare names it. Raises Misconfigured while the plan has another token besides the current one."""
        await self._rotator()
        require_room(self._settings.plan, await self._tokens.all(), current_id)
        return ""

    def mint(self) -> Sealed:
        """Nobody but Cloudflare makes them."""
        raise Denied("MintedByServer", "Cloudflare makes the values of tokens.")

    async def test(self, credential: Credential) -> Trial:
        """Writes and deletes, and compares what it may do with what it may have. Never raises."""
        try:
            await self._rotator()
            token = await self._tokens.find(credential.id)
            wanted = await self._wanted(token)
        except KeyturnError:
            return Trial.DOWN
        found = await trial(self._canary, credential, token, wanted)
        self._own.add(credential.id, self._clock.now())
        return found

    async def _wanted(self, token: Token | None) -> Rights | None:
        """What it must be allowed: as the old token is, or the baseline; nobody says it of the current one itself."""
        if token is None or token.id == self._settings.current:
            return None
        if token.made.from_baseline:
            return self._settings.baseline
        old = await self._tokens.find(self._settings.current)
        return old.rights if old is not None else None

    async def _try_once(self, credential: Credential) -> Answer:
        answer = await self._canary.once(credential)
        self._own.add(credential.id, self._clock.now())
        return answer

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Use, where the API dates one that was not ours; that there is none proves nothing. Never raises."""
        blind = "nobody lists who uses a key pair"
        if await self._try_once(control) is not Answer.WROTE:
            blind = "the control key pair could not write just now"
        try:
            tokens = {token.id: token for token in await self._tokens.all()}
        except KeyturnError:
            return dict.fromkeys(ids, Usage(Idle.UNKNOWN, blind="the tokens could not be looked at"))
        return {id_: self._usage(tokens.get(id_), blind) for id_ in ids}

    def _usage(self, token: Token | None, blind: str) -> Usage:
        last = token.time("last_used_on") if token is not None else None
        if token is not None and last is not None and self._is_use(token, last):
            return Usage(Idle.IN_USE, blind=f"{token.id} was used at {last:%H:%M:%S} UTC, by Cloudflare's record")
        if token is not None and token.state is Existence.DISABLED:
            return Usage(Idle.NOT_SEEN)  # each request stands for itself, and whether it is refused a trial tells
        return Usage(Idle.UNKNOWN, blind=blind)

    def _is_use(self, token: Token, last: datetime) -> bool:
        off_since = token.time("modified_on") if token.state is Existence.DISABLED else None
        return self._own.is_anothers(token.id, last, self._clock.now(), off_since=off_since)

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Nobody tells."""
        _ = id_, since
        return ()

    # -------------------------------------------------------------------------------------------- issuing

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        """A second token with identical rights and as long a life; there is always room for one."""
        _ = strangers
        await self.identify()
        old = await self._tokens.find(like) if like else None
        if like and old is None:
            raise Denied("TokenMissing", f"{like}, whose rights the new token shall have, is gone: nothing was made.")
        rights = old.rights if old is not None else self._settings.baseline
        name = name_for(self._settings.plan, op, baseline=old is None)
        return await self._tokens.make(name, rights, self._expiry(old))

    def _expiry(self, old: Token | None) -> datetime | None:
        """A token whose time is limited is followed by one that lives as long, from now on."""
        if old is None or (ends := old.time("expires_on")) is None:
            return None
        began, now = old.time("issued_on"), self._clock.now()
        return now + (ends - began) if began is not None else ends

    async def sweep(self, op: Op, pending: Pending) -> None:
        """A token with this plan's name that was not there before is ours, and nobody knows its value."""
        _ = op
        await self.identify()
        require_late_enough(pending, self._clock.now())
        plan, found = self._settings.plan, await self._tokens.all()
        for one in orphans(plan, found, pending, used=lambda one: bool(one.record.get("last_used_on"))):
            await self._tokens.delete(one.id)

    # ------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """It is there and active; what Cloudflare lost cannot be made again."""
        _ = op, like
        await self.identify()
        token = await self._tokens.find(new.id)
        if token is None:
            raise gone(new.id)
        self._require_ours(token)
        await self._tokens.switch(token, "active")

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """NEW first, then OLD and these strangers disabled: three calls are no transaction."""
        await self.identify()
        rotator = await self._rotator()
        found = [token for id_ in strangers if (token := await self._tokens.find(id_)) is not None]
        for token in found:
            way = reaches(token.record, self._settings.resource, self._settings.account.id)
            declared = self._is_ours(token) or self._settings.declared(token.id, token.name)
            if declared or not way or token.id == rotator:
                raise Denied(
                    "NotContainable",
                    "A token that shall be cut off is the rotator's, is declared, or does not reach this plan's "
                    "bucket: nothing was changed. Take it off the list, or see to it.",
                )
        await self.ensure(op, new, "")
        await self.disable(op, old_id)
        for token in found:
            await self._tokens.switch(token, "disabled")

    async def disable(self, op: Op, id_: str) -> None:
        """Refused everywhere once the delay is over. A token that is gone is as disabled as can be."""
        _ = op
        await self.identify()
        token = await self._tokens.find(id_)
        if token is None or token.expired:
            return
        self._require_ours(token)
        await self._tokens.switch(token, "disabled")

    async def enable(self, op: Op, credential: Credential) -> None:
        """Active again; its value is the one it always had."""
        _ = op
        require_escrowed(credential.value)
        await self.identify()
        token = await self._tokens.find(credential.id)
        if token is None:
            raise gone(credential.id)
        self._require_ours(token)
        if token.expired:
            raise Denied("TokenExpired", f"{credential.id} has expired: give it a later expiry at Cloudflare.")
        await self._tokens.switch(token, "active")

    async def end_sessions(self, op: Op, id_: str) -> int:
        """There are none: each request is signed by itself."""
        _ = op
        await self.identify()
        token = await self._tokens.find(id_)
        if token is not None and token.state is Existence.ACTIVE:
            raise Denied("StillEnabled", "The token is active: its use ends only after it was disabled.")
        return 0

    async def delete(self, op: Op, id_: str) -> None:
        """Only what is disabled, asked again just before."""
        _ = op
        await self.identify()
        token = await self._tokens.find(id_)
        if token is None:
            return
        self._require_ours(token)
        if token.state is not Existence.DISABLED:
            raise Denied("StillEnabled", "The token is active. It goes only after it was disabled.")
        await self._tokens.delete(id_)

    async def close(self) -> None:
        """No connection outlives its call."""

    def _require_ours(self, token: Token) -> None:
        if not self._is_ours(token):
            raise Denied("TokenNotManaged", f"{token.id} is not this plan's: nothing was changed.")


def opened_by(clock: Clock) -> Open:
    """Opens plans for the whole process: it remembers when it used which key pair itself."""
    own = OwnUses()
    return lambda record, plan, admin: R2Provider(read_settings(record, plan, admin), clock, own)
