"""Is an admission policy in place as it stands in ``api.policies``, and does it hold in this namespace? Pure.

A policy that was weakened is as good as none: everything that decides whether it refuses is compared, and only what the
API server adds by itself is let pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from keyturn.api.policies import AdmissionPolicy

Installed = Mapping[str, Any]
_NAME_OF_NAMESPACE = "kubernetes.io/metadata.name"  # set by the API server and unchangeable, since 1.22


def flaw(
    policy: AdmissionPolicy, operator: str, installed: Installed | None, binding: Installed | None, where: str
) -> str:
    """What is wrong, in words after the policy's name; "" if it holds in the namespace ``where``."""
    if installed is None:
        return "is not installed"
    if not _same(policy.spec(operator), _spec(installed)):
        return "differs from what this version of Keyturn installs"
    if binding is None:
        return "is not bound"
    if not _binds(_spec(binding), where):
        return f"is not bound to namespace {where} as it should be"
    return ""


def _spec(found: Installed) -> Installed:
    return cast("Installed", found.get("spec") or {})


def _same(wanted: Installed, found: Installed) -> bool:
    place = cast("Installed", found.get("matchConstraints") or {})
    rules = [{key: rule.get(key) for key in wanted_rule} for rule, wanted_rule in _rules(wanted, place)]
    return (
        found.get("failurePolicy") == wanted["failurePolicy"]
        and not found.get("paramKind")
        and not place.get("excludeResourceRules")
        and not place.get("namespaceSelector")
        and not place.get("objectSelector")
        and place.get("matchPolicy", "Equivalent") == "Equivalent"
        and all(
            rule.get("scope", "*") == "*" and not rule.get("resourceNames") for rule in _list(place, "resourceRules")
        )
        and rules == wanted["matchConstraints"]["resourceRules"]
        and (found.get("matchConditions") or []) == wanted.get("matchConditions", [])
        and (found.get("variables") or []) == wanted.get("variables", [])
        and _expressions(found) == _expressions(wanted)
    )


def _list(found: Installed, key: str) -> list[Installed]:
    return cast("list[Installed]", found.get(key) or [])


def _expressions(spec: Installed) -> list[object]:
    return [one.get("expression") for one in _list(spec, "validations")]


def _rules(wanted: Installed, place: Installed) -> list[tuple[Installed, Installed]]:
    found, expected = _list(place, "resourceRules"), _list(wanted["matchConstraints"], "resourceRules")
    return list(zip(found, expected, strict=True)) if len(found) == len(expected) else []


def _binds(spec: Installed, where: str) -> bool:
    place = cast("Installed", spec.get("matchResources") or {})
    selector = cast("Installed", place.get("namespaceSelector") or {})
    elsewhere = [key for key in ("objectSelector", "resourceRules", "excludeResourceRules") if place.get(key)]
    if "Deny" not in (spec.get("validationActions") or []) or spec.get("paramRef") or elsewhere:
        return False
    terms = _list(selector, "matchExpressions")
    named = all(
        term.get("key") == _NAME_OF_NAMESPACE and term.get("operator") == "In" and where in (term.get("values") or [])
        for term in terms
    )
    return named and not selector.get("matchLabels")
