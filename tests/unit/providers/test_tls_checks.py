"""What a plan of certificates must say, what an authority must be, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

from keyturn.api.kinds import RotationPlanSpec
from keyturn.core.model import Trial
from keyturn.core.sealed import Sealed
from keyturn.ports import Awaited, Credential, Denied, Misconfigured
from keyturn.providers.ring.certificates import name_of
from keyturn.providers.tls import making, material
from keyturn.providers.tls.provider import TlsProvider
from support.postgres_plan import WallClock, op
from support.ring_pods import KEY
from support.tls_rig import FIRST, TlsSetting, authority_secret, root_of, signed, wish
from support.tls_server import NAME

NOW = WallClock().now()
DAY = timedelta(days=1)


def there(value: Sealed | None = None, **said: Any) -> TlsSetting:
    return TlsSetting(Credential(FIRST, value or signed()), **said)


async def problems(setting: TlsSetting) -> set[str]:
    return {one.reason for one in (await setting.open().preflight(setting.current)).problems}


def made(
    ends: datetime = NOW + 90 * DAY,
    key: Any = None,
    constraints: x509.NameConstraints | None = None,
    path_length: int | None = 0,
    *,
    ca: bool = True,
    above: material.Signer | None = None,
) -> material.Signer:
    """An authority as somebody else made it: openssl's, without any word on what its key is for."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"shop {ends:%s}{x509.random_serial_number()}")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    by = above.key if above is not None else key
    theirs = material.key_identifier(above.certificate) if above is not None else identifier.digest
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(above.certificate.subject if above else name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 30 * DAY).not_valid_after(ends).add_extension(identifier, critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier(theirs, None, None), critical=False)
    )  # fmt: skip
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    signing = None if isinstance(by, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    certificate = builder.sign(by, signing)
    if above is None:
        return material.Signer(certificate, key, (), certificate)
    return material.Signer(certificate, key, (certificate,), above.root)


# ------------------------------------------------------------------------------------------------- what is made


@pytest.mark.parametrize("signer", [made(), making.own_authority("shop/orders", wish(), NOW)], ids=["kept", "own"])
def test_what_is_made_is_what_a_strict_verifier_accepts_and_a_person_expects(signer: material.Signer) -> None:
    asked = wish(names=[NAME, "*.shop.svc", "10.1.2.3", "fd00::1"], usages=["ServerAuth", "ClientAuth"])
    value = making.issued(signer, asked, NOW)
    chain = material.chain_of(value)
    assert chain is not None
    assert not making.unfit(chain, asked, NOW)
    assert chain.leaf.not_valid_after_utc == (NOW + 30 * DAY).replace(microsecond=0)
    assert chain.begins <= NOW - making.SKEW + timedelta(seconds=1)
    assert isinstance(chain.leaf.public_key(), ec.EllipticCurvePublicKey)
    assert value.reveal_text().count("PRIVATE KEY") == 2
    assert making.unfit(chain, asked, NOW + 31 * DAY)
    assert making.unfit(chain, wish(names=["other.shop.svc.cluster.local"]), NOW)


KEYS = (
    ed25519.Ed25519PrivateKey.generate(),
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP384R1()),
)


@pytest.mark.parametrize("key", KEYS)
def test_authorities_with_other_kinds_of_keys_sign(key: Any) -> None:
    chain = material.chain_of(making.issued(made(key=key), wish(), NOW))
    assert chain is not None


def test_authorities_of_our_own_have_names_and_keys_of_their_own() -> None:
    one, other = (making.own_authority("shop/orders", wish(), NOW).certificate for _ in range(2))
    assert one.subject != other.subject
    assert material.key_identifier(one) != material.key_identifier(other)


def test_an_authority_below_another_signs_and_the_root_is_what_is_trusted() -> None:
    above = made(path_length=1)
    below = made(above=above)
    signer = material.signer_of(authority_secret(below))
    assert (signer.root, signer.between) == (above.root, (below.certificate,))
    value = making.issued(signer, wish(), NOW)
    assert value.reveal_text().count("BEGIN CERTIFICATE") == 3
    chain = material.chain_of(value)
    assert chain is not None
    assert not making.unfit(chain, wish(), NOW)
    assert root_of(value).strip() == above.root.public_bytes(serialization.Encoding.PEM).decode().strip()


def test_parts_that_do_not_fit_together_are_no_certificate() -> None:
    one, other = signed().reveal_text(), signed().reveal_text()
    keys = [text.partition("-----BEGIN CERTIFICATE")[0] for text in (one, other)]
    assert material.chain_of(Sealed(one.replace(keys[0], keys[1]))) is None
    assert material.chain_of(Sealed(one.replace(root_of(Sealed(one)), root_of(Sealed(other))))) is None
    assert material.chain_of(Sealed(keys[0])) is None
    assert material.chain_of(Sealed(b"\xff\x00 no text at all of a test")) is None


# -------------------------------------------------------------------------------------------- authorities' Secrets


@pytest.mark.parametrize("lost", ["tls.crt", "tls.key"])
def test_a_secret_without_certificate_or_key_is_refused(lost: str) -> None:
    secret = authority_secret(made())
    with pytest.raises(Misconfigured) as refused:
        material.signer_of(replace(secret, data={k: v for k, v in secret.data.items() if k not in (lost, "ca.crt")}))
    assert refused.value.reason == "AuthorityUnreadable"


@pytest.mark.parametrize(
    "text", ["", "the-secret-of-a-test", "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n"]
)
def test_a_key_that_cannot_be_read_or_is_anothers_is_refused_and_not_repeated(text: str) -> None:
    secret = authority_secret(made())
    for key in (Sealed(text), authority_secret(made()).data["tls.key"]):
        with pytest.raises(Misconfigured) as refused:
            material.signer_of(replace(secret, data={**secret.data, "tls.key": key}))
        assert refused.value.reason == "AuthorityUnreadable"
        assert "secret-of-a-test" not in str(refused.value)


def test_an_authority_whose_root_is_not_there_is_refused() -> None:
    secret = authority_secret(made(above=made(path_length=1)))
    for data in ({"ca.crt": authority_secret(made()).data["ca.crt"]}, {"ca.crt": Sealed("")}):
        with pytest.raises(Misconfigured) as refused:
            material.signer_of(replace(secret, data={**secret.data, **data}))
        assert refused.value.reason == "AuthorityNotRooted"


@pytest.mark.parametrize(
    "signer",
    [
        made(ca=False),
        made(constraints=x509.NameConstraints([x509.DNSName("stock.svc")], None)),
        made(constraints=x509.NameConstraints(None, [x509.DNSName("shop.svc")])),
        made(above=made(path_length=0)),
    ],
    ids=["no authority", "other names permitted", "these names excluded", "a path that is too long"],
)
async def test_an_authority_whose_signature_would_be_refused_blocks_before_anything_is_changed(
    signer: material.Signer,
) -> None:
    assert await problems(there(signer=signer)) == {"AuthorityUnfit"}


async def test_an_authority_that_may_sign_these_names_does_not() -> None:
    permitted = x509.NameConstraints([x509.DNSName("shop.svc")], None)
    assert await problems(there(signer=made(constraints=permitted))) == set()


async def test_an_authority_that_ends_first_blocks() -> None:
    assert await problems(there(signer=made(ends=NOW + 20 * DAY))) == {"AuthorityEndsFirst"}
    assert "AuthorityUnfit" in await problems(there(signer=made(ends=NOW - DAY)))


async def test_a_successor_with_the_former_key_blocks() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    former = made(key=key)
    assert await problems(there(signed(former), signer=made(key=key))) == {"KeyIdentifierTaken"}
    assert await problems(there(signed(former), signer=former)) == set()


async def test_what_somebody_else_signed_with_the_former_key_does_not_come_in() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    setting = there(signed(made(key=key)))
    before, new = setting.pods.data[KEY], Credential("orders-tls-1", signed(made(key=key)))
    setting.pods.keep(new)
    for asked in (setting.open().ensure(op("Create"), new, FIRST), setting.open().contain(op("C"), new, FIRST, [])):
        with pytest.raises(Denied) as refused:
            await asked
        assert refused.value.reason == "KeyIdentifierTaken"
    assert setting.pods.data[KEY] == before


@pytest.mark.parametrize("name", ["a..b.svc", "1:2", "x" * 250])
async def test_a_name_that_is_none_blocks(name: str) -> None:
    assert await problems(there(half={"names": [NAME, name]})) == {"AuthorityUnfit"}


async def test_keys_of_kinds_that_nobody_here_knows_may_stand_in_the_bundle() -> None:
    setting, other = there(), made(key=ed448.Ed448PrivateKey.generate())
    text = other.root.public_bytes(serialization.Encoding.PEM).decode()
    setting.known = (name_of(text.strip()),)
    setting.pods.edit(KEY, Sealed(root_of(setting.current.value) + text))
    assert await problems(setting) == set()


# ------------------------------------------------------------------------------------------------ bundle and plan


async def test_what_is_no_authority_or_out_of_date_blocks_by_its_name() -> None:
    setting = there()
    for signer, reason in ((made(ca=False), "NotAnAuthority"), (made(ends=NOW - DAY), "OutOfDate")):
        text = signer.root.public_bytes(serialization.Encoding.PEM).decode()
        setting.known = (name_of(text.strip()),)
        setting.pods.edit(KEY, Sealed(root_of(setting.current.value) + text))
        found = (await setting.open().preflight(setting.current)).problems
        assert [one.reason for one in found] == [reason]
        assert setting.known[0] in found[0].message


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ({}, "NeverRenewed"),
        ({"maxAge": "30d"}, "RenewedTooLate"),
        ({"maxAge": "29d22h"}, "RenewedTooLate"),
        ({"cron": "0 3 * * 1"}, ""),
        ({"maxAge": "29d"}, ""),
    ],
)
async def test_a_schedule_that_lets_the_certificate_end_blocks(schedule: dict[str, str], reason: str) -> None:
    assert await problems(there(spec={"schedule": schedule})) == ({reason} if reason else set())


async def test_a_root_that_would_be_left_behind_blocks() -> None:
    setting = there()
    setting.pods.presented = {"ca.crt": Sealed("anything at all")}
    assert await problems(setting) == set()
    keys = {"id": "{username}", "tls.pem": "{password}"}
    setting.spec = {"secret": {"name": "orders-tls", "keys": keys}}
    assert await problems(setting) == {"RootLeftBehind"}


async def test_a_current_certificate_whose_parts_do_not_fit_blocks() -> None:
    value, other = signed().reveal_text(), signed().reveal_text()
    mixed = value.replace(value.partition("-----BEGIN CERT")[0], other.partition("-----BEGIN CERT")[0])
    setting = there()
    setting.current = Credential(FIRST, Sealed(mixed))
    setting.pods.edit(KEY, Sealed(root_of(Sealed(value))))
    assert "CurrentUnfit" in await problems(setting)


async def test_a_current_certificate_that_ends_soon_is_told_and_holds_nothing_up() -> None:
    setting = there(signed(when=NOW - 30 * DAY + timedelta(minutes=30)))
    found = await setting.open().preflight(setting.current)
    assert found.problems == ()
    assert [one.reason for one in found.unchecked] == ["NoWayBack"]


@pytest.mark.parametrize("names", [["orders.stock.example"], [NAME, "*.example"]])
def test_a_name_that_the_owner_of_the_authority_does_not_list_is_refused(names: list[str]) -> None:
    with pytest.raises(Misconfigured) as refused:
        there(signer=made(), half={"names": names}).open()
    assert refused.value.reason == "NameNotAllowed"


@pytest.mark.parametrize("form", ["JsonMap", "Jwks", "Lines", "CommaList"])
def test_a_bundle_in_another_format_is_refused(form: str) -> None:
    setting = there(half={"acceptors": {"secret": {"name": "orders-ring", "key": KEY, "format": form}}})
    with pytest.raises(Misconfigured) as refused:
        setting.open()
    assert refused.value.reason == "FormatDoesNotFit"


@pytest.mark.parametrize(("field", "half"), [("keyring", {"key": "Hmac", "maxTokenLifetime": "1m"}), ("generic", {})])
def test_keys_are_never_written_as_certificates(field: str, half: dict[str, Any]) -> None:
    setting = there()
    provider, plan = setting.records()
    ring = {"secret": {"name": "orders-ring", "key": KEY, "format": "CaBundle"}}
    said = plan.spec.model_dump(by_alias=True, include={"provider_ref", "secret"}) | {field: half | {"acceptors": ring}}
    spec = provider.spec.model_validate({field: {}, "allow": {"secrets": ["*"]}})
    with pytest.raises(Misconfigured) as refused:
        setting.providers().open(
            replace(provider, spec=spec), replace(plan, spec=RotationPlanSpec.model_validate(said)), None
        )
    assert refused.value.reason == "FormatDoesNotFit"


# --------------------------------------------------------------------------------------------- time, one authority


async def test_one_that_has_ended_says_so_and_what_to_do() -> None:
    setting = there(signed(when=NOW - 31 * DAY))
    with pytest.raises(Awaited, match="mode: Availability") as late:
        await setting.open().test(setting.current)
    assert late.value.reason == "CertificateEnded"


async def test_the_inventory_says_when_a_certificate_ends() -> None:
    setting = there()
    (found,) = await setting.open().inventory()
    chain = material.chain_of(setting.current.value)
    assert chain is not None
    assert found.expires == chain.leaf.not_valid_after_utc


async def shared(old: Sealed, signer: material.Signer) -> tuple[TlsSetting, TlsProvider, Credential]:
    setting = there(old, signer=signer)
    provider = setting.open()
    assert isinstance(provider, TlsProvider)
    new = Credential(await provider.next_id(FIRST), provider.mint())
    setting.pods.keep(new)
    return setting, provider, new


async def test_of_one_authority_old_is_waited_for_until_it_ends_and_nobody_is_restarted() -> None:
    signer = made()
    setting, provider, new = await shared(signed(signer, NOW - 29 * DAY), signer)
    before = setting.pods.data[KEY]
    await provider.ensure(op("Create"), new, FIRST)
    assert await provider.test(new) is Trial.WORKS
    await provider.disable(op("Disable"), FIRST)
    with pytest.raises(Awaited, match="trusted still") as late:
        await provider.test(setting.current)
    assert late.value.reason == "TrustedToItsEnd"
    assert (setting.pods.data[KEY], setting.pods.restarts) == (before, [])
    await provider.enable(op("Enable", 2), setting.current)
    assert await provider.test(setting.current) is Trial.WORKS
    await provider.disable(op("Discard", 2), new.id)
    await provider.delete(op("Discard", 2), new.id)
    assert (setting.pods.data[KEY], setting.pods.restarts) == (before, [])
    assert (await provider.inventory())[0].id == FIRST


async def test_of_one_authority_old_is_refused_once_it_has_ended() -> None:
    signer = made()
    setting, provider, new = await shared(signed(signer, NOW - 31 * DAY), signer)
    await provider.ensure(op("Create"), new, FIRST)
    await provider.disable(op("Disable"), FIRST)
    assert await provider.test(setting.current) is Trial.DISABLED
    await provider.delete(op("Delete"), FIRST)


async def test_of_one_authority_nothing_can_be_contained() -> None:
    signer = made()
    setting, provider, new = await shared(signed(signer), signer)
    before = setting.pods.data[KEY]
    with pytest.raises(Denied) as refused:
        await provider.contain(op("Contain"), new, FIRST, [])
    assert refused.value.reason == "NotContainable"
    assert setting.pods.data[KEY] == before
