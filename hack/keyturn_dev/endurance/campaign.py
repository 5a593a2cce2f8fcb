"""Rotation after rotation under strikes: plays them, judges each, and sums up. Knows nothing of how one strikes."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.demo import judge
from keyturn_dev.demo.leaks import LogKeeper
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.play import ended, phase_of
from keyturn_dev.demo.scene import Scene, only_scene
from keyturn_dev.demo.screen import Check, Screen
from keyturn_dev.demo.stage import OPERATOR, Stage, adopted
from keyturn_dev.endurance.lookout import Enabled, looking
from keyturn_dev.endurance.strikes import EVERY, Blow, Striker, Struck, plan_of

PATIENCE = 1200.0  # seconds for one rotation: soak and watch begin anew with each leader
_LOOKS = 10.0  # a second, at least


@dataclass(frozen=True, slots=True)
class Endured:
    """One rotation, as it went."""

    name: str
    phase: str
    seconds: float
    logins: int
    refused: int
    unanswered: int
    checks: Sequence[Check]


def endure(stage: Stage, screen: Screen, *, rotations: int, seed: int) -> bool:
    """Play so many rotations in a row while the leader is struck again and again; True if everything held."""
    screen.say(f"{rotations} rotations; the leader is struck every {EVERY:.0f} s or so; seed {seed}.")
    adopted(stage)
    _allow_time(stage)
    now: list[Scene] = []
    striker = Striker(stage.kubectl, plan_of(seed), lambda: now[-1].phase() if now else "", screen.say)
    done, kept = list[Endured](), Path(tempfile.mkdtemp(prefix="keyturn-endurance-"))
    with looking(stage.database) as enabled:
        striker.start()
        try:
            for number in range(1, rotations + 1):
                done.append(_one(stage, screen, f"endured-{number}", now, kept))
                if striker.trouble:
                    raise striker.trouble
                if done[-1].phase != "Complete":
                    break  # the shop is not what the next one would begin with
        finally:
            striker.stop()
    good = _sum_up(screen, rotations, done, striker.struck, enabled)
    if good:
        shutil.rmtree(kept)
    else:
        screen.say(f"The operators' logs of each rotation are in {kept}; remove them when you have looked.")
    return good


def _allow_time(stage: Stage) -> None:
    """Deadlines as plans ordinarily have them, for new leaders are waited for; what one leader must see is short.

    Soak and Watch begin anew with each leader, and most lead for a few seconds only.
    """
    spec = {
        "rollout": {"progressDeadline": "10m"},
        "verify": {"proofDeadline": "10m", "soak": "4s"},
        "retire": {"watch": "6s"},
    }
    words = ("--type=merge", "-p", json.dumps({"spec": spec}))
    stage.kubectl("patch", f"rotationplan/{stage.part.plan}", "-n", SHOP, *words)


def _one(stage: Stage, screen: Screen, name: str, now: list[Scene], kept: Path) -> Endured:
    adopted(stage, seconds=180)
    with only_scene(stage, screen, name) as scene:
        logs = LogKeeper(stage.kubectl, scene.seen, frozenset({OPERATOR}), kept / name)
        logs.place.mkdir()
        logs.start()
        now.append(scene)
        began, counted = time.monotonic(), stage.witnesses.count()
        before, pods = scene.picture(), scene.pods()
        scene.ask()
        try:
            rotation = scene.until(ended, seconds=PATIENCE)
        except Trouble as late:
            screen.say(str(late))
            rotation = scene.seen.rotation(name)
        seconds = time.monotonic() - began
        checks = [
            *judge.completed(scene, rotation),
            *judge.restarts(scene, pods),
            _restarted_once(scene, pods),
            judge.decoy_untouched(scene, before),
            *judge.nobody_was_refused(scene),
            *judge.order(scene, rotation),
            Check("it never went back", "Enable" not in scene.phases(), " ".join(scene.phases())),
        ]
        logs.finish()
    total = stage.witnesses.count()
    refused, unanswered = total.refused - counted.refused, total.unreachable - counted.unreachable
    screen.say(f"{name} {phase_of(rotation)} after {seconds:.0f} s")
    if not screen.close(name, [check for check in checks if not check.holds]):
        (kept / name / "rotation.json").write_text(json.dumps(rotation, indent=1))
    return Endured(name, phase_of(rotation), seconds, total.ok - counted.ok, refused, unanswered, checks)


def _restarted_once(scene: Scene, before: dict[str, set[str]]) -> Check:
    """However many leaders had a hand in it, no pod was replaced twice."""
    old = {uid.partition(" ")[0] for uids in before.values() for uid in uids}
    pods = [pod for pod in scene.seen.pods().values() if pod.namespace == SHOP and pod.uid not in old]
    made = Counter(pod.owner for pod in pods)
    wanted = {one.name: 0 if one.reloads else len(before[one.name]) for one in scene.part.consumers}
    told = ", ".join(f"{name} {made[name]}" for name in wanted)
    return Check("no pod was replaced more than once", all(made[name] == wanted[name] for name in wanted), told)


def _sum_up(screen: Screen, wanted: int, done: Sequence[Endured], struck: Sequence[Struck], enabled: Enabled) -> bool:
    complete = sum(one.phase == "Complete" for one in done)
    wrong = [f"{one.name}: {check.sentence} ({check.seen})" for one in done for check in one.checks if not check.holds]
    seconds = [one.seconds for one in done]
    logins, refused = sum(one.logins for one in done), sum(one.refused for one in done)
    unanswered = sum(one.unanswered for one in done)
    looks = f"{enabled.samples} looks, {enabled.rate:.1f} a second, at most {enabled.longest_gap:.1f} s apart"
    return screen.close(
        "endurance",
        [
            Check(
                f"{wanted} rotations in a row are Complete", complete == wanted, f"{complete}, {_range(seconds)} each"
            ),
            Check("no login was refused", logins > 0 and not refused, f"{refused} of {logins + refused + unanswered}"),
            Check("no login went unanswered", not unanswered, f"{unanswered}"),
            Check(
                "at most two roles could log in at every look", 1 <= enabled.least <= enabled.most <= 2, _sets(enabled)
            ),
            Check("the roles were counted ten times a second", enabled.rate >= _LOOKS, looks),
            Check("the leader was struck", bool(struck), _blows(struck)),
            Check("everything else that a rotation must show held", not wrong, "; ".join(wrong) or "in every one"),
        ],
    )


def _range(seconds: Sequence[float]) -> str:
    return f"{min(seconds, default=0):.0f} to {max(seconds, default=0):.0f} s"


def _sets(enabled: Enabled) -> str:
    return ", ".join(f"{'+'.join(roles) or 'nobody'} {times}" for roles, times in sorted(enabled.seen.items()))


def _blows(struck: Sequence[Struck]) -> str:
    """How often each blow fell, in which phases, and how long it took until somebody led."""
    words = list[str]()
    for blow in Blow:
        these = [one for one in struck if one.blow is blow]
        took = [one.led_again for one in these if one.led_again is not None]
        words.append(f"{len(these)} {blow} (led again after {_range(took)})")
    phases = Counter(one.phase or "between" for one in struck)
    return f"{'; '.join(words)}; in {', '.join(f'{phase} {times}' for phase, times in phases.most_common())}"
