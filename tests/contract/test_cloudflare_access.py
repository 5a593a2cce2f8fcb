"""What is Access' own: no record is written back, policies are kept deeply, the login page, orphans, strangers."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from keyturn.core.model import Existence, Idle, Sameness, Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Conflict, Credential, Denied, KeyturnError, Misconfigured, OutcomeUnknown, Pending
from support.cloudflare_access_desk import LOGIN_PAGE
from support.cloudflare_access_plan import Setting, ask, make_ready, pair
from support.cloudflare_server import CloudflareServer, Json, Reply, Request
from support.postgres_plan import op
from support.said import forms

pytestmark = pytest.mark.contract
HOUR = timedelta(hours=1)


@pytest.fixture
def setting(cloudflare: CloudflareServer) -> Setting:
    return make_ready(cloudflare)


@pytest.fixture
def sent(setting: Setting) -> list[Request]:
    """Every request that changes something."""
    found: list[Request] = []

    def listen(request: Request) -> str:
        if request.method != "GET":
            found.append(request)
        return ""

    setting.desk.server.faults.append(listen)
    return found


async def made(setting: Setting) -> Credential:
    return await setting.open().issue(op("Create"), setting.credential.id)


def holders(setting: Setting) -> list[Json]:
    return [*setting.desk.records["policies"].values(), *setting.desk.records["groups"].values()]


def tokens_of(record: Json) -> list[str]:
    return [rule["service_token"]["token_id"] for rule in record["include"] if "service_token" in rule]


# -------------------------------------------------------------- the incident of 24 January 2023: never a whole record


async def test_a_change_of_a_token_sends_its_name_and_the_one_field(setting: Setting, sent: list[Request]) -> None:
    setting.desk.carries_secrets = True  # a read tells the secret, redacted
    await setting.open().disable(op("Disable"), setting.credential.id)
    await setting.open().enable(op("Enable"), setting.credential)
    assert [request.json for request in sent] == [
        {"name": "orders app", "enabled": False},
        {"name": "orders app", "enabled": True},
    ]
    assert setting.current.secret == setting.credential.value.reveal_text()
    assert ask(setting.desk, setting.credential) == 200


async def test_nothing_that_is_sent_ever_carries_a_secret(setting: Setting, sent: list[Request]) -> None:
    setting.desk.carries_secrets = True
    provider, new = setting.open(), await made(setting)
    await provider.disable(op("Disable"), setting.credential.id)
    await provider.delete(op("Delete"), setting.credential.id)
    assert len(sent) > 5
    assert [request.path for request in sent if b"client_secret" in request.body] == []
    assert ask(setting.desk, new) == 200


async def test_a_policy_that_carries_something_secret_is_not_written_back(setting: Setting) -> None:
    record = setting.desk.records["policies"][setting.policy["id"]]
    record["connection_rules"] = {"ssh": {"shared_secret": ""}}
    before = copy.deepcopy(record)
    new = await made(setting)  # kept all the same: nobody else will ever be told its secret
    with pytest.raises(Denied) as told:
        await setting.open().ensure(op("Create"), new, setting.credential.id)
    assert told.value.reason == "SecretInRecord"
    assert setting.desk.records["policies"][setting.policy["id"]] == before


@pytest.mark.parametrize("value", ["", "  ", "********", "REDACTED", "<redacted>", "short"])
async def test_a_secret_that_is_none_never_becomes_a_credential(setting: Setting, value: str) -> None:
    before, issue = set(setting.desk.tokens), setting.desk.issue

    def hollow(name: str, duration: str = "8760h"):
        token = issue(name, duration)
        token.secret = value
        return token

    setting.desk.issue = hollow  # type: ignore[method-assign]  # the server's
    with pytest.raises(Denied) as told:
        await made(setting)
    assert told.value.reason == "UnsuitableValue"
    assert set(setting.desk.tokens) == before
    with pytest.raises(Denied):
        await setting.open().ensure(op("Create"), Credential(setting.credential.id, Sealed(value)), "")


async def test_a_token_whose_secret_was_overwritten_is_refused_and_never_says_that_it_works(setting: Setting) -> None:
    setting.desk.last_seen_at_release(setting.current)
    assert await setting.open().test(setting.credential) is Trial.REFUSED
    assert await setting.open().test(Credential(setting.credential.id, Sealed(""))) is Trial.REFUSED


async def test_a_change_that_rotated_the_token_besides_is_noticed(setting: Setting) -> None:
    def careless(request: Request) -> str:
        if request.method == "PUT":
            setting.current.record["client_secret_version"] = 2
        return ""

    setting.desk.server.faults.append(careless)
    with pytest.raises(Conflict):
        await setting.open().disable(op("Disable"), setting.credential.id)


# ------------------------------------------------------------------------------------------------ policies


async def test_the_new_token_stands_wherever_the_old_one_does_and_nothing_else_changes(setting: Setting) -> None:
    desk = setting.desk
    own = desk.add("apps", "orders")
    desk.app_policies[own["id"]] = {"p": {**setting.policy, "id": "p", "reusable": False, "name": "of the app"}}
    before = copy.deepcopy([*holders(setting), desk.app_policies[own["id"]]["p"]])
    new = await made(setting)
    uuid = next(one.uuid for one in desk.tokens.values() if one.record["client_id"] == new.id)
    after = [*holders(setting), desk.app_policies[own["id"]]["p"]]
    assert all(tokens_of(record) == [setting.current.uuid, uuid] for record in after)
    for was, is_ in zip(before, after, strict=True):
        volatile = {"include", "updated_at"}
        assert {k: v for k, v in was.items() if k not in volatile} == {
            k: v for k, v in is_.items() if k not in volatile
        }
    assert await setting.open().test(new) is Trial.WORKS


async def test_an_application_that_shows_no_token_in_its_own_policies_costs_no_call(setting: Setting) -> None:
    desk = setting.desk
    shared = {**setting.policy, "reusable": True}
    idle = desk.add("apps", "wiki", policies=[shared, {"reusable": False, "include": [{"everyone": {}}]}])
    own = desk.add("apps", "orders", policies=[{**setting.policy, "reusable": False}])
    await setting.open().inventory()
    asked = [line for line in desk.server.seen if line.endswith("/policies") and "/apps/" in line]
    assert [own["id"] in line for line in asked] == [True]
    assert not [line for line in asked if idle["id"] in line]


async def test_a_token_that_stands_in_fewer_or_more_places_is_lacking(setting: Setting) -> None:
    new = await made(setting)
    group = setting.desk.records["groups"][setting.group["id"]]
    taken = group["include"].pop()
    assert await setting.open().test(new) is Trial.LACKING
    group["include"].append(taken)
    another = setting.desk.add("policies", "payments")
    another["include"].append(taken)
    assert await setting.open().test(new) is Trial.LACKING


async def test_what_was_changed_between_two_looks_is_not_overwritten(setting: Setting) -> None:
    seen: list[str] = []

    def somebody(request: Request) -> str:
        if request.method == "GET" and request.path.endswith(setting.policy["id"]) and not seen:
            seen.append(request.path)
            setting.desk.records["policies"][setting.policy["id"]]["decision"] = "deny"
        return ""

    new = await made(setting.but(provider={"policies": []}))
    record = setting.desk.records["policies"][setting.policy["id"]]
    record["include"].pop()
    setting.desk.server.faults.append(somebody)
    with pytest.raises(Conflict) as told:
        await setting.open().ensure(op("Create"), new, setting.credential.id)
    assert told.value.reason == "PolicyChanged"
    assert setting.desk.records["policies"][setting.policy["id"]]["decision"] == "deny"


async def test_a_create_that_could_not_be_put_everywhere_is_finished_by_the_next_look(setting: Setting) -> None:
    setting.desk.server.once("PUT", "/access/groups/", Reply(500))
    new = await made(setting)
    assert await setting.open().test(new) is not Trial.WORKS
    await setting.open().ensure(op("Create"), new, setting.credential.id)
    assert await setting.open().test(new) is Trial.WORKS


async def test_a_deleted_token_leaves_its_policies_to_the_new_one(setting: Setting) -> None:
    new, provider = await made(setting), setting.open()
    await provider.disable(op("Disable"), setting.credential.id)
    await provider.delete(op("Delete"), setting.credential.id)
    assert all(setting.current.uuid not in tokens_of(record) for record in holders(setting))
    assert ask(setting.desk, new) == 200


async def test_a_policy_is_never_left_for_nobody(setting: Setting) -> None:
    provider = setting.open()
    await provider.disable(op("Disable"), setting.credential.id)
    with pytest.raises(Denied) as told:
        await provider.delete(op("Delete"), setting.credential.id)
    assert told.value.reason == "LastOfPolicy"
    assert setting.current.uuid in setting.desk.tokens


async def test_without_a_declared_baseline_none_is_made_for_a_compromised_token(setting: Setting) -> None:
    with pytest.raises(Denied) as told:
        await setting.but(provider={"policies": []}).open().issue(op("Create"), "")
    assert told.value.reason == "NoBaseline"


async def test_one_for_a_compromised_token_stands_where_is_declared_and_nowhere_else(setting: Setting) -> None:
    new = await setting.open().issue(op("Create"), "")
    uuid = next(one.uuid for one in setting.desk.tokens.values() if one.record["client_id"] == new.id)
    assert [record["name"] for record in holders(setting) if uuid in tokens_of(record)] == ["orders machines"]
    assert await setting.open().test(new) is Trial.WORKS


# ------------------------------------------------------------------------------- the login page, and delays


@pytest.mark.parametrize("login", ["strict", "redirect", "page"])
async def test_whoever_is_not_let_in_is_told_from_the_app_whatever_access_answers(setting: Setting, login: str) -> None:
    setting.desk.login = login
    assert await setting.open().test(setting.credential) is Trial.WORKS
    wrong = Credential(setting.credential.id, Sealed("not-the-value-at-all"))
    assert await setting.open().test(wrong) is Trial.REFUSED
    assert await setting.open().same_system(wrong) is Sameness.UNKNOWN


async def test_a_login_page_that_looks_like_the_app_proves_nothing_and_preflight_says_so(setting: Setting) -> None:
    setting.desk.login = "page"
    app = {"host": "orders.example.com", "path": "/health", "status": 200}
    blind = setting.but(provider={"app": app}).open()
    wrong = Credential(setting.credential.id, Sealed("not-the-value-at-all"))
    assert await blind.test(wrong) is Trial.DOWN
    assert "DoorOpen" in {one.reason for one in (await blind.preflight(setting.credential)).problems}
    assert b"Sign in" in LOGIN_PAGE


async def test_while_only_some_places_know_of_a_disable_nobody_can_tell(setting: Setting) -> None:
    setting.desk.server.clock.move(HOUR)
    setting.desk.delays.gradually(timedelta(minutes=1), timedelta(minutes=4))
    await setting.open().disable(op("Disable"), setting.credential.id)
    assert await setting.open().test(setting.credential) is Trial.WORKS
    setting.desk.server.clock.move(timedelta(minutes=2))
    assert await setting.open().test(setting.credential) is Trial.DOWN
    setting.desk.server.clock.move(timedelta(minutes=2))
    assert await setting.open().test(setting.credential) is Trial.DISABLED


@pytest.mark.parametrize("status", [429, 500, 503, 522])
async def test_what_is_no_answer_says_nothing(setting: Setting, status: int) -> None:
    setting.desk.server.faults.append(lambda r: Reply(status) if r.path.startswith("/app") else "")
    assert await setting.open().test(setting.credential) is Trial.DOWN


# ------------------------------------------------------------------------------------- orphans and strangers


async def test_an_unanswered_create_is_found_by_its_name_and_leaves_no_trace(setting: Setting) -> None:
    asked = Pending((setting.credential.id,), setting.desk.server.clock.now())
    setting.desk.server.once("POST", "/access/service_tokens", "lost")
    with pytest.raises(OutcomeUnknown):
        await made(setting)
    assert len(setting.desk.tokens) == 2
    setting.desk.server.clock.move(HOUR)
    await setting.open().sweep(op("Sweep"), asked)
    assert list(setting.desk.tokens) == [setting.current.uuid]


async def test_an_orphan_that_somebody_uses_is_left_to_a_person(setting: Setting) -> None:
    asked, orphan = Pending((setting.credential.id,), setting.desk.server.clock.now()), await made(setting)
    assert ask(setting.desk, orphan) == 200
    setting.desk.server.clock.move(HOUR)
    with pytest.raises(Denied, match="OrphanInUse"):
        await setting.open().sweep(op("Sweep"), asked)


async def test_strangers_are_those_that_the_same_policies_let_in(setting: Setting) -> None:
    desk = setting.desk
    inside, known, outside = desk.issue("inside"), desk.issue("known-one"), desk.issue("outside")
    for token in (inside, known):
        setting.group["include"].append({"service_token": {"token_id": token.uuid}})
    provider = setting.but(provider={"known": ["known-*"]}).open()
    assert [one.id for one in await provider.inventory() if one.stranger] == [inside.record["client_id"]]
    setting.policy["include"].append({"any_valid_service_token": {}})
    strangers = {one.id for one in await provider.inventory() if one.stranger}
    assert strangers == {inside.record["client_id"], outside.record["client_id"]}


async def test_another_plans_or_nobodys_token_is_never_changed(setting: Setting) -> None:
    other = setting.desk.issue("somebody's")
    for change in (setting.open().disable(op("Disable"), pair(other).id),
                   setting.open().delete(op("Delete"), pair(other).id),
                   setting.open().enable(op("Enable"), pair(other))):  # fmt: skip
        with pytest.raises(Denied):
            await change
    with pytest.raises(Denied, match="NotContainable"):
        await setting.open().contain(op("Contain"), await made(setting), setting.credential.id, [pair(other).id])
    assert "enabled" not in setting.current.record


async def test_use_is_what_the_api_dates_after_our_own(setting: Setting) -> None:
    new, provider = await made(setting), setting.open()
    await provider.test(setting.credential)
    assert (await provider.usage([setting.credential.id], new))[setting.credential.id].idle is Idle.UNKNOWN
    setting.desk.server.clock.move(timedelta(minutes=5))
    ask(setting.desk, setting.credential)
    assert (await provider.usage([setting.credential.id], new))[setting.credential.id].idle is Idle.IN_USE


# ------------------------------------------------------------------------------------------ words and settings


async def test_preflight_says_what_makes_it_unsafe(setting: Setting) -> None:
    async def reasons(one: Setting, current: Credential | None = None) -> set[str]:
        return {p.reason for p in (await one.open().preflight(current or setting.credential)).problems}

    assert await reasons(setting) == set()
    assert await reasons(setting, Credential("nobody.access", Sealed("a-value-of-nobodys"))) == {"TokenMissing"}
    other = setting.desk.issue("keyturn:v1:shop/another:uid/1")
    assert await reasons(setting, pair(other)) == {"OtherPlansToken", "NoPolicy"}
    setting.current.record["previous_client_secret_expires_at"] = "2025-03-22T00:00:00Z"
    assert await reasons(setting) == {"TwoSecrets"}
    setting.current.record["enabled"] = False
    assert await reasons(setting) == {"TwoSecrets", "TokenNotActive"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"admin": (("host", "elsewhere.example.com"),)}, "HostNotAllowed"),
        ({"admin": (("account", "f" * 32),)}, "AccountNotAllowed"),
        ({"admin": (("app", "http://10.0.0.1"),)}, "AdminSecretUnreadable"),
        ({"allowed": ("payments",)}, "OwnerNotAllowed"),
    ],
)
def test_what_is_not_allowed_is_not_opened(setting: Setting, change: dict[str, object], reason: str) -> None:
    with pytest.raises(Misconfigured) as told:
        setting.but(**change).open()
    assert told.value.reason == reason


async def test_a_disabled_token_is_disabled_in_the_inventory(setting: Setting) -> None:
    await setting.open().disable(op("Disable"), setting.credential.id)
    found = {one.id: one.state for one in await setting.open().inventory()}
    assert found == {setting.credential.id: Existence.DISABLED}


async def test_no_value_and_no_word_of_the_api_gets_out(setting: Setting, caplog: pytest.LogCaptureFixture) -> None:
    """Every refusal, every path; then all that was said is searched for every value there is."""
    caplog.set_level("WARNING")  # as ``reporters.log.configure`` has it for all but our own
    caplog.set_level("DEBUG", "keyturn")
    said: list[str] = []
    provider, new = setting.open(), await made(setting)
    for status in (302, 400, 401, 403, 404, 409, 429, 500):
        body = f'{{"success": false, "errors": [{{"message": "LEAK-CANARY {new.value.reveal_text()}"}}]}}'.encode()
        fault = _every_call(Reply(status, body, {"set-cookie": "LEAK-CANARY", "location": "/LEAK-CANARY"}))
        setting.desk.server.faults.append(fault)
        for call in (provider.identify, provider.inventory, lambda: provider.disable(op("Disable"), new.id),
                     lambda: provider.issue(op("Create"), new.id), lambda: provider.delete(op("Delete"), new.id),
                     lambda: provider.preflight(new), lambda: provider.ensure(op("Create"), new, "")):  # fmt: skip
            try:
                said.append(repr(await call()))
            except KeyturnError as error:
                said += [repr(error), str(error), repr(error.__cause__), repr(error.__context__)]
        said.append(repr(await provider.test(new)))
        setting.desk.server.faults.remove(fault)
    values = [new.value, setting.credential.value, Sealed(setting.desk.rotator)]
    everything = "\n".join((*said, caplog.text))
    assert len(said) > 50
    assert [form for form in (*forms(values), "LEAK-CANARY") if form in everything] == []


def _every_call(reply: Reply) -> Callable[[Request], Reply | str]:
    return lambda _request: reply


def test_the_page_names_every_reason() -> None:
    root = Path(__file__).resolve().parents[2]
    texts = [path.read_text() for path in (root / "operator/keyturn/providers/cloudflare_access").glob("*.py")]
    texts.append((root / "operator/keyturn/providers/cloudflare_api.py").read_text())
    found = re.compile(
        r'(?:Problem|Denied|Misconfigured|Unavailable|OutcomeUnknown|Conflict|__init__)\(\s*"([A-Z]\w+)"'
    )
    reasons = {reason for text in texts for reason in found.findall(text)}
    page = (root / "docs/providers/cloudflare-access.md").read_text()
    assert len(reasons) > 15
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()
