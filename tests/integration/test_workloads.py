"""Consumers and pods on a real cluster: what is settled, what terminates, whose pod it is, one restart a generation."""

from __future__ import annotations

from typing import Any

import pytest

from keyturn.api.labels import restart_annotation
from keyturn.core.model import ObjectKey
from keyturn.kube.cluster import KubeCluster
from keyturn.ports import Conflict
from support.deployments import SECRET, Shop, deployment, settled, template, until
from support.kubectl import Kubectl

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(kubectl: Kubectl) -> Kubectl:
    kubectl("create", "secret", "generic", SECRET, "--from-literal=URL=postgresql://orders_a:old-value-0123456789@db")
    return kubectl


@pytest.fixture
def plan(namespace: str) -> ObjectKey:
    return ObjectKey(namespace, "orders-db")


@pytest.fixture
def seen(world: KubeCluster, plan: ObjectKey) -> Shop:
    return Shop(world, plan)


async def test_consumers_are_discovered_by_reference_and_listed_ones_are_added(shop: Kubectl, seen: Shop):
    shop.apply(deployment("orders-api", replicas=0))
    shop.apply(deployment("orders-cron", replicas=0, uses=False))
    shop.apply(deployment("orders-report", replicas=0, uses=False))

    discovered = await seen.consumers()
    with_listed = await seen.consumers("orders-cron", "no-such-thing")
    listed_only = await seen.consumers("orders-cron", discover=False)

    assert [one.ref.name for one in discovered] == ["orders-api"]
    assert [one.ref.name for one in with_listed] == ["orders-api", "orders-cron"]
    assert [one.ref.name for one in listed_only] == ["orders-cron"]
    assert [delivery.place for delivery in discovered[0].deliveries] == ["DATABASE_URL"]
    assert with_listed[1].deliveries == ()


async def test_a_rollout_is_settled_only_when_its_last_old_pod_is_gone(shop: Kubectl, seen: Shop, plan: ObjectKey):
    shop.apply(deployment("orders-api", replicas=2, linger=6))
    await settled(seen)
    before = await seen.only()
    old = {pod.uid for pod in await seen.pods()}

    await seen.world.restart(before, plan, 7)

    assert not (await seen.only()).settled
    saw_rolled_out_but_terminating = False

    async def finished() -> bool:
        nonlocal saw_rolled_out_but_terminating
        now = await seen.only()
        left = [pod for pod in await seen.pods() if pod.uid in old]
        status = shop.get("deployment", "orders-api")["status"]
        by_status = status.get("updatedReplicas") == status.get("availableReplicas") == status.get("replicas") == 2
        if by_status and left and (await seen.only()).settled is False:
            saw_rolled_out_but_terminating = True
        if now.settled:
            assert not [pod for pod in await seen.pods() if pod.uid in old]
        return now.settled

    await until(finished)
    assert saw_rolled_out_but_terminating, "kubectl rollout status would have called this finished"
    assert (await seen.only()).generation_mark == 7


@pytest.mark.fm(22)
async def test_a_restart_is_written_once_for_a_generation_and_never_goes_back(
    shop: Kubectl, seen: Shop, plan: ObjectKey
):
    shop.apply(deployment("orders-api", replicas=0))
    await seen.world.restart(await seen.only(), plan, 3)
    written = shop.get("deployment", "orders-api")["metadata"]["generation"]

    await seen.world.restart(await seen.only(), plan, 3)
    await seen.world.restart(await seen.only(), plan, 2)

    stored = shop.get("deployment", "orders-api")
    assert stored["metadata"]["generation"] == written
    annotations = stored["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {restart_annotation(plan.namespace, plan.name): "3"}


@pytest.mark.fm(21)
async def test_the_marks_of_two_plans_stand_side_by_side(shop: Kubectl, seen: Shop, plan: ObjectKey):
    shop.apply(deployment("orders-api", replicas=0))
    await seen.world.restart(await seen.only(), plan, 3)
    await seen.world.restart(await seen.only(), ObjectKey(plan.namespace, "another"), 9)

    assert (await seen.only()).generation_mark == 3


async def test_a_deployment_made_anew_is_not_restarted_by_what_was_decided_about_the_former(
    shop: Kubectl, seen: Shop, plan: ObjectKey
):
    shop.apply(deployment("orders-api", replicas=0))
    former = await seen.only()
    shop("delete", "deployment", "orders-api")
    shop.apply(deployment("orders-api", replicas=0))

    with pytest.raises(Conflict):
        await seen.world.restart(former, plan, 3)

    assert (await seen.only()).generation_mark is None


@pytest.mark.fm(24)
async def test_pods_are_traced_to_their_deployment_and_strangers_that_use_the_secret_are_seen(
    shop: Kubectl, seen: Shop, plan: ObjectKey
):
    shop.apply(deployment("orders-api", replicas=2))
    shop.apply(deployment("orders-report", replicas=1, uses=False))
    shop.apply({"apiVersion": "v1", "kind": "Pod"} | bare("somebodys-debugging", uses=True))
    shop.apply({"apiVersion": "v1", "kind": "Pod"} | bare("unrelated", uses=False))
    await settled(seen)

    async def three() -> bool:
        pods = await seen.pods()
        return len(pods) == 3 and all(pod.address and pod.ready for pod in pods)

    await until(three)
    found = await seen.pods()
    by_consumer = sorted(str(pod.consumer) for pod in found)
    assert by_consumer == ["Deployment/orders-api", "Deployment/orders-api", "None"]
    assert [pod.name for pod in found if pod.consumer is None] == ["somebodys-debugging"]
    assert all(list(pod.container_starts) == ["app"] for pod in found)
    assert all(pod.probe_image == "" and pod.phase == "Running" and not pod.terminating for pod in found)


@pytest.mark.fm(23)
async def test_a_terminating_pod_is_in_the_list_until_it_is_gone(shop: Kubectl, seen: Shop):
    shop.apply({"apiVersion": "v1", "kind": "Pod"} | bare("slow", uses=True, linger=4))

    async def running() -> bool:
        return [pod.phase for pod in await seen.pods()] == ["Running"]

    await until(running)
    shop("delete", "pod", "slow", "--wait=false")

    (leaving,) = await seen.pods()
    assert leaving.terminating

    async def gone() -> bool:
        return not await seen.pods()

    await until(gone)


async def test_touching_a_pod_annotates_exactly_that_one(shop: Kubectl, seen: Shop, plan: ObjectKey):
    shop.apply({"apiVersion": "v1", "kind": "Pod"} | bare("reader", uses=True))
    (pod,) = await seen.pods()
    await seen.world.touch(pod, plan, 5)

    annotations = shop.get("pod", "reader")["metadata"]["annotations"]
    assert annotations == {restart_annotation(plan.namespace, plan.name): "5"}

    shop("delete", "pod", "reader", "--now")
    shop.apply({"apiVersion": "v1", "kind": "Pod"} | bare("reader", uses=True))
    with pytest.raises(Conflict):
        await seen.world.touch(pod, plan, 6)


@pytest.mark.fm(17)
async def test_a_paused_deployment_is_stuck_and_says_so(shop: Kubectl, seen: Shop):
    shop.apply(deployment("orders-api", replicas=0, extra={"paused": True}))

    found = await seen.only()
    assert found.paused
    assert found.stuck == "Paused"


@pytest.mark.fm(16, 17)
async def test_a_rollout_whose_pods_never_start_is_stuck_after_its_deadline_while_the_old_pods_serve(
    shop: Kubectl, seen: Shop
):
    quick = {"progressDeadlineSeconds": 3}
    shop.apply(deployment("orders-api", replicas=1, extra=quick))
    await settled(seen)
    shop.apply(deployment("orders-api", replicas=1, extra=quick, image="keyturn.invalid/no-such-image:1"))

    async def stuck() -> bool:
        return (await seen.only()).stuck == "ProgressDeadlineExceeded"

    await until(stuck)
    found = await seen.only()
    assert not found.settled
    assert found.healthy


@pytest.mark.fm(48)
async def test_more_pods_than_a_page_are_all_seen(shop: Kubectl, seen: Shop, monkeypatch: pytest.MonkeyPatch):
    from keyturn.kube import client

    monkeypatch.setattr(client, "_PAGE", 2)
    shop.apply(deployment("orders-api", replicas=5))

    async def five() -> bool:
        return len(await seen.pods()) == 5

    await until(five)


def bare(name: str, **more: Any) -> dict[str, Any]:
    made = template(app=name, **more)
    return {"metadata": {"name": name, "labels": made["metadata"]["labels"]}, "spec": made["spec"]}
