"""No value appears anywhere but where it belongs: not in the server's log, not in ours, not in any error."""

from __future__ import annotations

import base64
import logging
import urllib.parse

import psycopg
import pytest

from keyturn.core.model import Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, KeyturnError
from support.postgres_plan import CURRENT, ROTATOR_PASSWORD, SLOT_A, SLOT_B, Setting, op

pytestmark = pytest.mark.contract


def guises(value: str) -> set[str]:
    """The forms in which a value could slip out."""
    raw = value.encode()
    return {value, base64.b64encode(raw).decode(), urllib.parse.quote(value, safe=""), raw.hex(), repr(value)[1:-1]}


async def whole_rotation(setting: Setting) -> Credential:
    """Forward to the end, every call of the contract."""
    provider = setting.open()
    new = Credential(await provider.next_id(SLOT_A), provider.mint())
    await provider.preflight(CURRENT)
    await provider.same_system(CURRENT)
    await provider.ensure(op(), new, SLOT_A)
    await provider.test(new)
    await provider.usage([SLOT_A, SLOT_B], new)
    await provider.disable(op("Disable"), SLOT_A)
    await provider.enable(op("Enable"), CURRENT)
    await provider.disable(op("Disable"), SLOT_A)
    assert await provider.test(CURRENT) is Trial.DISABLED
    await provider.end_sessions(op("EndSessions"), SLOT_A)
    await provider.delete(op("Delete"), SLOT_A)
    await provider.close()
    return new


@pytest.mark.fm(60)
async def test_no_value_reaches_the_servers_log_or_ours(setting: Setting, caplog: pytest.LogCaptureFixture):
    start = len(setting.server.log_text())
    with caplog.at_level(logging.DEBUG):
        new = await whole_rotation(setting)
    log = setting.server.log_text()[start:]
    assert "keyturn" in log  # log_statement = all: the server did write down what it was told
    for credential in (new, CURRENT, Credential("", Sealed(ROTATOR_PASSWORD))):
        for guise in guises(credential.value.reveal_text()):
            # the tests' own CREATE ROLE of the old role stands before ``start``
            assert guise not in log
            assert guise not in caplog.text


@pytest.mark.fm(60)
async def test_no_error_carries_a_value_or_the_drivers_words(setting: Setting):
    provider = setting.but(admin=(("password", "not-the-password-at-all"),)).open()
    with pytest.raises(KeyturnError) as refused:
        await provider.inventory()
    said = f"{refused.value!r} {refused.value} {refused.value.problem}"
    assert "not-the-password-at-all" not in said
    assert "FATAL" not in said
    assert refused.value.__suppress_context__
    assert not isinstance(refused.value.__cause__, psycopg.Error)


async def test_public_comments_hold_no_fingerprint(setting: Setting):
    new = await whole_rotation(setting)
    rows = setting.server.sql("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname LIKE 'orders%'")
    comments = " ".join(str(comment) for (comment,) in rows)
    assert "plan=shop/orders-db rotation=rotation-1 gen=1" in comments
    assert not any(guise[:12] in comments for guise in guises(new.value.reveal_text()))


async def test_what_is_stored_are_verifiers_and_nobody_knows_the_retired_ones(setting: Setting):
    new = await whole_rotation(setting)
    stored = dict(setting.server.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'orders\\__'"))
    assert all(value.startswith("SCRAM-SHA-256$4096:") for value in stored.values())
    setting.server.sql(f"ALTER ROLE {SLOT_A} LOGIN")
    with pytest.raises(psycopg.OperationalError):
        setting.server.connect(SLOT_A, CURRENT.value.reveal_text(), "shop")
    with setting.server.connect(new.id, new.value.reveal_text(), "shop") as works:
        assert works.execute("SELECT session_user").fetchone() == (SLOT_B,)
