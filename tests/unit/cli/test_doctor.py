"""``doctor``: RBAC read the other way round, and what is said about it at 80 columns."""

from __future__ import annotations

import pytest

from keyturn.cli.doctor import Diagnosis, Power, doctor
from keyturn.cli.reach import MASTERS, Deed, Rights, who_may
from keyturn.cli.views.diagnosis import diagnosis_page
from keyturn.cli.views.plain import NARROW, plain
from keyturn.kube.raw import Json
from keyturn.ports import Misconfigured
from support.golden import assert_golden
from unit.cli.test_verbs import ApiInMemory, at

HOME = "keyturn-system"
READ = Deed("get", "", "secrets", HOME)


def role(name: str, namespace: str = "", **rule: list[str]) -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, "rules": [rule]}


def binding(kind: str, name: str, *subjects: Json, namespace: str = "") -> Json:
    return {"metadata": {"namespace": namespace}, "roleRef": {"kind": kind, "name": name}, "subjects": list(subjects)}


ANN: Json = {"kind": "User", "name": "ann"}
ROBOT: Json = {"kind": "ServiceAccount", "name": "deployer", "namespace": "ci"}
EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
SECRETS = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}


@pytest.mark.parametrize(
    ("rights", "who"),
    [
        (Rights([role("r", **SECRETS)], [binding("ClusterRole", "r", ANN)]), {"User ann"}),
        (Rights([role("r", **SECRETS)], [binding("ClusterRole", "other", ANN)]), set()),
        (Rights([role("r", **EVERYTHING)], [binding("ClusterRole", "r", ANN)]), {"User ann"}),
        (Rights([role("r", **(SECRETS | {"verbs": ["list"]}))], [binding("ClusterRole", "r", ANN)]), set()),
        (Rights([role("r", **(SECRETS | {"apiGroups": ["apps"]}))], [binding("ClusterRole", "r", ANN)]), set()),
        (Rights([role("r", **(SECRETS | {"resourceNames": ["x"]}))], [binding("ClusterRole", "r", ANN)]), {"User ann"}),
        (
            Rights([role("r", **SECRETS)], [], [], [binding("ClusterRole", "r", ROBOT, namespace="keyturn-system")]),
            {"ServiceAccount ci/deployer"},
        ),
        (Rights([role("r", **SECRETS)], [], [], [binding("ClusterRole", "r", ANN, namespace="shop")]), set()),
        (
            Rights([], [], [role("r", HOME, **SECRETS)], [binding("Role", "r", ANN, namespace=HOME)]),
            {"User ann"},
        ),
        (
            Rights([], [], [role("r", "shop", **SECRETS)], [binding("Role", "r", ANN, namespace="keyturn-system")]),
            set(),
        ),
    ],
)
def test_who_may_is_read_from_roles_and_bindings(rights: Rights, who: set[str]) -> None:
    assert who_may(READ, rights) == who | {MASTERS}


def test_a_right_to_every_subresource_is_a_right_to_this_one() -> None:
    token = Deed("create", "", "serviceaccounts/token", "keyturn-system")
    rule = {"verbs": ["create"], "apiGroups": [""], "resources": ["*/token"]}
    assert "User ann" in who_may(token, Rights([role("r", **rule)], [binding("ClusterRole", "r", ANN)]))
    rule["resources"] = ["serviceaccounts"]
    assert "User ann" not in who_may(token, Rights([role("r", **rule)], [binding("ClusterRole", "r", ANN)]))


OPERATOR = "system:serviceaccount:keyturn-system:keyturn-operator"
POWERS = (
    Power("speak in another's name", (MASTERS, "User root@example.com"), 0),
    Power(
        "read or change the escrow in keyturn-system", (MASTERS, "ServiceAccount keyturn-system/keyturn-operator"), 7
    ),
)
FLAW = "ValidatingAdmissionPolicy keyturn-approvals differs from what this version of Keyturn installs"
SCREENS = {
    "doctor-well": Diagnosis("shop", OPERATOR, (), POWERS),
    "doctor-ill": Diagnosis("shop", OPERATOR, (FLAW,), ()),
}


@pytest.mark.parametrize("name", SCREENS)
def test_the_diagnosis_fits_the_screen(name: str) -> None:
    shown = plain(diagnosis_page(SCREENS[name]))
    assert max(map(len, shown.splitlines())) <= NARROW
    assert_golden(f"cli/{name}.txt", shown)


async def test_without_an_operator_there_is_nothing_to_examine() -> None:
    with pytest.raises(Misconfigured, match="no operator of Keyturn runs here"):
        await doctor(at(ApiInMemory()))
