"""Whom pg_hba.conf lets in: the server's own rules, evaluated as the server does. Pure; knows no server.

The first rule that matches connection type, database, user and address decides; if none does, the login is refused
(https://www.postgresql.org/docs/current/auth-pg-hba-conf.html). A rule of which nobody can tell from here whether it
matches (host names, samenet, samehost, perhaps a quoted keyword) leaves both ways open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

_BY_SCRAM: Final = frozenset({"scram-sha-256", "md5"})  # md5 asks for SCRAM where a SCRAM verifier is stored
_WITH_TLS: Final = {"host": True, "hostnogssenc": True, "hostssl": True, "hostnossl": False}
_WITHOUT_TLS: Final = {"host": True, "hostnogssenc": True, "hostssl": False, "hostnossl": True}


class Match(StrEnum):
    """Does a rule match a login?"""

    YES = "Yes"
    NO = "No"
    MAYBE = "Maybe"  # only the server can tell


class Admission(StrEnum):
    """What the rules say to a login."""

    ADMITTED = "Admitted"  # and asked for SCRAM
    REFUSED = "Refused"
    OTHER = "Other"  # another proof than SCRAM, or none
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of pg_hba.conf as ``pg_hba_file_rules`` tells it, where quotes are gone."""

    line: int
    kind: str  # host, hostssl, hostnossl, hostgssenc, hostnogssenc, local
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str  # an address, all, samehost, samenet, a host name, or .a suffix of one
    mask: str  # empty where the address is no number
    method: str
    certificate: str = ""  # the option clientcert
    quoted: bool = False  # may hold quotes, which take a keyword's meaning away
    file: str = ""  # of an included one; empty for pg_hba.conf itself

    @property
    def place(self) -> str:
        """For people."""
        return f"line {self.line} of {self.file or 'pg_hba.conf'}"


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants in, from where, to what."""

    user: str
    groups: frozenset[str]  # itself, and every role it is a member of, transitively
    database: str
    address: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say, and the rule that says so; none: no rule matches."""

    admission: Admission
    rule: Rule | None = None

    @property
    def why(self) -> str:
        """In words, to follow 'is refused' and the like."""
        if self.rule is None:
            return "no line of pg_hba.conf matches"
        return f"{self.rule.place} says {method(self.rule)}"


def method(rule: Rule) -> str:
    """The rule's method, with the certificate it asks for besides."""
    return f"{rule.method} clientcert={rule.certificate}" if rule.certificate else rule.method


def admission(rules: Sequence[Rule], login: Login, patterns: Mapping[str, frozenset[str]]) -> Verdict:
    """What the first matching rule says; UNKNOWN where rules that may match say different things.

    ``patterns``: of each regular expression (a word that begins with /), the names it matches, as the server told.
    """
    verdicts = list(_possible(rules, login, patterns))
    if len({verdict.admission is Admission.ADMITTED for verdict in verdicts}) == 1:
        return verdicts[-1]
    return Verdict(Admission.UNKNOWN, verdicts[0].rule)


def _possible(rules: Sequence[Rule], login: Login, patterns: Mapping[str, frozenset[str]]) -> Iterator[Verdict]:
    for rule in rules:
        match = _matches(rule, login, patterns)
        if match is not Match.NO:
            yield Verdict(_outcome(rule), rule)
        if match is Match.YES:
            return
    yield Verdict(Admission.REFUSED)


def _outcome(rule: Rule) -> Admission:
    if rule.method == "reject":
        return Admission.REFUSED
    named = rule.certificate == "verify-full"  # the certificate names the role: the next slot's is another
    return Admission.ADMITTED if rule.method in _BY_SCRAM and not named else Admission.OTHER


def _matches(rule: Rule, login: Login, patterns: Mapping[str, frozenset[str]]) -> Match:
    if not (_WITH_TLS if login.tls else _WITHOUT_TLS).get(rule.kind, False):
        return Match.NO
    asked = (
        _any(_database(word, login, patterns, quoted=rule.quoted) for word in rule.databases),
        _any(_user(word, login, patterns, quoted=rule.quoted) for word in rule.users),
        _address(rule, login.address),
    )
    if Match.NO in asked:
        return Match.NO
    return Match.MAYBE if Match.MAYBE in asked else Match.YES


def _any(answers: Iterator[Match]) -> Match:
    found = set(answers)
    return next((match for match in (Match.YES, Match.MAYBE) if match in found), Match.NO)


def _database(word: str, login: Login, patterns: Mapping[str, frozenset[str]], *, quoted: bool) -> Match:
    if word.startswith("/"):
        return _as(answer=login.database in patterns.get(word, ()))
    literally = word == login.database
    keywords = {
        "all": True,
        "sameuser": login.database == login.user,
        "samerole": login.database in login.groups,
        "samegroup": login.database in login.groups,
        "replication": False,  # walsenders only
    }
    return _keyword(meant=keywords.get(word), literally=literally, quoted=quoted)


def _user(word: str, login: Login, patterns: Mapping[str, frozenset[str]], *, quoted: bool) -> Match:
    if word.startswith("/"):
        return _as(answer=login.user in patterns.get(word, ()))
    group = word[1:] in login.groups if word.startswith("+") else None
    return _keyword(meant=True if word == "all" else group, literally=word == login.user, quoted=quoted)


def _keyword(*, meant: bool | None, literally: bool, quoted: bool) -> Match:
    """A keyword in quotes is a name; where quotes may have been there, both readings count."""
    if meant is None:
        return _as(answer=literally)
    if quoted and meant is not literally:
        return Match.MAYBE
    return _as(answer=meant)


def _address(rule: Rule, client: str) -> Match:
    if rule.address == "all":
        return Match.YES
    try:
        ours = ip_address(client)
        theirs, mask = ip_address(rule.address), ip_address(rule.mask)
    except ValueError:
        return Match.MAYBE  # samenet, samehost, host names: only the server knows
    return _as(answer=theirs.version == ours.version and (int(ours) ^ int(theirs)) & int(mask) == 0)


def _as(*, answer: bool) -> Match:
    return Match.YES if answer else Match.NO
