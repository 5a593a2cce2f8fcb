"""The simulated world's backend behind a webhook server: what the world's provider does, over HTTPS."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from keyturn.core.model import Op
from keyturn.core.sealed import Sealed
from keyturn.ports import Credential, Denied, Session, Unavailable
from support.crooked_server import ABLE, Crooked
from support.webhook_plan import Setting
from support.world import World

CODES = {"NewerOperator": "Overtaken", "RoleNotOurs": "NotOurs", "SlotInUse": "SlotInUse", "RoleMissing": "Missing",
         "StillEnabled": "StillEnabled", "NotDisabled": "StillEnabled", "SessionsOpen": "StillInUse"}  # fmt: skip
Verb = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Bridge:
    """Answers each verb with what the world's own provider says or does."""

    def __init__(self, world: World, server: Crooked) -> None:
        self.world, self.inner, self.able = world, world.provider, dict(ABLE)
        verbs: dict[str, Verb] = {
            "capabilities": self.capabilities, "identify": self.identify, "inventory": self.inventory,
            "preflight": self.preflight, "same-system": self.same_system, "test": self.test, "usage": self.usage,
            "refused-attempts": self.refused_attempts, "ensure": self.ensure, "disable": self.disable,
            "enable": self.enable, "contain": self.contain, "end-sessions": self.end_sessions, "delete": self.delete,
        }  # fmt: skip
        for name, verb in verbs.items():
            server.whole[name] = self._answering(verb)

    def _answering(self, verb: Verb) -> Callable[[web.Request, Crooked], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request, server: Crooked) -> web.StreamResponse:
            try:
                status, said = 200, await verb(json.loads(await request.read() or b"{}"))
            except Denied as refused:
                status, said = 409, {"code": CODES[refused.reason]}
            except Unavailable:
                status, said = 503, {"code": "BackendDown"}
            return server.signed(request, status, json.dumps(said).encode())

        return answer

    async def capabilities(self, _asked: dict[str, Any]) -> dict[str, Any]:
        if not self.able["listsSessions"]:  # the operator is told nothing; the promises look all the same
            roles = self.world.backend.roles
            serves = next(Credential(name, role.value) for name, role in roles.items() if role.enabled)
            await self.inner.usage(list(roles), serves)
        return self.able

    async def identify(self, _asked: dict[str, Any]) -> dict[str, Any]:
        return {"system": await self.inner.identify()}

    async def inventory(self, _asked: dict[str, Any]) -> dict[str, Any]:
        roles = self.world.backend.roles
        return {
            "principals": [
                {"id": one.id, "state": one.state.value, "plan": one.plan or None, "tag": _tag(one.tag, roles[one.id])}
                for one in await self.inner.inventory()
            ]
        }

    async def preflight(self, asked: dict[str, Any]) -> dict[str, Any]:
        await self.inner.preflight(_credential(asked["credential"]), asked["clients"])
        return {}

    async def same_system(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"verdict": (await self.inner.same_system(_credential(asked["credential"]))).value}

    async def test(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": (await self.inner.test(_credential(asked["credential"]))).value}

    async def usage(self, asked: dict[str, Any]) -> dict[str, Any]:
        control = _credential(asked["control"])
        found = await self.inner.usage(list(dict.fromkeys([*asked["ids"], control.id])), control)
        sessions = [_session(one, asked["label"]) for usage in found.values() for one in usage.sessions]
        return {"complete": True, "sessions": sessions}

    async def refused_attempts(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = await self.inner.refused_attempts(asked["id"], datetime.fromisoformat(asked["since"]))
        return {"attempts": [_session(one, None) for one in found]}

    async def ensure(self, asked: dict[str, Any]) -> dict[str, Any]:
        await self.inner.ensure(_op(asked), _credential(asked["credential"]), asked["like"] or "")
        return {"done": True}

    async def disable(self, asked: dict[str, Any]) -> dict[str, Any]:
        await self.inner.disable(_op(asked), asked["id"])
        return {"done": True}

    async def enable(self, asked: dict[str, Any]) -> dict[str, Any]:
        await self.inner.enable(_op(asked), _credential(asked["credential"]))
        return {"done": True}

    async def contain(self, asked: dict[str, Any]) -> dict[str, Any]:
        await self.inner.contain(_op(asked), _credential(asked["credential"]), asked["oldId"], asked["strangers"])
        return {"done": True}

    async def end_sessions(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"ended": await self.inner.end_sessions(_op(asked), asked["id"])}

    async def delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        await self.inner.delete(_op(asked), asked["id"])
        return {"done": True}


def behind(world: World, server: Crooked) -> Bridge:
    """From now on the world's operator speaks to its backend through this server."""
    bridge, setting = Bridge(world, server), Setting(server.url, server.setting.admin, plan="orders")
    world.open = lambda *_records: setting.open(clock=world.clock)  # type: ignore[method-assign]
    world.restart_operator()
    return bridge


def _tag(tag: str | None, role: Any) -> dict[str, Any] | None:
    rotation, _, generation = (tag or "").partition("/")
    return {"rotation": rotation, "generation": int(generation), "epoch": role.epoch} if tag else None


def _op(asked: dict[str, Any]) -> Op:
    op = asked["op"]
    return Op(op["rotation"], op["generation"], op["step"], op["epoch"])


def _credential(said: dict[str, str]) -> Credential:
    return Credential(said["id"], Sealed(said["value"]))


def _session(one: Session, label: str | None) -> dict[str, Any]:
    started = one.started.isoformat() if one.started else None
    return {"principal": one.principal, "address": one.client_address, "port": one.client_port, "started": started,
            "label": label if one.ours else None}  # fmt: skip
