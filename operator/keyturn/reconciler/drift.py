"""Drift: what a plan at rest finds other than it was left. Looks, judges, tells; mends nothing.

The only thing ever written is the plan's status, and only when what was found changes. What could not be looked at says
nothing: what was found there before stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from keyturn.api.conditions import ConditionType, Reason, set_condition
from keyturn.api.plan_kinds import DriftLine, PlanStatus, RotationPlanSpec
from keyturn.core.model import Existence, Problem, Trial
from keyturn.core.rendering import Login, Place, TemplateMismatch, extract, render
from keyturn.ports import (
    Announcement,
    Clock,
    Cluster,
    Credential,
    Escrow,
    KeyturnError,
    OutcomeUnknown,
    PlanRecord,
    Principal,
    Provider,
    Reporter,
    SecretRecord,
    Unavailable,
)
from keyturn.reconciler import checklist

LEAST = timedelta(seconds=10)  # between two looks at a plan, whatever it says
EXPIRES_SOON = timedelta(days=7)
_MOST_LINES = 50
_UNLISTED = "this backend gives no list of credentials: who else has one, nobody has looked at"
_MOST_TOLD = 3  # in the condition's message; the list in the status has them all

Found = Sequence[Problem] | None  # None: nobody could look
Turn = tuple[int, int]  # the plan's generation, and the number of the interval


class Where(StrEnum):
    """What was looked at. Each can be out of sight by itself."""

    SECRET = "Secret"  # noqa: S105 - a word, not a secret
    BACKEND = "Backend"
    LOGIN = "Login"
    INVENTORY = "Inventory"


class Lookout:
    """Looks at plans at rest, each at its own moment once per interval."""

    def __init__(self, cluster: Cluster, clock: Clock, reporter: Reporter) -> None:
        self._cluster, self._clock, self._reporter = cluster, clock, reporter
        self._turns: dict[str, Turn] = {}  # rebuildable: a new process waits for the plan's next moment

    async def look(self, plan: PlanRecord, provider: Provider, place: Place) -> PlanRecord:
        """If it is this plan's moment. The plan as it is then stored; raises Conflict."""
        now = self._clock.now()
        due = plan.generation, _turn(plan, now)
        last = self._turns.get(plan.uid, due)
        if last == due:
            self._remember(plan, due)
            return plan
        seen = await self._see(plan, provider, place, now)
        lines = merged(plan.status.drift, seen, now)
        status = told(plan.status, lines, seen, plan.generation, now, listed=_listed(provider))
        if status.model_dump() != plan.status.model_dump():
            former, plan = plan.status.drift, await self._cluster.save_plan(plan, status)
            for event in news(former, lines):
                await self._cluster.announce(plan.key, "RotationPlan", plan.uid, event)
        self._remember(plan, due)
        return plan

    def rest(self, plan: PlanRecord) -> timedelta:
        """Until this plan's next moment."""
        every = _every(plan.spec)
        return max(every - (_since_epoch(plan, self._clock.now()) % every), timedelta(seconds=1))

    def forget(self, plan: PlanRecord) -> None:
        """The plan is gone."""
        self._turns.pop(plan.uid, None)
        self._reporter.drifted(plan.key, ())

    def _remember(self, plan: PlanRecord, turn: Turn) -> None:
        if self._turns.get(plan.uid) != turn:
            self._turns[plan.uid] = turn
            self._reporter.drifted(plan.key, sorted({line.reason for line in plan.status.drift}))

    # ---------------------------------------------------------------------------------------------- looking

    async def _see(self, plan: PlanRecord, provider: Provider, place: Place, now: datetime) -> Mapping[Where, Found]:
        seen: dict[Where, Found] = dict.fromkeys(Where)
        try:
            escrow = await self._cluster.escrow(plan.uid) or Escrow({}, {})
        except KeyturnError as error:
            seen[Where.SECRET] = _unseen(error)
            return seen
        seen[Where.SECRET] = await _asked(self._secret(plan, escrow, place))
        seen[Where.BACKEND] = await _asked(_system(provider, plan.status.system_id))
        if not seen[Where.BACKEND] and seen[Where.BACKEND] is not None:
            seen[Where.INVENTORY] = await _asked(_inventory(provider, plan.status.current_id, now))
            seen[Where.LOGIN] = await _asked(_login(provider, plan.status.current_id, escrow))
        return seen

    async def _secret(self, plan: PlanRecord, escrow: Escrow, place: Place) -> Found:
        return of_secret(plan, await self._cluster.secret(plan.secret_key), escrow, place)


async def _asked(question: Awaitable[Found]) -> Found:
    try:
        return await question
    except KeyturnError as error:
        return _unseen(error)


def _unseen(error: KeyturnError) -> Found:
    """What is out of reach says nothing; a definite refusal is a finding of its own."""
    return None if isinstance(error, Unavailable | OutcomeUnknown) else (error.problem,)


async def _system(provider: Provider, adopted: str) -> Found:
    """A provider may refuse another system itself; one that only names it is compared with what was adopted."""
    if not adopted or await provider.identify() == adopted:
        return ()
    words = "the provider leads to another system than the one this plan was adopted on; correct the provider"
    return (Problem("WrongSystem", words),)


async def _inventory(provider: Provider, current: str, now: datetime) -> Found:
    return of_inventory(current, await provider.inventory(), now)


async def _login(provider: Provider, current: str, escrow: Escrow) -> Found:
    if current not in escrow.values:
        return None
    return of_login(current, await provider.test(Credential(current, escrow.values[current])))


# ------------------------------------------------------------------------------------------------ judging, pure


def of_secret(plan: PlanRecord, secret: SecretRecord | None, escrow: Escrow, place: Place) -> Found:
    """The Secret's bytes against the escrowed credential as the plan renders it, and who else claims the Secret."""
    found = checklist.secret_problems(plan.spec, secret)
    current = plan.status.current_id
    if current not in escrow.values:
        found.append(Problem("EscrowMissing", f"the escrow does not hold {current} any more; restore it from a backup"))
    elif secret is not None:
        found += _differences(plan, secret, Login(current, escrow.values[current]), place)
    return found


def _differences(plan: PlanRecord, secret: SecretRecord, current: Login, place: Place) -> list[Problem]:
    wanted = render(plan.spec.secret.keys, current, place)
    differ = sorted(key for key, value in wanted.items() if secret.data.get(key) != value)
    if not differ:
        return []
    who = ", ".join(sorted({secret.writers[key] for key in differ if key in secret.writers})) or "an unnamed writer"
    if other := _other_credential(plan, secret, place):
        why = f"{who} put {other} back into Secret {plan.spec.secret.name}, though {current.username} serves"
        return [Problem("SecretReverted", f"{why}; stop that writer, then put {current.username} back")]
    why = f"{', '.join(differ)} of Secret {plan.spec.secret.name}, last written by {who}"
    mend = f"put it back, or correct secret.keys if the plan was changed since {current.username} was written"
    return [Problem("SecretDiffers", f"{why}, is not {current.username} as secret.keys renders it; {mend}")]


def _other_credential(plan: PlanRecord, secret: SecretRecord, place: Place) -> str:
    """The name of this plan's other credential if that is what the Secret holds; names of others are not repeated."""
    try:
        name = extract(plan.spec.secret.keys, secret.data, place).username
    except TemplateMismatch:
        return ""
    ours = plan.spec.backend
    known = ours.principals if ours else frozenset[str]()
    return name if name in known - {plan.status.current_id} else ""


def of_login(current: str, trial: Trial) -> Found:
    """What a login with the current credential tells, while the rotator's own login works."""
    match trial:
        case Trial.WORKS:
            return ()
        case Trial.DISABLED:
            words = f"somebody disabled {current}, which the Secret holds: new logins are refused; enable it again"
            return (Problem("CurrentCredentialDisabled", words),)
        case Trial.REFUSED:
            words = f"the backend refuses {current} with the value that the Secret should hold: it was changed there"
            return (Problem("CurrentCredentialChanged", f"{words}; set it back to the escrowed value"),)
        case Trial.LACKING:
            words = f"{current} logs in, but not everywhere, or with other rights or settings than before"
            return (Problem("CurrentCredentialLacking", f"{words}; give them back"),)
        case Trial.DOWN | Trial.NOT_ASKED | Trial.AWAITED:
            return None


def of_inventory(current: str, inventory: Sequence[Principal], now: datetime) -> Found:
    """Strangers, a credential that should be at rest and is not, and an end that comes by itself."""
    found = checklist.strangers(inventory)
    for one in inventory:
        if one.id == current and one.expires is not None and one.expires - now <= EXPIRES_SOON:
            words = f"{current} expires at {one.expires:%Y-%m-%d %H:%MZ}; rotate before then, or take the end away"
            found.append(Problem("CurrentCredentialExpires", words))
        if one.id != current and one.state is Existence.ACTIVE and not one.stranger:
            words = f"{one.id} can log in though {current} serves and no rotation runs; see who enabled it, disable it"
            found.append(Problem("SpareCredentialEnabled", words))
    return found


def merged(former: Sequence[DriftLine], seen: Mapping[Where, Found], now: datetime) -> list[DriftLine]:
    """What stands now: what was seen, with the time it was first seen, and what was known of places out of sight."""
    since = {(line.where, line.reason, line.message): line.since for line in former}
    lines: list[DriftLine] = []
    for where, found in seen.items():
        if found is None:
            lines += [line for line in former if line.where == where]
            continue
        for one in dict.fromkeys(found):
            first = since.get((where, one.reason, one.message), now)
            lines.append(DriftLine(where=where, reason=one.reason, message=one.message, since=first))
    return lines[:_MOST_LINES]


def told(
    status: PlanStatus,
    lines: Sequence[DriftLine],
    seen: Mapping[Where, Found],
    generation: int,
    now: datetime,
    *,
    listed: bool,
) -> PlanStatus:
    """The plan's status with the condition saying this. ``listed``: does the backend list credentials at all?"""
    value, reason, message = _verdict(lines, seen, listed=listed)
    found = set_condition(status.conditions, ConditionType.DRIFT_DETECTED, value, reason, message, generation, now)
    return status.model_copy(update={"drift": list(lines), "conditions": found})


def _verdict(lines: Sequence[DriftLine], seen: Mapping[Where, Found], *, listed: bool) -> tuple[bool | None, str, str]:
    if lines:
        words = "; ".join(line.message for line in lines[:_MOST_TOLD])
        more = f"; and {len(lines) - _MOST_TOLD} more" if len(lines) > _MOST_TOLD else ""
        return True, lines[0].reason, words + more
    if hidden := [where for where, found in seen.items() if found is None]:
        return None, Reason.NOT_OBSERVED, f"could not look at: {', '.join(hidden)}"
    return False, Reason.AS_EXPECTED, "" if listed else _UNLISTED


def undrifted(status: PlanStatus, provider: Provider, generation: int, now: datetime) -> PlanStatus:
    """Just adopted: everything was looked at a moment ago."""
    return told(status, (), {}, generation, now, listed=_listed(provider))


def _listed(provider: Provider) -> bool:
    return provider.capabilities.lists_credentials


def news(former: Sequence[DriftLine], lines: Sequence[DriftLine]) -> list[Announcement]:
    """One Event for each thing that came, one for all that went."""
    before = {(line.reason, line.message) for line in former}
    after = {(line.reason, line.message) for line in lines}
    found = [
        Announcement(line.reason, line.message, warning=True)
        for line in lines
        if (line.reason, line.message) not in before
    ]
    if over := sorted({reason for reason, _ in before - after}):
        found.append(Announcement(Reason.AS_EXPECTED, f"no longer so: {', '.join(over)}"))
    return found


# --------------------------------------------------------------------------------------------------- whose turn


def _every(spec: RotationPlanSpec) -> timedelta:
    return max(spec.check_every, LEAST)


def _turn(plan: PlanRecord, now: datetime) -> int:
    return _since_epoch(plan, now) // _every(plan.spec)


def _since_epoch(plan: PlanRecord, now: datetime) -> timedelta:
    """With a share of the interval added that is the plan's own: a thousand plans do not look at once."""
    share = int.from_bytes(sha256(plan.uid.encode()).digest()[:4]) / 2**32
    return timedelta(seconds=now.timestamp()) + share * _every(plan.spec)
