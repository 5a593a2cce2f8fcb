"""The contract every provider keeps, the one in memory included: world tests are worth what this suite is worth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyturn.core.model import Existence, Idle, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied, Misconfigured, Pending, Unavailable
from support.contract_deeds import (
    comes_next,
    created,
    gone,
    idle,
    keeps_tags,
    lists_sessions,
    made,
    planned,
    state,
    until_uses_are_old,
)
from support.postgres_plan import op
from support.provider_rig import Rig

pytestmark = pytest.mark.contract


async def test_the_declared_system_is_recognised_and_the_current_credential_works(rig: Rig):
    assert await rig.provider.reach() is Reach.UP
    assert await rig.provider.same_system(rig.current) is Sameness.SAME
    assert await rig.provider.test(rig.current) is Trial.WORKS


async def test_a_healthy_backend_has_no_problems(rig: Rig):
    assert (await rig.provider.preflight(rig.current)).problems == ()


async def test_minted_values_differ_and_are_long_enough(rig: Rig):
    if rig.provider.issuer is not None:
        with pytest.raises(Denied):
            rig.provider.mint()
        first, second = (await made(rig)).value, rig.current.value
    else:
        first, second = rig.provider.mint(), rig.provider.mint()
    assert first != second
    assert len(first.reveal()) >= 16


async def test_the_next_id_is_the_free_slot_and_asking_changes_nothing(rig: Rig):
    before = await rig.provider.inventory()
    assert await rig.provider.next_id(rig.current.id) == rig.free
    assert await rig.provider.inventory() == before


async def test_a_new_credential_works_beside_the_old_one(rig: Rig):
    new = await made(rig)
    assert await rig.provider.test(new) is Trial.WORKS
    assert await rig.provider.test(rig.current) is Trial.WORKS
    assert await rig.admits(new)
    assert await state(rig.provider, new.id) is Existence.ACTIVE


async def test_the_inventory_names_the_plan_and_rotation_that_made_a_credential(rig: Rig):
    new = await made(rig)
    entry = next(p for p in await rig.provider.inventory() if p.id == new.id)
    assert entry.plan
    assert entry.tag == ("rotation-1/1" if await keeps_tags(rig) else None)


@pytest.mark.fm(3)
async def test_ensuring_twice_is_the_same_as_once_also_after_a_restart(rig: Rig):
    new = await made(rig)
    await rig.again().ensure(op("Create"), new, rig.current.id)
    assert await rig.provider.test(new) is Trial.WORKS


async def test_no_slot_is_free_while_both_are_enabled(rig: Rig):
    new = await made(rig)
    if rig.provider.capabilities.by_hand:  # what people made is the free one until it serves: there is never a third
        assert await created(rig, rig.current.id) == new
        return
    with pytest.raises(Misconfigured) as refused:
        await rig.provider.next_id(rig.current.id)
    assert refused.value.reason == "NoFreeSlot"


async def test_a_wrong_value_is_refused_and_not_called_disabled(rig: Rig):
    assert await rig.provider.test(Credential(rig.current.id, Sealed("not-the-value-at-all"))) is Trial.REFUSED
    unknown = rig.free or "nobody"
    assert await rig.provider.test(Credential(unknown, Sealed("not-the-value-at-all"))) is Trial.REFUSED


async def test_a_disabled_credential_says_so_to_its_holder_only(rig: Rig):
    new = await made(rig)
    await rig.provider.disable(op("Disable"), rig.current.id)
    assert await rig.provider.test(rig.current) is Trial.DISABLED
    wrong = await rig.provider.test(Credential(rig.current.id, Sealed("not-the-value-at-all")))
    assert wrong is (Trial.REFUSED if rig.provider.capabilities.tells_disabled_from_wrong else Trial.DISABLED)
    assert await rig.provider.test(new) is Trial.WORKS
    assert not await rig.admits(rig.current)
    assert await state(rig.provider, rig.current.id) is Existence.DISABLED


@pytest.mark.fm(33)
async def test_disabling_twice_is_the_same_as_once(rig: Rig):
    await made(rig)
    await rig.provider.disable(op("Disable"), rig.current.id)
    await rig.again().disable(op("Disable"), rig.current.id)
    assert await rig.provider.test(rig.current) is Trial.DISABLED


async def test_enabling_brings_the_old_value_back(rig: Rig):
    await made(rig)
    await rig.provider.disable(op("Disable"), rig.current.id)
    await rig.provider.enable(op("Enable"), rig.current)
    assert await rig.provider.test(rig.current) is Trial.WORKS
    assert await rig.admits(rig.current)
    assert await state(rig.provider, rig.current.id) is Existence.ACTIVE


@pytest.mark.fm(38, 42, 44)
async def test_what_is_still_on_its_way_forward_is_refused_once_the_way_back_has_begun(rig: Rig):
    """Given a leader stopped right before Create or Disable, when another one turns back, then it comes too late."""
    new = await planned(rig, rig.current.id)
    await rig.provider.enable(op("Enable", generation=2), rig.current)
    if not await keeps_tags(rig):  # such a backend cannot tell: what comes too late is undone by the next look
        assert rig.provider.issuer is not None
        return
    for late in (
        *(() if rig.provider.issuer else (rig.again().ensure(op("Create"), new, rig.current.id),)),
        rig.again().disable(op("Disable"), rig.current.id),
    ):
        with pytest.raises(Denied):
            await late
    assert rig.provider.issuer or await state(rig.provider, new.id) is not Existence.ACTIVE
    assert await rig.provider.test(rig.current) is Trial.WORKS
    assert next(p.tag for p in await rig.provider.inventory() if p.id == rig.current.id) == "rotation-1/2"


async def test_the_generations_of_another_rotation_do_not_count(rig: Rig):
    await rig.provider.enable(op("Enable", generation=9), rig.current)
    new = await created(rig, rig.current.id, rotation="rotation-2")
    assert await rig.provider.test(new) is Trial.WORKS


async def test_somebodys_session_is_seen_as_use_with_principal_and_address(rig: Rig):
    new = await made(rig)
    async with rig.somebody(rig.current):
        seen = (await rig.provider.usage([rig.current.id], new))[rig.current.id]
    if not rig.provider.capabilities.sees_use:
        assert seen.idle is not Idle.NOT_SEEN  # what cannot be seen may show by chance, and is never said to be idle
        assert seen.blind
        return
    assert seen.idle is Idle.IN_USE
    if not lists_sessions(rig):
        assert seen.sessions == ()
        assert rig.current.id in seen.blind
        until_uses_are_old(rig)
        assert (await rig.provider.usage([rig.current.id], new))[rig.current.id].idle is idle(rig)
        return
    others = [session for session in seen.sessions if not session.ours]
    assert [session.principal for session in others] == [rig.current.id]
    assert others[0].client_address
    assert others[0].client_port


async def test_nobody_connected_is_idle_because_the_control_session_was_seen(rig: Rig):
    new = await made(rig)
    until_uses_are_old(rig)
    asked = [rig.current.id, new.id] if lists_sessions(rig) else [rig.current.id]  # a record shows our own use of NEW
    seen = await rig.provider.usage(asked, new)
    assert {usage.idle for usage in seen.values()} == {idle(rig)}


@pytest.mark.fm(32)
async def test_without_a_control_session_nobody_knows(rig: Rig):
    wrong = Credential(rig.current.id, Sealed("not-the-value-at-all"))
    seen = (await rig.provider.usage([rig.current.id], wrong))[rig.current.id]
    assert seen.idle is Idle.UNKNOWN
    assert seen.blind


async def test_sessions_outlive_disabling_and_end_when_told(rig: Rig):
    new = await made(rig)
    async with rig.somebody(rig.current):
        await rig.provider.disable(op("Disable"), rig.current.id)
        if not lists_sessions(rig):  # there is nothing that could outlive it
            assert (await rig.provider.usage([rig.current.id], new))[rig.current.id].idle is not Idle.IN_USE
            assert await rig.provider.end_sessions(op("EndSessions"), rig.current.id) == 0
            return
        assert (await rig.provider.usage([rig.current.id], new))[rig.current.id].idle is Idle.IN_USE
        assert await rig.provider.end_sessions(op("EndSessions"), rig.current.id) == 1
        for _ in range(
            200
        ):  # the backend ends it as soon as the server process looks up; each round asks the server anew
            if (await rig.provider.usage([rig.current.id], new))[rig.current.id].idle is Idle.NOT_SEEN:
                break
        else:
            pytest.fail("the session did not end")


@pytest.mark.fm(30)
async def test_sessions_of_an_enabled_credential_are_not_ended(rig: Rig):
    async with rig.somebody(rig.current):
        with pytest.raises(Denied):
            await rig.provider.end_sessions(op("EndSessions"), rig.current.id)


@pytest.mark.fm(40)
async def test_an_enabled_credential_is_not_deleted(rig: Rig):
    with pytest.raises(Denied):
        await rig.provider.delete(op("Delete"), rig.current.id)
    assert await rig.provider.test(rig.current) is Trial.WORKS


@pytest.mark.fm(40)
async def test_a_credential_with_open_sessions_is_not_deleted(rig: Rig):
    new = await made(rig)
    async with rig.somebody(rig.current):
        await rig.provider.disable(op("Disable"), rig.current.id)
        if not lists_sessions(rig):  # a use before it was off holds nothing open
            await rig.provider.delete(op("Delete"), rig.current.id)
            assert not await rig.admits(rig.current)
            return
        with pytest.raises(Denied):
            await rig.provider.delete(op("Delete"), rig.current.id)
    await rig.provider.enable(op("Enable"), rig.current)
    assert await rig.provider.test(rig.current) is Trial.WORKS
    assert await rig.provider.test(new) is Trial.WORKS


async def test_a_deleted_credential_is_retired_and_its_slot_is_free_again(rig: Rig):
    new = await made(rig)
    await rig.provider.disable(op("Disable"), rig.current.id)
    await rig.provider.delete(op("Delete"), rig.current.id)
    await rig.again().delete(op("Delete"), rig.current.id)
    assert await rig.provider.test(rig.current) in {Trial.REFUSED, Trial.DISABLED}
    assert not await rig.admits(rig.current)
    assert await state(rig.provider, rig.current.id) is gone(rig)
    assert await rig.provider.test(new) is Trial.WORKS
    assert await comes_next(rig, new.id, rig.current.id)


async def test_two_rotations_in_a_row_alternate(rig: Rig):
    new = await made(rig)
    await rig.provider.disable(op("Disable"), rig.current.id)
    await rig.provider.delete(op("Delete"), rig.current.id)
    newer = await created(rig, new.id, rotation="rotation-2")
    again = rig.provider.issuer is None and rig.provider.capabilities.reuses_ids
    assert (newer.id == rig.current.id) is again
    assert await rig.provider.test(newer) is Trial.WORKS
    assert await rig.provider.test(rig.current) is Trial.REFUSED
    assert await rig.admits(newer)


async def test_a_rolled_back_rotation_leaves_the_free_slot_free(rig: Rig):
    new = await made(rig)
    await rig.provider.disable(op("Discard"), new.id)
    await rig.provider.delete(op("Discard"), new.id)
    assert await rig.provider.test(rig.current) is Trial.WORKS
    assert await comes_next(rig, rig.current.id, new.id)


async def test_what_does_not_exist_is_deleted_without_a_word(rig: Rig):
    await rig.provider.disable(op("Discard"), rig.free or "nobody")
    await rig.provider.delete(op("Discard"), rig.free or "nobody")
    assert await rig.provider.next_id(rig.current.id) == rig.free


async def test_new_from_the_baseline_works_without_looking_at_old(rig: Rig):
    new = await created(rig, "")
    assert await rig.provider.test(new) is Trial.WORKS


@pytest.mark.fm(3)
async def test_what_an_unanswered_create_made_is_found_and_is_gone_and_nothing_else_is(rig: Rig):
    """Where the backend names credentials: the answer is lost, and the value with it."""
    issuer = rig.provider.issuer
    if issuer is None:
        new = await made(rig)  # ours has the name and the value that we chose: asking again finds it
        await rig.again().ensure(op("Create"), new, rig.current.id)
        assert await rig.provider.test(new) is Trial.WORKS
        return
    pending = Pending(tuple(one.id for one in await rig.provider.inventory()), rig.now())
    lost = await issuer.issue(op("Create"), rig.current.id)
    if rig.provider.capabilities.by_hand:  # no answer is lost: what was made stays where its maker put it
        await issuer.sweep(op("Sweep"), pending)
        assert await created(rig, rig.current.id) == lost
        assert await rig.admits(lost)
        return
    rig.wait(timedelta(hours=1))
    again = rig.again()
    assert again.issuer is not None
    await again.issuer.sweep(op("Sweep"), pending)
    assert await state(again, lost.id) is Existence.ABSENT
    assert not await rig.admits(lost)
    assert await again.test(rig.current) is Trial.WORKS
    await again.issuer.sweep(op("Sweep"), pending)
    assert await again.next_id(rig.current.id) == rig.free


@pytest.mark.fm(3)
async def test_right_after_an_unanswered_create_nobody_says_that_nothing_was_made(rig: Rig):
    """What was asked for may come to light later than the next look."""
    issuer = rig.provider.issuer
    pending = Pending(tuple(one.id for one in await rig.provider.inventory()), rig.now())
    if issuer is None:
        assert await rig.provider.next_id(rig.current.id) == rig.free  # nothing is ever pending
        return
    if rig.provider.capabilities.by_hand:  # it is there before it is asked for
        before = await rig.provider.inventory()
        await issuer.sweep(op("Sweep"), pending)
        assert await rig.provider.inventory() == before
        return
    with pytest.raises(Unavailable):
        await issuer.sweep(op("Sweep"), pending)


@pytest.mark.fm(53)
async def test_nothing_is_concluded_while_the_backend_is_down(rig: Rig):
    rig.unplug()
    assert await rig.provider.reach() is Reach.DOWN
    assert await rig.provider.test(rig.current) is Trial.DOWN
    with pytest.raises(Unavailable):
        await rig.provider.disable(op("Disable"), rig.current.id)
    with pytest.raises(Unavailable):
        await rig.provider.inventory()
    with pytest.raises(Unavailable):
        await rig.provider.preflight(rig.current)


async def test_refused_attempts_are_told_only_where_the_provider_claims_to_see_them(rig: Rig):
    await made(rig)
    await rig.provider.disable(op("Disable"), rig.current.id)
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    await rig.admits(rig.current)
    seen = await rig.provider.refused_attempts(rig.current.id, long_ago)
    assert bool(seen) is rig.provider.capabilities.sees_refused_attempts
