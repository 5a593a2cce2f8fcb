"""Apps in real pods that are told to reload, and that say which credential they use; never restarted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from keyturn.api.plan_kinds import RotationPlanSpec
from keyturn.core.evidence import Testimony
from keyturn.core.model import ConsumerRef, Kind, Verdict
from keyturn.ports import PlanRecord, PodRecord
from support.probe_ground import EXPECTED, FILE, NEW, OLD, Ground

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reported-evidence.md"


class Told:
    """A pod of a consumer that declares how it is told, and what it shows."""

    def __init__(self, ground: Ground, name: str, **declares: object) -> None:
        self.ground, self.name = ground, name
        listed = [{"name": name, **declares}]
        spec = ground.plan.spec.model_dump(by_alias=True, mode="json", exclude_none=True)
        changed = RotationPlanSpec.model_validate(spec | {"consumers": {"list": listed}})
        self.plan: PlanRecord = replace(ground.plan, spec=changed)

    def pod(self) -> PodRecord:
        ref = ConsumerRef("Deployment", self.ground.kubectl.namespace, self.name)
        return replace(self.ground.pod(self.name), consumer=ref)

    async def reload(self) -> None:
        await self.ground.client.reload(self.plan, [await asyncio.to_thread(self.pod)], 4)

    async def testimony(self) -> Testimony:
        pod = await asyncio.to_thread(self.pod)
        return (await self.ground.client.challenge(self.plan, [pod], 4, EXPECTED))[pod.uid]

    async def until(self, wanted: Mapping[Kind, Verdict], *, told: bool = False) -> None:
        """Orders the reload each time, as the reconciler does."""
        shown: dict[Kind, Verdict] = {}
        async with asyncio.timeout(60):
            while not wanted.items() <= shown.items():
                if told:
                    await self.reload()
                shown = {sight.kind: sight.verdict for sight in (await self.testimony()).sights}
                await asyncio.sleep(0.3)

    def stage(self) -> None:
        self.ground.secret(NEW)
        self.ground.kubectl("annotate", "pod", self.name, "touched=1")  # the kubelet refreshes at once

    def restarts(self) -> list[int]:
        found = self.ground.kubectl.get("pod", self.name)["status"]
        return [one["restartCount"] for one in (*found["containerStatuses"], *found["initContainerStatuses"])]


async def test_an_app_is_told_over_http_and_says_what_it_uses(ground: Ground) -> None:
    ground.secret(OLD)
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    env = [{"name": "URL_FILE", "value": f"{FILE}/url"}, {"name": "PORT", "value": "8080"}]
    ground.start("api", "python3", "-c", program.replace("DATABASE_URL", "url"), env=env, mounted=True)
    http = {"reload": "Http", "reloadHttp": {"port": 8080}, "report": {"port": 8080}}
    told = Told(ground, "api", **http)
    await asyncio.to_thread(ground.until, "api", "jsonpath={.status.phase}=Running")
    await told.until({Kind.REPORTED: Verdict.OLD, Kind.MOUNTED: Verdict.OLD}, told=True)
    assert "as soon as its files show" in (await told.testimony()).note

    await asyncio.to_thread(told.stage)
    await told.until({Kind.MOUNTED: Verdict.NEW})
    await told.until({Kind.REPORTED: Verdict.OLD})  # the file says more than the app does

    await told.until({Kind.REPORTED: Verdict.NEW}, told=True)
    assert (await told.testimony()).note == ""
    assert told.restarts() == [0, 0]


async def test_an_app_is_signalled_once_and_the_probe_stays_within_ten_megabytes(ground: Ground) -> None:
    ground.secret(OLD)
    script = "trap 'echo reloaded' HUP; while :; do sleep 0.1; done"
    ground.start("proxy", "sh", "-c", script, mounted=True)
    signal = {"reload": "Signal", "reloadSignal": {"container": "app"}, "report": {"port": 8080}}
    told = Told(ground, "proxy", **signal)
    await asyncio.to_thread(ground.until, "proxy", "jsonpath={.status.phase}=Running")
    await told.until({Kind.MOUNTED: Verdict.OLD}, told=True)

    await asyncio.to_thread(told.stage)
    await told.until({Kind.MOUNTED: Verdict.NEW}, told=True)
    for _ in range(3):
        await told.reload()

    async with asyncio.timeout(10):
        heard = ""
        while not heard:
            heard = await asyncio.to_thread(ground.kubectl, "logs", "proxy", "-c", "app")
            await asyncio.sleep(0.1)
    assert heard.split() == ["reloaded"]
    find = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = python3 ] && grep VmHWM $p/status; done; :'
    resident = await asyncio.to_thread(ground.kubectl, "exec", "proxy", "-c", "app", "--", "sh", "-c", find)
    assert 0 < int(resident.split()[1]) <= 10 * 1024
