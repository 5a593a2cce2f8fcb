"""How a pod spec hands a Secret over, and when that comes in halves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core.delivery import Delivery, Way, deliveries, expanded, references, split_delivery

URL = {"DATABASE_URL": "postgresql://{username}:{password}@{host}:{port}/{database}"}
PAIR = {"user": "{username}", "password": "{password}", "host": "{host}"}


def pod(**container: Any) -> dict[str, Any]:
    """A pod of one container called app."""
    volumes = container.pop("volumes", [])
    return {"containers": [{"name": "app", **container}], "volumes": volumes}


def env(name: str, key: str, secret: str = "orders") -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def secret_volume(name: str = "v", secret: str = "orders", **more: Any) -> dict[str, Any]:
    return {"name": name, "secret": {"secretName": secret, **more}}


def mount(path: str, name: str = "v", **more: Any) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **more}


def only(spec: dict[str, Any]) -> Delivery:
    (one,) = deliveries(spec, "orders")
    return one


def test_a_variable_from_a_secret_key_is_a_delivery() -> None:
    found = only(pod(env=[{"name": "MODE", "value": "x"}, env("DATABASE_URL", "url")]))
    assert found == Delivery("app", init=False, secret="orders", key="url", way=Way.ENV, place="DATABASE_URL")


def test_a_whole_secret_in_the_environment_carries_its_prefix() -> None:
    found = only(pod(envFrom=[{"prefix": "DB_", "secretRef": {"name": "orders"}}, {"configMapRef": {"name": "c"}}]))
    assert (found.key, found.way, found.place) == ("*", Way.ENV, "DB_")
    assert [one.place for one in expanded([found], PAIR)] == ["DB_user", "DB_password", "DB_host"]


def test_a_mounted_secret_without_items_is_a_directory_of_all_keys() -> None:
    found = only(pod(volumeMounts=[mount("/etc/db/")], volumes=[secret_volume()]))
    assert (found.key, found.place, found.sub_path, found.volume) == ("*", "/etc/db", False, "v")
    assert [one.place for one in expanded([found], ["url"])] == ["/etc/db/url"]


def test_items_name_the_files() -> None:
    items = [{"key": "url", "path": "deep/er/url.txt"}]
    found = only(pod(volumeMounts=[mount("/etc/db")], volumes=[secret_volume(items=items, defaultMode=256)]))
    assert (found.key, found.place) == ("url", "/etc/db/deep/er/url.txt")


def test_a_projected_volume_can_carry_several_secrets() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token"}},
        {"secret": {"name": "orders", "items": [{"key": "url", "path": "u"}]}},
        {"secret": {"name": "other"}},
    ]
    spec = pod(volumeMounts=[mount("/p")], volumes=[{"name": "v", "projected": {"sources": sources}}])
    assert only(spec).place == "/p/u"
    assert references(spec) == {"orders", "other"}


@pytest.mark.fm(24)
@pytest.mark.parametrize(
    ("items", "sub_path", "expected"),
    [
        ([], "url", [("url", "/db")]),
        ([], "./url/", [("url", "/db")]),
        ([{"key": "url", "path": "u"}], "u", [("url", "/db")]),
        ([{"key": "url", "path": "a/u"}], "a", [("url", "/db/u")]),
        ([{"key": "url", "path": "ab"}], "a", []),
        ([], "a/b", []),
    ],
)
def test_a_sub_path_is_followed_and_marked(
    items: list[dict[str, str]], sub_path: str, expected: list[tuple[str, str]]
) -> None:
    volumes = [secret_volume(items=items)]
    found = deliveries(pod(volumeMounts=[mount("/db", subPath=sub_path)], volumes=volumes), "orders")
    assert [(one.key, one.place) for one in found] == expected
    assert all(one.sub_path for one in found)


def test_a_sub_path_expression_may_be_any_of_the_keys() -> None:
    found = only(pod(volumeMounts=[mount("/db", subPathExpr="$(WHICH)")], volumes=[secret_volume()]))
    assert (found.key, found.place, found.sub_path) == ("*", "/db", True)


@pytest.mark.fm(24)
def test_ordinary_init_containers_are_marked_and_sidecars_and_debuggers_are_not() -> None:
    spec = {
        "initContainers": [
            {"name": "migrate", "env": [env("U", "url")]},
            {"name": "proxy", "restartPolicy": "Always", "env": [env("U", "url")]},
        ],
        "containers": [{"name": "app"}],
        "ephemeralContainers": [{"name": "debug", "env": [env("U", "url")]}],
    }
    assert {one.container: one.init for one in deliveries(spec, "orders")} == {
        "migrate": True,
        "proxy": False,
        "debug": False,
    }


def test_a_volume_that_nobody_mounts_delivers_nothing() -> None:
    assert references(pod(volumes=[secret_volume()])) == frozenset()


def test_null_and_odd_fields_are_no_deliveries() -> None:
    spec = {
        "containers": [
            {"name": "app", "env": None, "envFrom": [{"secretRef": None}], "volumeMounts": [{"name": "gone"}]},
            {"name": "b", "env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        ],
        "initContainers": None,
        "volumes": None,
    }
    assert references(spec) == frozenset()


# ------------------------------------------------------------------------------------------------ SplitDelivery


def split(spec: dict[str, Any], templates: dict[str, str]) -> str:
    problem = split_delivery(deliveries(spec, "orders"), templates)
    return "" if problem is None else problem.message


def test_one_key_with_both_halves_is_never_split() -> None:
    volumes, mounts = [secret_volume()], [mount("/a", subPath="DATABASE_URL")]
    assert not split(pod(env=[env("U", "DATABASE_URL")], volumeMounts=mounts, volumes=volumes), URL)


def test_two_variables_of_one_container_arrive_together() -> None:
    assert not split(pod(env=[env("U", "user"), env("P", "password")]), PAIR)
    assert not split(pod(envFrom=[{"secretRef": {"name": "orders"}}]), PAIR)


def test_two_files_of_one_volume_arrive_together() -> None:
    assert not split(pod(volumeMounts=[mount("/db")], volumes=[secret_volume()]), PAIR)


@pytest.mark.parametrize(
    "spec",
    [
        pod(env=[env("U", "user")], volumeMounts=[mount("/db")], volumes=[secret_volume()]),
        pod(
            volumeMounts=[mount("/a", "a"), mount("/b", "b")],
            volumes=[
                secret_volume("a", items=[{"key": "user", "path": "u"}]),
                secret_volume("b", items=[{"key": "password", "path": "p"}]),
            ],
        ),
        pod(
            volumeMounts=[
                mount("/db", items=[]),
                mount("/u", subPath="user"),
            ],
            volumes=[secret_volume()],
        ),
        pod(env=[{"name": "U", "value": "orders_a"}, env("P", "password")]),
        pod(env=[env("U", "user", "elsewhere"), env("P", "password")]),
    ],
    ids=["variable and file", "two volumes", "subPath beside the volume", "literal name", "another Secret"],
)
def test_halves_from_different_places_are_split(spec: dict[str, Any]) -> None:
    message = split(spec, PAIR)
    assert "container app takes the" in message
    assert "hand both over by one way" in message


def test_a_user_name_that_the_plan_does_not_manage_is_split() -> None:
    assert "takes the password from its environment" in split(pod(env=[env("P", "pw")]), {"pw": "{password}"})


def test_a_container_that_takes_no_password_cannot_be_split() -> None:
    assert not split(pod(env=[env("U", "user"), env("H", "host")]), PAIR)


def test_one_container_does_not_complete_the_other() -> None:
    spec = {"containers": [{"name": "a", "env": [env("U", "user")]}, {"name": "b", "env": [env("P", "password")]}]}
    assert "container b" in split(spec, PAIR)


# --------------------------------------------------------------------------------------------------- properties

_NAMES = st.sampled_from(["orders", "other", ""])
_KEYS = st.sampled_from(["user", "password", "host"])
_ENV = st.builds(env, st.sampled_from(["A", "B"]), _KEYS, _NAMES)
_ITEMS = st.lists(st.fixed_dictionaries({"key": _KEYS, "path": st.sampled_from(["p", "d/p", "d/q"])}), max_size=2)
_VOLUME = st.builds(lambda n, s, i: secret_volume(n, s, items=i), st.sampled_from(["v", "w"]), _NAMES, _ITEMS)
_MOUNT = st.builds(
    lambda n, p, s: mount(p, n, **({"subPath": s} if s else {})),
    st.sampled_from(["v", "w", "x"]),
    st.sampled_from(["/a", "/b/"]),
    st.sampled_from(["", "p", "d", "user"]),
)
_CONTAINER = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["app", "side"]),
        "env": st.lists(_ENV, max_size=3),
        "envFrom": st.lists(st.builds(lambda n: {"secretRef": {"name": n}}, _NAMES), max_size=1),
        "volumeMounts": st.lists(_MOUNT, max_size=3),
    }
)
_POD = st.fixed_dictionaries(
    {
        "containers": st.lists(_CONTAINER, min_size=1, max_size=2, unique_by=lambda c: c["name"]),
        "initContainers": st.lists(_CONTAINER, max_size=1),
        "volumes": st.lists(_VOLUME, max_size=2, unique_by=lambda v: v["name"]),
    }
)


@given(_POD)
def test_references_are_exactly_the_secrets_with_a_delivery(spec: dict[str, Any]) -> None:
    assert references(spec) == {name for name in ("orders", "other", "") if deliveries(spec, name)}
    assert "" not in references(spec)


@given(_POD)
def test_expanded_deliveries_are_of_single_wanted_keys_with_a_place(spec: dict[str, Any]) -> None:
    for one in expanded(deliveries(spec, "orders"), PAIR):
        assert one.key in PAIR
        assert one.place
        assert one.place.startswith("/") == (one.way is Way.FILE)


@given(_POD)
def test_a_container_is_whole_exactly_when_every_arrival_brings_both_halves(spec: dict[str, Any]) -> None:
    found = expanded(deliveries(spec, "orders"), ["user", "password"])
    arrivals: dict[tuple[Any, ...], set[str]] = {}
    for one in found:
        arrivals.setdefault((one.container, one.way, one.volume, one.sub_path), set()).add(one.key)
    with_password = {key[0] for key, keys in arrivals.items() if "password" in keys}
    halves = any(len(keys) == 1 for key, keys in arrivals.items() if key[0] in with_password)
    assert (split_delivery(found, PAIR) is not None) == halves
