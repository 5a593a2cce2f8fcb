"""As whom consumers run where their templates do not say so: learned from pods, for the next pods' probes. Pure.

A probe sees only into processes of its own user and group, and images keep theirs to themselves. The kubelet's word
counts before the probe's. A pod can lie about itself through its probe: all that it gains is a probe that sees nothing,
and so a rotation that waits. It is believed only where all pods of the workload agree, never about root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keyturn.api.plan_kinds import MOST_USERS, ConsumerUser
from keyturn.core.evidence import RunsAs, Testimony
from keyturn.core.model import ConsumerRef
from keyturn.ports import PodRecord

Place = tuple[str, str]  # consumer, container


def remembered(
    before: Sequence[ConsumerUser],
    consumers: frozenset[ConsumerRef],
    pods: Sequence[PodRecord],
    testimonies: Mapping[str, Testimony],
) -> list[ConsumerUser]:
    """What the plan remembers after this look: of its consumers only, sorted, bounded."""
    known = {str(ref) for ref in consumers}
    places = {(one.consumer, one.container): RunsAs(one.user, one.group) for one in before if one.consumer in known}
    for place, found in _told(pods, testimonies).items():
        if place[0] in known and len(found) == 1:
            places |= {place: next(iter(found))}
    return [
        ConsumerUser(consumer=consumer, container=container, user=one.user, group=one.group)
        for (consumer, container), one in sorted(places.items(), key=lambda item: item[0])[:MOST_USERS]
    ]


def _told(pods: Sequence[PodRecord], testimonies: Mapping[str, Testimony]) -> dict[Place, set[RunsAs]]:
    """By place, everything that was said of it; more than one thing is a disagreement."""
    told: dict[Place, set[RunsAs]] = {}
    for pod in pods:
        if pod.terminating or pod.consumer is None:
            continue
        watched = {one.container for one in pod.deliveries if not one.init}
        for container, by_kubelet in pod.unsaid_users.items():
            said = by_kubelet or testimonies.get(pod.uid, Testimony()).users.get(container)
            if container in watched and said is not None and said.allowed:
                told.setdefault((str(pod.consumer), container), set()).add(said)
    return told
