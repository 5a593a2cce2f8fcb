"""A policy that was weakened is as good as none: whatever was taken out of it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from keyturn.api.installed import flaw
from keyturn.api.policies import POLICIES, AdmissionPolicy, policy_name

OPERATOR = "system:serviceaccount:keyturn-system:keyturn-operator"
Change = Callable[[dict[str, Any], dict[str, Any]], object]


def as_installed(policy: AdmissionPolicy) -> tuple[dict[str, Any], dict[str, Any]]:
    """With what the API server fills in (seen on 1.36)."""
    spec: Any = deepcopy(policy.spec(OPERATOR))
    spec["matchConstraints"] |= {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
    for rule in spec["matchConstraints"]["resourceRules"]:
        rule["scope"] = "*"
    terms = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "pay"]}]
    place = {"matchPolicy": "Equivalent", "objectSelector": {}, "namespaceSelector": {"matchExpressions": terms}}
    name = policy_name(OPERATOR, policy)
    return {"spec": spec}, {"spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": place}}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_what_the_chart_installs_holds(policy: AdmissionPolicy) -> None:
    installed, binding = as_installed(policy)
    assert flaw(policy, OPERATOR, installed, binding, "shop") == ""
    del binding["spec"]["matchResources"]
    assert flaw(policy, OPERATOR, installed, binding, "any") == ""


WEAKENED: dict[str, Change] = {
    "a check is gone": lambda spec, _: spec["validations"].pop(),
    "a check says yes": lambda spec, _: spec["validations"][0].update(expression="true"),
    "it fails open": lambda spec, _: spec.update(failurePolicy="Ignore"),
    "somebody is exempt": lambda spec, _: spec.update(matchConditions=[{"name": "x", "expression": "false"}]),
    "a variable lies": lambda spec, _: spec.update(variables=[{"name": "changed", "expression": "false"}]),
    "updates are not looked at": lambda spec, _: spec["matchConstraints"]["resourceRules"][0].update(operations=[]),
    "no kind is looked at": lambda spec, _: spec["matchConstraints"].update(resourceRules=[]),
    "one name only": lambda spec, _: spec["matchConstraints"]["resourceRules"][0].update(resourceNames=["x"]),
    "one scope only": lambda spec, _: spec["matchConstraints"]["resourceRules"][0].update(scope="Cluster"),
    "exact versions": lambda spec, _: spec["matchConstraints"].update(matchPolicy="Exact"),
    "other namespaces": lambda spec, _: spec["matchConstraints"].update(namespaceSelector={"matchLabels": {"a": "b"}}),
    "labelled objects": lambda spec, _: spec["matchConstraints"].update(objectSelector={"matchLabels": {"a": "b"}}),
    "exceptions": lambda spec, _: spec["matchConstraints"].update(excludeResourceRules=[{"resources": ["*"]}]),
    "parameters": lambda spec, _: spec.update(paramKind={"apiVersion": "v1", "kind": "ConfigMap"}),
    "it only warns": lambda _, bound: bound.update(validationActions=["Warn"]),
    "bound by label": lambda _, bound: bound["matchResources"].update(namespaceSelector={"matchLabels": {"a": "b"}}),
    "bound to some": lambda _, bound: bound["matchResources"].update(objectSelector={"matchLabels": {"a": "b"}}),
    "bound elsewhere": lambda _, bound: bound["matchResources"]["namespaceSelector"]["matchExpressions"][0].update(
        values=["pay"]
    ),
    "bound with exceptions": lambda _, bound: bound["matchResources"].update(excludeResourceRules=[{"resources": []}]),
}


@pytest.mark.parametrize("change", WEAKENED.values(), ids=WEAKENED)
def test_whatever_is_weakened_is_noticed(change: Change) -> None:
    policy = POLICIES[0]
    installed, binding = as_installed(policy)
    change(installed["spec"], binding["spec"])
    assert flaw(policy, OPERATOR, installed, binding, "shop")


def test_what_is_not_there_is_noticed() -> None:
    installed, binding = as_installed(POLICIES[0])
    assert flaw(POLICIES[0], OPERATOR, None, binding, "shop") == "is not installed"
    assert flaw(POLICIES[0], OPERATOR, installed, None, "shop") == "is not bound"


def test_a_policy_made_for_another_operator_is_not_ours() -> None:
    installed, binding = as_installed(POLICIES[0])
    assert flaw(POLICIES[0], "system:serviceaccount:x:y-operator", installed, binding, "shop")
