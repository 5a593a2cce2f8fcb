"""Makes keys, certificates and authorities, and judges what an authority signs as a strict verifier would.

Private keys are made here and leave only inside the sealed value. The key of an authority of a rotation's own signs
one certificate and is forgotten: nobody can sign with it again, so whoever ceases to trust it refuses that one alone.

Profile: RFC 5280 and, as far as it binds anybody inside a cluster, what web clients ask for; ECDSA with P-256.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from keyturn.core.sealed import Sealed
from keyturn.providers.tls.kinds import Certificate
from keyturn.providers.tls.material import Chain, Key, Signer, key_identifier, written

SKEW: Final = timedelta(minutes=5)  # clocks of verifiers may be so much behind
_LONGEST_NAME: Final = 48  # of a plan, in a common name of at most 64 signs (RFC 5280, ub-common-name)
_USAGES: Final = {"ServerAuth": ExtendedKeyUsageOID.SERVER_AUTH, "ClientAuth": ExtendedKeyUsageOID.CLIENT_AUTH}


def own_authority(plan: str, wish: Certificate, now: datetime) -> Signer:
    """A fresh one that ends when what it signs now ends. No two have the same name: verifiers look for it by that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Keyturn"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"{plan[:_LONGEST_NAME]} {secrets.token_hex(6)}"),
    ])  # fmt: skip
    built = _dated(name, name, key.public_key(), now, now + wish.validity)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Signer(certificate, key, (), certificate)


def issued(signer: Signer, wish: Certificate, now: datetime) -> Sealed:
    """A fresh key and its certificate, signed, with all that leads to the root."""
    key = ec.generate_private_key(ec.SECP256R1())
    built = _dated(x509.Name([]), signer.certificate.subject, key.public_key(), now, now + wish.validity)
    above = x509.SubjectKeyIdentifier(key_identifier(signer.certificate))
    leaf = (
        built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGES[usage] for usage in wish.usages]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in wish.names]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), critical=False)
        .sign(signer.key, _hash_for(signer.key))
    )
    return written(key, leaf, signer)


def fresh_key() -> ec.EllipticCurvePrivateKey:
    """For a certificate that somebody else signs."""
    return ec.generate_private_key(ec.SECP256R1())


def request_for(key: ec.EllipticCurvePrivateKey, wish: Certificate) -> bytes:
    """In PEM. Usages are told beside it: cert-manager refuses a request in which they stand twice and differ."""
    names = x509.SubjectAlternativeName([_name(name) for name in wish.names])
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=True)
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def unfit(chain: Chain, wish: Certificate, now: datetime) -> bool:
    """Would a strict verifier refuse it, for any of its names and usages?

    Dates, path lengths, name constraints, usages, signatures: as `cryptography` verifies, which holds to the rules of
    the web, but for authorities that do not say what their key is for: many inside of clusters do not.
    """
    authority = ExtensionPolicy.webpki_defaults_ca().may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign)
    policy = (
        PolicyBuilder()
        .store(Store([chain.root]))
        .time(now)
        .extension_policies(ca_policy=authority, ee_policy=ExtensionPolicy.webpki_defaults_ee())
    )
    try:
        if "ClientAuth" in wish.usages:
            policy.build_client_verifier().verify(chain.leaf, list(chain.between))
        if "ServerAuth" in wish.usages:
            for subject in map(_subject, wish.names):
                policy.build_server_verifier(subject).verify(chain.leaf, list(chain.between))
    except (VerificationError, ValueError):  # the latter: a name that is none
        return True
    return False


def _may_sign(_policy: object, _certificate: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("its key may not sign certificates")


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(ends)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    """A name as a client would ask for it: one that a * stands for."""
    found = _name(name.replace("*", "any", 1))
    return found if isinstance(found, x509.IPAddress) else x509.DNSName(str(found.value))


def _hash_for(key: Key) -> hashes.SHA256 | None:
    """Ed25519 has its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def others_with_its_key_identifier(certificate: x509.Certificate, bundle: Sequence[x509.Certificate]) -> bool:
    """Another certificate there would be taken for it, and the other way round: some verifiers try only one."""
    mine = key_identifier(certificate)
    return any(key_identifier(one) == mine for one in bundle if one != certificate)
