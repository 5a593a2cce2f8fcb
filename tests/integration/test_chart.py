"""The chart as Helm renders it: the three forms of rights word for word, and what every form promises."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyturn_dev.cluster.api import Cluster
from support.golden import assert_golden

pytestmark = pytest.mark.integration
CHART = Path(__file__).resolve().parents[2] / "charts" / "keyturn"
FORMS = {
    "namespaces": ["watchNamespaces={shop,pay}"],
    "secret-names": ["watchNamespaces={shop}", "secretNames.shop={orders-db,postgres-rotator,keyturn-probe-orders-db}"],
    "cluster-wide": ["clusterWide=true"],
}


def helm(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([cluster.helm, *words], text=True, capture_output=True, check=False, timeout=60)


def render(cluster: Cluster, *values: str) -> str:
    sets = [word for value in values for word in ("--set", value)]
    done = helm(cluster, "template", "keyturn", str(CHART), "--namespace", "keyturn-system", *sets)
    assert done.returncode == 0, done.stderr
    return re.sub(r"(ca\.crt|tls\.crt|tls\.key|caBundle): \S+", r"\1: MADE-AT-INSTALL", done.stdout)


def objects(cluster: Cluster, *values: str) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(render(cluster, *values)) if found]


def rules_of(documents: list[dict[str, Any]], part: str) -> Iterator[dict[str, Any]]:
    for document in documents:
        if document["kind"] in {"Role", "ClusterRole"} and part in document["metadata"]["name"]:
            for rule in document["rules"]:
                yield rule | {"where": document["metadata"].get("namespace", "")}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_rights_renders_as_the_reviewed_text_says(cluster: Cluster, form: str) -> None:
    assert_golden(f"chart/{form}.yaml", render(cluster, *FORMS[form]))


@pytest.mark.parametrize("form", FORMS)
def test_helm_lint_finds_nothing(cluster: Cluster, form: str) -> None:
    done = helm(cluster, "lint", "--strict", str(CHART), *[word for value in FORMS[form] for word in ("--set", value)])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("form", FORMS)
def test_secrets_are_never_listed_or_watched_and_the_injector_has_no_right_to_them(cluster: Cluster, form: str) -> None:
    documents = objects(cluster, *FORMS[form])
    secrets = [rule for rule in rules_of(documents, "operator") if "secrets" in rule["resources"]]
    assert secrets
    assert not [rule for rule in secrets if {"list", "watch", "*"} & set(rule["verbs"])]
    injector = list(rules_of(documents, "injector"))
    assert injector
    assert {resource for rule in injector for resource in rule["resources"]} == {"rotationplans"}


def test_secret_names_leave_no_other_secret_of_the_namespace_readable(cluster: Cluster) -> None:
    documents = objects(cluster, *FORMS["secret-names"])
    reading = [
        rule
        for rule in rules_of(documents, "operator")
        if rule["where"] == "shop" and "secrets" in rule["resources"] and "get" in rule["verbs"]
    ]
    assert [rule["resourceNames"] for rule in reading] == [["orders-db", "postgres-rotator", "keyturn-probe-orders-db"]]


@pytest.mark.parametrize(("said", "there"), [("true", 1), ("false", 0)])
def test_certificates_are_asked_for_only_where_it_is_said(cluster: Cluster, said: str, there: int) -> None:
    rules = list(rules_of(objects(cluster, "watchNamespaces={shop}", f"certManager={said}"), "operator"))
    asking = [rule for rule in rules if "certificaterequests" in rule["resources"]]
    assert [(rule["where"], rule["verbs"]) for rule in asking] == [("shop", ["get", "create", "delete"])] * there


def test_without_cluster_wide_no_workload_and_no_secret_is_reachable_elsewhere(cluster: Cluster) -> None:
    documents = objects(cluster, *FORMS["namespaces"])
    processes = (rule for part in ("operator", "injector") for rule in rules_of(documents, part))
    everywhere = [rule for rule in processes if rule["where"] == ""]
    touched = {resource for rule in everywhere for resource in rule["resources"]}
    policies = {"validatingadmissionpolicies", "validatingadmissionpolicybindings"}
    assert touched == {"clustercredentialproviders", "namespaces", *policies}
    assert {verb for rule in everywhere for verb in rule["verbs"]} <= {"get", "list", "watch"}


@pytest.mark.parametrize("form", FORMS)
def test_every_container_keeps_to_the_restricted_standard(cluster: Cluster, form: str) -> None:
    pods = [d["spec"]["template"]["spec"] for d in objects(cluster, *FORMS[form]) if d["kind"] == "Deployment"]
    assert len(pods) == 2
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["livenessProbe"]
            assert container["readinessProbe"]
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("form", FORMS)
def test_the_webhook_fails_open_within_two_seconds_and_sees_only_pods_that_ask(cluster: Cluster, form: str) -> None:
    (found,) = [d for d in objects(cluster, *FORMS[form]) if d["kind"] == "MutatingWebhookConfiguration"]
    (webhook,) = found["webhooks"]
    assert webhook["failurePolicy"] == "Ignore"
    assert webhook["timeoutSeconds"] == 2
    assert webhook["objectSelector"] == {"matchLabels": {"keyturn.dev/inject": "true"}}


@pytest.mark.parametrize("form", FORMS)
def test_network_policies_select_only_pods_of_keyturn(cluster: Cluster, form: str) -> None:
    policies = [d for d in objects(cluster, *FORMS[form]) if d["kind"] == "NetworkPolicy"]
    assert len(policies) == 2
    for policy in policies:
        assert policy["metadata"]["namespace"] == "keyturn-system"
        assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "keyturn"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([], "Say whose plans Keyturn serves"),
        (["clusterWide=true", "watchNamespaces={shop}"], "watchNamespaces and clusterWide exclude each other"),
        (["watchNamespaces={shop}", "secretNames.pay={orders-db}"], "not in watchNamespaces"),
        (["watchNamespaces={shop}", "operator.replicas=0"], "minimum"),
        (["watchNamespaces={shop}", "operator.replica=2"], "additional properties 'replica' not allowed"),
        (["watchNamespaces={Shop}"], "does not match pattern"),
        (["watchNamespaces={shop}", "operator.lease.renewDeadline=12"], "one and a half times"),
        (["watchNamespaces={shop}", "operator.lease.retryPeriod=6"], "at least twice"),
        (["watchNamespaces={shop}", "operator.lease.duration=2"], "minimum"),
        (
            ["watchNamespaces={shop}", "metrics.service=false", "metrics.serviceMonitor.enabled=true"],
            "needs metrics.service",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_in_words(cluster: Cluster, values: list[str], sentence: str) -> None:
    sets = [word for value in values for word in ("--set", value)]
    done = helm(cluster, "template", "keyturn", str(CHART), *sets)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_what_is_not_wanted_is_left_out(cluster: Cluster) -> None:
    lean = ["injector.enabled=false", "networkPolicy=false", "podDisruptionBudget=false", "metrics.service=false"]
    kinds = {document["kind"] for document in objects(cluster, "watchNamespaces={shop}", *lean)}
    absent = {"MutatingWebhookConfiguration", "NetworkPolicy", "PodDisruptionBudget", "Service"}
    assert not kinds & absent


def test_a_service_monitor_is_made_on_request(cluster: Cluster) -> None:
    wanted = ["watchNamespaces={shop}", "metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.interval=15s"]
    (monitor,) = [d for d in objects(cluster, *wanted) if d["kind"] == "ServiceMonitor"]
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "interval": "15s"}]
