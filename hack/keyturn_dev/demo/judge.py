"""What must hold at the end of a scene, each as one sentence with what was seen. Changes nothing.

The database's own log is the highest judge: pods' logs vanish with the pods.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from keyturn_dev.demo import picture
from keyturn_dev.demo.database import Line, first_shut, last_end, logins, refusals
from keyturn_dev.demo.picture import Picture
from keyturn_dev.demo.play import Seen, phase_of
from keyturn_dev.demo.screen import Check
from keyturn_dev.demo.stage import CONSUMERS, SHOP, Stage

SLOTS = frozenset({"orders_a", "orders_b"})
PROVING = frozenset({"Verify", "Soak", "Approve", "Disable"})


def nobody_was_refused(stage: Stage, seen: Seen, *, unanswered: int = 0) -> list[Check]:
    """Witnesses and the server's log agree: no login of a pod failed. `unanswered` were counted in a known outage."""
    count = stage.witnesses.count()
    refused = refusals(stage.database.log(), SLOTS, leave_out=seen.addresses_of_keyturn())
    roles = ", ".join(f"{role} {number}" for role, number in sorted(count.by_role.items()))
    return [
        Check("witnesses counted good logins", count.ok > 0, f"{count.ok} from {count.pods} pods ({roles})"),
        Check("witnesses were refused no login", count.refused == 0, f"{count.refused} {' '.join(count.refused_by)}"),
        Check("the database's log shows no refused login of a pod", not refused, f"{len(refused)} {_who(refused)}"),
        Check(
            "no login went unanswered" + (" but in the outage" if unanswered else ""),
            count.unreachable == unanswered,
            f"{count.unreachable}",
        ),
    ]


def _who(lines: list[Line]) -> str:
    return "; ".join(sorted({f"{line.role} from {line.address}: {line.state}" for line in lines})[:3])


def completed(stage: Stage, seen: Seen, rotation: dict[str, Any], verifier_before: str) -> list[Check]:
    """The rotation is complete, the old role is shut for good and the new one serves."""
    status = rotation["status"]
    old, new = status["oldId"], status["newId"]
    roles = stage.database.roles()
    verifier = stage.database.password_of(old)
    return [
        Check("the Rotation is Complete", phase_of(rotation) == "Complete", phase_of(rotation)),
        Check(f"{old} cannot log in", not roles[old]["login"], "NOLOGIN" if not roles[old]["login"] else "LOGIN"),
        Check(f"{old} has no session", stage.database.sessions(old) == 0, f"{stage.database.sessions(old)}"),
        Check(f"{old} keeps no usable password", verifier != verifier_before, "its verifier was replaced"),
        Check(f"{new} can log in", roles[new]["login"], "LOGIN" if roles[new]["login"] else "NOLOGIN"),
        *_pods_proved(stage, seen, rotation),
    ]


def _pods_proved(stage: Stage, seen: Seen, rotation: dict[str, Any]) -> list[Check]:
    lines = seen.evidence(rotation["metadata"]["name"], PROVING)
    checks = list[Check]()
    for name in CONSUMERS:
        wanted = ("Session", "Mounted") if name == "orders-worker" else ("Session", "Process")
        living = {pod["metadata"]["name"] for pod in stage.kubectl.items("pods", "-n", SHOP, "-l", f"app={name}")}
        told = {pod: lines.get(pod, {}).get("evidence", {}) for pod in sorted(living)}
        proved = bool(told) and all(all(line.get(kind) == "New" for kind in wanted) for line in told.values())
        seen_words = f"{len(told)} pods" if proved else str(told)
        checks.append(Check(f"every pod of {name} proved New by {' and '.join(wanted)}", proved, seen_words))
    return checks


def order(stage: Stage, seen: Seen, rotation: dict[str, Any]) -> list[Check]:
    """From the server's log: the old role was shut only after its last session and after the last proof."""
    status = rotation["status"]
    log = stage.database.log()
    old, ours = status["oldId"], seen.addresses_of_keyturn()
    shut = first_shut(log, old)
    ended = last_end(log, old, leave_out=ours)
    proved = _entered(rotation, "Soak")
    return [
        Check(
            f"NOLOGIN of {old} came after its last session ended",
            bool(shut and ended and ended < shut),
            f"last session ended {_time(ended)}, NOLOGIN {_time(shut)}",
        ),
        Check(
            "NOLOGIN came after the last pod proved New",
            bool(shut and proved and proved < shut),
            f"all proven {_time(proved)}, NOLOGIN {_time(shut)}",
        ),
    ]


def never_shut(stage: Stage, role: str) -> Check:
    """The log shows no NOLOGIN of this role at all."""
    shut = first_shut(stage.database.log(), role)
    return Check(f"{role} was never disabled", shut is None, _time(shut) if shut else "no NOLOGIN in the log")


def _entered(rotation: dict[str, Any], phase: str) -> datetime | None:
    moments = [entry["at"] for entry in rotation["status"].get("history", []) if entry["phase"] == phase]
    return datetime.fromisoformat(moments[-1]) if moments else None


def _time(moment: datetime | None) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3] if moment else "not seen"


def restarts(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[Check]:
    """Who was restarted, by the UIDs of pods: the worker not, the others all."""
    told = {name: f"{len(before[name] & after[name])} of {len(before[name])} pods are the same" for name in before}
    return [
        Check(
            "orders-worker was not restarted", before["orders-worker"] == after["orders-worker"], told["orders-worker"]
        ),
        Check("orders-cache was restarted", not before["orders-cache"] & after["orders-cache"], told["orders-cache"]),
        Check("orders-api was restarted", not before["orders-api"] & after["orders-api"], told["orders-api"]),
    ]


def running(stage: Stage) -> dict[str, set[str]]:
    """UID and restart count of every consumer's pods, by consumer."""
    found = dict[str, set[str]]()
    for name in CONSUMERS:
        pods = stage.kubectl.items("pods", "-n", SHOP, "-l", f"app={name}")
        found[name] = {f"{pod['metadata']['uid']} {_restart_count(pod)}" for pod in pods}
    return found


def _restart_count(pod: dict[str, Any]) -> int:
    return sum(state["restartCount"] for state in pod["status"].get("containerStatuses", []))


def decoy_untouched(before: Picture, after: Picture) -> Check:
    """The decoy is byte-identical."""
    return Check("orders-report is byte-identical", before.decoy == after.decoy, f"{len(after.decoy)} bytes compared")


def as_before(before: Picture, after: Picture) -> Check:
    """A rollback gave back what was."""
    told = picture.differences(before, after)
    return Check("Secret bytes, roles and workloads equal what they were", not told, "; ".join(told) or "equal")


def serving(stage: Stage, role: str) -> Check:
    """Logins as this role succeed right now, from the shop's pods."""
    before = len(logins(stage.database.log(), role))
    return Check(f"{role} serves", before > 0, f"{before} logins in the log")
