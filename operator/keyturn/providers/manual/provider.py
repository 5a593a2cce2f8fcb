"""The provider the reconciler sees where a person does what Keyturn may not: it asks, waits, and looks for itself.

Whether a credential works, and whether the old one is refused, is asked of the system by a request; who made,
disabled and deleted it is people's word, which counts only where the request agrees. Changes nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keyturn.core.model import Existence, Idle, Op, Problem, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Awaited,
    Checklist,
    Clock,
    Cluster,
    Credential,
    Denied,
    Issuer,
    KeyturnError,
    Pending,
    PlanRecord,
    Principal,
    Probes,
    ProviderRecord,
    SecretRecord,
    Session,
    Usage,
)
from keyturn.providers.addresses import looked_up
from keyturn.providers.manual.asking import Asker, HttpAsker
from keyturn.providers.manual.handover import DELETED, DISABLED, HandOver, Reads, mint_please, read
from keyturn.providers.manual.kinds import ABLE
from keyturn.providers.manual.settings import Settings, read_settings
from keyturn.providers.opening import Open
from keyturn.providers.values import require_fit


class ManualProvider:
    """Satisfies ``ports.Provider`` and ``ports.Issuer``: the person names the credential and knows its value first."""

    def __init__(self, settings: Settings, cluster: Reads, asker: Asker) -> None:
        self._settings, self._cluster, self._asker = settings, cluster, asker
        self.capabilities = replace(ABLE, disable_delay=settings.disable_delay)

    @property
    def issuer(self) -> Issuer:
        """A person."""
        return self

    # --------------------------------------------------------------------------------------------- looking

    async def reach(self) -> Reach:
        """There is no rotator's login: whether anybody answers where credentials are tried. Never raises."""
        return await self._asker.reach()

    async def identify(self) -> str:
        """What the cluster's administrator calls it, and asks it by."""
        return f"{self._settings.system} at {self._settings.asked.host}"

    async def same_system(self, current: Credential) -> Sameness:
        """The request goes where the provider says; that ``current`` works there is all there is to prove."""
        trial = await self.test(current)
        if trial is Trial.WORKS:
            return Sameness.SAME
        return Sameness.DIFFERENT if trial is Trial.REFUSED else Sameness.UNKNOWN

    async def inventory(self) -> tuple[Principal, ...]:
        """What was handed over, and what people say they closed. Nobody lists what else the system knows."""
        said = await self._said()
        if said.missing and self._settings.busy:  # what it said is not taken for unsaid
            raise mint_please(said.key, self._settings.system, self._settings.current_id)
        made = {said.credential.id} if said.credential is not None else set[str]()
        ids = {*said.disabled, *said.deleted, *made, self._settings.current_id} - {""}
        return tuple(Principal(id_, said.state(id_), self._settings.plan) for id_ in sorted(ids))

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """Before anything begins, the new credential is there: a person may take days, and nothing is changed yet."""
        del clients
        said, current_id = await self._said(), current.id if current is not None else ""
        if said.fresh(current_id) is None and self._settings.busy:
            return Checklist((mint_please(said.key, self._settings.system, current_id).problem,), self._unchecked)
        return Checklist((), self._unchecked)

    @property
    def _unchecked(self) -> tuple[Problem, ...]:
        words = f"who else has a credential of {self._settings.system}: look at the list in its console"
        return (Problem("InventoryUnchecked", words),)

    async def next_id(self, current_id: str) -> str:
        """The console names it."""
        del current_id
        return ""

    def mint(self) -> Sealed:
        """Only the console can."""
        raise Denied("MintedByHand", "A person makes the value: nothing was changed.")

    async def test(self, credential: Credential) -> Trial:
        """Ask the system; what it refuses, and people call disabled, is just that. Never raises."""
        trial = await self._asker.ask(credential)
        if trial is not Trial.REFUSED:
            return trial
        try:
            said = await self._said()
        except KeyturnError:
            return trial
        return Trial.DISABLED if said.state(credential.id) is Existence.DISABLED else trial

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """Nobody tells."""
        del control
        words = f"{self._settings.system} does not tell Keyturn who uses a credential"
        return {id_: Usage(Idle.UNKNOWN, (), words) for id_ in ids}

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Nobody tells."""
        del id_, since
        return ()

    # -------------------------------------------------------------------------------------------- changing

    async def issue(self, op: Op, like: str, strangers: Sequence[str] = ()) -> Credential:
        """What was handed over; asking again is answered with the same. Raises Awaited until it is there."""
        del op, strangers
        said = await self._said()
        made = said.fresh(like or self._settings.current_id)
        if made is None:
            raise mint_please(said.key, self._settings.system, like)
        require_fit(made.value)
        return made

    async def sweep(self, op: Op, pending: Pending) -> None:
        """Nothing: what was handed over is still there, and nobody but its maker may throw it away."""
        del op, pending

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """It is there and works, or its maker is asked."""
        del like
        await self.enable(op, new)

    async def disable(self, op: Op, id_: str) -> None:
        """Done once somebody says so. What the system says to that, the next trial tells."""
        del op
        said = await self._said()
        if said.state(id_) is Existence.ACTIVE and await self._known(id_):
            command = said.say(DISABLED, said.disabled | {id_})
            raise self._awaited(f"disable {id_} in the console of {{}}, without deleting it; then: {command}")

    async def enable(self, op: Op, credential: Credential) -> None:
        """Done once nobody calls it disabled any more, and it works."""
        del op
        said = await self._said()
        if said.state(credential.id) is Existence.RETIRED:
            raise Denied("CredentialGone", f"{credential.id} was deleted in the console: it cannot come back.")
        if said.state(credential.id) is Existence.DISABLED:
            command = said.say(DISABLED, said.disabled - {credential.id})
            raise self._awaited(f"enable {credential.id} in the console of {{}} again; then: {command}")
        if await self._asker.ask(credential) is Trial.REFUSED:
            raise self._awaited(f"{credential.id} is refused: enable it in the console of {{}} again")

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """NEW is there: OLD and these have to go. Nobody lists strangers: whoever was named is asked for by name."""
        del new
        await self.disable(op, old_id)
        said = await self._said()
        for id_ in strangers:
            if said.state(id_) is Existence.ACTIVE:
                command = said.say(DISABLED, said.disabled | {id_})
                raise self._awaited(f"disable {id_} in the console of {{}}, if it is still there; then: {command}")

    async def end_sessions(self, op: Op, id_: str) -> int:
        """None are known. Denied while the credential is open."""
        del op
        if (await self._said()).state(id_) is Existence.ACTIVE and await self._known(id_):
            raise Denied("StillEnabled", "Nobody has said that it is disabled.")
        return 0

    async def delete(self, op: Op, id_: str) -> None:
        """Done once somebody says so; asked for only after it was disabled."""
        del op
        said = await self._said()
        match said.state(id_):
            case Existence.ACTIVE if await self._known(id_):
                raise Denied("StillEnabled", "Nobody has said that it is disabled: it goes only after that.")
            case Existence.DISABLED:
                command = said.say(DELETED, said.deleted | {id_})
                raise self._awaited(f"delete {id_} in the console of {{}}; then: {command}")
            case _:
                return

    async def close(self) -> None:
        """Nothing is held."""

    # ---------------------------------------------------------------------------------------------- inside

    async def _known(self, id_: str) -> bool:
        return id_ in {principal.id for principal in await self.inventory()}

    async def _said(self) -> HandOver:
        return await read(self._cluster, self._settings.hand_over)

    def _awaited(self, words: str) -> Awaited:
        return Awaited("AwaitingPerson", words.format(self._settings.system))


def opened_inside(clock: Clock, cluster: Cluster, probes: Probes) -> Open:
    """Opens plans for the whole process; nothing is remembered."""
    del clock, probes

    def open_(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> ManualProvider:
        settings = read_settings(record, plan, admin)
        return ManualProvider(settings, cluster, HttpAsker(settings, looked_up))

    return open_
