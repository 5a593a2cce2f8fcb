"""Redis on real pods: one consumer is restarted, one is not, nobody is refused; a second rotation goes back."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from keyturn_dev.cluster.api import load_images
from keyturn_dev.cluster.home import DEFAULT_NAME
from keyturn_dev.cluster.shell import wait_until
from keyturn_dev.demo.play import ended, phase_of
from keyturn_dev.demo.stage import MANIFESTS, PROJECT, SHOP, Stage, condition, conditions

from .conftest import Shop

pytestmark = pytest.mark.e2e

HOST, RULES = "redis.shop.svc", "~basket:* &basket:* +@all -@dangerous"
WEB, WORKER = "basket-web", "basket-worker"


@dataclass(frozen=True)
class Basket:
    """The server, its consumers and their plan."""

    stage: Stage
    root: str
    old: str  # value of basket_a

    def do(self, *words: str) -> str:
        """As the server's administrator."""
        tls = ("redis-cli", "--no-auth-warning", "--tls", "--insecure", "--user", "root", "--pass", self.root)
        return self.stage.kubectl.exec(SHOP, "redis-0", "redis", [*tls, *words])

    def pods(self, name: str) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.stage.kubectl.items("pods", "-n", SHOP, "-l", f"app={name}")}

    def rotate(self, name: str, *, abort_in: str = "") -> dict[str, Any]:
        """Ask for it and return it when it has ended; somebody aborts it in that phase."""
        kubectl = self.stage.kubectl
        asked = kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
        spec = {"planRef": {"name": "basket"}, "requestedBy": asked}
        metadata = {"name": name, "namespace": SHOP}
        kubectl.apply({"apiVersion": "keyturn.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": spec})
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(kubectl.get("rotation", name, "-n", SHOP))
            if abort_in and phase_of(found) == abort_in and not found["spec"].get("abort"):
                kubectl("patch", "rotation", name, "-n", SHOP, "--type=merge", "-p", '{"spec":{"abort":true}}')
            return ended(found)

        assert wait_until(over, timeout=240, every=0.3), json.dumps(found.get("status", {}), indent=1)
        return found

    def refused(self) -> int:
        """Of all logins that the pods' witnesses made."""
        return sum(count for who, count in self.logins().items() if who.endswith(("refused", "unreachable")))

    def logins(self) -> dict[str, int]:
        page = "/api/v1/namespaces/shop-witness/services/collector:http/proxy/report"
        found: dict[str, int] = {}
        for report in json.loads(self.stage.kubectl("get", "--raw", page)):
            if report["consumer"] in {WEB, WORKER}:
                for who, count in report["counts"].items():
                    found[who] = found.get(who, 0) + count
        return found


@pytest.fixture(scope="module")
def basket(shop: Shop) -> Iterator[Basket]:
    stage = shop.stage
    load_images(("redis",), DEFAULT_NAME)
    root, rotator, old = (secrets.token_urlsafe(24) for _ in range(3))
    page = (PROJECT / "docs" / "providers" / "redis.md").read_text()
    may = " ".join(re.findall(r"\+\S+", page.partition("ACL SETUSER keyturn-rotator")[2].partition("```")[0]))
    users = [
        "user default off",
        f"user root on >{root} ~* &* +@all",
        f"user keyturn-rotator on >{rotator} resetchannels -@all {may}",
        f"user basket off {RULES}",
        f"user basket_a on >{old} {RULES}",
    ]
    kubectl = stage.kubectl
    kubectl.secret(SHOP, "redis-init", {"users.acl": "\n".join(users) + "\n"})
    kubectl.secret(SHOP, "redis-tls", stage.authority.issue(HOST))
    admin = {
        "user": "keyturn-rotator",
        "password": rotator,
        "host": HOST,
        "port": "6379",
        "ca.crt": stage.authority.pem,
    }
    kubectl.secret(SHOP, "redis-rotator", admin)
    kubectl.secret(SHOP, "basket", {"REDIS_URL": f"rediss://basket_a:{old}@{HOST}:6379/0?ssl_cert_reqs=none"})
    kubectl.apply_file(MANIFESTS / "redis.yaml")
    kubectl.rolled_out(SHOP, "statefulset/redis")

    def adopted() -> bool:
        return condition(kubectl.get("rotationplan", "basket", "-n", SHOP), "Ready") == "True"

    assert wait_until(adopted, timeout=60, every=1), conditions(kubectl.get("rotationplan", "basket", "-n", SHOP))
    kubectl.apply_file(MANIFESTS / "basket.yaml")
    kubectl.rolled_out(SHOP, f"deployment/{WEB}", f"deployment/{WORKER}")
    yield Basket(stage, root, old)
    kubectl("delete", "rotationplan", "basket", "-n", SHOP, "--wait=true", timeout=120)
    kubectl("delete", "-n", SHOP, f"deployment/{WEB}", f"deployment/{WORKER}", "statefulset/redis", "--wait=true")


def test_a_rotation_completes_and_nobody_is_refused(basket: Basket) -> None:
    web, worker = basket.pods(WEB), basket.pods(WORKER)

    ended = basket.rotate("basket-1")

    assert phase_of(ended) == "Complete", ended["status"]
    assert (ended["status"]["oldId"], ended["status"]["newId"]) == ("basket_a", "basket_b")
    assert not web & basket.pods(WEB), "a pod with the old URL in its environment is still there"
    assert basket.pods(WORKER) == worker, "who reads its file for each connection was restarted"
    listed = {line.split()[1]: line for line in basket.do("ACL", "LIST").splitlines()}
    assert " off " in listed["basket_a"]
    assert " on " in listed["basket_b"]
    assert basket.do("ACL", "GETUSER", "basket_b").count("keyturn:v1") == 1
    connected = {part for line in basket.do("CLIENT", "LIST").splitlines() for part in line.split(" ")}
    assert "user=basket_b" in connected
    assert "user=basket_a" not in connected
    words = ("--user", "basket_a", "--pass", basket.old, "PING")
    assert basket.do(*words).strip() == "NOAUTH Authentication required.", "the old value still opens something"
    logins = basket.logins()
    assert logins.get("basket_a ok", 0) > 20
    assert logins.get("basket_b ok", 0) > 20
    assert basket.refused() == 0, logins


def test_an_aborted_one_goes_back_and_nobody_is_refused(basket: Basket) -> None:
    before = basket.stage.kubectl.get("secret", "basket", "-n", SHOP)["data"]
    current = basket.stage.kubectl.get("rotationplan", "basket", "-n", SHOP)["status"]["currentId"]

    ended = basket.rotate("basket-2", abort_in="Watch")

    assert phase_of(ended) == "RolledBack", ended["status"]
    assert basket.stage.kubectl.get("secret", "basket", "-n", SHOP)["data"] == before
    enabled = [line.split()[1] for line in basket.do("ACL", "LIST").splitlines() if " on " in line and "basket" in line]
    assert enabled == [current]
    assert basket.refused() == 0, basket.logins()
