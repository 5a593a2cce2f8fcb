"""The simulated world of a ring whose acceptors count: presenters show tokens, and every acceptor has a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from keyturn.ports import PlanRecord, Provider, ProviderRecord, SecretRecord
from keyturn.providers.keyring.pages import Unread
from keyturn.providers.keyring.provider import opened_inside
from support.pods import Pod
from support.ring_world import FIRST, PLAN_SPEC, SIGN, VERIFY, RingFleet, RingWorld

METRIC = "tokens_accepted_total"
_KEYRING = {**dict(PLAN_SPEC["keyring"]), "counters": {"port": 9090, "metric": METRIC}}  # type: ignore[call-overload]
SEEN = {"keyring": _KEYRING, "verify": {"require": ["Process"], "soak": "20s", "proofDeadline": "1m"}}


@dataclass
class Meters:
    """The pages of all acceptors, as the operator reads them."""

    fleet: RingFleet
    counts: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])  # pod -> key id -> tokens
    held: dict[str, object] = field(default_factory=dict[str, object])  # what each was counting for
    silent: set[str] = field(default_factory=set[str])  # workloads whose pages do not answer

    async def page(self, address: str, port: int, path: str) -> bytes:
        assert (port, path) == (9090, "/metrics")
        pod = next((one for one in self.fleet.pods() if one.address == address and not one.crashed), None)
        if pod is None or pod.consumer.name in self.silent:
            raise Unread("its page does not answer")
        return "".join(f'{METRIC}{{kid="{kid}"}} {count}\n' for kid, count in self.of(pod).items()).encode()

    def of(self, pod: Pod) -> dict[str, int]:
        """A process that was started with another ring counts from the beginning."""
        ring = self.fleet.rings[pod.name]
        if self.held.get(pod.name) is not ring:
            self.held[pod.name] = ring
            self.counts[pod.name] = dict.fromkeys(json.loads(ring.reveal_text()), 0)
        return self.counts[pod.name]

    def present(self, kid: str, *, stubborn: str = "") -> None:
        """A token to every acceptor. ``stubborn``: a workload that goes on accepting whatever it ever accepted."""
        for pod in self.fleet.pods():
            if pod.consumer in VERIFY and not pod.crashed:
                counts = self.of(pod)
                if kid in counts or pod.consumer.name == stubborn:
                    counts[kid] = counts.get(kid, 0) + 1


@dataclass
class CountingWorld(RingWorld):
    """Presenters show tokens at each tick; ``straggler`` shows one of OLD, whoever he is."""

    spec_changes: dict[str, object] = field(default_factory=lambda: dict(SEEN))
    straggler: bool = False
    stubborn: str = ""
    meters: Meters = None  # type: ignore[assignment]  # of the fleet, once there is one

    def restart_operator(self) -> None:
        """A new process: nothing that acceptors counted is remembered."""
        super().restart_operator()
        if self.meters is None or self.meters.fleet is not self.cluster.fleet:
            self.meters = Meters(self.cluster.fleet)
        self._opened = opened_inside(self.clock, self.cluster, self, self.meters)

    def open(self, record: ProviderRecord, plan: PlanRecord, admin: SecretRecord | None) -> Provider:  # type: ignore[override]
        assert admin is None
        return self._opened(record, plan, SecretRecord(plan.key, "", "", {}, {}))

    async def tick(self) -> None:
        for pod in self.cluster.fleet.pods():
            if pod.consumer in SIGN and pod.held is not None and not pod.crashed:
                self.meters.present(pod.held.value.reveal_text().partition(".")[0])
        if self.straggler:
            self.meters.present(FIRST, stubborn=self.stubborn)
        await super().tick()

    @property
    def idle(self) -> tuple[str, str]:
        """What the rotation says of OLD: status and reason."""
        found: Mapping[str, tuple[str, str]] = {
            one.type: (one.status, one.reason) for one in self.rotation_status.conditions
        }
        return found.get("OldCredentialIdle", ("", ""))
