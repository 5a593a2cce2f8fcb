"""What must hold at the end of a scene, each as one sentence with what was seen. Changes nothing.

The database's own log is the highest judge: pods' logs vanish with the pods.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from keyturn_dev.cluster.shell import pause
from keyturn_dev.demo import picture
from keyturn_dev.demo.database import Line, first_shut, last_end, refusals
from keyturn_dev.demo.picture import Picture
from keyturn_dev.demo.play import phase_of
from keyturn_dev.demo.scene import HOLD, SLOTS, Scene
from keyturn_dev.demo.screen import Check
from keyturn_dev.demo.stage import CONSUMERS, SHOP

RELOADING = ("orders-worker",)  # by the demo's plan
PROVING = frozenset({"Verify", "Soak", "Approve", "Disable", "Watch"})


def nobody_was_refused(scene: Scene, *, unanswered: int = 0) -> list[Check]:
    """Witnesses and the server's log agree: no login of a pod failed. `unanswered` were counted in a known outage."""
    count = scene.stage.witnesses.count()
    ours = scene.seen.addresses_of_keyturn()
    log = [line for line in scene.database.log() if line.at >= scene.since]
    refused = refusals(log, frozenset(SLOTS), leave_out=ours)
    roles = ", ".join(f"{role} {number}" for role, number in sorted(count.by_role.items()))
    lost = count.unreachable - scene.unanswered
    return [
        Check("witnesses counted good logins", count.ok > 0, f"{count.ok} from {count.pods} pods ({roles})"),
        Check(
            "witnesses were refused no login",
            count.refused == scene.refused,
            f"{count.refused - scene.refused} {' '.join(count.refused_by)}",
        ),
        Check("the database's log shows no refused login of a pod", not refused, f"{len(refused)} {_who(refused)}"),
        Check("no login went unanswered" + (" but in the outage" if unanswered else ""), lost == unanswered, f"{lost}"),
    ]


def logins_go_on(scene: Scene) -> Check:
    """Look on for a while: they all use the new credential from now on."""
    before = scene.stage.witnesses.count().by_role
    pause(HOLD)
    after = scene.stage.witnesses.count().by_role
    gone_on = {role: after[role] - before.get(role, 0) for role in sorted(after)}
    told = ", ".join(f"{role} {number}" for role, number in gone_on.items())
    good = gone_on.get(scene.new, 0) > 0 and gone_on.get(scene.old, 0) == 0
    return Check(f"in the {HOLD:.0f} s after its end, all logged in as {scene.new}", good, told)


def _who(lines: list[Line]) -> str:
    return "; ".join(sorted({f"{line.role} from {line.address}: {line.state}" for line in lines})[:3])


def completed(scene: Scene, rotation: dict[str, Any], *, reloading: tuple[str, ...] = RELOADING) -> list[Check]:
    """The rotation is complete, the old role is shut for good and the new one serves."""
    old, new, roles = scene.old, scene.new, scene.database.roles()
    verifier, sessions = scene.database.password_of(old), scene.database.sessions(old)
    return [
        Check("the Rotation is Complete", phase_of(rotation) == "Complete", phase_of(rotation)),
        Check(f"{old} cannot log in", not roles[old]["login"], _login(roles, old)),
        Check(f"{old} has no session", sessions == 0, f"{sessions}"),
        Check(f"{old} keeps no usable password", verifier != scene.old_verifier, "its verifier was replaced"),
        Check(f"{new} can log in", roles[new]["login"], _login(roles, new)),
        *_pods_proved(scene, reloading),
    ]


def _login(roles: dict[str, dict[str, Any]], role: str) -> str:
    return "LOGIN" if roles[role]["login"] else "NOLOGIN"


def _pods_proved(scene: Scene, reloading: tuple[str, ...]) -> list[Check]:
    lines = scene.seen.evidence(scene.name, PROVING)
    checks = list[Check]()
    for name in CONSUMERS:
        wanted = ("Session", "Mounted") if name in reloading else ("Session", "Process")
        pods = scene.stage.kubectl.items("pods", "-n", SHOP, "-l", f"app={name}")
        told = {pod["metadata"]["name"]: lines.get(pod["metadata"]["name"], {}).get("evidence", {}) for pod in pods}
        proved = bool(told) and all(all(line.get(kind) == "New" for kind in wanted) for line in told.values())
        seen_words = f"{len(told)} pods" if proved else str(told)
        checks.append(Check(f"every pod of {name} proved New by {' and '.join(wanted)}", proved, seen_words))
    return checks


def order(scene: Scene, rotation: dict[str, Any]) -> list[Check]:
    """From the server's log: the old role was shut only after its last session and after the last proof."""
    log = scene.database.log()
    shut = first_shut(log, scene.old, since=scene.since)
    ended = last_end(log, scene.old, leave_out=scene.seen.addresses_of_keyturn())
    proved = _entered(rotation, "Soak")
    return [
        Check(
            f"NOLOGIN of {scene.old} came after its last session ended",
            bool(shut and ended and ended < shut),
            f"last session ended {_time(ended)}, NOLOGIN {_time(shut)}",
        ),
        Check(
            "NOLOGIN came after the last pod proved New",
            bool(shut and proved and proved < shut),
            f"all proven {_time(proved)}, NOLOGIN {_time(shut)}",
        ),
    ]


def never_shut(scene: Scene) -> Check:
    """The log shows no NOLOGIN of the serving role at all."""
    shut = first_shut(scene.database.log(), scene.old, since=scene.since)
    return Check(f"{scene.old} was never disabled", shut is None, _time(shut) if shut else "no NOLOGIN in the log")


def rolled_back(scene: Scene, rotation: dict[str, Any], reason: str) -> list[Check]:
    """It went back by itself, before anything was disabled, and the candidate is shut."""
    turned, roles = rotation["status"].get("turnedBack", {}).get("reason", ""), scene.database.roles()
    shut = not roles.get(scene.new, {}).get("login", False)
    return [
        Check("the Rotation is RolledBack", phase_of(rotation) == "RolledBack", phase_of(rotation)),
        Check("by itself, for this reason", turned == reason, turned),
        Check("Disable was never reached", "Disable" not in scene.phases(), " ".join(scene.phases())),
        never_shut(scene),
        Check(f"{scene.new} cannot log in and has no session", shut and scene.database.sessions(scene.new) == 0),
    ]


def _entered(rotation: dict[str, Any], phase: str) -> datetime | None:
    moments = [entry["at"] for entry in rotation["status"].get("history", []) if entry["phase"] == phase]
    return datetime.fromisoformat(moments[-1]) if moments else None


def _time(moment: datetime | None) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3] if moment else "not seen"


def restarts(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[Check]:
    """Who was restarted, by the UIDs of pods: the worker not, the others all."""
    kept = {name: len(before[name] & after[name]) for name in before}
    told = {name: f"{kept[name]} of {len(before[name])} pods are the same" for name in before}
    return [
        Check("orders-worker was not restarted", kept["orders-worker"] == 2, told["orders-worker"]),
        Check("orders-cache was restarted", kept["orders-cache"] == 0, told["orders-cache"]),
        Check("orders-api was restarted", kept["orders-api"] == 0, told["orders-api"]),
    ]


def decoy_untouched(before: Picture, after: Picture) -> Check:
    """The decoy is byte-identical."""
    return Check("orders-report is byte-identical", before.decoy == after.decoy, f"{len(after.decoy)} bytes compared")


def as_before(before: Picture, after: Picture) -> Check:
    """A rollback gave back what was."""
    told = picture.differences(before, after)
    return Check("Secret bytes, roles and workloads equal what they were", not told, "; ".join(told) or "equal")
