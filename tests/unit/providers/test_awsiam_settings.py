"""What plan, provider and admin Secret say is checked against each other before AWS is asked; and what pages say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from keyturn.core.rendering import Login, extract, render
from keyturn.core.sealed import Sealed
from keyturn.ports import Misconfigured
from keyturn.providers.awsiam.kinds import AwsAccount, sts_host
from keyturn.providers.awsiam.settings import read_settings
from support.iam_account import AccessKey
from support.iam_plan import KEYS, ROTATOR_MAY, HandClock, Setting
from support.iam_server import IamServer

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "operator" / "keyturn" / "providers" / "awsiam"
PAGE = (ROOT / "docs" / "providers" / "aws-iam.md").read_text()


class Nowhere:
    """A server that nobody asks."""

    url = "http://127.0.0.1:1"


def key(number: int) -> AccessKey:
    return AccessKey(f"AKIA{number:016d}", "a-secret-of-a-test-that-is-long", "orders-app", HandClock().now())


SETTING = Setting(HandClock(), cast("IamServer", Nowhere()), key(1), key(2))
OWN = (("iam.url", ""), ("sts.url", ""))


def test_without_urls_aws_own_endpoints_of_each_region_are_asked() -> None:
    found = read_settings(*SETTING.but(admin=OWN, insecure=False).records())
    assert found.iam_url == ""
    assert found.sts_url("eu-central-1") == "https://sts.eu-central-1.amazonaws.com"
    assert found.sts_url("cn-north-1") == "https://sts.cn-north-1.amazonaws.com.cn"
    assert found.sts_url("us-gov-west-1") == "https://sts.us-gov-west-1.amazonaws.com"
    assert found.current == SETTING.first.id


def test_declared_urls_name_each_region() -> None:
    found = read_settings(*SETTING.but(admin=(("sts.url", "https://sts.{region}.example"),)).records())
    assert found.sts_url("eu-central-1") == "https://sts.eu-central-1.example"


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"user": "payroll"}, "OwnerNotAllowed", "spec.awsIam.user"),
        ({"insecure": False}, "AdminSecretUnreadable", "'iam.url'"),
        ({"admin": (("iam.url", "ftp://somewhere"),)}, "AdminSecretUnreadable", "'iam.url'"),
        ({"admin": (("sts.url", "https://user:word@somewhere"),)}, "AdminSecretUnreadable", "'sts.url'"),
        ({"admin": (("sts.url", "https://[somewhere"),)}, "AdminSecretUnreadable", "'sts.url'"),
        ({"admin": (("sts.url", "https://somewhere/?to=else"),)}, "AdminSecretUnreadable", "'sts.url'"),
        ({"admin": (("secretAccessKey", ""),)}, "AdminSecretIncomplete", "'secretAccessKey'"),
        ({"admin": (("accessKeyId", ""),)}, "AdminSecretIncomplete", "'accessKeyId'"),
    ],
)
def test_what_cannot_work_is_told_with_its_field(changes: dict[str, Any], reason: str, words: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read_settings(*SETTING.but(**changes).records())
    assert refused.value.reason == reason
    assert words in refused.value.message


def test_a_plan_of_another_backend_is_told() -> None:
    record, plan, admin = SETTING.records()
    other = plan.spec.model_copy(update={"awsIam": None})
    other = type(plan.spec).model_validate(
        {**plan.spec.model_dump(by_alias=True, exclude={"awsIam"}), "redis": {"owner": "a", "slots": ["b", "c"]}}
    )
    plan = type(plan)(plan.key, plan.uid, 1, "1", other, plan.status)
    with pytest.raises(Misconfigured) as refused:
        read_settings(record, plan, admin)
    assert refused.value.reason == "BackendMismatch"


def test_id_and_value_fill_the_templates_and_are_read_back_whatever_signs_a_secret_holds() -> None:
    record = SETTING.records()[0]
    account = record.spec.backend
    assert isinstance(account, AwsAccount)
    value = Sealed("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    data = render(KEYS, Login("AKIAIOSFODNN7EXAMPLE", value), account.place)
    assert data["AWS_ACCESS_KEY_ID"] == Sealed("AKIAIOSFODNN7EXAMPLE")
    assert data["AWS_SECRET_ACCESS_KEY"] == value
    assert data["AWS_REGION"] == Sealed("eu-central-1")
    assert extract(KEYS, data, account.place).password == value
    assert account.place.host == sts_host("eu-central-1")
    assert "123456789012" in account.where


# ----------------------------------------------------------------------------------------------------- the page


def test_every_reason_is_documented() -> None:
    source = "\n".join(path.read_text() for path in PACKAGE.glob("*.py"))
    said = r"""(?:Problem|Misconfigured|Denied|Unavailable|OutcomeUnknown|Missing)(?:\(\s*|,\s*)"([A-Z]\w+)\""""
    reasons = set(re.findall(said, source)) - {"MintedByServer", "BackendMismatch", "AdminSecretUnreadable"}
    assert len(reasons) > 20
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()


def test_the_rotator_is_given_exactly_what_the_tests_rotator_has() -> None:
    policy = json.loads(PAGE.partition("```json")[2].partition("```")[0])
    allowed = [one["Action"] for one in policy["Statement"]]
    flat = [action for some in allowed for action in ([some] if isinstance(some, str) else some)]
    assert set(flat) == {f"iam:{action}" for action in ROTATOR_MAY}


def test_the_plan_to_copy_can_be_read() -> None:
    plan = PAGE.partition("kind: RotationPlan")[2].partition("```")[0]
    for key_, template in KEYS.items():
        assert f'{key_}: "{template}"' in plan
    assert "require: [Process]" in plan
    assert "acceptBlindWatch: true" in plan
