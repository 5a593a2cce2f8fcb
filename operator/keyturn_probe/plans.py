"""What this pod's probe was told: which plans, where their values are found, and their files. Decides nothing.

``KEYTURN_WATCH`` has a line per fact, words quoted as on the wire; JSON would cost a megabyte to read:

    plan 1a2b3c4d5e orders-db                 files of the plan are in <folder>/1a2b3c4d5e/
    env app DATABASE_URL DATABASE_URL         container, Secret key, variable
    file worker DATABASE_URL /etc/db/url      container, Secret key, absolute path
"""

from __future__ import annotations

import os

from keyturn_probe import wire
from keyturn_probe.look import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

WATCH_VARIABLE = "KEYTURN_WATCH"
GENERATION_VARIABLE = "KEYTURN_GENERATION_"  # followed by the plan's ten digits, in upper case
POD_VARIABLE = "KEYTURN_POD_UID"
PORTS_VARIABLE = "KEYTURN_PORTS"  # "9901 9902": challenge, readiness
FOLDER = "/run/keyturn/plans"
LATCH = "/run/keyturn/latch/open"
_LARGEST = 1024 * 1024


class Accepted:
    """The values that live generations hold, as marks."""

    __slots__ = ("generations", "known")

    def __init__(self, text: str) -> None:
        self.known: dict[str, list[tuple[int, str, bool]]] = {}  # mark -> (generation, Secret key, carries a password)
        for line in text.splitlines():
            generation, key, marked, weight = line.split(" ")
            self.known.setdefault(marked, []).append((int(generation), wire.unquoted(key), weight == "secret"))
        self.generations = {generation for rows in self.known.values() for generation, _, _ in rows}


class Plan:
    """One plan as this pod takes part in it."""

    def __init__(self, id_: str, name: str, generation: int, folder: str) -> None:
        self.id = id_
        self.name = name
        self.generation = generation  # of the pod's template; 0 if it has none
        self.watches: list[Watch] = []
        self._folder = folder

    def key(self) -> bytes | None:
        """The plan's probe key; None until the operator made it."""
        key = _content(f"{self._folder}/{self.id}/key")
        return key if key is not None and len(key) == wire.KEY_BYTES else None

    def accepted(self) -> Accepted | None:
        """What the readiness gate may let pass; None when no rotation runs. Raises Malformed."""
        content = _content(f"{self._folder}/{self.id}/accept")
        if content is None:
            return None
        try:
            return Accepted(content.decode())
        except ValueError:  # ours are ValueErrors too
            raise wire.Malformed from None


def plans_of(environ: Mapping[str, str], folder: str) -> list[Plan]:
    """The plans that the injector wrote into this container's environment. Raises Malformed."""
    plans: list[Plan] = []
    for line in environ.get(WATCH_VARIABLE, "").splitlines():
        words = [wire.unquoted(word) for word in line.split()]
        if words[:1] == ["plan"] and len(words) == 3 and words[1].isalnum():
            generation = environ.get(GENERATION_VARIABLE + words[1].upper(), "")
            plans.append(Plan(words[1], words[2], int(generation) if generation.isdigit() else 0, folder))
        elif words[:1] in (["env"], ["file"]) and len(words) == 4 and plans:
            way = wire.ENV if words[0] == "env" else wire.FILE
            plans[-1].watches.append(Watch(words[1], words[2], way, words[3]))
        elif words:
            raise wire.Malformed
    return plans


def _content(path: str) -> bytes | None:
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # the Secret is optional: not made yet, or gone
        return None
    try:
        return os.read(source, _LARGEST)
    except OSError:
        return None
    finally:
        os.close(source)
