"""What R2's settings and Preflight refuse, what gets out, and what the page tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from keyturn.core.model import Existence, Reach
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied, KeyturnError, Misconfigured
from keyturn.providers.cloudflare_r2.kinds import NO_SOONER
from support.cloudflare_r2_plan import BUCKET, Setting, make_ready, pair
from support.cloudflare_server import ACCOUNT, CloudflareServer, Reply, Request
from support.cloudflare_tokens import policies
from support.postgres_plan import op
from support.said import forms

pytestmark = pytest.mark.contract


@pytest.fixture
def setting(cloudflare: CloudflareServer) -> Setting:
    return make_ready(cloudflare, condition={"request_ip": {"in": ["10.0.0.0/8"]}})


async def made(setting: Setting) -> Credential:
    return await setting.open().issue(op("Create"), setting.credential.id)


def test_the_delay_may_be_longer_and_never_shorter(setting: Setting) -> None:
    assert setting.open().capabilities.disable_delay == timedelta(minutes=61)
    assert setting.but(provider={"disableDelay": "2h"}).open().capabilities.disable_delay == timedelta(hours=2)
    with pytest.raises(Misconfigured, match="DelayTooShort"):
        setting.but(provider={"disableDelay": "60m"}).open()


@pytest.mark.parametrize(("text", "long_enough"), [
    ("61m", True), ("90m", True), ("120m", True), ("1h1m", True), ("2h", True), ("12h", True), ("1d", True),
    ("60m", False), ("1h", False), ("5m", False), ("3600s", False), ("0s", False),
])  # fmt: skip
def test_admission_tells_the_same(text: str, long_enough: bool) -> None:  # noqa: FBT001 - what is expected
    pattern = NO_SOONER.rule.partition("'")[2].rpartition("'")[0]
    assert bool(re.match(pattern, text)) is long_enough


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"admin": (("token", ""),)}, "AdminSecretIncomplete"),
        ({"admin": (("account", "f" * 32),)}, "AccountNotAllowed"),
        ({"admin": (("api", "http://api.cloudflare.example"),)}, "AdminSecretUnreadable"),
        ({"admin": (("s3", "http://10.0.0.1/"),)}, "AdminSecretUnreadable"),
        ({"allowed": ("another",)}, "OwnerNotAllowed"),
    ],
)
def test_what_is_not_allowed_is_not_opened(setting: Setting, change: dict[str, object], reason: str) -> None:
    with pytest.raises(Misconfigured) as told:
        setting.but(**change).open()
    assert told.value.reason == reason


@pytest.mark.parametrize(
    ("jurisdiction", "host"),
    [("default", f"{ACCOUNT}.r2.cloudflarestorage.com"), ("eu", f"{ACCOUNT}.eu.r2.cloudflarestorage.com"),
     ("fedramp", f"{ACCOUNT}.fedramp.r2.cloudflarestorage.com")],
)  # fmt: skip
def test_each_jurisdiction_has_its_own_endpoint(setting: Setting, jurisdiction: str, host: str) -> None:
    record = setting.but(provider={"jurisdiction": jurisdiction}).records()[0]
    assert record.spec.backend is not None
    assert record.spec.backend.place.host == host


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"provider": {"jurisdiction": "eu"}}, "BucketNotNamed"),
        ({"wish": {"bucket": "staging-files"}, "allowed": ("staging-files",)}, "BucketNotNamed"),
    ],
)
async def test_preflight_says_what_makes_it_unsafe(setting: Setting, change: dict[str, object], reason: str) -> None:
    other = setting.but(**change)
    assert reason in {one.reason for one in (await other.open().preflight(setting.credential)).problems}


async def test_preflight_knows_whose_token_serves(setting: Setting) -> None:
    desk = setting.desk
    cases = {
        "TokenMissing": Credential("f" * 32, Sealed("of-a-user-perhaps-who-knows")),
        "RotatorAsUser": pair(desk.rotator),
        "OtherPlansToken": pair(desk.issue("keyturn:v1:shop/another:uid/1", policies(BUCKET))),
        "TokenNotActive": pair(desk.issue("off", policies(BUCKET), status="disabled")),
    }
    for reason, current in cases.items():
        assert reason in {one.reason for one in (await setting.open().preflight(current)).problems}


async def test_a_plan_adopted_on_another_bucket_is_refused(setting: Setting) -> None:
    provider = setting.but(system=f"cloudflare-r2/{ACCOUNT}/default/staging-files").open()
    with pytest.raises(Denied) as told:
        await provider.disable(op("Disable"), setting.credential.id)
    assert told.value.reason == "WrongSystem"


async def test_a_rotator_that_is_refused_is_told_from_one_that_cannot_be_reached(setting: Setting) -> None:
    assert await setting.but(admin=(("token", "not-the-token"),)).open().reach() is Reach.REFUSED
    setting.desk.server.halt()
    assert await setting.open().reach() is Reach.DOWN


async def test_an_expired_token_is_off_and_is_not_enabled_by_a_word(setting: Setting) -> None:
    setting.current.record["status"] = "expired"
    found = {one.id: one.state for one in await setting.open().inventory()}
    assert found[setting.credential.id] is Existence.DISABLED
    with pytest.raises(Denied) as told:
        await setting.open().enable(op("Enable"), setting.credential)
    assert told.value.reason == "TokenExpired"


async def test_no_value_and_no_word_of_the_api_gets_out(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    """Every refusal, every path; then all that was said is searched for every value there is."""
    caplog.set_level("WARNING")  # as ``reporters.log.configure`` has it for all but our own
    caplog.set_level("DEBUG", "keyturn")
    said: list[str] = []
    provider, new = setting.open(), await made(setting)
    for status in (400, 401, 403, 404, 409, 429, 500):
        body = f'{{"success": false, "errors": [{{"message": "LEAK-CANARY {new.value.reveal_text()}"}}]}}'.encode()
        fault = _every_call(Reply(status, body, {"retry-after": "LEAK-CANARY"}))
        setting.desk.server.faults.append(fault)
        for call in (provider.identify, provider.inventory, lambda: provider.disable(op("Disable"), new.id),
                     lambda: provider.issue(op("Create"), new.id), lambda: provider.delete(op("Delete"), new.id),
                     lambda: provider.preflight(new)):  # fmt: skip
            try:
                said.append(repr(await call()))
            except KeyturnError as error:
                said += [repr(error), str(error), repr(error.__cause__), repr(error.__context__)]
        said.append(repr(await provider.test(new)))
        setting.desk.server.faults.remove(fault)
    values = [new.value, setting.credential.value, *(Sealed(one.value) for one in setting.desk.tokens.values())]
    everything = "\n".join((*said, caplog.text))
    assert len(said) > 50
    assert [form for form in (*forms(values), "LEAK-CANARY") if form in everything] == []


def _every_call(reply: Reply) -> Callable[[Request], Reply | str]:
    return lambda _request: reply


def test_the_page_names_every_reason() -> None:
    root = Path(__file__).resolve().parents[2]
    texts = [path.read_text() for path in (root / "operator/keyturn/providers/cloudflare_r2").glob("*.py")]
    texts.append((root / "operator/keyturn/providers/cloudflare_api.py").read_text())
    found = re.compile(
        r'(?:Problem|Denied|Misconfigured|Unavailable|OutcomeUnknown|Conflict|__init__)\(\s*"([A-Z]\w+)"'
    )
    reasons = {reason for text in texts for reason in found.findall(text)}
    page = (root / "docs/providers/cloudflare-r2.md").read_text()
    assert len(reasons) > 15
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()
