"""What plan, provider and admin Secret say is checked against each other before any server is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from keyturn.ports import Misconfigured
from keyturn.providers.rabbitmq.settings import read_settings
from support.rabbitmq_plan import Setting
from support.rabbitmq_server import ROTATOR, RabbitmqServer
from support.tls import Authority


@dataclass
class Nowhere:
    """A server that nobody asks."""

    port: int = 5671
    api_port: int = 15671
    host: str = "rabbitmq.shop.svc"
    authority: Authority = Authority()  # noqa: RUF009 -- one is enough


SETTING = Setting(cast("RabbitmqServer", Nowhere()))


def test_the_management_api_is_where_the_admin_secret_says_and_consumers_log_in_where_the_provider_does() -> None:
    provider, plan, admin = SETTING.records()
    found = read_settings(provider, plan, admin)
    assert (found.admin.host, found.admin.port) == ("rabbitmq.shop.svc", 15671)
    assert [one.port for one in found.endpoints] == [5671]
    assert found.principals == ("orders", "orders_a", "orders_b")
    assert provider.spec.backend.place.database == "/"


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"endpoints": ({"host": "evil.example"},)}, "HostNotAllowed", "spec.rabbitmq.endpoints[0].host"),
        ({"owner": "payroll"}, "OwnerNotAllowed", "spec.rabbitmq.owner"),
        ({"slots": ("orders_a", "payroll_b")}, "SlotNotAllowed", "spec.rabbitmq.slots[1]"),
        ({"slots": ("orders_a", ROTATOR)}, "RotatorAsUser", "spec.rabbitmq.slots[1]"),
        ({"slots": ("orders_a", "guest")}, "NameReserved", "spec.rabbitmq.slots[1]"),
        ({"slots": ("orders_a", "orders_a")}, "UsersRepeat", "three different users"),
        ({"plan": "p" * 250}, "NameTooLong", "user's tag"),
        ({"admin": (("password", ""),)}, "AdminSecretIncomplete", "'password'"),
        ({"admin": (("ca.crt", ""),)}, "AdminSecretIncomplete", "'ca.crt'"),
        ({"admin": (("port", "many"),)}, "AdminSecretUnreadable", "'port'"),
    ],
)
def test_what_cannot_work_is_told_with_its_field(changes: dict[str, Any], reason: str, words: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_settings(*SETTING.but(**changes).records())
    assert refused.value.reason == reason
    assert words in refused.value.message


def test_a_provider_of_another_backend_is_told() -> None:
    provider, plan, admin = SETTING.records()
    other = type(plan.spec).model_validate(
        plan.spec.model_dump(by_alias=True, exclude={"rabbitmq"})
        | {"redis": {"owner": "orders", "slots": ["orders_a", "orders_b"]}}
    )
    with pytest.raises(Misconfigured, match="BackendMismatch"):
        read_settings(provider, type(plan)(plan.key, plan.uid, 1, "1", other, plan.status), admin)
