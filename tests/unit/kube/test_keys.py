"""Keys for one plan and one purpose."""

from __future__ import annotations

import asyncio
import hmac

import pytest

from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.keys import Keyring, Purpose, derived_key
from keyturn.ports import Misconfigured
from support.plan_records import Drawer, plan_record

MASTER = Sealed(b"m" * 32)


def test_every_plan_and_namespace_has_another_key() -> None:
    keys = [
        derived_key(MASTER, plan, Purpose.PROBE).reveal()
        for plan in (plan_record(), plan_record(uid="u2"), plan_record(namespace="else"))
    ]
    keys.append(derived_key(Sealed(b"n" * 32), plan_record(), Purpose.PROBE).reveal())
    assert len(set(keys)) == 4
    assert {len(key) for key in keys} == {32}


def test_the_derivation_is_hkdf_as_its_rfc_writes_it() -> None:
    parts = (b"keyturn", b"v1", b"shop", b"u1", b"probe")
    info = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    extracted = hmac.digest(b"\0" * 32, MASTER.reveal(), "sha256")
    expected = hmac.digest(extracted, info + b"\x01", "sha256")
    assert derived_key(MASTER, plan_record(), Purpose.PROBE).reveal() == expected


async def test_the_master_key_is_made_once_and_shared_by_all_who_ask() -> None:
    drawer = Drawer()
    keyring = Keyring(drawer, "keyturn")
    keys = await asyncio.gather(*(keyring.key(plan_record(), Purpose.PROBE) for _ in range(5)))
    again = await Keyring(drawer, "keyturn").key(plan_record(), Purpose.PROBE)
    assert all(key == again for key in keys)
    assert drawer.writes == 1
    assert list(drawer.kept) == [ObjectKey("keyturn", "keyturn-master")]


async def test_a_damaged_master_key_is_said_and_not_replaced() -> None:
    drawer = Drawer()
    drawer.kept[ObjectKey("keyturn", "keyturn-master")] = {"key": b"short"}
    with pytest.raises(Misconfigured, match="delete it"):
        await Keyring(drawer, "keyturn").key(plan_record(), Purpose.PROBE)
    assert drawer.writes == 0
