"""Bugs about time: what counts as observed, and who is late."""

from keyturn_dev.mutants.mutant import Edit, Mutant, mutant

MEMORY = "core/memory.py"
OBSERVE = "reconciler/observe.py"

MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "unobserved-time-counted",
        "A day in which nobody looked counts as a quiet day.",
        MEMORY,
        "    if last is None or not timedelta() <= now - last <= max(three_samples, _LONGEST_LOOK):\n",
        "    if last is None:\n",
    ),
    mutant(
        "unknown-time-counted",
        "Time in which the backend could not say who is connected counts as idle time.",
        MEMORY,
        "    if seen.old_usage is not Idle.NOT_SEEN:\n        return rotation",
        "    if seen.old_usage is Idle.IN_USE:\n        return rotation",
    ),
    mutant(
        "use-does-not-restart-the-clock",
        "Soak and Watch go on counting over a use of the old credential.",
        MEMORY,
        "Clock(last=now if missed else None))",
        "Clock(rotation.clock.observed, now))",
    ),
    mutant(
        "clocks-never-restart",
        "Neither use nor a gap starts a clock again.",
        MEMORY,
        "Clock(last=now if missed else None))",
        "Clock(rotation.clock.observed, now))",
        Edit(
            MEMORY,
            "    if last is None or not timedelta() <= now - last <= max(three_samples, _LONGEST_LOOK):\n",
            "    if last is None:\n",
        ),
    ),
    mutant(
        "a-clock-set-back-is-no-gap",
        "Time in which the operator's clock was set back counts as observed up to there.",
        MEMORY,
        "not timedelta() <= now - last <= max(three_samples, _LONGEST_LOOK)",
        "now - last > max(three_samples, _LONGEST_LOOK)",
        Edit(
            MEMORY,
            "min(now - last, three_samples), now)",
            "max(min(now - last, three_samples), timedelta()), now)",
        ),
    ),
    mutant(
        "lost-time-is-found-again",
        "A clock that starts again is not written: the next process goes on with what was observed before.",
        "reconciler/loop.py",
        " and not _starts_again(fresh, stored)",
        "",
    ),
    mutant(
        "unknown-use-starts-the-clock",
        "A look that shows the old credential open, but not who uses it, is where quiet time begins.",
        MEMORY,
        "Clock(last=now if missed else None))",
        "Clock(last=now if missed or seen.old_usage is Idle.UNKNOWN else None))",
    ),
    mutant(
        "quiet-begins-with-the-last-use",
        "A look that saw the old credential in use is where quiet time begins: a new process knows only an older one.",
        MEMORY,
        "Clock(last=now if missed else None))",
        "Clock(last=None if seen.old_usage is Idle.UNKNOWN else now))",
    ),
    mutant(
        "watch-inherits-the-soak",
        "A phase begins with the time that an earlier one observed.",
        "core/steps.py",
        "    return replace(rotation, phase=phase, entered=now, clock=Clock())\n",
        "    return replace(rotation, phase=phase, entered=now)\n",
        Edit(
            "reconciler/loop.py", 'self._clocks.get(f"{active.uid}/{rotation.phase}", rotation.clock)', "rotation.clock"
        ),
    ),
    mutant(
        "deadlines-run-while-down",
        "Rollouts that could not go on while the backend was down are late when it is back.",
        MEMORY,
        "    return _unhurried(replace(rotation, down_since=None), now)\n",
        "    return replace(rotation, down_since=None)\n",
    ),
    mutant(
        "attempts-not-asked-for",
        "Refused logins with the old credential are not looked at.",
        OBSERVE,
        "    if rotation.disabled_at is None or rotation.phase not in (Phase.DISABLE, Phase.WATCH):\n",
        "    if rotation.disabled_at is not None:\n",
    ),
)
