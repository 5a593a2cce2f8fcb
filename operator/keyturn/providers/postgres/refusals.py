"""What this provider refuses, in fixed words with the way out: one table for us and for the installed functions.

Nothing here talks to a server.
"""

from __future__ import annotations

from keyturn.ports import Denied

# SQLSTATE raised by docs/providers/postgres/functions.sql -> reason, message
_TABLE: dict[str, tuple[str, str]] = {
    "KT001": (
        "RoleNotManaged",
        (
            "The role is not in the list of the installed functions. Run functions.sql again with this plan's owner "
            "and "
            "slots."
        ),
    ),
    "KT002": (
        "NotAVerifier",
        (
            "Only SCRAM-SHA-256 verifiers are accepted; nothing was changed. Install the functions of this Keyturn "
            "version."
        ),
    ),
    "KT003": (
        "OtherPlansRole",
        "The role carries the tag of another plan. Two plans cannot rotate one role: give this plan slots of its own.",
    ),
    "KT004": (
        "NewerLeader",
        (
            "An operator with a newer lease epoch, or the way back of this rotation, has changed the role since; this "
            "change stands back. If the Lease was deleted on purpose, lower epoch=… in the role's comment "
            "(COMMENT ON ROLE)."
        ),
    ),
    "KT005": (
        "SlotNotOurs",
        (
            "The free slot exists and carries no tag of this plan. Drop the role, or hand it over by putting "
            "'keyturn:v1 plan=<namespace>/<plan> rotation=- gen=0 epoch=0 state=retired' into its comment."
        ),
    ),
    "KT006": (
        "RoleTooPowerful",
        (
            "The role is, or reaches, SUPERUSER, CREATEROLE, REPLICATION, BYPASSRLS or a pg_* role, or a slot is "
            "a member of more than its owner. Keyturn does not rotate such roles: take that away."
        ),
    ),
    "KT007": (
        "StillEnabled",
        "The role can still log in. It is made unusable only after it was disabled.",
    ),
    "KT008": (
        "StillInUse",
        "The role has open sessions or prepared transactions. End them, or wait until they end.",
    ),
    "KT009": (
        "AlreadyRetired",
        "The role was retired: its former value cannot come back. The next rotation gives it a new one.",
    ),
    "KT010": (
        "BadTag",
        "The tag is not one of ours; nothing was changed. Install the functions of this Keyturn version.",
    ),
    "KT011": (
        "SlotInUse",
        (
            "The free slot can log in or has sessions, and not because of this rotation. See who uses it, then "
            "ALTER ROLE … NOLOGIN."
        ),
    ),
    "KT012": ("RoleMissing", "The role does not exist. If somebody dropped a slot, run functions.sql again."),
    "KT013": (
        "SlotNotPrepared",
        (
            "Sessions of the free slot would not act as the owner: ALTER ROLE <slot> SET role TO '<owner>', as "
            "functions.sql does."
        ),
    ),
    "KT014": (
        "NotContainable",
        (
            "A role that shall be cut off is a superuser, may replicate, is the rotator, is declared (keyturn:known), "
            "belongs to a plan, or does not reach this plan's data: nothing was changed. Take it off the list, or see "
            "to it yourself (ALTER ROLE … NOLOGIN)."
        ),
    ),
    "KT015": (
        "StrangerOutOfReach",
        (
            "The rotator has no ADMIN on a role that shall be cut off: nothing was changed. As an administrator GRANT "
            "<stranger> TO <rotator> WITH ADMIN TRUE, INHERIT FALSE, SET FALSE, or ALTER ROLE <stranger> NOLOGIN."
        ),
    ),
    "KT016": (
        "LogTooBusy",
        (
            "The server logs more in a moment than can be read in one: refused logins may be missed, so nothing is "
            "concluded. Log less, or drop schema keyturn_log and accept a blind Watch (retire.acceptBlindWatch)."
        ),
    ),
}


def refusal(code: str) -> Denied | None:
    """The refusal of that SQLSTATE, or None if it is not one of ours."""
    entry = _TABLE.get(code)
    return Denied(*entry) if entry else None


def refused(code: str) -> Denied:
    """The refusal of that code, which must be one of ours."""
    return Denied(*_TABLE[code])
