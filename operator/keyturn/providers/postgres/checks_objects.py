"""Preflight's questions about what hangs on the login's name: objects, privileges, policies, code, jobs.

Changes nothing, and reads no data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from keyturn.providers.postgres.connections import Connection
from keyturn.providers.postgres.findings import Findings, ask
from keyturn.providers.postgres.tags import REVIEWED
from keyturn.providers.telling import listed

# shared catalog: covers every database of the server
_DEPENDS: Final = """
    SELECT r.rolname::text, s.deptype::text, coalesce(d.datname::text, 'all databases'), count(*)
    FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid AND s.refclassid = 'pg_authid'::regclass
    LEFT JOIN pg_database d ON d.oid = s.dbid
    WHERE r.rolname = ANY(%s) AND s.classid <> 'pg_auth_members'::regclass
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_DEPENDENCIES: Final = {
    "o": (
        "SlotOwnsObjects",
        "owns {n} objects in {db}; the next slot could not alter them. There: REASSIGN OWNED BY {r} TO {o}.",
    ),
    "a": (
        "SlotHoldsRights",
        (
            "holds privileges of its own on {n} objects in {db}; the next slot would not. GRANT them to {o}, REVOKE "
            "them "
            "from {r}."
        ),
    ),
    "i": (
        "SlotHoldsRights",
        "holds initial privileges on {n} objects in {db}: GRANT them to {o}, REVOKE them from {r}.",
    ),
    "r": (
        "SlotInPolicy",
        (
            "is named by {n} row security policies in {db}, which would not apply to the next slot: ALTER POLICY … "
            "TO {o}. "
            "Never DROP OWNED: it deletes policies."
        ),
    ),
}


async def _dependencies(connection: Connection, findings: Findings) -> None:
    for role, kind, database, count in await ask(connection, _DEPENDS, [list(findings.settings.slots)]):
        if kind in _DEPENDENCIES:
            reason, text = _DEPENDENCIES[kind]
            findings.block(reason, f"{role} " + text.format(n=count, db=database, r=role, o=findings.settings.owner))


def _logins(findings: Findings) -> list[str]:
    """Roles that log in now and will not after the rotation."""
    return sorted({*findings.settings.slots, *([findings.current] if findings.current else [])})


_SUBSCRIPTIONS: Final = """
    SELECT s.subname::text FROM pg_subscription s JOIN pg_roles r ON r.oid = s.subowner
    WHERE r.rolname = ANY(%s) ORDER BY 1
"""
_MAPPINGS: Final = "SELECT DISTINCT srvname::text FROM pg_user_mappings WHERE usename = ANY(%s) ORDER BY 1"
_PREPARED: Final = "SELECT gid::text FROM pg_prepared_xacts WHERE owner = ANY(%s) ORDER BY 1"
_SENDERS: Final = """
    SELECT r.rolname::text FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
    WHERE a.backend_type = 'walsender' AND r.rolname = ANY(%s) ORDER BY 1
"""
_SENDERS_INSTALLED: Final = """
    SELECT principal FROM keyturn.sessions() WHERE kind = 'walsender' AND principal = ANY(%s) ORDER BY 1
"""  # without pg_read_all_stats nobody sees what kind of process another role's is


async def _attachments(connection: Connection, findings: Findings) -> None:
    logins = _logins(findings)
    senders = _SENDERS_INSTALLED if findings.settings.functions and findings.callable else _SENDERS
    for query, names, reason, text in (
        (_SUBSCRIPTIONS, logins, "SubscriptionOwned",
         ("Subscriptions belong to a role that will lose its login, and their apply workers would stop: {}. "
         "ALTER SUBSCRIPTION … OWNER TO a role of its own.")),
        (_PREPARED, logins, "PreparedTransaction",
         "Prepared transactions outlive sessions and still belong to this login: {}. COMMIT or ROLLBACK PREPARED."),
        (senders, logins, "ReplicationSession",
         "A replication connection is open as {}. Give replication a role of its own."),
        (_MAPPINGS, list(findings.settings.slots), "UserMappingOnSlot",
         "User mappings of foreign servers belong to a slot; the next slot has none: {}. Create them for the owner."),
    ):  # fmt: skip
        found = [str(row[0]) for row in await ask(connection, query, [names])]
        if found:
            findings.block(reason, text.format(listed(found)))


_CRON: Final = """
    SELECT to_regclass('cron.job') IS NOT NULL
       AND has_schema_privilege('cron', 'USAGE') AND has_table_privilege('cron.job', 'SELECT')
       AND (SELECT NOT relrowsecurity FROM pg_class WHERE oid = to_regclass('cron.job'))
"""


async def _jobs(connection: Connection, findings: Findings) -> None:
    ((exists,),) = await ask(connection, "SELECT to_regclass('cron.job') IS NOT NULL")
    if not exists:
        return
    ((readable,),) = await ask(connection, _CRON)
    if not readable:
        findings.note(
            "JobsNotAsked", "pg_cron shows its jobs to their owners only: look for jobs of the slots in cron.job."
        )
        return
    rows = await ask(connection, "SELECT jobid::text FROM cron.job WHERE username = ANY(%s)", [_logins(findings)])
    if rows:
        findings.block(
            "ScheduledJob",
            f"pg_cron jobs run as a role that will lose its login: {listed(str(row[0]) for row in rows)}. "
            "Give those jobs a role of their own (column username of cron.job).",
        )


# Code that looks at who logged in. current_user is safe: it is the owner, before and after.
_CODE: Final = """
    WITH code AS (
        SELECT 'policy ' || p.polname || ' on ' || p.polrelid::regclass AS what,
               concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) AS text,
               obj_description(p.oid, 'pg_policy') AS comment, c.relnamespace AS namespace,
               'pg_policy'::regclass AS class, p.oid
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        UNION ALL
        SELECT 'function ' || p.oid::regprocedure,
               CASE WHEN p.prosqlbody IS NULL THEN p.prosrc ELSE pg_get_function_sqlbody(p.oid) END,
               obj_description(p.oid, 'pg_proc'), p.pronamespace, 'pg_proc'::regclass, p.oid FROM pg_proc p
        UNION ALL
        SELECT 'view ' || c.oid::regclass, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class'), c.relnamespace,
               'pg_class'::regclass, c.oid
        FROM pg_class c WHERE c.relkind IN ('v', 'm')
        UNION ALL
        SELECT 'default of ' || a.adrelid::regclass || '.' || t.attname, pg_get_expr(a.adbin, a.adrelid),
               col_description(a.adrelid, a.adnum), c.relnamespace, 'pg_class'::regclass, c.oid
        FROM pg_attrdef a JOIN pg_class c ON c.oid = a.adrelid
        JOIN pg_attribute t ON t.attrelid = a.adrelid AND t.attnum = a.adnum
    )
    SELECT what FROM code JOIN pg_namespace n ON n.oid = code.namespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'keyturn') AND n.nspname NOT LIKE 'pg\\_temp%%'
      AND (text ~* '\\m(session_user|system_user)\\M'
           OR EXISTS (SELECT 1 FROM unnest(%(slots)s::text[]) slot WHERE strpos(text, quote_literal(slot)) > 0))
      AND coalesce(comment, '') NOT LIKE '%%' || %(reviewed)s || '%%'
      AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = code.class AND e.objid = code.oid AND e.deptype = 'e')
    ORDER BY 1
"""


async def _code(connection: Connection, findings: Findings) -> None:
    rows = await ask(connection, _CODE, {"slots": list(findings.settings.slots), "reviewed": REVIEWED})
    if rows:
        findings.block(
            "LoginNameInCode",
            "The login's name changes with every rotation, and this looks at it (session_user, or a slot's name): "
            f"{listed(_words(rows))}. Use current_user, which stays the owner; or, if it does no harm, put "
            f"'{REVIEWED}' into the object's comment.",
        )
    triggers = await ask(
        connection,
        "SELECT evtname::text FROM pg_event_trigger WHERE evtevent = 'login' AND evtenabled <> 'D' ORDER BY 1",
    )
    if triggers:
        findings.note(
            "LoginTriggersNotTried",
            f"These run at every login: {listed(_words(triggers))}. They are tried with the new role in Create only.",
        )
    databases = await ask(
        connection,
        "SELECT datname::text FROM pg_database WHERE datallowconn AND NOT datistemplate "
        "AND datname NOT IN (current_database(), 'postgres') ORDER BY 1",
    )
    if databases:
        findings.note(
            "OtherDatabasesNotAsked",
            f"Policies and functions of other databases cannot be read from here: {listed(_words(databases))}. If "
            "consumers "
            "use them, look there for session_user and the slots' names.",
        )


def _words(rows: Iterable[tuple[object, ...]]) -> list[str]:
    return [str(row[0]) for row in rows]


async def _poolers(_: Connection, findings: Findings) -> None:
    findings.note(
        "PoolersNotAsked",
        "A pooler between consumers and server has its own list of users (auth_file, auth_query), reset query and "
        "lifetime of "
        "server connections: it must admit both slots.",
    )


OBJECT_CHECKS = (_dependencies, _attachments, _jobs, _code, _poolers)
