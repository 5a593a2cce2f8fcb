"""The only file that speaks kopf: it watches our own kinds, and each handler puts keys on the work queue.

Only ``on.event``, and never on Secrets: kopf's change handlers copy a watched object's data into an annotation. No
state, no writes, no exceptions cross this border.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import kopf

from keyturn.api.base import GROUP, VERSION
from keyturn.kube import paths
from keyturn.kube.raw import Json
from keyturn.kube.wakeups import Wakeups
from keyturn.ports import Denied


async def watch(wakeups: Wakeups, namespaces: Sequence[str], *, in_cluster: bool, ready: asyncio.Event) -> None:
    """Watch until cancelled; no namespaces means all. Raises Denied when a watch ends for good."""
    tasks = await kopf.spawn_tasks(
        registry=_registry(wakeups, cluster_wide=not namespaces, in_cluster=in_cluster),
        settings=_settings(),
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
        standalone=True,
        identity=cast("Any", "keyturn"),  # of peering, which is off; kopf would ask for a user name, and pods have none
        ready_flag=ready,
    )
    try:  # kopf.run_tasks would also cancel every task of ours
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if any(not task.cancelled() and task.exception() is not None for task in done):
            raise Denied(
                "WatchEnded",
                "Keyturn's kinds cannot be watched: install this version's CRDs, and grant list and watch on them.",
            )
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # peering is no election: it has no locks and trusts wall clocks
    settings.posting.enabled = False  # its Events repeat exceptions' texts
    settings.scanning.disabled = True  # no rights to watch CRDs and namespaces
    settings.networking.request_timeout = 20  # the default is five minutes
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = (0.5, 1, 2, 4, 8)
    settings.watching.server_timeout = 300  # resumes now and then: bounded staleness
    settings.watching.connect_timeout = 5
    settings.watching.inactivity_timeout = 70  # bookmarks come every minute; a watch without is frozen
    settings.watching.chunk_size = 500  # else one answer holds every object
    settings.queueing.error_delays = (1, 1, 2, 3, 5, 10)  # the default throttles for ten minutes
    settings.queueing.worker_limit = None
    settings.persistence.finalizer = "keyturn.dev/kopf"  # not ours: stateless handlers put none
    settings.process.ultimate_exiting_timeout = None  # main bounds its own end
    return settings


def _registry(wakeups: Wakeups, *, cluster_wide: bool, in_cluster: bool) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    login = kopf.login_with_service_account if in_cluster else kopf.login_with_kubeconfig
    kopf.on.login(registry=registry)(cast("Any", login))

    # Coroutines, because kopf runs plain functions in threads and the queue belongs to the loop.
    async def plan_changed(event: Any, **_: Any) -> None:
        wakeups.plan(_object(event), gone=event["type"] == "DELETED")

    async def rotation_changed(event: Any, **_: Any) -> None:
        wakeups.rotation(_object(event))

    async def provider_changed(event: Any, **_: Any) -> None:
        wakeups.provider("CredentialProvider", _object(event))

    async def cluster_provider_changed(event: Any, **_: Any) -> None:
        wakeups.provider("ClusterCredentialProvider", _object(event))

    handlers = {paths.PLANS: plan_changed, paths.ROTATIONS: rotation_changed, paths.PROVIDERS: provider_changed}
    if cluster_wide:  # with rights in namespaces only, watching a cluster-scoped kind is refused and ends the operator
        handlers[paths.CLUSTER_PROVIDERS] = cluster_provider_changed
    for plural, handler in handlers.items():
        kopf.on.event(GROUP, VERSION, plural, registry=registry)(cast("Any", handler))
    return registry


def _object(event: Any) -> Json:
    return cast("Json", event["object"])
