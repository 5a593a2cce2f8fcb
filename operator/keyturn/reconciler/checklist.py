"""Preflight's checklist: everything that must be right before anything is changed, each with the way out.

Asks only; a Problem blocks and names the field. The provider adds its own list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from keyturn.api.plan_kinds import Consumer, RotationPlanSpec
from keyturn.core.delivery import split_delivery
from keyturn.core.evidence import Testimony
from keyturn.core.model import ConsumerRef, Mode, Problem, SessionSeen
from keyturn.core.schedule import InvalidSchedule, Schedule, Window, check
from keyturn.ports import (
    Checklist,
    Cluster,
    Credential,
    Escrow,
    PlanRecord,
    PodRecord,
    Principal,
    Provider,
    SecretRecord,
    WorkloadRecord,
)
from keyturn.reconciler import rotators

if TYPE_CHECKING:
    from keyturn.reconciler.scene import Scene


def windows(spec: RotationPlanSpec) -> tuple[Window, ...]:
    """The plan's maintenance windows."""
    return tuple(
        Window(time.fromisoformat(w.start), time.fromisoformat(w.end), frozenset(w.days)) for w in spec.schedule.window
    )


def schedule(spec: RotationPlanSpec) -> Schedule:
    """The plan's schedule."""
    wish = spec.schedule
    return Schedule(wish.cron, wish.time_zone, wish.max_age, windows(spec))


def reloads(spec: RotationPlanSpec, ref: ConsumerRef) -> bool:
    """Does this consumer declare that it re-reads the credential without a restart?"""
    return any(c.reload is not None for c in _wishes(spec, ref))


def told_to_reload(spec: RotationPlanSpec, ref: ConsumerRef) -> bool:
    """Does it re-read the credential only when its probe tells it to?"""
    return any(c.reload in {"Http", "Signal"} for c in _wishes(spec, ref))


def _wishes(spec: RotationPlanSpec, ref: ConsumerRef) -> list[Consumer]:
    return [c for c in spec.consumers.listed if (c.kind, c.name) == (ref.kind, ref.name)]


async def problems(
    cluster: Cluster,
    scene: Scene,
    escrow: Escrow,
    secret: SecretRecord | None,
    workloads: Sequence[WorkloadRecord],
    inventory: Sequence[Principal],
    pods: Sequence[PodRecord],
) -> Checklist:
    """All of it, the backend's own list included."""
    spec, old, known = scene.plan.spec, scene.rotation.old_id, {w.ref for w in workloads}
    clients = sorted({p.address for p in pods if p.address and p.consumer in known and not _over(p)})
    backend = await scene.provider.preflight(Credential(old, escrow.values[old]), clients)
    found = (
        *plan_problems(spec, scene.provider),
        *secret_problems(spec, secret),
        *await shared(cluster, scene.plan),
        *await rotators.problems(cluster, scene.plan, scene.terms),
        *await rotators.busy(cluster, scene.terms, scene.served),
        *consumer_problems(spec, workloads, scene.plan.key.namespace, somebody_else=bool(scene.served)),
        *strangers(inventory),
        *backend.problems,
    )
    return Checklist(found, backend.unchecked)


def plan_problems(spec: RotationPlanSpec, provider: Provider) -> list[Problem]:
    """What the plan itself must say."""
    found: list[Problem] = []
    try:
        check(schedule(spec))
    except InvalidSchedule as error:
        found.append(Problem("InvalidSchedule", str(error)))
    able = provider.capabilities
    if not able.sees_refused_attempts and not spec.retire.accept_blind_watch:
        found.append(
            Problem(
                "BlindWatch",
                "this backend shows neither last use nor refused logins, so Watch rests on pods and sessions alone; "
                "set retire.acceptBlindWatch to accept that",
            )
        )
    if not able.sees_use and not spec.verify.accept_blind_soak:
        found.append(
            Problem(
                "BlindSoak",
                "this backend cannot say who uses a credential, so Soak rests on what the pods prove; set "
                "verify.acceptBlindSoak to accept that",
            )
        )
    if not able.lists_sessions and "Session" in spec.verify.require:
        found.append(Problem("SessionsUnlisted", "this backend lists no sessions: take Session out of verify.require"))
    if not able.lists_sessions and not {"Process", "Reported"} & set(spec.verify.require):
        found.append(
            Problem("ProcessNotRequired", "no session can be seen here: every pod must prove by Process or Reported")
        )
    if spec.retire.watch < 2 * able.disable_delay:
        found.append(Problem("WatchTooShort", "retire.watch must be at least twice the backend's disable delay"))
    return found


def need_not_be_seen(scene: Scene) -> bool:
    """Nothing can say who uses a credential, and the plan accepts that; one that others know waits for nobody."""
    graceful = scene.rotation.policy.mode is Mode.GRACEFUL
    accepted = scene.plan.spec.verify.accept_blind_soak or not graceful
    return accepted and not scene.provider.capabilities.sees_use


def secret_problems(spec: RotationPlanSpec, secret: SecretRecord | None) -> list[Problem]:
    """The Secret must be there, writable, and nobody else's to write."""
    if secret is None:
        return [
            Problem("SecretMissing", f"Secret {spec.secret.name} does not exist; create it with the current credential")
        ]
    found: list[Problem] = []
    if secret.immutable:
        found.append(
            Problem(
                "SecretImmutable",
                f"Secret {spec.secret.name} is immutable; recreate it without immutable: true, or plan a new one",
            )
        )
    if secret.controlled_by:
        found.append(
            Problem(
                "SecretOwnedByAnother",
                f"Secret {spec.secret.name} is written by {secret.controlled_by}, which would put the old value back; "
                "let only one of the two manage it",
            )
        )
    return found


async def shared(cluster: Cluster, plan: PlanRecord) -> list[Problem]:
    """Two plans on one Secret, or on one role, would take each other's credential away."""
    found: list[Problem] = []
    for other in await cluster.plans(plan.key.namespace):
        if other.key == plan.key or other.deleting:
            continue
        if other.spec.secret.name == plan.spec.secret.name:
            found.append(
                Problem(
                    "SecretShared", f"RotationPlan {other.key.name} manages the same Secret; keep one of the two plans"
                )
            )
        mine, theirs = plan.spec.backend, other.spec.backend
        same_provider = other.spec.provider_ref == plan.spec.provider_ref
        if mine and theirs and same_provider and mine.principals & theirs.principals:
            found.append(
                Problem(
                    "RoleShared", f"RotationPlan {other.key.name} rotates one of the same roles; give each plan its own"
                )
            )
    return found


def consumer_problems(
    spec: RotationPlanSpec, workloads: Sequence[WorkloadRecord], namespace: str, *, somebody_else: bool = False
) -> list[Problem]:
    """Consumers must be there, settled and healthy, and able to roll without losing their last pod.

    ``somebody_else``: Keyturn itself uses the Secret, as a provider's rotator; then no pod has to.
    """
    known = {w.ref for w in workloads}
    found = [
        Problem("ConsumerMissing", f"{wish.kind}/{wish.name} does not exist; correct consumers.list or create it")
        for wish in spec.consumers.listed
        if ConsumerRef(wish.kind, namespace, wish.name) not in known
    ]
    if not workloads and not somebody_else:
        found.append(
            Problem(
                "NoConsumer",
                f"no workload references Secret {spec.secret.name}, and no plan's provider logs in with it; list a "
                "workload in consumers.list or correct secret.name",
            )
        )
    allowed = {c.name for c in spec.consumers.listed if c.allow_unavailable}
    paired = spec.backend is None or spec.backend.paired
    templates = spec.secret.keys if paired else {}
    for workload in workloads:
        found += _workload(workload, templates, allowed=workload.ref.name in allowed)
    return found


def _workload(workload: WorkloadRecord, templates: Mapping[str, str], *, allowed: bool) -> list[Problem]:
    found: list[Problem] = []
    if workload.paused:
        found.append(Problem("ConsumerPaused", f"{workload.ref} is paused; resume it with kubectl rollout resume"))
    elif not workload.settled:
        found.append(Problem("ConsumerRolling", f"{workload.ref} is still rolling out; waiting until it has settled"))
    elif not workload.healthy:
        found.append(
            Problem("ConsumerUnhealthy", f"{workload.ref} has fewer ready pods than it wants; make it healthy first")
        )
    if workload.kills_first and not allowed:
        found.append(
            Problem(
                "ConsumerWouldBeUnavailable",
                f"{workload.ref} stops pods before it starts their replacements; change its strategy, or accept that "
                "with allowUnavailable: true in consumers.list",
            )
        )
    split = split_delivery(workload.deliveries, templates)
    if split is not None:
        found.append(Problem(split.reason, f"{workload.ref}: {split.message}"))
    return found


def strangers(inventory: Sequence[Principal]) -> list[Problem]:
    """Credentials that nobody declared are reported and block."""
    return [
        Problem(
            "StrangerInInventory",
            f"{p.id} can reach the data of this plan's owner and nobody declared it"
            + (f" ({p.why})" if p.why else "; remove it, or declare it"),
        )
        for p in inventory
        if p.stranger
    ]


def strangers_connected(sessions: Sequence[SessionSeen]) -> list[Problem]:
    """Every session under OLD must belong to a known consumer."""
    return [
        Problem(
            "UnknownSession",
            f"{s.client} is connected as {s.principal} and is no pod of a known consumer; end it, or list its workload "
            "in consumers.list",
        )
        for s in sessions
        if not s.consumer
    ]


def unsupported(pods: Sequence[PodRecord], workloads: Sequence[WorkloadRecord]) -> list[Problem]:
    """Whoever references the Secret and is no known consumer would be left behind, or is the server itself."""
    known = {w.ref for w in workloads}
    owners = {str(p.consumer or f"Pod/{p.name}") for p in pods if p.consumer not in known and not _over(p)}
    return [
        Problem(
            "ConsumerNotSupported",
            f"{owner} uses the Secret too, and only Deployments can be rolled; give it a Secret of its own, above all "
            "if it is the server",
        )
        for owner in sorted(owners)
    ]


def _over(pod: PodRecord) -> bool:
    return pod.phase in ("Succeeded", "Failed")


def silent_probes(pods: Sequence[PodRecord], testimonies: Mapping[str, Testimony]) -> list[Problem]:
    """A pod whose probe does not answer could never prove anything: better said before than after the roll.

    What to do depends on why it is silent, so the testimony says it: a pod may have its probe, and lack the key only.
    """
    return [
        Problem("ProbeSilent", f"pod {p.name}: {testimonies[p.uid].silent}")
        for p in pods
        if p.uid in testimonies and testimonies[p.uid].silent and not p.terminating and p.phase == "Running"
    ]


def secret_allowed(patterns: Sequence[str], name: str) -> bool:
    """Does the provider let plans write this Secret?"""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
