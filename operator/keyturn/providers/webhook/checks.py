"""Preflight for a webhook: what its server finds, and what its server cannot do, in words of ours. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from keyturn.core.model import Problem
from keyturn.ports import Capabilities, Misconfigured
from keyturn.providers.webhook.settings import Settings
from keyturn.providers.webhook.wire import CapabilitiesAnswer, Finding

WORDS: Final[Mapping[Finding, str]] = {
    Finding.BACKEND_TOO_OLD: "the backend's version is older than what the webhook server supports: upgrade it",
    Finding.CHANGES_NOT_KEPT: "the backend would forget changes when it restarts: let it keep them",
    Finding.CLIENT_NOT_ADMITTED: "the backend would not let the next slot in from where consumers are: admit it",
    Finding.NODE_MISSING: "a node of the backend is not known to the webhook server: add it to its configuration",
    Finding.OWNER_MISSING: "the owner, whose rights the slots are given, does not exist: make it, with its rights",
    Finding.OWNER_TOO_POWERFUL: "the owner administers the backend; Keyturn rotates no such rights: take them away",
    Finding.RIGHTS_DIFFER: "the current credential may do other things than the owner: make their rights equal",
    Finding.SERVER_LACKS_RIGHTS: "the backend refuses the webhook server what it needs: give it its rights again",
    Finding.TOO_FEW_CONNECTIONS: "the backend has no room for the connections of both credentials: raise its limit",
}


def found(findings: list[Finding]) -> tuple[Problem, ...]:
    """What blocks."""
    return tuple(Problem(one.value, WORDS[one]) for one in dict.fromkeys(findings))


def not_looked_at(findings: list[Finding], settings: Settings) -> tuple[Problem, ...]:
    """What nobody could be asked about; and that loopback is allowed, which nobody shall overlook."""
    unasked = tuple(
        Problem(f"{one.value}Unchecked", f"the webhook server cannot look whether this is so: {WORDS[one]}")
        for one in dict.fromkeys(findings)
    )
    if not settings.server.target.loopback:
        return unasked
    loud = Problem("LoopbackAllowed", "spec.webhook.insecureLoopback is for tests: take it out of the provider")
    return (loud, *unasked)


def capabilities(told: CapabilitiesAnswer) -> Capabilities:
    """What the server told, as the reconciler knows it. Raises Misconfigured if we cannot work so at all."""
    if told.naming != "ours":
        raise Misconfigured(
            "NamingUnsupported",
            "The webhook server wants to name credentials itself, which this version of Keyturn cannot follow.",
        )
    return Capabilities(
        reversible_disable=told.reversible_disable,
        tells_disabled_from_wrong=told.tells_disabled_from_wrong,
        sees_refused_attempts=told.sees_refused_attempts,
        lists_sessions=told.lists_sessions,
        sees_use=told.lists_sessions,  # it has no other way to tell
        disable_delay=timedelta(seconds=told.disable_delay_seconds),
        usage_lag=timedelta(seconds=told.usage_lag_seconds),
        settles=timedelta(seconds=told.settles_seconds),
    )


def unable(told: CapabilitiesAnswer) -> Iterator[Problem]:
    """Why Keyturn cannot work with a server that can no more than this."""
    if not told.reversible_disable:
        yield Problem(
            "DisableIrreversible",
            "the webhook server does not say that it can enable a disabled credential again (reversibleDisable), so "
            "there would be no way back",
        )
    if not told.fences:
        yield Problem(
            "NotFenced",
            "the webhook server does not say that it refuses changes that were overtaken (fences), so a stopped "
            "operator could come too late",
        )
