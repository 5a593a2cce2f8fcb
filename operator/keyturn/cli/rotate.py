"""``kubectl keyturn rotate PLAN``: ask for a rotation, in the name of whoever asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, islice

from keyturn.api.kinds import RotationSpec
from keyturn.cli.session import Session
from keyturn.cli.views.standing import finished, phase_of
from keyturn.core.model import Mode
from keyturn.ports import Conflict, Misconfigured, PlanRecord, RotationRecord

_NAMES_TRIED = 5  # somebody else may ask at the same moment


async def rotate(session: Session, plan: str, reason: str, mode: str = Mode.GRACEFUL) -> RotationRecord:
    """The Rotation that was made.

    Raises:
        Misconfigured: no such plan, it is suspended or on its way out, or a rotation runs already.
    """
    record = await session.plan(plan)
    rotations = await session.rotations(plan)
    _must_be_free(record, rotations)
    asked = {"planRef": {"name": plan}, "reason": reason, "mode": mode, "requestedBy": await session.who()}
    spec = RotationSpec.model_validate(asked)
    for name in islice(free_names(record, rotations), _NAMES_TRIED):
        try:
            return await session.request(record, name, spec)
        except Conflict:
            continue
    raise Misconfigured(
        "NamesTaken", f"others ask for rotations of {plan} right now; look: kubectl keyturn status {plan}"
    )


def _must_be_free(plan: PlanRecord, rotations: Iterable[RotationRecord]) -> None:
    name = plan.key.name
    if plan.deleting:
        raise Misconfigured("Deleting", f"plan {name} is being deleted; nothing can be rotated any more")
    if plan.spec.suspend:
        raise Misconfigured("Suspended", f"plan {name} is suspended; set spec.suspend to false first")
    running = next((known for known in rotations if not finished(known.status)), None)
    if running is not None:
        raise Misconfigured(
            "AlreadyRunning",
            f"{running.key.name} runs already ({phase_of(running.status)}); "
            f"follow it with: kubectl keyturn watch {running.key.name}",
        )


def free_names(plan: PlanRecord, rotations: Iterable[RotationRecord]) -> Iterator[str]:
    """``orders-db-42`` and onwards. A name that ever ran would be taken for a replay and refused."""
    taken = {record.key.name for record in rotations} | set(plan.status.ran)
    first = plan.status.generation // 2 + 1  # a rotation uses two generations, so names count rotations
    return (name for number in count(first) if (name := f"{plan.key.name}-{number}") not in taken)
