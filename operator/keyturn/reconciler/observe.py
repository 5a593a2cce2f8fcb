"""One look at the world, into one frozen ``Observation``. Reads and challenges; changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keyturn.core.evidence import Session, Subject, Testimony, judge, same_address, session_verdict
from keyturn.core.model import (
    ConsumerRef,
    ConsumerView,
    Existence,
    Idle,
    ObjectKey,
    Observation,
    Phase,
    PodProof,
    Problem,
    Reach,
    Rotation,
    Sameness,
    SecretView,
    SessionSeen,
    Side,
    Trial,
    Verdict,
)
from keyturn.core.rendering import Login, Place, render
from keyturn.core.rotation import tries
from keyturn.core.schedule import open_now
from keyturn.core.sealed import Sealed
from keyturn.ports import (
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
    Provider,
    RotationRecord,
    SecretRecord,
    Usage,
    WorkloadRecord,
)
from keyturn.reconciler import checklist
from keyturn.reconciler.record import target

QUIET = frozenset({Phase.CREATE, Phase.STAGE})  # no pod is asked: nothing can have reached them yet
NOT_ABOUT_NEW = QUIET | {Phase.PREFLIGHT}  # in Preflight pods are asked whether they prove OLD
_NOBODY = Usage(Idle.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sight:
    """An observation and the records behind it, so that what is decided acts on what was seen."""

    seen: Observation
    secret: SecretRecord | None = None
    workloads: Mapping[ConsumerRef, WorkloadRecord] | None = None
    pods: tuple[PodRecord, ...] = ()
    escrow: Escrow | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What one look is about. ``plan`` carries the spec as it was when the rotation began."""

    plan: PlanRecord
    record: RotationRecord
    rotation: Rotation
    provider: Provider
    place: Place

    def rendered(self, values: Mapping[str, Sealed], id_: str) -> dict[str, Sealed]:
        """The managed keys for this credential; empty if its value is not known."""
        if not id_ or id_ not in values:
            return {}
        return render(self.plan.spec.secret.keys, Login(id_, values[id_]), self.place)


class Observer:
    """Looks at cluster, backend and probes."""

    def __init__(self, cluster: Cluster, probes: Probes, clock: Clock) -> None:
        self._cluster, self._probes, self._clock = cluster, probes, clock

    async def look(self, scene: Scene) -> Sight:
        """Everything at once. What could not be read says UNKNOWN; the cluster unreadable means: conclude nothing."""
        reach, abort = await scene.provider.reach(), scene.record.spec.abort or scene.plan.deleting
        if reach is not Reach.UP:
            return Sight(Observation(admin=reach, abort=abort))
        try:
            return await self._look(scene, reach)
        except KeyturnError as error:
            return Sight(Observation(admin=reach, abort=abort, unreadable=error.problem))

    async def _look(self, scene: Scene, reach: Reach) -> Sight:
        plan, rotation = scene.plan, scene.rotation
        escrow = await self._cluster.escrow(plan.uid)
        if escrow is None or rotation.old_id not in escrow.values:
            raise Misconfigured("EscrowMissing", "the escrow of this plan is gone; restore it before anything else")
        secret, workloads, inventory = await asyncio.gather(
            self._cluster.secret(ObjectKey(plan.key.namespace, plan.spec.secret.name)),
            self._workloads(plan),
            scene.provider.inventory(),
        )
        new_id, no_slot = await _new_id(scene)
        pods = tuple(await self._cluster.pods(workloads, plan.key.namespace, plan.spec.secret.name))
        trials = await self._try(scene, escrow, rotation.new_id)
        usages, testimonies = await self._sessions_and_pods(scene, escrow, pods, new_id)
        sessions = [s for usage in usages.values() for s in usage.sessions]
        proofs = _proofs(scene, pods, workloads, testimonies, sessions, new_id)
        old = usages.get(rotation.old_id, _NOBODY)
        view = Observation(
            system=Sameness.SAME if rotation.phase is not Phase.PREFLIGHT else await self._same(scene, escrow),
            admin=reach,
            trials=trials,
            states=_states(inventory, rotation),
            old_usage=old.idle,
            old_sessions=_told(old.sessions, pods),
            old_attempts=await _attempts(scene, pods),
            secret=_secret_view(scene, escrow, secret),
            consumers=tuple(_consumer(scene, w) for w in workloads),
            pods=proofs,
            pods_asked=rotation.phase not in NOT_ABOUT_NEW,
            connected=_connected(old.sessions, pods),
            escrowed=bool(rotation.new_id) and rotation.new_id in escrow.values,
            abort=scene.record.spec.abort or scene.plan.deleting,
            new_id=new_id,
            window_open=open_now(checklist.windows(plan.spec), plan.spec.schedule.time_zone, self._clock.now()),
        )
        if rotation.phase is Phase.PREFLIGHT:
            view = replace(
                view,
                problems=(
                    *no_slot,
                    *await checklist.problems(self._cluster, scene, escrow, secret, workloads, inventory),
                    *checklist.unsupported(pods, workloads),
                    *checklist.strangers_connected(view.old_sessions),
                    *checklist.silent_probes(pods, testimonies),
                ),
            )
        return Sight(view, secret, {w.ref: w for w in workloads}, pods, escrow)

    async def _workloads(self, plan: PlanRecord) -> Sequence[WorkloadRecord]:
        listed = [ConsumerRef(c.kind, plan.key.namespace, c.name) for c in plan.spec.consumers.listed]
        return await self._cluster.consumers(
            plan.key.namespace,
            plan.spec.secret.name,
            listed,
            discover=plan.spec.consumers.discover == "SecretReference",
            plan=plan.key,
        )

    async def _try(self, scene: Scene, escrow: Escrow, new_id: str) -> dict[Side, Trial]:
        ids = {Side.OLD: scene.rotation.old_id, Side.NEW: new_id}
        asked = [side for side in Side if side in tries(scene.rotation.phase) and ids[side] in escrow.values]
        found = await asyncio.gather(*(scene.provider.test(Credential(ids[s], escrow.values[ids[s]])) for s in asked))
        return dict(zip(asked, found, strict=True))

    async def _same(self, scene: Scene, escrow: Escrow) -> Sameness:
        old = scene.rotation.old_id
        return await scene.provider.same_system(Credential(old, escrow.values[old]))

    async def _sessions_and_pods(
        self, scene: Scene, escrow: Escrow, pods: Sequence[PodRecord], new_id: str
    ) -> tuple[dict[str, Usage], Mapping[str, Testimony]]:
        """Sessions before and after the challenge: connections come and go while the pods answer."""
        rotation, plan = scene.rotation, scene.plan
        backward = target(rotation.phase) is Side.OLD or rotation.phase in (Phase.PREFLIGHT, *QUIET)
        control_id = rotation.old_id if backward else rotation.new_id
        control = Credential(control_id, escrow.values.get(control_id, escrow.values[rotation.old_id]))
        ids = [i for i in (rotation.old_id, rotation.new_id or new_id) if i]
        before = await scene.provider.usage(ids, control)
        if rotation.phase in QUIET:
            return dict(before), {}
        sides = {Side.OLD: rotation.old_id, Side.NEW: rotation.new_id}
        expected = {str(side): scene.rendered(escrow.values, id_) for side, id_ in sides.items()}
        testimonies = await self._probes.challenge(plan, pods, rotation.generation, expected)
        after = await scene.provider.usage(ids, control)
        return {i: _union(before.get(i, _NOBODY), after.get(i, _NOBODY)) for i in ids}, testimonies


def _union(before: Usage, after: Usage) -> Usage:
    """Seen in either list is seen; idle only if both say so."""
    sessions = tuple(dict.fromkeys((*before.sessions, *after.sessions)))
    verdicts = {before.idle, after.idle}
    idle = Idle.IN_USE if Idle.IN_USE in verdicts else Idle.UNKNOWN if Idle.UNKNOWN in verdicts else Idle.NOT_SEEN
    return Usage(idle, sessions, before.blind or after.blind)


async def _new_id(scene: Scene) -> tuple[str, tuple[Problem, ...]]:
    if scene.rotation.phase is not Phase.PREFLIGHT:
        return scene.rotation.new_id, ()
    try:
        return await scene.provider.next_id(scene.rotation.old_id), ()
    except KeyturnError as error:
        return "", (error.problem,)


def _states(inventory: Sequence[Principal], rotation: Rotation) -> dict[Side, Existence]:
    known = {p.id: p.state for p in inventory}
    return {
        Side.OLD: known.get(rotation.old_id, Existence.ABSENT),
        Side.NEW: known.get(rotation.new_id, Existence.ABSENT),
    }


def _secret_view(scene: Scene, escrow: Escrow, secret: SecretRecord | None) -> SecretView:
    """Key by key against both rendered credentials; OLD also means: as it was before Stage, byte for byte."""
    if secret is None:
        return SecretView(Verdict.NONE)
    keys = scene.plan.spec.secret.keys
    old = {**scene.rendered(escrow.values, scene.rotation.old_id), **escrow.secret_before}
    new = scene.rendered(escrow.values, scene.rotation.new_id)
    matches = {key: _which(secret.data.get(key), old.get(key), new.get(key)) for key in keys}
    writers = sorted({secret.writers[key] for key in keys if key in secret.writers})
    kinds = set(matches.values())
    holds = kinds.pop() if len(kinds) == 1 else Verdict.OTHER if Verdict.OTHER in kinds else Verdict.MIXED
    return SecretView(holds, ", ".join(writers))


def _which(value: Sealed | None, old: Sealed | None, new: Sealed | None) -> Verdict:
    if value is None:
        return Verdict.OTHER
    if new is not None and value == new:
        return Verdict.NEW
    return Verdict.OLD if old is not None and value == old else Verdict.OTHER


def _consumer(scene: Scene, workload: WorkloadRecord) -> ConsumerView:
    return ConsumerView(
        ref=workload.ref,
        rolled_to=workload.generation_mark,
        settled=workload.settled,
        healthy=workload.healthy,
        reload=checklist.reloads(scene.plan.spec, workload.ref),
        stuck=workload.stuck,
        replicas=workload.replicas,
    )


def _proofs(
    scene: Scene,
    pods: Sequence[PodRecord],
    workloads: Sequence[WorkloadRecord],
    testimonies: Mapping[str, Testimony],
    sessions: Sequence[Session],
    new_id: str,
) -> tuple[PodProof, ...]:
    rotation = scene.rotation
    principals = {Side.OLD: rotation.old_id, Side.NEW: rotation.new_id or new_id}
    side = Side.OLD if rotation.phase is Phase.PREFLIGHT else target(rotation.phase)
    known = {w.ref for w in workloads}
    found: list[PodProof] = []
    for pod in pods:
        if pod.phase in ("Succeeded", "Failed") or rotation.phase in QUIET:
            continue
        subject = _subject(scene, pod, known)
        testimony = testimonies.get(pod.uid, Testimony(silent="not asked"))
        session = session_verdict(subject, testimony, sessions, principals)
        found.append(judge(subject, testimony, session, required=rotation.policy.require, target=side))
    return tuple(found)


def _subject(scene: Scene, pod: PodRecord, known: set[ConsumerRef]) -> Subject:
    consumer = _consumer_name(pod)
    return Subject(
        namespace=pod.namespace,
        name=pod.name,
        uid=pod.uid,
        address=pod.address,
        consumer=consumer,
        reload=pod.consumer is not None and pod.consumer in known and checklist.reloads(scene.plan.spec, pod.consumer),
        was_connected=consumer in scene.rotation.connected_before,
        terminating=pod.terminating,
        ready=pod.ready,
        created=pod.created,
        host_network=pod.host_network,
    )


def _owner(address: str, pods: Sequence[PodRecord]) -> PodRecord | None:
    return next((p for p in pods if p.address and not p.host_network and same_address(p.address, address)), None)


def _told(sessions: Sequence[Session], pods: Sequence[PodRecord]) -> tuple[SessionSeen, ...]:
    told: list[SessionSeen] = []
    for session in sessions:
        if session.ours:
            continue
        pod = _owner(session.client_address, pods)
        consumer = "" if pod is None else _consumer_name(pod)
        client = session.client_address or "an address the backend hides"
        name = pod.name if pod is not None else ""
        told.append(SessionSeen(session.principal, client, consumer, name, session.started))
    return tuple(told)


def _connected(sessions: Sequence[Session], pods: Sequence[PodRecord]) -> tuple[str, ...]:
    return tuple(sorted({s.consumer for s in _told(sessions, pods) if s.consumer}))


async def _attempts(scene: Scene, pods: Sequence[PodRecord]) -> tuple[SessionSeen, ...]:
    """Since Disable, or since the last look that the watch clock counted."""
    rotation = scene.rotation
    if rotation.disabled_at is None or rotation.phase not in (Phase.DISABLE, Phase.WATCH):
        return ()
    since = max(rotation.disabled_at, rotation.clock.last or rotation.disabled_at)
    return _told(await scene.provider.refused_attempts(rotation.old_id, since), pods)


def _consumer_name(pod: PodRecord) -> str:
    return str(pod.consumer) if pod.consumer is not None else f"Pod/{pod.name}"
