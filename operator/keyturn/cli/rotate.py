"""``kubectl keyturn rotate PLAN``: ask for a rotation, in the name of whoever asks."""

from __future__ import annotations

from keyturn.api.base import Ref
from keyturn.api.kinds import RotationSpec
from keyturn.cli.session import Session
from keyturn.cli.views.standing import finished, phase_of
from keyturn.ports import Misconfigured, RotationRecord


async def rotate(session: Session, plan: str, reason: str) -> RotationRecord:
    """The Rotation that was made.

    Raises:
        Misconfigured: no such plan, it is suspended or on its way out, or a rotation runs already.
    """
    record = await session.plan(plan)
    if record.deleting:
        raise Misconfigured("Deleting", f"plan {plan} is being deleted; nothing can be rotated any more")
    if record.spec.suspend:
        raise Misconfigured("Suspended", f"plan {plan} is suspended; set spec.suspend to false first")
    running = next((known for known in await session.rotations(plan) if not finished(known.status)), None)
    if running is not None:
        name = running.key.name
        raise Misconfigured(
            "AlreadyRunning",
            f"{name} runs already ({phase_of(running.status)}); follow it with: kubectl keyturn watch {name}",
        )
    who = await session.who()
    return await session.request(record, RotationSpec(plan_ref=Ref(name=plan), reason=reason, requested_by=who))
