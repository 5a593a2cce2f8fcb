"""The contract's items about credentials that nobody declared: seen by name, and cut off when a person says so."""

from __future__ import annotations

import pytest

from keyturn.core.model import Existence, Idle, Trial
from keyturn.ports import Credential
from support.contract_deeds import planned, state
from support.drift_desk import DriftDesk, plan_of
from support.postgres_plan import op
from support.provider_rig import Rig

pytestmark = pytest.mark.contract


async def test_a_login_nobody_declared_is_a_stranger(rig: Rig):
    sneaky = rig.add_stranger()
    found = [p.id for p in await rig.provider.inventory() if p.stranger]
    if rig.provider.capabilities.lists_credentials:
        assert found == [sneaky.id]
        return
    assert found == []  # nobody can look; and that is said, with where people can
    unchecked = (await rig.provider.preflight(rig.current)).unchecked
    assert [one.reason for one in unchecked] == ["InventoryUnchecked"]


async def test_a_plan_at_rest_names_a_stranger_until_it_is_gone(rig: Rig):
    """Given a plan at rest, when a login that nobody declared is made, then condition and Event carry its name."""
    desk = DriftDesk(rig.current, plan_of(rig.current, await rig.provider.identify()), rig.again, rig.now())
    await desk.escrowed()
    assert await desk.look() == []
    quiet = desk.verdict
    sneaky = rig.add_stranger()
    if not rig.provider.capabilities.lists_credentials:
        assert await desk.look() == []
        assert "no list of credentials" in quiet.message, "what nobody looked at is named"
        return
    assert (quiet.status, quiet.message) == ("False", "")
    assert await desk.look() == ["StrangerInInventory"]
    assert (desk.verdict.status, desk.verdict.reason) == ("True", "StrangerInInventory")
    assert sneaky.id in desk.verdict.message
    assert [sneaky.id in event.message for event in desk.events if event.reason == "StrangerInInventory"] == [True]
    rig.remove_stranger()
    assert await desk.look() == []
    assert desk.verdict == quiet
    assert desk.events[-1].message == "no longer so: StrangerInInventory"


async def nobody_is_connected(rig: Rig, ids: list[str], control: Credential) -> None:
    if not rig.provider.capabilities.sees_use:
        return  # the plan has accepted that nobody can say
    for _ in range(200):  # the backend ends a session as soon as its process looks up; each round asks the server anew
        seen = await rig.provider.usage(ids, control)
        if {usage.idle for usage in seen.values()} == {Idle.NOT_SEEN}:
            return
    pytest.fail(f"still connected: {seen}")


async def test_containment_makes_new_and_cuts_off_old_and_the_named_strangers_at_once(rig: Rig):
    sneaky = rig.add_stranger()
    async with rig.somebody(rig.current), rig.somebody(sneaky):
        new = await planned(rig, rig.current.id, [sneaky.id])
        await rig.provider.contain(op("Contain"), new, rig.current.id, [sneaky.id])
        await nobody_is_connected(rig, [rig.current.id, sneaky.id], new)
    assert await rig.provider.test(new) is Trial.WORKS
    assert await rig.provider.test(rig.current) is Trial.DISABLED
    assert not await rig.admits(rig.current)
    assert not await rig.admits(sneaky)
    assert await state(rig.provider, rig.current.id) is Existence.DISABLED


async def test_containing_twice_is_the_same_as_once_also_after_a_restart(rig: Rig):
    sneaky = rig.add_stranger()
    new = await planned(rig, rig.current.id, [sneaky.id])
    await rig.provider.contain(op("Contain"), new, rig.current.id, [sneaky.id])
    again = rig.again()
    await again.contain(op("Contain"), new, rig.current.id, [sneaky.id])
    assert await again.test(new) is Trial.WORKS
    assert not await rig.admits(rig.current)
    assert not await rig.admits(sneaky)
    assert await again.end_sessions(op("EndSessions"), sneaky.id) == 0


async def test_a_stranger_that_is_gone_already_stops_nothing(rig: Rig):
    new = await planned(rig, rig.current.id)
    await rig.provider.contain(op("Contain"), new, rig.current.id, ["nobody"])
    assert await rig.provider.test(rig.current) is Trial.DISABLED
