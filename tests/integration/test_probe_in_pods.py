"""The probe in real pods under the ``restricted`` Pod Security Standard, patched as the injector does and challenged.

What only a kubelet can show: which container a process belongs to, whether one sidecar may read another container's
environment, when a mounted version appeared, what the readiness gate does to a pod, what the probe costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from keyturn.core.model import Kind, Verdict
from keyturn.kube.cluster import KubeCluster
from support.probe_ground import FROM_SECRET, NEW, OLD, Ground, plan_manifest

pytestmark = [pytest.mark.integration, pytest.mark.enable_socket]


async def test_a_pod_proves_what_its_processes_and_files_hold(ground: Ground) -> None:
    ground.start("both", env=[FROM_SECRET], mounted=True)
    await asyncio.to_thread(ground.until, "both", "condition=Ready")

    testimony = await ground.asked("both")

    shown = {(sight.container, sight.kind, sight.verdict) for sight in testimony.sights}
    assert shown == {("app", Kind.PROCESS, Verdict.NEW), ("app", Kind.MOUNTED, Verdict.NEW)}
    assert any(connection.local_port == 9901 for connection in testimony.connections), "our own challenge"


@pytest.mark.fm(27)
async def test_a_process_older_than_its_file_is_not_proof(ground: Ground) -> None:
    ground.secret(OLD)
    ground.start("file", mounted=True)
    await asyncio.to_thread(ground.until, "file", "jsonpath={.status.phase}=Running")
    await ground.process("file", Verdict.OLD)

    ground.secret(NEW)
    ground.kubectl("annotate", "pod", "file", "touched=1")  # the kubelet refreshes at once

    sight = await ground.process("file", Verdict.UNKNOWN)
    assert "older than this version of the file" in sight.why
    assert Verdict.NEW in {s.verdict for s in (await ground.asked("file")).sights if s.kind is Kind.MOUNTED}


@pytest.mark.parametrize(
    ("command", "env"),
    [
        ((), [{"name": "DATABASE_URL", "value": OLD}]),
        (("sh", "-c", f"export DATABASE_URL={OLD}; exec sleep 3600"), [FROM_SECRET]),
    ],
    ids=["in the template", "by a wrapper script"],
)
async def test_a_new_pod_whose_variable_was_overridden_is_held_unready(
    ground: Ground, command: tuple[str, ...], env: Sequence[Mapping[str, Any]]
) -> None:
    ground.start("overridden", *command, env=env)
    await asyncio.to_thread(ground.until, "overridden", "jsonpath={.status.phase}=Running")
    await ground.process("overridden", Verdict.OLD)

    with pytest.raises(AssertionError, match="timed out"):
        ground.kubectl("wait", "pod/overridden", "--for=condition=Ready", "--timeout=5s")
    assert "not ready" in ground.kubectl("logs", "overridden", "-c", "keyturn-probe")


async def test_a_pod_whose_user_only_its_image_says_is_unproven_and_the_next_one_proves(
    ground: Ground, world: KubeCluster
) -> None:
    ground.kubectl.apply(plan_manifest(ground.plan))
    first = await asyncio.to_thread(ground.deploy, "orders", ground.interest)
    sight = await ground.process(first, Verdict.UNKNOWN)
    assert "runs as user 10009, group " in sight.why

    learned = await ground.learn(world, "orders")
    second = await asyncio.to_thread(ground.deploy, "orders", learned)

    assert (await ground.process(second, Verdict.NEW)).container == "app"
    (probe,) = ground.kubectl.get("pod", second)["spec"]["initContainers"]
    context = probe["securityContext"]
    # The kubelet passes on an image's user alone, so its group may be lost on the way (seen on 1.36: group 0).
    assert (context["runAsUser"], context["runAsGroup"]) in {(10009, 10019), (10009, 0)}


async def test_the_probe_cannot_be_looked_into_and_costs_ten_megabytes_at_most(ground: Ground) -> None:
    ground.start("app", env=[FROM_SECRET])
    await asyncio.to_thread(ground.until, "app", "condition=Ready")
    await ground.asked("app")
    find = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = python3 ] && '

    looked = ground.kubectl(
        "exec",
        "app",
        "-c",
        "app",
        "--",
        "sh",
        "-c",
        find + "! cat $p/environ && ! ls $p/root/ && echo hidden; done 2>&1; :",
    )
    assert looked.count("Permission denied") == 2
    assert looked.endswith("hidden\n")

    resident = ground.kubectl("exec", "app", "-c", "app", "--", "sh", "-c", find + "grep VmHWM $p/status; done; :")
    assert 0 < int(resident.split()[1]) <= 10 * 1024
