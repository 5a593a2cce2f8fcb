"""Whom the cluster's roles and bindings let do something: RBAC read the other way round. Pure.

Only RBAC is looked at; group ``system:masters`` passes every authorizer and is always named.
Source of the rules: https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from keyturn.kube.raw import Json, at, listed, text

MASTERS = "Group system:masters"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody may be allowed to do; in no namespace: cluster-wide."""

    verb: str
    group: str
    resource: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Rights:
    """Roles and bindings as read: cluster-wide ones, and those of the namespaces that matter."""

    cluster_roles: Sequence[Json]
    cluster_bindings: Sequence[Json]
    roles: Sequence[Json] = ()
    bindings: Sequence[Json] = ()


def who_may(deed: Deed, rights: Rights) -> frozenset[str]:
    """``User ann``, ``Group ops``, ``ServiceAccount ci/deployer``."""
    cluster_wide = _allowing(rights.cluster_roles, deed)
    found = set(_subjects(rights.cluster_bindings, {("ClusterRole", name) for name in cluster_wide}))
    if deed.namespace:
        local = _allowing((role for role in rights.roles if _namespace(role) == deed.namespace), deed)
        names = {("ClusterRole", name) for name in cluster_wide} | {("Role", name) for name in local}
        here = [binding for binding in rights.bindings if _namespace(binding) == deed.namespace]
        found |= set(_subjects(here, names))
    return frozenset(found | {MASTERS})


def of_kubernetes(subject: str) -> bool:
    """Kubernetes' own parts, which have to be trusted anyway."""
    own = subject.startswith(("User system:", "ServiceAccount kube-system/"))
    return own or subject in ("Group system:nodes", "Group system:monitoring")


def _namespace(found: Json) -> str:
    return text(found, "metadata", "namespace")


def _allowing(roles: Iterable[Json], deed: Deed) -> set[str]:
    return {text(role, "metadata", "name") for role in roles if any(_allows(r, deed) for r in listed(role, "rules"))}


def _allows(rule: Json, deed: Deed) -> bool:
    """A rule narrowed to names still counts: the names may be those that matter."""
    _, _, part = deed.resource.partition("/")
    resources = {deed.resource, "*", *([f"*/{part}"] if part else [])}
    return (
        bool({deed.verb, "*"} & _words(rule, "verbs"))
        and bool({deed.group, "*"} & _words(rule, "apiGroups"))
        and bool(resources & _words(rule, "resources"))
    )


def _words(rule: Mapping[str, object], key: str) -> set[str]:
    return {str(word) for word in at(dict(rule), key) or ()}


def _subjects(bindings: Iterable[Json], roles: set[tuple[str, str]]) -> Iterable[str]:
    for binding in bindings:
        if (text(binding, "roleRef", "kind"), text(binding, "roleRef", "name")) in roles:
            for subject in listed(binding, "subjects"):
                kind, name, home = text(subject, "kind"), text(subject, "name"), text(subject, "namespace")
                yield f"{kind} {home}/{name}" if kind == "ServiceAccount" else f"{kind} {name}"
