"""What nobody can tell is waited for, what is refused is not: neither may be taken for the other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from keyturn.core.model import Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied
from support.moments import ENOUGH, completes, goes_back, in_phase, stays
from support.promises import Broken
from support.world import World


def shows(world: World, id_: str, trial: Trial) -> None:
    """A login with this credential ends so, whatever is really so."""
    test = world.provider.test

    async def shown(credential: Credential) -> Trial:
        return trial if credential.id == id_ else await test(credential)

    world.provider.test = shown  # type: ignore[method-assign]


def shows_truth(world: World) -> None:
    del world.provider.test  # type: ignore[attr-defined]


@pytest.mark.fm(11)
def test_while_an_endpoint_does_not_know_the_new_credential_it_is_waited_for_and_not_made_anew() -> None:
    world = in_phase("Create")
    world.provider.lagging.add("orders_b")
    stays(world, "Create", looks=10)
    assert "write-secret" not in world.board.writes
    assert len(world.provider.minted) == 1
    world.provider.lagging.clear()
    completes(world)


@pytest.mark.fm(11, 54)
def test_an_endpoint_that_cannot_be_reached_is_no_working_one() -> None:
    world = in_phase("Create")
    shows(world, "orders_b", Trial.DOWN)
    stays(world, "Create", looks=40)
    shows_truth(world)
    completes(world)


@pytest.mark.fm(10)
def test_a_new_credential_that_lacks_rights_goes_back_before_anybody_sees_it() -> None:
    world = in_phase("Create")
    world.provider.lacking.add("orders_b")
    goes_back(world)
    assert world.cluster.secret_writers["url"] != "keyturn"
    assert "restart" not in world.board.writes


@pytest.mark.fm(7)
def test_a_backend_that_refuses_to_make_the_new_credential_ends_the_rotation_with_nothing_rolled() -> None:
    world = in_phase("Create")
    tried: list[int] = []

    async def refused(*_words: object) -> None:
        await asyncio.sleep(0)
        tried.append(1)
        raise Denied("PasswordPolicy", "the backend refuses the value")

    world.provider.ensure = refused  # type: ignore[method-assign]
    goes_back(world)
    assert world.cluster.secret_writers["url"] != "keyturn"
    assert 0 < len(tried) < 100
    assert len(world.provider.minted) == 1


@pytest.mark.fm(54)
@pytest.mark.parametrize("phase", ["Roll", "Soak"])
def test_an_endpoint_that_goes_down_after_stage_is_no_refusal(phase: str) -> None:
    world = in_phase(phase)
    shows(world, "orders_b", Trial.DOWN)
    world.run(20, until=lambda _world: False)
    assert world.rotation_status.turned_back is None
    shows_truth(world)
    completes(world)


@pytest.mark.fm(37)
@pytest.mark.parametrize("phase", ["Soak", "Watch"])
def test_a_new_credential_that_the_backend_refuses_after_stage_goes_back(phase: str) -> None:
    world = in_phase(phase)
    shows(world, "orders_b", Trial.REFUSED)
    world.run(20, until=lambda w: w.rotation_status.turned_back is not None)
    assert world.rotation_status.turned_back is not None
    assert world.rotation_status.turned_back.reason == "NewCredentialRefused"
    assert world.backend.roles["orders_a"].enabled or world.phase == "Enable"


def test_after_disable_the_new_credential_must_be_seen_to_work() -> None:
    world = in_phase("Disable")
    shows(world, "orders_b", Trial.DOWN)
    stays(world, "Disable", looks=20)
    shows_truth(world)
    completes(world)


@pytest.mark.parametrize("trial", [Trial.DOWN, Trial.LACKING])
def test_a_login_that_fails_for_another_reason_does_not_show_that_it_is_disabled(trial: Trial) -> None:
    world = in_phase("Disable")
    shows(world, "orders_a", trial)
    stays(world, "Disable", looks=20)
    shows_truth(world)
    completes(world)


@pytest.mark.fm(12, 15)
@pytest.mark.parametrize("holds", ["nothing", "another value"])
def test_a_secret_that_holds_neither_credential_is_not_staged(holds: str) -> None:
    world = in_phase("Stage")
    if holds == "nothing":
        world.cluster.delete_secret()
    else:
        world.cluster.edit_secret({"url": Sealed("postgresql://orders_x:another-value@db.shop.svc:5432/shop")}, "ann")
    world.run(10, until=lambda _world: False)
    assert "Roll" not in world.phases
    assert "restart" not in world.board.writes
    assert world.backend.roles["orders_a"].enabled


@pytest.mark.fm(53)
@pytest.mark.parametrize("phase", ["Roll", "Soak", "Watch"])
def test_nobody_is_late_or_blamed_for_the_time_in_which_the_backend_was_away(phase: str) -> None:
    world = in_phase(phase)
    if phase == "Roll":
        world.run(2, until=lambda _world: False)  # the restart is written, and the rollout cannot go on
    world.backend.down = True
    stays(world, phase, looks=60)
    world.backend.down = False
    completes(world)
    assert world.rotation_status.turned_back is None
    assert world.phases.count("Roll") == 1


@pytest.mark.fm(45)
@pytest.mark.parametrize("phase", ["Soak", "Watch"])
def test_a_day_without_a_look_is_no_quiet_day(phase: str) -> None:
    world = in_phase(phase)
    world.run(1, until=lambda _world: False)
    world.clock.true += timedelta(days=1)
    completes(world)  # the promises count for themselves how long it was seen quiet


@pytest.mark.fm(31, 32)
@pytest.mark.parametrize("sight", ["used", "unknown"])
def test_time_in_which_it_was_used_or_nobody_could_tell_is_no_quiet_time(sight: str) -> None:
    world = in_phase("Soak")
    value = world.backend.roles["orders_a"].value
    for _ in range(5):
        world.run(1, until=lambda _world: False)
        if sight == "unknown":
            world.backend.blind = True
        port = world.backend.login("orders_a", value, "10.9.9.9") if sight == "used" else None
        world.run(1, until=lambda _world: False)
        world.backend.blind = False
        world.backend.hang_up(port or 0)
    completes(world)


@pytest.mark.fm(56)
@pytest.mark.parametrize("phase", ["Roll", "Watch"])
def test_a_phase_that_a_newer_version_wrote_stops_everything_and_is_not_overwritten(phase: str) -> None:
    world = in_phase(phase)
    record = world.cluster.the_rotations["orders-1"]
    newer = record.status.model_copy(update={"phase": "Quarantine"})
    world.cluster.the_rotations["orders-1"] = replace(record, status=newer)
    before = len(world.board.writes)
    world.restart_operator()
    world.run(20, until=lambda _world: False)
    assert set(world.board.writes[before:]) <= {"save-rotation"}  # says that it stopped, and does nothing
    assert world.phase == "Quarantine"


def test_a_value_that_somebody_writes_in_the_middle_of_a_look_is_not_written_over() -> None:
    world = in_phase("Stage")
    theirs = Sealed("postgresql://orders_x:another-value@db.shop.svc:5432/shop")

    async def before(point: str) -> None:
        await asyncio.sleep(0)
        if point.startswith("arm"):
            world.cluster.edit_secret({"url": theirs}, "ann")

    world.board.before_write = before
    world.run(1, until=lambda _world: False)
    assert world.cluster.secret_data["url"] == theirs


def test_the_promise_about_quiet_time_is_not_empty() -> None:
    world = in_phase("Soak")
    world.soak = timedelta(hours=1)  # what the promise asks for, and the plan does not
    with pytest.raises(Broken, match="I3: Disable entered"):
        world.run(ENOUGH)
