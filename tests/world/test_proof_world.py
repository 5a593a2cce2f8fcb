"""What is no proof: each of these pods looks nearly right, and the old credential must not be taken away from it."""

from __future__ import annotations

import pytest

from keyturn.core.model import ConsumerRef
from support.memory_backend import Role
from support.moments import backend_writes, completes, in_phase, stays, url
from support.pods import Workload
from support.world import API, OLD_URL, READER, WORKER, World


def silent_consumer() -> World:
    """Its pods hold no connections, so only their probes can speak for them."""
    world = World()
    world.cluster.workloads[API].talks = False
    for pod in world.cluster.workloads[API].pods:
        if pod.port is not None:
            world.backend.hang_up(pod.port)
            pod.port = None
    return world


@pytest.mark.fm(25, 29)
@pytest.mark.parametrize("phase", ["Roll", "Soak", "Watch"])
def test_a_probe_that_falls_silent_is_waited_for_whatever_it_said_before(phase: str) -> None:
    world = in_phase(phase, silent_consumer())
    before = backend_writes(world)
    world.silent_pods.add("api")
    stays(world, *(("Roll", "Verify") if phase == "Roll" else (phase,)))
    assert backend_writes(world) == before
    world.silent_pods.clear()
    completes(world)


@pytest.mark.fm(29)
def test_silence_far_beyond_every_deadline_is_no_failure() -> None:
    world = in_phase("Roll")
    world.probes_silent = True
    stays(world, "Roll", "Verify", looks=90)
    assert world.rotation_status.turned_back is None
    world.probes_silent = False
    completes(world)


@pytest.mark.fm(23)
def test_one_pod_on_a_lost_node_is_unproven_whatever_its_brother_says() -> None:
    world = in_phase("Soak", silent_consumer())
    world.cluster.workloads[API].pods[-1].lost = True
    stays(world, "Soak")
    world.cluster.workloads[API].pods[-1].lost = False
    completes(world)


@pytest.mark.fm(23)
def test_accepting_the_loss_of_one_pod_accepts_no_other() -> None:
    world = in_phase("Soak", silent_consumer())
    lost, other = world.cluster.workloads[API].pods[:2]
    for pod in (lost, other):
        pod.lost, pod.ready = True, False
    world.cluster.edit_rotation("orders-1", accept_loss=[lost.uid])
    stays(world, "Soak")


@pytest.mark.fm(24)
@pytest.mark.parametrize("leaving", [None, 1000])
@pytest.mark.parametrize("phase", ["Roll", "Soak", "Watch"])
def test_a_pod_that_nobody_listed_is_waited_for_even_when_it_terminates(phase: str, leaving: int | None) -> None:
    world = in_phase(phase)
    before = backend_writes(world)
    world.cluster.add_bystander(OLD_URL)
    world.cluster.bystanders[0].leaving = leaving
    stays(world, "Roll", "Verify", *([phase] if phase != "Roll" else []), looks=60)
    assert backend_writes(world) == before
    world.cluster.bystanders.clear()
    completes(world)


@pytest.mark.parametrize("ref", [API, WORKER], ids=str)
def test_a_consumer_that_was_connected_must_show_a_new_session(ref: ConsumerRef) -> None:
    world = in_phase("Roll")
    world.cluster.workloads[ref].talks = False
    stays(world, "Roll", "Verify", looks=60)
    world.cluster.workloads[ref].talks = True
    completes(world)


def test_a_session_from_the_pods_address_that_is_not_the_pods_own_proves_nothing() -> None:
    world = in_phase("Roll")
    world.cluster.workloads[API].talks = False
    value = world.backend.roles["orders_b"].value

    def somebody_behind_the_same_address(world: World) -> None:
        for pod in world.cluster.workloads[API].pods:
            world.backend.login("orders_b", value, pod.address)

    world.happenings.append(somebody_behind_the_same_address)
    stays(world, "Roll", "Verify", looks=60)


@pytest.mark.fm(27)
def test_a_process_that_cannot_be_read_is_not_proved_by_its_file() -> None:
    world = World()
    for pod in list(world.cluster.workloads[API].pods):
        world.cluster.fleet.end(pod)
    del world.cluster.workloads[API]
    world.cluster.workloads[READER] = Workload(READER, 1, reads_file_once=True)
    world.cluster.fleet.move()
    world.cluster.fleet.move()
    world = in_phase("Roll", world)
    world.unsighted = True
    stays(world, "Roll", "Verify", looks=60)
    world.unsighted = False
    completes(world)


@pytest.mark.fm(27)
def test_an_app_that_read_its_file_once_is_restarted_although_its_file_is_new() -> None:
    world = World()
    world.cluster.workloads[READER] = Workload(READER, 1, reads_file_once=True, talks=False)
    world.cluster.fleet.move()
    world.cluster.fleet.move()
    world = in_phase("Roll", world)
    for pod in world.cluster.fleet.pods():
        world.cluster.fleet.refresh(pod)
    completes(world)
    assert world.cluster.workloads[READER].template.mark == 1


@pytest.mark.fm(30)
def test_a_pod_connected_as_both_is_not_proved_by_its_newer_session() -> None:
    world = in_phase("Roll")
    for pod in world.cluster.workloads[WORKER].pods:
        assert pod.port is not None
        pod.lingering, pod.port = [pod.port], None
    stays(world, "Roll", "Verify", looks=10)
    for pod in world.cluster.workloads[WORKER].pods:
        world.cluster.fleet.backend.hang_up(pod.lingering.pop())
    completes(world)


@pytest.mark.fm(28)
def test_a_pod_that_reads_the_old_value_again_after_its_proof_is_seen() -> None:
    world = in_phase("Soak", silent_consumer())
    world.cluster.workloads[API].pods[0].held = world.cluster.workloads[API].pods[0].held
    assert url(world, "orders_b") != OLD_URL
    reading = world.cluster.workloads[API].pods[0].held
    assert reading is not None
    world.cluster.workloads[API].pods[0].held = type(reading)(OLD_URL, "template", world.clock.true)
    world.run(3, until=lambda _world: False)
    assert world.phase != "Disable"
    assert "disable" not in backend_writes(world)


@pytest.mark.fm(30)
@pytest.mark.parametrize("unseen", [False, True], ids=["connected", "blind"])
def test_idle_is_asked_once_more_before_disable(unseen: bool) -> None:  # noqa: FBT001
    world = in_phase("Disable")
    role = world.backend.roles["orders_a"]
    assert isinstance(role, Role)
    port = world.backend.login("orders_a", role.value, "10.9.9.9") if not unseen else None
    world.backend.blind = unseen
    world.run(20, until=lambda _world: False)
    assert "disable" not in backend_writes(world)
    world.backend.blind = False
    if port is not None:
        world.backend.hang_up(port)
    completes(world)


@pytest.mark.fm(30)
def test_a_client_that_leaves_while_the_pods_are_asked_was_there() -> None:
    world = in_phase("Roll")
    challenge, value = world.challenge, world.backend.roles["orders_a"].value
    ports: list[int | None] = []

    async def meanwhile(*words: object) -> object:
        for port in ports:
            world.backend.hang_up(port or 0)
        ports.clear()
        return await challenge(*words)  # type: ignore[arg-type]

    def comes_back(world: World) -> None:
        ports.append(world.backend.login("orders_a", value, "10.9.9.9"))

    world.challenge = meanwhile  # type: ignore[method-assign, assignment]
    world.happenings.append(comes_back)
    stays(world, "Roll", "Verify", "Soak", looks=60)
