"""One scene on an open shop: its Rotation, who serves when it begins, and all that is seen meanwhile."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keyturn_dev.demo import picture, play
from keyturn_dev.demo.database import Database
from keyturn_dev.demo.part import SHOP, Part, Server
from keyturn_dev.demo.picture import Picture
from keyturn_dev.demo.play import Seen, watching
from keyturn_dev.demo.screen import Check, Screen
from keyturn_dev.demo.stage import Stage
from keyturn_dev.demo.witnesses import Count, role_of

HOLD = 8.0  # seconds a scene goes on looking that nothing moves


@dataclass(frozen=True, slots=True)
class Scene:
    """What a scene has in its hands. `old` serves when it begins, `new` is the other slot."""

    stage: Stage
    screen: Screen
    seen: Seen
    name: str
    old: str
    new: str
    old_stored: str  # what the server stored as the old one's password
    counted: Count  # by the witnesses, before the scene began
    since: datetime

    @property
    def part(self) -> Part:
        """Whose shop it is."""
        return self.stage.part

    @property
    def server(self) -> Server:
        """Its server."""
        return self.stage.server

    @property
    def database(self) -> Database:
        """Its server, where that is PostgreSQL."""
        return self.stage.database

    def ask(self, mode: str = "Graceful") -> None:
        """Ask for the scene's rotation."""
        play.ask_for_rotation(self.stage.kubectl, self.part.plan, self.name, mode)

    def until(self, arrived: Callable[[dict[str, Any]], bool], *, seconds: float) -> dict[str, Any]:
        """Show the rotation until it has arrived there, and return it."""
        return play.until(self.seen, self.name, arrived, seconds=seconds, screen=self.screen)

    def count(self) -> Count:
        """What the witnesses of its own backend counted so far."""
        return self.stage.witnesses.count(self.part.slots)

    def phase(self) -> str:
        """Where the rotation is now."""
        return play.phase_of(self.seen.rotation(self.name))

    def phases(self) -> list[str]:
        """Where it has been."""
        return self.seen.phases(self.name)

    def picture(self) -> Picture:
        """Secret, roles and workloads now."""
        return picture.take(self.stage)

    def pods(self) -> dict[str, set[str]]:
        """UID and restart count of every consumer's pods now, by consumer."""
        found = dict[str, set[str]]()
        for name in self.part.names:
            pods = self.stage.kubectl.items("pods", "-n", SHOP, "-l", f"app={name}")
            found[name] = {f"{pod['metadata']['uid']} {_restarts(pod)}" for pod in pods}
        return found

    def patch(self, what: str, patch: Mapping[str, Any]) -> None:
        """Change an object of the shop, as a person would."""
        self.stage.kubectl("patch", what, "-n", SHOP, "--type=merge", "-p", json.dumps(patch))

    def shorten_roll(self) -> None:
        """Let a roll fail sooner than the demo's plan says."""
        self.patch(f"rotationplan/{self.part.plan}", {"spec": {"rollout": {"progressDeadline": "30s"}}})

    def lengthen_watch(self) -> None:
        """Leave time for something to happen in Watch, however slow the machine is."""
        self.patch(f"rotationplan/{self.part.plan}", {"spec": {"retire": {"watch": "2m"}}})

    def abort(self) -> None:
        """Ask the rotation to go back."""
        self.patch(f"rotation/{self.name}", {"spec": {"abort": True}})


Play = Callable[[Scene], list[Check]]


def _restarts(pod: dict[str, Any]) -> int:
    return sum(state["restartCount"] for state in pod["status"].get("containerStatuses", []))


def url_in_use(stage: Stage) -> str:
    """What the consumers' Secret holds now."""
    secret = stage.kubectl.get("secret", stage.part.plan, "-n", SHOP)
    return base64.b64decode(secret["data"][stage.part.key]).decode()


def begin(stage: Stage, screen: Screen, seen: Seen, name: str) -> Scene:
    """A scene that begins now."""
    old = role_of(url_in_use(stage))
    return Scene(
        stage=stage,
        screen=screen,
        seen=seen,
        name=name,
        old=old,
        new=next(slot for slot in stage.part.slots if slot != old),
        old_stored=stage.server.accounts()[old].stored,
        counted=stage.witnesses.count(stage.part.slots),
        since=datetime.now(UTC),  # noqa: TID251 - compared with the times in the database's log
    )


@contextmanager
def only_scene(stage: Stage, screen: Screen, name: str) -> Generator[Scene]:
    """A scene with a watch of its own."""
    with watching(stage.kubectl) as seen:
        yield begin(stage, screen, seen, name)
