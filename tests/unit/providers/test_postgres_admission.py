"""The server's own rules about who may log in, read as the server reads them."""

from __future__ import annotations

import pytest

from keyturn.providers.postgres.admission import Admission, Login, Rule, Verdict, admission

OWNER, NEW = "orders_owner", "orders_b"
ANY = "0.0.0.0"  # noqa: S104  nobody listens here


def rule(**changes: object) -> Rule:
    """host all all 10.0.0.0/8 scram-sha-256, but for what is named."""
    return Rule(**{
        "line": 1, "kind": "host", "databases": ("all",), "users": ("all",), "address": "10.0.0.0",
        "mask": "255.0.0.0", "method": "scram-sha-256",
    } | changes)  # fmt: skip


def ask(*rules: Rule, address: str = "10.1.2.3", tls: bool = True, patterns: dict[str, frozenset[str]] | None = None,
        database: str = "shop") -> Verdict:  # fmt: skip
    login = Login(NEW, frozenset({NEW, OWNER, "staff"}), database, address, tls)
    return admission(rules, login, patterns or {})


def test_a_matching_rule_that_asks_for_scram_admits():
    assert ask(rule()).admission is Admission.ADMITTED


def test_md5_admits_because_a_scram_verifier_is_stored():
    assert ask(rule(method="md5")).admission is Admission.ADMITTED


def test_without_any_rule_the_login_is_refused():
    verdict = ask()
    assert verdict == Verdict(Admission.REFUSED)
    assert "no line" in verdict.why


def test_the_first_match_decides_and_is_named():
    verdict = ask(rule(line=3, method="reject"), rule(line=4))
    assert verdict.admission is Admission.REFUSED
    assert verdict.why == "line 3 of pg_hba.conf says reject"


@pytest.mark.parametrize("method", ["trust", "password", "peer", "cert", "ldap", "gss", "radius"])
def test_another_proof_than_scram_is_not_enough(method: str):
    assert ask(rule(method=method), rule(line=2)).admission is Admission.OTHER


def test_a_certificate_that_names_the_role_does_not_name_the_next_slot():
    verdict = ask(rule(certificate="verify-full"))
    assert verdict.admission is Admission.OTHER
    assert "clientcert=verify-full" in verdict.why
    assert ask(rule(certificate="verify-ca")).admission is Admission.ADMITTED


@pytest.mark.parametrize(
    ("kind", "with_tls", "without"),
    [
        ("host", True, True),
        ("hostssl", True, False),
        ("hostnossl", False, True),
        ("hostnogssenc", True, True),
        ("hostgssenc", False, False),
        ("local", False, False),
    ],
)
def test_the_kind_of_connection_decides_whether_a_rule_counts(kind: str, with_tls: bool, without: bool):  # noqa: FBT001
    found = {tls: ask(rule(kind=kind), tls=tls).admission is Admission.ADMITTED for tls in (True, False)}
    assert found == {True: with_tls, False: without}


@pytest.mark.parametrize(
    ("address", "mask", "client", "matches"),
    [
        ("10.0.0.0", "255.0.0.0", "10.255.255.255", True),
        ("10.0.0.0", "255.0.0.0", "11.0.0.0", False),
        ("10.1.2.3", "255.255.255.255", "10.1.2.3", True),
        ("10.1.2.3", "255.255.255.255", "10.1.2.4", False),
        ("10.9.9.9", "255.0.0.0", "10.1.2.3", True),  # bits outside the mask mean nothing
        ("10.0.2.0", "255.0.255.0", "10.77.2.9", True),  # a mask with holes
        ("10.0.2.0", "255.0.255.0", "10.77.3.9", False),
        (ANY, ANY, "203.0.113.5", True),
        (ANY, ANY, "2001:db8::1", False),
        ("::", "::", "2001:db8::1", True),
        ("::", "::", "10.1.2.3", False),
        ("2001:db8::", "ffff:ffff::", "2001:db8:1::1", True),
        ("2001:db8::", "ffff:ffff::", "2001:db9::1", False),
        ("all", "", "10.1.2.3", True),
        ("all", "", "2001:db8::1", True),
    ],
)
def test_addresses_match_by_family_and_mask(address: str, mask: str, client: str, matches: bool):  # noqa: FBT001
    wanted = Admission.ADMITTED if matches else Admission.REFUSED
    assert ask(rule(address=address, mask=mask), address=client).admission is wanted


@pytest.mark.parametrize("address", ["samenet", "samehost", "app.example.com", ".example.com"])
def test_what_only_the_server_can_resolve_is_unknown_unless_all_ways_lead_to_the_same(address: str):
    unclear = rule(address=address, mask="")
    assert ask(unclear).admission is Admission.UNKNOWN
    assert ask(unclear).rule == unclear
    assert ask(unclear, rule(line=2)).admission is Admission.ADMITTED
    assert ask(unclear, rule(line=2, method="reject")).admission is Admission.UNKNOWN
    assert ask(rule(address=address, mask="", method="reject")).admission is Admission.REFUSED
    assert ask(rule(address=address, mask="", method="trust")).admission is not Admission.ADMITTED


def test_an_address_that_cannot_be_read_is_not_guessed_at():
    assert ask(rule(), address="socket").admission is Admission.UNKNOWN


@pytest.mark.parametrize(
    ("users", "matches"),
    [
        (("all",), True),
        ((NEW,), True),
        (("orders_a",), False),
        (("orders_a", NEW), True),
        ((f"+{OWNER}",), True),
        (("+staff",), True),  # through the owner
        ((f"+{NEW}",), True),  # every role is a member of itself
        (("+others",), False),
        (("Orders_b",), False),
        (("/^orders_",), True),
        (("/^other",), False),
    ],
)
def test_users_match_by_name_group_or_pattern(users: tuple[str, ...], matches: bool):  # noqa: FBT001
    patterns = {"/^orders_": frozenset({"orders_a", NEW})}
    wanted = Admission.ADMITTED if matches else Admission.REFUSED
    assert ask(rule(users=users), patterns=patterns).admission is wanted


@pytest.mark.parametrize(
    ("databases", "database", "matches"),
    [
        (("all",), "shop", True),
        (("shop",), "shop", True),
        (("archive", "shop"), "shop", True),
        (("archive",), "shop", False),
        (("sameuser",), "shop", False),
        (("sameuser",), NEW, True),
        (("samerole",), "shop", False),
        (("samerole",), OWNER, True),
        (("samegroup",), "staff", True),
        (("replication",), "shop", False),
        (("replication",), "replication", False),
        (("/^sh",), "shop", True),
    ],
)
def test_databases_match_by_name_keyword_or_pattern(databases: tuple[str, ...], database: str, matches: bool):  # noqa: FBT001
    wanted = Admission.ADMITTED if matches else Admission.REFUSED
    patterns = {"/^sh": frozenset({"shop"})}
    assert ask(rule(databases=databases), database=database, patterns=patterns).admission is wanted


@pytest.mark.parametrize("field", ["users", "databases"])
def test_a_quoted_all_is_a_name(field: str):
    quoted = rule(quoted=True, **{field: ("all",)})
    assert ask(quoted).admission is Admission.UNKNOWN
    assert ask(quoted, rule(line=2)).admission is Admission.ADMITTED


def test_quotes_around_a_mere_name_change_nothing():
    assert ask(rule(quoted=True, users=(NEW,), databases=("shop",))).admission is Admission.ADMITTED
    assert ask(rule(quoted=True, users=("+staff",))).admission is not Admission.ADMITTED


def test_a_quoted_replication_is_a_databases_name():
    assert ask(rule(quoted=True, databases=("replication",)), database="replication").admission is Admission.UNKNOWN


def test_a_rule_of_an_included_file_is_named_with_its_file():
    assert ask(rule(line=7, file="apps.conf", method="reject")).why == "line 7 of apps.conf says reject"
