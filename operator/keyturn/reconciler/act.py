"""Carries out effects: each idempotent, each naming its step, none deciding anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from keyturn.core.effects import (
    ContainCredential,
    DeleteCredential,
    DisableCredential,
    Effect,
    EnableCredential,
    EndSessions,
    EnsureCredential,
    EscrowCredential,
    RefreshMounts,
    RestartConsumer,
    WriteSecret,
)
from keyturn.core.gates import wanted
from keyturn.core.model import Mode, Op, Side, Verdict
from keyturn.core.sealed import Sealed, require_suitable
from keyturn.ports import Clock, Cluster, Conflict, Credential, Escrow, Misconfigured, Probes
from keyturn.reconciler.issuing import Issuing
from keyturn.reconciler.observe import Sight
from keyturn.reconciler.scene import Scene

BackendEffect = (
    ContainCredential | EnsureCredential | DisableCredential | EnableCredential | EndSessions | DeleteCredential
)


class Actor:
    """The hands. Errors are the ports' own and end this tick; the next look decides again."""

    def __init__(self, cluster: Cluster, probes: Probes, clock: Clock, epoch: Callable[[], int]) -> None:
        self._cluster, self._probes, self._epoch = cluster, probes, epoch
        self._issuing = Issuing(cluster, clock)

    async def carry_out(self, effect: Effect, scene: Scene, sight: Sight) -> None:
        """Raises the ports' errors; an unknown outcome is read back by the next look."""
        if sight.escrow is None:
            return
        match effect:
            case EscrowCredential():
                await self._escrow(scene, sight, sight.escrow)
            case WriteSecret(side):
                await self._write_secret(scene, sight, sight.escrow, side)
            case RestartConsumer() | RefreshMounts():
                await self._move_consumers(effect, scene, sight)
            case _:
                await self._change_backend(effect, scene, sight.escrow)

    async def _move_consumers(self, effect: RestartConsumer | RefreshMounts, scene: Scene, sight: Sight) -> None:
        if isinstance(effect, RestartConsumer):
            workload = (sight.workloads or {}).get(effect.ref)
            if workload is not None:
                await self._cluster.restart(workload, scene.plan.key, effect.generation)
            return
        behind = [pod for pod in sight.pods if str(pod.consumer) in effect.consumers and not pod.terminating]
        for pod in behind:
            await self._cluster.touch(pod, scene.plan.key, _live_generation(scene))
        await self._probes.reload(scene.plan, behind, _live_generation(scene))

    async def _change_backend(self, effect: BackendEffect, scene: Scene, escrow: Escrow) -> None:
        if isinstance(effect, ContainCredential):
            await self._contain(scene, effect.strangers)
            return
        provider, id_ = scene.provider, _id(scene, effect.side)
        if not id_ and not isinstance(effect, EnsureCredential):  # not issued yet: there is nothing to close
            if isinstance(effect, DeleteCredential):
                await self._issuing.sweep(scene, self._op(scene, "sweep"))
            return
        match effect:
            case EnsureCredential(side):
                await self._ensure(scene, side)
            case DisableCredential():
                await provider.disable(self._op(scene, "disable"), id_)
            case EnableCredential():
                await provider.enable(self._op(scene, "enable"), Credential(id_, escrow.values[id_]))
            case EndSessions():
                await provider.end_sessions(self._op(scene, "end-sessions"), id_)
            case DeleteCredential():
                await provider.delete(self._op(scene, "delete"), id_)
            case _:
                assert_never(effect)

    def _op(self, scene: Scene, step: str) -> Op:
        return Op(scene.rotation.uid, _live_generation(scene), step, self._epoch())

    async def _escrow(self, scene: Scene, sight: Sight, escrow: Escrow) -> None:
        """The new value, and the Secret as it is, are safe before any backend hears of them."""
        gracefully = scene.rotation.policy.mode is Mode.GRACEFUL
        if scene.rotation.new_id in escrow.values or (gracefully and sight.secret is None):
            return
        issued = scene.provider.issuer is not None  # then there is no value yet: what is asked for is kept instead
        if issued and escrow.secret_before:
            return
        # Kept as "before", a foreign value would pass for OLD: there is no going back to it only if compromised.
        if gracefully and sight.seen.secret.holds is not Verdict.OLD:
            raise Conflict("SecretDiffers", "the Secret changed since Preflight; put the current credential back")
        old = escrow.values[scene.rotation.old_id]
        before: dict[str, Sealed] = {}  # a Secret that is gone, or has lost a key, holds up no containment
        if sight.secret is not None:
            before = {key: sight.secret.data[key] for key in scene.plan.spec.secret.keys if key in sight.secret.data}
        values = dict(escrow.values)
        if not issued:
            values[scene.rotation.new_id] = require_suitable(scene.provider.mint(), previous=old)
        fresh = replace(escrow, values=values, secret_before=before)
        if fresh != escrow:
            await self._cluster.save_escrow(scene.plan, fresh)

    async def _ensure(self, scene: Scene, side: Side) -> None:
        """Reads the escrow again: what was written a moment ago is what the backend shall hold."""
        escrow = await self._cluster.escrow(scene.plan.uid)
        id_ = _id(scene, side)
        if not id_:
            await self._issuing.issue(scene, self._op(scene, "issue"), _like(scene))
            return
        if escrow is None or id_ not in escrow.values:
            return
        credential = Credential(id_, escrow.values[id_])
        await scene.provider.ensure(self._op(scene, "ensure"), credential, _like(scene))

    async def _contain(self, scene: Scene, strangers: Sequence[str]) -> None:
        """Reads the escrow again, as ``_ensure`` does."""
        rotation = scene.rotation
        if not rotation.new_id:  # OLD is cut off once consumers can be given something else
            await self._issuing.issue(scene, self._op(scene, "issue"), "", strangers)
            return
        escrow = await self._cluster.escrow(scene.plan.uid)
        if escrow is None or rotation.new_id not in escrow.values:
            return
        new = Credential(rotation.new_id, escrow.values[rotation.new_id])
        await scene.provider.contain(self._op(scene, "contain"), new, rotation.old_id, strangers)

    async def _write_secret(self, scene: Scene, sight: Sight, escrow: Escrow, side: Side) -> None:
        """Arms the probes first: a pod that starts right after the write must be judged by what is live."""
        if sight.secret is None:
            return
        data = self._data(scene, escrow, side)
        await self._probes.arm(scene.plan, live_generations(scene, escrow, side), scene.plan.spec.secret.name)
        if side is Side.NEW:  # names may be short, and an adopted value weak: going back needs both as they were
            require_suitable(escrow.values[scene.rotation.new_id])
        there = sight.seen.secret.holds is wanted(side)  # then only our tag moves, and nobody loses a key to us
        await self._cluster.write_secret(sight.secret, {} if there else data, scene.rotation.tag(side))

    def _data(self, scene: Scene, escrow: Escrow, side: Side) -> dict[str, Sealed]:
        data = scene.serving(escrow, side)
        if not data:
            raise Misconfigured("EscrowIncomplete", "the escrow does not hold this credential's value")
        return data


def live_generations(scene: Scene, escrow: Escrow, side: Side) -> dict[int, dict[str, Sealed]]:
    """Which values a pod may show, by generation: a pod accepts its template's and every newer one.

    Forward, a new template (generation g) accepts NEW only, an old one both. Going back, OLD comes again as g + 1.
    """
    rotation = scene.rotation
    old = scene.serving(escrow, Side.OLD)
    live = {rotation.generation - 1: old, rotation.generation: scene.serving(escrow, Side.NEW)}
    return live if side is Side.NEW else {**live, rotation.unroll_generation: old}


def _live_generation(scene: Scene) -> int:
    return scene.rotation.towards(Side.NEW if scene.rotation.turned_back is None else Side.OLD)


def _like(scene: Scene) -> str:
    """Whose rights NEW gets. If somebody else may know OLD, the baseline says them."""
    return scene.rotation.old_id if scene.rotation.policy.mode is Mode.GRACEFUL else ""


def _id(scene: Scene, side: Side) -> str:
    return scene.rotation.new_id if side is Side.NEW else scene.rotation.old_id
