"""Every call of AWS fails in turn, with answers that hold every value: what comes out says nothing of them."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable

import pytest

from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, KeyturnError, Pending
from keyturn.providers.awsiam.provider import AwsIamProvider
from support.canaries import leaks
from support.iam_account import Refusal
from support.iam_plan import Setting
from support.postgres_plan import op

pytestmark = [pytest.mark.contract, pytest.mark.fm(60)]
MINTED = "minted-value-of-a-test-that-nobody-may-see"
CODES = {
    "AccessDenied": 403, "InvalidClientTokenId": 403, "LimitExceeded": 409, "NoSuchEntity": 404, "ServiceFailure": 500,
    "SignatureDoesNotMatch": 403, "Throttling": 400, "ValidationError": 400,
}  # fmt: skip
Step = Callable[[AwsIamProvider, Credential], Awaitable[object]]
STEPS: dict[str, Step] = {
    "reach": lambda provider, _new: provider.reach(),
    "identify": lambda provider, _new: provider.identify(),
    "same_system": lambda provider, new: provider.same_system(new),
    "inventory": lambda provider, _new: provider.inventory(),
    "preflight": lambda provider, new: provider.preflight(new),
    "next_id": lambda provider, new: provider.next_id(new.id),
    "test": lambda provider, new: provider.test(new),
    "usage": lambda provider, new: provider.usage([new.id], new),
    "issue": lambda provider, _new: provider.issue(op("Create"), ""),
    "sweep": lambda provider, new: provider.sweep(op("Sweep"), Pending((new.id,), provider._now)),
    "ensure": lambda provider, new: provider.ensure(op("Create"), new, ""),
    "disable": lambda provider, new: provider.disable(op("Disable"), new.id),
    "contain": lambda provider, new: provider.contain(op("Contain"), new, new.id, []),
    "delete": lambda provider, new: provider.delete(op("Delete"), new.id),
}


async def said(step: Step, provider: AwsIamProvider, new: Credential) -> list[str]:
    """All that comes out: the answer, or the error and its traceback with what every frame was called with."""
    try:
        return [repr(await step(provider, new))]
    except KeyturnError as error:
        return [str(error), repr(error), *traceback.format_exception(error)]


@pytest.mark.parametrize("name", STEPS)
async def test_nothing_that_aws_says_gets_out(aws: Setting, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    aws.first.secret = MINTED
    values = (MINTED, aws.rotator.secret)
    actions = ("GetCallerIdentity", "GetUser", "ListAccessKeys", "GetAccessKeyLastUsed", "CreateAccessKey",
               "UpdateAccessKey", "DeleteAccessKey")  # fmt: skip
    heard: list[str] = []
    new = Credential(aws.first.id, Sealed(MINTED))
    for action in actions:
        for code, status in CODES.items():
            aws.server.refuse = {action: [Refusal(code, f"secret {MINTED} of {aws.rotator.secret}", status)]}
            heard += await said(STEPS[name], aws.open(), new)
    aws.server.refuse = {}
    for action in actions:
        aws.server.drop_before[action] = 1
        heard += await said(STEPS[name], aws.open(), new)
        aws.server.drop_before.clear()
    heard += [record.getMessage() for record in caplog.records]
    values = (*values, *(key.secret for key in aws.server.account.keys.values()))
    assert len(heard) > len(actions) * len(CODES)
    assert leaks(heard, values) == []


async def test_what_a_create_answered_is_in_no_log_at_any_level(aws: Setting, caplog: pytest.LogCaptureFixture) -> None:
    """The driver writes whole answers at DEBUG."""
    caplog.set_level(logging.DEBUG)
    new = await aws.open().issue(op("Create"), "")
    logging.getLogger("urllib3").debug("the test hears")
    heard = [record.getMessage() for record in caplog.records]
    assert heard
    assert leaks(heard, (new.value.reveal_text(), aws.rotator.secret)) == []
    assert new.value.reveal_text() not in repr(new)
