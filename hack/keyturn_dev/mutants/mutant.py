"""A seeded bug as a value: what it is in one sentence, and the exact text that makes it. Pure; runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class Rotten(ValueError):
    """A mutant that does not fit the code any more: its old text is not there exactly once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In this file of ``operator/keyturn``, this text becomes that one. The old text must be there exactly once."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file's text with the bug in it. Raises Rotten."""
        if (count := text.count(self.old)) != 1:
            raise Rotten(f"{self.file} holds its old text {count} times, not once:\n{self.old}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. ``bug`` is a sentence about what the operator then does wrong; ``edits`` make it.

    ``noticed_by``: the tests that must notice it, as arguments for pytest; none: those of the simulated world.
    """

    name: str
    bug: str
    edits: tuple[Edit, ...]
    noticed_by: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files it changes."""
        return tuple(dict.fromkeys(edit.file for edit in self.edits))

    def applied(self, texts: Mapping[str, str]) -> dict[str, str]:
        """The changed files. ``texts``: the present ones by name. Raises Rotten."""
        changed: dict[str, str] = {}
        for edit in self.edits:
            changed[edit.file] = edit.applied(changed.get(edit.file, texts[edit.file]))
        return changed


def mutant(name: str, bug: str, file: str, old: str, new: str, *more: Edit) -> Mutant:
    """A bug that is one edit, or begins with one."""
    return Mutant(name, bug, (Edit(file, old, new), *more))
