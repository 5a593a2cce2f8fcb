"""A rotation on a real cluster, seen to its end: every pod proved it, nobody was refused, and no value leaked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from keyturn_dev.demo import leaks, scenes
from keyturn_dev.demo.part import SHOP
from keyturn_dev.demo.props import COPIES
from keyturn_dev.demo.scene import url_in_use
from keyturn_dev.demo.stage import OPERATOR
from support.real_shop import Shop

from .conftest import assert_all

pytestmark = pytest.mark.e2e

MAY_HOLD = (
    f"/registry/secrets/{SHOP}/orders-db",  # what pods consume
    f"/registry/secrets/{OPERATOR}/keyturn-escrow-",  # the way back
    *(f"/registry/secrets/{SHOP}/{copy}" for copy in COPIES),  # other scenes' hand-made copies
)
MAY_HOLD_ROTATOR = (f"/registry/secrets/{SHOP}/postgres-rotator",)


@pytest.mark.fm(60, 61)
def test_a_rotation_completes_and_no_value_is_seen_outside_secret_and_escrow(shop: Shop) -> None:
    # Given an operator, injectors and probes that log at DEBUG, and values that can be recognised
    before = url_in_use(shop.stage)
    # When a credential is rotated
    assert_all(scenes.rotate(shop.scene("happy")))
    # Then neither the old nor the new one is anywhere but where it must be
    canaries = {"old": password(before), "new": password(url_in_use(shop.stage))}
    rotator = {"rotator": shop.stage.passwords.rotator}
    assert canaries["old"] != canaries["new"]
    assert leaked_in_etcd(shop, canaries, MAY_HOLD) == []
    assert leaked_in_etcd(shop, rotator, MAY_HOLD_ROTATOR) == []
    everywhere = canaries | rotator | {"superuser": shop.stage.passwords.root}
    texts = {**shop.logs.texts(), **dict(pages(shop)), **dict(screens(shop))}
    texts["database log"] = shop.stage.database.log_text().encode()
    assert {name: leaks.holds(text, everywhere) for name, text in texts.items() if leaks.holds(text, everywhere)} == {}
    # And the search was no empty one: it finds what is there, and looked at all it must look at
    assert leaked_in_etcd(shop, canaries, ()) != []
    assert any("keyturn-operator" in name and b'"after": "Complete"' in text for name, text in texts.items())
    assert any("keyturn-injector" in name and text for name, text in texts.items())
    assert any(f"{SHOP}.orders-api" in name and b"keyturn-probe" in text for name, text in texts.items())


def password(url: str) -> str:
    found = urlsplit(url).password
    assert found
    return found


def leaked_in_etcd(shop: Shop, canaries: dict[str, str], may_hold: tuple[str, ...]) -> list[str]:
    etcd = shop.stage.kubectl.cluster.etcd
    assert etcd, "the dump needs a cluster of the local driver"
    dump = leaks.EtcdDump(etcd).versions()
    return sorted({key for key, value in dump if not key.startswith(may_hold) and leaks.holds(value, canaries)})


def pages(shop: Shop) -> Iterator[tuple[str, bytes]]:
    """The metrics of every operator."""
    pods = shop.stage.kubectl.items("pods", "-n", OPERATOR, "-l", "app.kubernetes.io/component=operator")
    for pod in pods:
        name = pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{OPERATOR}/pods/{name}:8080/proxy/metrics"
        text = shop.stage.kubectl("get", "--raw", path)
        assert "keyturn_" in text
        yield f"metrics of {name}", text.encode()


def screens(shop: Shop) -> Iterator[tuple[str, bytes]]:
    """What the plugin and kubectl print."""
    plugin = Path(sys.executable).parent / "kubectl-keyturn"
    environment = os.environ | shop.stage.kubectl.cluster.environment()
    for words in (["status"], ["status", "orders-db"], ["why", "orders-db"], ["watch", "orders-db-happy"]):
        argv = [str(plugin), *words, "-n", SHOP]
        done = subprocess.run(argv, env=environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        yield f"kubectl keyturn {' '.join(words)}", done.stdout + done.stderr
    for words in (["get", "rotations,rotationplans", "-o", "yaml"], ["describe", "rotations"], ["get", "events"]):
        yield f"kubectl {' '.join(words)}", shop.stage.kubectl(*words, "-n", SHOP).encode()
