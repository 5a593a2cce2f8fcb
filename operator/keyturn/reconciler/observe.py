"""One look at the world, into one frozen ``Observation``. Reads and challenges; changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from keyturn.core.evidence import Testimony
from keyturn.core.model import (
    ConsumerRef,
    Existence,
    Idle,
    Mode,
    Observation,
    Phase,
    PodProof,
    Problem,
    Reach,
    Sameness,
    SessionSeen,
    Side,
    Trial,
    Verdict,
)
from keyturn.core.rotation import tries
from keyturn.core.schedule import open_now
from keyturn.ports import (
    Awaited,
    Clock,
    Cluster,
    Credential,
    Escrow,
    KeyturnError,
    Misconfigured,
    PlanRecord,
    PodRecord,
    Principal,
    Probes,
    Providers,
    SecretRecord,
    Usage,
    WorkloadRecord,
)
from keyturn.reconciler import approvals, checklist, rotators
from keyturn.reconciler import scene as views
from keyturn.reconciler.record import target
from keyturn.reconciler.scene import NOT_ABOUT_NEW, QUIET, Scene

_NOBODY = Usage(Idle.UNKNOWN)
Tried = tuple[Trial, Problem | None]  # and who is waited for, where it is not clear yet


@dataclass(frozen=True, slots=True)
class Sight:
    """An observation and the records behind it, so that what is decided acts on what was seen."""

    seen: Observation
    secret: SecretRecord | None = None
    workloads: Mapping[ConsumerRef, WorkloadRecord] | None = None
    pods: tuple[PodRecord, ...] = ()
    escrow: Escrow | None = None
    testimonies: Mapping[str, Testimony] = field(default_factory=dict[str, Testimony])


class Observer:
    """Looks at cluster, backend and probes."""

    def __init__(self, cluster: Cluster, providers: Providers, probes: Probes, clock: Clock) -> None:
        self._cluster, self._providers, self._probes, self._clock = cluster, providers, probes, clock
        self._asking = approvals.Asking(cluster)

    async def look(self, scene: Scene) -> Sight:
        """Everything at once. What could not be read says UNKNOWN; the cluster unreadable means: conclude nothing."""
        reach, abort = await scene.provider.reach(), scene.record.spec.abort or scene.plan.deleting
        if reach is not Reach.UP:
            return Sight(Observation(admin=reach, abort=abort))
        try:
            return await self._look(scene, reach, abort=abort)
        except KeyturnError as error:
            return Sight(Observation(admin=reach, abort=abort, unreadable=error.problem))

    async def _look(self, scene: Scene, reach: Reach, *, abort: bool) -> Sight:
        plan = scene.plan
        escrow = await self._cluster.escrow(plan.uid)
        if escrow is None or scene.rotation.old_id not in escrow.values:
            raise Misconfigured("EscrowMissing", "the escrow of this plan is gone; restore it before anything else")
        scene = scene.knowing(escrow)
        rotation = scene.rotation
        frozen, (secret, workloads, pods), (inventory, new_id, no_slot, tried), served = await asyncio.gather(
            self._cluster.frozen(plan),
            self._ask_cluster(scene),
            self._ask_backend(scene, escrow),
            rotators.served(self._cluster, plan),
        )
        scene = replace(scene, served=served)
        usages, testimonies = await self._sessions_and_pods(scene, escrow, pods, new_id)
        sessions = [s for usage in usages.values() for s in usage.sessions]
        proofs = views.proofs(scene, pods, workloads, testimonies, sessions, new_id)
        held = views.secret_view(scene, escrow, secret)
        ours = await self._ask_ourselves(scene, secret, held.holds)  # after the sessions: it opens some
        known = (*pods, *(await self._cluster.operators() if served else ()))
        old = usages.get(rotation.old_id, _NOBODY)
        unseen = old.idle is Idle.UNKNOWN and checklist.need_not_be_seen(scene)
        view = Observation(
            system=Sameness.SAME if rotation.phase is not Phase.PREFLIGHT else await self._same(scene, escrow),
            admin=reach,
            trials={side: trial for side, (trial, _) in tried.items()},
            awaits={side: late for side, (_, late) in tried.items() if late is not None},
            states=views.states(inventory, rotation),
            old_tag=views.old_tag(inventory, rotation),
            old_usage=Idle.NOT_SEEN if unseen else old.idle,
            use_unseen=unseen,
            old_usage_why=old.blind,
            old_accepted_by=old.accepted_by,
            usage_lag=scene.provider.capabilities.usage_lag,
            old_sessions=views.told(old.sessions, known),
            old_attempts=await _attempts(scene, known),
            secret=held,
            consumers=tuple(views.consumer_view(scene, w) for w in workloads),
            pods=(*proofs, *ours),
            pods_asked=rotation.phase not in NOT_ABOUT_NEW,
            connected=views.connected(old.sessions, known),
            escrowed=bool(rotation.new_id) and rotation.new_id in escrow.values,
            consent=await self._asking.consent(rotation.phase, scene.record, plan, scene.terms, workloads),
            abort=abort,
            pause=scene.record.spec.pause,
            retry=scene.record.spec.retry,
            frozen=frozen,
            settles=scene.provider.capabilities.settles,
            outlived=scene.provider.capabilities.outlived,
            blind=not scene.provider.capabilities.sees_refused_attempts,
            new_id=new_id,
            unanswered=escrow.pending is not None,
            window_open=open_now(checklist.windows(plan.spec), plan.spec.schedule.time_zone, self._clock.now()),
        )
        if rotation.phase is Phase.PREFLIGHT:
            asked = await checklist.problems(self._cluster, scene, escrow, secret, workloads, inventory, pods)
            view = replace(
                view,
                unchecked=asked.unchecked,
                problems=(
                    *no_slot,
                    *asked.problems,
                    *await self._asking.hindrances(scene.record, plan, scene.terms),
                    *checklist.unsupported(pods, workloads),
                    *checklist.strangers_connected(view.old_sessions),
                    *checklist.silent_probes(pods, testimonies),
                    *rotators.unproven(ours),
                ),
            )
        return Sight(view, secret, {w.ref: w for w in workloads}, pods, escrow, testimonies)

    async def _ask_ourselves(self, scene: Scene, secret: SecretRecord | None, holds: Verdict) -> tuple[PodProof, ...]:
        if scene.rotation.phase in QUIET:
            return ()
        return await rotators.proofs(self._cluster, self._providers, scene.served, secret, holds)

    async def _ask_cluster(
        self, scene: Scene
    ) -> tuple[SecretRecord | None, Sequence[WorkloadRecord], tuple[PodRecord, ...]]:
        plan, lost = scene.plan, scene.record.spec.accept_loss
        secret = await self._cluster.secret(plan.secret_key)
        workloads = await self._workloads(plan, lost)
        pods = await self._cluster.pods(workloads, plan.key.namespace, plan.spec.secret.name)
        return secret, workloads, tuple(pod for pod in pods if pod.ready or pod.uid not in lost)

    async def _ask_backend(
        self, scene: Scene, escrow: Escrow
    ) -> tuple[tuple[Principal, ...], str, tuple[Problem, ...], dict[Side, Tried]]:
        inventory = await scene.provider.inventory()
        new_id, no_slot = await _new_id(scene)
        old = views.states(inventory, scene.rotation)[Side.OLD]
        return inventory, new_id, no_slot, await self._try(scene, escrow, old)

    async def _workloads(self, plan: PlanRecord, lost: Sequence[str]) -> Sequence[WorkloadRecord]:
        listed = [ConsumerRef(c.kind, plan.key.namespace, c.name) for c in plan.spec.consumers.listed]
        return await self._cluster.consumers(
            plan.key.namespace,
            plan.spec.secret.name,
            listed,
            discover=plan.spec.consumers.discover == "SecretReference",
            plan=plan.key,
            lost=lost,
        )

    async def _try(self, scene: Scene, escrow: Escrow, old: Existence) -> dict[Side, Tried]:
        rotation = scene.rotation
        ids = {Side.OLD: rotation.old_id, Side.NEW: rotation.new_id}
        wanted = tries(rotation.phase, old, rotation.policy.mode)
        asked = [side for side in Side if side in wanted and ids[side] in escrow.values]
        found = await asyncio.gather(*(_tried(scene, Credential(ids[s], escrow.values[ids[s]])) for s in asked))
        return dict(zip(asked, found, strict=True))

    async def _same(self, scene: Scene, escrow: Escrow) -> Sameness:
        old = scene.rotation.old_id
        return await scene.provider.same_system(Credential(old, escrow.values[old]))

    async def _sessions_and_pods(
        self, scene: Scene, escrow: Escrow, pods: Sequence[PodRecord], new_id: str
    ) -> tuple[dict[str, Usage], Mapping[str, Testimony]]:
        """Sessions before and after the challenge: connections come and go while the pods answer."""
        rotation, plan = scene.rotation, scene.plan
        before_new = rotation.phase in (Phase.PREFLIGHT, *QUIET) and rotation.policy.mode is not Mode.CONTAINMENT
        backward = target(rotation.phase) is Side.OLD or before_new
        control_id = rotation.old_id if backward or not rotation.new_id else rotation.new_id
        control = Credential(control_id, escrow.values.get(control_id, escrow.values[rotation.old_id]))
        ids = [i for i in (rotation.old_id, rotation.new_id or new_id) if i]
        before = await scene.provider.usage(ids, control)
        if rotation.phase in QUIET:
            return dict(before), {}
        expected = {str(side): scene.serving(escrow, side) for side in Side}
        testimonies = await self._probes.challenge(plan, pods, rotation.generation, expected)
        after = await scene.provider.usage(ids, control)
        return {i: _union(before.get(i, _NOBODY), after.get(i, _NOBODY)) for i in ids}, testimonies


async def _tried(scene: Scene, credential: Credential) -> Tried:
    try:
        return await scene.provider.test(credential), None
    except Awaited as late:
        return Trial.AWAITED, late.problem


def _union(before: Usage, after: Usage) -> Usage:
    """Seen in either list is seen; idle only if both say so."""
    sessions = tuple(dict.fromkeys((*before.sessions, *after.sessions)))
    verdicts = {before.idle, after.idle}
    idle = Idle.IN_USE if Idle.IN_USE in verdicts else Idle.UNKNOWN if Idle.UNKNOWN in verdicts else Idle.NOT_SEEN
    accepted = tuple(dict.fromkeys((*before.accepted_by, *after.accepted_by)))
    return Usage(idle, sessions, before.blind or after.blind, accepted)


async def _new_id(scene: Scene) -> tuple[str, tuple[Problem, ...]]:
    if scene.rotation.phase is not Phase.PREFLIGHT:
        return scene.rotation.new_id, ()
    try:
        return await scene.provider.next_id(scene.rotation.old_id), ()
    except KeyturnError as error:
        return "", (error.problem,)


async def _attempts(scene: Scene, pods: Sequence[PodRecord]) -> tuple[SessionSeen, ...]:
    """Since Disable, or since the last look that the watch clock counted."""
    rotation = scene.rotation
    if rotation.disabled_at is None or rotation.phase not in (Phase.DISABLE, Phase.WATCH):
        return ()
    since = max(rotation.disabled_at, rotation.clock.last or rotation.disabled_at)
    return views.told(await scene.provider.refused_attempts(rotation.old_id, since), pods)
