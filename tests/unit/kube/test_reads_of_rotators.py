"""Who logs in with a Secret, which plans there are to see, and from which pods rotators log in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from keyturn.core.model import ObjectKey
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from support.api_response import Response
from support.plan_records import plan_record

OURS = "/apis/keyturn.dev/v1alpha1"
HOME = "keyturn-system"
Json = dict[str, Any]


class ApiServer:
    """Collections by path."""

    def __init__(self, collections: dict[str, list[Json]]) -> None:
        self.collections, self.asked = collections, list[str]()
        self.selected = ""

    async def request(self, _method: str, url: str, **_more: object) -> Any:
        split = urlsplit(url)
        self.asked.append(split.path)
        self.selected = parse_qs(split.query).get("labelSelector", [""])[0]
        return SimpleNamespace(response=Response(200, {"metadata": {}, "items": self.collections.get(split.path, [])}))


class StoppedClock:
    def now(self) -> Any:
        raise AssertionError("nobody asks for the time")


def cluster(server: ApiServer, *served: str) -> KubeCluster:
    async def token(*_: object, **__: object) -> None:
        return None

    configuration = SimpleNamespace(host="https://api", get_api_key_with_prefix=token)
    api: Any = SimpleNamespace(configuration=configuration, rest_client=server)
    return KubeCluster(KubeClient(api), operator_namespace=HOME, identity="me", clock=StoppedClock(), namespaces=served)


def provider(name: str, admin: str, namespace: str = "shop", **more: object) -> Json:
    postgres = {"adminSecretRef": {"name": admin}, "endpoints": [{"host": "db"}], "database": "shop"}
    return {"metadata": {"namespace": namespace, "name": name, "uid": name}, "spec": {"postgres": postgres, **more}}


def plan(name: str, namespace: str) -> Json:
    spec = plan_record().spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata": {"namespace": namespace, "name": name, "uid": name}, "spec": spec}


class DescribeProviders:
    async def test_those_that_log_in_with_a_secret_are_its_namespaces_own(self):
        found = [provider("one", "rotator"), provider("other", "another"), provider("two", "rotator")]
        server = ApiServer({f"{OURS}/namespaces/shop/credentialproviders": found})

        names = [one.key for one in await cluster(server).providers(ObjectKey("shop", "rotator"))]

        assert names == [ObjectKey("shop", "one"), ObjectKey("shop", "two")]
        assert len(server.asked) == 1

    async def test_in_the_operators_namespace_also_those_of_the_whole_cluster(self):
        clustered = provider("wide", "rotator", "", namespaceSelector={})
        server = ApiServer({f"{OURS}/clustercredentialproviders": [clustered]})

        (found,) = await cluster(server).providers(ObjectKey(HOME, "rotator"))

        assert (found.kind, found.key) == ("ClusterCredentialProvider", ObjectKey("", "wide"))
        assert found.admin_key == ObjectKey(HOME, "rotator")

    async def test_one_that_cannot_be_understood_hides_no_other(self):
        broken = {"metadata": {"namespace": "shop", "name": "newer", "uid": "n"}, "spec": {"postgres": {"of": "2031"}}}
        server = ApiServer({f"{OURS}/namespaces/shop/credentialproviders": [broken, provider("one", "rotator")]})

        assert [one.key.name for one in await cluster(server).providers(ObjectKey("shop", "rotator"))] == ["one"]


class DescribePlans:
    @pytest.fixture
    def server(self) -> ApiServer:
        each = {f"{OURS}/namespaces/{space}/rotationplans": [plan("orders", space)] for space in ("shop", "bank")}
        return ApiServer({**each, f"{OURS}/rotationplans": [plan("orders", space) for space in ("shop", "bank", "x")]})

    async def test_all_are_those_of_every_namespace_that_is_served(self, server: ApiServer):
        assert [one.key.namespace for one in await cluster(server, "shop", "bank").plans()] == ["shop", "bank"]
        assert f"{OURS}/rotationplans" not in server.asked  # which it may not list

    async def test_where_all_are_served_one_question_is_enough(self, server: ApiServer):
        assert len(await cluster(server).plans()) == 3
        assert server.asked == [f"{OURS}/rotationplans"]

    async def test_a_namespace_that_is_not_served_is_not_asked(self, server: ApiServer):
        assert await cluster(server, "shop").plans("bank") == []
        assert server.asked == []


async def test_the_operators_pods_are_told_by_their_labels():
    pod = {"metadata": {"namespace": HOME, "name": "keyturn-operator-1", "uid": "u",
                        "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": {"podIP": "10.0.0.2"}}  # fmt: skip
    server = ApiServer({f"/api/v1/namespaces/{HOME}/pods": [pod]})

    (found,) = await cluster(server).operators()

    assert (found.name, found.address) == ("keyturn-operator-1", "10.0.0.2")
    assert server.selected == "app.kubernetes.io/name=keyturn,app.kubernetes.io/component=operator"
