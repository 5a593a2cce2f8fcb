"""The active Rotation was deleted in the middle, or made anew under its name: its memory is gone, the change is not.

What is left tells enough: the plan knows OLD, generation and mode, the escrow knows NEW, the backend whether OLD can
come back. Everything else is observed anew, as ever. Decides nothing but where to begin: see ``record.recovered``.
"""

from __future__ import annotations

from typing import Final

from keyturn.api.rotation_kinds import RotationSpec
from keyturn.core.model import Mode
from keyturn.ports import Announcement, Clock, Cluster, PlanRecord, Provider, RotationRecord
from keyturn.reconciler import record

LOST: Final = "RotationLost"


def lost(plan: PlanRecord, found: RotationRecord | None) -> bool:
    """Is the Rotation that was made active not there any more? One of the same name may be another."""
    uid = plan.status.active_uid
    return bool(plan.status.active_rotation and uid) and (found is None or found.uid != uid)


class Recovery:
    """Puts a Rotation in the place of the one that is lost, one write a step, each repeated until seen."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock

    async def recover(self, plan: PlanRecord, found: RotationRecord | None, provider: Provider) -> bool:
        """Whether there was something to do: before the escrow knew NEW, nothing was changed."""
        mode = Mode(plan.status.active_mode or Mode.GRACEFUL)
        new_id, began = await self._begun(plan)
        if found is None:
            if began:
                await self._make_anew(plan, mode)
            return began
        if found.spec.mode != mode:  # what may be enabled again is not for whoever applies a file to change
            await self._cluster.delete_rotation(found)
            return True
        if began:
            states = {p.id: p.state for p in await provider.inventory()}
            old = states.get(plan.status.current_id)
            status = record.recovered(found, plan, new_id, old, self._clock.now())
            await self._cluster.save_rotation(found, status)
        await self._cluster.save_plan(plan, plan.status.model_copy(update={"active_uid": found.uid}))
        return True

    async def _begun(self, plan: PlanRecord) -> tuple[str, bool]:
        """NEW, and whether the backend was asked for anything: what it issues has a name only when it answers."""
        escrow = await self._cluster.escrow(plan.uid)
        if escrow is None:
            return "", False
        new_id = next((id_ for id_ in escrow.values if id_ != plan.status.current_id), "")
        return new_id, bool(new_id) or escrow.pending is not None

    async def _make_anew(self, plan: PlanRecord, mode: Mode) -> None:
        name = plan.status.active_rotation
        words = f"Rotation {name} was deleted in the middle. Deleting one stops nothing safely, so it is made anew and "
        ends = "goes back" if mode is Mode.GRACEFUL else "goes on"
        news = Announcement(LOST, f"{words}{ends}; to stop one, kubectl keyturn abort or pause", warning=True)
        await self._cluster.announce(plan.key, "RotationPlan", plan.uid, news)
        asked = {"planRef": {"name": plan.key.name}, "reason": LOST, "mode": mode}
        await self._cluster.create_rotation(plan, name, RotationSpec.model_validate(asked))
