"""What the contract suite needs besides the server, run as ``python bench.py DIRECTORY VERB``.

It plays everybody else: it makes the system ready, and logs in as holders do, past the webhook. Write one for your own
system; docs/providers/webhook.md says what each verb must do. A credential comes on standard input as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from first_start import OWNER, RIGHTS, SLOTS, Home, fill
from shop import Account, Accounts, Visitor

STRANGER = {"id": "sneaky", "value": "password-of-a-stranger"}


def main() -> int:
    """The exit status: 0 for yes, 1 for no."""
    home, verb = Home(Path(sys.argv[1])), sys.argv[2]
    accounts = Accounts(home.path)
    if verb == "reset":
        accounts.unplug(down=False)
        name, value = fill(home.path)
        _say({"owner": OWNER, "slots": list(SLOTS), "current": {"id": name, "value": value}})
    elif verb == "stranger":
        with accounts.changing() as everybody:
            everybody[STRANGER["id"]] = Account([*RIGHTS[:1]], enabled=True)
            everybody[STRANGER["id"]].take(STRANGER["value"])
        _say(STRANGER)
    elif verb == "stranger-gone":
        with accounts.changing() as everybody:
            del everybody[STRANGER["id"]]
    elif verb == "unplug":
        accounts.unplug(down=True)
    elif verb in ("admits", "hold"):
        return asyncio.run(_log_in(home, json.loads(sys.stdin.readline()), hold=verb == "hold"))
    else:
        return 2
    return 0


async def _log_in(home: Home, credential: dict[str, str], *, hold: bool) -> int:
    visitor = Visitor(home.ports()["door"])
    async with visitor.log_in(credential["id"], credential["value"], "keyturn, forged") as visit:
        if visit is not None and hold:
            _say({"open": True})
            sys.stdin.read()  # until whoever asked has had enough
        return 0 if visit is not None else 1


def _say(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
