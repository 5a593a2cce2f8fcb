"""What only AWS IAM does: two keys and no third, values shown once, changes that spread, uses that are shown late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.core.model import Existence, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Awaited, Credential, Denied, Misconfigured, OutcomeUnknown, Unavailable
from keyturn.providers.awsiam.memory import Memory
from keyturn.providers.awsiam.trials import IN_A_ROW
from support.iam_account import Refusal
from support.iam_plan import REGIONS, ROTATOR, USER, Setting, credential
from support.postgres_plan import op

pytestmark = pytest.mark.contract
MINUTE = timedelta(minutes=1)


async def made(aws: Setting) -> Credential:
    return await aws.open().issue(op("Create"), aws.current.id)


# ------------------------------------------------------------------------------------------------------ two keys


async def test_an_inactive_key_takes_up_room_and_is_named_to_whoever_must_delete_it(aws: Setting) -> None:
    left = aws.server.account.create(USER)
    aws.server.account.switch(USER, left.id, active=False)
    with pytest.raises(Misconfigured) as refused:
        await aws.open().next_id(aws.current.id)
    assert refused.value.reason == "NoFreeSlot"
    assert f"{left.id} (Inactive" in refused.value.message
    assert "delete it" in refused.value.message
    assert [p.id for p in await aws.open().inventory() if p.stranger] == []  # it reaches nothing


async def test_asked_for_a_third_key_aws_refuses_and_nothing_is_pending_for_ever(aws: Setting) -> None:
    await made(aws)
    with pytest.raises(Denied) as refused:
        await made(aws)
    assert refused.value.reason == "NoFreeSlot"


async def test_a_named_stranger_makes_room_and_nobody_else_does(aws: Setting) -> None:
    stranger = aws.server.account.create(USER)
    provider = aws.open()
    for protected in (aws.current.id, aws.rotator.id):
        with pytest.raises(Denied) as refused:
            await provider.issue(op("Contain"), "", [protected])
        assert refused.value.reason == "NotContainable"
    new = await provider.issue(op("Contain"), "", [stranger.id])
    assert {key.id for key in aws.server.account.keys_of(USER)} == {aws.current.id, new.id}


async def test_the_users_name_is_said_in_every_call_or_the_rotator_would_rotate_itself(aws: Setting) -> None:
    provider = aws.open()
    new = await made(aws)
    await provider.disable(op("Disable"), aws.current.id)
    await provider.enable(op("Enable"), aws.current)
    await provider.disable(op("Discard"), new.id)
    await provider.delete(op("Discard"), new.id)
    named = {"GetUser", "ListAccessKeys", "CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"}
    asked = {(action, words.get("UserName")) for action, words in aws.server.asked if action in named}
    assert asked == {(action, USER) for action in named}
    assert [key.id for key in aws.server.account.keys_of(ROTATOR)] == [aws.rotator.id]


# ------------------------------------------------------------------------------------------------ whose keys


async def test_the_rotator_must_belong_to_the_declared_account(aws: Setting) -> None:
    provider = aws.but(account="999999999999").open()
    with pytest.raises(Denied) as refused:
        await provider.identify()
    assert refused.value.reason == "WrongSystem"
    with pytest.raises(Denied):
        await provider.issue(op("Create"), aws.current.id)
    assert aws.server.done == []
    assert await provider.same_system(aws.current) is Sameness.DIFFERENT


async def test_a_user_made_anew_under_the_same_name_is_another(aws: Setting) -> None:
    system = await aws.open().identify()
    assert await aws.but(system=system).open().identify() == system
    aws.server.account.add_user(USER)
    with pytest.raises(Denied) as refused:
        await aws.but(system=system).open().disable(op("Disable"), aws.current.id)
    assert refused.value.reason == "WrongSystem"
    assert aws.server.done == []


async def test_the_rotator_does_not_rotate_itself(aws: Setting) -> None:
    with pytest.raises(Misconfigured) as refused:
        await aws.but(user=ROTATOR, owners=(ROTATOR,)).open().identify()
    assert refused.value.reason == "RotatorAsUser"


async def test_a_user_that_is_not_there_is_told_by_name(aws: Setting) -> None:
    for question in ("identify", "inventory"):
        with pytest.raises(Misconfigured) as refused:
            await getattr(aws.but(user="nobody", owners=("nobody",)).open(), question)()
        assert refused.value.reason == "UserMissing"


async def test_a_key_of_another_user_is_no_proof_of_this_one(aws: Setting) -> None:
    other = credential(aws.rotator)
    provider = aws.open()
    assert await provider.test(other) is Trial.LACKING
    assert await provider.same_system(other) is Sameness.DIFFERENT
    found = (await provider.preflight(other)).problems
    assert [problem.reason for problem in found] == ["KeyOfAnotherUser"]


async def test_a_key_of_another_account_is_told_with_its_account(aws: Setting) -> None:
    foreign = Credential("AKIAFOREIGNFOREIGN00", Sealed("a-secret-of-somebody-elses-account"))
    aws.server.account.elsewhere[foreign.id] = "999999999999"
    (problem,) = (await aws.open().preflight(foreign)).problems
    assert problem.reason == "KeyOfAnotherUser"
    assert "999999999999" in problem.message


async def test_an_inactive_current_key_blocks(aws: Setting) -> None:
    aws.server.account.switch(USER, aws.current.id, active=False)
    assert [problem.reason for problem in (await aws.open().preflight(aws.current)).problems] == ["KeyInactive"]


@pytest.mark.parametrize("value", ["with\nline", "ä" * 20, "\x00" * 16])
async def test_values_that_no_key_has_are_refused_and_break_nothing(aws: Setting, value: str) -> None:
    assert await aws.open().test(Credential(aws.current.id, Sealed(value))) is Trial.REFUSED


# ------------------------------------------------------------------------------------- changes that spread slowly


async def test_every_region_is_asked_several_times_in_a_row(aws: Setting) -> None:
    provider = aws.open()
    await provider.reach()
    before = len(aws.server.calls("GetCallerIdentity"))
    assert await provider.test(aws.current) is Trial.WORKS
    asked = len(aws.server.calls("GetCallerIdentity")) - before
    assert asked == IN_A_ROW * len(REGIONS) + 1  # and the rotator, once


async def test_a_new_key_works_only_when_it_works_each_time(aws: Setting) -> None:
    """Given a key that STS does not know everywhere yet, when it is let in now and then, then nobody believes it."""
    aws.server.account.spreads = timedelta(seconds=20)
    new = await made(aws)
    provider = aws.open()
    with pytest.raises(Awaited):  # refused here and there: nobody's fault, so nothing turns back
        await provider.test(new)
    aws.clock.wait(timedelta(seconds=30))
    assert await provider.test(new) is Trial.WORKS


async def test_a_key_is_disabled_only_when_nobody_lets_it_in_any_more(aws: Setting) -> None:
    aws.server.account.spreads = timedelta(seconds=20)
    aws.clock.wait(MINUTE)
    provider = aws.open()
    await provider.disable(op("Disable"), aws.current.id)
    with pytest.raises(Awaited):
        await provider.test(aws.current)
    aws.clock.wait(timedelta(seconds=30))
    assert await provider.test(aws.current) is Trial.DISABLED
    await provider.enable(op("Enable"), aws.current)
    with pytest.raises(Awaited):
        await provider.test(aws.current)
    aws.clock.wait(timedelta(seconds=30))
    assert await provider.test(aws.current) is Trial.WORKS


async def test_right_after_a_disable_the_list_may_be_old_and_what_we_made_still_goes(aws: Setting) -> None:
    """A leader that could not keep what it made switches it off and deletes it, whatever an old list says."""
    aws.server.account.listed_late = timedelta(seconds=10)
    new = await made(aws)
    provider = aws.open()
    assert new.id not in {one.id for one in await provider.inventory()}
    await provider.disable(op("Undo"), new.id)
    await provider.delete(op("Undo"), new.id)
    assert [key.id for key in aws.server.account.keys_of(USER)] == [aws.current.id]


# ------------------------------------------------------------------------------------------ answers that get lost


@pytest.mark.parametrize("action", ["CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"])
async def test_of_a_change_without_an_answer_nobody_knows_and_it_is_never_asked_twice(
    aws: Setting, action: str
) -> None:
    provider = aws.open()
    steps = {
        "CreateAccessKey": lambda: provider.issue(op("Create"), ""),
        "UpdateAccessKey": lambda: provider.disable(op("Disable"), aws.current.id),
        "DeleteAccessKey": lambda: provider.delete(op("Delete"), aws.current.id),
    }
    if action == "DeleteAccessKey":
        await provider.disable(op("Disable"), aws.current.id)
    aws.server.drop_after[action] = 1
    with pytest.raises(OutcomeUnknown):
        await steps[action]()
    assert len(aws.server.calls(action)) == 1
    assert aws.server.done[-1] == action


@pytest.mark.parametrize(
    ("refusal", "expected", "reason"),
    [
        (Refusal("Throttling", "Rate exceeded", 400), Unavailable, "Throttled"),
        (Refusal("RequestLimitExceeded", "slow down", 503), Unavailable, "Throttled"),
        (Refusal("EntityTemporarilyUnmodifiable", "busy", 409), Unavailable, "ServerBusy"),
        (Refusal("AccessDenied", "not authorized", 403), Denied, "RotatorLacksRights"),
        (Refusal("InvalidClientTokenId", "invalid", 403), Denied, "AdminRefused"),
        (Refusal("SignatureDoesNotMatch", "Signature expired: ...", 403), Unavailable, "ClockDiffers"),
        (Refusal("ServiceFailure", "internal", 500), OutcomeUnknown, "ConnectionLost"),
        (Refusal("MalformedSomething", "strange", 400), Denied, "ServerRefused"),
    ],
)
async def test_what_aws_says_of_a_create_becomes_ours(
    aws: Setting, refusal: Refusal, expected: type[Exception], reason: str
) -> None:
    aws.server.refuse["CreateAccessKey"] = [refusal]
    with pytest.raises(expected) as refused:
        await made(aws)
    assert getattr(refused.value, "reason", "") == reason
    assert len(aws.server.calls("CreateAccessKey")) == 1


@pytest.mark.parametrize("text", ["<html><body>please sign in</body></html>", "not XML at all", ""])
async def test_an_answer_that_is_not_of_aws_says_nothing(aws: Setting, text: str) -> None:
    """A proxy in between answers with a page of its own."""
    provider = aws.open()
    for action, question in (("ListAccessKeys", provider.inventory), ("GetUser", provider.identify)):
        aws.server.instead = {action: text}
        with pytest.raises(Unavailable):
            await question()
    aws.server.instead = {"GetCallerIdentity": text}
    assert await provider.test(aws.current) is Trial.DOWN
    aws.server.instead = {"CreateAccessKey": text}
    with pytest.raises(OutcomeUnknown):
        await made(aws)


async def test_a_throttled_or_late_look_concludes_nothing(aws: Setting) -> None:
    provider = aws.open()
    aws.server.refuse["GetCallerIdentity"] = [Refusal("Throttling", "Rate exceeded", 400)]
    assert await provider.reach() is Reach.DOWN
    aws.server.refuse["ListAccessKeys"] = [Refusal("Throttling", "Rate exceeded", 400)]
    assert await provider.test(aws.current) is Trial.DOWN
    late = Refusal("SignatureDoesNotMatch", "Signature not yet current: 20260321T1300Z is still later than ...", 403)
    aws.server.refuse["GetCallerIdentity"] = [late] * 20
    assert await provider.test(aws.current) is Trial.DOWN
    aws.server.refuse.clear()
    assert await provider.test(aws.current) is Trial.WORKS


async def test_a_rotator_whose_key_is_off_is_refused_and_not_down(aws: Setting) -> None:
    aws.server.account.switch(ROTATOR, aws.rotator.id, active=False)
    assert await aws.open().reach() is Reach.REFUSED
    with pytest.raises(Denied) as refused:
        await aws.open().inventory()
    assert refused.value.reason == "AdminRefused"


async def test_a_rotator_without_a_right_is_told_which_policy_it_needs(aws: Setting) -> None:
    aws.server.account.may[ROTATOR].discard("GetAccessKeyLastUsed")
    with pytest.raises(Denied) as refused:
        await aws.open().preflight(aws.current)
    assert refused.value.reason == "RotatorLacksRights"
    assert "docs/providers/aws-iam.md" in refused.value.message


async def test_a_key_that_somebody_deleted_cannot_come_back(aws: Setting) -> None:
    aws.server.account.delete(USER, aws.current.id)
    with pytest.raises(Denied) as refused:
        await aws.open().enable(op("Enable"), aws.current)
    assert refused.value.reason == "CredentialGone"
    assert {one.id: one.state for one in await aws.open().inventory()}.get(aws.current.id) is None


async def test_before_adoption_nobody_is_called_a_stranger(aws: Setting) -> None:
    (one,) = await aws.but(adopted="").open(Memory()).inventory()
    assert (one.id, one.state, one.stranger) == (aws.current.id, Existence.ACTIVE, False)
