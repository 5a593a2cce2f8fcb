"""Who is told to reload, and of which generation: forward of the staged one, going back of the fresh one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from keyturn.core.effects import RefreshMounts
from keyturn.core.model import ConsumerRef, ObjectKey, Observation, Policy, Problem, Rotation
from keyturn.ports import Escrow, PlanRecord, PodRecord
from keyturn.reconciler.act import Actor
from keyturn.reconciler.observe import Sight
from keyturn.reconciler.scene import Scene
from support.plan_records import plan_record, pod_record

BACK = Problem("Aborted", "somebody asked")


class Hands:
    """Cluster and probes, as far as files are refreshed; in the order in which they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    async def touch(self, pod: PodRecord, _plan: ObjectKey, generation: int) -> None:
        self.asked.append(("touch", pod.uid, generation))

    async def reload(self, _plan: PlanRecord, pods: Sequence[PodRecord], generation: int) -> None:
        self.asked.extend(("reload", pod.uid, generation) for pod in pods)


def pod(consumer: str, *, terminating: bool = False) -> PodRecord:
    made = pod_record(uid=f"{consumer}{'-leaving' if terminating else ''}", terminating=terminating)
    return replace(made, consumer=ConsumerRef("Deployment", "shop", consumer))


@pytest.mark.parametrize(("turned_back", "generation"), [(None, 4), (BACK, 5)], ids=["forward", "going back"])
async def test_pods_that_are_behind_are_told_after_their_files_were_refreshed(
    turned_back: Problem | None, generation: int
) -> None:
    """Going back, told of the former generation, an app that was told of it already would keep the new value."""
    hands = Hands()
    rotation = Rotation(
        "r", "orders-1", ObjectKey("shop", "orders-db"), Policy(), generation=4, turned_back=turned_back
    )
    scene = Scene(plan_record(), cast("Any", None), rotation, cast("Any", None), cast("Any", None), cast("Any", None))
    pods = (pod("api"), pod("proven"), pod("api", terminating=True))
    actor = Actor(cast("Any", hands), cast("Any", hands), cast("Any", None), lambda: 1)

    await actor.carry_out(
        RefreshMounts(("Deployment/api",)), scene, Sight(Observation(), pods=pods, escrow=Escrow({}, {}))
    )

    assert hands.asked == [("touch", "api", generation), ("reload", "api", generation)]
