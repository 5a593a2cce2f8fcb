"""Pods that judge keys: who is waited for and restarted, what is refused, and what Preflight finds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keyturn.core.model import ConsumerRef, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Awaited, Conflict, Credential, Denied, Provider
from support.postgres_plan import op
from support.ring_pods import KEY, AcceptingPod
from support.ring_rig import FIRST, RingSetting, ring_of, setting

NEW = Credential("orders-key-1", Sealed("a-fresh-key-of-a-test-0123456789"))


async def ensured(there: RingSetting) -> Provider:
    there.pods.keep(NEW)
    provider = there.open()
    await provider.ensure(op("Create"), NEW, FIRST)
    return provider


def held(there: RingSetting) -> str:
    return there.pods.data[KEY].reveal_text()


# -------------------------------------------------------------------------------------------- who has to follow


async def test_acceptors_are_restarted_one_after_the_other_and_named_while_they_are_late() -> None:
    there = setting(names=("gate", "web"), prompt=False)
    there.parallel = 1
    provider = await ensured(there)
    assert there.pods.restarts == [("gate", 1)]
    await provider.ensure(op("Create"), NEW, FIRST)
    assert there.pods.restarts == [("gate", 1)], "gate is not done yet"
    there.pods.roll("gate")
    await provider.ensure(op("Create"), NEW, FIRST)
    assert there.pods.restarts == [("gate", 1), ("web", 1)]
    with pytest.raises(Awaited) as late:
        await provider.test(NEW)
    assert "2 of 4 acceptor pods" in late.value.message
    assert "Deployment/web" in late.value.message
    assert "Deployment/gate" not in late.value.message
    there.pods.roll("web")
    assert await provider.test(NEW) is Trial.WORKS
    assert there.pods.writes == ["keys"]


async def test_a_pod_that_ends_counts_until_it_is_gone() -> None:
    there = setting()
    before = there.pods.data[KEY]
    provider = await ensured(there)
    there.pods.pods_there.append(
        AcceptingPod("gate-0", "gate", before, terminating=True, consumer=ConsumerRef("Deployment", "shop", "gate"))
    )
    with pytest.raises(Awaited, match="which is ending"):
        await provider.test(NEW)


async def test_a_pod_whose_probe_is_silent_proves_nothing() -> None:
    there = setting()
    provider = await ensured(there)
    there.pods.pods_there[0].silent = True
    with pytest.raises(Awaited, match="its probe does not answer"):
        await provider.test(NEW)
    with pytest.raises(Awaited):
        await provider.test(there.current)


async def test_a_pod_whose_app_crashes_holds_up_the_new_key_and_not_the_way_back_to_the_old_one() -> None:
    there = setting()
    provider = await ensured(there)
    there.pods.pods_there[0].silent, there.pods.pods_there[0].ready = True, False
    with pytest.raises(Awaited):
        await provider.test(NEW)
    assert await provider.test(there.current) is Trial.WORKS
    await provider.disable(op("Disable"), FIRST)
    there.pods.pods_there[0].silent, there.pods.pods_there[0].ready = True, False
    with pytest.raises(Awaited):
        await provider.test(there.current)
    await provider.enable(op("Enable", 2), there.current)
    there.pods.pods_there[0].silent, there.pods.pods_there[0].ready = True, False
    with pytest.raises(Awaited):  # it may start with the ring of a moment ago, without the old key
        await provider.test(there.current)


async def test_where_no_pod_runs_nothing_is_proved() -> None:
    there = setting()
    there.pods.pods_there.clear()
    with pytest.raises(Awaited, match="no pod runs"):
        await there.open().test(there.current)


async def test_the_old_key_works_on_pods_that_hold_the_ring_with_or_without_the_new_one() -> None:
    there = setting(names=("gate", "web"), prompt=False)
    provider = await ensured(there)
    there.pods.roll("gate")
    assert await provider.test(there.current) is Trial.WORKS


async def test_the_new_key_works_on_while_the_old_one_leaves_and_the_old_one_is_refused_last() -> None:
    there = setting(names=("gate", "web"))
    provider = await ensured(there)
    there.pods.prompt = False
    await provider.disable(op("Disable"), FIRST)
    there.pods.roll("gate")
    assert await provider.test(NEW) is Trial.WORKS
    with pytest.raises(Awaited):
        await provider.test(there.current)
    with pytest.raises(Awaited):
        await provider.delete(op("Delete"), FIRST)
    there.pods.roll("web")
    assert await provider.test(there.current) is Trial.DISABLED


async def test_nobody_is_restarted_before_the_first_write() -> None:
    there = setting()
    for pod in there.pods.pods_there:
        pod.held = Sealed("something-else")
    await there.open().enable(op("Enable"), there.current)
    assert there.pods.restarts == []
    assert there.pods.writes == ["tag"]


async def test_a_restart_has_a_later_number_than_any_template_that_is_left_from_before() -> None:
    there = setting()
    there.pods.marks["gate"] = 41
    provider = await ensured(there)
    assert there.pods.restarts == [("gate", 42)]
    assert await provider.test(NEW) is Trial.WORKS


async def test_towards_new_somebodys_roll_is_waited_for_and_on_the_way_back_it_is_not() -> None:
    there = setting()
    there.pods.shown = {"settled": False}
    provider = await ensured(there)
    assert there.pods.restarts == []
    there.pods.roll("gate")
    await provider.disable(op("Discard", 2), NEW.id)
    assert there.pods.restarts == [("gate", 2)]


async def test_all_follow_at_once_when_the_old_key_is_cut_off() -> None:
    there = setting(names=("gate", "web"), prompt=False)
    there.parallel = 1
    there.pods.keep(NEW)
    await there.open().contain(op("Contain"), NEW, FIRST, [])
    assert there.pods.restarts == [("gate", 1), ("web", 1)]
    assert json.loads(held(there)) == {NEW.id: NEW.value.reveal_text()}
    assert there.pods.writes == ["keys"]


# --------------------------------------------------------------------------------------------------- other writers


async def test_who_takes_the_new_key_out_again_is_named_and_not_fought_with() -> None:
    there = setting()
    before = there.pods.data[KEY]
    provider = await ensured(there)
    there.pods.edit(KEY, before)
    there.pods.secret_shown = {"writers": {KEY: "argocd"}}
    with pytest.raises(Denied, match="argocd took orders-key-1 out") as refused:
        await provider.ensure(op("Create"), NEW, FIRST)
    assert refused.value.reason == "AcceptorsContested"
    assert there.pods.restarts == [("gate", 1)]
    assert await provider.test(NEW) is Trial.REFUSED


async def test_who_puts_the_old_key_back_is_named_and_not_fought_with() -> None:
    there = setting()
    provider = await ensured(there)
    both = there.pods.data[KEY]
    await provider.disable(op("Disable"), FIRST)
    there.pods.edit(KEY, both)
    with pytest.raises(Denied, match="put 2026-01 back"):
        await provider.disable(op("Disable"), FIRST)
    await provider.enable(op("Enable", 2), there.current)
    assert await provider.test(there.current) is Trial.WORKS


async def test_a_write_in_between_is_a_conflict() -> None:
    there = setting()
    provider, secret = there.open(), there.pods.secret

    async def overtaken(key: Any) -> Any:
        found = await secret(key)
        there.pods.version += 1
        return found

    there.pods.secret = overtaken  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await provider.ensure(op("Create"), NEW, FIRST)


async def test_a_ring_with_another_plans_tag_is_left_alone() -> None:
    there = setting()
    there.pods.tag = "r/1 plan=shop/other epoch=1 version=1"
    with pytest.raises(Denied, match="AcceptorsOfAnotherPlan"):
        await ensured(there)
    found = (await there.open().preflight(there.current)).problems
    assert [one.reason for one in found] == ["AcceptorsOfAnotherPlan"]


async def test_an_older_leader_comes_too_late() -> None:
    there = setting()
    provider = await ensured(there)
    await provider.disable(op("Disable", epoch=7), FIRST)
    with pytest.raises(Denied, match="Overtaken"):
        await provider.enable(op("Enable", 2, epoch=6), there.current)


async def test_the_only_key_stays() -> None:
    with pytest.raises(Denied, match="LastKey"):
        await setting().open().disable(op("Disable"), FIRST)


async def test_an_id_is_never_used_for_another_key() -> None:
    there = setting()
    provider = await ensured(there)
    other = Credential(NEW.id, Sealed("another-key-of-a-test-0123456789"))
    with pytest.raises(Denied, match="KeyNotFree"):
        await provider.ensure(op("Create"), other, FIRST)
    await provider.disable(op("Discard"), NEW.id)
    await provider.delete(op("Discard"), NEW.id)
    with pytest.raises(Denied, match="KeyNotFree"):
        await provider.ensure(op("Create", rotation="rotation-2"), NEW, FIRST)
    with pytest.raises(Denied, match="KeyRetired"):
        await provider.enable(op("Enable", 2), NEW)


# --------------------------------------------------------------------------------------------- lists, public keys


async def test_in_a_list_keys_are_known_by_their_value_and_others_by_their_place() -> None:
    there = setting(form="Lines")
    stranger = Sealed("somebodys-key-of-a-test\n" + held(there))
    there.pods.edit(KEY, stranger)
    there.pods.roll("gate")
    found = {one.id: one.stranger for one in await there.open().inventory()}
    assert found == {"entry-1": True, FIRST: False}
    assert await there.open().test(there.current) is Trial.WORKS
    provider = await ensured(there)
    assert held(there).splitlines()[0] == NEW.value.reveal_text()
    with pytest.raises(Denied, match="NotContainable"):
        await provider.contain(op("Contain"), NEW, FIRST, ["entry-2"])


async def test_a_list_comes_back_byte_for_byte() -> None:
    there = setting(form="CommaList")
    before = held(there)
    provider = await ensured(there)
    await provider.disable(op("Disable"), FIRST)
    await provider.enable(op("Enable", 2), there.current)
    await provider.disable(op("Discard", 2), NEW.id)
    await provider.delete(op("Discard", 2), NEW.id)
    assert held(there) == before


async def test_a_private_key_never_reaches_the_acceptors_and_members_that_others_added_come_back() -> None:
    there = setting("keyring-Jwks")
    told = json.loads(held(there))
    told["keys"][0] |= {"alg": "EdDSA", "x5t": "kept as it is"}
    there.pods.edit(KEY, Sealed(json.dumps(told, indent=2)))
    there.pods.roll("gate")
    before, provider = held(there), there.open()
    new = Credential(await provider.next_id(FIRST), provider.mint())
    there.pods.keep(new)
    await provider.ensure(op("Create"), new, FIRST)
    await provider.disable(op("Disable"), FIRST)
    assert "PRIVATE" not in held(there) + there.pods.tag
    assert '"d"' not in held(there)
    assert new.value.reveal_text().splitlines()[1] not in held(there)
    await provider.enable(op("Enable", 2), there.current)
    await provider.disable(op("Discard", 2), new.id)
    assert held(there) == before


async def test_a_shared_key_that_somebody_published_is_not_copied_anywhere_when_it_is_cut_off() -> None:
    there = setting("keyring-Jwks")
    told = json.loads(held(there))
    told["keys"].append({"kty": "oct", "kid": "sneaky", "k": "c2hhcmVkLWtleS1vZi1hLXRlc3Q"})
    there.pods.edit(KEY, Sealed(json.dumps(told)))
    provider = there.open()
    new = Credential(await provider.next_id(FIRST), provider.mint())
    there.pods.keep(new)
    await provider.contain(op("Contain"), new, FIRST, ["sneaky"])
    assert "sneaky" not in held(there)
    assert "kept=2026-01:" in there.pods.tag
    assert "sneaky:" not in there.pods.tag


async def test_declared_keys_are_neither_strangers_nor_ours_to_cut_off() -> None:
    there = setting()
    kept = Credential("partner-1", Sealed("key-of-a-partner-of-a-test"))
    there.pods.edit(KEY, ring_of("JsonMap", there.current, kept))
    there.pods.roll("gate")
    assert [one.id for one in await there.open().inventory() if one.stranger] == ["partner-1"]
    there.known = ("partner-1",)
    assert [one.id for one in await there.open().inventory()] == [FIRST]
    there.pods.keep(NEW)
    with pytest.raises(Denied, match="NotContainable"):
        await there.open().contain(op("Contain"), NEW, FIRST, ["partner-1"])


async def test_a_list_with_somebodys_key_in_it_is_written_once_however_often_it_is_asked() -> None:
    there = setting(form="Lines")
    there.pods.edit(KEY, Sealed("somebodys-key-of-a-test\n" + held(there)))
    there.pods.keep(NEW)
    for _ in range(3):
        await there.open().contain(op("Contain"), NEW, FIRST, [])
    assert there.pods.writes == ["keys"]
    assert there.pods.restarts == [("gate", 1)]


async def test_an_id_of_others_with_odd_signs_does_not_restart_anybody_again() -> None:
    there = setting()
    there.pods.edit(
        KEY, ring_of("JsonMap", there.current, Credential("a b,c=d ü", Sealed("key-of-somebody-of-a-test")))
    )
    there.pods.keep(NEW)
    for _ in range(3):
        await there.open().ensure(op("Create"), NEW, FIRST)
    assert there.pods.writes == ["keys"]
    assert there.pods.restarts == [("gate", 1)]
