"""Whose apps are told to reload, whose are asked which credential they use, and that nobody else's are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keyturn.api.kinds import RotationPlanSpec
from keyturn.core.model import ConsumerRef
from keyturn.kube.probes import open_probes, reloads, reports
from keyturn.ports import PlanRecord, PodRecord
from support.plan_records import Drawer, plan_record, pod_record

HTTP = {"name": "api", "reload": "Http", "reloadHttp": {"port": 8080}, "report": {"port": 8081, "path": "/who"}}
SIGNAL = {"name": "proxy", "reload": "Signal", "reloadSignal": {"container": "envoy"}}
ITSELF = {"name": "worker", "reload": "PerConnection"}


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


def plan(*listed: Mapping[str, object]) -> PlanRecord:
    made = plan_record()
    spec = made.spec.model_dump(by_alias=True, mode="json", exclude_none=True) | {"consumers": {"list": list(listed)}}
    return replace(made, spec=RotationPlanSpec.model_validate(spec))


def pod(consumer: str, port: int = 1) -> PodRecord:
    ref = ConsumerRef("Deployment", "shop", consumer) if consumer else None
    return replace(pod_record(address="127.0.0.1", port=port), consumer=ref)


def test_a_plan_says_whom_to_tell_and_whom_to_ask() -> None:
    told = {ref.name: errand for ref, errand in reloads(plan(HTTP, SIGNAL, ITSELF)).items()}
    assert told == {"api": ("http", "8080", "/-/reload"), "proxy": ("signal", "SIGHUP", "envoy")}
    assert {ref.name: errand for ref, errand in reports(plan(HTTP, SIGNAL)).items()} == {
        "api": ("report", "8081", "/who")
    }


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("consumer", "heard"), [("api", {"http", "report"}), ("proxy", {"signal", ""}), ("worker", {""}), ("", {""})]
)
async def test_only_pods_that_declare_it_are_sent_on_errands(consumer: str, heard: set[str]) -> None:
    errands: set[str] = set()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        words = (await reader.readline()).decode().split()
        errands.add(words[6] if len(words) > 7 else "")
        writer.close()

    client = open_probes(Drawer(), "keyturn", StoppedClock())
    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        asked = pod(consumer, server.sockets[0].getsockname()[1])
        await client.reload(plan(HTTP, SIGNAL, ITSELF), [asked], 4)
        await client.challenge(plan(HTTP, SIGNAL, ITSELF), [asked], 4, {})
    assert errands == heard


@pytest.mark.enable_socket
async def test_a_pod_that_cannot_be_told_does_not_raise() -> None:
    await open_probes(Drawer(), "keyturn", StoppedClock()).reload(plan(HTTP), [pod("api")], 4)
