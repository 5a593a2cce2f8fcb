"""``kubectl keyturn abort ROTATION``: ask a rotation to go back."""

from __future__ import annotations

from keyturn.cli.session import Session
from keyturn.cli.views.standing import finished, going_back, reversible
from keyturn.ports import Misconfigured


async def abort(session: Session, name: str) -> str:
    """One line about what happens now.

    Raises:
        Misconfigured: no such rotation, or it cannot go back any more.
    """
    record = await session.rotation(name)
    if finished(record.status):
        raise Misconfigured("Finished", f"{name} is over ({record.status.phase}); nothing can be aborted")
    if going_back(record.status) or record.spec.abort:
        return f"{name} goes back already; follow it with: kubectl keyturn watch {name}"
    if not reversible(record) and record.spec.mode != "Graceful":
        raise Misconfigured(
            "PastReturn", f"{name} cuts off a credential that others may know: it never enables that one again"
        )
    if not reversible(record):
        raise Misconfigured(
            "PastReturn", f"{name} deletes the old credential already: past the point of no return, it will complete"
        )
    await session.wish(record.key, {"abort": True})
    return f"{name} will go back; follow it with: kubectl keyturn watch {name}"
