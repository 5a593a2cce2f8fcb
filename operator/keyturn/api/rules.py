"""What admission refuses, as CEL rules with the sentence that the user reads.

Rules only: what needs a running backend or another object is a condition, found by the reconciler. The API
server refuses rules over unbounded strings and lists as too costly: the bounds stand in the models.
Source of the language: https://kubernetes.io/docs/reference/using-api/cel/
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic.types import JsonValue

from keyturn.core.rendering import PLACEHOLDERS

KEY = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """One refusal: ``rule`` must hold, else ``message`` is shown beside the field."""

    rule: str
    message: str
    field_path: str = ""

    def as_schema(self) -> dict[str, JsonValue]:
        """As the CRD writes it."""
        place: dict[str, JsonValue] = {"fieldPath": self.field_path} if self.field_path else {}
        return {"rule": self.rule, "message": self.message} | place


def ruled(*rules: Rule, **extra: JsonValue) -> dict[str, JsonValue]:
    """For ``json_schema_extra``: these rules, and other keywords with ``_`` written for ``-``."""
    schema: dict[str, JsonValue] = {name.replace("_", "-"): value for name, value in extra.items()}
    if rules:
        schema[KEY] = [rule.as_schema() for rule in rules]
    return schema


def keyed(*keys: str) -> dict[str, JsonValue]:
    """A list that is a map: entries with the same keys are refused as duplicates, and merge under server-side apply."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def distinct(*rules: Rule) -> dict[str, JsonValue]:
    """A list that is a set: repeated entries are refused as duplicates."""
    return ruled(*rules, x_kubernetes_list_type="set")


_CRON_FIELD = "[0-9A-Z*/,#-]+"  # ranges are the schedule's to judge, which knows leap years too

# ------------------------------------------------------------------------------------------- single values

NAME = Rule(
    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    "write the name of a Kubernetes object: lower case letters and digits, with - and . between them",
)
DURATION = Rule(
    "self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h|d))+$')",
    "write a duration like 30s, 10m, 1h30m or 2d",
)
POSITIVE = Rule(
    "self.matches('[1-9]')",
    "a duration of zero would never leave time to finish; write one like 30s, 10m or 2d",
)
TEN_SECONDS = Rule(
    "self.matches('^([1-9][0-9]+([.][0-9]+)?s|[1-9][0-9]*([.][0-9]+)?(m([^s]|$)|h|d))')",
    "every look costs the API server and the backend something: write ten seconds or more, like 30s or 5m",
)
CLOCK_TIME = Rule(
    "self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "write a time of day like 09:30, from 00:00 to 23:59"
)
CRON = Rule(
    f"self == '' || self.upperAscii().matches('^{_CRON_FIELD}( +{_CRON_FIELD}){{4}}$')",
    "write five cron fields: minute hour day-of-month month day-of-week, like '0 3 * * 1'",
)
TIME_ZONE = Rule(
    "self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$')",
    "write a time zone by its IANA name, like Europe/Berlin or UTC",
)
HOST = Rule(
    "self.matches('^[A-Za-z0-9._:-]+$')",
    "write a host name or an address, without scheme, port or path",
)

# ------------------------------------------------------------------------------------------------- objects

TRAILING_STAR = Rule(
    "self.all(p, p.trim() != '' && p.matches('^[^*]*[*]?$'))",
    "write names, or patterns with a single * at the end, like orders_*",
)
PLAIN_NAMES = Rule(
    "self.all(p, p.trim() != '' && !p.contains('*'))", "write names of roles; patterns are not allowed for owners"
)

TWO_SLOTS = Rule(
    "self.slots.size() != 2 || self.slots[0] != self.slots[1]",
    "the two slots take turns, so they must be two different names",
    ".slots",
)
OWNER_APART = Rule(
    "!(self.owner in self.slots)",
    "the owner holds the rights and never logs in; name two others as slots",
    ".slots",
)

SECRET_KEYS = Rule(
    "self.all(k, k.matches('^[-._a-zA-Z0-9]+$'))",
    "keys of a Secret may hold letters, digits, -, _ and . only",
)
NOT_BLANK = Rule(
    "self.all(k, self[k].trim() != '')",
    "a template is empty or blank, and would write an empty value into the Secret; remove the key or fill the template",
)
HOLDS_PASSWORD = Rule(
    "self.exists(k, self[k].contains('{password}') || self[k].contains('{privateKey}'))",
    "no template holds {password} (of a certificate: {privateKey}), so the Secret would never change; add it to the "
    "key that consumers read",
)
KNOWN_PLACEHOLDERS = Rule(
    "self.all(k, self[k].findAll('[{][A-Za-z0-9_]+[}]').all(p, p in ["
    + ", ".join(f"'{{{name}}}'" for name in PLACEHOLDERS)
    + "]))",
    "a template holds an unknown placeholder; known are " + " ".join(f"{{{name}}}" for name in PLACEHOLDERS),
)

WINDOW_NOT_EMPTY = Rule("self.start != self.end", "start and end are equal: the window would never be open; move one")

URL_PATH = Rule(
    "self.matches('^/[A-Za-z0-9._~/-]*$')",
    "write a path like /-/reload: letters, digits and . _ ~ - / only, without a query",
)
RELOAD_HTTP = Rule(
    "(has(self.reload) && self.reload == 'Http') == has(self.reloadHttp)",
    "reload: Http and reloadHttp belong together: set both, or neither",
    ".reload",
)
RELOAD_SIGNAL = Rule(
    "(has(self.reload) && self.reload == 'Signal') == has(self.reloadSignal)",
    "reload: Signal and reloadSignal belong together: set both, or neither",
    ".reload",
)
SOMEBODY_TO_PROVE = Rule(
    "!has(self.discover) || self.discover != 'None' || (has(self.list) && self.list.size() > 0)",
    "discover: None needs at least one workload in list, else nobody could prove anything",
)

PROVIDER_FIXED = Rule(
    "self.providerRef == oldSelf.providerRef",
    "providerRef cannot change: the credentials live at that backend; delete this plan and write a new one",
    ".providerRef",
)
SECRET_FIXED = Rule(
    "self.secret.name == oldSelf.secret.name",
    "secret.name cannot change: consumers of the present Secret would be forgotten; delete this plan, write a new one",
    ".secret",
)

ABORT_STAYS = Rule(
    "!oldSelf.abort || self.abort",
    "an abort cannot be taken back; ask for a new Rotation when this one is over",
    ".abort",
)
RETRY_GROWS = Rule(
    "!has(oldSelf.retry) || (has(self.retry) && self.retry >= oldSelf.retry)",
    "retry counts how often it was tried again: it only grows",
    ".retry",
)
LOSS_STAYS = Rule(
    "!has(oldSelf.acceptLoss) || (has(self.acceptLoss) && oldSelf.acceptLoss.all(uid, uid in self.acceptLoss))",
    "a loss once accepted stays on the record; add pods, do not take any away",
    ".acceptLoss",
)
RECORD_FIXED = Rule(
    "self.planRef == oldSelf.planRef && self.reason == oldSelf.reason && self.mode == oldSelf.mode"
    " && (has(self.requestedBy) ? self.requestedBy : '') == (has(oldSelf.requestedBy) ? oldSelf.requestedBy : '')",
    "a Rotation is a record: only abort, pause, retry and acceptLoss may change; create another Rotation instead",
)

APPROVAL_FIXED = Rule(
    "self == oldSelf", "an approval is never changed: delete it to take it back, and approve anew what is shown now"
)
DIGEST = Rule(
    "self.matches('^[0-9a-f]{64}$')",
    "write status.approval.digest of the rotation, as kubectl keyturn approve shows it",
)
NOT_OURS = Rule(
    "!self.name.matches('^keyturn-(escrow-|probe-|acceptors-|master$|injector)')",
    "Secrets whose names start like that are Keyturn's own; name the one that holds your credential",
    ".name",
)

PLAN_NAME = Rule(
    "self.metadata.name.size() <= 63",
    "the name of a plan is used in labels and names of other objects: at most 63 characters",
)
