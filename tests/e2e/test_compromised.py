"""A credential that somebody else may know, on a real cluster and a real server: kept available, or contained."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keyturn_dev.demo import judge
from keyturn_dev.demo.database import first_shut
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.play import ended
from keyturn_dev.demo.scene import Scene
from support.real_shop import Shop

from .conftest import assert_all

pytestmark = pytest.mark.e2e


def test_availability_cuts_nobody_off_and_the_old_role_only_after_every_pod_proved(shop: Shop) -> None:
    scene = shop.scene("available")
    before, pods = scene.picture(), scene.pods()
    scene.ask("Availability")
    rotation = scene.until(ended, seconds=420)
    assert_all(
        [
            *judge.completed(scene, rotation),
            *judge.restarts(scene, pods),
            judge.decoy_untouched(scene, before),
            *judge.nobody_was_refused(scene),
        ]
    )
    assert not {"Soak", "Enable"} & set(scene.phases())


def test_containment_refuses_the_old_role_first_and_all_pods_end_with_the_new_one(shop: Shop) -> None:
    # Given a role that is in use
    scene = shop.scene("contained")
    before = scene.picture()
    # When it is contained
    asked = datetime.now(UTC)  # noqa: TID251 - compared with the times in the database's log
    scene.ask("Containment")
    rotation = scene.until(ended, seconds=420)
    # Then it is refused before anything else is changed, for good, and every pod proves the new one
    shut = first_shut(scene.database.log(), scene.old, since=scene.since)
    assert shut is not None
    assert_all([*judge.completed(scene, rotation), judge.decoy_untouched(scene, before)])
    phases = scene.phases()
    assert phases.index("Create") < phases.index("Stage") < phases.index("Roll")
    assert "Enable" not in phases
    staged = next(entry["at"] for entry in rotation["status"]["history"] if entry["phase"] == "Stage")
    assert shut < datetime.fromisoformat(staged)
    assert "It was refused" in said_why(scene)
    seconds = (shut - asked).total_seconds()
    print(f"\ntime to refusal: {seconds:.1f} s after it was asked for")  # noqa: T201 - a figure for the reader, no claim


def said_why(scene: Scene) -> str:
    argv = [str(Path(sys.executable).parent / "kubectl-keyturn"), "why", scene.name, "-n", SHOP]
    environment = os.environ | scene.stage.kubectl.cluster.environment()
    return subprocess.run(argv, env=environment, capture_output=True, check=True, timeout=60, text=True).stdout
