"""Whom a roll restarts, and when: only what is stale, so many at a time, and never over somebody else's rollout."""

from __future__ import annotations

import pytest

from keyturn.core.model import ConsumerRef
from support.moments import completes, in_phase
from support.pods import Template, Workload
from support.world import API, World

OTHERS = [ConsumerRef("Deployment", "shop", name) for name in ("billing", "mail")]


def unfinished(world: World) -> list[str]:
    """Workloads with our mark whose rollout is not over, terminating pods included."""
    return [
        ref.name
        for ref, w in world.cluster.workloads.items()
        if w.template.mark is not None and (len(w.pods) != w.replicas or len(w.current) != w.replicas)
    ]


def test_consumers_roll_one_after_the_other_each_to_its_last_old_pod() -> None:
    world = World()
    for ref in OTHERS:
        world.cluster.workloads[ref] = Workload(ref, 2, grace=3)
    for _ in range(5):
        world.cluster.fleet.move()
    at_once: list[int] = []
    world.happenings.append(lambda w: at_once.append(len(unfinished(w))))
    in_phase("Roll", world)
    completes(world)
    assert max(at_once) == 1
    assert all(world.cluster.workloads[ref].template.mark == 1 for ref in (API, *OTHERS))


@pytest.mark.fm(28)
def test_a_consumer_whose_pods_all_prove_the_new_value_already_is_left_alone() -> None:
    world = in_phase("Roll")
    for pod in world.cluster.workloads[API].pods:
        world.cluster.fleet.start_container(world.cluster.workloads[API], pod)
    world.cluster.fleet.move()
    completes(world)
    assert world.cluster.workloads[API].template.mark is None


@pytest.mark.fm(19)
def test_a_rollout_that_somebody_else_began_is_let_finish_first() -> None:
    world = in_phase("Stage")
    workload = world.cluster.workloads[API]
    workload.grace = 4
    settled_when: list[int] = []

    def note(kind: str, _about: str) -> None:
        if kind == "restart":
            settled_when.append(len(workload.pods))

    world.board.after_write = note
    workload.edit(Template(None, "shop:2"))
    world.cluster.fleet.move()
    assert len(workload.pods) > workload.replicas
    completes(world)
    assert set(settled_when) <= {workload.replicas}
    assert workload.template.image == "shop:2"
