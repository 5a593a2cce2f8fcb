"""Once the old credential is off: who brings it back, who cannot, and what stays open whatever is paused or frozen."""

from __future__ import annotations

import pytest

from support.moments import ENOUGH, backend_writes, completes, goes_back, in_phase, stays
from support.world import API, OLD_URL, World


def missed_by_a_pod(world: World) -> None:
    """A pod of a known consumer tries the old value, and is refused."""
    value = world.known_values[0]
    assert world.backend.login("orders_a", value, world.cluster.workloads[API].pods[0].address) is None


@pytest.mark.fm(31, 34)
def test_a_known_consumer_that_misses_the_old_credential_gets_it_back_at_the_next_look() -> None:
    world = in_phase("Watch")
    missed_by_a_pod(world)
    seen = world.clock.true
    world.run(ENOUGH, until=lambda w: w.backend.roles["orders_a"].enabled)
    assert (world.clock.true - seen).total_seconds() <= 5
    world.run(1, until=lambda _world: False)
    assert world.rotation_status.reopened
    completes(world)
    assert world.phases.count("Watch") == 2


@pytest.mark.fm(34)
def test_missed_a_second_time_it_pauses_with_both_open() -> None:
    world = in_phase("Watch")
    missed_by_a_pod(world)
    world.run(ENOUGH, until=lambda w: w.backend.roles["orders_a"].enabled)
    world.run(ENOUGH, until=lambda w: w.phase == "Watch")
    missed_by_a_pod(world)
    world.run(20, until=lambda _world: False)
    assert world.rotation_status.paused is not None
    assert world.backend.roles["orders_a"].enabled
    assert world.backend.roles["orders_b"].enabled


def test_a_stranger_who_tries_the_old_value_has_no_way_back_and_no_veto() -> None:
    world = in_phase("Watch")
    world.run(1, until=lambda _world: False)
    assert world.backend.login("orders_a", world.known_values[0], "10.9.9.9") is None
    completes(world)
    assert "enable" not in world.board.writes
    assert world.phases.count("Watch") == 1


@pytest.mark.fm(13)
def test_an_old_value_put_back_into_the_secret_after_disable_opens_sessions_at_once() -> None:
    world = in_phase("Watch")
    world.cluster.edit_secret({"url": OLD_URL}, "argocd")
    world.run(2, until=lambda w: w.backend.roles["orders_a"].enabled)
    assert world.backend.roles["orders_a"].enabled
    completes(world)


@pytest.mark.fm(13)
def test_a_writer_who_insists_after_disable_finds_both_credentials_open() -> None:
    world = in_phase("Watch")
    world.gitops_holds = OLD_URL
    world.run(60, until=lambda _world: False)
    assert world.rotation_status.paused is not None
    assert "argocd" in world.rotation_status.paused.message
    assert world.backend.roles["orders_a"].enabled
    assert world.backend.roles["orders_b"].enabled
    assert world.board.writes.count("write-secret") <= 3
    world.gitops_holds = None
    world.abort()
    goes_back(world)


@pytest.mark.fm(37)
def test_an_old_credential_that_is_open_again_is_closed_and_watched_before_it_is_deleted() -> None:
    world = in_phase("Watch")
    world.backend.switch("orders_a", enabled=True, who="somebody")
    completes(world)
    assert world.board.writes.count("disable") == 2


@pytest.mark.fm(37, 40)
def test_an_old_credential_that_is_open_again_in_delete_is_closed_before_it_is_deleted() -> None:
    world = in_phase("Delete")
    world.backend.switch("orders_a", enabled=True, who="somebody")
    completes(world)
    assert world.board.writes.count("disable") == 2


@pytest.mark.fm(43)
@pytest.mark.parametrize("frozen", ["", "the cluster is frozen"])
@pytest.mark.parametrize("phase", ["Roll", "Soak"])
def test_an_old_credential_closed_before_its_time_is_opened_even_under_a_freeze(phase: str, frozen: str) -> None:
    world = in_phase(phase)
    world.cluster.frozen_by = frozen
    world.backend.switch("orders_a", enabled=False, who="somebody")
    world.run(3, until=lambda w: w.backend.roles["orders_a"].enabled)
    assert world.backend.roles["orders_a"].enabled
    assert set(backend_writes(world)) == {"ensure", "enable"}
    world.cluster.frozen_by = ""
    completes(world)


@pytest.mark.parametrize("phase", ["Create", "Stage", "Disable", "Delete"])
def test_a_freeze_holds_the_first_write_of_a_phase_that_was_just_entered(phase: str) -> None:
    world = in_phase(phase)
    world.cluster.frozen_by = "the cluster is frozen"
    before = [w for w in world.board.writes if not w.startswith("save-")]
    stays(world, phase, looks=10)
    assert [w for w in world.board.writes if not w.startswith("save-")] == before
    world.cluster.frozen_by = ""
    completes(world)


def test_a_freeze_lets_no_phase_begin_that_changes_something() -> None:
    world = in_phase("Soak")
    world.cluster.frozen_by = "the cluster is frozen"
    stays(world, "Soak", "Approve", looks=60)
    world.cluster.frozen_by = ""
    completes(world)


def test_one_retry_forgives_one_pause_and_no_later_one() -> None:
    world = in_phase("Watch")
    for round_ in (0, 1):
        if round_:
            world.run(ENOUGH, until=lambda w: w.phase == "Watch")
        missed_by_a_pod(world)
        world.run(ENOUGH, until=lambda w: w.backend.roles["orders_a"].enabled)
    world.run(3, until=lambda _world: False)
    assert world.rotation_status.paused is not None
    world.cluster.edit_rotation("orders-1", retry=1)
    world.run(3, until=lambda _world: False)
    assert world.rotation_status.paused is None
    world.cluster.edit_rotation("orders-1", pause=True)
    world.run(3, until=lambda _world: False)
    stays(world, world.phase, looks=20)
    assert world.rotation_status.paused is not None


@pytest.mark.fm(58)
def test_once_in_delete_an_abort_changes_nothing() -> None:
    world = in_phase("Delete")
    world.abort()
    completes(world)
    assert "enable" not in world.board.writes


@pytest.mark.fm(24)
def test_a_pod_nobody_listed_that_appears_in_delete_is_seen_before_the_write() -> None:
    world = in_phase("Delete")
    world.cluster.add_bystander(OLD_URL)
    world.run(20, until=lambda _world: False)
    assert "delete" not in world.board.writes
    world.cluster.bystanders.clear()
    completes(world)


@pytest.mark.fm(37, 43)
@pytest.mark.parametrize("mode", ["Graceful", "Availability", "Containment"])
def test_an_old_credential_that_somebody_opens_in_watch_is_closed_and_watched_anew(mode: str) -> None:
    """While it is open, whoever still needs it is not refused: that time says nothing."""
    world = in_phase("Watch", World(request={"planRef": {"name": "orders"}, "mode": mode}))
    world.run(3, until=lambda _world: False)
    world.backend.switch("orders_a", enabled=True, who="somebody")
    opened = world.clock.true
    world.run(3, until=lambda _world: False)
    assert not world.backend.roles["orders_a"].enabled
    world.run(ENOUGH, until=lambda w: w.phase == "Delete")
    assert world.clock.true - opened >= world.watch
    completes(world)


@pytest.mark.fm(37)
def test_a_new_credential_that_the_backend_forgets_in_delete_is_made_again_from_escrow() -> None:
    """There is no way back from here: pods that hold it would be locked out for good."""
    world = in_phase("Delete")
    del world.backend.roles["orders_b"]
    world.backend.switch("orders_a", enabled=True, who="somebody")
    completes(world)
    assert world.board.writes.count("ensure") == 2
