"""``kubectl keyturn pause|resume|retry|accept-loss``: what people may ask of a rotation that is under way.

Each is one field of the Rotation's spec, so that Git and ``kubectl patch`` can ask the same.
"""

from __future__ import annotations

from keyturn.cli.session import Session
from keyturn.cli.views.standing import finished
from keyturn.core.model import ObjectKey, Phase
from keyturn.kube import paths
from keyturn.kube.raw import listed, text
from keyturn.ports import Misconfigured, RotationRecord


async def pause(session: Session, name: str) -> str:
    """One line about what happens now. Raises Misconfigured: no such rotation, or nothing to pause any more."""
    record = await _under_way(session, name)
    if record.status.phase == Phase.DELETE:
        raise Misconfigured("PastReturn", f"{name} deletes the old credential already; it will complete")
    await session.wish(record.key, {"pause": True})
    return f"{name} stands still, and both credentials stay valid; go on with: kubectl keyturn resume {name}"


async def resume(session: Session, name: str) -> str:
    """One line about what happens now. Raises Misconfigured: no such rotation, or it was not paused by a person."""
    record = await _under_way(session, name)
    if not record.spec.pause:
        raise Misconfigured("NotPaused", f"nobody paused {name}; if it paused by itself: kubectl keyturn retry {name}")
    await session.wish(record.key, {"pause": False})
    return f"{name} goes on; follow it with: kubectl keyturn watch {name}"


async def retry(session: Session, name: str) -> str:
    """One line about what happens now. Raises Misconfigured: no such rotation, or it did not pause by itself."""
    record = await _under_way(session, name)
    if record.spec.pause:
        raise Misconfigured("PausedOnRequest", f"a person paused {name}; go on with: kubectl keyturn resume {name}")
    if record.status.paused is None:
        raise Misconfigured("NotPaused", f"{name} is not paused, it tries by itself: kubectl keyturn why {name}")
    await session.wish(record.key, {"retry": record.spec.retry + 1})
    return f"{name} tries again; follow it with: kubectl keyturn watch {name}"


async def accept_loss(session: Session, name: str, pod: str) -> str:
    """One line about what happens now. Raises Misconfigured: no such rotation or pod, or the pod is ready."""
    record = await _under_way(session, name)
    found = await session.api.read(paths.core("pods", ObjectKey(record.key.namespace, pod)))
    if found is None:
        raise Misconfigured("NotFound", f"there is no pod {pod}; a pod that is gone is not waited for")
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in listed(found, "status", "conditions"))
    if ready:
        raise Misconfigured("PodReady", f"pod {pod} is ready, so it is not lost; it must prove what it uses")
    uid, node = text(found, "metadata", "uid"), text(found, "spec", "nodeName")
    if uid in record.spec.accept_loss:
        return f"the loss of {pod} was accepted before"
    await session.wish(record.key, {"acceptLoss": [*record.spec.accept_loss, uid]})
    hint = f"; should {node} come back with it, it may still hold the old credential" if node else ""
    return f"{pod} ({uid}) is waited for no longer{hint}"


async def _under_way(session: Session, name: str) -> RotationRecord:
    record = await session.rotation(name)
    if finished(record.status):
        raise Misconfigured("Finished", f"{name} is over ({record.status.phase}); nothing can be asked of it")
    return record
