"""The acceptors' pods: which version of the ring each of them proves to hold, and who is restarted for it.

They are asked and restarted exactly as consumers are, as those of a plan of their own. Decides nothing about keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from keyturn.core.evidence import Subject, Testimony, judge
from keyturn.core.model import Kind, PodProof, Side, Verdict
from keyturn.core.sealed import Sealed
from keyturn.ports import Cluster, PodRecord, Probes, WorkloadRecord
from keyturn.providers.ring.settings import Settings
from keyturn.providers.telling import listed

_OVER: Final = ("Succeeded", "Failed")
_REQUIRED: Final = frozenset({Kind.PROCESS})  # there are no sessions to ask for


@dataclass(frozen=True, slots=True)
class Standing:
    """Everybody who accepts, and what each pod proved a moment ago."""

    workloads: tuple[WorkloadRecord, ...]
    present: tuple[PodProof, ...]  # asked for the ring as it is
    former: tuple[PodProof, ...]  # asked for a ring that differs in a key that does not matter

    def late(self, where: str, *, kept: bool = False) -> str:
        """Who does not hold the ring as it is, or one as good, in words; "" if nobody is late.

        ``kept``: any ring that a pod could start with now is good. Then a pod that is not ready and shows nothing,
        because its app crashes, holds nobody up: going back must not wait for what it goes back from.
        """
        pairs = zip(self.present, self.former, strict=True)
        missing = [now for now, before in pairs if now.proves is not Verdict.NEW and before.proves is not Verdict.OLD]
        missing = [one for one in missing if not (kept and _shows_nothing(one))]
        if not self.present:
            return f"no pod runs that uses {where}, so nobody can prove anything"
        if not missing:
            return ""
        told = listed(f"pod {one.name} of {one.consumer}{_ending(one)}: {_why(one)}" for one in missing)
        proven = len(self.present) - len(missing)
        return f"{proven} of {len(self.present)} acceptor pods prove the version of {where} that counts; {told}"

    def stale(self, version: int, *, urgent: bool) -> list[WorkloadRecord]:
        """Whom to restart: not of this version yet, with a pod that does not hold the ring as it is.

        ``urgent``: also one that has not settled, which a roll to the former version may never let it.
        """
        behind = {one.consumer for one in self.present if one.proves is not Verdict.NEW}
        return [
            one
            for one in self.workloads
            if str(one.ref) in behind and one.generation_mark != version and (one.settled or urgent)
        ]

    def rolling(self, version: int) -> int:
        """How many are being restarted for this version."""
        return sum(one.generation_mark == version and not (one.settled and one.healthy) for one in self.workloads)


class Accepting:
    """The acceptors of one plan."""

    def __init__(self, settings: Settings, cluster: Cluster, probes: Probes) -> None:
        self._settings, self._cluster, self._probes = settings, cluster, probes

    async def workloads(self) -> tuple[WorkloadRecord, ...]:
        """Listed ones that exist and, if asked, all that refer to the acceptors' Secret."""
        secret, plan = self._settings.secret, self._settings.acceptors
        found = await self._cluster.consumers(
            secret.namespace, secret.name, self._settings.listed, discover=self._settings.discover, plan=plan.key
        )
        return tuple(found)

    async def pods(self, workloads: Sequence[WorkloadRecord]) -> tuple[PodRecord, ...]:
        """All of theirs, and every other that refers to the Secret; those that end included, those that ended not."""
        secret = self._settings.secret
        found = await self._cluster.pods(workloads, secret.namespace, secret.name)
        return tuple(pod for pod in found if pod.phase not in _OVER)

    async def standing(self, present: Sealed, former: Sealed | None, version: int) -> Standing:
        """Challenge every pod. ``former``: bytes that are as good as the present ones for what is asked."""
        workloads = await self.workloads()
        pods = await self.pods(workloads)
        plan, key = self._settings.acceptors, self._settings.key
        await self._probes.arm(plan, {}, self._settings.secret.name)  # the gate stands open: here only proof counts
        expected = {str(Side.NEW): {key: present}}
        if former is not None and former != present:
            expected[str(Side.OLD)] = {key: former}
        told = await self._probes.challenge(plan, pods, version, expected)
        judged = {
            side: tuple(_judged(pod, told.get(pod.uid, Testimony(silent="not asked")), side) for pod in pods)
            for side in Side
        }
        return Standing(workloads, judged[Side.NEW], judged[Side.OLD])

    async def restart(self, standing: Standing, version: int, *, urgent: bool, at_once: bool) -> None:
        """So many at a time as the plan allows. ``at_once``: all of them."""
        stale = sorted(standing.stale(version, urgent=urgent), key=lambda one: one.ref)
        free = max(0, self._settings.plan.spec.rollout.max_parallel - standing.rolling(version))
        for workload in stale if at_once else stale[:free]:
            await self._cluster.restart(workload, self._settings.acceptors.key, version)


def _judged(pod: PodRecord, testimony: Testimony, side: Side) -> PodProof:
    subject = Subject(
        namespace=pod.namespace,
        name=pod.name,
        uid=pod.uid,
        address=pod.address,
        consumer=str(pod.consumer) if pod.consumer is not None else f"Pod/{pod.name}",
        reload=False,  # a file that was read again proves nothing about the process: acceptors are restarted
        was_connected=False,
        terminating=pod.terminating,
        ready=pod.ready,
        created=pod.created,
        host_network=pod.host_network,
    )
    return judge(subject, testimony, Verdict.NONE, required=_REQUIRED, target=side)


def _shows_nothing(pod: PodProof) -> bool:
    return not pod.ready and pod.proves in (Verdict.UNKNOWN, Verdict.NONE)


def _why(pod: PodProof) -> str:
    """Proof speaks of credentials; here it is a version of the ring that is told apart."""
    if pod.proves in (Verdict.OTHER, Verdict.OLD, Verdict.MIXED):
        return "a process of it holds another version"
    return pod.why or "not asked yet"


def _ending(pod: PodProof) -> str:
    return ", which is ending" if pod.terminating else ""
