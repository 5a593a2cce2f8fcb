"""People who try to get through Keyturn what they may not do: each refused by a real API server, or by the operator.

The shop's database belongs to olga; ann writes plans for the orders team only; bob approves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from keyturn_dev.cluster.api import Cluster
from support.shipped import ROLES, Shipped, shipped

pytestmark = pytest.mark.integration
Manifest = dict[str, Any]
ANN, BOB, OLGA, MALLORY = "ann@example.com", "bob@example.com", "olga@example.com", "mallory@example.com"
ROBOT = "system:serviceaccount:ci:deployer"
OURS = {"apiVersion": "keyturn.dev/v1alpha1"}


def rule(group: str, resource: str, *verbs: str, names: tuple[str, ...] = ()) -> Manifest:
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)} | named


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Shipped]:
    with shipped(cluster) as here:
        here.bind(OLGA, "admin")
        here.allow(OLGA, rule("", "secrets", "get", names=("postgres-rotator",)))
        here.allow(
            ANN,
            rule("keyturn.dev", "rotationplans", "get", "create", "update", "patch"),
            rule("keyturn.dev", "rotations", "get", "create"),
            rule("keyturn.dev", "rotationapprovals", "get", "create", "update", "patch"),
            rule("keyturn.dev", "credentialproviders", "use", names=("shop-postgres",)),
            rule("", "secrets", "update", names=("orders-db", "orders-db-ring")),
            rule("apps", "deployments", "patch", names=("orders-api",)),
        )
        for user in (BOB, MALLORY, ROBOT):
            here.bind(user, "approver")
        for name in ("orders-db", "payroll-db", "postgres-rotator"):
            here.must("create", "secret", "generic", name, "--from-literal=x=y")
        here.must("create", "secret", "generic", "keyturn-escrow-1", "--from-literal=x=y", namespace=here.home)
        here.must("create", "-f", "-", stdin=provider())
        here.must("create", "-f", "-", as_=ANN, stdin=plan())
        here.must("create", "-f", "-", as_=ANN, stdin=rotation())
        yield here


def provider(**spec: object) -> Manifest:
    wish: Manifest = {
        "postgres": {
            "adminSecretRef": {"name": "postgres-rotator"},
            "endpoints": [{"host": "postgres.shop.svc"}],
            "database": "shop",
        },
        "allow": {"owners": ["orders_owner"], "slots": ["orders_*"], "secrets": ["orders-db"]},
    }
    return OURS | {"kind": "CredentialProvider", "metadata": {"name": "shop-postgres"}, "spec": wish | spec}


def plan(name: str = "orders-db", **spec: object) -> Manifest:
    wish: Manifest = {
        "providerRef": {"name": "shop-postgres"},
        "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
        "secret": {"name": "orders-db", "keys": {"URL": "postgresql://{username}:{password}@{host}"}},
        "consumers": {"discover": "None", "list": [{"name": "orders-api"}]},
        "retire": {"approvals": 1},
    }
    mine = {"name": name, "annotations": {"edited-by.keyturn.dev/me": ANN}}
    return OURS | {"kind": "RotationPlan", "metadata": mine, "spec": wish | spec}


def ring_plan(secret: str = "orders-db-ring", **acceptors: object) -> Manifest:
    """Of a key that pods judge: ``secret`` tells them which keys to accept."""
    ring = {"secret": {"name": secret, "key": "keys.json", "format": "JsonMap"}, **acceptors}
    made = plan("keys", keyring={"key": "Hmac", "maxTokenLifetime": "10m", "acceptors": ring})
    del made["spec"]["postgres"]
    return made


def rotation(requested_by: str = ANN, name: str = "orders-db-1") -> Manifest:
    spec = {"planRef": {"name": "orders-db"}, "requestedBy": requested_by}
    return OURS | {"kind": "Rotation", "metadata": {"name": name}, "spec": spec}


def approval(approver: str, name: str = "approval") -> Manifest:
    spec = {"rotationRef": {"name": "orders-db-1", "uid": "u"}, "digest": "a" * 64, "approver": approver}
    return OURS | {"kind": "RotationApproval", "metadata": {"name": name}, "spec": spec}


def offered(release: Shipped, who: str, manifest: Manifest, namespace: str = "") -> str:
    """What the API server says against it; "" if it would take it."""
    done = release.run("create", "--dry-run=server", "-f", "-", as_=who, namespace=namespace, stdin=manifest)
    assert (done.returncode == 0) == (not done.stderr), done.stderr
    return done.stderr


class DescribeAPlansAuthor:
    def test_gets_a_plan_for_what_he_could_do_himself(self, release: Shipped) -> None:
        assert offered(release, ANN, plan("mine")) == ""

    @pytest.mark.parametrize(
        ("asked", "sentence"),
        [
            (
                ring_plan("payroll-db", discover="None", list=[{"name": "orders-api"}]),
                "may not update Secret payroll-db",
            ),
            (ring_plan(discover="None", list=[{"name": "payroll"}]), "may not patch Deployment payroll"),
            (ring_plan(), "you may not patch every Deployment here"),
            (ring_plan(discover="None", list=[{"name": "orders-api"}]), ""),
        ],
    )
    def test_gets_no_ring_and_no_acceptors_of_others(self, release: Shipped, asked: Manifest, sentence: str) -> None:
        refused = offered(release, ANN, asked)
        assert sentence in refused if sentence else refused == ""

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"providerRef": {"name": "payroll-postgres"}}, "you may not use CredentialProvider payroll-postgres"),
            (
                {"providerRef": {"kind": "ClusterCredentialProvider", "name": "everything"}},
                "you may not use ClusterCredentialProvider everything",
            ),
            (
                {"secret": {"name": "payroll-db", "keys": {"URL": "{username}:{password}"}}},
                "you may not update Secret payroll-db, so a plan of yours may not write it either",
            ),
            (
                {"consumers": {"discover": "None", "list": [{"name": "orders-api"}, {"name": "payroll"}]}},
                "you may not patch Deployment payroll, so a plan of yours may not restart it either",
            ),
            ({"consumers": {"discover": "SecretReference"}}, "you may not patch every Deployment here"),
            (
                {"consumers": {"discover": "None", "list": [{"name": f"orders-{i}"} for i in range(17)]}},
                "more than 16 consumers are only for who may patch every Deployment",
            ),
            (
                {"secret": {"name": "keyturn-master", "keys": {"URL": "{username}:{password}"}}},
                "Secrets whose names start like that are Keyturn's own",
            ),
            (
                {"secret": {"name": "keyturn-probe-orders-db", "keys": {"URL": "{username}:{password}"}}},
                "Secrets whose names start like that are Keyturn's own",
            ),
        ],
    )
    def test_cannot_reach_what_belongs_to_another_team(self, release: Shipped, change: Manifest, sentence: str) -> None:
        assert sentence in offered(release, ANN, plan("reaching", **change))

    def test_cannot_reach_it_by_editing_a_plan_he_was_allowed(self, release: Shipped) -> None:
        wider = plan(consumers={"discover": "SecretReference"})
        done = release.run("apply", "--server-side", "--force-conflicts", "-f", "-", as_=ANN, stdin=wider)
        assert "you may not patch every Deployment here" in done.stderr

    def test_cannot_write_a_plan_into_another_teams_namespace(self, release: Shipped) -> None:
        assert "forbidden" in offered(release, ANN, plan(), namespace=release.pay)

    def test_checks_up_to_sixteen_consumers_one_by_one_at_a_real_api_servers_cost_limit(self, release: Shipped) -> None:
        names = [f"orders-{i}" for i in range(16)]
        release.allow(
            "sixteen",
            rule("keyturn.dev", "rotationplans", "create"),
            rule("keyturn.dev", "credentialproviders", "use"),
            rule("", "secrets", "update"),
            rule("apps", "deployments", "patch", names=tuple(names)),
        )
        wish = plan("sixteen", consumers={"discover": "None", "list": [{"name": name} for name in names]})
        wish["metadata"]["annotations"] = {"edited-by.keyturn.dev/me": "sixteen"}
        assert offered(release, "sixteen", wish) == ""


class DescribeWhoEditsUnderFourEyes:
    def test_says_so_truthfully(self, release: Shipped) -> None:
        silent, lying = plan("p"), plan("p")
        del silent["metadata"]["annotations"]
        lying["metadata"]["annotations"]["edited-by.keyturn.dev/me"] = BOB
        assert f"add the annotation edited-by.keyturn.dev/me with the value {ANN}" in offered(release, ANN, silent)
        assert f"may only name who writes them: {ANN}" in offered(release, ANN, lying)

    @pytest.mark.parametrize(
        "patch",
        [
            {"metadata": {"annotations": {"edited-by.keyturn.dev/me": None}}},
            {"metadata": {"annotations": {"edited-by.keyturn.dev/me": OLGA}}},
            {"metadata": {"annotations": None}},
        ],
    )
    def test_cannot_be_forgotten(self, release: Shipped, patch: Manifest) -> None:
        done = release.run("patch", "rotationplan", "orders-db", "--type=merge", "-p", _json(patch), as_=OLGA)
        assert "are a record: leave those that are there as they are" in done.stderr

    def test_is_on_record_even_when_he_first_asks_for_no_approvals_any_more(self, release: Shipped) -> None:
        release.allow(OLGA, rule("", "secrets", "get", "update"), rule("apps", "deployments", "patch"))
        lower = {"spec": {"retire": {"approvals": 0}}}
        done = release.run("patch", "rotationplan", "orders-db", "--type=merge", "-p", _json(lower), as_=OLGA)
        assert f"with the value {OLGA}" in done.stderr
        signed = lower | {"metadata": {"annotations": {"edited-by.keyturn.dev/olga": OLGA}}}
        words = ("patch", "rotationplan", "orders-db", "--type=merge", "--dry-run=server", "-p", _json(signed))
        release.must(*words, as_=OLGA)


class DescribeARotation:
    def test_cannot_be_asked_for_in_another_name(self, release: Shipped) -> None:
        assert f"spec.requestedBy must be who asks: {ANN}" in offered(release, ANN, rotation(BOB, "forged"))

    def test_cannot_pretend_to_be_the_schedules(self, release: Shipped) -> None:
        assert f"spec.requestedBy must be who asks: {ANN}" in offered(release, ANN, rotation("", "forged"))


class DescribeAnApproval:
    def test_is_given_in_ones_own_name(self, release: Shipped) -> None:
        assert offered(release, BOB, approval(BOB)) == ""

    def test_cannot_be_forged(self, release: Shipped) -> None:
        assert f"spec.approver must be who approves: {MALLORY}" in offered(release, MALLORY, approval(BOB))

    def test_cannot_be_given_by_a_service_account(self, release: Shipped) -> None:
        assert f"only people approve, and {ROBOT} is none" in offered(release, ROBOT, approval(ROBOT))

    def test_cannot_be_given_without_the_right(self, release: Shipped) -> None:
        assert "forbidden" in offered(release, OLGA, approval(OLGA))

    def test_cannot_be_edited_not_even_by_who_gave_it(self, release: Shipped) -> None:
        release.must("create", "-f", "-", as_=ANN, stdin=approval(ANN, "anns"))
        for field, value in (("digest", "b" * 64), ("approver", BOB), ("comment", "fine")):
            words = ("patch", "rotationapproval", "anns", "--type=merge", "-p", _json({"spec": {field: value}}))
            assert "an approval is never changed" in release.run(*words, as_=ANN).stderr


class DescribeAProvider:
    def test_cannot_lend_out_a_credential_that_its_author_may_not_read(self, release: Shipped) -> None:
        release.allow(MALLORY, rule("keyturn.dev", "credentialproviders", "create"))
        wider = deepcopy(provider(allow={"owners": ["everything"], "slots": ["*"]}))
        wider["metadata"]["name"] = "mallorys"
        assert "you may not read Secret postgres-rotator" in offered(release, MALLORY, wider)
        redis = {"adminSecretRef": {"name": "redis-rotator"}, "endpoints": [{"host": "redis.shop.svc"}]}
        wider["spec"] = {"redis": redis, "allow": {"owners": ["everything"], "slots": ["*"]}}
        assert "you may not read Secret redis-rotator" in offered(release, MALLORY, wider)
        release.allow(MALLORY, rule("keyturn.dev", "credentialproviders", "create"), rule("", "secrets", "get"))
        assert offered(release, MALLORY, wider) == ""

    def test_for_several_namespaces_reads_its_secret_where_the_operator_lives(self, release: Shipped) -> None:
        wide = provider(namespaceSelector={"matchLabels": {"team": "shop"}}) | {"kind": "ClusterCredentialProvider"}
        wide["metadata"] = {"name": f"{release.release}-wide"}
        assert offered(release, "", wide) == ""
        bound = f"{release.release}-wide"
        mark = f"app.kubernetes.io/instance={release.release}"
        release.must("create", "clusterrolebinding", bound, f"--clusterrole={release.release}-admin", f"--user={OLGA}")
        release.must("label", "clusterrolebinding", bound, mark)
        assert f"you may not read Secret postgres-rotator in namespace {release.home}" in offered(release, OLGA, wide)

    def test_cannot_use_keyturns_own_secrets(self, release: Shipped) -> None:
        own = provider()
        own["metadata"]["name"] = "own"
        own["spec"]["postgres"]["adminSecretRef"] = {"name": "keyturn-escrow-1"}
        done = release.run("create", "--dry-run=server", "-f", "-", stdin=own)
        assert "are Keyturn's own" in done.stderr


class DescribeStatus:
    @pytest.mark.parametrize("who", [OLGA, ""])
    @pytest.mark.parametrize("what", ["rotation/orders-db-1", "rotationplan/orders-db"])
    def test_is_written_by_nobody_but_the_operator(self, release: Shipped, what: str, who: str) -> None:
        """Not even by the cluster's administrator, short of removing the policy."""
        release.allow(
            OLGA, rule("keyturn.dev", "rotations/status", "*"), rule("keyturn.dev", "rotationplans/status", "*")
        )
        status = {"phase": "Delete"} if what.startswith("rotation/") else {"currentId": "x"}
        words = ("patch", what, "--subresource=status", "--type=merge", "-p", _json({"status": status}))
        assert "status is written by Keyturn's operator alone" in release.run(*words, as_=who).stderr
        stored = release.get(*what.split("/")) | {"status": status}
        release.must(
            "replace", "--subresource=status", "--dry-run=server", "-f", "-", as_=release.operator, stdin=stored
        )


class DescribeTheEscrow:
    @pytest.mark.parametrize("role", ROLES)
    def test_is_closed_to_every_shipped_role_even_when_bound_where_it_lies(self, release: Shipped, role: str) -> None:
        user = f"{role}-at-home"
        release.bind(user, role, namespace=release.home)
        for words in (
            ("get", "secret", "keyturn-escrow-1"),
            ("get", "secrets"),
            ("delete", "secret", "keyturn-escrow-1"),
        ):
            assert "forbidden" in release.run(*words, as_=user, namespace=release.home).stderr

    def test_is_closed_to_the_injector(self, release: Shipped) -> None:
        who = release.account("injector")
        done = release.run("get", "secret", "keyturn-escrow-1", as_=who, namespace=release.home)
        assert "forbidden" in done.stderr

    def test_is_never_listed_by_the_operator_itself(self, release: Shipped) -> None:
        assert "forbidden" in release.run("get", "secrets", as_=release.operator, namespace=release.home).stderr


def _json(body: Manifest) -> str:
    return json.dumps(body)
