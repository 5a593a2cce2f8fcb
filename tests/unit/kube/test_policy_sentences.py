"""What an admission policy of ours says to who is refused is handed on; what anybody else says is not."""

from __future__ import annotations

import pytest

from keyturn.kube.answers import Answer, object_written
from keyturn.ports import Denied, Forbidden

ROTATIONS = "/apis/keyturn.dev/v1alpha1/namespaces/shop/rotations"
SAID = "spec.requestedBy must be who asks: ann"


def refused(path: str, policy: str) -> Denied:
    message = (
        f"rotations.keyturn.dev \"x\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding "
        f"'{policy}' denied request: {SAID}"
    )
    with pytest.raises(Denied) as caught:
        object_written("POST", path, Answer(403, {"kind": "Status", "message": message, "code": 403}))
    return caught.value


def test_the_sentence_of_our_policy_is_what_the_person_reads():
    assert refused(ROTATIONS, "keyturn-requests").message == SAID
    assert refused(ROTATIONS, "another-release-requests").message == SAID


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        (ROTATIONS, "no-rotations-on-friday"),  # somebody else's words may carry anything
        ("/api/v1/namespaces/shop/secrets/orders-db", "keyturn-requests"),  # and so may a Secret
    ],
)
def test_words_of_others_are_not_handed_on(path: str, policy: str):
    error = refused(path, policy)
    assert isinstance(error, Forbidden)
    assert SAID not in error.message


def test_who_lacks_a_right_is_told_which():
    error = refused(ROTATIONS, "none-of-ours")
    assert isinstance(error, Forbidden)
    assert error.deed == "create rotations in namespace shop"
