"""The only file that speaks kopf: it watches our own kinds, and each handler puts keys on the work queue.

Only ``on.event``, and never on Secrets: kopf's change handlers copy a watched object's data into an annotation. No
state, no writes, no exceptions cross this border.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import kopf
import structlog

from keyturn.api.base import GROUP, VERSION
from keyturn.kube import paths
from keyturn.kube.pages import WATCH_SECONDS, Heartbeat
from keyturn.kube.raw import Json
from keyturn.kube.wakeups import Wakeups
from keyturn.ports import Denied

_LOG = structlog.get_logger("keyturn")


@dataclass(frozen=True, slots=True)
class Patience:
    """With an API server that fails; in seconds."""

    retries: Sequence[float] = (0.5, 1.0, 2.0, 4.0, 8.0)  # between kopf's attempts at one request
    pause: float = 2.0  # before everything is watched anew


async def watch(
    wakeups: Wakeups,
    namespaces: Sequence[str],
    *,
    in_cluster: bool,
    ready: asyncio.Event,
    heartbeat: Heartbeat,
    signals: Callable[[], None] = lambda: None,
    patience: Patience = Patience(),
) -> None:
    """Watch until cancelled; no namespaces means all. An API server that fails, or is away, is waited for.

    ``signals`` takes SIGTERM and SIGINT back, which kopf claims for itself whenever it begins.
    Raises Denied when the API server refuses a watch.
    """
    registry, sessions = kopf.OperatorRegistry(), list[aiohttp.ClientSession]()
    kopf.on.login(registry=registry)(_login(heartbeat, sessions, in_cluster=in_cluster))
    handlers = _handlers(wakeups, cluster_wide=not namespaces)
    for plural, handler in handlers.items():
        kopf.on.event(GROUP, VERSION, plural, registry=registry)(handler)
    collections = [paths.ours(plural, namespace) for plural in handlers for namespace in namespaces or (None,)]
    while True:
        for collection in collections:
            heartbeat.expect(collection)
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=_settings(patience.retries),
            clusterwide=not namespaces,
            namespaces=tuple(namespaces),
            standalone=True,
            identity=cast("Any", "keyturn"),  # of peering, which is off; kopf would ask for a user name: pods have none
            ready_flag=ready,
        )
        signals()
        failure = await _failure(tasks, sessions)
        if _refused(failure):
            raise Denied(
                "WatchEnded",
                "Keyturn's kinds cannot be watched: install this version's CRDs, and grant list and watch on them.",
            )
        _LOG.warning("the API server fails; watching anew as soon as it answers", cause=type(failure).__name__)
        await asyncio.sleep(patience.pause)


async def _failure(tasks: Collection[asyncio.Task[None]], sessions: Sequence[aiohttp.ClientSession]) -> object:
    """What ended the first of kopf's tasks that ends; the others are ended with it."""
    try:  # kopf.run_tasks would also cancel every task of ours
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next((task.exception() for task in done if not task.cancelled() and task.exception()), None)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in sessions:  # kopf closes those that it came to use
            await session.close()


def _refused(failure: object) -> bool:
    """Whether asking again would change nothing. A 429, as any 5xx or a cut, is weather."""
    status = getattr(failure, "status", None)  # of kopf's APIError, which it does not export
    return isinstance(failure, kopf.LoginError) or (isinstance(status, int) and 400 <= status < 500 and status != 429)


def _settings(retries: Sequence[float]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # peering is no election: it has no locks and trusts wall clocks
    settings.posting.enabled = False  # its Events repeat exceptions' texts
    settings.scanning.disabled = True  # no rights to watch CRDs and namespaces
    settings.networking.request_timeout = 20  # the default is five minutes
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = tuple(retries)
    settings.watching.server_timeout = WATCH_SECONDS  # a watch that lives asks again, and the heartbeat hears it
    settings.watching.connect_timeout = 5
    settings.watching.inactivity_timeout = 70  # bookmarks come every minute; a watch without is frozen
    settings.watching.chunk_size = 500  # else one answer holds every object
    settings.queueing.error_delays = (1, 1, 2, 3, 5, 10)  # the default throttles for ten minutes
    settings.queueing.worker_limit = None
    settings.persistence.finalizer = "keyturn.dev/kopf"  # not ours: stateless handlers put none
    settings.process.ultimate_exiting_timeout = None  # main bounds its own end
    return settings


def _login(heartbeat: Heartbeat, sessions: list[aiohttp.ClientSession], *, in_cluster: bool) -> Any:
    """The usual ways to the API server, on a session that tells the heartbeat which collections are asked for."""
    own = kopf.login_with_service_account if in_cluster else kopf.login_with_kubeconfig

    async def asking(_session: object, _context: object, request: aiohttp.TraceRequestStartParams) -> None:
        if request.url.query.get("watch") == "true":
            heartbeat.asked(request.url.path)

    async def login(**known: Any) -> kopf.AiohttpSession | None:
        found = own(**known)
        if found is None:
            return None
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(asking)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
            headers=found.as_http_headers(),
            proxy=found.proxy_url,
            trust_env=found.trust_env,
            trace_configs=[trace],
        )
        sessions[:] = [*(one for one in sessions if not one.closed), session]
        return kopf.AiohttpSession(
            server=found.server,
            default_namespace=found.default_namespace,
            expiration=found.expiration,
            aiohttp_session=session,
        )

    return login


def _handlers(wakeups: Wakeups, *, cluster_wide: bool) -> dict[str, Any]:
    # Coroutines, because kopf runs plain functions in threads and the queue belongs to the loop.
    async def plan_changed(event: Any, **_: Any) -> None:
        wakeups.plan(_object(event), gone=event["type"] == "DELETED")

    async def rotation_changed(event: Any, **_: Any) -> None:
        wakeups.rotation(_object(event))

    async def provider_changed(event: Any, **_: Any) -> None:
        wakeups.provider("CredentialProvider", _object(event))

    async def cluster_provider_changed(event: Any, **_: Any) -> None:
        wakeups.provider("ClusterCredentialProvider", _object(event))

    handlers: dict[str, Any] = {
        paths.PLANS: plan_changed,
        paths.ROTATIONS: rotation_changed,
        paths.PROVIDERS: provider_changed,
    }
    if cluster_wide:  # with rights in namespaces only, watching a cluster-scoped kind is refused and ends the operator
        handlers[paths.CLUSTER_PROVIDERS] = cluster_provider_changed
    return handlers


def _object(event: Any) -> Json:
    return cast("Json", event["object"])
