"""Preflight's questions about the server and the rotator: version, language, room for both pools, the rotator's rights.

Changes nothing.
"""

from __future__ import annotations

from typing import Final

from keyturn.ports import Credential, Endpoint, KeyturnError
from keyturn.providers.postgres.connections import Connection, Connector
from keyturn.providers.postgres.failures import Login, LoginFailed
from keyturn.providers.postgres.findings import Findings, ask
from keyturn.providers.postgres.identity import read_system
from keyturn.providers.telling import listed

FUNCTIONS_VERSION: Final = 3
# The first minors that honour ALTER ROLE … SET role at login (release notes of 15.10, 16.6, 17.2)
_LEAST: Final = {15: 150010, 16: 160006, 17: 170002}


def too_old(version: int) -> str:
    """Why a server of this number (150018 is 15.18) cannot be used; empty if it can."""
    major, minor = divmod(version, 10000)
    if major < 15:
        return "PostgreSQL 15 or newer is needed: upgrade the server."
    if version < _LEAST.get(major, 0):
        return f"PostgreSQL {major}.{minor} ignores ALTER ROLE … SET role at login: upgrade to the newest minor."
    return ""


async def _version(connection: Connection, findings: Findings) -> None:
    if message := too_old(connection.info.server_version):
        findings.block("ServerTooOld", message)


async def _language(connection: Connection, findings: Findings) -> None:
    ((language,),) = await ask(connection, "SELECT current_setting('lc_messages')")
    if language and not str(language).startswith(("C", "POSIX", "en")):
        findings.block(
            "ServerSpeaksAnotherLanguage",
            f"lc_messages is {language!r}; at login PostgreSQL tells a disabled role from a wrong password in words "
            "only. "
            "Set lc_messages = 'C' in postgresql.conf and reload.",
        )


_ROOM: Final = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0)
             - (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL) AS free,
           (SELECT CASE WHEN datconnlimit < 0 THEN NULL ELSE datconnlimit - (
                SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid) END
            FROM pg_database d WHERE datname = current_database()) AS free_here,
           (SELECT count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
            WHERE r.rolname = %s) AS needed
"""


async def _room(connection: Connection, findings: Findings) -> None:
    ((free, free_here, needed),) = await ask(connection, _ROOM, [findings.current])
    if needed > free:
        findings.block(
            "TooFewConnections",
            f"While consumers move over, both pools are open: {needed} more connections are needed, {free} are free. "
            "Raise "
            "max_connections or make the pools smaller.",
        )
    if free_here is not None and needed > free_here:
        findings.block(
            "TooFewConnections",
            f"The database's CONNECTION LIMIT leaves {free_here} connections free; {needed} are needed while both "
            "pools are "
            "open. Raise it.",
        )


async def _rotator(connection: Connection, findings: Findings) -> None:
    rows = await ask(connection, "SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = session_user")
    ((superuser, createrole),) = rows
    if superuser:
        findings.block(
            "RotatorIsSuperuser",
            "The admin Secret holds a superuser: far more than rotation needs. Make a rotator with the SQL in "
            "docs/providers/postgres.",
        )
    if findings.settings.functions:
        await _functions(connection, findings)
    else:
        await _createrole(connection, findings, has_attribute=bool(createrole))


_INSTALLED: Final = """
    SELECT count(*), bool_and(r.rolsuper) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_roles r ON r.oid = p.proowner
    WHERE n.nspname = 'keyturn' AND p.proname = ANY(%s) AND has_schema_privilege(n.oid, 'USAGE')
      AND has_function_privilege(p.oid, 'EXECUTE')
"""
_CALLED: Final = (
    "version", "listed", "ensure", "enable", "disable", "contain", "retire", "terminate", "sessions", "rules",
)  # fmt: skip


async def _functions(connection: Connection, findings: Findings) -> None:
    ((count, superusers),) = await ask(connection, _INSTALLED, [list(_CALLED)])
    if count != len(_CALLED):
        findings.block(
            "FunctionsMissing",
            f"The rotator can call {count} of {len(_CALLED)} functions of schema keyturn in "
            f"{findings.settings.database}: run functions.sql there, or set rotator: CreateRole.",
        )
        return
    if not superusers:
        findings.block(
            "FunctionsNotTrusted",
            "Functions of schema keyturn belong to a role that is no superuser, which could change what they do. "
            "Drop the "
            "schema and run functions.sql as a superuser.",
        )
        return  # never call them
    ((version,),) = await ask(connection, "SELECT keyturn.version()")
    if version != FUNCTIONS_VERSION:
        findings.block(
            "FunctionsOutdated", "The installed functions are of another Keyturn version: run functions.sql again."
        )
    rows = await ask(connection, "SELECT role::text, owner::text FROM keyturn.listed()")
    owners = {str(role): str(owner) for role, owner in rows}
    absent = [role for role in findings.settings.principals if owners.get(role) != findings.settings.owner]
    if absent:
        findings.block(
            "RoleNotManaged",
            f"The installed functions do not know {listed(absent)} as roles of {findings.settings.owner}: run "
            "functions.sql "
            "with this plan's owner and slots.",
        )


_ADMIN_ON: Final = """
    SELECT r.rolname::text FROM pg_roles r WHERE r.rolname = ANY(%s) AND NOT EXISTS (
        SELECT 1 FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member
        WHERE m.roleid = r.oid AND u.rolname = session_user AND m.admin_option)
    ORDER BY 1
"""
_HELPERS: Final = """
    SELECT r::text FROM unnest(ARRAY['pg_signal_backend', 'pg_read_all_stats']) r
    WHERE NOT pg_has_role(r::name, 'USAGE')
"""


async def _createrole(connection: Connection, findings: Findings, *, has_attribute: bool) -> None:
    if not has_attribute:
        findings.block(
            "RotatorLacksRights", "The rotator has no CREATEROLE: run the createrole SQL, or use rotator: Functions."
        )
    if missing := await ask(connection, _HELPERS):
        findings.block(
            "RotatorLacksRights", f"The rotator is no member of {listed(str(row[0]) for row in missing)}: GRANT it."
        )
    if connection.info.server_version >= 160000:
        if missing := await ask(connection, _ADMIN_ON, [list(findings.settings.principals)]):
            findings.block(
                "RotatorLacksRights",
                f"The rotator has no ADMIN on {listed(str(row[0]) for row in missing)}: run createrole-16.sql again.",
            )
    elif not findings.settings.acknowledged_15:
        findings.block(
            "CreateRoleOn15",
            "On PostgreSQL 15 CREATEROLE can take over every role but superusers. Use rotator: Functions, or say "
            "acknowledgeCreateRoleOn15: true in the provider.",
        )


_LOGIN_PROBLEMS: Final = {
    Login.NOT_SCRAM: (
        "NotScram",
        (
            "asked for another proof than SCRAM-SHA-256 and was given nothing: set password_encryption = "
            "scram-sha-256, "
            "set the "
            "role's password again, and use scram-sha-256 in pg_hba.conf"
        ),
    ),
    Login.TLS: (
        "TlsFailed",
        "could not be verified by TLS: its certificate must name the host and be signed by ca.crt",
    ),
    Login.NOT_ADMITTED: ("NotAdmitted", "does not admit the role from the operator's address: see pg_hba.conf"),
    Login.NO_CONNECT: ("NoConnect", "refuses the role the database: GRANT CONNECT to the owner"),
    Login.NO_DATABASE: ("NoSuchDatabase", "has no such database: correct spec.postgres.database"),
    Login.WRONG: ("CurrentRefused", "refuses the credential that the Secret holds: wrong password, or no such role"),
    Login.DISABLED: ("CurrentDisabled", "says that the role in the Secret may not log in (NOLOGIN)"),
    Login.DOWN: ("EndpointDown", "cannot be reached, or accepts no connections just now"),
}


async def endpoint_problems(connector: Connector, endpoint: Endpoint, current: Credential, findings: Findings) -> None:
    """Why consumers could not use this endpoint. Never raises."""
    where = f"Endpoint {endpoint.name} ({endpoint.host}:{endpoint.port})"
    try:
        async with connector.login(endpoint, current, "preflight") as (session, _):
            if (await read_system(session)).in_recovery:
                findings.block("EndpointIsStandby", f"{where} is a standby: endpoints must take writes.")
    except LoginFailed as failed:
        reason, text = _LOGIN_PROBLEMS[failed.kind]
        findings.block(reason, f"{where} {text}.")
    except KeyturnError as error:
        findings.block("EndpointDown", f"{where}: {error.message}")


SERVER_CHECKS = (_version, _language, _room, _rotator)
