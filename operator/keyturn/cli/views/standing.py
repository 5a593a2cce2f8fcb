"""How a rotation stands, in one word and one sentence; shared by every view. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keyturn.api.conditions import ConditionType, Reason, condition
from keyturn.api.kinds import Blocker, RotationStatus, SessionLine
from keyturn.cli.views.spans import span
from keyturn.core.compromised import TABLES
from keyturn.core.memory import ON_REQUEST
from keyturn.core.model import Mode, Phase, Verdict
from keyturn.core.rotation import BACKWARD, FINISHED, FORWARD
from keyturn.ports import PlanRecord, RotationRecord

BACK = tuple(step.phase for step in BACKWARD)
NOT_STARTED = "Waiting"
AWAITING = "AwaitingApproval"  # the reason of core.gates
_ABNORMAL = frozenset({ConditionType.STALLED, ConditionType.FROZEN})


def ahead(record: RotationRecord) -> tuple[Phase, ...]:
    """The phases of a rotation that goes well, in the order of its mode."""
    table = TABLES.get(Mode(record.spec.mode), FORWARD)
    return tuple(step.phase for step in table)


def phase_of(status: RotationStatus) -> str:
    """The phase, or that the operator has not begun."""
    return status.phase or NOT_STARTED


def finished(status: RotationStatus) -> bool:
    """It will never change again."""
    return status.phase in FINISHED


def going_back(status: RotationStatus) -> bool:
    """It rolls back."""
    return status.phase in BACK


def reversible(record: RotationRecord) -> bool:
    """An abort still has an effect."""
    status = record.status
    if record.spec.mode != Mode.GRACEFUL:  # nothing enables the old credential again
        return status.phase in ("", Phase.PREFLIGHT) or (status.phase == Phase.APPROVE and status.disabled_at is None)
    return not finished(status) and not going_back(status) and status.phase != Phase.DELETE


def wanted(status: RotationStatus) -> Verdict:
    """What a pod must prove now."""
    return Verdict.OLD if going_back(status) or status.phase == Phase.ROLLED_BACK else Verdict.NEW


def swap(status: RotationStatus) -> str:
    """``orders_a -> orders_b``; empty before both are known."""
    return f"{status.old_id} → {status.new_id}" if status.old_id and status.new_id else ""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever has sessions of the old credential open: so many, the oldest since then."""

    principal: str
    client: str
    whose: str
    count: int
    since: datetime | None


def holders(status: RotationStatus) -> tuple[Holder, ...]:
    """Sessions of the old credential by who holds them: a pool is one line."""
    found: dict[tuple[str, str, str], list[SessionLine]] = {}
    for line in status.old_sessions:
        found.setdefault((line.principal, line.client, line.pod or line.consumer or "unknown"), []).append(line)
    return tuple(
        Holder(*who, len(lines), min((line.since for line in lines if line.since), default=None))
        for who, lines in found.items()
    )


def obstacles(status: RotationStatus) -> tuple[Blocker, ...]:
    """Everything that is waited for; a pause comes first, and hides nothing."""
    paused = (status.paused,) if status.paused else ()
    return (*paused, *(blocker for blocker in status.blockers if blocker != status.paused))


def troubles(plan: PlanRecord | None) -> tuple[str, ...]:
    """What keeps the plan itself from going on, each in one sentence; a rotation under it stands still meanwhile."""
    if plan is None:
        return ()
    found: dict[str, None] = {}
    for known in plan.status.conditions:
        unready = known.type == ConditionType.READY and known.status == "False"
        if unready or (known.type in _ABNORMAL and known.status == "True"):
            found[f"{known.message or known.type} ({known.reason})"] = None
    return tuple(found)


def headline(record: RotationRecord) -> str:
    """One sentence: where it stands."""
    return f"{record.key.name} {_standing(record)}"


def _standing(record: RotationRecord) -> str:
    status = record.status
    match status.phase:
        case "":
            words = "has not begun."
        case Phase.COMPLETE:
            words = f"is Complete: every pod proved {status.new_id}, and {status.old_id} is gone.{_refused(record)}"
        case Phase.ROLLED_BACK:
            words = f"was rolled back: {_serving(status)}{_because(status)}"
        case Phase.REFUSED:
            words = f"was refused before anything was changed{_because(status)}"
        case phase if status.paused:
            gracefully = record.spec.mode == Mode.GRACEFUL
            valid = "both credentials stay valid" if gracefully else "nothing is enabled again"
            words = f"is paused in {phase}: {valid} until a person acts."
        case phase if going_back(status):
            words = f"is going back, in {phase}{_because(status)}"
        case phase:
            words = f"is in {phase}."
    return words


def _refused(record: RotationRecord) -> str:
    """How fast it was, where that is what matters."""
    status = record.status
    if record.spec.mode == Mode.GRACEFUL or status.disabled_at is None:
        return ""
    return f" It was refused {span(status.disabled_at - record.created)} after this was asked for."


def _serving(status: RotationStatus) -> str:
    return f"{status.old_id} serves as before" if status.old_id else "nothing was changed"


def cause(status: RotationStatus) -> str:
    """Why it went back or never ran, with its reason; empty when nothing of the kind happened."""
    if status.turned_back is not None:
        return f"{status.turned_back.message} ({status.turned_back.reason})"
    ready = condition(status.conditions, ConditionType.READY)
    if status.phase == Phase.REFUSED and ready is not None:
        return f"{ready.message} ({ready.reason})"
    return ""


def _because(status: RotationStatus) -> str:
    why = cause(status)
    return f", because: {why}" if why else "."


def what_to_do(record: RotationRecord, plan_troubles: tuple[str, ...] = ()) -> str:
    """What the reader can do now."""
    status, name = record.status, record.key.name
    if finished(status):
        return "Nothing: it is over."
    if plan_troubles:
        return "Remove what is named above; then it goes on by itself."
    if status.paused:
        again = "resume" if status.paused.reason == ON_REQUEST else "retry"
        words = f"Remove what is named above, then go on: kubectl keyturn {again} {name}"
        return f"{words}\nGo back: kubectl keyturn abort {name}" if reversible(record) else words
    return _by_itself(record)


def _by_itself(record: RotationRecord) -> str:
    status, name = record.status, record.key.name
    if not status.phase:
        return "Look whether the operator runs: kubectl get pods -A -l app.kubernetes.io/name=keyturn"
    if status.phase == Phase.DELETE:
        return "Nothing: it is past the point of no return, and finishes by itself."
    if going_back(status):
        return "Nothing: it goes back by itself."
    follow, abort = f"kubectl keyturn watch {name}", f"kubectl keyturn abort {name}"
    asked = {blocker.reason for blocker in status.blockers}
    if Reason.FROZEN in asked:
        words = "Lift the freeze when you are done; then it goes on by itself."
    elif AWAITING in asked:
        words = f"Look at it, and agree: kubectl keyturn approve {name}"
    elif not obstacles(status):
        words = "Nothing: it goes on by itself."
    else:
        words = "Nothing, if the above ends by itself; then it goes on."
    words = f"{words}\nFollow: {follow}"
    return f"{words}\nGo back: {abort}" if reversible(record) else words
