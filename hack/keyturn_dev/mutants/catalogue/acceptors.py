"""Bugs where pods judge a key: the world of rings must notice them, for no other has acceptors."""

from dataclasses import replace

from keyturn_dev.mutants.mutant import mutant

COUNTING = "providers/keyring/counting.py"
RING = "providers/ring/provider.py"
WORLD = ("tests/world/test_ring.py", "tests/world/test_ring_counters.py")

_BUGS = (
    mutant(
        "silent-acceptors-as-idle",
        "An acceptor whose page of counters cannot be read has accepted nothing.",
        COUNTING,
        "        if unknown := (*self.lost, *lineless, *undated):\n",
        "        if unknown := (*lineless, *undated):\n",
    ),
    mutant(
        "first-look-at-counters-trusted",
        "A new leader goes on with the soak of the former one, though nobody watched the counters in between.",
        COUNTING,
        "        (self._used if dated else self._undated).update(grown)\n",
        "        self._used.update(grown if dated else {})\n",
    ),
    mutant(
        "reopened-for-the-first-acceptor-only",
        "Opened again from Watch, the old key is given back to those acceptors only that are restarted at once.",
        RING,
        '        return old if standing.stale(view.tag.version, urgent=True) else ""\n',
        '        return ""\n',
    ),
)
MUTANTS = tuple(replace(one, noticed_by=WORLD) for one in _BUGS)
