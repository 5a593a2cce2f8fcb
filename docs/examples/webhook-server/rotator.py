"""The protocol's verbs, for the system in shop.py. This is the file to write anew for a system of your own.

Every change is one transaction: look at the tags, refuse what was overtaken, change, leave the tag of this op. Doing it
twice is the same as doing it once, because the answer of the first may be lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from shop import Account, Accounts, Door, Session, Visit, Visitor

CAPABILITIES = {
    "reversibleDisable": True,
    "fences": True,
    "tellsDisabledFromWrong": True,
    "listsSessions": True,
    "seesRefusedAttempts": True,
    "disableDelaySeconds": 0,
    "usageLagSeconds": 0,
    "settlesSeconds": 1,
    "naming": "ours",
}
STATUS = {"BadRequest": 400, "NotServed": 403, "Busy": 429, "Internal": 500, "BackendDown": 503}  # others: 409
Asked = Mapping[str, Any]
Answer = dict[str, Any]


class Refused(Exception):
    """A code of the protocol, and nothing else: whoever asks is told no words of ours."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code, self.status = code, STATUS.get(code, 409)


class Rotator:
    """Answers every verb of the protocol."""

    def __init__(self, system: str, accounts: Accounts, door: Door, visitor: Visitor) -> None:
        self._system, self._accounts, self._door, self._visitor = system, accounts, door, visitor
        self._given: deque[str] = deque(maxlen=4096)  # labels of sessions that we opened ourselves; others may lie

    def _as_asked(self, login: Mapping[str, str], label: str) -> AbstractAsyncContextManager[Visit | None]:
        """A session of our own, which the list shows with the label that was asked for."""
        self._given.append(label)
        return self._visitor.log_in(login["id"], login["value"], label)

    # ------------------------------------------------------------------------------------------------ looking

    async def capabilities(self, _asked: Asked) -> Answer:
        """What this server can do."""
        return dict(CAPABILITIES)

    async def identify(self, _asked: Asked) -> Answer:
        """The system's own name."""
        self._accounts.read()
        return {"system": self._system}

    async def same_system(self, asked: Asked) -> Answer:
        """A login where consumers log in must show up in the list of the system that we change."""
        login = asked["credential"]
        async with self._as_asked(login, asked["label"]) as visit:
            if visit is None:
                return {"verdict": "Unknown"}
            seen = any(session.label == asked["label"] for session in self._door.of(login["id"]))
            return {"verdict": "Same" if seen else "Different"}

    async def inventory(self, asked: Asked) -> Answer:
        """Everybody who matters to the plan."""
        about, accounts = asked["about"], self._accounts.read()
        owner = accounts.get(about["owner"])
        named = {about["owner"], *about["slots"]}
        reached = {name for name, one in accounts.items() if owner and set(one.rights) & set(owner.rights)}
        return {"principals": [self._principal(name, accounts[name]) for name in accounts if name in named | reached]}

    async def preflight(self, asked: Asked) -> Answer:
        """What stands in the way."""
        about, accounts = asked["about"], self._accounts.read()
        owner = accounts.get(about["owner"])
        if owner is None:
            return {"problems": ["OwnerMissing"]}
        problems = ["OwnerTooPowerful"] if "admin" in owner.rights else []
        current = accounts.get(asked["credential"]["id"]) if asked["credential"] else None
        if current is not None and set(current.rights) != set(owner.rights):
            problems.append("RightsDiffer")
        return {"problems": problems}

    async def test(self, asked: Asked) -> Answer:
        """Log in as consumers do, and write."""
        login, accounts = asked["credential"], self._accounts.read()
        account, owner = accounts.get(login["id"]), accounts.get(asked["about"]["owner"])
        async with self._as_asked(login, asked["label"]) as visit:
            if visit is None:
                right = account is not None and account.holds(login["value"])
                return {"outcome": "Disabled" if right else "Refused"}
            same = account is not None and owner is not None and set(account.rights) == set(owner.rights)
            return {"outcome": "Works" if same and await visit.say({"write": "a probe"}) else "Lacking"}

    async def usage(self, asked: Asked) -> Answer:
        """Open the session that is asked for, then list."""
        self._accounts.read()
        control, names = asked["control"], {*asked["ids"], asked["control"]["id"]}
        async with self._as_asked(control, asked["label"]):
            listed = [self._session(one) for one in self._door.sessions.values() if one.principal in names]
        return {"complete": True, "sessions": listed}

    async def refused_attempts(self, asked: Asked) -> Answer:
        """Who tried an account that is disabled, with the right value."""
        since = datetime.fromisoformat(asked["since"])
        tried = [one for one in self._door.refused if one.principal == asked["id"] and one.started >= since]
        return {"attempts": [self._session(one) for one in tried]}

    # ----------------------------------------------------------------------------------------------- changing

    async def ensure(self, asked: Asked) -> Answer:
        """The new account, with the owner's rights."""
        with self._accounts.changing() as accounts:
            if asked["like"] in accounts:
                _require_not_overtaken(accounts[asked["like"]], asked)
            self._make(accounts, asked)
        return {"done": True}

    async def disable(self, asked: Asked) -> Answer:
        """No more logins. Open sessions live on."""
        with self._accounts.changing() as accounts:
            account = _ours(accounts, asked)
            if account is not None:
                _require_not_overtaken(account, asked)
                account.enabled = False
                _tag(account, asked)
        return {"done": True}

    async def enable(self, asked: Asked) -> Answer:
        """Logins again, with this value."""
        login = asked["credential"]
        with self._accounts.changing() as accounts:
            account = accounts.get(login["id"])
            if account is None:
                raise Refused("Missing")
            _require_not_overtaken(account, asked)
            if not account.digest:
                raise Refused("Retired")
            if not account.holds(login["value"]):
                account.take(login["value"])
            account.enabled = True
            _tag(account, asked)
        return {"done": True}

    async def contain(self, asked: Asked) -> Answer:
        """The new account made, the old one and these strangers disabled, at once; then their sessions end."""
        cut_off = [asked["oldId"], *asked["strangers"]]
        with self._accounts.changing() as accounts:
            known = {asked["about"]["owner"], *asked["about"]["slots"]}
            if any(
                name in known or "admin" in accounts[name].rights for name in asked["strangers"] if name in accounts
            ):
                raise Refused("NotContainable")
            self._make(accounts, asked)
            for account in [accounts[name] for name in cut_off if name in accounts]:
                _require_not_overtaken(account, asked)
                account.enabled = False
                _tag(account, asked)
            for name in set(asked["strangers"]) & accounts.keys():
                accounts[name].contained = True
        for name in cut_off:
            self._door.end(name)
        return {"done": True}

    async def end_sessions(self, asked: Asked) -> Answer:
        """Of an account that is disabled."""
        account = self._accounts.read().get(asked["id"])
        about = asked["about"]
        if account is not None and asked["id"] not in (about["owner"], *about["slots"]) and not account.contained:
            raise Refused("NotOurs")
        if account is not None and account.enabled:
            raise Refused("StillEnabled")
        return {"ended": self._door.end(asked["id"])}

    async def delete(self, asked: Asked) -> Answer:
        """No value opens it any more. The name stays, as the next free slot."""
        with self._accounts.changing() as accounts:
            account = _ours(accounts, asked)
            if account is not None and account.digest:
                _require_not_overtaken(account, asked)
                if account.enabled:
                    raise Refused("StillEnabled")
                if self._door.of(asked["id"]):
                    raise Refused("StillInUse")
                account.digest = account.salt = ""
                _tag(account, asked)
        return {"done": True}

    # ------------------------------------------------------------------------------------------------- inside

    def _make(self, accounts: dict[str, Account], asked: Asked) -> None:
        about, login = asked["about"], asked["credential"]
        owner, slot = accounts.get(about["owner"]), accounts.get(login["id"])
        if owner is None:
            raise Refused("OwnerMissing")
        if login["id"] not in about["slots"]:
            raise Refused("NotServed")
        if len(login["value"]) < 16:
            raise Refused("UnsuitableValue")
        if slot is not None:
            _require_not_overtaken(slot, asked)
            if slot.plan != about["plan"]:
                raise Refused("NotOurs")
            same = (
                slot.tag is not None and slot.tag["rotation"] == asked["op"]["rotation"] and slot.holds(login["value"])
            )
            if not same and (slot.enabled or self._door.of(login["id"])):
                raise Refused("SlotInUse")
        made = Account(list(owner.rights), enabled=True)
        made.take(login["value"])
        _tag(made, asked)
        accounts[login["id"]] = made

    def _session(self, one: Session) -> Answer:
        return {
            "principal": one.principal,
            "address": one.address,
            "port": one.port,
            "started": one.started.isoformat(),
            "label": one.label if one.label in self._given else None,
        }

    def _principal(self, name: str, account: Account) -> Answer:
        state = "Active" if account.enabled else "Disabled" if account.digest else "Retired"
        return {
            "id": name,
            "state": state,
            "plan": account.plan or None,
            "tag": account.tag,
            "reaches": True,
            "sessions": len(self._door.of(name)),
        }


def _ours(accounts: dict[str, Account], asked: Asked) -> Account | None:
    """The account that shall be changed; None if it does not exist, so that there is nothing to do."""
    about = asked["about"]
    if asked["id"] not in (about["owner"], *about["slots"]):
        raise Refused("NotServed")
    return accounts.get(asked["id"])


def _require_not_overtaken(account: Account, asked: Asked) -> None:
    """The fence: a later leader, or a later step of the same rotation, was here first."""
    op, tag = asked["op"], account.tag or {}
    turned_back = tag.get("rotation") == op["rotation"] and tag.get("generation", 0) > op["generation"]
    if tag.get("epoch", 0) > op["epoch"] or turned_back:
        raise Refused("Overtaken")


def _tag(account: Account, asked: Asked) -> None:
    account.plan = asked["about"]["plan"]
    account.tag = {key: asked["op"][key] for key in ("rotation", "generation", "epoch")}
