"""The scenes: one that ends well, and those where something is broken on purpose. Each returns what must hold."""

from __future__ import annotations

from keyturn_dev.demo import judge, picture
from keyturn_dev.demo.play import ask_for_rotation, ended, until, watching
from keyturn_dev.demo.screen import Check, Screen
from keyturn_dev.demo.stage import Stage

NAME = "orders-db-demo"


def rotate(stage: Stage, screen: Screen) -> list[Check]:
    """A rotation from beginning to end, while the witnesses never stop logging in."""
    before, pods, verifier = picture.take(stage), judge.running(stage), stage.database.password_of("orders_a")
    with watching(stage.kubectl) as seen:
        ask_for_rotation(stage.kubectl, NAME)
        rotation = until(seen, NAME, ended, seconds=420, screen=screen)
        after = picture.take(stage)
        return [
            *judge.completed(stage, seen, rotation, verifier),
            *judge.restarts(pods, judge.running(stage)),
            judge.decoy_untouched(before, after),
            *judge.nobody_was_refused(stage, seen),
            *judge.order(stage, seen, rotation),
        ]
