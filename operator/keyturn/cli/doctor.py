"""``kubectl keyturn doctor``: do the admission policies stand, and who could get around them? Reads only."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from keyturn.api.labels import OPERATORS
from keyturn.cli.reach import MASTERS, Deed, Rights, of_kubernetes, who_may
from keyturn.cli.session import Session
from keyturn.kube.approvals import flaws
from keyturn.kube.raw import Json, text
from keyturn.ports import Misconfigured

_RBAC = "rbac.authorization.k8s.io"
_HOME = f"/apis/{_RBAC}/v1"
_ADMISSION = "admissionregistration.k8s.io"


@dataclass(frozen=True, slots=True)
class Power:
    """Something that gets around Keyturn's refusals, and who can."""

    what: str
    who: tuple[str, ...]
    of_kubernetes: int  # so many more, which are Kubernetes' own parts


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found for one namespace."""

    namespace: str
    operator: str
    flaws: tuple[str, ...]
    powers: tuple[Power, ...]


async def doctor(session: Session) -> Diagnosis:
    """Raises Misconfigured without an operator; Denied when one may not read the cluster's roles and bindings."""
    home, operator, found = await _operator(session)
    rights = await _rights(session, home)
    powers = tuple(_power(what, deeds, rights) for what, deeds in _dangers(home).items())
    return Diagnosis(session.namespace, operator, tuple(found), powers)


def _dangers(home: str) -> dict[str, tuple[Deed, ...]]:
    policies = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
    changes = ("create", "update", "patch", "delete", "deletecollection")
    return {
        "speak in another's name": tuple(
            Deed("impersonate", "", what) for what in ("users", "groups", "serviceaccounts")
        ),
        "lift or weaken the policies": tuple(Deed(verb, _ADMISSION, what) for verb in changes for what in policies),
        "hand out any right": tuple(Deed(verb, _RBAC, "clusterroles") for verb in ("bind", "escalate")),
        f"read or change the escrow in {home}": tuple(
            Deed(verb, "", "secrets", home) for verb in ("get", "list", "watch", *changes)
        ),
        f"become the operator in {home}": (
            Deed("create", "", "serviceaccounts/token", home),
            Deed("create", "", "pods", home),
            Deed("create", "", "pods/exec", home),
            Deed("create", "apps", "deployments", home),
            Deed("patch", "apps", "deployments", home),
        ),
    }


def _power(what: str, deeds: tuple[Deed, ...], rights: Rights) -> Power:
    found = frozenset[str]().union(*(who_may(deed, rights) for deed in deeds))
    people = sorted(subject for subject in found if subject == MASTERS or not of_kubernetes(subject))
    return Power(what, tuple(people), len(found) - len(people))


async def _operator(session: Session) -> tuple[str, str, list[str]]:
    """Of several operators the one that serves this namespace: its policies are bound here, or most nearly so."""
    accounts = await session.api.collect("/apis/apps/v1/deployments", _account, labelSelector=OPERATORS)
    found = [(home, user, await flaws(session.api.read, user, session.namespace)) for home, user in accounts]
    if not found:
        raise Misconfigured("NoOperator", "no operator of Keyturn runs here; install the chart")
    return min(found, key=lambda one: len(one[2]))


def _account(deployment: Json) -> tuple[str, str]:
    home = text(deployment, "metadata", "namespace")
    name = text(deployment, "spec", "template", "spec", "serviceAccountName")
    return home, f"system:serviceaccount:{home}:{name}"


async def _rights(session: Session, home: str) -> Rights:
    paths = ("clusterroles", "clusterrolebindings", f"namespaces/{home}/roles", f"namespaces/{home}/rolebindings")
    return Rights(*await asyncio.gather(*(session.api.collect(f"{_HOME}/{path}", _as_it_is) for path in paths)))


def _as_it_is(found: Json) -> Json:
    return found
