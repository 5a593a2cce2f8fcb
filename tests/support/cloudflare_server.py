"""An HTTP server on loopback that speaks as much of Cloudflare's API, R2's S3 and Access as Keyturn and its users need.

One process-local server for all of them, told apart by the first part of the path:

    /client/v4/accounts/…   the API               cloudflare_tokens.py, cloudflare_access_desk.py
    /s3/<bucket>/<key>      R2's S3 endpoint      cloudflare_tokens.py
    /app/…                  an app behind Access  cloudflare_access_desk.py

What is changed at the API reaches each *place* (edge) after a time of its own, by a clock that tests move.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ACCOUNT = "0123456789abcdef0123456789abcdef"
START = datetime(2025, 3, 21, 19, 49, tzinfo=UTC)
Json = dict[str, Any]


@dataclass
class MovableClock:
    """Nobody sleeps: tests move it."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def move(self, time: timedelta) -> None:
        self.at += time


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str  # as it stood in the request line, without the query
    query: Mapping[str, str]
    raw_query: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Json:
        told = json.loads(self.body or b"{}")
        assert isinstance(told, dict)
        return told


@dataclass(frozen=True)
class Reply:
    """What is answered; ``None`` in its place: the connection just ends."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def told(result: object, *, status: int = 200, info: Json | None = None) -> Reply:
    """The API's envelope for a success."""
    envelope = {"success": True, "errors": [], "messages": [], "result": result}
    return Reply(status, json.dumps(envelope | ({"result_info": info} if info else {})).encode(), _JSON)


def refused(status: int, code: int = 1000, words: str = "a refusal in the API's own words: LEAK-CANARY") -> Reply:
    envelope = {"success": False, "errors": [{"code": code, "message": words}], "messages": [], "result": None}
    return Reply(status, json.dumps(envelope).encode(), _JSON)


_JSON = {"content-type": "application/json"}


@dataclass
class Delays:
    """How long each place needs to learn of a change. Requests go to the places in turn."""

    clock: MovableClock
    places: tuple[timedelta, ...] = (timedelta(),)
    opening: timedelta | None = None  # the most that a change takes which opens something; None: as long as any other
    _turn: int = 0

    def gradually(self, first: timedelta, last: timedelta, places: int = 4) -> None:
        """The first place knows after ``first``, the last one after ``last``."""
        step = (last - first) / (places - 1)
        self.places = tuple(first + step * number for number in range(places))

    def next_place(self) -> int:
        self._turn += 1
        return self._turn % len(self.places)

    def seen(self, history: list[tuple[datetime, Any]], place: int) -> Any:
        """What this place knows of a thing: the last state that is old enough for it; None before any was."""
        now, late = self.clock.now(), self.places[place]
        soon = late if self.opening is None else min(late, self.opening)
        known = (state for at, state in reversed(history) if at + (soon if _opens(state) else late) <= now)
        return next(known, None)


def _opens(state: Any) -> bool:
    """A token's status, or whether it is enabled and its secret."""
    return state == "active" or (isinstance(state, tuple) and bool(state[0]))


Fault = Callable[[Request], "Reply | str"]


class CloudflareServer:
    """Runs until stopped. ``routes`` are tried in order; each answers or passes."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.routes: dict[str, Callable[[Request], Reply]] = {}
        self.seen: list[str] = []  # method and path of each request
        self.faults: list[Fault] = []  # a reply: instead of acting; "lost": act, and end the connection; "": nothing
        self._lock = threading.Lock()
        self._down = False
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                server._serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = _any  # noqa: N815 - the library calls them so

            def log_message(self, *_words: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def api(self) -> str:
        return f"http://{self.address}/client/v4"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    def halt(self) -> None:
        """From now on every connection ends without an answer."""
        self._down = True

    def once(self, method: str, part: str, reply: Reply | str) -> None:
        """The next request of this kind is answered like that; "lost": it is carried out, and not answered."""
        spent: list[str] = []

        def fault(request: Request) -> Reply | str:
            if spent or request.method != method or part not in request.path:
                return ""
            spent.append(request.path)
            return reply

        self.faults.append(fault)

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        length = int(handler.headers.get("content-length") or 0)
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.command, parts.path, query, parts.query, headers, handler.rfile.read(length))
        with self._lock:
            reply = None if self._down else self._answer(request)
        if reply is None:
            return
        handler.send_response(reply.status)
        for name, value in (*reply.headers.items(), ("content-length", str(len(reply.body)))):
            handler.send_header(name, value)
        handler.end_headers()
        if request.method != "HEAD":
            handler.wfile.write(reply.body)

    def _answer(self, request: Request) -> Reply | None:
        self.seen.append(f"{request.method} {request.path}")
        lost = False
        for fault in self.faults:
            struck = fault(request)
            if isinstance(struck, Reply):
                return struck
            lost = lost or struck == "lost"
        for prefix, route in self.routes.items():
            if request.path.startswith(prefix):
                reply = route(request)
                return None if lost else reply
        return refused(404)


def status_of(server: CloudflareServer, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> int:
    """One request as anybody's app makes it: without any of Keyturn's code, and over the wire."""
    connection = HTTPConnection(server.address, timeout=10)
    try:
        connection.request(method, path, body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()
