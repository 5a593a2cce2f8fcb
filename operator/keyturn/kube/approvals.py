"""What people said about a rotation, and whether the API server sees to it that they said it themselves.

Every read is consistent and nothing is kept: an approval that was taken back counts no more at the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pydantic import ValidationError

from keyturn.api.installed import flaw
from keyturn.api.kinds import RotationApprovalSpec
from keyturn.api.labels import EDITED_BY
from keyturn.api.policies import POLICIES, AdmissionPolicy, policy_name
from keyturn.core.model import ObjectKey
from keyturn.kube import paths
from keyturn.kube.client import KubeClient, Patch
from keyturn.kube.raw import Json, mapping, text
from keyturn.ports import ApprovalRecord, PlanRecord

_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
Read = Callable[[str], Awaitable[Json | None]]


class Approvals:
    """RotationApprovals, and the admission policies that make them trustworthy."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._me = ""  # asked once: a process keeps its name

    async def of(self, rotation: ObjectKey) -> Sequence[ApprovalRecord]:
        """All that name this rotation. One that does not parse says nothing."""

        def about(found: Json) -> ApprovalRecord | None:
            return approval_of(found) if text(found, "spec", "rotationRef", "name") == rotation.name else None

        return await self._client.collect(paths.ours(paths.APPROVALS, rotation.namespace), about)

    async def unguarded(self, namespace: str) -> str:
        """The first policy that does not hold in this namespace, in words; "" if all of them do."""
        found = await flaws(self._client.read, await self._user(), namespace)
        return found[0] if found else ""

    async def _user(self) -> str:
        """Our own name, as admission sees it."""
        if not self._me:
            body: Json = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
            self._me = text(await self._client.create(_WHO, body), "status", "userInfo", "username")
        return self._me

    async def begin_record(self, plan: PlanRecord) -> None:
        """Who edited so far was approved of; from now on, who edits from now on. Raises Conflict if somebody just did.

        Our own name takes the place of theirs: a record that is there and names no person.
        """
        former = {name: None for name in plan.annotations if name.startswith(EDITED_BY)}
        if not former:
            return
        metadata: Json = {
            "resourceVersion": plan.resource_version,
            "annotations": former | {f"{EDITED_BY}since-complete": await self._user()},
        }
        path = paths.ours(paths.PLANS, plan.key.namespace, plan.key.name)
        await self._client.patch(path, {"metadata": metadata}, Patch.MERGE)


async def flaws(read: Read, operator: str, namespace: str) -> list[str]:
    """What is wrong with the installed policies, each in words, for objects of this namespace and this operator."""
    found = await asyncio.gather(*(_flaw(read, policy, operator, namespace) for policy in POLICIES))
    return [words for words in found if words]


async def _flaw(read: Read, policy: AdmissionPolicy, operator: str, namespace: str) -> str:
    name = policy_name(operator, policy)
    installed, binding = await asyncio.gather(
        read(f"{_ADMISSION}/validatingadmissionpolicies/{name}"),
        read(f"{_ADMISSION}/validatingadmissionpolicybindings/{name}"),
    )
    if binding is not None and text(binding, "spec", "policyName") != name:
        binding = None
    found = flaw(policy, operator, installed, binding, namespace)
    return f"ValidatingAdmissionPolicy {name} {found}" if found else ""


def approval_of(found: Json) -> ApprovalRecord | None:
    """A RotationApproval as stored; None if it does not parse."""
    try:
        spec = RotationApprovalSpec.model_validate(mapping(found, "spec"))
    except ValidationError:
        return None
    key = ObjectKey(text(found, "metadata", "namespace"), text(found, "metadata", "name"))
    deleting = bool(text(found, "metadata", "deletionTimestamp"))
    return ApprovalRecord(key, text(found, "metadata", "uid"), spec, deleting=deleting)
