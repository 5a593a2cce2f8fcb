"""What Preflight finds at a RabbitMQ, who is a stranger there, and whom containment may not touch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.commands import Basic

from keyturn.core.model import Existence, Trial
from keyturn.ports import Credential, Denied, Misconfigured
from keyturn.providers.rabbitmq.tags import Tag
from keyturn.providers.turns import Mark
from keyturn_dev.cluster.shell import wait_until
from support.postgres_plan import op
from support.rabbitmq_plan import CURRENT, OWNER, PERMISSION, SLOT_A, SLOT_B, Setting, make_ready, problems, session
from support.rabbitmq_server import ROOT, ROTATOR, RabbitmqServer

pytestmark = pytest.mark.contract
NOBODY = {"configure": "", "write": "", "read": ""}


@pytest.fixture
def setting(rabbitmq_server: RabbitmqServer) -> Iterator[Setting]:
    yield make_ready(rabbitmq_server)
    rabbitmq_server.clean()


# ----------------------------------------------------------------------------------------------------- preflight


@pytest.mark.parametrize(
    ("path", "body", "reasons"),
    [
        (("users", OWNER), {"password_hash": "", "tags": "monitoring"}, {"OwnerTooPowerful", "RightsDiffer"}),
        (("permissions", "/", OWNER), NOBODY, {"OwnerWithoutPermissions", "RightsDiffer"}),
        (("permissions", "/", SLOT_A), PERMISSION | {"read": ".*"}, {"RightsDiffer"}),
        (("topic-permissions", "/", SLOT_A), {"exchange": "x", "write": "", "read": ""}, {"RightsDiffer"}),
        (("user-limits", SLOT_A, "max-channels"), {"value": 5}, {"RightsDiffer"}),
        (("user-limits", SLOT_A, "max-connections"), {"value": 0}, set()),  # it is off; the trial login will say so
    ],
)
async def test_what_would_make_it_unsafe_blocks(
    setting: Setting, path: tuple[str, ...], body: dict[str, Any], reasons: set[str]
) -> None:
    setting.server.put(*path, **body)
    assert await problems(setting) == reasons


@pytest.mark.parametrize(("gone", "reason"), [(OWNER, "OwnerMissing"), (SLOT_A, "UserMissing")])
async def test_a_user_that_is_missing_blocks(setting: Setting, gone: str, reason: str) -> None:
    setting.server.drop("users", gone)
    assert await problems(setting) == {reason}
    if gone == OWNER:
        provider = setting.open()
        with pytest.raises(Denied, match="OwnerMissing"):
            await provider.ensure(op("Create"), Credential(SLOT_B, provider.mint()), SLOT_A)


async def test_another_plans_user_blocks(setting: Setting) -> None:
    await setting.but(plan="payroll").open().enable(op("Enable"), CURRENT)
    assert await problems(setting) == {"OtherPlansUser"}
    await setting.but(plan="payroll").open().ensure(
        op("Create"), Credential(SLOT_B, setting.open().mint()), SLOT_A
    )  # fmt: skip
    with pytest.raises(Misconfigured, match="tag of plan shop/payroll"):
        await setting.open().next_id(SLOT_A)


async def test_room_for_both_pools_at_once_is_asked_for(setting: Setting) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(session(setting.server, CURRENT))
        assert wait_until(lambda: len(setting.server.get("vhosts", "/", "connections")) == 2, timeout=20)
        setting.server.put("vhost-limits", "/", "max-connections", value=3)
        assert await problems(setting) == {"TooFewConnections"}
        setting.server.put("vhost-limits", "/", "max-connections", value=4)
        assert await problems(setting) == set()
        for most, reasons in ((3, {"TooFewConnections"}), (4, set())):  # two of Keyturn's own
            for user in (OWNER, SLOT_A):
                setting.server.put("user-limits", user, "max-connections", value=most)
            assert await problems(setting) == reasons


VALUE = CURRENT.value.reveal_text()


@pytest.mark.parametrize(
    "uris",
    [
        {"src-uri": ["amqp://b:b@localhost:1", f"amqps://{SLOT_A}:x@localhost:1"]},
        {"src-uri": f"amqps://other:{VALUE}@localhost:1"},
        {"dest-uri": f"amqps://{SLOT_B}:x@localhost:1"},  # the next one's name
    ],
)
async def test_whatever_logs_in_by_itself_with_the_credential_blocks(setting: Setting, uris: dict[str, Any]) -> None:
    own = {"src-uri": "amqp://b:b@localhost:1", "dest-uri": "amqp://b:b@localhost:1"}
    queues = {"src-protocol": "amqp091", "src-queue": "x", "dest-protocol": "amqp091", "dest-queue": "y"}
    setting.server.put("parameters", "shovel", "/", "move", value=own | queues | uris)
    found = (await setting.open().preflight(CURRENT)).problems
    assert [one.reason for one in found] == ["CredentialInParameters"]
    assert "shovel move" in found[0].message
    assert VALUE not in found[0].message


async def test_a_policy_and_a_global_parameter_are_read_as_well(setting: Setting) -> None:
    uri = f"amqps://{SLOT_A}:x@elsewhere"
    setting.server.put("global-parameters", "elsewhere", value={"deep": [{"uri": uri}]})
    try:
        assert await problems(setting) == {"CredentialInParameters"}
    finally:
        setting.server.drop("global-parameters", "elsewhere")
    policy = {"alternate-exchange": uri}
    setting.server.put("policies", "/", "moved", pattern="^x", definition=policy, **{"apply-to": "exchanges"})
    assert await problems(setting) == {"CredentialInParameters"}


async def test_what_nobody_can_see_is_told(setting: Setting) -> None:
    async with session(setting.server, CURRENT) as connection:
        channel = await connection.channel()
        await channel.queue_declare("orders.leader", exclusive=True)
        told = (await setting.open().preflight(CURRENT)).unchecked
    assert {one.reason for one in told} == {"UserIdUnchecked", "ExclusiveQueues"}
    assert "orders.leader" in next(one.message for one in told if one.reason == "ExclusiveQueues")


async def test_a_message_with_another_user_in_it_is_refused(setting: Setting) -> None:
    """Why UserIdUnchecked is told: a publisher with a fixed name in it fails after the switch."""
    async with session(setting.server, CURRENT) as connection:
        for user, expected in ((SLOT_A, True), (SLOT_B, False)):
            channel = await connection.channel()
            await channel.queue_declare("orders.in")
            assert await published(channel, user) is expected


async def published(channel: Any, user: str) -> bool:
    try:
        await channel.basic_publish(b"1", routing_key="orders.in", properties=Basic.Properties(user_id=user))
    except ChannelPreconditionFailed:
        return False
    return True


# ----------------------------------------------------------------------------------------------------- strangers


@pytest.mark.parametrize(
    ("tags", "permission", "expected"),
    [
        ("", {"read": r"^payments\."}, False),
        ("", {"read": r"^orders\.secret"}, True),
        ("", {"write": ".*"}, True),
        ("", {"read": "^(payments|shop)"}, False),
        ("", {"read": "^((payments|shop))"}, True),  # what is not plain is taken to meet
        ("", {}, False),
        ("administrator", {}, True),
        ("monitoring", {}, False),
    ],
)
async def test_whoever_reaches_the_owners_queues_or_may_change_users_is_a_stranger(
    setting: Setting, tags: str, permission: dict[str, str], *, expected: bool
) -> None:
    setting.server.put("users", "sneaky", password="password-of-a-stranger", tags=tags)
    setting.server.put("permissions", "/", "sneaky", **NOBODY | permission)
    found = {one.id for one in await setting.open().inventory() if one.stranger}
    assert found == ({"sneaky"} if expected else set())
    assert not [one for one in await setting.but(known=(ROOT, "snea*")).open().inventory() if one.stranger]
    setting.server.put("user-limits", "sneaky", "max-connections", value=0)
    stays = tags == "administrator"  # a limit keeps nobody from the management API
    assert bool([one for one in await setting.open().inventory() if one.stranger]) is stays


async def test_permissions_in_another_virtual_host_make_no_stranger(setting: Setting) -> None:
    setting.server.put("vhosts", "payments")
    setting.server.put("users", "sneaky", password="password-of-a-stranger", tags="")
    setting.server.put("permissions", "payments", "sneaky", configure=".*", write=".*", read=".*")
    assert not [one for one in await setting.open().inventory() if one.stranger]


@pytest.mark.parametrize("name", [ROTATOR, OWNER, ROOT, "administrator", "elsewhere", "anothers"])
async def test_whom_containment_may_not_touch_it_refuses_before_any_change(setting: Setting, name: str) -> None:
    setting.server.put("users", "administrator", password="p-of-a-test", tags="administrator")
    setting.server.put("users", "elsewhere", password="p-of-a-test", tags="")
    setting.server.put("permissions", "/", "elsewhere", **NOBODY | {"read": "^payments"})
    tag = Tag.of("shop/another", op("Create"), Mark.ACTIVE)
    setting.server.put("users", "anothers", password="p-of-a-test", tags=list(tag.told))
    setting.server.put("permissions", "/", "anothers", **PERMISSION)
    provider = setting.open()
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    with pytest.raises(Denied, match="NotContainable"):
        await provider.contain(op("Contain"), new, SLOT_A, [name])
    assert await provider.test(CURRENT) is Trial.WORKS
    assert {one.id: one.state for one in await provider.inventory()}[SLOT_B] is Existence.ABSENT


async def test_a_user_of_nobodys_is_not_touched(setting: Setting) -> None:
    provider = setting.open()
    for late in (provider.disable(op("Disable"), ROOT), provider.end_sessions(op("EndSessions"), ROOT),
                 provider.delete(op("Delete"), ROOT)):  # fmt: skip
        with pytest.raises(Denied, match="UserNotManaged"):
            await late
