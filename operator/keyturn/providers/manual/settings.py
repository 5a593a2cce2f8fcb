"""What a plan, its provider and the admin Secret say, checked against each other. Touches no network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from keyturn.core.model import ObjectKey
from keyturn.ports import Misconfigured, PlanRecord, ProviderRecord, SecretRecord
from keyturn.providers.admin_secret import AdminSecret
from keyturn.providers.allowing import CLUSTER_ONLY
from keyturn.providers.manual.kinds import ByHand, Check, Console
from keyturn.providers.outside import Target, target
from keyturn.providers.server import mismatch


@dataclass(frozen=True, slots=True)
class Settings:
    """One plan at one system, ready to use."""

    plan: str  # namespace/name
    system: str
    hand_over: ObjectKey
    check: Check
    asked: Target
    disable_delay: timedelta
    current_id: str  # "" before adoption
    busy: bool  # a rotation is under way


def read_settings(record: ProviderRecord, plan: PlanRecord, admin: SecretRecord) -> Settings:
    """Everything the provider needs, or Misconfigured with the field and the way out."""
    console, wanted = record.spec.backend, plan.spec.backend
    if not isinstance(console, Console) or not isinstance(wanted, ByHand):
        raise mismatch("manual")
    if record.kind != "ClusterCredentialProvider":  # admission refuses it too; an older one may be stored
        raise Misconfigured("ManualNotAllowed", f"spec.manual: {CLUSTER_ONLY}.")
    if wanted.hand_over == plan.spec.secret.name:
        raise Misconfigured("HandOverIsSecret", "spec.manual.handOver must be another Secret than spec.secret.name.")
    return Settings(
        plan=str(plan.key),
        system=console.system,
        hand_over=ObjectKey(plan.key.namespace, wanted.hand_over),
        check=console.check,
        asked=target("manual.check.url", console.check.url, AdminSecret(admin), loopback=console.insecure_loopback),
        disable_delay=console.disable_delay,
        current_id=plan.status.current_id,
        busy=bool(plan.status.active_rotation),
    )
