"""Bugs that would bring the incidents back: each takes out one guard, and tests/incidents must notice."""

from __future__ import annotations

from dataclasses import replace

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

R2, ACCESS = ("tests/incidents/test_r2_2025.py",), ("tests/incidents/test_access_2023.py",)
R2_TRIALS = "providers/cloudflare_r2/trials.py"


def _on(tests: tuple[str, ...], *bugs: Mutant) -> tuple[Mutant, ...]:
    return tuple(replace(one, noticed_by=tests) for one in bugs)


MUTANTS: tuple[Mutant, ...] = (
    *_on(
        R2,
        mutant(
            "incident-metadata-is-enough",
            "A key pair is tried by asking for metadata, which stayed green while every write failed.",
            R2_TRIALS,
            """\
        wrote = await self._ask("PUT", path, b"keyturn tries the write path\\n", credential)
        if wrote is not Answer.WROTE:
            return wrote
        return await self._ask("DELETE", path, b"", credential)
""",
            """\
        return await self._ask("HEAD", path, b"", credential)
""",
        ),
        mutant(
            "incident-status-is-enough",
            "A key pair counts as refused as soon as its token's status says so, an hour before any place knows.",
            R2_TRIALS,
            "    answers = [await canary.once(credential) for _ in range(TRIES)]\n",
            """\
    if token is not None and token.state is Existence.DISABLED:
        return Trial.DISABLED
    answers = [await canary.once(credential) for _ in range(TRIES)]
""",
        ),
        mutant(
            "incident-closed-by-hand-stays-closed",
            "An old key pair that somebody closed too early is left closed.",
            "core/rotation.py",
            "    return (EnableCredential(OLD),) if closed and rotation.phase in CHANGED - OLD_IS_OFF else ()\n",
            "    return (EnableCredential(OLD),) if closed and rotation.phase in OLD_IS_OFF else ()\n",
        ),
        mutant(
            "incident-deployed-means-used",
            "That consumers were rolled counts as proof that their pods use the new key pair.",
            "core/convergence.py",
            "        unproven = [p for p in seen.pods if p.proves is not wanted(side)]\n",
            "        unproven: list[PodProof] = []\n",
            Edit(
                "core/convergence.py",
                "        waiting = (*rolling(rotation, seen, side), *stale(rotation, seen, side))\n",
                "        waiting: tuple[ConsumerView, ...] = ()\n",
            ),
        ),
    ),
    *_on(
        ACCESS,
        mutant(
            "incident-whole-record-back",
            "A service token is switched by writing back the whole record that was read, its secret redacted.",
            "providers/cloudflare_access/tokens.py",
            'body={"name": token.name, "enabled": enabled})',
            'body={**token.record, "client_secret": "", "enabled": enabled})',
        ),
        mutant(
            "incident-empty-value-issued",
            "Whatever a backend shows as a new value becomes a credential, be it an empty string.",
            "providers/values.py",
            "    try:\n        require_suitable(value)\n",
            "    try:\n        require_suitable(minted())\n",
        ),
        mutant(
            "incident-empty-value-suitable",
            "An empty value passes for one that is not null.",
            "core/sealed.py",
            "    if not raw.strip():\n        raise Unsuitable",
            "    if raw is None:\n        raise Unsuitable",
            Edit("core/sealed.py", "    if set(lowered) <= ", "    if lowered and set(lowered) <= "),
            Edit("core/sealed.py", "    if len(raw) < _LEAST_BYTES", "    if lowered and len(raw) < _LEAST_BYTES"),
        ),
        mutant(
            "incident-hollow-value-written",
            "Escrow and Secrets are written with what a redaction leaves of a value.",
            "kube/secrets.py",
            "        if not raw or set(raw.lower()) <= _PLACEHOLDER_BYTES:\n",
            "        if raw is None:\n",
        ),
        mutant(
            "incident-refused-new-token-kept",
            "The new token is refused while the backend answers, and the rotation goes on all the same.",
            "core/rotation.py",
            "    if rotation.phase in STAGED and refused:\n",
            "    if rotation.phase in CHANGED - STAGED and refused:\n",
        ),
        mutant(
            "incident-changes-go-on-while-frozen",
            "A freeze stops nothing.",
            "core/rotation.py",
            "    if not seen.frozen or allowed == decision.effects:\n",
            "    if True:\n",
        ),
    ),
)
