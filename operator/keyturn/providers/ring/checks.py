"""What Preflight asks where pods judge a key: the acceptors must be able to follow before anything is changed.

Asks only; each Problem blocks and says the way out.
"""

from __future__ import annotations

from collections.abc import Sequence

from keyturn.api.base import format_duration
from keyturn.core.model import ConsumerRef, Problem
from keyturn.ports import Credential, PlanRecord, PodRecord, SecretRecord, WorkloadRecord
from keyturn.providers.ring.formats import Ring
from keyturn.providers.ring.settings import Settings
from keyturn.providers.ring.tags import FITTING_ID, RingTag


def of_plan(settings: Settings) -> list[Problem]:
    """What the plan itself must say."""
    wish, field = settings.wish, settings.field
    found: list[Problem] = []
    if settings.soak < wish.lifetime:
        found.append(
            Problem(
                "SoakTooShort",
                f"what was made with the old key may be good for {format_duration(wish.lifetime)} "
                f"({field}.maxTokenLifetime); set verify.soak to at least that",
            )
        )
    return found


def of_secret(settings: Settings, record: SecretRecord, tag: RingTag, others: Sequence[PlanRecord]) -> list[Problem]:
    """The acceptors' Secret must be ours to write."""
    name = settings.secret.name
    found: list[Problem] = []
    if record.immutable:
        found.append(Problem("AcceptorsImmutable", f"Secret {name} is immutable; recreate it without immutable: true"))
    if record.controlled_by:
        why = f"Secret {name} is written by {record.controlled_by}, which would put the former keys back"
        found.append(Problem("AcceptorsOwnedByAnother", f"{why}; let only one of the two manage it"))
    if tag.plan not in ("", str(settings.plan.key)):
        why = f"Secret {name} carries the tag of plan {tag.plan}; give each plan its own"
        found.append(Problem("AcceptorsOfAnotherPlan", f"{why}, or take the annotation away if that plan is gone"))
    for other in others:
        if other.key != settings.plan.key and not other.deleting and other.spec.secret.name == name:
            why = f"RotationPlan {other.key.name} writes Secret {name} as its own consumers'"
            found.append(Problem("AcceptorsShared", f"{why}; give the acceptors a Secret of their own"))
    return found


def of_keys(settings: Settings, ring: Ring, current: Credential | None) -> list[Problem]:
    """The current key must be accepted, and its id must fit where ids are written."""
    if current is None:
        return []
    found: list[Problem] = []
    if not FITTING_ID.fullmatch(current.id):
        why = "the id of the current key holds other signs than letters, digits and . _ ~ : @ -, or is too long"
        found.append(Problem("IdUnfit", f"{why}; give it another one, in the Secret and in {settings.where}"))
    if not ring.holds(current):
        why = f"{settings.where} does not accept the key {current.id} that the presenters' Secret holds"
        found.append(Problem("CurrentNotAccepted", f"{why}: is it the acceptors of another environment?"))
    return found


def of_workloads(settings: Settings, workloads: Sequence[WorkloadRecord], pods: Sequence[PodRecord]) -> list[Problem]:
    """Acceptors must be there, settled and healthy, and able to roll without losing their last pod."""
    known = {one.ref for one in workloads}
    found = [
        Problem("AcceptorMissing", f"{ref} does not exist; correct {settings.field}.acceptors.list or create it")
        for ref in settings.listed
        if ref not in known
    ]
    if not workloads:
        why = f"no Deployment refers to Secret {settings.secret.name}"
        found.append(Problem("NoAcceptor", f"{why}; list one in {settings.field}.acceptors.list"))
    allowed = {one.name for one in settings.wish.acceptors.listed if one.allow_unavailable}
    for one in workloads:
        found += _of_workload(one, allowed=one.ref.name in allowed)
    strange = sorted({_owner(pod) for pod in pods if pod.consumer not in known})
    for owner in strange:
        why = f"{owner} uses Secret {settings.secret.name} too, and only Deployments can be restarted to follow it"
        found.append(Problem("AcceptorNotSupported", f"{why}; give it another Secret"))
    return found


def _of_workload(one: WorkloadRecord, *, allowed: bool) -> list[Problem]:
    found: list[Problem] = []
    if one.paused:
        found.append(Problem("AcceptorPaused", f"{one.ref} is paused; resume it with kubectl rollout resume"))
    elif not one.settled:
        found.append(Problem("AcceptorRolling", f"{one.ref} is still rolling out; waiting until it has settled"))
    elif not one.healthy:
        found.append(
            Problem("AcceptorUnhealthy", f"{one.ref} has fewer ready pods than it wants; make it healthy first")
        )
    if one.kills_first and not allowed:
        why = f"{one.ref} stops pods before it starts their replacements; change its strategy"
        found.append(Problem("AcceptorWouldBeUnavailable", f"{why}, or accept that with allowUnavailable: true"))
    return found


def _owner(pod: PodRecord) -> str:
    consumer: ConsumerRef | None = pod.consumer
    return str(consumer) if consumer is not None else f"Pod/{pod.name}"
