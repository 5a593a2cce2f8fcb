"""Credentials that the backend names: asked for once, kept the moment they are answered, looked for if they are not.

        escrow: pending         backend            escrow: id, value
    ───────┬───────────────────────┬──────────────────────┬─────────►
      crash: nothing made     crash or no answer:    the next look
      or nothing known        swept, asked anew      finds NEW there

Decides nothing. Whatever happens, no credential is left that nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keyturn.core.model import Op
from keyturn.core.sealed import Unsuitable, require_suitable
from keyturn.ports import Clock, Cluster, Conflict, Credential, Denied, Escrow, KeyturnError, Pending
from keyturn.reconciler.scene import Scene


class Issuing:
    """The hands for these backends."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock

    async def issue(self, scene: Scene, op: Op, like: str, strangers: Sequence[str] = ()) -> None:
        """One more credential, whose value is in escrow when this returns.

        Each call of the backend has a pending record of its own, written by compare-and-set: two leaders can not both
        have written it. Raises the ports' errors.
        """
        issuer = scene.provider.issuer
        escrow = await self._cluster.escrow(scene.plan.uid)
        if issuer is None or escrow is None or _issued(scene, escrow):
            return
        if escrow.pending is not None:
            await issuer.sweep(op, escrow.pending)
        known = tuple(sorted(principal.id for principal in await scene.provider.inventory()))
        pending = Pending(known, self._clock.now())
        await self._cluster.save_escrow(scene.plan, replace(escrow, pending=pending))
        asked = await self._cluster.escrow(scene.plan.uid)
        if asked is None or asked.pending != pending:
            raise Conflict("EscrowChanged", "the escrow changed before the create; looking again")
        made = await issuer.issue(op, like, strangers)
        try:
            await self._keep(scene, asked, made)
        except KeyturnError:
            await self._undo(scene, op, made)
            raise

    async def sweep(self, scene: Scene, op: Op) -> None:
        """What an unanswered create may have made is gone, and the escrow says so. Raises the ports' errors."""
        escrow = await self._cluster.escrow(scene.plan.uid)
        if scene.provider.issuer is None or escrow is None or escrow.pending is None:
            return
        await scene.provider.issuer.sweep(op, escrow.pending)
        await self._cluster.save_escrow(scene.plan, replace(escrow, pending=None))

    async def _keep(self, scene: Scene, asked: Escrow, made: Credential) -> None:
        try:
            value = require_suitable(made.value, previous=asked.values.get(scene.rotation.old_id))
        except Unsuitable as unfit:
            raise Denied("UnsuitableValue", f"what the backend issued is unfit: {unfit}; nothing was changed") from None
        kept = replace(asked, values={**asked.values, made.id: value}, pending=None)
        await self._cluster.save_escrow(scene.plan, kept)

    async def _undo(self, scene: Scene, op: Op, made: Credential) -> None:
        """It could not be kept: whoever made it knows its id, and nobody uses it. Unless it was kept after all."""
        escrow = await self._cluster.escrow(scene.plan.uid)
        if escrow is not None and made.id not in escrow.values:
            await scene.provider.disable(op, made.id)
            await scene.provider.delete(op, made.id)


def _issued(scene: Scene, escrow: Escrow) -> bool:
    return any(id_ != scene.rotation.old_id for id_ in escrow.values)
