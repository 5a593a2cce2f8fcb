"""Whatever the API server answers or its client raises, no word of it comes out of the Cluster port's adapter.

Every method is called, read off the protocol, with sealed values in its arguments.
"""

from __future__ import annotations

import inspect
import ssl
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from kubernetes.aio.client.exceptions import ApiException

from keyturn.api.kinds import PlanStatus, RotationSpec, RotationStatus
from keyturn.core.model import ConsumerRef, ObjectKey
from keyturn.core.sealed import Sealed
from keyturn.kube.client import KubeClient
from keyturn.kube.cluster import KubeCluster
from keyturn.ports import (
    Announcement,
    Cluster,
    Escrow,
    KeyturnError,
    RotationRecord,
    SecretRecord,
    Signing,
    SigningWish,
    WorkloadRecord,
)
from support.api_response import Response
from support.canaries import FOREIGN, guises, leaks
from support.plan_records import plan_record, pod_record

OURS = "a-value-of-our-own-0123456789"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY = ObjectKey("shop", "orders-db")
REF = ConsumerRef("Deployment", "shop", "api")
WORDS = " ".join(sorted(guises(FOREIGN) | guises(OURS)))
VALUES = {"url": Sealed(OURS)}


class StoppedClock:
    def now(self) -> datetime:
        return NOW


def rotation_record() -> RotationRecord:
    spec = RotationSpec.model_validate({"planRef": {"name": "orders-db"}})
    return RotationRecord(KEY, "u", 1, "1", NOW, spec, RotationStatus(phase="Soak"))


def workload_record() -> WorkloadRecord:
    return WorkloadRecord(
        ref=REF, uid="u", template={}, selector="app=api", generation_mark=None, deliveries=(), settled=True,
        healthy=True, stuck="", replicas=1, kills_first=False, paused=False, injected=True,
    )  # fmt: skip


GIVEN: dict[str, Callable[[str], Any]] = {
    # by the name of the argument; what it is about may differ from method to method
    "key": lambda _: KEY,
    "namespace": lambda _: "shop",
    "plan": lambda method: (
        KEY if method in {"rotations", "consumers", "restart", "touch", "follow", "unfollow"} else plan_record()
    ),
    "rotation": lambda _: KEY,
    "admin": lambda _: KEY,
    "record": lambda method: {
        "save_plan": plan_record(),
        "hold_plan": plan_record(),
        "write_secret": SecretRecord(KEY, "u", "1", VALUES, {}),
    }.get(method, rotation_record()),
    "name": lambda _: "orders-db-1",
    "spec": lambda _: rotation_record().spec,
    "status": lambda method: PlanStatus() if method == "save_plan" else RotationStatus(phase="Soak"),
    "hold": lambda _: True,
    "data": lambda _: VALUES,
    "tag": lambda _: "r/1",
    "escrow": lambda _: Escrow({"orders_a": Sealed(OURS)}, VALUES, "1"),
    "plan_uid": lambda _: "u",
    "secret": lambda _: "orders-db",
    "listed": lambda _: [REF],
    "consumers": lambda _: [REF],
    "discover": lambda _: True,
    "finished": lambda _: True,
    "lost": lambda _: (),
    "workloads": lambda _: [workload_record()],
    "workload": lambda _: workload_record(),
    "generation": lambda _: 3,
    "pod": lambda _: pod_record(),
    "about": lambda _: KEY,
    "kind": lambda _: "Rotation",
    "uid": lambda _: "u",
    "wish": lambda _: SigningWish(b"public", "shop-ca", "Issuer", ("server auth",), timedelta(days=1)),
    "event": lambda _: Announcement("Reason", "words"),
}
METHODS = [name for name, value in (vars(Cluster) | vars(Signing)).items() if inspect.iscoroutinefunction(value)]


def answers(status: int, body: object) -> Callable[[str], Response]:
    return lambda _method: Response(status, body)


def fails(error: Exception) -> Callable[[str], Response]:
    def fail(_method: str) -> Response:
        raise error

    return fail


def reads_then(status: int, body: object) -> Callable[[str], Response]:
    """Reading goes well, so that the write is reached."""
    good = {"metadata": {"resourceVersion": "1", "uid": "u", "namespace": "shop", "name": "orders-db"}}
    return lambda method: answers(*((200, good) if method == "GET" else (status, body)))(method)


CAUSES = [{"reason": WORDS, "message": WORDS, "field": WORDS}]
SAID = {"kind": "Status", "message": WORDS, "reason": WORDS, "details": {"name": WORDS, "causes": CAUSES}}
GARBAGE = {
    "metadata": {"creationTimestamp": WORDS, "deletionTimestamp": WORDS},
    "spec": {"planRef": {"name": "orders-db"}, "providerRef": [WORDS], "secret": WORDS},
    "status": {"phase": [WORDS], "generation": WORDS},
    "data": {"escrow.json": WORDS, "url": WORDS},
}
TROUBLES: Mapping[str, Callable[[str], Response]] = {
    **{f"status {code}": answers(code, SAID) for code in (400, 401, 403, 404, 409, 410, 422, 429, 500, 503)},
    **{f"write {code}": reads_then(code, SAID) for code in (400, 403, 404, 409, 410, 422, 429, 500, 504)},
    "not JSON": answers(200, WORDS.encode()),
    "not text": answers(200, WORDS.encode("utf-16")),
    "garbage": answers(200, GARBAGE),
    "garbage in a list": answers(200, {"items": [GARBAGE], "metadata": {}}),
    "written, then garbage": reads_then(200, GARBAGE),
    "ClientError": fails(aiohttp.ClientError(WORDS)),
    "cut off": fails(aiohttp.ServerDisconnectedError(WORDS)),
    "payload": fails(aiohttp.ClientPayloadError(WORDS)),
    "connect": fails(aiohttp.ClientConnectorError(SimpleNamespace(host=WORDS, port=1, ssl=True), OSError(WORDS))),  # type: ignore[arg-type]
    "TLS": fails(ssl.SSLError(1, WORDS)),
    "OSError": fails(OSError(5, WORDS)),
    "TimeoutError": fails(TimeoutError(WORDS)),
    "ApiException": fails(ApiException(status=0, reason=WORDS)),
    "RuntimeError": fails(RuntimeError(WORDS)),
}
ESCAPING = ("ApiException", "RuntimeError")  # no error of ours: the queue names type and place only


def cluster(trouble: Callable[[str], Response]) -> KubeCluster:
    async def request(method: str, _url: str, **_sent: Any) -> Any:
        return SimpleNamespace(response=trouble(method))

    async def token(*_: object, **__: object) -> None:
        return None

    configuration = SimpleNamespace(host="https://api", get_api_key_with_prefix=token)
    api = SimpleNamespace(configuration=configuration, rest_client=SimpleNamespace(request=request))
    client = KubeClient(api)  # type: ignore[arg-type]
    return KubeCluster(client, operator_namespace="keyturn-system", identity="me", clock=StoppedClock())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_no_word_of_an_answer_or_of_the_client_comes_out(trouble: str, method: str) -> None:
    port = cluster(TROUBLES[trouble])
    asked = [p for p in inspect.signature(getattr(Cluster, method)).parameters.values() if p.name != "self"]
    arguments = {p.name: GIVEN[p.name](method) for p in asked}
    raised: Exception | None = None
    try:
        await getattr(port, method)(**arguments)
    except Exception as error:  # noqa: BLE001 - any
        raised = error
    if isinstance(raised, KeyturnError):
        chain = "".join(traceback.format_exception(raised))
        said = [str(raised), repr(raised), raised.reason, raised.message, repr(raised.args), chain]
        assert leaks(said, [FOREIGN, OURS]) == []
    else:  # nothing, or for the queue's log, which takes no words
        assert raised is None or trouble in ESCAPING or "garbage" in trouble, (trouble, method, type(raised))
