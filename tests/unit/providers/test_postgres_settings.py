"""What plan, provider and admin Secret say is checked before any server is asked; every refusal names the field."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keyturn.core.model import ObjectKey
from keyturn.ports import Misconfigured, ProviderRecord
from keyturn.providers import OpenProviders
from keyturn.providers.postgres.checks_server import too_old
from keyturn.providers.postgres.connections import AuthorityFile, Backend, OwnSessions
from keyturn.providers.postgres.settings import read_settings
from keyturn.providers.postgres.tags import Tag
from keyturn.providers.turns import Mark
from support.postgres_plan import Setting, WallClock, op
from support.postgres_server import Flavour
from support.tls import Authority
from support.world import World


@dataclass
class Nowhere:
    """Stands where a server would; nothing connects to it."""

    host: str = "postgres.shop.svc"
    port: int = 5432
    flavour: Flavour = field(default_factory=lambda: Flavour("15", Path("/nowhere"), tls=True))
    authority: Authority = field(default_factory=Authority)


@pytest.fixture
def setting() -> Setting:
    server: Any = Nowhere()
    return Setting(server)


def test_a_good_plan_is_read(setting: Setting):
    settings = read_settings(*setting.records())
    assert settings.plan == "shop/orders-db"
    assert settings.principals == ("orders_owner", "orders_a", "orders_b")
    assert [node.host for node in settings.nodes] == ["postgres.shop.svc"]
    assert "rotator-password" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "reason", "field_named"),
    [
        ({"endpoints": ({"host": "evil.example", "port": 5432},)}, "HostNotAllowed", "spec.postgres.endpoints[0].host"),
        ({"owner": "other_owner"}, "OwnerNotAllowed", "spec.postgres.owner"),
        ({"slots": ("orders_a", "billing_b")}, "SlotNotAllowed", "spec.postgres.slots[1]"),
        ({"slots_allowed": ()}, "SlotNotAllowed", "spec.postgres.slots[0]"),
        ({"owners_allowed": ("orders_*",)}, "OwnerNotAllowed", "spec.postgres.owner"),
        (
            {"slots": ("keyturn_rotator", "orders_b"), "slots_allowed": ("*",)},
            "RotatorAsRole",
            "spec.postgres.slots[0]",
        ),
        ({"owner": "keyturn_rotator", "owners_allowed": ("keyturn_rotator",)}, "RotatorAsRole", "spec.postgres.owner"),
        ({"slots": ("orders_a", "orders_" + "ö" * 30)}, "NameTooLong", "spec.postgres.slots[1]"),
        ({"slots": ("orders_a", "pg_orders"), "slots_allowed": ("*",)}, "NameReserved", "spec.postgres.slots[1]"),
        ({"slots": ("orders_a", "orders_a")}, "RolesRepeat", "spec.postgres.slots"),
        ({"admin": (("user", ""),)}, "AdminSecretIncomplete", "'user'"),
        ({"admin": (("password", ""),)}, "AdminSecretIncomplete", "'password'"),
        ({"admin": (("password", "   "),)}, "AdminSecretIncomplete", "'password'"),
        ({"admin": (("host", ""),)}, "AdminSecretIncomplete", "'host'"),
        ({"admin": (("ca.crt", ""),)}, "AdminSecretIncomplete", "'ca.crt'"),
        ({"admin": (("port", "five"),)}, "AdminSecretUnreadable", "'port'"),
        ({"admin": (("port", "70000"),)}, "AdminSecretUnreadable", "'port'"),
        ({"admin": (("host", "a.example,b.example"),)}, "AdminSecretUnreadable", "'host'"),
        ({"admin": (("host", "/var/run/postgresql"),)}, "AdminSecretUnreadable", "'host'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_input_names_the_field(setting: Setting, changes: dict[str, Any], reason: str, field_named: str):
    with pytest.raises(Misconfigured) as refused:
        read_settings(*setting.but(**changes).records())
    assert refused.value.reason == reason
    assert field_named in refused.value.message


def test_hosts_of_the_secret_widen_what_a_provider_may_name(setting: Setting):
    ends = ({"host": "replica.shop.svc", "port": 5432},)
    wider = setting.but(endpoints=ends, admin=(("hosts", "other.example, Replica.shop.svc"),))
    assert len(read_settings(*wider.records()).nodes) == 2


def test_a_pattern_is_a_trailing_star_and_nothing_else(setting: Setting):
    with pytest.raises(Misconfigured):
        read_settings(*setting.but(slots_allowed=("orders_?", "[o]rders_*")).records())
    assert read_settings(*setting.but(slots_allowed=("orders_a", "orders_b")).records())


def test_without_tls_no_authority_is_needed(setting: Setting):
    assert read_settings(*setting.but(insecure=True, admin=(("ca.crt", ""),)).records()).insecure


def test_a_provider_without_a_backend_is_refused(setting: Setting):
    world = World()
    record, plan, admin = setting.records()
    empty = ProviderRecord(
        record.kind, ObjectKey("shop", "none"), "u", 1, record.spec.model_copy(update={"postgres": None})
    )
    with pytest.raises(Misconfigured) as refused:
        OpenProviders(WallClock(), world.cluster, world).open(empty, plan, admin)
    assert refused.value.reason == "NoBackend"


def test_the_authority_is_a_file_in_memory_that_goes_when_it_is_closed():
    authority = AuthorityFile(b"pem")
    assert Path(authority.path).read_bytes() == b"pem"
    authority.close()
    assert not Path(authority.path).exists()


@pytest.mark.parametrize(
    ("version", "refused"),
    [(140019, True), (150009, True), (150010, False), (160005, True), (160006, False), (170001, True), (170002, False),
     (180000, False)],
)  # fmt: skip
def test_minors_that_ignore_the_role_at_login_are_too_old(version: int, refused: bool):  # noqa: FBT001 - the expected answer
    assert bool(too_old(version)) is refused


def test_a_tag_survives_its_comment():
    tag = Tag.of("shop/orders-db", op(generation=3, epoch=9), Mark.ACTIVE)
    assert Tag.read(str(tag)) == tag
    assert Tag.read(tag.within("owned by us")) == tag
    newer = Tag.of("shop/orders-db", op("Disable", 3, 10), Mark.DISABLED)
    assert newer.within(tag.within("owned by us")) == f"owned by us\n{newer}"
    assert Tag.read("keyturn:v2 something else") is None
    assert Tag.read(None) is None


def test_a_server_process_is_ours_only_with_its_start_and_old_ones_are_forgotten():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    own = OwnSessions(limit=2)
    for number in range(3):
        own.add(Backend(100, start + timedelta(seconds=number)))
    assert Backend(100, start + timedelta(seconds=2)) in own
    assert Backend(100, start + timedelta(seconds=9)) not in own
    assert Backend(100, start) not in own
