"""What Preflight says of a pod's probe: why it is silent, and nothing to do that would not help."""

from __future__ import annotations

from keyturn.core.evidence import Testimony
from keyturn.reconciler.checklist import silent_probes
from support.plan_records import pod_record

KEYLESS = "its probe does not hold this plan's key yet (the kubelet refreshes within 90 s)"


def test_a_pod_that_has_its_probe_is_not_told_to_get_one() -> None:
    (problem,) = silent_probes([pod_record()], {"uid-1": Testimony(silent=KEYLESS)})
    assert problem.reason == "ProbeSilent"
    assert problem.message == f"pod p: {KEYLESS}"
