"""What a pod's record says of its probe and of whom its containers run as."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from keyturn.core.evidence import RunsAs
from keyturn.injector.patch import Interest, injected
from keyturn.kube.pods import pod_of
from keyturn.kube.probes import open_probes
from support.plan_records import Drawer, plan_record

IMAGE = "keyturn/probe:1"
PLAN = Interest("shop", "orders-db", "orders", ("url",))
Json = dict[str, Any]


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


def running(name: str, image: str = IMAGE, **more: Any) -> Json:
    state = {"running": {"startedAt": "2026-11-21T00:00:00Z"}}
    return {"name": name, "image": image, "state": state, **more}


def pod() -> Json:
    """Injected as the webhook does, running, without an address: a probe that is believed is asked for that."""
    app = {"name": "app", "env": [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "orders", "key": "url"}}}]}
    metadata = {"namespace": "shop", "name": "p", "uid": "u1", "creationTimestamp": "2026-11-21T00:00:00Z"}
    made, _ = injected({"kind": "Pod", "metadata": metadata, "spec": {"containers": [app]}}, [PLAN], IMAGE)
    statuses = {"containerStatuses": [running("app", "app:1")], "initContainerStatuses": [running("keyturn-probe")]}
    return made | {"status": {"phase": "Running", **statuses}}


def sidecar(document: Json) -> Json:
    return next(one for one in document["spec"]["initContainers"] if one["name"] == "keyturn-probe")


async def silence(document: Json) -> str:
    client = open_probes(Drawer(), "keyturn", StoppedClock(), [IMAGE])
    found = await client.challenge(plan_record(), [pod_of(document, "orders")], 4, {})
    return found["u1"].silent


async def test_a_sidecar_as_the_injector_writes_it_is_believed() -> None:
    assert await silence(pod()) == "it has no address yet"


async def test_what_other_webhooks_add_to_every_container_is_no_alteration() -> None:
    document = pod()
    sidecar(document)["env"].append({"name": "AWS_ROLE_ARN", "value": "x"})
    for place in ("/var/run/secrets/eks.amazonaws.com/serviceaccount", "/etc/ssl/certs"):
        sidecar(document)["volumeMounts"].append({"name": "v", "mountPath": place})
    assert await silence(document) == "it has no address yet"


@pytest.mark.parametrize(
    "change",
    [
        {"command": ["python3", "-c", "print('new')"]},
        {"args": ["-c", "print('new')"]},
        {"lifecycle": {"postStart": {"exec": {"command": ["sh"]}}}},
        {"envFrom": [{"configMapRef": {"name": "preload"}}]},
        {"env": [{"name": "LD_PRELOAD", "value": "evil.so"}]},
        {"restartPolicy": None},
        *(
            {"volumeMounts": [{"name": "v", "mountPath": place}]}
            for place in ("/", "//usr", "/usr/lib/python3.11/keyturn_probe", "/x/../lib", "/etc/ld.so.preload", "/etc/")
        ),
    ],
    ids=str,
)
async def test_a_look_alike_that_runs_another_program_from_our_image_is_not_asked(change: Json) -> None:
    document = pod()
    sidecar(document).update(change)
    assert "not as the injector writes it" in await silence(document)


@pytest.mark.parametrize("kind", ["containers", "ephemeralContainers"])
async def test_a_container_with_the_sidecars_name_elsewhere_is_not_asked(kind: str) -> None:
    document = pod()
    fake = copy.deepcopy(sidecar(document))
    document["spec"]["initContainers"] = []
    document["spec"].setdefault(kind, []).append(fake)
    assert "not as the injector writes it" in await silence(document)


async def test_a_look_alike_of_another_image_is_not_asked() -> None:
    document = pod()
    document["status"]["initContainerStatuses"] = [running("keyturn-probe", "evil.example/keyturn/probe:1")]
    assert "not Keyturn's" in await silence(document)


def test_look_alike_labels_make_no_pod_one_of_a_consumers() -> None:
    """Whose a pod is stands in its owner; labels only say who selects it."""
    document = pod()
    document["metadata"]["labels"] = {"app": "orders", "keyturn.dev/inject": "true", "pod-template-hash": "5d9f"}
    assert pod_of(document, "orders").consumer is None


# ------------------------------------------------------------------------------------------------ whom it runs as


def unsaid(document: Json) -> dict[str, RunsAs | None]:
    return dict(pod_of(document, "orders").unsaid_users)


@pytest.mark.parametrize(
    ("of_pod", "of_container", "said"),
    [
        ({}, {}, False),
        ({"runAsUser": 7}, {}, False),
        ({"runAsUser": 7}, {"runAsGroup": 8}, True),
        ({}, {"runAsUser": 7, "runAsGroup": 8}, True),
        ({"runAsUser": 7, "runAsGroup": 8}, {}, True),
    ],
)
def test_a_container_is_unsaid_until_user_and_group_stand_in_the_spec(
    of_pod: Json, of_container: Json, *, said: bool
) -> None:
    document = pod()
    document["spec"]["securityContext"] = of_pod
    document["spec"]["containers"][0]["securityContext"] = of_container
    assert unsaid(document) == ({} if said else {"app": None})


@pytest.mark.parametrize(
    ("linux", "told"), [({"uid": 7, "gid": 8}, RunsAs(7, 8)), ({"uid": 7}, None), ({"uid": "7", "gid": 8}, None)]
)
def test_what_the_kubelet_tells_is_kept(linux: Json, told: RunsAs | None) -> None:
    document = pod()
    document["status"]["containerStatuses"] = [running("app", user={"linux": linux})]
    assert unsaid(document) == {"app": told}
