"""Pods, workloads and probes: crashes, evictions, lost nodes, scaling, other people's rollouts, silence."""

from __future__ import annotations

from keyturn.core.sealed import Sealed
from support.fault import Act, Fault, lasting
from support.pods import Pod, Template, Workload
from support.world import API, OLD_URL, WORKER, World


def _api(world: World) -> Workload:
    return world.cluster.workloads[API]


def on_api(name: str, value: object, otherwise: object) -> tuple[Act, Act]:
    """An attribute of the workload while the fault lasts."""

    def begin(world: World) -> None:
        setattr(_api(world), name, value)

    def end(world: World) -> None:
        setattr(_api(world), name, otherwise)

    return begin, end


def _first(workload: Workload) -> Pod | None:
    return next((p for p in workload.pods if not p.terminating and not p.lost), None)


def _container_restarts(world: World) -> None:
    for workload in world.cluster.workloads.values():
        if (pod := _first(workload)) is not None:
            world.cluster.fleet.start_container(workload, pod)


def _evict(world: World) -> None:
    if (pod := _first(_api(world))) is not None:
        pod.leaving = _api(world).grace


def _scaled(replicas: int) -> Act:
    def act(world: World) -> None:
        _api(world).replicas = replicas

    return act


def _lose_node(world: World) -> None:
    if (pod := _first(_api(world))) is not None:
        pod.lost = True


def _node_back(world: World) -> None:
    for pod in world.cluster.fleet.pods():
        pod.lost = False


def _stays_lost(world: World) -> None:
    _lose_node(world)


def _image(world: World) -> None:
    workload = _api(world)
    workload.edit(Template(workload.template.mark, f"{workload.template.image}+"))


def _undo(world: World) -> None:
    _api(world).undo()


def _mark_lost(world: World) -> None:
    """GitOps applies the template without our annotation."""
    workload = _api(world)
    workload.edit(Template(None, workload.template.image))


def _linger(world: World) -> None:
    """The reloading app's pool keeps its present session for long, although it reads the file anew."""
    for pod in world.cluster.workloads[WORKER].pods:
        if pod.port is not None:
            pod.lingering.append(pod.port)
            pod.port = None


def _give_up(world: World) -> None:
    for pod in world.cluster.fleet.pods():
        for port in pod.lingering:
            world.backend.hang_up(port)
        pod.lingering.clear()


def _old_again(world: World) -> None:
    """A pod of a known consumer logs in with the old value once more."""
    pod = _first(_api(world))
    if pod is not None and not world.backend.down:
        port = world.backend.login("orders_a", Sealed("the-old-value-of-orders"), pod.address)
        if port is not None:
            pod.lingering.append(port)


def _mute(world: World) -> None:
    world.probes_silent = True


def _speak(world: World) -> None:
    world.probes_silent = False


def _mute_one(world: World) -> None:
    world.silent_pods.add("worker")


def _speak_all(world: World) -> None:
    world.silent_pods.clear()


def _blindfold(world: World) -> None:
    world.unsighted = True


def _sighted(world: World) -> None:
    world.unsighted = False


def _override(world: World) -> None:
    _api(world).overridden = OLD_URL


def _no_override(world: World) -> None:
    """The template is put right, and with it the pods that were made from the wrong one."""
    _api(world).overridden = None
    for pod in _api(world).pods:
        if pod.held is not None and pod.held.writer == "template":
            pod.leaving = 0


def _bare_pod(world: World) -> None:
    world.cluster.add_bystander(OLD_URL)


def _bare_pod_gone(world: World) -> None:
    world.cluster.bystanders.clear()


FAULTS = (
    Fault("container restarts", "pods", _container_restarts, fm=(27, 28)),
    Fault("pod evicted", "pods", _evict, fm=(28,)),
    Fault("scale up", "pods", _scaled(3), fm=(18,)),
    Fault("scale down", "pods", _scaled(1), fm=(18,)),
    Fault("new pods crash", "pods", *on_api("crash_with", "orders_b", ""), lasting(400), fm=(16,)),
    Fault("new pods crash for a while", "pods", *on_api("crash_with", "orders_b", ""), lasting(10), fm=(16,)),
    Fault("template overrides", "pods", _override, _no_override, lasting(400), fm=(16, 27)),
    Fault("pods terminate slowly", "pods", *on_api("grace", 60, 1), lasting(30), fm=(23,)),
    Fault("node lost", "pods", _lose_node, _node_back, lasting(30), fm=(17, 23)),
    Fault("node lost for good", "pods", _stays_lost, fm=(23,)),
    Fault("no room for pods", "pods", *on_api("unschedulable", True, False), lasting(40), fm=(17,)),  # noqa: FBT003
    Fault("no room for long", "pods", *on_api("unschedulable", True, False), lasting(300), fm=(17,)),  # noqa: FBT003
    Fault("rollout paused", "pods", *on_api("paused", True, False), lasting(30), fm=(17,)),  # noqa: FBT003
    Fault("image edited", "pods", _image, fm=(19,)),
    Fault("human undo", "pods", _undo, fm=(20,)),
    Fault("annotation lost", "pods", _mark_lost, fm=(20,)),
    Fault("old session lingers", "pods", _linger, _give_up, lasting(40), fm=(30,)),
    Fault("old used again", "pods", _old_again, _give_up, lasting(10), fm=(31, 34)),
    Fault("probes silent", "probes", _mute, _speak, lasting(20), fm=(25, 29)),
    Fault("probes silent for long", "probes", _mute, _speak, lasting(300), fm=(25, 29)),
    Fault("one probe silent", "probes", _mute_one, _speak_all, lasting(30), fm=(29,)),
    Fault("probes see no process", "probes", _blindfold, _sighted, lasting(30), fm=(25, 27)),
    Fault("bare pod appears", "pods", _bare_pod, _bare_pod_gone, lasting(30), fm=(24,)),
)
