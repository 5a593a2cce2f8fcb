"""Challenges the probes of pods, and makes the small Secret that lets them answer. Implements ``ports.Probes``.

Never raises for a pod that does not answer: silence is a testimony too. Nothing of an answer is trusted before its seal
was found right under the plan's key, for this nonce and this pod.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from keyturn.api.labels import INJECT, are_acceptors, probe_secret_name, restart_annotation
from keyturn.core.evidence import Testimony
from keyturn.core.model import ConsumerRef
from keyturn.core.rendering import holds_secret, tells_apart
from keyturn.core.sealed import Sealed
from keyturn.kube.keys import Keyring, OwnSecrets, Purpose
from keyturn.kube.testimony import Expected, Recogniser
from keyturn.ports import Clock, PlanRecord, PodRecord
from keyturn_probe import wire

_TRIES = 2
_WORKERS = 256  # connections at once
_LIVES = 30  # seconds that a challenge is good for


@dataclass(frozen=True, slots=True)
class _Question:
    """What is the same for all pods of one sweep."""

    plan: str
    key: Sealed
    generation: int
    expected: Expected
    errands: Mapping[ConsumerRef, tuple[str, ...]] = field(default_factory=dict[ConsumerRef, tuple[str, ...]])
    remembered: bool = True  # as whom pods run is kept, for their next probes: not of acceptors

    def errand(self, pod: PodRecord) -> tuple[str, ...]:
        """What else this pod's probe is asked to do."""
        return self.errands.get(pod.consumer, ()) if pod.consumer is not None else ()


class ProbeClient:
    """Speaks to probes. ``images`` are ours: whoever answers from another one is not believed. None named: any."""

    def __init__(
        self, keyring: Keyring, own: OwnSecrets, images: Sequence[str], clock: Clock, *, seconds: float = 2.0
    ) -> None:
        self._seconds = seconds  # for one try, connection included
        self._keyring = keyring
        self._own = own
        self._images = frozenset(_plain(image) for image in images)
        self._clock = clock

    async def challenge(
        self, plan: PlanRecord, pods: Sequence[PodRecord], generation: int, expected: Expected
    ) -> Mapping[str, Testimony]:
        """By pod UID; every pod asked is in the answer."""
        key = await self._keyring.key(plan, Purpose.PROBE)
        remembered = not are_acceptors(plan.key.name)
        question = _Question(plan_identity(plan), key, generation, expected, reports(plan), remembered)
        return await self._sweep(pods, question)

    async def reload(self, plan: PlanRecord, pods: Sequence[PodRecord], generation: int) -> None:
        """Tell apps that declare so to read their files again. Pods of other consumers are not asked at all."""
        errands = reloads(plan)
        told = [pod for pod in pods if pod.consumer in errands]
        if told:
            key = await self._keyring.key(plan, Purpose.PROBE)
            await self._sweep(told, _Question(plan_identity(plan), key, generation, {}, errands))

    async def _sweep(self, pods: Sequence[PodRecord], question: _Question) -> dict[str, Testimony]:
        found: dict[str, Testimony] = {}
        waiting = iter(pods)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_WORKERS, len(pods))):
                group.create_task(self._work(waiting, question, found))
        return found

    async def arm(self, plan: PlanRecord, generations: Mapping[int, Mapping[str, Sealed]], secret: str) -> None:  # noqa: ARG002  # the port's; the plan names it too
        """The probes' Secret: the key, and as marks what live generations hold. No generations: the gate stands open.

        Keys that carry neither user name nor password tell nothing and are left out.
        """
        key = (await self._keyring.key(plan, Purpose.PROBE)).reveal()
        lines = [
            wire.accept_line(generation, name, wire.accept_mark(key, value.reveal()), secret=holds_secret(template))
            for generation, values in sorted(generations.items())
            for name, value in sorted(values.items())
            if tells_apart(template := plan.spec.secret.keys.get(name, ""))
        ]
        data = {"key": key} | ({"accept": "\n".join(lines).encode()} if lines else {})
        await self._own.apply_secret(plan.key.namespace, probe_secret_name(plan.key.name), data)

    async def _work(self, waiting: Iterator[PodRecord], question: _Question, found: dict[str, Testimony]) -> None:
        for pod in waiting:
            found[pod.uid] = await self._ask(pod, question)

    async def _ask(self, pod: PodRecord, question: _Question) -> Testimony:
        if silent := self._unaskable(pod):
            return Testimony(silent=silent)
        testimony = Testimony()
        for _ in range(_TRIES):
            testimony = await self._try(pod, question)
            if not testimony.silent:
                break
        return testimony

    def _unaskable(self, pod: PodRecord) -> str:
        if pod.host_network:
            return "it runs on the host's network, where its probe cannot be told from others"
        if not pod.probe_image and pod.probe_awaited:
            return "its probe does not run: the pod is starting or ending, else look with: kubectl describe pod"
        if not pod.probe_image:
            return f'it has no probe: its template needs the label {INJECT}: "true" and a restart'
        if self._images and _plain(pod.probe_image) not in self._images:
            return "its probe runs from an image that is not Keyturn's: restart it, so that it is injected anew"
        if pod.probe_altered:
            return "its probe is not as the injector writes it, another program may answer: take it out of the template"
        return "" if pod.address else "it has no address yet"

    async def _try(self, pod: PodRecord, question: _Question) -> Testimony:
        challenge = wire.Challenge(
            question.plan,
            secrets.token_hex(16),
            question.generation,
            pod.uid,
            int(self._clock.now().timestamp()) + _LIVES,
            question.errand(pod),
        )
        key = question.key.reveal()
        try:
            async with asyncio.timeout(self._seconds):
                header, body = await _exchange(pod.address, pod.probe_port, wire.challenge_line(key, challenge))
            lines = wire.open_answer(key, challenge, header, body)
        except asyncio.IncompleteReadError:
            return Testimony(silent="its probe does not hold this plan's key yet (the kubelet refreshes within 90 s)")
        except wire.Malformed:
            return Testimony(silent="what answered at its address is not its probe")
        except (OSError, TimeoutError, asyncio.LimitOverrunError):
            return Testimony(
                silent=f"its probe does not answer on port {pod.probe_port}: a NetworkPolicy must admit the operator"
            )
        recogniser = Recogniser(question.key, challenge, pod, question.expected, remembered=question.remembered)
        return recogniser.testimony(lines)


def open_probes(own: OwnSecrets, namespace: str, clock: Clock, images: Sequence[str] = ()) -> ProbeClient:
    """With the master key in the operator's namespace."""
    return ProbeClient(Keyring(own, namespace), own, images, clock)


def plan_identity(plan: PlanRecord) -> str:
    """Ten hex digits that name the plan to probes: the end of its restart annotation."""
    return restart_annotation(plan.key.namespace, plan.key.name)[-10:]


def reports(plan: PlanRecord) -> dict[ConsumerRef, tuple[str, ...]]:
    """Whose apps are asked which credential they use, and where."""
    return {
        ConsumerRef(wish.kind, plan.key.namespace, wish.name): (wire.REPORT, str(wish.report.port), wish.report.path)
        for wish in plan.spec.consumers.listed
        if wish.report is not None
    }


def reloads(plan: PlanRecord) -> dict[ConsumerRef, tuple[str, ...]]:
    """Whose apps are told to read their files again, and how."""
    found: dict[ConsumerRef, tuple[str, ...]] = {}
    for wish in plan.spec.consumers.listed:
        ref, http, signal = ConsumerRef(wish.kind, plan.key.namespace, wish.name), wish.reload_http, wish.reload_signal
        if wish.reload == "Http" and http is not None:
            found[ref] = (wire.HTTP, str(http.port), http.path)
        elif wish.reload == "Signal" and signal is not None:
            found[ref] = (wire.SIGNAL, signal.signal, signal.container)
    return found


async def _exchange(address: str, port: int, line: bytes) -> tuple[bytes, bytes]:
    """(header, body) of the answer. Raises Malformed before reading more than an answer may have."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(line)
        header = await reader.readuntil(b"\n")
        return header, await reader.readexactly(wire.answer_length(header))
    finally:
        writer.close()


def _plain(image: str) -> str:
    """An image name without the registry that container runtimes add to short names."""
    return image.removeprefix("docker.io/").removeprefix("library/")
