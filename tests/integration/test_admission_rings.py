"""Bad input of plans whose keys pods judge, refused by a real API server with the sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from keyturn.api.backends import one_backend
from keyturn.api.rules import HOLDS_PASSWORD, NOT_OURS, SOMEBODY_TO_PROVE
from keyturn.providers.generic.kinds import SIGNS
from keyturn.providers.ring.kinds import KNOWN_ID, ONE_KEY
from keyturn.providers.tls.kinds import DIAL_NAME, NAMES_ALLOWED, ONE_SIGNER, SEEN_OR_LISTED, SERVED_NAME, SERVES
from support.kubectl import Kubectl

pytestmark = pytest.mark.integration
Manifest = dict[str, Any]
OURS = {"apiVersion": "keyturn.dev/v1alpha1"}


def plan(field: str, half: Manifest) -> Manifest:
    spec = {"providerRef": {"name": "keys"}, "secret": {"name": "orders-key", "keys": {"KEY": "{password}"}}}
    return OURS | {"kind": "RotationPlan", "metadata": {"name": "orders"}, "spec": spec | {field: half}}


def keyring_plan() -> Manifest:
    ring = {"secret": {"name": "orders-ring", "key": "keys.json", "format": "JsonMap"}, "known": ["partner-1"]}
    return plan("keyring", {"key": "Hmac", "maxTokenLifetime": "12h", "acceptors": ring})


def generic_plan() -> Manifest:
    return plan("generic", {"acceptors": {"secret": {"name": "ring", "key": "tokens", "format": "Lines"}}})


def tls_plan() -> Manifest:
    bundle = {"secret": {"name": "orders-trust", "key": "ca.crt", "format": "CaBundle"}, "known": ["sha256:0a1b"]}
    names = ["orders.shop.svc", "*.shop.svc", "10.1.2.3", "fd00::1"]
    made = plan("tls", {"names": names, "port": 8443, "clients": ["job"], "validity": "30d", "acceptors": bundle})
    keys = {"id": "{username}", "tls.crt": "{certificate}", "tls.key": "{privateKey}", "ca.crt": "{ca}"}
    made["spec"]["secret"]["keys"] = keys
    return made


def tls_provider() -> Manifest:
    half = {"tls": {"adminSecretRef": {"name": "shop-ca"}, "names": ["*.shop.svc"]}}
    return OURS | {"kind": "CredentialProvider", "metadata": {"name": "certificates"}, "spec": half}


def keyring_provider() -> Manifest:
    return OURS | {"kind": "CredentialProvider", "metadata": {"name": "keys"}, "spec": {"keyring": {}}}


def changed(make: Callable[[], Manifest], path: str, value: object) -> Manifest:
    """The good manifest with one thing wrong; a value of None removes it."""
    manifest = deepcopy(make())
    *way, last = path.split("/")
    here: Any = manifest["spec"]
    for step in way:
        here = here[step]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return manifest


def offer(kubectl: Kubectl, manifest: Manifest) -> str:
    return kubectl("create", "--dry-run=server", "-f", "-", stdin=manifest)


@pytest.mark.parametrize("make", [keyring_plan, generic_plan, tls_plan, keyring_provider, tls_provider])
def test_good_input_is_accepted(kubectl: Kubectl, make: Callable[[], Manifest]) -> None:
    assert "created" in offer(kubectl, make())


@pytest.mark.parametrize(
    ("make", "path", "value", "sentence"),
    [
        (keyring_plan, "keyring/key", "Md5", "supported values"),
        (keyring_plan, "keyring/maxTokenLifetime", None, "Required value"),
        (keyring_plan, "keyring/acceptors", None, "Required value"),
        (keyring_plan, "keyring/acceptors/secret/name", "keyturn-acceptors-x", NOT_OURS.message),
        (keyring_plan, "keyring/acceptors/secret/key", "keys/json", ONE_KEY.message),
        (keyring_plan, "keyring/acceptors/secret/format", "Yaml", "supported values"),
        (keyring_plan, "keyring/acceptors/known", ["a b"], KNOWN_ID.message),
        (keyring_plan, "keyring/acceptors/discover", "None", SOMEBODY_TO_PROVE.message),
        (keyring_plan, "generic", generic_plan()["spec"]["generic"], one_backend().message),
        (generic_plan, "generic/alphabet", "ABCDEFGHIJKLMNOP,", SIGNS.message),
        (generic_plan, "generic/length", 8, "should be greater than or equal to 24"),
        (keyring_provider, "keyring", None, one_backend().message),
        (tls_plan, "tls/names", ["Orders.shop.svc"], SERVED_NAME.message),
        (tls_plan, "tls/names", ["orders.*.svc"], SERVED_NAME.message),
        (tls_plan, "tls/names", ["*.shop.svc", "orders.shop.svc"], DIAL_NAME.message),
        (tls_plan, "tls/names", [], "should have at least 1 items"),
        (tls_plan, "tls/usages", ["ClientAuth"], SERVES.message),
        (tls_plan, "tls/port", None, SEEN_OR_LISTED.message),
        (tls_plan, "tls/port", 70000, "should be less than or equal to 65535"),
        (tls_plan, "secret/keys", {"tls.crt": "{certificate}"}, HOLDS_PASSWORD.message),
        (tls_provider, "tls/names", [], NAMES_ALLOWED.message),
        (tls_provider, "tls/certManager", {"name": "shop-ca"}, ONE_SIGNER.message),
        (tls_provider, "tls/adminSecretRef/name", "keyturn-escrow-x", NOT_OURS.message),
    ],
)
def test_bad_input_is_refused_with_its_sentence(
    kubectl: Kubectl, make: Callable[[], Manifest], path: str, value: object, sentence: str
) -> None:
    with pytest.raises(AssertionError, match=re.escape(sentence)):
        offer(kubectl, changed(make, path, value))
