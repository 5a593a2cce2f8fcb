"""People by name, and what one of them says when he agrees."""

from __future__ import annotations

from keyturn.api.kinds import RotationApprovalSpec
from keyturn.core.model import ObjectKey
from keyturn.ports import ApprovalRecord

ANN, BOB, CAROL = "ann@example.com", "bob@example.com", "carol@example.com"


def approval(
    who: str, digest: str, *, uid: str = "uid-orders-1", deleting: bool = False, strangers: tuple[str, ...] = ()
) -> ApprovalRecord:
    """Of the rotation with this uid, bound to this digest."""
    wish = {"rotationRef": {"name": "orders-1", "uid": uid}, "digest": digest, "approver": who}
    said = RotationApprovalSpec.model_validate(wish | {"strangers": list(strangers)})
    return ApprovalRecord(ObjectKey("shop", f"orders-1-{who}-{digest[:4]}"), f"uid-{who}", said, deleting=deleting)
