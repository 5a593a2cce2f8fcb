"""A person mints, disables and deletes; Keyturn says what is to be done, waits, and sees for itself whether it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from keyturn.core.model import Existence, Idle, Reach, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Awaited, Credential, Denied, Misconfigured
from keyturn.providers.manual.asking import headers_of
from keyturn.providers.manual.handover import DELETED, DISABLED
from keyturn.providers.manual.kinds import Check
from support.console import Console, Setting, console
from support.memory_backend import KEYTURN, Role
from support.memory_cluster import spec
from support.postgres_plan import op
from support.world import WORKER, World

pytestmark = [pytest.mark.contract, pytest.mark.enable_socket]
OLD = Credential("pk-0", Sealed("value-from-the-beginning"))
ENOUGH = 400  # looks


@pytest.fixture
async def payments() -> AsyncIterator[Console]:
    async with console() as started:
        started.keys[OLD.id] = (OLD.value.reveal_text(), True)
        yield started


@pytest.fixture
def setting(payments: Console) -> Setting:
    return Setting(payments, current_id=OLD.id, busy=True)


# ------------------------------------------------------------------------------------------------ what it sees


async def test_any_other_answer_than_a_clear_one_says_nothing(setting: Setting, payments: Console) -> None:
    provider = setting.open()
    for status in (302, 404, 500):
        payments.answers = status
        assert await provider.test(OLD) is Trial.DOWN, status
        assert await provider.reach() is Reach.UP, "somebody is there"


async def test_nothing_is_sent_to_a_host_that_the_admin_secret_does_not_name(setting: Setting) -> None:
    with pytest.raises(Misconfigured, match="HostNotAllowed"):
        replace(setting, host="api.payments.example").open()


async def test_nothing_is_sent_to_a_loopback_address_unless_tests_ask_for_it(
    setting: Setting, payments: Console
) -> None:
    provider = replace(setting, loopback=False).open()
    assert await provider.test(OLD) is Trial.DOWN
    assert await provider.reach() is Reach.DOWN
    assert payments.asked == []


async def test_only_a_provider_of_the_whole_cluster_may_name_an_address(setting: Setting) -> None:
    with pytest.raises(Misconfigured, match="ManualNotAllowed"):
        replace(setting, kind="CredentialProvider").open()


@pytest.mark.parametrize(
    ("sends", "header"),
    [
        ("Basic", "Authorization: Basic aWQ6dmFsdWU="),
        ("Bearer", "Authorization: Bearer value"),
        ("Header", "X-Key: value"),
    ],
)
def test_a_key_is_sent_as_the_system_wants_it(sends: str, header: str) -> None:
    check = Check.model_validate({"url": "https://api.example/", "sends": sends, "header": "X-Key"})
    assert [f"{name}: {value}" for name, value in headers_of(check, Credential("id", Sealed("value"))).items()] == [
        header
    ]


# ----------------------------------------------------------------------------------------- what people are asked


async def asked(deed: object) -> str:
    with pytest.raises(Awaited) as waiting:
        await deed  # type: ignore[misc]
    assert waiting.value.reason == "AwaitingPerson"
    return waiting.value.message


async def test_preflight_waits_for_a_second_credential_and_says_how_it_is_handed_over(
    setting: Setting, payments: Console
) -> None:
    provider = setting.open()
    (problem,) = (await provider.preflight(OLD)).problems
    assert problem.reason == "AwaitingPerson"
    payments.act(problem.message)
    assert (await provider.preflight(OLD)).problems == ()


async def test_the_same_value_once_more_is_not_a_new_credential(setting: Setting, payments: Console) -> None:
    payments.data = {"username": Sealed(OLD.id), "password": OLD.value}
    assert [one.reason for one in (await setting.open().preflight(OLD)).problems] == ["AwaitingPerson"]


async def test_the_newline_that_ends_a_file_is_no_part_of_the_value(setting: Setting, payments: Console) -> None:
    payments.act(await asked(setting.open().issue(op("Create"), OLD.id)))
    made = await setting.open().issue(op("Create"), OLD.id)
    assert made.value == Sealed("value-that-the-console-made-1")


async def test_a_word_alone_disables_nothing(setting: Setting, payments: Console) -> None:
    """Given somebody says that OLD is disabled, when the system still takes it, then nobody is told otherwise."""
    payments.annotations[DISABLED] = OLD.id
    provider = setting.open()
    await provider.disable(op("Disable"), OLD.id)
    assert await provider.test(OLD) is Trial.WORKS


async def test_each_deed_is_asked_for_until_it_is_said_to_be_done(setting: Setting, payments: Console) -> None:
    payments.act("make a second credential")
    provider = setting.open()
    assert payments.act(await asked(provider.disable(op("Disable"), OLD.id))) == "disable pk-0"
    await provider.disable(op("Disable"), OLD.id)
    assert await provider.test(OLD) is Trial.DISABLED
    assert payments.act(await asked(provider.enable(op("Enable"), OLD))) == "enable pk-0"
    await provider.enable(op("Enable"), OLD)
    payments.act(await asked(provider.disable(op("Disable"), OLD.id)))
    assert payments.act(await asked(provider.delete(op("Delete"), OLD.id))) == "delete pk-0"
    await provider.delete(op("Delete"), OLD.id)
    states = {one.id: one.state for one in await provider.inventory()}
    assert states == {OLD.id: Existence.RETIRED, "pk-1": Existence.ACTIVE}
    with pytest.raises(Denied, match="CredentialGone"):
        await provider.enable(op("Enable"), OLD)


async def test_a_stranger_that_somebody_named_is_asked_for_by_name(setting: Setting, payments: Console) -> None:
    """Nobody lists him: so nobody knows that he is gone, but who looks."""
    payments.keys["mallory"] = ("value-of-mallory", True)
    provider = setting.open()
    payments.act("make a second credential")
    new = await provider.issue(op("Create"), OLD.id)
    for deed in ("disable pk-0", "disable mallory", "disable gone-already"):
        words = await asked(provider.contain(op("Contain"), new, OLD.id, ["mallory", "gone-already"]))
        assert payments.act(words) == deed
    await provider.contain(op("Contain"), new, OLD.id, ["mallory", "gone-already"])
    assert {id_ for id_, (_, is_open) in payments.keys.items() if is_open} == {"pk-1"}


async def test_what_the_system_refuses_is_refused_while_nobody_can_read_what_people_say(
    setting: Setting, payments: Console
) -> None:
    payments.annotations[DISABLED] = OLD.id
    payments.keys.clear()
    payments.down = True
    assert await setting.open().test(OLD) is Trial.REFUSED


async def test_a_hand_over_that_is_gone_is_not_taken_for_silence(setting: Setting, payments: Console) -> None:
    payments.annotations[DELETED] = OLD.id
    await setting.open().inventory()
    payments.annotations.clear()
    with pytest.raises(Awaited):
        await setting.open().inventory()


# ---------------------------------------------------------------------------------------------- whole rotations


def follow(world: World, payments: Console) -> None:
    """What pods log in to is what the console says."""
    roles = world.backend.roles
    for id_, (value, is_open) in payments.keys.items():
        roles.setdefault(id_, Role(Sealed(value)))
        world.backend.switch(id_, enabled=is_open, who=KEYTURN)  # on its word
    for id_ in set(roles) - set(payments.keys):
        del roles[id_]


def world_of(payments: Console, *, abort_in: str | None = None) -> World:
    """Given the simulated world with this system behind it, and a person who does what the rotation says."""
    world = World(issues=True, abort_in=abort_in)
    plan = world.cluster.the_plan
    assert plan is not None
    wish = spec(
        verify={"require": ["Process"], "acceptBlindSoak": True},
        retire={"watch": "20s", "acceptBlindWatch": True},
        consumers={"discover": "SecretReference"},
    )
    world.cluster.the_plan = replace(plan, spec=wish)
    world.cluster.workloads[WORKER].reload = False
    payments.keys = {"orders_a": ("the-old-value-of-orders", True)}

    def open_(*_records: object) -> object:
        for id_ in world.backend.roles:  # the operator is told nothing; the promises look all the same
            used = any(one.principal == id_ for one in world.backend.sessions.values())
            world.promises.usage_told(id_, Idle.IN_USE if used else Idle.NOT_SEEN)
        status = world.plan_status
        return Setting(payments, current_id=status.current_id, busy=bool(status.active_rotation)).open()

    done: list[str] = []

    def person(world: World) -> None:
        waits = [one.message for one in world.rotation_status.blockers if one.reason == "AwaitingPerson"]
        if waits and waits[0] not in done:
            done.append(waits[0])
            payments.act(waits[0])
            follow(world, payments)

    world.open = open_  # type: ignore[method-assign,assignment]
    world.happenings.append(person)
    world.restart_operator()
    world.ask_for_rotation()
    return world


async def run(world: World, *, until: Callable[[World], bool] = lambda world: world.ended) -> None:
    for _ in range(ENOUGH):
        if world.abort_in is not None and world.phase == world.abort_in:
            world.abort()
        await world.tick()
        if until(world):
            return
    pytest.fail(f"still in {world.phase}: {world.rotation_status.blockers} {world.plan_status.conditions}")


async def test_a_rotation_completes_by_what_it_says_alone(payments: Console) -> None:
    world = world_of(payments)
    await run(world)
    assert world.phase == "Complete"
    assert payments.keys == {"pk-1": ("value-that-the-console-made-1", True)}
    assert world.plan_status.current_id == "pk-1"


@pytest.mark.parametrize("phase", ["Soak", "Watch"])
async def test_one_that_is_aborted_goes_back_by_what_it_says_alone(payments: Console, phase: str) -> None:
    world = world_of(payments, abort_in=phase)
    await run(world)
    assert world.phase == "RolledBack"
    assert payments.keys == {"orders_a": ("the-old-value-of-orders", True)}
