"""SIGKILL of the operator that leads, at ten points of a rotation: another takes over, and the outcome is the same."""

from __future__ import annotations

import pytest

from keyturn_dev.cluster.shell import pause, wait_until
from keyturn_dev.demo import judge
from keyturn_dev.demo.killing import POINTS, Killer
from keyturn_dev.demo.play import ended, reached
from support.real_shop import Shop

from .conftest import assert_all

pytestmark = pytest.mark.e2e


@pytest.mark.fm(1, 2, 22, 61)
def test_an_operator_killed_at_any_of_ten_points_changes_nothing_in_the_outcome(shop: Shop) -> None:
    # Given a rotation that has time enough, however often somebody new takes over
    scene = shop.scene("killed", hurry=False)
    scene.patch("rotationplan/orders-db", {"spec": {"rollout": {"progressDeadline": "10m"}}})
    before, pods = scene.picture(), scene.pods()
    killer = Killer(shop.stage.kubectl)
    # When the leader is killed at each of these points
    scene.ask()
    for point in POINTS:
        scene.until(reached(point.phase), seconds=180)
        assert wait_until(lambda: bool(killer.leader()), timeout=60, every=0.2), "nobody took over"
        pause(point.seconds)
        killer.kill_leader(at=scene.phase())
    rotation = scene.until(ended, seconds=240)
    # Then it ends as if nothing had happened
    assert len(killer.killed) == len(POINTS)
    checks = [
        *judge.completed(scene, rotation),
        *judge.restarts(scene, pods),
        judge.decoy_untouched(scene, before),
        *judge.nobody_was_refused(scene),
        *judge.order(scene, rotation),
    ]
    assert_all(checks)
    assert "Enable" not in scene.phases()
