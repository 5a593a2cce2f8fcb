"""One rotation in a shop, with the faults it is given, to its end; and what was wrong with it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from support.api_proxy import Write
from support.faulty_shop import Shop, until
from support.furniture import PLAN, rotation
from support.wish import Outcome, Weather, Wish

_ENDS = frozenset({"Complete", "RolledBack", "Refused"})
_QUIET = 1.5  # seconds after the end in which nothing may be written
_PATIENCE = {Weather.FROZEN: 240.0}  # seconds until it must have ended; a frozen watch is given up after 70
_OUTAGE = 12.0  # seconds
_PLAN_TELLS = f"PUT rotationplans/{PLAN}/status"
_ORDINARY_PATIENCE = 150.0


@dataclass
class Baseline:
    """How far every count was when the run began."""

    shop: Shop
    deaths: int = field(init=False)
    _at: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.deaths = self.shop.operator.deaths
        self._logins = self.shop.node.witness.logins
        self._at = {what: len(found) for what, found in self._lists().items()}
        self.shop.enabled_counts.clear()

    def wrong(self) -> list[str]:
        """What has come in since and should not have."""
        since = {what: found[self._at[what] :] for what, found in self._lists().items()}
        wrong = [f"{what}: {found}" for what, found in since.items() if found]
        if self.shop.node.witness.logins == self._logins:
            wrong.append("no client logged in at all")
        if not self.shop.enabled_counts <= {1, 2} or not self.shop.enabled_counts:
            wrong.append(f"so many principals were enabled at a time: {sorted(self.shop.enabled_counts)}")
        return wrong

    def _lists(self) -> dict[str, list[str]]:
        return {
            "failed logins": self.shop.node.witness.failed,
            "failed logins in the server's log": self.shop.ware.refused(),
            "sessions cut": self.shop.node.witness.cut,
            "ends of the operator that nobody asked for": [str(status) for status in self.shop.operator.fell],
            "mistakes of the hollow node": [repr(error) for error in self.shop.node.ended],
        }


async def run(shop: Shop, wish: Wish, number: int) -> Outcome:
    """Ask for a rotation, strike, wait for its end, judge."""
    name, outcome, baseline = f"run-{number}", Outcome(shop.ware.field, wish), Baseline(shop)
    before = await shop.ledger.secret()
    began = time.monotonic()
    shop.proxy.new_run({int(point): fault for point, fault in wish.strikes.items() if point.isdecimal()})
    shop.backend.new_run({point: fault for point, fault in wish.strikes.items() if not point.isdecimal()})
    clerk = _Clerk(shop, name, wish, outcome)
    shop.proxy.after = clerk.after
    await _change_weather(shop, wish.weather)
    await shop.make("rotations", rotation(name))
    try:
        patience = _PATIENCE.get(wish.weather, _ORDINARY_PATIENCE)
        await until(f"it ends {wish.ends}", lambda: _ended(shop, name), patience)
    except TimeoutError as late:
        outcome.wrong.append(f"{late}; phases {outcome.phases}")
    else:
        outcome.seconds = time.monotonic() - began
        outcome.wrong += await shop.ledger.wrong(name, wish.ends, before, await shop.enabled())
        settled = len(shop.proxy.writes)
        await asyncio.sleep(_QUIET)
        late = [write.label for write in shop.proxy.writes[settled:]]
        if late and not (clerk.struck_since_the_end() and set(late) == {_PLAN_TELLS}):
            outcome.wrong.append(f"written after the end: {late}")
    outcome.wrong += baseline.wrong()
    outcome.writes = [write.label for write in shop.proxy.writes]
    outcome.restarts = sum(label.startswith("PATCH deployments") for label in shop.proxy.done)
    outcome.calls = list(shop.backend.calls)
    outcome.struck = [f"{fault} at {write.number} {write.label}" for fault, write in shop.proxy.struck]
    outcome.struck += [f"{fault} at {call}" for fault, call in shop.backend.struck]
    outcome.deaths = shop.operator.deaths - baseline.deaths
    return outcome


@dataclass
class _Clerk:
    """Sees every write that was done; notes the phases, and aborts when it is time."""

    shop: Shop
    name: str
    wish: Wish
    outcome: Outcome
    _aborted: bool = False
    _struck_by_then: int | None = None

    def struck_since_the_end(self) -> bool:
        """A plan at rest whose question is lost says so, and says so once more when it is answered again."""
        return self._struck_by_then is not None and len(self.shop.backend.struck) > self._struck_by_then

    async def after(self, write: Write) -> None:
        status = write.body.get("status") or {}
        phase = status.get("phase")
        missed = [one["message"] for one in status.get("conditions", ()) if one.get("reason") == "OldCredentialMissed"]
        self.outcome.wrong += [words for words in missed if words not in self.outcome.wrong]  # no pod ever uses it then
        if phase and self.outcome.phases[-1:] != [phase]:
            self.outcome.phases.append(phase)
        if phase in _ENDS and self._struck_by_then is None:
            self._struck_by_then = len(self.shop.backend.struck)
        if phase and phase == self.wish.abort_at and not self._aborted:
            self._aborted = True
            if self.wish.lost:
                await self.shop.api.send("DELETE", self.shop.ledger.ours("rotations", self.name))
                return
            await self.shop.api.merge(self.shop.ledger.ours("rotations", self.name), {"spec": {"abort": True}})


async def _change_weather(shop: Shop, weather: Weather) -> None:
    match weather:
        case Weather.SLOW:
            shop.proxy.latency = 0.15
        case Weather.EXPIRED:
            await shop.proxy.expire()
        case Weather.FROZEN:
            shop.proxy.freeze()
        case Weather.AWAY:
            shop.proxy.cut(_OUTAGE)
        case Weather.FAIR:
            return


async def _ended(shop: Shop, name: str) -> bool:
    """It is over, the books are closed, and of the history no more is left than the plan wants."""
    rotations, plan = await shop.api.items(shop.ledger.ours("rotations")), await shop.ledger.plan()
    phases = {one["metadata"]["name"]: (one.get("status") or {}).get("phase") for one in rotations}
    over = phases.get(name) in _ENDS and len(phases) == 1 and not plan["status"].get("activeRotation")
    return over and await shop.serving()
