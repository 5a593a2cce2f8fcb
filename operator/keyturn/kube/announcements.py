"""Events for people: best effort, said once. Nothing here may fail a rotation, and nothing depends on an Event."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from keyturn.api.base import API_VERSION
from keyturn.core.model import ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient
from keyturn.kube.raw import Json
from keyturn.ports import Announcement, Clock, KeyturnError

CONTROLLER = "keyturn.dev/operator"
_AGAIN_AFTER = timedelta(minutes=30)  # Events live an hour by default: one that still holds stays visible
_REMEMBERED = 2048
_NOTE_LIMIT = 1024  # bytes, of events.k8s.io/v1


class Announcements:
    """Makes Events; the same words about the same object only once in half an hour."""

    def __init__(self, client: KubeClient, identity: str, clock: Clock) -> None:
        self._client = client
        self._identity = identity
        self._clock = clock
        self._said: OrderedDict[tuple[str, Announcement], datetime] = OrderedDict()

    async def announce(self, about: ObjectKey, kind: str, uid: str, event: Announcement) -> None:
        """Never raises."""
        now = self._clock.now()
        if not self._is_news(uid, event, now):
            return
        try:
            await self._client.create(paths.events(about.namespace), self._body(about, kind, uid, event, now))
        except KeyturnError:
            self._said.pop((uid, event), None)  # not said: try when it comes up again

    def _is_news(self, uid: str, event: Announcement, now: datetime) -> bool:
        said = self._said.get((uid, event))
        if said is not None and now - said < _AGAIN_AFTER:
            return False
        self._said[uid, event] = now
        self._said.move_to_end((uid, event))
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return True

    def _body(self, about: ObjectKey, kind: str, uid: str, event: Announcement, now: datetime) -> Json:
        regarding = {"apiVersion": API_VERSION, "kind": kind, "name": about.name, "uid": uid}
        namespace = about.namespace or "default"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{about.name[:200]}.{uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "regarding": regarding | ({"namespace": about.namespace} if about.namespace else {}),
            "reason": event.reason[:128],
            "action": "Rotate",
            "note": _shortened(event.message),
            "type": "Warning" if event.warning else "Normal",
            "reportingController": CONTROLLER,
            "reportingInstance": self._identity[:128],
        }


def _shortened(note: str) -> str:
    raw = note.encode()
    return note if len(raw) <= _NOTE_LIMIT else raw[: _NOTE_LIMIT - 3].decode(errors="ignore") + "..."
