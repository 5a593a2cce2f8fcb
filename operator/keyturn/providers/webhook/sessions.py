"""What a server's list of sessions means: an empty one counts only if the session we asked for stands in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keyturn.ports import Session, Usage
from keyturn.providers.recent import Recent
from keyturn.providers.verdicts import usage_of
from keyturn.providers.webhook import wire

OwnLabels = Recent[str]
"""Labels of sessions that servers opened because we asked. Lives as long as the process."""


def sessions_of(listed: Sequence[wire.Session], own: OwnLabels) -> tuple[Session, ...]:
    """As the reconciler knows them. A label that we never gave makes no session ours."""
    return tuple(
        Session(
            principal=one.principal,
            client_address=one.address,
            client_port=one.port,
            started=one.started,
            ours=one.label is not None and one.label in own,
        )
        for one in listed
    )


def usage_by_id(ids: Sequence[str], found: Sequence[Session], blind: str) -> Mapping[str, Usage]:
    """For each credential. ``blind``: why the list proves nothing."""
    return {id_: usage_of(tuple(one for one in found if one.principal == id_), blind) for id_ in ids}
