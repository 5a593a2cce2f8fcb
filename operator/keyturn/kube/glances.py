"""Slim records of what a watch tells about pods and Deployments: just enough to say whether a plan should look again.

Pure. Names alone tell whose pod it is: a wake-up may be wrong, and nothing is decided on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.kube.pods import finished, likely_consumer, pod_of
from keyturn.kube.raw import Json, listed, number, text
from keyturn.kube.workloads import workload_of


@dataclass(frozen=True, slots=True)
class Interest:
    """What a plan wants to hear of: these consumers, and whatever references the Secret."""

    secret: str
    consumers: frozenset[ConsumerRef]


@dataclass(frozen=True, slots=True)
class PodGlance:
    """What a gate could ask about a pod. One that was just made looks like this, and wakes nobody."""

    ready: bool = False
    finished: bool = False
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class WorkloadGlance:
    """What a gate could ask about a Deployment."""

    generation: int
    settled: bool
    healthy: bool
    stuck: str


Glance = PodGlance | WorkloadGlance


@dataclass(slots=True)
class Glances:
    """The last glance at everything in one namespace that a plan is interested in. Forgetting it costs a wake-up."""

    known: dict[str, Glance] = field(default_factory=dict[str, Glance])

    def pod(self, found: Json, interests: Mapping[ObjectKey, Interest], *, gone: bool) -> list[ObjectKey]:
        """The plans that should look again because of this event about a pod."""
        owner = likely_consumer(found)
        concerned = [
            plan
            for plan, interest in interests.items()
            if owner in interest.consumers or pod_of(found, interest.secret).deliveries
        ]
        return self._news(found, _pod(found), concerned, gone=gone)

    def workload(self, found: Json, interests: Mapping[ObjectKey, Interest], *, gone: bool) -> list[ObjectKey]:
        """The plans that should look again because of this event about a Deployment."""
        concerned: list[ObjectKey] = []
        for plan, interest in interests.items():
            record = workload_of(found, interest.secret, None)
            if record.ref in interest.consumers or record.deliveries:
                concerned.append(plan)
        return self._news(found, _workload(found), concerned, gone=gone)

    def _news(self, found: Json, glance: Glance, concerned: list[ObjectKey], *, gone: bool) -> list[ObjectKey]:
        uid = text(found, "metadata", "uid")
        before = self.known.pop(uid, PodGlance())
        if concerned and not gone:
            self.known[uid] = glance
        return concerned if gone or glance != before else []


def _pod(found: Json) -> PodGlance:
    record = pod_of(found, "")
    restarts = sum(number(one, "restartCount") for one in listed(found, "status", "containerStatuses"))
    return PodGlance(record.ready, finished(found), restarts)


def _workload(found: Json) -> WorkloadGlance:
    record = workload_of(found, "", None)
    return WorkloadGlance(number(found, "metadata", "generation"), record.settled, record.healthy, record.stuck)
