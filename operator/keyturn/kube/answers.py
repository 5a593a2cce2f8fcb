"""What an answer of the API server means: a value, or one of our errors with fixed safe text.

Pure. No word of an answer gets into an error, for answers can carry secrets, but one kind: the sentence of an admission
policy of ours about an object of ours, which hold none. Else only status codes and the documented, closed vocabulary of
``Status.details.causes`` are looked at
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keyturn.api.base import API_VERSION
from keyturn.api.policies import POLICIES
from keyturn.kube.raw import Json, listed, text
from keyturn.ports import Conflict, Denied, Forbidden, KeyturnError, OutcomeUnknown, Unavailable

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SENTENCE = re.compile(  # as the API server words it (seen on 1.36)
    rf"ValidatingAdmissionPolicy '[a-z0-9.-]+-(?:{'|'.join(policy.name for policy in POLICIES)})' with binding "
    r"'[a-z0-9.-]+' denied request: (?P<said>.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code and a body. No ``repr`` of the body: it can carry secrets."""

    status: int
    body: Json
    retry_after: float = 0.0  # seconds; 0: the API server named none

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def about(path: str) -> str:
    """``secrets/orders-db in namespace shop`` for a request path: names are public."""
    parts = [part for part in path.split("/") if part]
    after = parts[2:] if parts[:1] == ["api"] else parts[3:]
    if len(after) > 2 and after[0] == "namespaces":
        return f"{'/'.join(after[2:])} in namespace {after[1]}"
    return "/".join(after)


def never_sent() -> KeyturnError:
    """The request did not leave: nothing can have happened."""
    return Unavailable("ApiServerUnreachable", "The API server cannot be reached; trying again.")


def lost_answer(method: str, path: str) -> KeyturnError:
    """The request may have arrived."""
    if method == "GET":
        return Unavailable("ApiServerSilent", f"The API server gave no answer about {about(path)}; trying again.")
    return OutcomeUnknown("AnswerLost", f"A write to {about(path)} was sent and its answer was lost; reading it back.")


def object_read(path: str, answer: Answer) -> Json | None:
    """The object, or None if it does not exist. Raises Denied or Unavailable."""
    if answer.status == 200:
        return answer.body
    if answer.status == 404:
        return None
    if answer.status in {401, 403}:
        raise _forbidden("read", path)
    raise Unavailable(
        "ApiServerBusy", f"The API server could not answer about {about(path)} (status {answer.status}); trying again."
    )


def object_written(method: str, path: str, answer: Answer) -> Json:
    """The object as stored. Raises Conflict, Denied, Unavailable (not written) or OutcomeUnknown (perhaps written)."""
    if answer.status in {200, 201, 202}:
        return answer.body
    raise _refusal(method, path, answer)


def _refusal(method: str, path: str, answer: Answer) -> KeyturnError:
    what, causes = about(path), set(_causes(answer.body))
    error: KeyturnError
    match answer.status:
        case 409:
            error = Conflict("Changed", f"{what} was changed by somebody else in between; looking again.")
        case 404 if method != "POST":
            error = Conflict("Gone", f"{what} no longer exists; looking again.")
        case 422 if ("FieldValueInvalid", "metadata.uid") in causes:
            error = Conflict("Replaced", f"{what} was deleted and made anew in between; looking again.")
        case 403 if any(reason == "NamespaceTerminating" for reason, _ in causes):
            error = Denied("NamespaceTerminating", f"Cannot make {what}: the namespace is being deleted.")
        case 403 if said := _policy_says(path, answer.body):
            error = Denied("PolicyRefused", said)
        case 401 | 403:
            error = _forbidden(_VERBS[method], path)
        case 429:
            error = Unavailable("ApiServerBusy", f"The API server asks for patience about {what}; trying again.")
        case status if status >= 500:
            error = lost_answer(method, path)  # etcd may have taken it all the same
        case status:
            error = Denied("Rejected", f"The API server rejected a write to {what} (status {status}).")
    return error


def _policy_says(path: str, body: Json) -> str:
    """What a policy of ours says to who writes an object of ours; "" when it was something else that refused."""
    found = _SENTENCE.search(text(body, "message")) if path.startswith(f"/apis/{API_VERSION}/") else None
    return found["said"] if found else ""


def _forbidden(verb: str, path: str) -> KeyturnError:
    deed = f"{verb} {about(path)}"
    return Forbidden(f"The operator may not {deed}: grant it in the chart's RBAC values.", deed)


def _causes(body: Json) -> Iterator[tuple[str, str]]:
    for cause in listed(body, "details", "causes"):
        yield text(cause, "reason"), text(cause, "field")
