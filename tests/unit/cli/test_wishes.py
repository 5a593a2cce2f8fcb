"""Pause, resume, retry, accept-loss, freeze and unfreeze: what exactly is written, and when they refuse."""

from __future__ import annotations

import pytest

from keyturn.cli.freeze import Scope, freeze, unfreeze
from keyturn.cli.wishes import accept_loss, pause, resume, retry
from keyturn.core.memory import ON_REQUEST
from keyturn.kube.raw import Json
from keyturn.ports import Misconfigured
from support.seen import plan, rotation
from unit.cli.test_verbs import PLANS, ROTATIONS, ApiInMemory, at

POD = "/api/v1/namespaces/shop/pods/api-1"
DEPLOYMENTS = "/apis/apps/v1/deployments"
ROTATION = f"{ROTATIONS}/orders-db-1"


def pod(ready: str) -> Json:
    return {
        "metadata": {"uid": "u-1"},
        "spec": {"nodeName": "node-3"},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


async def test_pause_and_resume_touch_nothing_but_the_one_field() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Roll"))
    assert "stands still" in await pause(at(api), "orders-db-1")
    api.put(rotation("orders-db-1", phase="Roll", asked={"pause": True}))
    assert "goes on" in await resume(at(api), "orders-db-1")
    assert api.patched == [(ROTATION, {"spec": {"pause": True}}), (ROTATION, {"spec": {"pause": False}})]


async def test_resume_of_what_paused_by_itself_names_retry() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Verify"))
    with pytest.raises(Misconfigured, match="retry orders-db-1"):
        await resume(at(api), "orders-db-1")


async def test_a_retry_counts_up_so_that_asking_twice_is_asking_twice() -> None:
    stuck = {"reason": "SecretContested", "message": "argocd keeps writing"}
    api = ApiInMemory().put(rotation("orders-db-1", phase="Verify", paused=stuck, asked={"retry": 2}))
    assert "tries again" in await retry(at(api), "orders-db-1")
    assert api.patched == [(ROTATION, {"spec": {"retry": 3}})]


async def test_retry_of_what_a_person_paused_names_resume() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Verify", asked={"pause": True}))
    with pytest.raises(Misconfigured, match="resume orders-db-1"):
        await retry(at(api), "orders-db-1")


@pytest.mark.parametrize("verb", [pause, resume, retry])
async def test_nothing_can_be_asked_of_what_is_over(verb: object) -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Complete"))
    with pytest.raises(Misconfigured, match="is over"):
        await verb(at(api), "orders-db-1")  # type: ignore[operator]  # one of the three verbs
    assert api.patched == []


async def test_a_rotation_that_deletes_the_old_credential_cannot_be_paused() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Delete"))
    with pytest.raises(Misconfigured, match="will complete"):
        await pause(at(api), "orders-db-1")


async def test_a_loss_is_bound_to_the_pods_uid_and_added_to_those_before() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Verify", asked={"acceptLoss": ["u-0"]}))
    api.objects[POD] = pod("False")
    told = await accept_loss(at(api), "orders-db-1", "api-1")
    assert "node-3" in told
    assert api.patched == [(ROTATION, {"spec": {"acceptLoss": ["u-0", "u-1"]}})]


async def test_a_ready_pod_is_never_taken_for_lost() -> None:
    api = ApiInMemory().put(rotation("orders-db-1", phase="Verify"))
    api.objects[POD] = pod("True")
    with pytest.raises(Misconfigured, match="must prove"):
        await accept_loss(at(api), "orders-db-1", "api-1")
    assert api.patched == []


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        (Scope(plan="orders-db"), f"{PLANS}/orders-db"),
        (Scope(), "/api/v1/namespaces/shop"),
        (Scope(everything=True), "/api/v1/namespaces/keyturn-system"),
    ],
    ids=["a plan", "a namespace", "everything"],
)
async def test_a_freeze_is_one_annotation_and_lifting_it_takes_it_away(scope: Scope, path: str) -> None:
    api = ApiInMemory().put(plan("orders-db"))
    for namespace in ("shop", "keyturn-system"):
        api.objects[f"/api/v1/namespaces/{namespace}"] = {"metadata": {"name": namespace}}
    api.objects[f"{DEPLOYMENTS}/operator"] = {"metadata": {"namespace": "keyturn-system"}}
    await freeze(at(api), scope, "incident 7")
    assert api.patched == [(path, {"metadata": {"annotations": {"keyturn.dev/freeze": "incident 7"}}})]
    assert "was not frozen" in await unfreeze(at(api), scope)
    api.objects[path]["metadata"]["annotations"] = {"keyturn.dev/freeze": "incident 7"}
    assert "not frozen any more" in await unfreeze(at(api), scope)
    assert api.patched[-1] == (path, {"metadata": {"annotations": {"keyturn.dev/freeze": None}}})


async def test_everything_cannot_be_frozen_without_knowing_where_the_operator_lives() -> None:
    with pytest.raises(Misconfigured, match=r"keyturn\.dev/freeze"):
        await freeze(at(ApiInMemory()), Scope(everything=True), "")


def test_the_reason_by_which_resume_and_retry_differ_is_the_cores() -> None:
    assert ON_REQUEST == "PausedOnRequest"
