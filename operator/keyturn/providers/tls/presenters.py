"""Whoever presents the certificate: its pods, and what each of them presented a moment ago.

They are the plan's own consumers. Decides nothing about credentials; says who presents which, or why nobody can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import serialization

from keyturn.core.evidence import Session
from keyturn.core.model import ConsumerRef, Idle
from keyturn.core.sealed import Sealed
from keyturn.ports import Cluster, Credential, PlanRecord, PodRecord, Usage
from keyturn.providers.telling import listed
from keyturn.providers.tls.handshake import Dial, Presented
from keyturn.providers.tls.kinds import Certificate
from keyturn.providers.tls.material import Chain, chain_of

_OVER: Final = ("Succeeded", "Failed")
_AT_ONCE: Final = 32  # handshakes
_NO_ADDRESS: Final = Presented(why="it has no address yet")


@dataclass(frozen=True, slots=True)
class Shown:
    """One pod, and what it presented."""

    pod: PodRecord
    presented: Presented

    @property
    def name(self) -> str:
        """For people."""
        owner = f" of {self.pod.consumer}" if self.pod.consumer is not None else ""
        return f"pod {self.pod.name}{owner}{', which is ending' if self.pod.terminating else ''}"


class Presenters:
    """Of one plan."""

    def __init__(self, plan: PlanRecord, wish: Certificate, cluster: Cluster, dial: Dial) -> None:
        self._plan, self._wish, self._cluster, self._dial = plan, wish, cluster, dial
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def usage(self, ids: Sequence[str], control: Credential, known: Mapping[str, Sealed]) -> dict[str, Usage]:
        """Of each id, by handshakes that trust ``control``'s authority and no other."""
        chain, port = chain_of(control.value), self._wish.port
        if chain is None:
            return dict.fromkeys(ids, Usage(Idle.UNKNOWN, blind="the certificate to compare with cannot be read"))
        if port is None:
            return dict.fromkeys(ids, Usage(Idle.UNKNOWN, blind="the plan names no port: nobody can be asked"))
        shown = await self._shown(chain, port)
        leaves = {id_: _leaf(value) for id_, value in {**known, control.id: control.value}.items()}
        return {id_: self._use(id_, leaves.get(id_, b""), leaves[control.id], shown) for id_ in ids}

    async def presenting(self, credential: Credential) -> tuple[Session, ...]:
        """Whoever presents this very one now: a pod each."""
        chain, port = chain_of(credential.value), self._wish.port
        if chain is None or port is None:
            return ()
        mine = _leaf(credential.value)
        shown = [one for one in await self._shown(chain, port) if one.presented.certificate == mine]
        return tuple(Session(credential.id, one.pod.address, port, None) for one in shown)

    async def _shown(self, chain: Chain, port: int) -> list[Shown]:
        root = chain.root.public_bytes(serialization.Encoding.PEM).decode()
        return [*await asyncio.gather(*(self._shake(pod, port, root) for pod in await self._serving()))]

    async def _serving(self) -> list[PodRecord]:
        """Those that end included: whoever asks them is answered still."""
        spec, namespace = self._plan.spec, self._plan.key.namespace
        named = [ConsumerRef(one.kind, namespace, one.name) for one in spec.consumers.listed]
        discover = spec.consumers.discover == "SecretReference"
        workloads = await self._cluster.consumers(namespace, spec.secret.name, named, discover=discover)
        pods = await self._cluster.pods(workloads, namespace, spec.secret.name)
        clients = {ConsumerRef("Deployment", namespace, name) for name in self._wish.clients}
        return [pod for pod in pods if pod.phase not in _OVER and pod.consumer not in clients]

    async def _shake(self, pod: PodRecord, port: int, root: str) -> Shown:
        if not pod.address:
            return Shown(pod, _NO_ADDRESS)
        async with self._slots:
            return Shown(pod, await self._dial(pod.address, port, self._wish.names[0], root))

    def _use(self, id_: str, leaf: bytes, control: bytes, shown: Sequence[Shown]) -> Usage:
        using = [one for one in shown if leaf and one.presented.certificate == leaf]
        if using:
            told = listed(f"{one.name} presents {id_} on port {self._wish.port}" for one in using)
            return Usage(Idle.IN_USE, blind=f"{told}; restart it, or let it read its files again")
        dark = [one for one in shown if not (one.presented.accepted and one.presented.certificate == control)]
        if dark and leaf != control:
            # Where not all can be asked, the plan accepts what nobody can tell: of these it could be told.
            idle = Idle.UNKNOWN if self._wish.seen else Idle.IN_USE
            return Usage(
                idle, blind=listed(f"{one.name}, port {self._wish.port}: {_why(one, control)}" for one in dark)
            )
        if not shown:
            return Usage(Idle.UNKNOWN, blind="no pod serves, so nobody can be asked what it presents")
        return Usage(Idle.NOT_SEEN if self._wish.seen else Idle.UNKNOWN, blind="" if self._wish.seen else _UNSEEN)


_UNSEEN: Final = "no server presents it, and what clients present nobody sees"


def _leaf(value: Sealed) -> bytes:
    chain = chain_of(value)
    return chain.leaf.public_bytes(serialization.Encoding.DER) if chain is not None else b""


def _why(one: Shown, control: bytes) -> str:
    if one.presented.why:
        return one.presented.why
    if one.presented.certificate == control:
        return "it presents the right certificate, which is not accepted for the plan's first name"
    return "it presents a certificate that is neither the old nor the new one"
