"""Certificates that cert-manager signs: asked for once, awaited, refused, and never a secret lost on the way."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from cryptography import x509

from keyturn.api.kinds import CredentialProviderSpec
from keyturn.core.model import Trial
from keyturn.kube.signing import answer_of
from keyturn.ports import Awaited, Cluster, Credential, Denied, Misconfigured, Pending, Probes, Provider, Unavailable
from keyturn.providers import OpenProviders
from keyturn.providers.tls.material import chain_of
from support.cert_manager import CertManager
from support.postgres_plan import WallClock, op
from support.ring_pods import KEY
from support.tls_rig import FIRST, TlsSetting, authority, signed

CREATE = op("issue")
PENDING = Pending((FIRST,), WallClock().now())


class Desk(TlsSetting):
    """A plan whose provider names an issuer of cert-manager."""

    def __init__(self, **manager: object) -> None:
        super().__init__(Credential(FIRST, signed()))
        self.manager = CertManager(authority(validity="300d"), WallClock().now, **manager)  # type: ignore[arg-type]
        for name in ("signing", "ask_to_sign", "forget_signing"):
            setattr(self.pods, name, getattr(self.manager, name))
        self.restart()

    def restart(self) -> None:
        """A new process: nothing remembered."""
        self.opened = OpenProviders(WallClock(), cast("Cluster", self.pods), cast("Probes", self.pods))

    def provider(self, kind: str = "ClusterCredentialProvider") -> Provider:
        record, plan = self.records()
        tls = {"certManager": {"name": "shop-ca"}, "names": ["*.svc"]}
        spec = CredentialProviderSpec.model_validate({"tls": tls, "allow": {"secrets": ["*"]}})
        return self.opened.open(replace(record, kind=kind, spec=spec), plan, None)

    async def issue(self) -> Credential:
        issuer = self.provider().issuer
        assert issuer is not None
        return await issuer.issue(CREATE, FIRST)

    async def look_again(self) -> Credential:
        """As the reconciler does while something is pending."""
        issuer = self.provider().issuer
        assert issuer is not None
        await issuer.sweep(CREATE, PENDING)
        return await self.issue()


async def test_what_is_signed_turns_like_any_other() -> None:
    desk = Desk()
    with pytest.raises(Awaited):
        await desk.issue()
    new = await desk.look_again()
    assert (new.id, desk.manager.requests) == ("orders-tls-1", {})
    chain = chain_of(new.value)
    assert chain is not None
    assert chain.root == desk.manager.signer.root
    provider = desk.provider()
    desk.pods.keep(new)
    assert await provider.test(new) is Trial.REFUSED, "nobody trusts it yet"
    await provider.ensure(op("Create"), new, FIRST)
    assert await provider.test(new) is Trial.WORKS
    await provider.disable(op("Disable"), FIRST)
    assert await provider.test(desk.current) is Trial.DISABLED


async def test_what_is_asked_for_says_everything_and_holds_no_key() -> None:
    desk = Desk()
    with pytest.raises(Awaited):
        await desk.issue()
    (made,) = desk.manager.made
    assert made["metadata"]["name"].startswith("keyturn-orders-tls-")
    assert made["metadata"]["namespace"] == "shop"
    assert made["spec"]["issuerRef"] == {"name": "shop-ca", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert made["spec"]["usages"] == ["digital signature", "server auth"]
    assert made["spec"]["duration"] == "2592000s"
    csr = x509.load_pem_x509_csr(base64.b64decode(made["spec"]["request"]))
    assert [one.value for one in csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value] == [
        "orders.shop.svc"
    ]
    assert len(csr.extensions) == 1, "usages stand in the spec only"
    assert "PRIVATE" not in str(desk.manager.made)


async def test_while_it_is_not_signed_the_same_request_is_waited_for_and_named() -> None:
    desk = Desk(looks=4)
    for _ in range(3):
        with pytest.raises(Awaited, match="kubectl describe certificaterequest keyturn-orders-tls-") as late:
            await desk.look_again()
        assert late.value.reason == "SignatureAwaited"
    for _ in range(4):
        try:
            new = await desk.look_again()
            break
        except Awaited:
            continue
    assert chain_of(new.value) is not None
    assert len(desk.manager.made) == 1


@pytest.mark.parametrize("why", ["Denied", "InvalidRequest", "Failed"])
async def test_a_refusal_is_told_and_leaves_everything_as_it_was(why: str) -> None:
    desk = Desk(refuses=why)
    before = desk.pods.data[KEY]
    with pytest.raises(Awaited):
        await desk.issue()
    for _ in range(2):
        with pytest.raises(Denied, match=why) as refused:
            await desk.look_again()
        assert refused.value.reason == "SignatureRefused"
    assert (desk.pods.data[KEY], len(desk.manager.made)) == (before, 1)


def _other_names(desk: Desk) -> None:
    desk.manager.names = [x509.DNSName("stock.shop.svc")]


def _no_root(desk: Desk) -> None:
    desk.manager.tells_root = False


@pytest.mark.parametrize("spoil", [_other_names, _no_root])
async def test_what_would_be_refused_is_not_taken(spoil: Callable[[Desk], None]) -> None:
    desk = Desk()
    spoil(desk)
    with pytest.raises(Awaited):
        await desk.issue()
    with pytest.raises(Denied) as refused:
        await desk.look_again()
    assert refused.value.reason == "SignedUnfit"


async def test_after_a_restart_the_request_whose_key_is_lost_goes_and_another_key_is_asked_for() -> None:
    desk = Desk(looks=1)
    with pytest.raises(Awaited):
        await desk.issue()
    desk.restart()
    with pytest.raises(Awaited):
        await desk.look_again()
    first, second = desk.manager.made
    assert first["spec"]["request"] != second["spec"]["request"]
    assert len(desk.manager.requests) == 1


async def test_a_request_that_came_to_light_late_is_for_nobody_and_goes() -> None:
    """A create whose answer was lost may land after it was looked for."""
    desk, other = Desk(), Desk()
    with pytest.raises(Awaited):
        await other.issue()
    desk.manager.requests = dict(other.manager.requests)
    with pytest.raises(Awaited):
        await desk.issue()
    assert desk.manager.requests == {}
    with pytest.raises(Awaited):
        await desk.look_again()
    assert chain_of((await desk.look_again()).value) is not None


async def test_a_request_that_somebody_deleted_is_made_again_for_the_same_key() -> None:
    desk = Desk(looks=1)
    with pytest.raises(Awaited):
        await desk.issue()
    desk.manager.requests.clear()
    with pytest.raises(Awaited):
        await desk.look_again()
    first, second = desk.manager.made
    assert first["spec"]["request"] == second["spec"]["request"]


async def test_on_the_way_back_nothing_is_left_of_it() -> None:
    desk = Desk(looks=9)
    with pytest.raises(Awaited):
        await desk.issue()
    issuer = desk.provider().issuer
    assert issuer is not None
    await issuer.sweep(op("sweep", 2), PENDING)
    assert desk.manager.requests == {}


async def test_nothing_is_made_and_nothing_named_before_it_is_signed() -> None:
    desk = Desk()
    provider = desk.provider()
    assert await provider.next_id(FIRST) == ""
    with pytest.raises(Denied):
        provider.mint()
    assert (await provider.preflight(desk.current)).problems == ()
    assert desk.manager.made == []


def test_only_the_clusters_provider_may_name_an_issuer() -> None:
    with pytest.raises(Misconfigured) as refused:
        Desk().provider("CredentialProvider")
    assert refused.value.reason == "IssuerForTheClusterOnly"


def test_an_answer_that_cannot_be_decoded_is_looked_at_again() -> None:
    ready = [{"type": "Ready", "status": "True"}]
    for told in ("not-base64", "Zertifikät"):
        with pytest.raises(Unavailable):
            answer_of({"spec": {"request": ""}, "status": {"conditions": ready, "certificate": told}})
    assert answer_of({"spec": {"request": ""}}).certificate == b""
