"""What a plan with a ring must say, and what Preflight finds at its acceptors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keyturn.core.model import Existence, Idle, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied, Misconfigured
from support.postgres_plan import op
from support.ring_pods import KEY, AcceptingPod
from support.ring_rig import FIRST, RingSetting, ring_of, setting

NEW = Credential("orders-key-1", Sealed("a-fresh-key-of-a-test-0123456789"))


async def problems(there: RingSetting) -> set[str]:
    return {one.reason for one in (await there.open().preflight(there.current)).problems}


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ({"paused": True}, "AcceptorPaused"),
        ({"settled": False}, "AcceptorRolling"),
        ({"healthy": False}, "AcceptorUnhealthy"),
        ({"kills_first": True}, "AcceptorWouldBeUnavailable"),
    ],
)
async def test_acceptors_that_could_not_follow_block(shown: dict[str, object], reason: str) -> None:
    there = setting()
    there.pods.shown = shown
    assert await problems(there) == {reason}


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ({"immutable": True}, "AcceptorsImmutable"),
        ({"controlled_by": "ExternalSecret/ring"}, "AcceptorsOwnedByAnother"),
    ],
)
async def test_a_ring_that_is_not_ours_to_write_blocks(shown: dict[str, object], reason: str) -> None:
    there = setting()
    there.pods.secret_shown = shown
    assert await problems(there) == {reason}


async def test_what_the_plan_must_say_blocks() -> None:
    there = setting()
    there.half |= {"maxTokenLifetime": "2h"}
    assert await problems(there) == {"SoakTooShort"}


async def test_nobody_claims_to_know_who_uses_a_key() -> None:
    there = setting()
    usage = await there.open().usage([FIRST], there.current)
    assert usage[FIRST].idle is Idle.UNKNOWN


async def test_whoever_else_uses_the_ring_blocks() -> None:
    there = setting()
    there.pods.pods_there.append(AcceptingPod("report-1", "report", there.pods.data[KEY]))
    other = there.records()[1]
    secret = other.spec.secret.model_copy(update={"name": "orders-ring"})
    spec = other.spec.model_copy(update={"secret": secret})
    there.pods.others = [replace(other, key=replace(other.key, name="other"), spec=spec)]
    assert await problems(there) == {"AcceptorNotSupported", "AcceptorsShared"}


async def test_acceptors_of_another_environment_block() -> None:
    there = setting()
    there.pods.edit(KEY, ring_of("JsonMap", Credential(FIRST, Sealed("a-key-of-another-environment"))))
    assert await problems(there) == {"CurrentNotAccepted"}
    assert await there.open().same_system(there.current) is Sameness.DIFFERENT
    there.current = Credential("a kid with blanks", there.current.value)
    assert await problems(there) == {"CurrentNotAccepted", "IdUnfit"}


async def test_no_acceptor_at_all_blocks() -> None:
    there = setting(names=())
    assert await problems(there) == {"NoAcceptor"}


async def test_a_ring_that_is_gone_says_how_to_make_it() -> None:
    there = setting()
    there.pods.data.clear()
    with pytest.raises(Misconfigured, match=r"key keys of Secret orders-ring.*JsonMap"):
        await there.open().identify()
    assert await there.open().test(there.current) is Trial.DOWN
    assert await there.open().same_system(there.current) is Sameness.UNKNOWN


async def test_the_ring_of_a_plan_does_not_change() -> None:
    there = setting()
    there.system = await there.open().identify()
    assert await there.open().identify() == there.system
    there.system = "Secret shop/other, key keys"
    with pytest.raises(Denied, match="WrongSystem"):
        await there.open().inventory()


@pytest.mark.parametrize(
    ("kind", "half", "form", "reason"),
    [
        ("keyring-Hmac", {"key": "Rsa"}, "JsonMap", "FormatDoesNotFit"),
        ("keyring-Hmac", {"key": "Fernet"}, "Jwks", "FormatDoesNotFit"),
        ("generic", {}, "Jwks", "FormatDoesNotFit"),
    ],
)
def test_a_format_that_does_not_fit_is_refused(kind: str, half: dict[str, Any], form: str, reason: str) -> None:
    there = setting(kind, form=form)
    there.half |= half
    with pytest.raises(Misconfigured) as refused:
        there.open()
    assert refused.value.reason == reason


def test_presenters_and_acceptors_have_secrets_of_their_own_that_the_provider_allows() -> None:
    there = setting()
    there.ring_name = "orders-key"
    with pytest.raises(Misconfigured, match="AcceptorsNotApart"):
        there.open()
    there = setting()
    there.allowed = ("orders-key",)
    with pytest.raises(Misconfigured, match="SecretNotAllowed"):
        there.open()


def test_a_plan_of_one_backend_with_a_provider_of_another_is_refused() -> None:
    there = setting()
    record, plan = there.records()
    other = setting("generic")
    there.field, there.half = other.field, other.half
    with pytest.raises(Misconfigured, match="BackendMismatch"):
        there.providers().open(record, there.records()[1], None)
    assert plan.spec.backend is not None


async def test_a_shared_value_is_made_of_its_alphabet() -> None:
    there = setting("generic")
    there.half |= {"alphabet": "ABCDEFGHJKLMNPQRSTUVWXYZ23456789", "length": 30}
    value = there.open().mint().reveal_text()
    assert len(value) == 30
    assert set(value) <= set("ABCDEFGHJKLMNPQRSTUVWXYZ23456789")
    there.half |= {"alphabet": "AABCDEFGHJKLMNPQ"}
    with pytest.raises(ValueError, match="each sign"):
        there.records()


async def test_the_inventory_tells_what_became_of_a_key() -> None:
    there = setting()
    there.pods.keep(NEW)
    provider = there.open()
    await provider.ensure(op("Create"), NEW, FIRST)
    await provider.disable(op("Disable"), FIRST)
    assert {one.id: one.state for one in await provider.inventory()} == {
        NEW.id: Existence.ACTIVE,
        FIRST: Existence.DISABLED,
    }
