"""Rotators with one mistake each are caught by the promise that their mistake breaks: else the promises are empty."""

from __future__ import annotations

import asyncio

import pytest

from support import broken_rotators
from support.broken_rotators import Rotator, carried_out, marks
from support.pods import Workload
from support.promises import Broken
from support.world import READER, World


def caught(rotator: Rotator, world: World) -> str:
    with pytest.raises(Broken) as broken:
        asyncio.run(carried_out(world, rotator))
    return str(broken.value)


def test_who_deletes_first_takes_the_credential_from_pods_that_hold_it() -> None:
    assert "I3: disable of orders_a" in (told := caught(broken_rotators.deletes_first, World()))
    assert "while api-" in told


def test_who_verifies_nothing_takes_it_from_the_pod_that_nobody_restarted() -> None:
    world = World()
    world.cluster.workloads[READER] = Workload(READER, 1, reads_file_once=True)
    world.cluster.fleet.move()
    told = caught(broken_rotators.verifies_nothing, world)
    assert "I3: disable of orders_a" in told
    assert "while reader-" in told


def test_who_writes_into_another_namespace_takes_it_from_everybody() -> None:
    told = caught(broken_rotators.writes_elsewhere, World())
    assert "I3: disable of orders_a" in told
    assert " holds it" in told


def test_whose_mark_is_the_second_loses_a_restart_and_takes_it_from_the_pods_that_kept_it() -> None:
    told = caught(broken_rotators.stamps_the_second, World())
    assert "I3: disable of orders_a" in told
    assert "while api-" in told


def test_who_restarts_everything_differs_from_a_run_without_faults() -> None:
    calm, world = World(), World()
    calm.ask_for_rotation()
    calm.run(400)
    assert calm.phase == "Complete"
    asyncio.run(carried_out(world, broken_rotators.restarts_everything))
    # It harms nobody here, so no promise is broken: only the comparison shows the restart that nobody needed.
    different = {name for name, mark in marks(world).items() if mark != marks(calm)[name]}
    assert different == {"worker"}
