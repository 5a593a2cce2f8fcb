"""What plan, provider and admin Secret say is checked against each other before any server is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from keyturn.ports import Misconfigured
from keyturn.providers.redis.settings import read_settings
from support.redis_plan import Setting
from support.redis_server import ROTATOR, RedisPair
from support.tls import Authority


@dataclass
class Somewhere:
    """A server that nobody asks."""

    port: int
    host: str = "redis.shop.svc"
    authority: Authority = Authority()  # noqa: RUF009 -- one is enough


@dataclass
class Nowhere:
    both: tuple[Somewhere, Somewhere] = (Somewhere(6379), Somewhere(6380))


SETTING = Setting(cast("RedisPair", Nowhere()))


def test_all_servers_are_asked_and_the_one_that_takes_writes_comes_first() -> None:
    found = read_settings(*SETTING.records())
    assert [node.port for node in found.nodes] == [6379, 6380]
    assert [endpoint.port for endpoint in found.endpoints] == [6379]
    assert found.principals == ("orders", "orders_a", "orders_b")


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"endpoints": ({"host": "evil.example"},)}, "HostNotAllowed", "spec.redis.endpoints[0].host"),
        ({"nodes": ({"name": "replica", "host": "evil.example"},)}, "HostNotAllowed", "spec.redis.nodes[0].host"),
        ({"owner": "payroll"}, "OwnerNotAllowed", "spec.redis.owner"),
        ({"slots": ("orders_a", "payroll_b")}, "SlotNotAllowed", "spec.redis.slots[1]"),
        ({"slots": ("orders_a", ROTATOR)}, "RotatorAsUser", "spec.redis.slots[1]"),
        ({"slots": ("orders_a", "default")}, "NameReserved", "spec.redis.slots[1]"),
        ({"slots": ("orders_a", "orders_a")}, "UsersRepeat", "three different users"),
        ({"admin": (("password", ""),)}, "AdminSecretIncomplete", "'password'"),
        ({"admin": (("ca.crt", ""),)}, "AdminSecretIncomplete", "'ca.crt'"),
        ({"admin": (("port", "many"),)}, "AdminSecretUnreadable", "'port'"),
        ({"admin": (("host", "a,b"),)}, "AdminSecretUnreadable", "'host'"),
    ],
)
def test_what_cannot_work_is_told_with_its_field(changes: dict[str, Any], reason: str, words: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_settings(*SETTING.but(**changes).records())
    assert refused.value.reason == reason
    assert words in refused.value.message


def test_further_hosts_are_admitted_where_the_admin_secret_names_them() -> None:
    elsewhere = SETTING.but(
        nodes=({"name": "r", "host": "redis-1.shop.svc"},), admin=(("hosts", "a, REDIS-1.shop.svc"),)
    )
    assert read_settings(*elsewhere.records()).others[0].host == "redis-1.shop.svc"


def test_declared_users_are_names_or_have_a_trailing_star() -> None:
    found = read_settings(*SETTING.but(known=("admin", "metrics-*", "[x]")).records())
    assert [found.declared(name) for name in ("admin", "metrics-a", "administrator", "x")] == [True, True, False, False]


def test_a_provider_of_another_backend_is_told() -> None:
    provider, plan, admin = SETTING.records()
    other = type(plan.spec).model_validate(
        plan.spec.model_dump(by_alias=True, exclude={"redis"})
        | {"postgres": {"owner": "orders_owner", "slots": ["orders_a", "orders_b"]}}
    )
    with pytest.raises(Misconfigured, match="BackendMismatch"):
        read_settings(provider, type(plan)(plan.key, plan.uid, 1, "1", other, plan.status), admin)
