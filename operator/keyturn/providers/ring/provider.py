"""The provider the reconciler sees: keys go into the acceptors' Secret before anybody presents them, and leave it last.

Every change is one compare-and-set of that Secret with our tag in it, then restarts, one step each time it is asked.
Nothing is kept between calls: what holds is what the pods prove now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keyturn.core.model import Existence, Idle, Op, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Awaited,
    Checklist,
    Cluster,
    Conflict,
    Credential,
    Denied,
    Issuer,
    KeyturnError,
    Misconfigured,
    Principal,
    Probes,
    Session,
    Unavailable,
    Usage,
)
from keyturn.providers.ring import checks
from keyturn.providers.ring.acceptors import Accepting
from keyturn.providers.ring.formats import Ring
from keyturn.providers.ring.kinds import ABLE
from keyturn.providers.ring.settings import Settings
from keyturn.providers.ring.tags import RingTag
from keyturn.providers.ring.uses import Uses
from keyturn.providers.ring.view import View, look
from keyturn.providers.values import require_escrowed, require_fit

_LONGEST_STEM = 40  # of an id: what follows is a number
_BY_HAND = "remove it from the Secret"


class RingProvider:
    """Satisfies ``ports.Provider`` for one plan."""

    issuer: Issuer | None = None

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        probes: Probes,
        mint: Callable[[], Sealed],
        uses: Uses | None = None,
    ) -> None:
        self._settings, self._cluster, self._mint, self._uses = settings, cluster, mint, uses
        self._accepting = Accepting(settings, cluster, probes)
        self.capabilities = ABLE if uses is None else replace(ABLE, sees_use=True, usage_lag=settings.wish.lifetime)

    # --------------------------------------------------------------------------------------------- looking

    async def identify(self) -> str:
        """The acceptors' Secret by name. Raises like a mutation would."""
        await self._view()
        return self._settings.system

    async def reach(self) -> Reach:
        """Does the API server answer? Never raises. There is no login of a rotator's that could be refused."""
        try:
            await self._cluster.secret(self._settings.secret)
        except Unavailable:
            return Reach.DOWN
        except KeyturnError:
            return Reach.UP  # who looks next is told what it is
        return Reach.UP

    async def same_system(self, current: Credential) -> Sameness:
        """Do these acceptors accept the very key that presenters hold? Never raises."""
        try:
            view = await self._view(current)
        except KeyturnError:
            return Sameness.UNKNOWN
        return Sameness.SAME if view.ring.holds(current) else Sameness.DIFFERENT

    async def inventory(self) -> tuple[Principal, ...]:
        """Accepted keys, those taken out, those gone for good; what nobody declared is a stranger."""
        view = await self._view()
        tag, ids = view.tag, [one.id for one in view.ring.entries]
        declared = set(self._settings.wish.acceptors.known)
        rest = [one for one in (*tag.disabled, *tag.retired) if one not in ids]
        shown = [one for one in (*ids, *rest) if one not in declared or one in view.values]
        closed = await self._half_open(view)
        return tuple(self._principal(id_, view, closed=id_ == closed) for id_ in shown)

    async def preflight(self, current: Credential | None, clients: Sequence[str] = ()) -> Checklist:
        """The whole checklist."""
        _ = clients  # pods of the cluster decide who reaches them
        view = await self._view(*([current] if current is not None else ()))
        workloads = await self._accepting.workloads()
        pods = await self._accepting.pods(workloads)
        others = await self._cluster.plans(self._settings.plan.key.namespace)
        found = (
            *checks.of_plan(self._settings),
            *checks.of_secret(self._settings, view.record, view.tag, others),
            *checks.of_keys(self._settings, view.ring, current),
            *checks.of_workloads(self._settings, workloads, pods),
            *(await self._uses.problems(current.id, pods) if self._uses and current is not None else ()),
        )
        return Checklist(found)

    async def next_id(self, current_id: str) -> str:
        """A name that was never used in this ring. Raises Misconfigured while another key of ours is in it."""
        view = await self._view()
        left = [one.id for one in view.ring.entries if one.id in view.values and one.id != current_id]
        if left:
            raise Misconfigured(
                "NoFreeSlot", f"{left[0]} is accepted too, and no rotation runs: see who presents it, then {_BY_HAND}."
            )
        stem, number = self._settings.plan.key.name[:_LONGEST_STEM], view.tag.made + 1
        while view.state(f"{stem}-{number}") is not Existence.ABSENT:
            number += 1
        return f"{stem}-{number}"

    def mint(self) -> Sealed:
        """A fresh key of the plan's kind."""
        return self._mint()

    async def test(self, credential: Credential) -> Trial:
        """What every acceptor pod proves about this key. Raises Awaited while one of them does not prove it yet."""
        try:
            view = await self._view(credential)
            if view.ring.holds(credential):
                kept = credential.id in view.tag.ids and credential.id in view.tag.before
                await self._require_followed(view, self._as_good(view, credential.id), kept=kept)
                return Trial.WORKS
            known = view.values.get(credential.id)
            if view.state(credential.id) is Existence.DISABLED and known == credential.value:
                await self._require_followed(view, None)
                return Trial.DISABLED
        except Awaited:
            raise
        except KeyturnError:
            return Trial.DOWN
        return Trial.REFUSED

    async def usage(self, ids: Sequence[str], control: Credential) -> Mapping[str, Usage]:
        """What acceptors count, where they do; else nobody can say: no server lists who presents a key."""
        if self._uses is None:
            return dict.fromkeys(ids, Usage(Idle.UNKNOWN, blind="nobody lists who uses a key"))
        view = await self._view(control)
        if not view.ring.holds(control):
            return dict.fromkeys(ids, Usage(Idle.UNKNOWN, blind="the key that must be counted too is not accepted"))
        pods = await self._accepting.pods(await self._accepting.workloads())
        counted = frozenset({control.id, *(id_ for id_ in ids if view.ring.entry(id_))})
        return await self._uses.told(ids, counted, pods)

    async def refused_attempts(self, id_: str, since: datetime) -> tuple[Session, ...]:
        """Nobody tells."""
        _ = id_, since
        return ()

    # -------------------------------------------------------------------------------------------- changing

    async def ensure(self, op: Op, new: Credential, like: str) -> None:
        """NEW stands in the ring beside the others, and the acceptors follow."""
        _ = like  # a key gives no more rights than another
        await self._put(op, new, ())

    async def contain(self, op: Op, new: Credential, old_id: str, strangers: Sequence[str]) -> None:
        """In one write: NEW in the ring, OLD and these strangers out of it; then all acceptors follow at once."""
        await self._put(op, new, (old_id, *strangers), at_once=True)

    async def enable(self, op: Op, credential: Credential) -> None:
        """In the ring again, with the escrowed value; one that is there is tagged and no more."""
        require_escrowed(credential.value)
        view = await self._view(credential)
        if view.tag.state(credential.id) is Existence.RETIRED:
            raise Denied("KeyRetired", "A key that is gone for good does not come back: nothing was changed.")
        ring = view.ring if view.ring.holds(credential) else view.ring.without(credential.id)
        tag = self._after(view, op).with_active(credential.id)
        view = await self._write(view, ring.with_(view.entry(credential), newest=not self._is_old(credential.id)), tag)
        await self._follow(view, urgent=True)

    async def disable(self, op: Op, id_: str) -> None:
        """Out of the ring; acceptors follow. A key that is not there is as disabled as can be."""
        view = await self._view()
        if view.ring.entry(id_):
            if id_ in view.tag.disabled:
                raise self._contested(view, f"put {id_} back into")
            tag = self._after(view, op).with_disabled(id_, kept=view.public(id_))
            view = await self._write(view, self._left(view.ring, [id_]), tag)
        if view.state(id_) is Existence.DISABLED:
            await self._follow(view, urgent=not self._is_old(id_))

    async def end_sessions(self, op: Op, id_: str) -> int:
        """There are none: a key is judged each time it is presented."""
        _ = op
        if (await self._view()).ring.entry(id_):
            raise Denied("StillEnabled", "The key is still accepted: nothing was changed.")
        return 0

    async def delete(self, op: Op, id_: str) -> None:
        """Never to come back. Raises Awaited while an acceptor may still accept it."""
        view = await self._view()
        if view.ring.entry(id_):
            raise Denied("StillEnabled", "The key is still accepted. It goes only after it was disabled.")
        if view.state(id_) is not Existence.DISABLED:
            return
        tag = self._after(view, op).with_retired(id_)
        await self._require_followed(view, None)
        await self._write(view, view.ring, tag)

    async def close(self) -> None:
        """Nothing is held."""

    # ---------------------------------------------------------------------------------------------- inside

    async def _view(self, *at_hand: Credential) -> View:
        return await look(self._settings, self._cluster, *at_hand)

    async def _half_open(self, view: View) -> str:
        """OLD, while it stands in the ring again and an acceptor was not told to follow yet: closed, as ever it was.

        Who reopens it from Disable or Watch asks once, and looks here whether to ask again.
        """
        old = self._settings.plan.status.current_id
        back = view.ring.entry(old) is not None and view.tag.version and old not in view.tag.before
        if not back or not self._settings.plan.status.active_rotation:
            return ""
        standing = await self._accepting.standing(view.ring.written(), None, view.tag.version)
        return old if standing.stale(view.tag.version, urgent=True) else ""

    def _principal(self, id_: str, view: View, *, closed: bool) -> Principal:
        ours = id_ in view.values or view.ring.entry(id_) is None
        why = (
            f"an entry of {self._settings.where} that is not this plan's; {_BY_HAND}, or declare it in acceptors.known"
        )
        touched, plan = view.tag.touched, view.tag.plan if ours else ""
        state = Existence.DISABLED if closed else view.state(id_)
        return Principal(id_, state, plan, touched, stranger=not ours, why="" if ours else why)

    async def _put(self, op: Op, new: Credential, out: Sequence[str], *, at_once: bool = False) -> None:
        require_fit(new.value)
        view = await self._view(new)
        tag = self._after(view, op)
        there = view.ring.entry(new.id)
        if view.tag.state(new.id) is Existence.RETIRED or (there and not view.ring.holds(new)):
            raise Denied("KeyNotFree", f"The id {new.id} was used for another key: nothing was changed.")
        self._require_containable(view, out)
        again = view.tag.rotation == op.rotation_uid and new.id in view.tag.ids
        if again and view.state(new.id) is Existence.ABSENT:
            raise self._contested(view, f"took {new.id} out of")
        fresh = not there and view.state(new.id) is Existence.ABSENT
        tag = replace(tag.with_active(new.id), made=tag.made + fresh)
        gone = [id_ for id_ in out if view.ring.entry(id_)]
        ring = view.ring.without(*gone).with_(view.entry(new), newest=True)
        tag = tag.with_disabled(*gone, kept=view.public(*gone)) if gone else tag
        view = await self._write(view, ring, tag)
        await self._follow(view, at_once=at_once)

    def _require_containable(self, view: View, out: Collection[str]) -> None:
        declared = [id_ for id_ in out if id_ in self._settings.wish.acceptors.known]
        unnamed = [id_ for id_ in out if id_ not in view.values and view.ring.entry(id_) and view.ring.format.by_place]
        if declared or unnamed:
            raise Denied(
                "NotContainable",
                "A key that shall be cut off is declared in acceptors.known, or stands in a list without ids: nothing "
                f"was changed. Take it off the approvals, or {_BY_HAND} yourself.",
            )

    def _contested(self, view: View, did: str) -> Denied:
        """Each write restarts the acceptors: nobody fights over them with another writer."""
        who = view.record.writers.get(self._settings.key, "an unnamed writer")
        return Denied(
            "AcceptorsContested",
            f"{who} {did} {self._settings.where} while this rotation runs: nothing was changed. Stop that writer, then "
            "put the ring back as it was, or abort.",
        )

    def _left(self, ring: Ring, ids: Sequence[str]) -> Ring:
        left = ring.without(*ids)
        if not left.entries:
            raise Denied("LastKey", "It is the only key that is accepted: nothing was changed.")
        return left

    def _after(self, view: View, op: Op) -> RingTag:
        return view.tag.after(op, str(self._settings.plan.key))

    def _is_old(self, id_: str) -> bool:
        return id_ == self._settings.plan.status.current_id

    def _as_good(self, view: View, id_: str) -> Sealed | None:
        """The ring's bytes before or after the rotation's other key: they accept this one as well."""
        for other, value in view.values.items():
            if other == id_:
                continue
            if view.ring.entry(other):
                return view.ring.without(other).written()
            entry = view.entry(Credential(other, value))
            return view.ring.with_(entry, newest=not self._is_old(other)).written()
        return None

    async def _write(self, view: View, ring: Ring, tag: RingTag) -> View:
        """Compare and set, then read back. Raises Conflict if somebody wrote in between or right after."""
        changed = ring.entries != view.ring.entries
        others = bool(tag.version) and tag.ids != view.ring.ids  # somebody else wrote since: nobody followed that
        if not (changed or others) and replace(tag, epoch=view.tag.epoch) == view.tag:
            return view
        data = {self._settings.key: ring.written()} if changed else {}
        if changed or others:
            marks = [one.generation_mark or 0 for one in await self._accepting.workloads()]
            tag = replace(tag, version=max([tag.version, *marks]) + 1, ids=ring.ids, before=view.ring.ids)
        await self._cluster.write_secret(view.record, data, tag.written())
        values = {one.id: one.value for one in ring.entries}
        after = await self._view(*(Credential(id_, value) for id_, value in values.items()))
        if after.tag != tag or after.ring.written() != ring.written():
            raise Conflict("AcceptorsChanged", "Somebody else writes the acceptors' Secret too: see who does.")
        return after

    async def _follow(self, view: View, *, urgent: bool = False, at_once: bool = False) -> None:
        """One step of restarting those who hold another version. Before our first write nobody is restarted."""
        if view.tag.version:
            standing = await self._accepting.standing(view.ring.written(), None, view.tag.version)
            await self._accepting.restart(standing, view.tag.version, urgent=urgent or at_once, at_once=at_once)

    async def _require_followed(self, view: View, as_good: Sealed | None, *, kept: bool = False) -> None:
        """``kept``: the key in question is in this version and in the one before, so whoever starts now accepts it."""
        standing = await self._accepting.standing(view.ring.written(), as_good, view.tag.version)
        if late := standing.late(self._settings.where, kept=kept):
            raise Awaited("AcceptorsBehind", late)
