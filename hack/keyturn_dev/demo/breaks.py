"""Scenes where something is broken on purpose, and what must be seen then: refused, waiting, or rolled back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from keyturn_dev.cluster.shell import Trouble, pause
from keyturn_dev.demo import judge
from keyturn_dev.demo.database import Database
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.parts.postgres import HOST
from keyturn_dev.demo.play import blocked_by, ended, phase_of, reached
from keyturn_dev.demo.props import open_night_report, pin_url
from keyturn_dev.demo.scene import HOLD, Play, Scene
from keyturn_dev.demo.screen import Check
from keyturn_dev.demo.servers import open_clone, open_staging, point_provider_at


def crashloop(scene: Scene) -> list[Check]:
    """The new pods crash: they cannot work as the new user. Keyturn rolls back."""
    scene.patch("configmap/orders-api", {"data": {"refuse-users": scene.new}})
    scene.shorten_roll()
    before = scene.picture()
    scene.ask()
    rotation = scene.until(ended, seconds=300)
    crashed = [pod.name for pod in scene.seen.pods().values() if pod.owner == "orders-api" and pod.restarts]
    return [
        Check("new pods of orders-api crashed", bool(crashed), ", ".join(crashed)),
        *judge.rolled_back(scene, rotation, "RolloutDeadlineExceeded"),
        judge.as_before(before, scene.picture()),
        *judge.nobody_was_refused(scene),
    ]


def overridden(scene: Scene) -> list[Check]:
    """A template overrides the variable with the old URL. The new pods are held unready, and Keyturn rolls back."""
    pin_url(scene.stage)
    scene.shorten_roll()
    before, pods = scene.picture(), scene.pods()
    scene.ask()
    scene.until(reached("Enable"), seconds=240)
    kept = scene.pods()["orders-api"] & pods["orders-api"]
    held = [pod.name for pod in scene.seen.pods().values() if pod.owner == "orders-api" and pod.held]
    rotation = scene.until(ended, seconds=240)
    return [
        Check("the new pod of orders-api was held unready by its probe", bool(held), ", ".join(held)),
        Check("the old pods of orders-api went on serving", kept == pods["orders-api"], f"{len(kept)} of 3 kept"),
        *judge.rolled_back(scene, rotation, "RolloutDeadlineExceeded"),
        judge.as_before(before, scene.picture()),
        *judge.nobody_was_refused(scene),
    ]


def wrong_system(scene: Scene) -> list[Check]:
    """The provider points at another server with the same role names. Refused before any change."""
    return _refused_system(scene, *open_staging(scene.stage))


def clone(scene: Scene) -> list[Check]:
    """The provider points at a clone with the same system identifier. Refused before any change."""
    return _refused_system(scene, *open_clone(scene.stage), same_identifier=True)


def _refused_system(scene: Scene, host: str, other: Database, *, same_identifier: bool = False) -> list[Check]:
    point_provider_at(scene.stage, host)
    before, roles, pods = scene.picture(), other.roles(), scene.pods()
    equal = scene.database.system_identifier() == other.system_identifier()
    scene.ask()
    scene.until(blocked_by("WrongSystem"), seconds=90)
    scene.screen.say(f"It stays refused for {HOLD:.0f} s; then the rotation is aborted.")
    pause(HOLD)
    held = scene.phase()
    scene.abort()
    point_provider_at(scene.stage, HOST)
    rotation = scene.until(ended, seconds=60)
    return [
        Check("the system identifiers are as the scene says", equal is same_identifier, "equal" if equal else "differ"),
        Check("the rotation stayed in Preflight", held == "Preflight", held),
        Check("it ended without a change", phase_of(rotation) == "RolledBack", phase_of(rotation)),
        Check("the other server's roles are as they were", roles == other.roles(), f"{len(roles)} roles"),
        Check("no pod was restarted", pods == scene.pods()),
        judge.as_before(before, scene.picture()),
        judge.never_shut(scene),
        *judge.nobody_was_refused(scene),
    ]


def stranger(scene: Scene) -> list[Check]:
    """A pod that nobody declared is connected as the old role. Blocked and named; goes on when it ends."""
    address = open_night_report(scene.stage)
    before, pods = scene.picture(), scene.pods()
    scene.ask()

    def named(rotation: dict[str, Any]) -> bool:
        told = json.dumps(rotation.get("status", {}).get("blockers", []))
        return "night-report" in told or address in told

    scene.until(named, seconds=90)
    scene.screen.say(f"It stays blocked for {HOLD:.0f} s; then the stranger is ended.")
    pause(HOLD)
    held, still = scene.phase(), scene.picture()
    scene.stage.kubectl("delete", "pod", "night-report", "-n", SHOP, "--wait=true")
    rotation = scene.until(ended, seconds=420)
    return [
        Check("while the stranger was connected, nothing moved", held == "Preflight", held),
        judge.as_before(before, still),
        *judge.completed(scene, rotation),
        *judge.restarts(scene, pods),
        *judge.nobody_was_refused(scene),
        *judge.order(scene, rotation),
    ]


def empty_value(scene: Scene) -> list[Check]:
    """Somebody writes an empty value: into the plan, then into the Secret. Refused, and nothing is made of it."""
    try:
        scene.patch(f"rotationplan/{scene.part.plan}", {"spec": {"secret": {"keys": {"DATABASE_URL": ""}}}})
        refused = ""
    except Trouble as trouble:
        refused = str(trouble).strip().splitlines()[-1]
    before, pods = scene.picture(), scene.pods()
    scene.patch("secret/orders-db", {"data": {"DATABASE_URL": ""}})
    scene.ask()
    rotation = scene.until(lambda found: bool(found.get("status", {}).get("blockers")), seconds=60)
    reasons = ", ".join(blocker["reason"] for blocker in rotation["status"]["blockers"])
    held = scene.phase()
    scene.patch("secret/orders-db", {"data": {"DATABASE_URL": before.secret["data"]["DATABASE_URL"]}})
    scene.abort()
    rotation = scene.until(ended, seconds=60)
    return [
        Check("the API server refused an empty template", bool(refused), refused[:160]),
        Check("the rotation stayed in Preflight", held == "Preflight", f"{held}: {reasons}"),
        Check("it ended without a change", phase_of(rotation) == "RolledBack", phase_of(rotation)),
        Check("no pod was restarted", pods == scene.pods()),
        judge.as_before(before, scene.picture()),
        judge.never_shut(scene),
        *judge.nobody_was_refused(scene),
    ]


def unplug(scene: Scene) -> list[Check]:
    """The backend cannot be reached in the middle. Keyturn waits, resumes, and does not roll back."""
    pods = scene.pods()
    scene.ask()
    scene.until(reached("Soak"), seconds=240)
    quiet = scene.count().unreachable - scene.counted.unreachable
    scene.screen.say("Unplugged: the database's Service leads nowhere.")
    scene.patch("service/postgres", {"spec": {"selector": {"app": "nobody"}}})
    scene.until(lambda found: "Unreachable" in str(found.get("status", {})), seconds=90)
    pause(HOLD)
    waiting = scene.phase()
    scene.patch("service/postgres", {"spec": {"selector": {"app": "postgres"}}})
    scene.screen.say("Plugged in again.")
    pause(HOLD)
    outage = scene.count().unreachable - scene.counted.unreachable
    rotation = scene.until(ended, seconds=300)
    return [
        Check("every login was answered until then", quiet == 0, f"{quiet} were not"),
        Check("it waited while unplugged", waiting == "Soak", waiting),
        Check("it did not roll back", "Enable" not in scene.phases(), " ".join(scene.phases())),
        *judge.completed(scene, rotation),
        *judge.restarts(scene, pods),
        *judge.nobody_was_refused(scene, unanswered=outage),
        *judge.order(scene, rotation),
    ]


def taken_away(scene: Scene) -> list[Check]:
    """Somebody else disables the new credential while the old one is disabled already. Keyturn goes back."""
    scene.lengthen_watch()
    before = scene.picture()
    scene.ask()
    scene.until(reached("Watch"), seconds=240)
    scene.server.take_away(scene.new)
    scene.screen.say(f"{scene.new} was disabled by hand.")
    rotation = scene.until(ended, seconds=240)
    went_on = judge.logins_go_on(scene, scene.old)
    return [
        *judge.went_back(scene, rotation, "NewCredentialRefused"),
        judge.as_before_disable(scene, before),
        judge.decoy_untouched(scene, before),
        *judge.only_refused(scene, scene.new),
        went_on,
    ]


def aborted(scene: Scene) -> list[Check]:
    """A person wants it back when the old credential is disabled already. Keyturn goes back, and nobody notices."""
    scene.lengthen_watch()
    before = scene.picture()
    scene.ask()
    scene.until(reached("Watch"), seconds=240)
    scene.abort()
    rotation = scene.until(ended, seconds=240)
    went_on = judge.logins_go_on(scene, scene.old)
    return [
        *judge.went_back(scene, rotation, "Aborted"),
        judge.as_before_disable(scene, before),
        judge.decoy_untouched(scene, before),
        *judge.nobody_was_refused(scene),
        went_on,
    ]


ANYWHERE: Mapping[str, Play] = {"aborted": aborted, "taken-away": taken_away}  # on every backend
SCENES: Mapping[str, Play] = {
    **ANYWHERE,
    "crashloop": crashloop,
    "overridden": overridden,
    "wrong-system": wrong_system,
    "clone": clone,
    "stranger": stranger,
    "empty-value": empty_value,
    "unplug": unplug,
}
