"""The scenes of the other backends, played on the real cluster beside PostgreSQL's: one shop, one Keyturn.

One backend after the other is set up, plays its scenes, and is taken away again, in a thread of their own: two shops at
a time are what two cores can carry. What a scene promises is asked of it later, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from io import StringIO

from rich.console import Console

from keyturn_dev.cluster.shell import Trouble
from keyturn_dev.demo import breaks, scenes
from keyturn_dev.demo.part import SHOP, Part
from keyturn_dev.demo.parts.mariadb import MARIADB
from keyturn_dev.demo.parts.rabbitmq import RABBITMQ, RabbitmqServer
from keyturn_dev.demo.parts.redis import REDIS
from keyturn_dev.demo.scene import Play, Scene
from keyturn_dev.demo.screen import Check
from keyturn_dev.demo.stage import Stage, empty_stage, open_programs, open_server
from support.real_shop import Shop


def _refused_by_mariadb(stage: Stage) -> bool:
    """Locked, and its password is nobody's."""
    as_the_old_account = ("--user=stock_a", f"--password={stage.passwords.current}")
    words = ["mariadb", "--no-defaults", "--host=127.0.0.1", "--ssl", *as_the_old_account, "-e", "SELECT 1"]
    try:
        stage.kubectl.exec(SHOP, "mariadb-0", "mariadb", words)
    except Trouble as trouble:
        return "1045" in str(trouble)
    return False


def _refused_by_redis(stage: Stage) -> bool:
    as_the_old_user = ("--user", "basket_a", "--pass", stage.passwords.current)
    words = ["redis-cli", "--no-auth-warning", "--tls", "--insecure", *as_the_old_user, "PING"]
    return stage.kubectl.exec(SHOP, "redis-0", "redis", words).strip() == "NOAUTH Authentication required."


def _without_a_password_at_rabbitmq(stage: Stage) -> bool:
    assert isinstance(stage.server, RabbitmqServer)
    return stage.server.accounts()["post_a"].stored == ""


OTHERS: Mapping[Part, Callable[[Stage], bool]] = {  # with a way to see that the first value opens nothing any more
    MARIADB: _refused_by_mariadb,
    REDIS: _refused_by_redis,
    RABBITMQ: _without_a_password_at_rabbitmq,
}


def rotate(scene: Scene) -> list[Check]:
    """The one that ends well; it is the first, so the old value is the one that the stage was set with."""
    checks = scenes.rotate(scene)
    return [*checks, Check("the old value opens nothing any more", OTHERS[scene.part](scene.stage))]


SCENES: Mapping[str, Play] = {"happy": rotate, "aborted": breaks.aborted, "taken-away": breaks.taken_away}


class Backend:
    """One of them, from its server's start to its end."""

    def __init__(self, shop: Shop, part: Part, lane: Executor) -> None:
        self._words = StringIO()
        self._shop = lane.submit(self._opened, shop, part)
        self._scenes = {name: lane.submit(self._play, name, play) for name, play in SCENES.items()}
        self._closed = lane.submit(self._close)

    def checks(self, name: str) -> list[Check]:
        """What a scene promised and what was seen, when it is over. Raises what went wrong."""
        try:
            return self._scenes[name].result()
        finally:
            print(self._words.getvalue())  # noqa: T201 - shown where a test fails

    def end(self) -> None:
        """Begin no other scene, and wait until everything of it is taken away. Raises what went wrong at that."""
        for scene in self._scenes.values():
            scene.cancel()
        self._closed.result()

    def _opened(self, shop: Shop, part: Part) -> Shop:
        stage = empty_stage(shop.stage.kubectl, part)
        open_server(stage)
        open_programs(stage)
        return replace(shop, stage=stage, console=Console(file=self._words, highlight=False))

    def _play(self, name: str, play: Play) -> list[Check]:
        return play(self._shop.result().scene(name))

    def _close(self) -> None:
        stage = self._shop.result().stage
        kubectl, part = stage.kubectl, stage.part
        kubectl("delete", "rotationplan", part.plan, "-n", SHOP, "--wait=true", timeout=120)
        programs = (f"deployment/{name}" for name in (*part.names, part.decoy))
        kubectl("delete", "-n", SHOP, *programs, f"statefulset/{part.name}", "--wait=true")
