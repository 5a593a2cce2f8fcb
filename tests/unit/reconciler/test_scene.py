"""What consumers hold when either credential serves: the old one as it was, byte for byte, whatever was renamed."""

from __future__ import annotations

from typing import cast

from keyturn.api.kinds import RotationStatus
from keyturn.core.model import Policy, Rotation, Side
from keyturn.core.rendering import Place
from keyturn.core.sealed import Sealed
from keyturn.ports import Escrow, Provider, ProviderRecord, RotationRecord
from keyturn.reconciler.act import live_generations
from keyturn.reconciler.scene import Scene
from support.plan_records import plan_record

BEFORE = {"url": Sealed("postgresql://orders_a:a-value-of-old-1@db.shop.svc:5432/shop")}
VALUES = {"orders_a": Sealed("a-value-of-old-1"), "orders_b": Sealed("a-value-of-new-1")}
RENAMED = Place("db-new.shop.svc", 5432, "shop")


def scene() -> Scene:
    plan = plan_record()
    rotation = Rotation("uid", "orders-1", plan.key, Policy(), generation=5, old_id="orders_a", new_id="orders_b")
    record, provider = cast("RotationRecord", RotationStatus()), cast("Provider", None)
    return Scene(plan, record, rotation, provider, RENAMED, cast("ProviderRecord", None))


def test_old_is_what_the_secret_held_before_and_new_is_rendered_for_where_the_backend_is_now() -> None:
    kept = Escrow(VALUES, BEFORE)
    assert scene().serving(kept, Side.OLD) == BEFORE
    assert b"db-new" in scene().serving(kept, Side.NEW)["url"].reveal()


def test_until_something_is_kept_old_is_rendered() -> None:
    assert b"db-new" in scene().serving(Escrow(VALUES, {}), Side.OLD)["url"].reveal()


def test_a_pod_that_reads_the_restored_value_is_not_held_unready() -> None:
    live = live_generations(scene(), Escrow(VALUES, BEFORE), Side.OLD)
    assert live[6] == live[4] == BEFORE
