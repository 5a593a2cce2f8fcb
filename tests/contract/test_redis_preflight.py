"""What Preflight finds at a Redis, who is a stranger there, and whom containment may not touch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keyturn.core.model import Trial
from keyturn.ports import Credential, Denied, Misconfigured
from support.postgres_plan import op
from support.redis_plan import CURRENT, OWNER, RULES, SLOT_A, SLOT_B, Setting, make_ready, problems
from support.redis_server import ROOT, ROTATOR, RedisPair, RedisServer

pytestmark = pytest.mark.contract


@pytest.fixture
def setting(redis_pair: RedisPair) -> Iterator[Setting]:
    yield make_ready(redis_pair)
    redis_pair.clean()


# -------------------------------------------------------------------------------------------------- preflight


async def test_a_replica_that_the_provider_does_not_name_blocks(setting: Setting) -> None:
    assert await problems(setting.but(nodes=())) == {"ReplicaNotListed"}


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ([("ACL", "DELUSER", OWNER)], "OwnerMissing"),
        ([("ACL", "SETUSER", OWNER, "+@dangerous"), ("ACL", "SETUSER", SLOT_A, "+@dangerous")], "OwnerTooPowerful"),
        ([("ACL", "SETUSER", SLOT_A, "+keys")], "RulesDiffer"),
        ([("ACL", "SETUSER", SLOT_A, "nopass")], "UserOpen"),
    ],
)
async def test_what_would_make_it_unsafe_blocks(setting: Setting, commands: list[tuple[str, ...]], reason: str) -> None:
    for words in commands:
        setting.pair.everywhere(*words)
    assert reason in await problems(setting)


async def test_room_for_both_pools_at_once_is_asked_for(setting: Setting) -> None:
    value = CURRENT.value.reveal_text()
    clients = [setting.pair.primary.client(SLOT_A, value, single_connection_client=True) for _ in range(4)]
    for client in clients:
        client.ping()
    setting.pair.primary.do("CONFIG", "SET", "maxclients", "9")
    try:
        assert await problems(setting) == {"TooFewConnections"}
    finally:
        setting.pair.primary.do("CONFIG", "SET", "maxclients", "4000")
        for client in clients:
            client.close()


async def test_a_server_that_forgets_its_users_blocks(setting: Setting) -> None:
    forgetful = RedisServer(setting.pair.primary.authority).start(forgetful=True)
    try:
        here = {"name": "primary", "host": forgetful.host, "port": forgetful.port}
        alone = setting.but(endpoints=(here,), nodes=(), admin=(("port", str(forgetful.port)),))
        forgetful.do("ACL", "SETUSER", OWNER, "off", *RULES)
        forgetful.do("ACL", "SETUSER", SLOT_A, "on", f">{CURRENT.value.reveal_text()}", *RULES)
        assert await problems(alone) == {"UsersNotKept"}
        provider = alone.open()
        with pytest.raises(Misconfigured, match="UsersNotKept"):
            await provider.ensure(op("Create"), Credential(SLOT_B, provider.mint()), SLOT_A)
    finally:
        forgetful.stop()


async def test_the_default_user_left_open_is_reported_as_a_stranger(setting: Setting) -> None:
    setting.pair.primary.do("ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all")
    try:
        found = [one for one in await setting.open().inventory() if one.stranger]
        assert [one.id for one in found] == ["default"]
        declared = setting.but(known=(ROOT, "replica", "def*"))
        assert not [one for one in await declared.open().inventory() if one.stranger]
    finally:
        setting.pair.primary.do("ACL", "SETUSER", "default", "off", "resetpass", "resetkeys", "-@all")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (("~payments:*", "+@all", "-@dangerous"), False),
        (("~ord*", "+get"), True),
        (("%R~orders:1", "+get"), True),
        (("resetkeys", "+acl|setuser"), True),
        (("resetkeys", "+ping"), False),
    ],
)
async def test_whoever_reaches_the_owners_keys_or_may_change_users_is_a_stranger(
    setting: Setting, rules: tuple[str, ...], *, expected: bool
) -> None:
    setting.pair.primary.do("ACL", "SETUSER", "sneaky", "on", ">password-of-a-stranger", *rules)
    found = {one.id for one in await setting.open().inventory() if one.stranger}
    assert found == ({"sneaky"} if expected else set())
    setting.pair.primary.do("ACL", "SETUSER", "sneaky", "off")
    assert not [one for one in await setting.open().inventory() if one.stranger]


@pytest.mark.parametrize("name", [ROTATOR, OWNER, ROOT, "admin-of-users", "elsewhere"])
async def test_whom_containment_may_not_touch_it_refuses_before_any_change(setting: Setting, name: str) -> None:
    setting.pair.everywhere("ACL", "SETUSER", "admin-of-users", "on", ">p-of-a-test", "+@all")
    setting.pair.everywhere("ACL", "SETUSER", "elsewhere", "on", ">p-of-a-test", "~payments:*", "+get")
    provider = setting.open()
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    with pytest.raises(Denied, match="NotContainable"):
        await provider.contain(op("Contain"), new, SLOT_A, [name])
    assert await provider.test(CURRENT) is Trial.WORKS


async def test_a_rotator_without_rights_says_so(setting: Setting) -> None:
    setting.pair.everywhere("ACL", "SETUSER", ROTATOR, "-acl|setuser")
    try:
        with pytest.raises(Denied, match="RotatorLacksRights"):
            await setting.open().disable(op("Disable"), SLOT_A)
    finally:
        setting.pair.everywhere("ACL", "SETUSER", ROTATOR, "+acl|setuser")
