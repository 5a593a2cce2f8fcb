"""Who may do what: the answers of a real API server for every shipped role and service account, reviewed as text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from keyturn.kube.client import KubeClient
from keyturn_dev.cluster.api import Cluster
from support.golden import assert_golden
from support.shipped import ROLES, Shipped, allowed, shipped

pytestmark = pytest.mark.integration

VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
OURS = (
    *("rotationplans", "rotationplans/status", "rotations", "rotations/status"),
    *("rotationapprovals", "credentialproviders"),
)
IN_NAMESPACE = [
    *[("keyturn.dev", resource) for resource in OURS],
    ("", "secrets"), ("", "pods"), ("", "pods/exec"), ("", "configmaps"), ("", "serviceaccounts/token"),
    ("apps", "deployments"), ("apps", "replicasets"), ("events.k8s.io", "events"), ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "roles"), ("rbac.authorization.k8s.io", "rolebindings"),
]  # fmt: skip
IN_CLUSTER = [
    ("keyturn.dev", "clustercredentialproviders"), ("", "namespaces"), ("", "nodes/proxy"), ("", "users"),
    ("rbac.authorization.k8s.io", "clusterroles"), ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
]  # fmt: skip
SPECIAL = {
    "credentialproviders": ("use",),
    "clustercredentialproviders": ("use",),
    "users": ("impersonate",),
    "roles": ("bind", "escalate"),
    "clusterroles": ("bind", "escalate"),
}
Question = tuple[str, str, str]  # place, resource as shown, verb


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Shipped]:
    with shipped(cluster) as here:
        for role in ROLES:
            here.bind(role, role)
        yield here


def questions(here: Shipped) -> dict[Question, dict[str, str]]:
    places = {"in a namespace it serves": here.shop, "in the operator's namespace": here.home, "elsewhere": "default"}
    asked: dict[Question, dict[str, str]] = {}
    for place, namespace in places.items():
        for group, resource in IN_NAMESPACE:
            _ask(asked, place, group, resource, {"namespace": namespace})
    for group, resource in IN_CLUSTER:
        _ask(asked, "cluster-wide", group, resource, {})
    policy = f"{here.release}-approvals"
    _ask(
        asked,
        "cluster-wide",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        {"name": policy},
        " (ours)",
    )
    return asked


def _ask(
    asked: dict[Question, dict[str, str]], place: str, group: str, resource: str, where: dict[str, str], note: str = ""
) -> None:
    name, _, part = resource.partition("/")
    for verb in (*VERBS, *SPECIAL.get(resource, ())):
        attributes = {"group": group, "resource": name, "verb": verb} | where
        asked[(place, resource + note, verb)] = attributes | ({"subresource": part} if part else {})


def subjects(here: Shipped) -> dict[str, dict[str, Any]]:
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{here.home}", "system:authenticated"]
    found: dict[str, dict[str, Any]] = {
        f"keyturn-{role}": {"user": role, "groups": ["system:authenticated"]} for role in ROLES
    }
    for part in ("operator", "injector"):
        found[f"service account keyturn-{part}"] = {"user": here.account(part), "groups": groups}
    return found


async def test_every_role_and_service_account_may_do_what_the_reviewed_text_says_and_nothing_else(
    release: Shipped, client: KubeClient
) -> None:
    asked = questions(release)
    lines: list[str] = []
    for subject, who in subjects(release).items():
        answers = dict(zip(asked, await allowed(client, who, list(asked.values())), strict=True))
        lines.append(f"{subject}\n")
        seen: dict[tuple[str, str], list[str]] = {}
        for (place, resource, verb), yes in answers.items():
            if yes:
                seen.setdefault((place, resource), []).append(verb)
        for place in dict.fromkeys(place for place, _, _ in asked):
            rows = [(resource, verbs) for (at, resource), verbs in seen.items() if at == place]
            lines.append(f"  {place}{'' if rows else ': nothing'}\n")
            lines += [f"    {resource:<36} {' '.join(verbs)}\n" for resource, verbs in rows]
    text = "".join(lines)
    assert_golden("roles/can-i.txt", text)
    for line in text.splitlines():  # whatever the reviewed text says, none of these may ever be in it
        assert not {"impersonate", "bind", "escalate"} & set(line.split())
        assert not ("secrets" in line.split() and {"list", "watch"} & set(line.split()))


def test_who_may_view_a_namespace_may_view_keyturns_objects_and_who_may_edit_it_may_not_change_them(
    release: Shipped,
) -> None:
    for user, role in (("vera", "view"), ("ed", "edit")):
        release.must("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")
    deadline = time.monotonic() + 60
    while release.run("auth", "can-i", "list", "rotations.keyturn.dev", as_="vera").returncode:
        assert time.monotonic() < deadline, "the viewer's rights were not handed on to view"
    for what in (
        "create rotations.keyturn.dev",
        "create rotationapprovals.keyturn.dev",
        "update rotationplans.keyturn.dev",
    ):
        assert release.run("auth", "can-i", *what.split(), as_="ed").returncode
