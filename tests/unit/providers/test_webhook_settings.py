"""What plan, provider and admin Secret say is checked against each other before any server is asked."""

from __future__ import annotations

import re
from typing import Any

import pytest

from keyturn.api.backends import none_for_the_cluster_only
from keyturn.api.crds import crds
from keyturn.ports import Misconfigured
from keyturn.providers.allowing import CLUSTER_ONLY, URL_FITS
from keyturn.providers.webhook.settings import read_settings
from support.tls import Authority
from support.webhook_plan import Setting

KEY = "0123456789abcdef0123456789abcdef"
ADMIN = {"key": KEY, "host": "rotator.shop.svc", "ca.crt": Authority().ca_pem.decode()}
SETTING = Setting("https://rotator.shop.svc:8443/orders/", ADMIN, loopback=False)


def test_the_url_says_where_to_call() -> None:
    server = read_settings(*SETTING.records()).server.target
    assert (server.host, server.port, server.path, server.loopback) == ("rotator.shop.svc", 8443, "/orders", False)


def test_the_port_of_https_need_not_be_said_and_hosts_may_be_addresses() -> None:
    assert read_settings(*SETTING.but(url="https://rotator.shop.svc").records()).server.target.port == 443
    there = SETTING.but(url="https://[fd12:3456::7]:8443", admin=ADMIN | {"hosts": "fd12:3456::7"})
    assert read_settings(*there.records()).server.target.host == "fd12:3456::7"


def test_a_newline_at_the_end_of_the_key_is_the_editors() -> None:
    assert read_settings(*SETTING.but(admin=ADMIN | {"key": KEY + "\n"}).records()).server.key.reveal() == KEY.encode()


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"kind": "CredentialProvider"}, "WebhookNotAllowed", "ClusterCredentialProvider"),
        ({"url": "https://evil.example/"}, "HostNotAllowed", "spec.webhook.url"),
        ({"url": "http://rotator.shop.svc/"}, "UrlUnreadable", "https"),
        ({"url": "https://me:you@rotator.shop.svc/"}, "UrlUnreadable", "user"),
        ({"url": "https://rotator.shop.svc/?a=b"}, "UrlUnreadable", "query"),
        ({"url": "https://rotator.shop.svc/#a"}, "UrlUnreadable", "fragment"),
        ({"url": "https://rotator.shop.svc:99999/"}, "UrlUnreadable", "host"),
        ({"url": "https://"}, "UrlUnreadable", "host"),
        ({"admin": ADMIN | {"key": ""}}, "AdminSecretIncomplete", "'key'"),
        ({"admin": ADMIN | {"key": "short"}}, "AdminSecretUnreadable", "at least 32 characters"),
        ({"admin": ADMIN | {"ca.crt": ""}}, "AdminSecretIncomplete", "'ca.crt'"),
        ({"admin": ADMIN | {"ca.crt": "no certificate"}}, "AdminSecretUnreadable", "'ca.crt'"),
        ({"slots": ("orders_a", "orders")}, "CredentialsRepeat", "three different names"),
        ({"slots": ("orders_a", "orders b")}, "NameNotSent", "letters, digits"),
        ({"slots": ("orders_a", "kt" + "a1" * 20)}, "NameNotSent", "nothing was asked"),
    ],
)
def test_what_cannot_work_is_told_with_its_field(changes: dict[str, Any], reason: str, words: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_settings(*SETTING.but(**changes).records())
    assert refused.value.reason == reason
    assert words in refused.value.message


def schema(kind: str) -> dict[str, Any]:
    made: dict[str, Any] = {crd["metadata"]["name"]: crd for crd in crds()}  # type: ignore[index, call-overload]
    version = made[f"{kind}.keyturn.dev"]["spec"]["versions"][0]
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


def test_only_the_clusters_provider_may_name_one_and_admission_says_so() -> None:
    rules = none_for_the_cluster_only()
    assert {rule.message for rule in rules} == {CLUSTER_ONLY}
    for rule in rules:
        assert rule.as_schema() in schema("credentialproviders")["x-kubernetes-validations"]
        assert rule.as_schema() not in schema("clustercredentialproviders")["x-kubernetes-validations"]
    assert "webhook" in schema("clustercredentialproviders")["properties"]


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://rotator.shop.svc", True),
        ("https://rotator.shop.svc:8443/", True),
        ("https://10.96.0.10/v/orders.db", True),
        ("https://[fd12:3456::7]:8443/orders/", True),
        ("http://rotator.shop.svc", False),
        ("https://me@rotator.shop.svc", False),
        ("https://me:you@rotator.shop.svc", False),
        ("https://rotator.shop.svc?a", False),
        ("https://rotator.shop.svc#a", False),
        ("https://rotator.shop.svc//x", False),
        ("https://rotator.shop.svc/%2e%2e", False),
        ("https://rotator.shop.svc\n.evil.example", False),
        ("https://", False),
    ],
)
def test_admission_takes_plain_addresses_of_https_alone(url: str, fits: bool) -> None:  # noqa: FBT001 -- a row's
    pattern = URL_FITS.rule.removeprefix("self.matches('").removesuffix("')").replace("\\\\", "\\")
    assert bool(re.fullmatch(pattern, url)) is fits


def test_no_field_of_a_plan_allows_loopback() -> None:
    assert set(schema("rotationplans")["properties"]["webhook"]["properties"]) == {"owner", "slots"}
