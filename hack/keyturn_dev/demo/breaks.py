"""Scenes where something is broken on purpose, and what must be seen then: refused, waiting, or rolled back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from keyturn_dev.cluster.shell import Trouble, pause
from keyturn_dev.demo import judge, picture
from keyturn_dev.demo.play import (
    PLAN,
    Seen,
    ask_for_rotation,
    blocked_by,
    ended,
    phase_of,
    reached,
    until,
    watching,
)
from keyturn_dev.demo.screen import Check, Screen
from keyturn_dev.demo.servers import open_clone, open_staging, point_provider_at
from keyturn_dev.demo.stage import HOST, SHOP, Stage, settled

NAME = "orders-db-demo"
HOLD = 8.0  # seconds a scene goes on looking that nothing moves


def crashloop(stage: Stage, screen: Screen) -> list[Check]:
    """The new pods crash: they cannot work as the new user. Keyturn rolls back."""
    _patch(stage, "configmap/orders-api", {"data": {"refuse-users": "orders_b"}})
    _shorten_roll(stage)
    before = picture.take(stage)
    with watching(stage.kubectl) as seen:
        ask_for_rotation(stage.kubectl, NAME)
        rotation = until(seen, NAME, ended, seconds=300, screen=screen)
        crashed = [pod.name for pod in seen.pods().values() if pod.owner == "orders-api" and pod.restarts]
        return [
            Check("new pods of orders-api crashed", bool(crashed), ", ".join(crashed)),
            *_rolled_back(stage, seen, rotation, "RolloutDeadlineExceeded"),
            judge.as_before(before, picture.take(stage)),
            *judge.nobody_was_refused(stage, seen),
        ]


def overridden(stage: Stage, screen: Screen) -> list[Check]:
    """A template overrides the variable with the old URL. The new pods are held unready, and Keyturn rolls back."""
    _pin_old_url(stage)
    _shorten_roll(stage)
    before, pods = picture.take(stage), judge.running(stage)
    with watching(stage.kubectl) as seen:
        ask_for_rotation(stage.kubectl, NAME)
        rotation = until(seen, NAME, reached("Enable"), seconds=240, screen=screen)
        kept = judge.running(stage)["orders-api"] & pods["orders-api"]
        rotation = until(seen, NAME, ended, seconds=240, screen=screen)
        return [
            Check("the old pods of orders-api went on serving", kept == pods["orders-api"], f"{len(kept)} of 3 kept"),
            *_rolled_back(stage, seen, rotation, "RolloutDeadlineExceeded"),
            judge.as_before(before, picture.take(stage)),
            *judge.nobody_was_refused(stage, seen),
        ]


def wrong_system(stage: Stage, screen: Screen) -> list[Check]:
    """The provider points at another server with the same role names. Refused before any change."""
    return _refused_system(stage, screen, open_staging(stage))


def clone(stage: Stage, screen: Screen) -> list[Check]:
    """The provider points at a clone with the same system identifier. Refused before any change."""
    return _refused_system(stage, screen, open_clone(stage), same_identifier=True)


def _refused_system(
    stage: Stage, screen: Screen, other: tuple[str, Any], *, same_identifier: bool = False
) -> list[Check]:
    host, database = other
    point_provider_at(stage, host)
    before, roles, pods = picture.take(stage), database.roles(), judge.running(stage)
    identifiers = stage.database.system_identifier(), database.system_identifier()
    with watching(stage.kubectl) as seen:
        ask_for_rotation(stage.kubectl, NAME)
        until(seen, NAME, blocked_by("WrongSystem"), seconds=90, screen=screen)
        screen.say(f"It stays refused for {HOLD:.0f} s; then the rotation is aborted.")
        pause(HOLD)
        held = phase_of(seen.rotation(NAME))
        _abort(stage)
        rotation = until(seen, NAME, ended, seconds=60, screen=screen)
        point_provider_at(stage, HOST)
        said = "equal" if identifiers[0] == identifiers[1] else "different"
        return [
            Check("the system identifiers are as the scene says", (said == "equal") is same_identifier, said),
            Check("the rotation stayed in Preflight", held == "Preflight", held),
            Check("it ended without a change", phase_of(rotation) == "RolledBack", phase_of(rotation)),
            Check("the other server's roles are as they were", roles == database.roles(), f"{len(roles)} roles"),
            Check("no pod was restarted", pods == judge.running(stage)),
            judge.as_before(before, picture.take(stage)),
            judge.never_shut(stage, "orders_a"),
            *judge.nobody_was_refused(stage, seen),
        ]


def stranger(stage: Stage, screen: Screen) -> list[Check]:
    """A pod that nobody declared is connected as the old role. Blocked and named; goes on when it ends."""
    address = _open_night_report(stage)
    before, pods, verifier = picture.take(stage), judge.running(stage), stage.database.password_of("orders_a")
    with watching(stage.kubectl) as seen:
        ask_for_rotation(stage.kubectl, NAME)

        def named(rotation: dict[str, Any]) -> bool:
            told = json.dumps(rotation.get("status", {}).get("blockers", []))
            return "night-report" in told or address in told

        until(seen, NAME, named, seconds=90, screen=screen)
        screen.say(f"It stays blocked for {HOLD:.0f} s; then the stranger is ended.")
        pause(HOLD)
        held, still = phase_of(seen.rotation(NAME)), picture.take(stage)
        stage.kubectl("delete", "pod", "night-report", "-n", SHOP, "--wait=true")
        rotation = until(seen, NAME, ended, seconds=420, screen=screen)
        return [
            Check("while the stranger was connected, nothing moved", held == "Preflight", held),
            judge.as_before(before, still),
            *judge.completed(stage, seen, rotation, verifier),
            *judge.restarts(pods, judge.running(stage)),
            *judge.nobody_was_refused(stage, seen),
            *judge.order(stage, seen, rotation),
        ]


def empty_value(stage: Stage, screen: Screen) -> list[Check]:
    """Somebody writes an empty value: into the plan, then into the Secret. Refused, and nothing is made of it."""
    try:
        _patch(stage, f"rotationplan/{PLAN}", {"spec": {"secret": {"keys": {"DATABASE_URL": ""}}}})
        refused = ""
    except Trouble as trouble:
        refused = str(trouble).strip().splitlines()[-1]
    before, pods = picture.take(stage), judge.running(stage)
    with watching(stage.kubectl) as seen:
        _patch(stage, "secret/orders-db", {"data": {"DATABASE_URL": ""}})
        ask_for_rotation(stage.kubectl, NAME)
        until(seen, NAME, lambda rotation: bool(rotation.get("status", {}).get("blockers")), seconds=60, screen=screen)
        reasons = [blocker["reason"] for blocker in seen.rotation(NAME)["status"]["blockers"]]
        held = phase_of(seen.rotation(NAME))
        _patch(stage, "secret/orders-db", {"data": {"DATABASE_URL": before.secret["data"]["DATABASE_URL"]}})
        _abort(stage)
        rotation = until(seen, NAME, ended, seconds=60, screen=screen)
        return [
            Check("the API server refused an empty template", bool(refused), refused[:160]),
            Check("the rotation stayed in Preflight", held == "Preflight", f"{held}: {', '.join(reasons)}"),
            Check("it ended without a change", phase_of(rotation) == "RolledBack", phase_of(rotation)),
            Check("no pod was restarted", pods == judge.running(stage)),
            judge.as_before(before, picture.take(stage)),
            judge.never_shut(stage, "orders_a"),
            *judge.nobody_was_refused(stage, seen),
        ]


def unplug(stage: Stage, screen: Screen) -> list[Check]:
    """The backend cannot be reached in the middle. Keyturn waits, resumes, and does not roll back."""
    pods, verifier = judge.running(stage), stage.database.password_of("orders_a")
    with watching(stage.kubectl) as seen:
        ask_for_rotation(stage.kubectl, NAME)
        until(seen, NAME, reached("Soak"), seconds=240, screen=screen)
        quiet = stage.witnesses.count().unreachable
        screen.say("Unplugged: the database's Service leads nowhere.")
        _patch(stage, "service/postgres", {"spec": {"selector": {"app": "nobody"}}})
        until(seen, NAME, lambda r: "Unreachable" in str(r.get("status", {})), seconds=90, screen=screen)
        pause(HOLD)
        waiting = phase_of(seen.rotation(NAME))
        _patch(stage, "service/postgres", {"spec": {"selector": {"app": "postgres"}}})
        screen.say("Plugged in again.")
        pause(HOLD)
        outage = stage.witnesses.count().unreachable
        rotation = until(seen, NAME, ended, seconds=300, screen=screen)
        phases = seen.phases(NAME)
        return [
            Check("every login was answered until then", quiet == 0, f"{quiet} were not"),
            Check("it waited while unplugged", waiting == "Soak", waiting),
            Check("it did not roll back", "Enable" not in phases, " ".join(phases)),
            *judge.completed(stage, seen, rotation, verifier),
            *judge.restarts(pods, judge.running(stage)),
            *judge.nobody_was_refused(stage, seen, unanswered=outage),
            *judge.order(stage, seen, rotation),
        ]


SCENES: Mapping[str, Callable[[Stage, Screen], list[Check]]] = {
    "crashloop": crashloop,
    "overridden": overridden,
    "wrong-system": wrong_system,
    "clone": clone,
    "stranger": stranger,
    "empty-value": empty_value,
    "unplug": unplug,
}


def _rolled_back(stage: Stage, seen: Seen, rotation: dict[str, Any], reason: str) -> list[Check]:
    status = rotation["status"]
    new, turned = status["newId"], status.get("turnedBack", {}).get("reason", "")
    roles, phases = stage.database.roles(), seen.phases(NAME)
    shut = not roles.get(new, {}).get("login", False)
    return [
        Check("the Rotation is RolledBack", phase_of(rotation) == "RolledBack", phase_of(rotation)),
        Check("by itself, for this reason", turned == reason, turned),
        Check("Disable was never reached", "Disable" not in phases, " ".join(phases)),
        judge.never_shut(stage, status["oldId"]),
        Check(f"{new} cannot log in and has no session", shut and stage.database.sessions(new) == 0),
    ]


def _patch(stage: Stage, what: str, patch: Mapping[str, Any]) -> None:
    stage.kubectl("patch", what, "-n", SHOP, "--type=merge", "-p", json.dumps(patch))


def _shorten_roll(stage: Stage) -> None:
    _patch(stage, f"rotationplan/{PLAN}", {"spec": {"rollout": {"progressDeadline": "40s"}}})


def _abort(stage: Stage) -> None:
    _patch(stage, f"rotation/{NAME}", {"spec": {"abort": True}})


def _pin_old_url(stage: Stage) -> None:
    """A file that exports today's URL, and a template that reads it before the program starts."""
    stage.kubectl.secret(SHOP, "pinned", {"env": f"export DATABASE_URL='{stage.passwords.url()}'\n"})
    container = {
        "name": "api",
        "command": ["sh", "-c", ". /etc/pinned/env; exec python3 -m shop.api"],
        "args": [],
        "volumeMounts": [{"name": "pinned", "mountPath": "/etc/pinned"}],
    }
    volumes = [{"name": "pinned", "secret": {"secretName": "pinned"}}]
    template = {"spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}}}
    stage.kubectl("patch", "deployment/orders-api", "-n", SHOP, "--type=strategic", "-p", json.dumps(template))
    settled(stage.kubectl, "orders-api")


def _open_night_report(stage: Stage) -> str:
    """Start the pod that nobody declared, and return its address."""
    kubectl = stage.kubectl
    kubectl.secret(SHOP, "night-report", {"url": stage.passwords.url()})
    container = {
        "name": "report",
        "image": "keyturn/demo:dev",
        "args": ["shop.stranger"],
        "env": [{"name": "REPORT_URL", "valueFrom": {"secretKeyRef": {"name": "night-report", "key": "url"}}}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 10009, "seccompProfile": {"type": "RuntimeDefault"}}
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "night-report", "namespace": SHOP},
            "spec": {"containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 5},
        }
    )
    kubectl("wait", "pod/night-report", "-n", SHOP, "--for=condition=Ready", "--timeout=60s")
    return kubectl.get("pod", "night-report", "-n", SHOP)["status"]["podIP"]
