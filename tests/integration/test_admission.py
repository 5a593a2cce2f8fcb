"""Bad input, refused by a real API server with the sentence that says what to do. Nothing of it is stored."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from keyturn.api.backends import one_backend
from keyturn.api.rules import (
    ABORT_STAYS,
    CLOCK_TIME,
    CRON,
    DURATION,
    HOLDS_PASSWORD,
    HOST,
    KNOWN_PLACEHOLDERS,
    NAME,
    NOT_BLANK,
    OWNER_APART,
    PLAIN_NAMES,
    PLAN_NAME,
    POSITIVE,
    PROVIDER_FIXED,
    RECORD_FIXED,
    RELOAD_HTTP,
    RELOAD_SIGNAL,
    SECRET_FIXED,
    SECRET_KEYS,
    SOMEBODY_TO_PROVE,
    TEN_SECONDS,
    TIME_ZONE,
    TRAILING_STAR,
    TWO_SLOTS,
    URL_PATH,
    WINDOW_NOT_EMPTY,
)
from keyturn.providers.mariadb.kinds import NAME_FITS as ACCOUNT_NAME_FITS
from keyturn.providers.mysql.kinds import NAME_FITS as MYSQL_NAME_FITS
from keyturn.providers.postgres.kinds import NAME_FITS, NOT_RESERVED
from keyturn.providers.rabbitmq.kinds import NAME_FITS as BROKER_NAME_FITS
from keyturn.providers.rabbitmq.kinds import VHOST_FITS
from keyturn.providers.redis.kinds import NAME_FITS as USER_NAME_FITS
from keyturn.providers.webhook.kinds import CLUSTER_ONLY, URL_FITS
from keyturn.providers.webhook.kinds import NAME_FITS as CREDENTIAL_NAME_FITS
from keyturn_dev.cluster.api import ensure_cluster

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
Manifest = dict[str, Any]
GOOD_KEYS = {"DATABASE_URL": "postgresql://{username}:{password}@{host}:{port}/{database}?sslmode=require"}


@dataclass(frozen=True)
class Admission:
    """A namespace of our own at a real API server."""

    kubectl: str
    kubeconfig: str
    namespace: str

    def run(self, *arguments: str, manifest: Manifest | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.kubectl, *arguments],
            input=json.dumps(manifest) if manifest else None,
            env=os.environ | {"KUBECONFIG": self.kubeconfig},
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def offer(self, manifest: Manifest) -> subprocess.CompletedProcess[str]:
        """What the API server says, without storing it."""
        return self.run("create", "--dry-run=server", "-n", self.namespace, "-f", "-", manifest=manifest)

    def store(self, manifest: Manifest) -> subprocess.CompletedProcess[str]:
        return self.run("apply", "-n", self.namespace, "-f", "-", manifest=manifest)


@pytest.fixture(scope="module")
def admission() -> Iterator[Admission]:
    cluster = ensure_cluster()
    at = Admission(str(cluster.kubectl), str(cluster.kubeconfig), f"admission-{uuid4().hex[:8]}")
    applied = at.run("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    assert applied.returncode == 0, applied.stderr
    waited = at.run("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))
    assert waited.returncode == 0, waited.stderr
    assert at.run("create", "namespace", at.namespace).returncode == 0
    yield at
    at.run("delete", "namespace", at.namespace, "--wait=false")


def plan() -> Manifest:
    return {
        "apiVersion": "keyturn.dev/v1alpha1",
        "kind": "RotationPlan",
        "metadata": {"name": "orders-db"},
        "spec": {
            "providerRef": {"name": "shop-postgres"},
            "postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]},
            "secret": {"name": "orders-db", "keys": GOOD_KEYS},
            "schedule": {
                "cron": "0 3 * * MON-FRI",
                "timeZone": "Europe/Berlin",
                "maxAge": "30d",
                "window": [{"days": ["Mon", "Tue"], "start": "22:00", "end": "04:00"}],
            },
            "consumers": {"list": [{"name": "orders-api"}, {"name": "orders-worker", "reload": "PerConnection"}]},
        },
    }


def redis_plan() -> Manifest:
    made = changed(plan, "spec/postgres", None)
    made["spec"]["redis"] = {"owner": "orders", "slots": ["orders_a", "orders_b"]}
    return made


def mariadb_plan(field: str = "mariadb") -> Manifest:
    made = changed(plan, "spec/postgres", None)
    made["spec"][field] = {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]}
    return made


def mariadb_provider() -> Manifest:
    made = changed(provider, "spec/postgres", None)
    servers = [{"host": "mariadb.shop.svc"}]
    made["spec"]["mariadb"] = {"adminSecretRef": {"name": "rotator"}, "endpoints": servers, "database": "shop"}
    return made


def rabbitmq_plan() -> Manifest:
    made = changed(plan, "spec/postgres", None)
    made["spec"]["rabbitmq"] = {"owner": "orders", "slots": ["orders_a", "orders_b"]}
    return made


def rabbitmq_provider() -> Manifest:
    made = changed(provider, "spec/postgres", None)
    servers = [{"host": "rabbitmq.shop.svc"}]
    made["spec"]["rabbitmq"] = {"adminSecretRef": {"name": "rotator"}, "endpoints": servers, "vhost": "/"}
    return made


def redis_provider() -> Manifest:
    made = changed(provider, "spec/postgres", None)
    servers = [{"name": "primary", "host": "redis.shop.svc"}]
    made["metadata"]["name"] = "shop-redis"
    made["spec"]["redis"] = {"adminSecretRef": {"name": "redis-rotator"}, "endpoints": servers}
    return made


def webhook_plan() -> Manifest:
    made = changed(plan, "spec/postgres", None)
    made["spec"]["webhook"] = {"owner": "orders", "slots": ["orders_a", "orders_b"]}
    return made


def webhook_provider(kind: str = "ClusterCredentialProvider") -> Manifest:
    made = changed(lambda: provider(kind), "spec/postgres", None)
    places = [{"host": "orders.shop.svc", "port": 8444}]
    made["spec"]["webhook"] = {"url": "https://rotator.shop.svc:8443", "adminSecretRef": {"name": "rotator"},
                               "endpoints": places}  # fmt: skip
    if kind == "ClusterCredentialProvider":
        made["spec"]["namespaceSelector"] = {"matchLabels": {"team": "shop"}}
    return made


def rotation() -> Manifest:
    return {
        "apiVersion": "keyturn.dev/v1alpha1",
        "kind": "Rotation",
        "metadata": {"name": "orders-db-1"},
        "spec": {"planRef": {"name": "orders-db"}, "requestedBy": "ann"},
    }


def provider(kind: str = "CredentialProvider") -> Manifest:
    return {
        "apiVersion": "keyturn.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "shop-postgres"},
        "spec": {
            "postgres": {
                "adminSecretRef": {"name": "postgres-rotator"},
                "endpoints": [{"host": "postgres.shop.svc"}],
                "database": "shop",
            },
            "allow": {"owners": ["orders_owner"], "slots": ["orders_*"]},
        },
    }


def changed(make: Callable[[], Manifest], path: str, value: object) -> Manifest:
    """The good manifest with one thing wrong; a value of None removes it."""
    manifest = deepcopy(make())
    *way, last = path.split("/")
    here: Any = manifest
    for step in way:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    key: Any = int(last) if isinstance(here, list) else last
    if value is None:
        del here[key]
    else:
        here[key] = value
    return manifest


PLAN, PROVIDER = plan, provider
RELOADS = {"name": "orders-api", "reload": "Http"}
SIGNALLED = {"name": "orders-api", "reload": "Signal"}
REFUSED = [
    (PLAN, "spec/postgres", None, one_backend().message),
    (PLAN, "spec/postgres/slots", ["orders_a", "orders_a"], TWO_SLOTS.message),
    (PLAN, "spec/postgres/slots", ["orders_owner", "orders_b"], OWNER_APART.message),
    (PLAN, "spec/postgres/slots", ["orders_a"], "should have at least 2 items"),
    (PLAN, "spec/postgres/slots", ["pg_orders", "orders_b"], NOT_RESERVED.message),
    (PLAN, "spec/postgres/slots", ["PG_orders", "orders_b"], NOT_RESERVED.message),
    (PLAN, "spec/postgres/slots", ["ü" * 32, "orders_b"], NAME_FITS.message),
    (PLAN, "spec/postgres/slots", ["o" * 64, "orders_b"], "may not be more than 63"),
    (PLAN, "spec/postgres/owner", " orders", NAME_FITS.message),
    (PLAN, "spec/secret/keys", {"URL": "postgresql://{username}@{host}"}, HOLDS_PASSWORD.message),
    (PLAN, "spec/secret/keys", {"URL": "{user}:{password}"}, KNOWN_PLACEHOLDERS.message),
    (PLAN, "spec/secret/keys", GOOD_KEYS | {"OTHER": "   "}, NOT_BLANK.message),
    (PLAN, "spec/secret/keys", GOOD_KEYS | {"OTHER": ""}, "should be at least 1 chars long"),
    (PLAN, "spec/secret/keys", {}, "should have at least 1 properties"),
    (PLAN, "spec/secret/keys", {"a b": "{password}"}, SECRET_KEYS.message),
    (PLAN, "spec/secret/name", "Orders", NAME.message),
    (PLAN, "spec/verify/soak", "10", DURATION.message),
    (PLAN, "spec/verify/soak", "-5m", DURATION.message),
    (PLAN, "spec/verify/proofDeadline", "0s", POSITIVE.message),
    (PLAN, "spec/rollout/progressDeadline", "0m", POSITIVE.message),
    (PLAN, "spec/rollout/maxParallel", 0, "should be greater than or equal to 1"),
    (PLAN, "spec/retire/watch", "two hours", DURATION.message),
    (PLAN, "spec/schedule/maxAge", "0d", POSITIVE.message),
    (PLAN, "spec/checkEvery", "5s", TEN_SECONDS.message),
    (PLAN, "spec/checkEvery", "500ms", TEN_SECONDS.message),
    (PLAN, "spec/schedule/cron", "0 3 * *", CRON.message),
    (PLAN, "spec/schedule/cron", "0 0 3 * * 1", CRON.message),
    (PLAN, "spec/schedule/cron", "every monday", CRON.message),
    (PLAN, "spec/schedule/timeZone", "Berlin Time", TIME_ZONE.message),
    (PLAN, "spec/schedule/timeZone", "../etc/passwd", TIME_ZONE.message),
    (PLAN, "spec/schedule/window/0/end", "22:00", WINDOW_NOT_EMPTY.message),
    (PLAN, "spec/schedule/window/0/start", "24:00", CLOCK_TIME.message),
    (PLAN, "spec/schedule/window/0/days", ["Mon", "Mon"], "Duplicate value"),
    (PLAN, "spec/schedule/window/0/days", ["Monday"], "supported values"),
    (PLAN, "spec/consumers/list", [{"name": "orders-api"}, {"name": "orders-api"}], "Duplicate value"),
    (PLAN, "spec/consumers/list", [{"kind": "Pod", "name": "x"}], "supported values"),
    (PLAN, "spec/consumers", {"discover": "None"}, SOMEBODY_TO_PROVE.message),
    (PLAN, "spec/consumers/list/0/reload", "Http", RELOAD_HTTP.message),
    (PLAN, "spec/consumers/list/0/reloadHttp", {"port": 8080}, RELOAD_HTTP.message),
    (PLAN, "spec/consumers/list/0/reload", "Signal", RELOAD_SIGNAL.message),
    (PLAN, "spec/consumers/list/0/reloadSignal", {"container": "app"}, RELOAD_SIGNAL.message),
    (PLAN, "spec/consumers/list/0", RELOADS | {"reloadHttp": {"port": 8080, "path": "a b"}}, URL_PATH.message),
    (PLAN, "spec/consumers/list/0", RELOADS | {"reloadHttp": {"port": 0}}, "greater than or equal to 1"),
    (
        PLAN,
        "spec/consumers/list/0",
        SIGNALLED | {"reloadSignal": {"container": "app", "signal": "SIGKILL"}},
        "supported values",
    ),
    (PLAN, "spec/consumers/list/0/report", {"path": "/-/credential"}, "Required value"),
    (PLAN, "spec/verify/require", [], "should have at least 1 items"),
    (PLAN, "spec/providerRef/name", "", "should be at least 1 chars long"),
    (PLAN, "spec/secret", None, "Required value"),
    (PLAN, "metadata/name", "p" * 64, PLAN_NAME.message),
    (PROVIDER, "spec/postgres", None, one_backend().message),
    (PROVIDER, "spec/postgres/endpoints", [], "should have at least 1 items"),
    (PROVIDER, "spec/postgres/endpoints", [{"host": "a"}, {"host": "b"}], "Duplicate value"),
    (PROVIDER, "spec/postgres/endpoints/0/host", "postgresql://db", HOST.message),
    (PROVIDER, "spec/postgres/endpoints/0/port", 70000, "should be less than or equal to 65535"),
    (PROVIDER, "spec/allow/slots", ["*_orders"], TRAILING_STAR.message),
    (PROVIDER, "spec/allow/owners", ["orders_*"], PLAIN_NAMES.message),
    (PLAN, "spec/redis", {"owner": "orders", "slots": ["orders_a", "orders_b"]}, one_backend().message),
    (redis_plan, "spec/redis", None, one_backend().message),
    (redis_plan, "spec/redis/slots", ["orders_a", "orders_a"], TWO_SLOTS.message),
    (redis_plan, "spec/redis/slots", ["orders", "orders_b"], OWNER_APART.message),
    (redis_plan, "spec/redis/slots", ["default", "orders_b"], USER_NAME_FITS.message),
    (redis_plan, "spec/redis/owner", "orders ) on +@all", USER_NAME_FITS.message),
    (mariadb_plan, "spec/mariadb/slots", ["orders_a", "root"], ACCOUNT_NAME_FITS.message),
    (mariadb_plan, "spec/mariadb/owner", "orders'@'%", ACCOUNT_NAME_FITS.message),
    (mariadb_provider, "spec/mariadb/database", None, "Required value"),
    (lambda: mariadb_plan("mysql"), "spec/mysql/slots", ["orders_a", "mysql.session"], MYSQL_NAME_FITS.message),
    (rabbitmq_plan, "spec/rabbitmq/slots", ["orders_a", "guest"], BROKER_NAME_FITS.message),
    (rabbitmq_provider, "spec/rabbitmq/vhost", "%2F", VHOST_FITS.message),
    (rabbitmq_provider, "spec/rabbitmq/known", ["*admin"], TRAILING_STAR.message),
    (redis_provider, "spec/redis/endpoints/0/host", "rediss://redis", HOST.message),
    (redis_provider, "spec/redis/nodes", [{"host": "a"}, {"host": "b"}], "Duplicate value"),
    (redis_provider, "spec/redis/known", ["*admin"], TRAILING_STAR.message),
    (lambda: webhook_provider("CredentialProvider"), "spec/webhook/database", "orders", CLUSTER_ONLY),
    (webhook_provider, "spec/webhook/url", "http://rotator.shop.svc", URL_FITS.message),
    (webhook_provider, "spec/webhook/url", "https://me:you@rotator.shop.svc", URL_FITS.message),
    (webhook_provider, "spec/webhook/url", "https://rotator.shop.svc/?to=169.254.169.254", URL_FITS.message),
    (webhook_provider, "spec/webhook/endpoints/0/port", None, "Required value"),
    (webhook_plan, "spec/webhook/slots", ["orders a", "orders_b"], CREDENTIAL_NAME_FITS.message),
    (webhook_plan, "spec/webhook/slots", ["orders", "orders_b"], OWNER_APART.message),
    (rotation, "spec/mode", "Reckless", "supported values"),
    (rotation, "spec/planRef", None, "Required value"),
]


@pytest.mark.parametrize(("make", "path", "value", "sentence"), REFUSED)
def test_bad_input_is_refused_with_its_sentence(
    admission: Admission, make: Callable[[], Manifest], path: str, value: object, sentence: str
) -> None:
    answer = admission.offer(changed(make, path, value))
    assert answer.returncode != 0
    assert sentence in answer.stderr


ACCEPTED = [
    mariadb_plan(),
    mariadb_provider(),
    mariadb_plan("mysql"),
    rabbitmq_plan(),
    rabbitmq_provider(),
    redis_plan(),
    redis_provider(),
    webhook_plan(),
    webhook_provider(),
    changed(webhook_provider, "spec/webhook/url", "https://[fd12:3456::7]:8443/v/orders.db/"),
    plan(),
    rotation(),
    provider(),
    changed(lambda: provider("ClusterCredentialProvider"), "spec/namespaceSelector", {"matchLabels": {"team": "shop"}}),
    changed(plan, "spec/schedule", {"cron": "*/15 0-6,22 L JAN-MAR 5#2"}),
    changed(plan, "spec/secret/keys", {"config.json": '{"user": "{username}", "password": "{password}", "x": {}}'}),
    changed(plan, "spec/retire/watch", "0s"),
    changed(plan, "spec/verify/soak", "1h30m"),
    changed(plan, "spec/schedule/timeZone", "America/Argentina/Buenos_Aires"),
]


@pytest.mark.parametrize("manifest", ACCEPTED)
def test_good_input_is_accepted(admission: Admission, manifest: Manifest) -> None:
    answer = admission.offer(manifest)
    assert answer.returncode == 0, answer.stderr


def test_the_list_of_providers_shows_where_each_one_is_whatever_its_backend(admission: Admission) -> None:
    for manifest in (provider(), redis_provider()):
        assert admission.store(manifest).returncode == 0
    shown = admission.run("get", "credentialproviders", "-n", admission.namespace).stdout.splitlines()
    assert shown[0].split() == ["NAME", "DATABASE", "HOST", "ROTATOR", "AGE"]
    assert shown[1].split()[:4] == ["shop-postgres", "shop", "postgres.shop.svc", "Functions"]
    assert shown[2].split()[:3] == ["shop-redis", "0", "redis.shop.svc"]


def test_a_cluster_provider_must_say_for_which_namespaces(admission: Admission) -> None:
    assert "namespaceSelector" in admission.offer(provider("ClusterCredentialProvider")).stderr


def test_what_is_left_out_is_filled_in(admission: Admission) -> None:
    bare = changed(plan, "spec/schedule", None)
    made = admission.run(
        "create", "--dry-run=server", "-o", "json", "-n", admission.namespace, "-f", "-", manifest=bare
    )
    spec = json.loads(made.stdout)["spec"]
    expected = {"require": ["Session", "Process"], "soak": "10m", "proofDeadline": "10m", "acceptBlindSoak": False}
    assert spec["verify"] == expected
    assert spec["schedule"] == {"timeZone": "UTC"}
    assert spec["providerRef"]["kind"] == "CredentialProvider"
    assert spec["historyLimit"] == 10


@pytest.mark.fm(57)
@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("spec/providerRef/name", "other", PROVIDER_FIXED.message),
        ("spec/secret/name", "other", SECRET_FIXED.message),
    ],
)
def test_what_a_plan_stands_on_cannot_be_exchanged(admission: Admission, path: str, value: str, sentence: str) -> None:
    assert admission.store(plan()).returncode == 0
    assert sentence in admission.store(changed(plan, path, value)).stderr


def test_a_rotation_is_a_record_of_which_only_abort_may_change_and_only_once(admission: Admission) -> None:
    assert admission.store(rotation()).returncode == 0
    for path, value in (
        ("spec/planRef/name", "other"),
        ("spec/requestedBy", "bob"),
        ("spec/requestedBy", None),
        ("spec/reason", "other"),
    ):
        assert RECORD_FIXED.message in admission.store(changed(rotation, path, value)).stderr
    aborted, taken_back = (changed(rotation, path="spec/abort", value=abort) for abort in (True, False))
    assert admission.store(aborted).returncode == 0
    assert ABORT_STAYS.message in admission.store(taken_back).stderr
