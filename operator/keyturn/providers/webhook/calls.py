"""One signed call, and what its signed answer says.

Knows signatures, and nothing of what is asked. A value crosses in the body of a request and nowhere else.
"""

from __future__ import annotations

import json
import secrets
from typing import Final, TypeVar

from pydantic import ValidationError

from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Clock, Denied, OutcomeUnknown, Unavailable
from keyturn.providers.addresses import Resolve
from keyturn.providers.outside import CALL_SECONDS, Came, NotAnswered, call
from keyturn.providers.telling import SERVER_DOWN, said
from keyturn.providers.webhook import failures
from keyturn.providers.webhook.settings import Server
from keyturn.providers.webhook.signing import NONCE, SIGNATURE, TIMESTAMP, answer_signature, request_signature, same
from keyturn.providers.webhook.wire import Said

_TELLING: Final = 12  # bytes of a value
A = TypeVar("A", bound=Said)


class Caller:
    """Speaks to one plan's server."""

    def __init__(self, server: Server, resolve: Resolve, clock: Clock, *, seconds: float = CALL_SECONDS) -> None:
        self._server, self._resolve, self._clock, self._seconds = server, resolve, clock, seconds

    async def ask(self, verb: str, request: Said | None, answer: type[A], *sealed: Sealed) -> A:
        """A question. ``sealed``: values in the request, which no answer may hold. Raises ours."""
        try:
            return await self._once(verb, request, answer, sealed)
        except (NotAnswered, OutcomeUnknown):
            raise said(SERVER_DOWN) from None

    async def change(self, verb: str, request: Said, answer: type[A], *sealed: Sealed) -> A:
        """A change, asked for once more if its answer was lost: the same op does the same. Raises ours."""
        try:
            return await self._once(verb, request, answer, sealed)
        except (NotAnswered, OutcomeUnknown):
            pass
        try:
            return await self._once(verb, request, answer, sealed)
        except (NotAnswered, Unavailable):  # nothing of what was sent the first time is known
            raise said(failures.LOST) from None

    async def _once(self, verb: str, request: Said | None, answer: type[A], sealed: tuple[Sealed, ...]) -> A:
        body = _bytes(request)
        nonce = secrets.token_hex(16)
        told = await self._called(
            "GET" if request is None else "POST", f"{self._server.target.path}/v1/{verb}", nonce, body
        )
        self._require_signed(told, nonce)
        if any(_holds(told.body, value) for value in sealed):
            raise said(failures.REPEATS_VALUE)
        if told.status != 200:
            raise failures.refused(told.status, told.body)
        try:
            return answer.model_validate_json(told.body)
        except ValidationError:
            raise said(failures.UNREADABLE) from None

    def _require_signed(self, told: Came, nonce: str) -> None:
        """Raises what an answer says that is nobody's whom we know: at most that we should come again."""
        if 300 <= told.status < 400:
            raise said(failures.REDIRECTED)
        if not same(told.headers.get(SIGNATURE, ""), answer_signature(self._server.key, nonce, told.status, told.body)):
            raise failures.by_status(told.status) or said(failures.NOT_SIGNED)

    async def _called(self, method: str, path: str, nonce: str, body: bytes) -> Came:
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP: timestamp,
            NONCE: nonce,
            SIGNATURE: request_signature(self._server.key, timestamp, nonce, method, path, body),
        }
        return await call(self._server.target, method, path, headers, body, self._resolve, seconds=self._seconds)


def _holds(body: bytes, value: Sealed) -> bool:
    """As it is, or as JSON writes it. A short one, which only adoption can bring, may stand there by chance."""
    raw = value.reveal()
    return len(raw) >= _TELLING and (raw in body or json.dumps(value.reveal_text())[1:-1].encode() in body)


def _bytes(request: Said | None) -> bytes:
    try:
        return b"" if request is None else request.model_dump_json(by_alias=True).encode()
    except Unsuitable:
        raise Denied("UnsuitableValue", "The value is no text: nothing was changed.") from None
