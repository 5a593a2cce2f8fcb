"""A second opinion: the same flows over moto's idea of IAM and STS, which nobody here wrote.

Moto lets Inactive keys in; a shim in front of it does not. It shows uses at once, and in no steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from keyturn.core.model import Existence, Idle, Reach, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied, Misconfigured, Pending
from support.iam_account import AccessKey
from support.iam_plan import ROTATOR, USER, HandClock, Setting
from support.iam_rig import signs
from support.iam_server import IamServer
from support.moto_server import MotoServer
from support.postgres_plan import WallClock, op

pytestmark = pytest.mark.contract
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    started = MotoServer()
    yield started
    started.stop()


@pytest.fixture
def aws(moto: MotoServer) -> Setting:
    clock = HandClock()
    clock.time = WallClock().now()  # moto has its own time
    made = moto.reset(ROTATOR, USER)
    rotator, first = (
        AccessKey(one["AccessKeyId"], one["SecretAccessKey"], one["UserName"], clock.now()) for one in made
    )
    server = cast("IamServer", SimpleNamespace(url=moto.url))
    return Setting(clock, server, rotator, first, admin=(("sts.url", moto.url),))


async def test_the_user_is_recognised_and_its_key_works(aws: Setting) -> None:
    provider = aws.open()
    assert await provider.reach() is Reach.UP
    assert (await provider.identify()).startswith("awsiam/123456789012/")
    assert await provider.same_system(aws.current) is Sameness.SAME
    assert await provider.test(aws.current) is Trial.WORKS
    assert (await provider.preflight(aws.current)).problems == ()


async def test_wrong_and_unknown_keys_are_refused(aws: Setting) -> None:
    provider = aws.open()
    assert await provider.test(Credential(aws.current.id, Sealed("not-the-value-at-all"))) is Trial.REFUSED
    assert await provider.test(Credential("AKIANOBODYNOBODY0000", Sealed("not-the-value-at-all"))) is Trial.REFUSED
    assert await provider.test(Credential(aws.rotator.id, Sealed(aws.rotator.secret))) is Trial.LACKING


async def test_a_whole_change_of_keys(aws: Setting) -> None:
    provider = aws.open()
    assert await provider.next_id(aws.current.id) == ""
    new = await provider.issue(op("Create"), aws.current.id)
    assert await provider.test(new) is Trial.WORKS
    with pytest.raises(Misconfigured):
        await provider.next_id(aws.current.id)
    with pytest.raises(Denied) as full:
        await provider.issue(op("Create"), aws.current.id)
    assert full.value.reason == "NoFreeSlot"
    with pytest.raises(Denied):
        await provider.delete(op("Delete"), aws.current.id)
    await provider.disable(op("Disable"), aws.current.id)
    assert await provider.test(aws.current) is Trial.DISABLED
    assert not signs(aws.server.url, aws.current)
    await provider.enable(op("Enable"), aws.current)
    assert await provider.test(aws.current) is Trial.WORKS
    await provider.disable(op("Disable"), aws.current.id)
    await provider.delete(op("Delete"), aws.current.id)
    assert {one.id: one.state for one in await provider.inventory()} == {new.id: Existence.ACTIVE}
    assert await provider.test(aws.current) is Trial.REFUSED


async def test_a_use_is_seen_and_grows_old(aws: Setting) -> None:
    provider = aws.open()
    new = await provider.issue(op("Create"), aws.current.id)
    assert signs(aws.server.url, aws.current)
    assert (await provider.usage([aws.current.id], new))[aws.current.id].idle is Idle.IN_USE
    aws.clock.wait(3 * HOUR)
    assert (await provider.usage([aws.current.id], new))[aws.current.id].idle is Idle.IN_USE
    aws.clock.wait(2 * HOUR)  # moto's own clock stands: NEW's last use is as old by now, and the record is not believed
    assert (await provider.usage([aws.current.id], new))[aws.current.id].idle is Idle.UNKNOWN


async def test_what_was_lost_is_found_and_deleted_and_a_used_key_is_not(aws: Setting) -> None:
    asked = Pending((aws.current.id,), datetime.now(UTC) - timedelta(seconds=10))  # noqa: TID251 - moto's time
    lost = await aws.open().issue(op("Create"), aws.current.id)
    aws.clock.wait(HOUR)
    await aws.open().sweep(op("Sweep"), asked)
    assert [one.id for one in await aws.open().inventory()] == [aws.current.id]
    foreign = await aws.open().issue(op("Create"), aws.current.id)
    assert signs(aws.server.url, foreign)
    with pytest.raises(Denied) as stopped:
        await aws.open().sweep(op("Sweep"), asked)
    assert stopped.value.reason == "CreatedBySomebodyElse"
    assert lost.id != foreign.id
