"""What one look is about, and how records become the core's views of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keyturn.core.evidence import Session, Subject, Testimony, judge, same_address, session_verdict
from keyturn.core.model import (
    ConsumerRef,
    ConsumerView,
    Existence,
    Phase,
    PodProof,
    Rotation,
    SecretView,
    SessionSeen,
    Side,
    Verdict,
)
from keyturn.core.rendering import Login, Place, render
from keyturn.core.sealed import Sealed
from keyturn.ports import (
    Escrow,
    PlanRecord,
    PodRecord,
    Principal,
    Provider,
    ProviderRecord,
    RotationRecord,
    SecretRecord,
    WorkloadRecord,
)
from keyturn.reconciler import checklist
from keyturn.reconciler.record import target
from keyturn.reconciler.rotators import Served

QUIET = frozenset({Phase.CREATE, Phase.STAGE})  # no pod is asked: nothing can have reached them yet
NOT_ABOUT_NEW = QUIET | {Phase.PREFLIGHT}  # in Preflight pods are asked whether they prove OLD


@dataclass(frozen=True, slots=True)
class Scene:
    """What one look is about. ``plan`` carries the spec as it was when the rotation began."""

    plan: PlanRecord
    record: RotationRecord
    rotation: Rotation
    provider: Provider
    place: Place
    terms: ProviderRecord
    served: tuple[Served, ...] = ()  # providers that log in with what is rotated

    def knowing(self, escrow: Escrow) -> Scene:
        """With what the backend issued since: its id is in escrow before it is in any status."""
        issued = [id_ for id_ in escrow.values if id_ != self.rotation.old_id]
        if self.rotation.new_id or self.rotation.phase is Phase.PREFLIGHT or not issued:
            return self
        return replace(self, rotation=replace(self.rotation, new_id=issued[0]))

    def rendered(self, values: Mapping[str, Sealed], id_: str) -> dict[str, Sealed]:
        """The managed keys for this credential; empty if its value is not known."""
        if not id_ or id_ not in values:
            return {}
        return render(self.plan.spec.secret.keys, Login(id_, values[id_]), self.place)

    def serving(self, escrow: Escrow, side: Side) -> dict[str, Sealed]:
        """What consumers hold when this side serves; OLD as it was before Stage, byte for byte, once that is kept."""
        if side is Side.NEW:
            return self.rendered(escrow.values, self.rotation.new_id)
        return {**self.rendered(escrow.values, self.rotation.old_id), **escrow.secret_before}


def states(inventory: Sequence[Principal], rotation: Rotation) -> dict[Side, Existence]:
    """How the inventory knows both credentials."""
    known = {p.id: p.state for p in inventory}
    return {
        Side.OLD: known.get(rotation.old_id, Existence.ABSENT),
        Side.NEW: known.get(rotation.new_id, Existence.ABSENT),
    }


def old_tag(inventory: Sequence[Principal], rotation: Rotation) -> str | None:
    """Of our last change to OLD, where the backend keeps one."""
    return next((p.tag for p in inventory if p.id == rotation.old_id), None)


def secret_view(scene: Scene, escrow: Escrow, secret: SecretRecord | None) -> SecretView:
    """Key by key against both rendered credentials; OLD also means: as it was before Stage, byte for byte."""
    if secret is None:
        return SecretView(Verdict.NONE)
    keys = scene.plan.spec.secret.keys
    old, new = scene.serving(escrow, Side.OLD), scene.serving(escrow, Side.NEW)
    matches = {_which(secret.data.get(key), old.get(key), new.get(key)) for key in keys}
    writers = sorted({secret.writers[key] for key in keys if key in secret.writers})
    kinds = {match for match in matches if match is not None}
    holds = kinds.pop() if len(kinds) == 1 else Verdict.OTHER if Verdict.OTHER in kinds else Verdict.MIXED
    return SecretView(holds, ", ".join(writers), secret.tag)


def _which(value: Sealed | None, old: Sealed | None, new: Sealed | None) -> Verdict | None:
    """None for a key that holds what OLD and NEW share, like a host: it does not tell them apart."""
    if value is None:
        return Verdict.OTHER
    if old is not None and value == old == new:
        return None
    if new is not None and value == new:
        return Verdict.NEW
    return Verdict.OLD if old is not None and value == old else Verdict.OTHER


def consumer_view(scene: Scene, workload: WorkloadRecord) -> ConsumerView:
    """A workload as the core sees it."""
    return ConsumerView(
        ref=workload.ref,
        rolled_to=workload.generation_mark,
        settled=workload.settled,
        healthy=workload.healthy,
        reload=checklist.reloads(scene.plan.spec, workload.ref),
        stuck=workload.stuck,
        replicas=workload.replicas,
    )


def proofs(
    scene: Scene,
    pods: Sequence[PodRecord],
    workloads: Sequence[WorkloadRecord],
    testimonies: Mapping[str, Testimony],
    sessions: Sequence[Session],
    new_id: str,
) -> tuple[PodProof, ...]:
    """What every living pod proves, in this phase's direction."""
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
        told=pod.consumer is not None and checklist.told_to_reload(scene.plan.spec, pod.consumer),
    )


def _owner(address: str, pods: Sequence[PodRecord]) -> PodRecord | None:
    return next((p for p in pods if p.address and not p.host_network and same_address(p.address, address)), None)


def told(sessions: Sequence[Session], pods: Sequence[PodRecord]) -> tuple[SessionSeen, ...]:
    """Sessions as people are told of them: by pod and consumer where the address belongs to one."""
    found: list[SessionSeen] = []
    for session in sessions:
        if session.ours:
            continue
        pod = _owner(session.client_address, pods)
        consumer = "" if pod is None else _consumer_name(pod)
        client = session.client_address or "an address the backend hides"
        name = pod.name if pod is not None else ""
        found.append(SessionSeen(session.principal, client, consumer, name, session.started))
    return tuple(found)


def connected(sessions: Sequence[Session], pods: Sequence[PodRecord]) -> tuple[str, ...]:
    """Consumers that hold one of these sessions."""
    return tuple(sorted({s.consumer for s in told(sessions, pods) if s.consumer}))


def _consumer_name(pod: PodRecord) -> str:
    return str(pod.consumer) if pod.consumer is not None else f"Pod/{pod.name}"
