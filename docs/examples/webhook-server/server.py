"""A webhook server for Keyturn, whole, run as ``python server.py DIRECTORY``.

At the first start it makes everything it needs in DIRECTORY: a key, a certificate, accounts, and the Secret for
Keyturn. README.md says how to go on from there. Needs aiohttp, and cryptography for the certificate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from first_start import Home, made
from rotator import Refused, Rotator
from shop import Accounts, Door, Down, Visitor
from signing import Distrusted, Signatures

VERBS = (
    *("identify", "same-system", "inventory", "preflight", "test", "usage", "refused-attempts"),
    *("ensure", "disable", "enable", "contain", "end-sessions", "delete"),
)
Ask = Callable[[dict[str, object]], Awaitable[dict[str, object]]]


def application(rotator: Rotator, signatures: Signatures) -> web.Application:
    """Every verb at its path, behind one check of signatures."""
    app = web.Application(client_max_size=1024 * 1024)
    app.router.add_get("/v1/capabilities", _handler(rotator.capabilities, signatures))
    for verb in VERBS:
        ask: Ask = getattr(rotator, verb.replace("-", "_"))
        app.router.add_post(f"/v1/{verb}", _handler(ask, signatures))
    return app


def _handler(ask: Ask, signatures: Signatures) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        body, key = await request.read(), None
        try:
            key = signatures.believe(request.headers, request.method, request.raw_path, body)
            status, said = 200, await ask(json.loads(body) if body else {})
        except Distrusted as refused:
            status, said = 401, {"code": refused.code}
        except Refused as refused:
            status, said = refused.status, {"code": refused.code}
        except Down:
            status, said = 503, {"code": "BackendDown"}
        except (KeyError, TypeError, ValueError):
            status, said = 400, {"code": "BadRequest"}
        told = json.dumps(said).encode()
        signature = signatures.sign(key, request.headers.get("Keyturn-Nonce", ""), status, told)
        return web.Response(
            status=status, body=told, content_type="application/json", headers={"Keyturn-Signature": signature}
        )

    return answer


async def serve(home: Home, host: str, port: int, door_port: int) -> None:
    """Until it is stopped."""
    accounts = Accounts(home.path)
    door = Door(accounts)
    listening = await door.open(door_port)
    door_port = listening.sockets[0].getsockname()[1]
    rotator = Rotator(home.system, accounts, door, Visitor(door_port))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(home.certificate, home.private_key)
    runner = web.AppRunner(application(rotator, Signatures(home.keys)), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    home.remember_ports(port, door_port)
    sys.stdout.write(f"https://localhost:{port} serves; the door is at 127.0.0.1:{door_port}; see {home.path}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Arguments, and no logic."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where everything is kept; made if it is not there")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=8443, help="0: any free one")
    parser.add_argument("--door-port", type=int, default=8444, help="0: any free one")
    parser.add_argument("--name", action="append", default=[], help="a further host name for the certificate")
    chosen = parser.parse_args()
    home = made(chosen.directory, ("localhost", "127.0.0.1", *chosen.name))
    try:
        asyncio.run(serve(home, chosen.host, chosen.port, chosen.door_port))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
