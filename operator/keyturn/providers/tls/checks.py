"""What Preflight asks of certificates: bundle, authority and dates, before anything is changed.

Asks only; each Problem blocks and says the way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from keyturn.api.base import format_duration
from keyturn.core.model import Problem
from keyturn.ports import PlanRecord, SecretRecord
from keyturn.providers.ring import certificates
from keyturn.providers.ring.formats import Ring
from keyturn.providers.tls import making
from keyturn.providers.tls.kinds import Certificate
from keyturn.providers.tls.material import ROOT, Chain, Signer, chain_of, is_authority

SAME_IDENTIFIER: Final = (
    "another certificate in the bundle has the same subject key identifier as the authority that signs, so verifiers "
    "may try only one of the two; an authority that is to be dropped needs a successor with a key of its own"
)


def of_plan(plan: PlanRecord, wish: Certificate) -> list[Problem]:
    """What the plan itself must say."""
    spec = plan.spec
    needed = spec.verify.soak + spec.retire.watch + spec.rollout.progress_deadline
    longest = wish.validity - needed
    found: list[Problem] = []
    if spec.schedule.max_age is None and not spec.schedule.cron:
        why = f"a certificate ends after {format_duration(wish.validity)} by itself, and nothing renews it"
        found.append(Problem("NeverRenewed", f"{why}; set schedule.maxAge or schedule.cron"))
    if longest <= timedelta() or (spec.schedule.max_age is not None and spec.schedule.max_age > longest):
        why = f"a rotation alone takes {format_duration(needed)} (progress deadline, soak and watch)"
        found.append(
            Problem(
                "RenewedTooLate",
                f"{why}, so one that begins at schedule.maxAge ends after the certificate, which is good for "
                f"{format_duration(wish.validity)}: set a shorter maxAge or a longer tls.validity",
            )
        )
    return found


def of_secret(record: SecretRecord | None, where: str, templates: Sequence[str]) -> list[Problem]:
    """The presenters' Secret: whoever verifies by a root beside the certificate would turn with it, not before."""
    if record is None or ROOT not in record.data or ROOT in templates:
        return []
    why = f"key {ROOT} of Secret {record.key.name} would stay the old authority's for ever, and nothing updates it"
    return [Problem("RootLeftBehind", f'{why}; let secret.keys say {ROOT}: "{{ca}}", and let verifiers read {where}')]


def of_bundle(ring: Ring, where: str, current: str, now: datetime) -> list[Problem]:
    """Everything in it must be an authority that is good now; what has become of the current one is said elsewhere."""
    found: list[Problem] = []
    for entry in ring.entries:
        one = certificates.in_entry(entry.value.reveal_text())
        named = f"{entry.id} in {where}"
        if not is_authority(one):
            why = f"{named} is no certificate of an authority, so it vouches for nobody or, to some, for itself alone"
            found.append(Problem("NotAnAuthority", f"{why}; take it out"))
        if entry.id != current and not one.not_valid_before_utc <= now < one.not_valid_after_utc:
            when = f"{one.not_valid_before_utc:%Y-%m-%d %H:%MZ} to {one.not_valid_after_utc:%Y-%m-%d %H:%MZ}"
            found.append(Problem("OutOfDate", f"{named} is good from {when}; take it out, or mend the clock"))
    return found


def of_current(chain: Chain | None, ends_after: datetime) -> tuple[list[Problem], list[Problem]]:
    """(What blocks, what a person should know.) One that ends soon blocks nothing: rotating is what helps."""
    if chain is None:
        why = "key, certificate and authority in the presenters' Secret do not fit together"
        return [Problem("CurrentUnfit", f"{why}: tls.key must be tls.crt's, and ca.crt the root that it leads to")], []
    if chain.ends > ends_after:
        return [], []
    when = f"the current certificate ends at {chain.ends:%Y-%m-%d %H:%MZ}, before this rotation can end"
    return [], [Problem("NoWayBack", f"{when}: there is no going back to it after that")]


def of_signer(signer: Signer, wish: Certificate, ring: Ring, now: datetime) -> list[Problem]:
    """What it signs must be accepted: tried with a certificate that is thrown away."""
    found: list[Problem] = []
    chain = chain_of(making.issued(signer, wish, now))
    ends = min(one.not_valid_after_utc for one in (signer.certificate, *signer.between, signer.root))
    if ends < (now + wish.validity).replace(microsecond=0):  # certificates know whole seconds
        found.append(
            Problem(
                "AuthorityEndsFirst",
                f"the authority ends at {ends:%Y-%m-%d %H:%MZ}, before what it would sign for "
                f"{format_duration(wish.validity)}: renew it, or shorten tls.validity",
            )
        )
    if chain is None or making.unfit(chain, wish, now):
        found.append(
            Problem(
                "AuthorityUnfit",
                "a certificate that this authority signs for tls.names would be refused: it may be no authority, out "
                "of date, or its usages, path length or name constraints forbid it. Look with: openssl x509 -text",
            )
        )
    there = [certificates.in_entry(entry.value.reveal_text()) for entry in ring.entries]
    if making.others_with_its_key_identifier(signer.root, there):
        found.append(Problem("KeyIdentifierTaken", SAME_IDENTIFIER))
    return found
