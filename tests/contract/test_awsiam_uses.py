"""Who uses a key: the record of last uses, in steps of fifteen minutes and late; and what a lost create left behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyturn.core.model import Idle
from keyturn.ports import Credential, Denied, Pending, Unavailable, Usage
from keyturn.providers.awsiam.memory import Memory
from keyturn.providers.awsiam.provider import AwsIamProvider
from support.iam_account import STEP
from support.iam_plan import USER, Setting
from support.postgres_plan import op

pytestmark = pytest.mark.contract
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LAG = timedelta(hours=4)


async def made(aws: Setting) -> Credential:
    return await aws.open().issue(op("Create"), aws.current.id)


async def usage(aws: Setting, control: Credential, provider: AwsIamProvider | None = None) -> Usage:
    return (await (provider or aws.open()).usage([aws.current.id], control))[aws.current.id]


def pods_use_it(aws: Setting) -> None:
    aws.server.account.use(aws.first, "s3", "eu-central-1")


# ------------------------------------------------------------------------------------------------------ last used


async def test_a_use_is_told_with_service_and_time_until_nobody_can_have_hidden_behind_it(aws: Setting) -> None:
    new = await made(aws)
    pods_use_it(aws)
    seen = await usage(aws, new)
    assert (seen.idle, seen.sessions) == (Idle.IN_USE, ())
    assert "12:00 UTC (s3, eu-central-1)" in seen.blind
    assert "16:15 UTC" in seen.blind
    aws.clock.wait(LAG + STEP - SECOND)
    assert (await usage(aws, new)).idle is Idle.IN_USE
    aws.clock.wait(SECOND)
    assert (await usage(aws, new)).idle is Idle.NOT_SEEN


async def test_of_several_uses_within_a_step_only_the_first_shows_and_none_is_missed(aws: Setting) -> None:
    """The second use of 12:14 stands nowhere; a window that ended at 16:00 would have missed it."""
    new = await made(aws)
    pods_use_it(aws)
    aws.clock.wait(14 * MINUTE)
    pods_use_it(aws)
    assert [use.at.minute for use in aws.first.uses] == [0]
    aws.clock.wait(LAG)  # 16:14: the use of 12:14 is no longer behind, but its step is
    assert (await usage(aws, new)).idle is Idle.IN_USE


async def test_the_record_counts_only_while_our_own_use_stands_in_it(aws: Setting) -> None:
    """Given a record that is behind, when nothing shows yet, then nobody knows; an empty record is no proof."""
    aws.server.account.lag = 20 * MINUTE
    new = await made(aws)
    seen = await usage(aws, new)
    assert seen.idle is Idle.UNKNOWN
    assert new.id in seen.blind
    aws.clock.wait(21 * MINUTE)
    assert (await usage(aws, new)).idle is Idle.NOT_SEEN


async def test_a_record_that_stands_still_is_not_believed(aws: Setting) -> None:
    new = await made(aws)
    assert (await usage(aws, new)).idle is Idle.NOT_SEEN
    aws.server.account.lag = timedelta(days=2)  # it shows nothing any more
    aws.clock.wait(5 * HOUR)
    assert (await usage(aws, new)).idle is Idle.UNKNOWN


async def test_our_own_use_of_old_is_told_apart_and_yet_no_proof_of_idleness(aws: Setting) -> None:
    """AWS shows nobody beside us for fifteen minutes: that is not knowing, and not somebody."""
    provider, new = aws.open(), await made(aws)
    await provider.test(aws.current)
    seen = await usage(aws, new)
    assert seen.idle is Idle.UNKNOWN
    assert "Keyturn itself" in seen.blind
    assert (await usage(aws, new, aws.open(Memory()))).idle is Idle.IN_USE  # after a restart nobody remembers
    aws.clock.wait(LAG + STEP)
    assert (await usage(aws, new)).idle is Idle.NOT_SEEN


async def test_a_shorter_lag_is_whoever_measured_it_to_say(aws: Setting) -> None:
    soon = aws.but(lag="10m")
    new = await made(soon)
    pods_use_it(aws)
    assert soon.open().capabilities.usage_lag == 10 * MINUTE
    aws.clock.wait(25 * MINUTE)
    assert (await usage(soon, new)).idle is Idle.NOT_SEEN


async def test_a_key_that_is_off_is_not_in_use_by_what_was_before(aws: Setting) -> None:
    """Contained, pods wait for their new key: no record of the minutes before may hold that up."""
    provider, new = aws.open(), await made(aws)
    pods_use_it(aws)
    await provider.contain(op("Contain"), new, aws.current.id, [])
    aws.server.account.lag = HOUR  # and NEW was never seen in use yet
    assert (await usage(aws, new)).idle is Idle.NOT_SEEN


async def test_whoever_still_tries_what_is_off_is_told_should_aws_show_it_and_we_are_not(aws: Setting) -> None:
    """Whether AWS records refused requests is not documented: either way our own do not count, nor what was before."""
    aws.server.account.records_refused = True
    provider, new = aws.open(), await made(aws)
    pods_use_it(aws)
    await provider.disable(op("Disable"), aws.current.id)
    long_ago = aws.clock.now() - HOUR
    assert await provider.refused_attempts(aws.current.id, long_ago) == ()
    aws.clock.wait(20 * MINUTE)
    await provider.test(aws.current)
    assert await provider.refused_attempts(aws.current.id, long_ago) == ()
    aws.clock.wait(20 * MINUTE)
    pods_use_it(aws)
    (told,) = await provider.refused_attempts(aws.current.id, long_ago)
    assert (told.principal, told.started) == (aws.current.id, aws.clock.now())
    assert (await usage(aws, new)).idle is Idle.NOT_SEEN  # it opened nothing, and holds up nobody who cuts it off
    aws.clock.wait(LAG + STEP)
    assert await provider.refused_attempts(aws.current.id, long_ago) == ()
    await provider.enable(op("Enable"), aws.current)
    assert await provider.refused_attempts(aws.current.id, long_ago) == ()


# ---------------------------------------------------------------------------------------------- a create without answer


async def pending(aws: Setting) -> Pending:
    return Pending(tuple(one.id for one in await aws.open().inventory()), aws.clock.now())


async def swept(aws: Setting, asked: Pending) -> None:
    await aws.open().sweep(op("Sweep"), asked)


def keys(aws: Setting) -> dict[str, bool]:
    return {key.id: key.active for key in aws.server.account.keys_of(USER)}


async def test_what_was_lost_is_off_at_once_and_gone_after_five_minutes(aws: Setting) -> None:
    asked = await pending(aws)
    lost = await made(aws)
    with pytest.raises(Unavailable) as waits:
        await swept(aws, asked)
    assert waits.value.reason == "CreateUnanswered"
    assert "12:05:00 UTC" in waits.value.message
    assert keys(aws) == {aws.current.id: True, lost.id: False}
    aws.clock.wait(5 * MINUTE)
    await swept(aws, asked)
    assert keys(aws) == {aws.current.id: True}


async def test_what_comes_to_light_late_is_found(aws: Setting) -> None:
    aws.server.account.listed_late = 2 * MINUTE
    asked = await pending(aws)
    await made(aws)
    with pytest.raises(Unavailable):
        await swept(aws, asked)
    aws.clock.wait(5 * MINUTE)
    await swept(aws, asked)
    assert keys(aws) == {aws.current.id: True}


async def test_a_foreign_key_made_at_the_same_time_is_given_back_once_it_is_used(aws: Setting) -> None:
    """Given a key that might be ours, when somebody turns out to use it, then it works again and a person must look."""
    asked = await pending(aws)
    foreign = aws.server.account.create(USER)
    with pytest.raises(Unavailable):
        await swept(aws, asked)
    assert not foreign.active
    aws.server.account.use(foreign, "s3", "eu-central-1")
    aws.clock.wait(5 * MINUTE)
    with pytest.raises(Denied) as stopped:
        await swept(aws, asked)
    assert stopped.value.reason == "CreatedBySomebodyElse"
    assert foreign.id in stopped.value.message
    assert keys(aws) == {aws.current.id: True, foreign.id: True}


async def test_a_key_from_before_is_nobodys_orphan(aws: Setting) -> None:
    """An old list may not name it among those before; its age does."""
    spare = aws.server.account.create(USER)
    aws.clock.wait(HOUR)
    await swept(aws, Pending((aws.current.id,), aws.clock.now() - 10 * MINUTE))
    assert keys(aws) == {aws.current.id: True, spare.id: True}


async def test_the_key_that_serves_is_no_orphan_whatever_an_old_list_said(aws: Setting) -> None:
    aws.first.created = aws.clock.now()
    aws.clock.wait(5 * MINUTE)
    await swept(aws, Pending((), aws.first.created))
    assert keys(aws) == {aws.current.id: True}


async def test_a_sweep_whose_answer_is_lost_is_done_again(aws: Setting) -> None:
    asked = await pending(aws)
    await made(aws)
    aws.clock.wait(5 * MINUTE)
    aws.server.drop_after["DeleteAccessKey"] = 1
    with pytest.raises(Exception, match="ConnectionLost"):
        await swept(aws, asked)
    await swept(aws, asked)
    assert keys(aws) == {aws.current.id: True}
