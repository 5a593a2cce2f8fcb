"""What is added to a pod, and what never changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.injector.patch import Injection, Interest, Json, injected, injection, interest_of
from keyturn_probe.plans import plans_of

ORDERS = Interest("shop", "orders-db", "orders", ("DATABASE_URL",))
IMAGE = "keyturn/probe:1"


def pod(**spec: Any) -> Json:
    app = {
        "name": "app",
        "env": [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": "orders", "key": "DATABASE_URL"}}}],
    }
    return {"kind": "Pod", "metadata": {"namespace": "shop", "name": "p"}, "spec": {"containers": [app], **spec}}


def patched(document: Json, *plans: Interest) -> Json:
    changed, warning = injected(document, plans or (ORDERS,), IMAGE)
    assert warning == ""
    return changed


def probe_of(document: Json) -> Json:
    (probe,) = [one for one in document["spec"]["initContainers"] if one["name"] == "keyturn-probe"]
    return probe


def environment(probe: Json) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in probe["env"]}


def test_the_probe_is_a_native_sidecar_before_all_others() -> None:
    changed = patched(pod(initContainers=[{"name": "migrate"}]))
    assert [one["name"] for one in changed["spec"]["initContainers"]] == ["keyturn-probe", "migrate"]
    assert probe_of(changed)["restartPolicy"] == "Always"
    assert changed["spec"]["shareProcessNamespace"] is True
    assert changed["metadata"]["annotations"] == {"keyturn.dev/injected": "orders-db"}


def test_the_probe_reads_exactly_what_was_written_for_it() -> None:
    document = pod(volumes=[{"name": "v", "secret": {"secretName": "orders"}}])
    document["spec"]["containers"].append({"name": "b", "volumeMounts": [{"name": "v", "mountPath": "/my db"}]})
    probe = probe_of(patched(document))
    (plan,) = plans_of(environment(probe), "/nowhere")
    assert (plan.id, plan.name) == (ORDERS.identity, "orders-db")
    assert [(w.container, w.key, w.way, w.place) for w in plan.watches] == [
        ("app", "DATABASE_URL", "Env", "URL"),
        ("b", "DATABASE_URL", "File", "/my db/DATABASE_URL"),
    ]
    (generation,) = [one for one in probe["env"] if one["name"] == f"KEYTURN_GENERATION_{plan.id.upper()}"]
    assert generation["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.annotations['{ORDERS.annotation}']"


def test_an_ordinary_init_container_is_not_watched() -> None:
    document = pod()
    document["spec"]["initContainers"] = [document["spec"]["containers"][0] | {"name": "migrate"}]
    assert "migrate" not in environment(probe_of(patched(document)))["KEYTURN_WATCH"]


def test_everything_it_refers_to_is_optional_and_the_token_is_covered() -> None:
    changed = patched(pod())
    secrets = [volume["secret"] for volume in changed["spec"]["volumes"] if "secret" in volume]
    assert secrets == [{"secretName": "keyturn-probe-orders-db", "optional": True, "defaultMode": 0o444}]
    mounts = {mount["mountPath"]: mount["name"] for mount in probe_of(changed)["volumeMounts"]}
    empty = {volume["name"] for volume in changed["spec"]["volumes"] if "emptyDir" in volume}
    assert mounts["/var/run/secrets/kubernetes.io/serviceaccount"] in empty
    assert mounts["/run/keyturn/latch"] in empty


def test_it_is_restricted() -> None:
    assert probe_of(patched(pod()))["securityContext"] == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_it_runs_as_the_watched_container() -> None:
    document = pod(securityContext={"runAsUser": 1})
    document["spec"]["containers"][0]["securityContext"] = {"runAsUser": 1000, "runAsGroup": 2000}
    document["spec"]["containers"].insert(0, {"name": "other", "securityContext": {"runAsUser": 5}})
    context = probe_of(patched(document))["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (1000, 2000)


def test_a_pods_own_user_is_inherited_and_not_repeated() -> None:
    context = probe_of(patched(pod(securityContext={"runAsUser": 1000})))["securityContext"]
    assert "runAsUser" not in context


# ---------------------------------------------------------- as whom it runs where only the image says so


def knowing(*users: Json) -> Interest:
    plan = {
        "metadata": {"namespace": "shop", "name": "orders-db"},
        "spec": {"secret": {"name": "orders", "keys": {"DATABASE_URL": "b"}}},
        "status": {"users": list(users)},
    }
    return interest_of(plan)


def user(consumer: str = "Deployment/orders", container: str = "app", user: object = 101, group: object = 102) -> Json:
    return {"consumer": consumer, "container": container, "user": user, "group": group}


def of_deployment(document: Json) -> Json:
    owner = {"kind": "ReplicaSet", "name": "orders-5d9f", "controller": True}
    metadata = {"namespace": "shop", "labels": {"pod-template-hash": "5d9f"}, "ownerReferences": [owner]}
    return document | {"metadata": metadata}


def identity(document: Json, plan: Interest) -> tuple[int | None, int | None]:
    operations = injection(document, [plan], IMAGE).operations
    context = operations[-1]["value"]["securityContext"]
    assert context["runAsNonRoot"] is True
    return context.get("runAsUser"), context.get("runAsGroup")


def test_it_runs_as_the_plan_remembers_where_the_template_does_not_say() -> None:
    assert identity(of_deployment(pod()), knowing(user())) == (101, 102)


def test_a_manifests_workload_is_remembered_by_its_own_name() -> None:
    deployment = {"kind": "Deployment", "metadata": {"name": "orders"}, "spec": {"template": {"spec": pod()["spec"]}}}
    changed, _ = injected(deployment, [knowing(user())], IMAGE)
    context = changed["spec"]["template"]["spec"]["initContainers"][0]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (101, 102)


@pytest.mark.parametrize(
    ("said", "context"),
    [
        ({"runAsUser": 7, "runAsGroup": 8}, (7, 8)),
        ({"runAsUser": 7}, (7, None)),  # of another user than the one that is remembered: its group says nothing
        ({"runAsUser": 101}, (101, 102)),
        ({"runAsGroup": 8}, (101, 8)),
    ],
)
@pytest.mark.parametrize("where", ["pod", "container"])
def test_what_the_template_says_is_never_overruled(said: Json, context: tuple[int, int | None], where: str) -> None:
    document = of_deployment(pod())
    (document["spec"] if where == "pod" else document["spec"]["containers"][0])["securityContext"] = said
    found = identity(document, knowing(user()))
    inherited = (said.get("runAsUser"), said.get("runAsGroup")) if where == "pod" else (None, None)
    assert tuple(mine or theirs for mine, theirs in zip(found, inherited, strict=True)) == context


@pytest.mark.parametrize(
    "other", [user("Deployment/else"), user("Pod/orders"), user(container="b"), user("ReplicaSet/orders-5d9f")]
)
def test_what_is_remembered_of_others_does_not_count(other: Json) -> None:
    assert identity(of_deployment(pod()), knowing(other)) == (None, None)


@pytest.mark.parametrize("wrong", [0, -1, 2**31, True, "101", None, 1.5])
def test_whatever_a_status_holds_a_probe_never_runs_as_root(wrong: object) -> None:
    assert identity(of_deployment(pod()), knowing(user(user=wrong))) == (None, None)
    if wrong != 0:  # as a group, many images that say only a user have it
        assert identity(of_deployment(pod()), knowing(user(group=wrong))) == (None, None)


@pytest.mark.parametrize("owners", [None, [], [{"kind": "ReplicaSet", "name": "orders-5d9f"}]])
def test_a_pod_that_nobody_controls_is_of_no_workload(owners: object) -> None:
    document = of_deployment(pod())
    document["metadata"]["ownerReferences"] = owners
    assert identity(document, knowing(user())) == (None, None)


@pytest.mark.parametrize("where", ["pod", "container"])
def test_a_root_app_gets_a_probe_that_can_start(where: str) -> None:
    document = pod()
    target = document["spec"] if where == "pod" else document["spec"]["containers"][0]
    target["securityContext"] = {"runAsUser": 0}
    assert probe_of(patched(document))["securityContext"]["runAsNonRoot"] is False


def test_a_guaranteed_pod_stays_guaranteed_and_others_are_asked_for_little() -> None:
    document = pod()
    assert probe_of(patched(document))["resources"]["requests"] == {"cpu": "5m", "memory": "12Mi"}
    document["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1", "memory": "1Gi"}}
    resources = probe_of(patched(document))["resources"]
    assert resources["requests"] == resources["limits"]


def test_ports_that_the_pod_uses_are_left_to_it() -> None:
    document = pod()
    document["spec"]["containers"][0]["ports"] = [{"containerPort": 9902}, {"containerPort": 9911}]
    probe = probe_of(patched(document))
    assert probe["ports"] == [{"name": "challenge", "containerPort": 9921, "protocol": "TCP"}]
    assert environment(probe)["KEYTURN_PORTS"] == "9921 9922"
    assert probe["readinessProbe"]["httpGet"]["port"] == 9922


def test_a_pod_serves_all_its_plans() -> None:
    document = pod()
    document["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "queue"}}]
    queue = Interest("shop", "queue", "queue", ("AMQP_URL",))
    changed = patched(document, ORDERS, queue, Interest("shop", "other", "other", ("x",)))
    plans = plans_of(environment(probe_of(changed)), "/nowhere")
    assert [plan.name for plan in plans] == ["orders-db", "queue"]
    assert plans[1].watches[0].place == "AMQP_URL"


def test_a_pod_that_a_plan_restarted_is_watched_even_if_its_variable_was_overridden() -> None:
    document = pod()
    app = {"name": "app", "env": [{"name": "URL", "value": "postgresql://old"}], "securityContext": {"runAsUser": 7}}
    document["spec"]["containers"] = [app]
    document["metadata"]["annotations"] = {ORDERS.annotation: "4"}
    probe = probe_of(patched(document))
    (plan,) = plans_of(environment(probe), "/nowhere")
    assert plan.watches == []
    assert probe["securityContext"]["runAsUser"] == 7, "else it could not see what the variable was overridden with"


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"hostNetwork": True}, "network"),
        ({"hostPID": True}, "processes"),
        ({"shareProcessNamespace": False}, "shareProcessNamespace"),
        ({"os": {"name": "windows"}}, "Linux"),
    ],
)
def test_a_pod_that_cannot_have_a_probe_is_left_alone_with_a_warning(spec: Json, word: str) -> None:
    found = injection(pod(**spec), [ORDERS], IMAGE)
    assert found.operations == ()
    assert word in found.warning


def test_a_pod_of_no_plan_is_left_alone_with_a_warning() -> None:
    assert "no RotationPlan" in injection(pod(), [], IMAGE).warning


@pytest.mark.parametrize(
    ("kind", "wrap"),
    [
        ("Deployment", lambda template: {"spec": {"template": template}}),
        ("CronJob", lambda template: {"spec": {"jobTemplate": {"spec": {"template": template}}}}),
    ],
)
def test_a_workloads_template_is_injected(kind: str, wrap: Any) -> None:
    template = {"spec": pod()["spec"]}  # without metadata: legal in a template
    before = {"kind": kind, "metadata": {"name": "x", "namespace": "shop"}, **wrap(template)}
    kept = copy.deepcopy(before)
    changed, warning = injected(before, [ORDERS], IMAGE)
    assert (before, warning) == (kept, "")
    assert changed != before
    assert injected(changed, [ORDERS], IMAGE) == (changed, "")


def test_a_document_without_pods_comes_back_as_it_is() -> None:
    service = {"kind": "Service", "spec": {"ports": []}}
    assert injected(service, [ORDERS], IMAGE) == (service, "")


def test_plans_of_other_namespaces_do_not_count() -> None:
    assert injected(pod(), [Interest("elsewhere", "orders-db", "orders", ("DATABASE_URL",))], IMAGE)[1]


def test_a_plan_document_becomes_an_interest() -> None:
    plan = {
        "metadata": {"namespace": "shop", "name": "orders-db"},
        "spec": {"secret": {"name": "orders", "keys": {"a": "b"}}},
    }
    assert interest_of(plan) == Interest("shop", "orders-db", "orders", ("a",))
    assert interest_of({}) == Interest("", "", "", ())


# --------------------------------------------------------------------------------------------------- properties

_ENV = st.sampled_from(
    [
        {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "orders", "key": "DATABASE_URL"}}},
        {"name": "A", "value": "literal"},
    ]
)
_CONTAINER = st.fixed_dictionaries(
    {"name": st.sampled_from(["app", "b", "c"])},
    optional={
        "env": st.none() | st.lists(_ENV, max_size=2),
        "ports": st.lists(
            st.fixed_dictionaries({"containerPort": st.sampled_from([80, 9901, 9902, 9911])}), max_size=3
        ),
        "securityContext": st.none() | st.fixed_dictionaries({}, optional={"runAsUser": st.sampled_from([0, 7])}),
        "futureField": st.just({"kept": True}),
    },
)
_POD = st.fixed_dictionaries(
    {
        "kind": st.just("Pod"),
        "metadata": st.fixed_dictionaries(
            {"namespace": st.just("shop")},
            optional={"annotations": st.none() | st.dictionaries(st.sampled_from(["a", "b/c"]), st.just("x"))},
        ),
        "spec": st.fixed_dictionaries(
            {"containers": st.lists(_CONTAINER, min_size=1, max_size=3)},
            optional={
                "initContainers": st.none() | st.lists(_CONTAINER, max_size=2),
                "volumes": st.none() | st.lists(st.just({"name": "v", "emptyDir": {}}), max_size=1),
                "hostNetwork": st.booleans(),
                "shareProcessNamespace": st.sampled_from([True]),
                "futureField": st.just([1]),
            },
        ),
    }
)


@given(_POD)
def test_injecting_twice_is_injecting_once(document: Json) -> None:
    once, _ = injected(document, [ORDERS], IMAGE)
    twice, _ = injected(once, [ORDERS], IMAGE)
    assert twice == once
    if once != document:
        assert injection(once, [ORDERS], IMAGE) == Injection()


@given(_POD)
def test_nothing_that_was_there_is_changed_or_lost(document: Json) -> None:
    changed, _ = injected(document, [ORDERS], IMAGE)
    ours = {"keyturn-probe", "keyturn-latch", "keyturn-no-token", f"keyturn-plan-{ORDERS.identity}"}
    for name in ("initContainers", "volumes"):
        kept = [one for one in changed["spec"].get(name) or [] if one["name"] not in ours]
        assert kept == (document["spec"].get(name) or [])
    skipped = {"initContainers", "volumes", "shareProcessNamespace"}
    assert {k: v for k, v in changed["spec"].items() if k not in skipped} == {
        k: v for k, v in document["spec"].items() if k not in skipped
    }
    annotations = dict(changed["metadata"].get("annotations") or {})
    annotations.pop("keyturn.dev/injected", None)
    assert annotations == (document["metadata"].get("annotations") or {})


@given(_POD)
def test_a_host_network_pod_is_never_touched(document: Json) -> None:
    document["spec"]["hostNetwork"] = True
    assert injection(document, [ORDERS], IMAGE).operations == ()
