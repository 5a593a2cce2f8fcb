"""The admission policies, as data: what the API server refuses to whom. The chart's templates are generated from here.

They make a name in an object the name of who wrote it, and let nobody get through Keyturn what he could not do himself.
The operator compares what is installed with what stands here before it believes an approval. Pure.
Language: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/ (v1 since 1.30).
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic.types import JsonValue

from keyturn.api.base import GROUP
from keyturn.api.labels import EDITED_BY

Spec = dict[str, JsonValue]

NAMED_CONSUMERS = 16  # checked one by one; each check costs a third of what one expression may (tried on 1.36)
_WRITES = ("CREATE", "UPDATE")
_USER = "request.userInfo.username"
_CHANGED = "request.operation == 'CREATE' || object.spec != oldObject.spec"


@dataclass(frozen=True, slots=True)
class Check:
    """What must hold, and what the one who is refused reads."""

    expression: str
    message: str  # or, when ``computed``, an expression that gives it
    computed: bool = False


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """One ValidatingAdmissionPolicy. ``name`` follows the release's."""

    name: str
    why: str
    resources: tuple[str, ...]
    operations: tuple[str, ...]
    checks: tuple[Check, ...]
    variables: tuple[tuple[str, str], ...] = ()
    operator_exempt: bool = False

    def spec(self, operator: str) -> Spec:
        """As the API server takes it. ``operator``: the user name of the operator's service account."""
        rule: Spec = {
            "apiGroups": [GROUP],
            "apiVersions": ["*"],
            "operations": list(self.operations),
            "resources": list(self.resources),
        }
        made: Spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}}
        if self.operator_exempt:
            made["matchConditions"] = [{"name": "not-the-operator", "expression": f"{_USER} != '{operator}'"}]
        if self.variables:
            made["variables"] = [{"name": name, "expression": _for(operator, said)} for name, said in self.variables]
        made["validations"] = [
            {
                "expression": _for(operator, check.expression),
                "messageExpression" if check.computed else "message": check.message,
                "reason": "Forbidden",
            }
            for check in self.checks
        ]
        return made


def _for(operator: str, expression: str) -> str:
    return expression.replace("OPERATOR", f"'{operator}'")


def _may(group: str, resource: str, verb: str, name: str = "") -> str:
    """May the writer do this in the object's namespace?"""
    named = f".name({name})" if name else ""
    what = f"authorizer.group('{group}').resource('{resource}').namespace(request.namespace){named}"
    return f"{what}.check('{verb}').allowed()"


# ------------------------------------------------------------------------------------------------------- plans

_REF = "object.spec.providerRef"
_MAY_USE = (
    f"{_REF}.kind == 'ClusterCredentialProvider'"
    f" ? authorizer.group('{GROUP}').resource('clustercredentialproviders').name({_REF}.name).check('use').allowed()"
    f" : {_may(GROUP, 'credentialproviders', 'use', f'{_REF}.name')}"
)
_RINGS = (  # of whichever backend the plan names: a part of the spec that speaks of acceptors
    "dyn(object.spec).filter(part, type(dyn(object.spec)[part]) == map && has(dyn(object.spec)[part].acceptors))"
    ".map(part, dyn(object.spec)[part].acceptors)"
)
_LISTED = "dyn(object.spec.?consumers.?list.orValue([]))"
_ACCEPTING = "(variables.rings.size() > 0 ? variables.rings[0].?list.orValue([]) : [])"
_FINDS = "object.spec.consumers.discover != 'None' || variables.rings.exists(ring, ring.discover != 'None')"


def _named_consumer(number: int) -> Check:
    item = f"variables.listed[{number}]"
    return Check(
        f"!variables.changed || variables.any || variables.listed.size() <= {number} || "
        + _may("apps", "deployments", "patch", f"{item}.name"),
        f"'you may not patch ' + {item}.kind + ' ' + {item}.name + ', so a plan of yours may not restart it either: "
        "ask for the right, or take it off the list'",
        computed=True,
    )


PLANS = AdmissionPolicy(
    "plans",
    "A plan's author gets nothing through Keyturn that he could not do himself.",
    ("rotationplans",),
    _WRITES,
    (
        Check(
            f"!variables.changed || ({_MAY_USE})",
            f"'you may not use ' + {_REF}.kind + ' ' + {_REF}.name + ': ask its owner for the verb use on it'",
            computed=True,
        ),
        Check(
            "!variables.changed || " + _may("", "secrets", "update", "object.spec.secret.name"),
            "'you may not update Secret ' + object.spec.secret.name + ', so a plan of yours may not write it either'",
            computed=True,
        ),
        Check(
            "!variables.changed || variables.rings.all(ring, "
            + _may("", "secrets", "update", "ring.secret.name")
            + ")",
            "'you may not update Secret ' + variables.rings[0].secret.name + ', which tells acceptors what to accept, "
            "so a plan of yours may not write it either'",
            computed=True,
        ),
        Check(
            f"!variables.changed || variables.any || !({_FINDS})",
            "discover: SecretReference restarts any Deployment that uses the Secret, and you may not patch every "
            "Deployment here: ask for that right, or set discover: None and list those you may patch",
        ),
        Check(
            f"!variables.changed || variables.any || variables.listed.size() <= {NAMED_CONSUMERS}",
            f"more than {NAMED_CONSUMERS} consumers are only for who may patch every Deployment of the namespace",
        ),
        *(_named_consumer(number) for number in range(NAMED_CONSUMERS)),
    ),
    (
        ("changed", _CHANGED),
        ("rings", _RINGS),
        ("listed", f"{_LISTED} + {_ACCEPTING}"),
        ("any", _may("apps", "deployments", "patch")),
    ),
    operator_exempt=True,
)

# --------------------------------------------------------------------------------------------------- providers

_ADMINS = (
    "dyn(object.spec).filter(part, type(dyn(object.spec)[part]) == map && has(dyn(object.spec)[part].adminSecretRef))"
    ".map(part, dyn(object.spec)[part].adminSecretRef.name)"
)
PROVIDERS = AdmissionPolicy(
    "providers",
    "Who lends out a rotator's credential could use it himself.",
    ("credentialproviders", "clustercredentialproviders"),
    _WRITES,
    (
        Check(
            "!variables.changed || variables.admins.all(name, authorizer.group('').resource('secrets')"
            ".namespace(variables.home).name(name).check('get').allowed())",
            "'you may not read Secret ' + variables.admins.join(', ') + ' in namespace ' + "
            "variables.home + ', so a provider of yours may not use it either'",
            computed=True,
        ),
    ),
    (
        ("changed", _CHANGED),
        (
            "admins",  # of whichever backend the provider names: a part of the spec that refers to such a Secret
            _ADMINS,
        ),
        (
            "home",  # a request about a cluster-scoped object has no namespace, not even an empty one (seen on 1.36)
            "request.?namespace.orValue('') != '' ? request.namespace : OPERATOR.split(':')[2]",
        ),
    ),
)

# ----------------------------------------------------------------------------------------------------- editors


def _asks(what: str) -> str:
    """Does this plan or provider ask for approvals?"""
    return f"{what}.spec.?retire.?approvals.orValue(0) > 0 || {what}.spec.?approvals.?minimum.orValue(0) > 0"


def _entry(key: str) -> str:
    return f"{key}.startsWith('{EDITED_BY}')"


_KEPT = "(k in variables.{0} && variables.now[k] == variables.before[k])"
EDITORS = AdmissionPolicy(
    "editors",
    "Where approvals are asked for, plans and providers say truthfully who edited them, and forget nobody.",
    ("rotationplans", "credentialproviders", "clustercredentialproviders"),
    _WRITES,
    (
        Check(
            f"variables.before.all(k, !{_entry('k')} || {_KEPT.format('now')})",
            f"annotations {EDITED_BY}* are a record: leave those that are there as they are",
        ),
        Check(
            f"variables.now.all(k, !{_entry('k')} || {_KEPT.format('before')} || variables.now[k] == {_USER})",
            f"'annotations {EDITED_BY}* may only name who writes them: ' + {_USER}",
            computed=True,
        ),
        Check(
            "!variables.changed || !variables.recorded || "
            f"variables.now.exists(k, {_entry('k')} && variables.now[k] == {_USER})",
            f"'approvals are asked for here, so it is on record who edits: add the annotation {EDITED_BY}me with the "
            f"value ' + {_USER} + ', or with another word than me if that is taken'",
            computed=True,
        ),
    ),
    (
        ("changed", _CHANGED),
        ("now", "object.metadata.?annotations.orValue({})"),
        ("before", "request.operation == 'CREATE' ? {} : oldObject.metadata.?annotations.orValue({})"),
        (
            "recorded",  # once begun, a record goes on
            (
                f"variables.before.exists(k, {_entry('k')}) || {_asks('object')}"
                f" || (request.operation == 'UPDATE' && ({_asks('oldObject')}))"
            ),
        ),
    ),
    operator_exempt=True,
)

# --------------------------------------------------------------------------------------------------- rotations

REQUESTS = AdmissionPolicy(
    "requests",
    "A rotation names who asked for it.",
    ("rotations",),
    ("CREATE",),
    (
        Check(
            f"object.spec.?requestedBy.orValue('') == {_USER}",
            f"'spec.requestedBy must be who asks: ' + {_USER}",
            computed=True,
        ),
    ),
    operator_exempt=True,
)

# --------------------------------------------------------------------------------------------------- approvals

APPROVALS = AdmissionPolicy(
    "approvals",
    "An approval is one person's own word, and never changes.",
    ("rotationapprovals",),
    _WRITES,
    (
        Check(
            f"!{_USER}.startsWith('system:') && !('system:serviceaccounts' in request.userInfo.?groups.orValue([]))",
            f"'only people approve, and ' + {_USER} + ' is none'",
            computed=True,
        ),
        Check(
            f"request.operation == 'UPDATE' || object.spec.approver == {_USER}",
            f"'spec.approver must be who approves: ' + {_USER}",
            computed=True,
        ),
        Check(
            "request.operation == 'CREATE' || object.spec == oldObject.spec",
            "an approval is never changed: delete it to take it back, and approve anew what is shown now",
        ),
    ),
)

# ------------------------------------------------------------------------------------------------------ status

STATUS = AdmissionPolicy(
    "status",
    "Status is the record and the operator's only memory: nobody else writes it.",
    ("rotationplans/status", "rotations/status"),
    _WRITES,
    (
        Check(
            f"{_USER} == OPERATOR",
            "status is written by Keyturn's operator alone; to change what happens, edit spec, abort or suspend",
        ),
    ),
)

POLICIES = (PLANS, PROVIDERS, EDITORS, REQUESTS, APPROVALS, STATUS)


def policy_name(operator: str, policy: AdmissionPolicy) -> str:
    """As the chart names it: by the release, which the operator's service account is named after as well."""
    return f"{operator.rpartition(':')[2].removesuffix('-operator')}-{policy.name}"
