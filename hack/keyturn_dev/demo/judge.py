"""What must hold at the end of a scene, each as one sentence with what was seen. Changes nothing.

What the server wrote down itself is the highest judge: pods' logs vanish with the pods.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from keyturn_dev.cluster.shell import pause
from keyturn_dev.demo import picture
from keyturn_dev.demo.part import SHOP, Account
from keyturn_dev.demo.picture import Picture
from keyturn_dev.demo.play import phase_of
from keyturn_dev.demo.scene import HOLD, Scene
from keyturn_dev.demo.screen import Check

PROVING = frozenset({"Verify", "Soak", "Approve", "Disable", "Watch"})


def nobody_was_refused(scene: Scene, *, unanswered: int = 0) -> list[Check]:
    """Witnesses and server agree: no login of a pod failed. `unanswered` were counted in a known outage."""
    count = scene.count()
    refused = scene.server.refused(frozenset(scene.part.slots), scene.since, scene.seen.addresses_of_keyturn())
    roles = ", ".join(f"{name} {count.by_role.get(name, 0)}" for name in scene.part.slots)
    missed, lost = count.refused - scene.counted.refused, count.unreachable - scene.counted.unreachable
    return [
        Check("witnesses counted good logins", count.ok > 0, f"{count.ok} from {count.pods} pods ({roles})"),
        Check("witnesses were refused no login", missed == 0, f"{missed} {' '.join(count.refused_by)}"),
        Check(
            f"{scene.part.title} itself shows no refused login of a pod",
            not refused,
            f"{len(refused)} {_some(refused)}",
        ),
        Check("no login went unanswered" + (" but in the outage" if unanswered else ""), lost == unanswered, f"{lost}"),
    ]


def _some(told: list[str]) -> str:
    return "; ".join(sorted(set(told))[:3])


def only_refused(scene: Scene, name: str) -> list[Check]:
    """Whoever held anything else was let in, always, by the witnesses and by the server."""
    before, after = scene.counted.refused_roles, scene.count().refused_roles
    refused = {role: number - before.get(role, 0) for role, number in after.items() if number > before.get(role, 0)}
    told = ", ".join(f"{role} {number}" for role, number in refused.items()) or "nobody"
    keyturn = scene.seen.addresses_of_keyturn()
    by_server = {one for one in scene.part.slots if scene.server.refused(frozenset({one}), scene.since, keyturn)}
    return [
        Check(f"witnesses were refused as {name} only", refused.keys() == {name}, told),
        Check(f"{scene.part.title} itself shows refusals as {name} only", by_server == {name}, ", ".join(by_server)),
    ]


def logins_go_on(scene: Scene, name: str) -> Check:
    """Look on for a while: all log in as this one from now on."""
    before = scene.count().by_role
    pause(HOLD)
    after = scene.count().by_role
    made = {slot: after.get(slot, 0) - before.get(slot, 0) for slot in scene.part.slots}
    told = ", ".join(f"{slot} {number}" for slot, number in made.items())
    good = [slot for slot, number in made.items() if number] == [name]
    return Check(f"in the {HOLD:.0f} s after its end, all logged in as {name}", good, told)


def completed(scene: Scene, rotation: dict[str, Any], *, reloading: Collection[str] | None = None) -> list[Check]:
    """The rotation is complete, the old account is shut for good and the new one serves."""
    old, new, accounts = scene.old, scene.new, scene.server.accounts()
    sessions, replaced = scene.server.sessions(old), accounts[old].stored != scene.old_stored
    return [
        Check("the Rotation is Complete", phase_of(rotation) == "Complete", phase_of(rotation)),
        Check(f"{old} cannot log in", not accounts[old].enabled, _login(accounts[old])),
        Check(f"{old} has no session", sessions == 0, f"{sessions}"),
        Check(f"{old} keeps no usable password", replaced, f"what is stored was {'' if replaced else 'not '}replaced"),
        Check(f"{new} can log in", accounts[new].enabled, _login(accounts[new])),
        *_pods_proved(scene, _reloading(scene) if reloading is None else reloading),
    ]


def _login(account: Account) -> str:
    return "enabled" if account.enabled else "disabled"


def _reloading(scene: Scene) -> list[str]:
    return [consumer.name for consumer in scene.part.consumers if consumer.reloads]


def _pods_proved(scene: Scene, reloading: Collection[str]) -> list[Check]:
    lines = scene.seen.evidence(scene.name, PROVING)
    checks = list[Check]()
    for name in scene.part.names:
        wanted = ("Session", "Mounted") if name in reloading else ("Session", "Process")
        pods = scene.stage.kubectl.items("pods", "-n", SHOP, "-l", f"app={name}")
        told = {pod["metadata"]["name"]: lines.get(pod["metadata"]["name"], {}).get("evidence", {}) for pod in pods}
        proved = bool(told) and all(all(line.get(kind) == "New" for kind in wanted) for line in told.values())
        seen_words = f"{len(told)} pods" if proved else str(told)
        checks.append(Check(f"every pod of {name} proved New by {' and '.join(wanted)}", proved, seen_words))
    return checks


def order(scene: Scene, rotation: dict[str, Any]) -> list[Check]:
    """By the server's own record: the old one was disabled only after its last use and after the last proof.

    Nothing is said where the server keeps no record.
    """
    trace = scene.server.trace(scene.old, scene.since, scene.seen.addresses_of_keyturn())
    if trace is None:
        return []
    shut, used, proved = trace.disabled, trace.last_use, _entered(rotation, "Soak")
    return [
        Check(
            f"{scene.old} was disabled after its {trace.words}",
            bool(shut and used and used < shut),
            f"{_time(used)}, disabled {_time(shut)}",
        ),
        Check(
            f"{scene.old} was disabled after the last pod proved New",
            bool(shut and proved and proved < shut),
            f"all proven {_time(proved)}, disabled {_time(shut)}",
        ),
    ]


def never_shut(scene: Scene) -> Check:
    """The server wrote down no loss of login of the serving account at all."""
    trace = scene.server.trace(scene.old, scene.since, scene.seen.addresses_of_keyturn())
    never = trace is not None and trace.disabled is None
    told = _time(trace.disabled) if trace and trace.disabled else f"not in {scene.part.title}'s log"
    return Check(f"{scene.old} was never disabled", never, told)


def rolled_back(scene: Scene, rotation: dict[str, Any], reason: str) -> list[Check]:
    """It went back by itself, before anything was disabled, and the candidate is shut."""
    return [
        *went_back(scene, rotation, reason),
        Check("Disable was never reached", "Disable" not in scene.phases(), " ".join(scene.phases())),
        never_shut(scene),
    ]


def went_back(scene: Scene, rotation: dict[str, Any], reason: str) -> list[Check]:
    """It went back for this reason, and the candidate is shut."""
    turned = rotation["status"].get("turnedBack", {}).get("reason", "")
    new = scene.server.accounts().get(scene.new)
    shut, open_ = new is None or not new.enabled, scene.server.sessions(scene.new)
    return [
        Check("the Rotation is RolledBack", phase_of(rotation) == "RolledBack", phase_of(rotation)),
        Check("it went back for this reason", turned == reason, turned),
        Check(f"{scene.new} cannot log in", shut),
        Check(f"{scene.new} has no session", open_ == 0, str(open_)),
    ]


def _entered(rotation: dict[str, Any], phase: str) -> datetime | None:
    moments = [entry["at"] for entry in rotation["status"].get("history", []) if entry["phase"] == phase]
    return datetime.fromisoformat(moments[-1]) if moments else None


def _time(moment: datetime | None) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3] if moment else "not seen"


def restarts(scene: Scene, before: dict[str, set[str]]) -> list[Check]:
    """Who was restarted, by the UIDs of pods: who reloads was not, the others all were."""
    after, checks = scene.pods(), list[Check]()
    for consumer in scene.part.consumers:
        pods = before[consumer.name]
        kept = len(pods & after[consumer.name])
        sentence = f"{consumer.name} was {'not ' if consumer.reloads else ''}restarted"
        wanted = len(pods) if consumer.reloads else 0
        checks.append(Check(sentence, bool(pods) and kept == wanted, f"{kept} of {len(pods)} pods are the same"))
    return checks


def decoy_untouched(scene: Scene, before: Picture) -> Check:
    """The decoy is byte-identical."""
    after = scene.picture()
    told = f"{len(after.decoy)} bytes compared"
    return Check(f"{scene.part.decoy} is byte-identical", before.decoy == after.decoy, told)


def as_before(before: Picture, after: Picture) -> Check:
    """A rollback gave back what was."""
    told = picture.differences(before, after)
    return Check("Secret bytes, accounts and workloads equal what they were", not told, "; ".join(told) or "equal")


def as_before_disable(scene: Scene, before: Picture) -> Check:
    """The same after a way back from Watch, whose Enable stores the old value anew: PostgreSQL with another salt.

    That it is the old value, logins with the Secret's bytes show.
    """
    same = picture.without_stored(before, scene.old), picture.without_stored(scene.picture(), scene.old)
    return as_before(*same)
