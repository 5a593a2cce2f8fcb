"""Preflight's question to pg_hba.conf: will the next slot be let in wherever consumers log in today? Changes nothing.

Nobody else than the server could try it: a login from a consumer's address would need the new value there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keyturn.providers.postgres.admission import Admission, Login, Rule, Verdict, admission
from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.findings import Findings, ask
from keyturn.providers.telling import listed

_COLUMNS: Final = "line, kind, databases, users, address, mask, method, certificate, quoted, file, broken, in_force"
_INSTALLED: Final = f"SELECT {_COLUMNS} FROM keyturn.rules()"  # noqa: S608  no input in it
# Without the file's text nobody can tell quotes; they matter only if something is named like a keyword.
_DIRECT: Final = """
    SELECT r.line_number, coalesce(r.type, ''), coalesce(r.database, '{}'), coalesce(r.user_name, '{}'),
           coalesce(r.address, ''), coalesce(r.netmask, ''), coalesce(r.auth_method, ''),
           coalesce((SELECT split_part(o, '=', 2) FROM unnest(r.options) o WHERE o LIKE 'clientcert=%%'), ''),
           EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'all' OR rolname LIKE '+%%')
             OR EXISTS (SELECT 1 FROM pg_database
                        WHERE datname IN ('all', 'sameuser', 'samerole', 'samegroup', 'replication')),
           '', r.error IS NOT NULL, true
    FROM pg_hba_file_rules r WHERE r.type IS DISTINCT FROM 'local'
    ORDER BY (to_jsonb(r) ->> 'rule_number')::integer NULLS LAST, r.line_number
"""
_GRANTED: Final = """
    SELECT has_table_privilege('pg_hba_file_rules', 'SELECT')
       AND has_function_privilege('pg_hba_file_rules()', 'EXECUTE')
"""
_GROUPS: Final = """
    WITH RECURSIVE reach(start, oid) AS (
        SELECT rolname, oid FROM pg_roles WHERE rolname = ANY(%s)
        UNION
        SELECT r.start, m.roleid FROM pg_auth_members m JOIN reach r ON m.member = r.oid
    )
    SELECT start::text, array_agg(p.rolname::text) FROM reach JOIN pg_roles p USING (oid) GROUP BY 1
"""
_PATTERNS: Final = """
    SELECT token, array_agg(name) FROM unnest(%s::text[]) token, unnest(%s::text[]) name
    WHERE name ~ (substr(token, 2) COLLATE "C") GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Book:
    """The rules, and what it takes to read them."""

    rules: tuple[Rule, ...]
    patterns: Mapping[str, frozenset[str]]
    groups: Mapping[str, frozenset[str]]
    tls: tuple[bool, ...]  # the ways in which the server can be reached

    def asks(self, user: str, database: str, address: str) -> dict[bool, Verdict]:
        """What the rules say to this login, with and without TLS."""
        groups = self.groups[user]
        return {
            tls: admission(self.rules, Login(user, groups, database, address, tls), self.patterns) for tls in self.tls
        }


async def _admitted(connection: Connection, findings: Findings) -> None:
    rows = await _rows(connection, findings)
    if rows is None:
        return
    if broken := [row[0] for row in rows if row[10]]:
        findings.block(
            "HbaNotInForce",
            f"Line {broken[0]} of pg_hba.conf has an error (see pg_hba_file_rules): the server goes by older rules "
            "that nobody can read, and would not start again. Correct it and SELECT pg_reload_conf().",
        )
        return
    if not all(row[11] for row in rows):
        findings.block(
            "HbaNotInForce",
            "pg_hba.conf was changed after the server last read it, so nobody can tell whom it lets in. "
            "SELECT pg_reload_conf().",
        )
        return
    rules = tuple(Rule(row[0], row[1], tuple(row[2]), tuple(row[3]), *row[4:10]) for row in rows)
    _by_name(rules, findings)
    _by_address(await _book(connection, findings, rules), findings)


async def _rows(connection: Connection, findings: Findings) -> list[tuple[Any, ...]] | None:
    if findings.settings.functions:
        return await ask(connection, _INSTALLED) if findings.callable else None
    ((granted,),) = await ask(connection, _GRANTED)
    if granted:
        return await ask(connection, _DIRECT)
    findings.note(
        "HbaNotAsked",
        "Who is let in from where is shown to superusers only: look whether pg_hba.conf admits both slots by "
        "scram-sha-256 from every consumer's address, or GRANT the rotator SELECT on pg_hba_file_rules and EXECUTE on "
        "pg_hba_file_rules().",
    )
    return None


async def _book(connection: Connection, findings: Findings, rules: tuple[Rule, ...]) -> Book:
    settings = findings.settings
    names: list[str] = [*settings.principals, *([findings.current] if findings.current else [])]
    found = {str(name): frozenset(groups) for name, groups in await ask(connection, _GROUPS, [names])}
    of_owner = found.get(settings.owner, frozenset()) | {settings.owner}
    groups = {name: found.get(name, frozenset()) | of_owner | {name} for name in names}
    tokens = sorted({t for rule in rules for t in (*rule.databases, *rule.users) if t.startswith("/")})
    patterns = {token: frozenset({token}) for token in tokens}  # before 16 a token like that is a mere name
    if tokens and connection.info.server_version >= 160000:
        rows = await ask(connection, _PATTERNS, [tokens, [*names, settings.database]])
        patterns = {str(token): frozenset(matched) for token, matched in rows}
    ((ssl,),) = await ask(connection, "SELECT current_setting('ssl') = 'on'")
    return Book(rules, patterns, groups, (True, False) if ssl else (False,))


def _by_name(rules: Sequence[Rule], findings: Findings) -> None:
    """Whatever the address: a line that names one slot and not the other."""
    settings = findings.settings
    roles, slots = set(settings.principals), set(settings.slots)
    for rule in rules:
        named, users = roles & set(rule.users), set(rule.users)
        if named and not slots <= users and "all" not in users and f"+{settings.owner}" not in users:
            findings.block(
                "HbaNamesOneRole",
                f"{rule.place.capitalize()} admits {listed(sorted(named))} by name, and not every slot: name both "
                f"slots, or +{settings.owner}.",
            )


def _by_address(book: Book, findings: Findings) -> None:
    """From each consumer's address, in every way in which the current role gets in there."""
    found: dict[tuple[str, Admission, str], list[str]] = {}
    for address in findings.clients:
        for slot in findings.settings.slots:
            for tls, verdict in _worst(book, findings, slot, address):
                where = address if len(book.tls) == 1 else f"{address} ({'with' if tls else 'without'} TLS)"
                found.setdefault((slot, verdict.admission, verdict.why), []).append(where)
    for (slot, kind, why), places in found.items():
        _tell(findings, slot, kind, f"{slot} from {listed(places)}: {why}")


def _worst(book: Book, findings: Findings, slot: str, address: str) -> list[tuple[bool, Verdict]]:
    """Where the slot would not surely get in, although the current role does, or nobody does at all."""
    asked = book.asks(slot, findings.settings.database, address)
    if findings.current and findings.current != slot:
        before = book.asks(findings.current, findings.settings.database, address)
        needed = [tls for tls, verdict in before.items() if verdict.admission is not Admission.REFUSED]
    else:
        needed = [tls for tls, verdict in asked.items() if verdict.admission is not Admission.REFUSED]
    return [(tls, asked[tls]) for tls in needed or book.tls if asked[tls].admission is not Admission.ADMITTED]


def _tell(findings: Findings, slot: str, kind: Admission, what: str) -> None:
    way_out = f"let pg_hba.conf admit +{findings.settings.owner} by scram-sha-256 from there, above that line"
    match kind:
        case Admission.REFUSED:
            findings.block(
                "HbaRefusesSlot",
                f"Consumers could not log in after the change. pg_hba.conf refuses {what}. To go on, {way_out}.",
            )
        case Admission.OTHER:
            findings.block(
                "HbaOtherMethod",
                f"pg_hba.conf asks {what}, which is no proof of the password by SCRAM, so {slot} could not be told "
                f"from somebody without it. To go on, {way_out}.",
            )
        case _:
            findings.note("HbaUncertain", f"Only the server can tell whether pg_hba.conf admits {what}. Look there.")


ADMISSION_CHECKS = (_admitted,)
