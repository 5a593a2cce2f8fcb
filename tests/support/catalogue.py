"""Every fault of the simulated world, by name."""

from __future__ import annotations

from support.fault import Fault
from support.faults import backend, operator, people, pods

FAULTS: dict[str, Fault] = {
    fault.name: fault for fault in (*operator.FAULTS, *backend.FAULTS, *pods.FAULTS, *people.FAULTS)
}
STALL = operator.STALL
KINDS = tuple(dict.fromkeys(fault.kind for fault in FAULTS.values()))
