"""The webhook: an AdmissionReview in, an AdmissionReview out that always allows. It may never keep a pod from starting.

    POST /inject    a pod that is about to be created, with our label
    GET  /healthz   this process answers
    GET  /readyz    and knows the plans

A pod's spec can carry secrets in plain variables: nothing of it is ever logged but namespace, name and plans.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import structlog
from aiohttp import web

from keyturn.injector.patch import INJECTED, Injection, Json, injection
from keyturn.injector.watched import ApiServer, Plans, in_cluster
from keyturn.ports import Misconfigured

_LARGEST_REVIEW = 8 * 1024 * 1024  # bytes
_PATIENCE = 1.0  # seconds of the webhook's two that a review may wait for the first list of plans
_RELOAD_EVERY = 10.0  # seconds between two looks at the certificate
_log = structlog.get_logger("keyturn.injector")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the chart starts the injector."""

    probe_image: str
    namespaces: tuple[str, ...] = ()  # none: all
    certificates: Path = Path("/etc/keyturn/tls")  # tls.crt and tls.key
    port: int = 8443
    host: str | None = None  # None: every address of the pod


async def serve(settings: Settings, server: ApiServer | None = None) -> None:
    """Serve until cancelled. Raises Misconfigured if the certificate is missing or this is no cluster."""
    plans = Plans(server or in_cluster(), settings.namespaces)
    context = _context(settings.certificates)
    runner = web.AppRunner(application(plans, settings.probe_image), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, ssl_context=context).start()
        _log.info("injector serves", port=settings.port, namespaces=list(settings.namespaces) or ["*"])
        async with asyncio.TaskGroup() as group:
            group.create_task(plans.run())
            group.create_task(_keep_fresh(context, settings.certificates))
    finally:
        await runner.cleanup()


def application(plans: Plans, probe_image: str) -> web.Application:
    """The web application, without a listener."""

    async def inject(request: web.Request) -> web.Response:
        return web.json_response(await _review(request, plans, probe_image))

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(text="ok") if plans.ready else web.Response(status=503, text="the plans are not known yet")

    made = web.Application(client_max_size=_LARGEST_REVIEW)
    made.add_routes([web.post("/inject", inject), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    return made


async def _review(request: web.Request, plans: Plans, probe_image: str) -> Json:
    """Catches everything: whatever is wrong with us, the pod is created."""
    uid = ""
    try:
        asked = cast("Json", (await request.json())["request"])
        uid = str(asked.get("uid", ""))
        pod = cast("Json", asked["object"])
        if not await plans.until_ready(_PATIENCE):
            return response(
                uid, Injection(warning="keyturn: no probe was added: the injector does not know the plans yet")
            )
        namespace = str(asked.get("namespace", ""))
        found = injection(pod, plans.of(namespace), probe_image)
        _tell(namespace, pod, found)
        return response(uid, found)
    except Exception as error:  # noqa: BLE001  # a bug of ours must not keep a pod from starting; the type alone is safe
        _log.error("review failed open", kind=type(error).__name__)  # a traceback may quote the pod
        return response(uid, Injection(warning="keyturn: no probe was added: the injector failed; see its log"))


def response(uid: str, found: Injection) -> Json:
    """An AdmissionReview that allows (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/)."""
    answer: Json = {"uid": uid, "allowed": True}
    if found.operations:
        patch = json.dumps(found.operations, separators=(",", ":")).encode()
        answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    if found.warning:
        answer["warnings"] = [found.warning]
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}


def _tell(namespace: str, pod: Mapping[str, Any], found: Injection) -> None:
    metadata = cast("Mapping[str, Any]", pod.get("metadata") or {})
    name = metadata.get("name") or metadata.get("generateName", "")
    path = "/metadata/annotations/" + INJECTED.replace("/", "~1")
    served = [operation["value"] for operation in found.operations if operation["path"] == path]
    _log.info("reviewed", namespace=namespace, pod=name, plans=" ".join(served), warning=found.warning)


def _context(certificates: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not _load(context, certificates):
        raise Misconfigured(
            "NoCertificate", "tls.crt and tls.key are not in the certificates folder; install the chart"
        )
    return context


def _load(context: ssl.SSLContext, certificates: Path) -> bool:
    try:
        context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
    except (OSError, ssl.SSLError):
        return False
    return True


async def _keep_fresh(context: ssl.SSLContext, certificates: Path) -> None:
    """New handshakes use a renewed certificate; one that cannot be read leaves the present one in place."""
    loaded = await asyncio.to_thread(_stamp, certificates)
    while True:
        await asyncio.sleep(_RELOAD_EVERY)
        now = await asyncio.to_thread(_stamp, certificates)
        if now != loaded and await asyncio.to_thread(_load, context, certificates):
            loaded = now
            _log.info("certificate renewed")


def _stamp(certificates: Path) -> tuple[int, int]:
    try:
        return (certificates / "tls.crt").stat().st_mtime_ns, (certificates / "tls.key").stat().st_mtime_ns
    except OSError:
        return 0, 0
