"""The scene that ends well."""

from __future__ import annotations

from keyturn_dev.demo import judge
from keyturn_dev.demo.play import ended
from keyturn_dev.demo.scene import Scene
from keyturn_dev.demo.screen import Check


def rotate(scene: Scene) -> list[Check]:
    """A rotation from beginning to end, while the witnesses never stop logging in."""
    before, pods = scene.picture(), scene.pods()
    scene.ask()
    rotation = scene.until(ended, seconds=420)
    went_on = judge.logins_go_on(scene, scene.new)
    return [
        *judge.completed(scene, rotation),
        *judge.restarts(scene, pods),
        judge.decoy_untouched(scene, before),
        *judge.nobody_was_refused(scene),
        went_on,
        *judge.order(scene, rotation),
    ]
