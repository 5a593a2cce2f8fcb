"""Our tag at a user: whose it is, which rotation touched it last, under which lease; and the lock that fences it.

A user of the access control list has no room for a comment, but it may have *selectors*: further sets of rules. One
that allows no command gives no right, and its key pattern can say what we like:

    (~keyturn:v1:plan=shop/orders-db:rotation=…:gen=4:epoch=7:state=active:lock=9f… resetchannels -@all)

To compare and set in one command we use that a password can only be taken away if it is there, and that one command
changes everything or nothing. Beside the tag stands the hash of a password that nobody knows, the lock (64 random hex
digits: no value has that hash that anybody could find):

    ACL SETUSER orders_a  !9f…  #c4…  off …        fails as a whole unless the lock is still the one that was read

So whoever was stopped between looking and writing comes too late, on each server by itself. Tags in keys would not do:
consumers may write keys, and servers evict and flush them.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from keyturn.providers.turns import Mark, TurnTag

_TAG = re.compile(
    r"\(~keyturn:v1:plan=(?P<plan>[^: ]+):rotation=(?P<rotation>[^: ]+):gen=(?P<generation>\d+):epoch=(?P<epoch>\d+)"
    r":state=(?P<state>active|disabled|retired|contained):lock=(?P<lock>[0-9a-f]{64})( resetchannels)? -@all\)"
)


def _new_lock() -> str:
    return secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Tag(TurnTag):
    """One tag."""

    lock: str = field(default_factory=_new_lock, compare=False, repr=False)  # each tag has its own

    @classmethod
    def read(cls, selector: str) -> Tag | None:
        """The tag in a selector, if it is one."""
        found = _TAG.fullmatch(selector)
        if found is None:
            return None
        generation, epoch = int(found["generation"]), int(found["epoch"])
        return cls(found["plan"], found["rotation"], generation, epoch, Mark(found["state"]), found["lock"])

    def __str__(self) -> str:
        """As a selector for ACL SETUSER."""
        return (
            f"(~keyturn:v1:plan={self.plan}:rotation={self.rotation}:gen={self.generation}:epoch={self.epoch}"
            f":state={self.state.value}:lock={self.lock} -@all)"
        )
