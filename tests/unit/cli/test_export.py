"""The sealed export and the way back: what is in the file, who opens it, what is made again and what is left alone."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from keyturn.cli.export import Written, export, write
from keyturn.cli.exported import Export, from_content, to_content
from keyturn.cli.restore import Fate, manifests, restore
from keyturn.cli.sealed_file import content_of, identity_of, recipient_of, seal, unseal
from keyturn.cli.session import Session
from keyturn.cli.views.exported import restored_page, written_page
from keyturn.cli.views.plain import NARROW, plain
from keyturn.core.model import ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.raw import Json
from keyturn.kube.secrets import unpacked
from keyturn.ports import Misconfigured
from support.canaries import leaks
from support.golden import assert_golden
from support.sealing import Offline, offline
from support.seen import NOW, PLAN_SPEC, before
from unit.cli.test_verbs import ApiInMemory

T = TypeVar("T")
ROOT = "/apis/keyturn.dev/v1alpha1"
OLD, NEW = "the-old-value-of-the-orders", "the-new-value-of-the-orders"
TEMPLATE = "postgresql://{username}:{password}@{host}:{port}/{database}"
SPEC: Json = PLAN_SPEC | {"secret": {"name": "orders-db", "keys": {"DATABASE_URL": TEMPLATE}}}
PROVIDER: Json = {
    "postgres": {"adminSecretRef": {"name": "rotator"}, "endpoints": [{"host": "db.shop.svc"}], "database": "shop"}
}


def url(user: str, value: str) -> str:
    return f"postgresql://{user}:{value}@db.shop.svc:5432/shop"


class Noon:
    def now(self) -> datetime:
        return NOW


@dataclass
class Cluster(ApiInMemory):
    """A cluster with everything in one dictionary; lists of all namespaces too."""

    async def collect(
        self, path: str, project: Callable[[Json], T | None], *, metadata_only: bool = False, **query: str
    ) -> list[T]:
        del metadata_only, query
        kind = path.rpartition("/")[2]
        found = [raw for key, raw in self.objects.items() if key.split("/")[-2] == kind]
        return [kept for raw in found if (kept := project(raw)) is not None]

    def secret(self, namespace: str, name: str, /, type_: str = "Opaque", **data: str) -> None:
        coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        self.objects[path] = {"metadata": {"namespace": namespace, "name": name}, "type": type_, "data": coded}

    def plan(self, name: str, escrow: dict[str, str], *, spec: Json = SPEC, **status: str) -> None:
        metadata = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": "7",
                    "annotations": {"edited-by.keyturn.dev/me": "ann", "keyturn.dev/freeze": "incident 7"}}  # fmt: skip
        found = {"metadata": metadata, "spec": spec, "status": {"currentId": "orders_a"} | status}
        self.objects[f"{ROOT}/namespaces/shop/rotationplans/{name}"] = found
        coded = {id_: base64.b64encode(value.encode()).decode() for id_, value in escrow.items()}
        document = json.dumps({"v": 1, "values": coded, "before": {}})
        self.secret("keyturn-system", f"keyturn-escrow-uid-{name}", **{"escrow.json": document})

    def held(self, name: str) -> dict[str, str]:
        found = self.objects[f"/api/v1/namespaces/shop/secrets/{name}"]
        return {key: value.reveal_text() for key, value in unpacked(found["data"]).items()}


def shop(*namespaces: str) -> Cluster:
    """Nothing but these namespaces."""
    return Cluster({f"/api/v1/namespaces/{name}": {"metadata": {"name": name}} for name in namespaces})


@pytest.fixture
def full() -> Cluster:
    """A plan in the middle of a rotation whose Secret holds NEW already, and has a key that is not ours."""
    cluster = shop("shop", "keyturn-system")
    cluster.objects["/apis/apps/v1/deployments/op"] = {"metadata": {"namespace": "keyturn-system"}}
    provider = {"metadata": {"namespace": "shop", "name": "shop-postgres", "uid": "u"}, "spec": PROVIDER}
    cluster.objects[f"{ROOT}/namespaces/shop/credentialproviders/shop-postgres"] = provider
    cluster.plan("orders-db", {"orders_a": OLD, "orders_b": NEW}, activeRotation="orders-db-x7k2p")
    cluster.secret("shop", "orders-db", DATABASE_URL=url("orders_b", NEW), LOG_LEVEL="not-for-the-export-at-all")
    return cluster


@pytest.fixture
def keys(tmp_path: Path) -> Offline:
    return offline(tmp_path)


def never() -> str:
    raise AssertionError("nobody is asked for a passphrase")


async def exported(cluster: Cluster, keys: Offline, plan: str | None = None, name: str = "sealed") -> Written:
    found = await export(Session(cluster, "shop"), Noon(), plan, "")
    return write(found, recipient_of(keys.recipient), keys.recipient.parent / name)


def opened(written: Written, keys: Offline) -> Export:
    return from_content(unseal(content_of(written.path), identity_of(keys.identity, never)))


async def test_on_an_empty_cluster_the_secret_is_what_it_was(full: Cluster, keys: Offline) -> None:
    empty = shop("shop")
    found = opened(await exported(full, keys), keys)
    restored = await restore(Session(empty, "default"), found, {})
    assert [one.fate for one in restored] == [Fate.MADE]
    assert empty.held("orders-db") == {"DATABASE_URL": url("orders_b", NEW)}
    again = await restore(Session(empty, "default"), found, {})
    assert [one.fate for one in again] == [Fate.SAME]


async def test_the_file_shows_nothing_and_is_for_its_owner_alone(full: Cluster, keys: Offline) -> None:
    written = await exported(full, keys)
    content = written.path.read_bytes()
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
    assert content.startswith(b"keyturn sealed export v1\n")
    words = [content.decode("latin-1"), repr(content), content.hex()]
    assert leaks(words, [OLD, NEW, "orders_a", "orders-db", "shop-postgres"]) == []


async def test_keys_that_the_plan_does_not_manage_are_only_named(full: Cluster, keys: Offline) -> None:
    written = await exported(full, keys)
    inside = unseal(content_of(written.path), identity_of(keys.identity, never)).reveal_text()
    assert leaks([inside], ["not-for-the-export-at-all"]) == []
    assert "LOG_LEVEL" in inside


async def test_only_its_identity_opens_it_and_only_whole_and_unchanged(full: Cluster, keys: Offline) -> None:
    content = (await exported(full, keys)).path.read_bytes()
    mine = identity_of(keys.identity, never)
    other = identity_of(offline(keys.identity.parent, "other").identity, never)
    with pytest.raises(Misconfigured, match="another identity"):
        unseal(content, other)
    start = len(b"keyturn sealed export v1\n")
    damaged = [content[:-1], content[:-16], content[:start], content + b"\0"]
    damaged += [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in (start, start + 32, -1)]
    for one in damaged:
        with pytest.raises(Misconfigured) as refused:
            unseal(one, mine)
        assert refused.value.reason == "CannotUnseal"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "NotAnExport"), (b"hello", "NotAnExport"), (b"keyturn sealed export v2\n", "NewerExport")],
)
def test_what_is_no_export_of_this_version_is_told_apart(content: bytes, reason: str, keys: Offline) -> None:
    with pytest.raises(Misconfigured) as refused:
        unseal(content, identity_of(keys.identity, never))
    assert refused.value.reason == reason


async def test_a_file_is_never_written_over(full: Cluster, keys: Offline) -> None:
    first = (await exported(full, keys)).path.read_bytes()
    with pytest.raises(Misconfigured, match="exists"):
        await exported(full, keys)
    assert (keys.recipient.parent / "sealed").read_bytes() == first


def test_keys_of_the_wrong_half_or_kind_are_refused_in_words(tmp_path: Path, keys: Offline) -> None:
    (tmp_path / "text").write_text("no key")
    for path in (keys.identity, tmp_path / "text"):
        with pytest.raises(Misconfigured, match="openssl pkey"):
            recipient_of(path)
    for path in (keys.recipient, tmp_path / "text"):
        with pytest.raises(Misconfigured, match="no X25519 private key"):
            identity_of(path, never)
    with pytest.raises(Misconfigured, match="cannot be read"):
        recipient_of(tmp_path / "none")


def test_an_encrypted_identity_asks_for_its_passphrase(tmp_path: Path) -> None:
    locked = offline(tmp_path, "locked", "correct horse")
    sealed = seal(Sealed("what is inside"), recipient_of(locked.recipient))
    assert unseal(sealed, identity_of(locked.identity, lambda: "correct horse")) == Sealed("what is inside")
    with pytest.raises(Misconfigured, match="passphrase"):
        identity_of(locked.identity, lambda: "wrong horse")


async def test_a_secret_that_holds_something_else_is_left_alone(full: Cluster, keys: Offline) -> None:
    found = opened(await exported(full, keys), keys)
    other = shop("shop")
    other.secret("shop", "orders-db", DATABASE_URL=url("orders_a", OLD))
    restored = await restore(Session(other, "default"), found, {})
    assert [one.fate for one in restored] == [Fate.KEPT]
    assert other.held("orders-db") == {"DATABASE_URL": url("orders_a", OLD)}
    assert other.created == []


async def test_a_secret_that_somebody_makes_in_between_is_left_alone_too(full: Cluster, keys: Offline) -> None:
    found = opened(await exported(full, keys), keys)
    other = shop("shop")
    other.taken = ("orders-db",)
    restored = await restore(Session(other, "default"), found, {})
    assert [one.fate for one in restored] == [Fate.KEPT]


async def test_without_the_namespace_nothing_is_made_and_the_command_is_named(full: Cluster, keys: Offline) -> None:
    found = opened(await exported(full, keys), keys)
    empty = shop()
    with pytest.raises(Misconfigured, match="kubectl create namespace shop"):
        await restore(Session(empty, "default"), found, {})
    assert empty.created == []


async def test_the_other_credential_of_the_escrow_can_be_chosen(full: Cluster, keys: Offline) -> None:
    """Exported in mid-rotation; the rotation went back afterwards, so OLD is what works."""
    found = opened(await exported(full, keys), keys)
    empty = shop("shop")
    await restore(Session(empty, "default"), found, {"shop/orders-db": "orders_a"})
    assert empty.held("orders-db") == {"DATABASE_URL": url("orders_a", OLD)}
    for wrong in ({"shop/orders-db": "orders_c"}, {"shop/none": "orders_a"}):
        with pytest.raises(Misconfigured):
            await restore(Session(shop("shop"), "default"), found, wrong)


async def test_a_hollow_value_is_not_put_into_a_secret(full: Cluster, keys: Offline) -> None:
    full.secret("shop", "orders-db", DATABASE_URL="  ")
    found = opened(await exported(full, keys), keys)
    empty = shop("shop")
    assert [one.fate for one in await restore(Session(empty, "default"), found, {})] == [Fate.HOLLOW]
    assert empty.created == []


async def test_what_the_cluster_does_not_have_any_more_is_said(full: Cluster, keys: Offline) -> None:
    del full.objects["/api/v1/namespaces/keyturn-system/secrets/keyturn-escrow-uid-orders-db"]
    del full.objects["/api/v1/namespaces/shop/secrets/orders-db"]
    written = await exported(full, keys)
    assert not written.whole
    said = plain(written_page(written))
    assert "its escrow holds no orders_a" in said
    assert "its Secret orders-db does not exist" in said
    assert [one.fate for one in await restore(Session(shop("shop"), "shop"), opened(written, keys), {})] == [
        Fate.NOTHING
    ]


async def test_one_plan_only_or_none_of_that_name(full: Cluster, keys: Offline) -> None:
    full.plan("billing-db", {"orders_a": OLD})
    assert [kept.key for kept in (await exported(full, keys, "billing-db")).export.plans] == [
        ObjectKey("shop", "billing-db")
    ]
    assert len((await exported(full, keys, name="all")).export.plans) == 2
    with pytest.raises(Misconfigured, match="there is no plan none"):
        await exported(full, keys, "none", "third")
    with pytest.raises(Misconfigured, match="no plans"):
        await exported(
            Cluster({"/apis/apps/v1/deployments/op": {"metadata": {"namespace": "k"}}}), keys, None, "fourth"
        )


async def test_the_manifests_hold_no_value_and_none_of_what_the_api_server_or_an_edit_left(
    full: Cluster, keys: Offline
) -> None:
    words = manifests(opened(await exported(full, keys), keys))
    assert leaks([words], [OLD, NEW]) == []
    assert "kind: RotationPlan" in words
    assert "kind: CredentialProvider" in words
    assert "keyturn.dev/freeze: incident 7" in words  # what was frozen stays so
    for left in ("uid", "resourceVersion", "edited-by", "status"):
        assert left not in words


def forged(change: Callable[[Json], object], full: Json) -> Sealed:
    found = json.loads(json.dumps(full))
    change(found["plans"][0])
    return Sealed(json.dumps(found))


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["plan"]["metadata"].update(namespace="shop/../kube-system"),
        lambda one: one["plan"]["spec"]["secret"].update(name="../x"),
        lambda one: one["plan"]["metadata"].update(namespace=""),
        lambda one: one["secret"].update(type="bootstrap.kubernetes.io/token"),
        lambda one: one["secret"].update(type="kubernetes.io/service-account-token"),
    ],
    ids=["namespace", "secret", "no namespace", "bootstrap token", "service account token"],
)
async def test_a_forged_file_leads_no_request_astray(
    change: Callable[[Any], object], full: Cluster, keys: Offline
) -> None:
    """Whoever has the public key can seal one."""
    honest = json.loads(to_content((await exported(full, keys)).export).reveal())
    with pytest.raises(Misconfigured) as refused:
        from_content(forged(change, honest))
    assert refused.value.reason == "ForeignExport"


@pytest.mark.parametrize(
    ("content", "reason"), [("{", "ForeignExport"), ("[]", "NewerExport"), ('{"v": 2}', "NewerExport")]
)
def test_content_of_another_version_or_kind_is_refused(content: str, reason: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        from_content(Sealed(content))
    assert refused.value.reason == reason


async def test_what_people_see_are_names(full: Cluster, keys: Offline) -> None:
    gone = SPEC | {"secret": {"name": "gone", "keys": {"A": "a"}}}
    full.plan("billing-database-of-the-european-branch", {}, spec=gone, currentId="")
    written = await exported(full, keys)
    fixed = Written(written.export, Path("keyturn-2026-11-22.sealed"), "5ea1ed" * 10 + "beef")
    pages = {"export": plain(written_page(fixed))}
    restored = await restore(Session(shop("shop"), "shop"), opened(written, keys), {})
    pages["restore"] = plain(restored_page(written.export, restored))
    for name, page in pages.items():
        assert leaks([page], [OLD, NEW, url("orders_b", NEW)]) == []
        assert max(map(len, page.splitlines())) <= NARROW
        assert_golden(f"cli/{name}.txt", page)


def test_taken_is_when_it_was_read() -> None:
    assert from_content(to_content(Export(before(days=1), []))).taken == before(days=1)
