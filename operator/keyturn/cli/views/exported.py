"""``export`` and ``restore``: what was sealed, and what became of it again. Names only. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from keyturn.cli.views.plain import bullet, columns

if TYPE_CHECKING:
    from keyturn.cli.export import Written
    from keyturn.cli.exported import Export, Kept
    from keyturn.cli.restore import Restored


def written_page(written: Written) -> RenderableType:
    """Which credentials are in the file, what is missing, and how the file is known again."""
    table = columns("PLAN", "SECRET", "IN ESCROW", wide="IN ESCROW")
    for kept in written.export.plans:
        table.add_row(str(kept.key), kept.secret_key.name, ", ".join(sorted(kept.values)) or "-")
    missing = [f"{kept.key}: {what}" for kept in written.export.plans for what in kept.lacks()]
    later = [f"{kept.key}: {_unsettled(kept)}" for kept in written.export.plans if kept.under_way or not kept.current]
    return Group(
        table,
        Text(),
        *_listed("Missing, and so not in the file", missing),
        *_listed("To be exported again", later),
        Text(f"Sealed into {written.path}, SHA-256:"),
        Text(f"  {written.digest}"),
        Text("Write that down elsewhere: the seal does not say who made a file."),
    )


def _unsettled(kept: Kept) -> str:
    if kept.under_way:
        return f"{kept.under_way} was under way; once it is over, one of its two credentials is gone for good"
    return "it was not adopted yet, so nobody knows whether its credential works"


def restored_page(export: Export, restored: Sequence[Restored]) -> RenderableType:
    """What became of each Secret, and what only people can do."""
    table = columns("SECRET", "CREDENTIAL", "WHAT BECAME OF IT", wide="WHAT BECAME OF IT")
    for one in restored:
        table.add_row(str(one.kept.secret_key), one.holds or "-", str(one.fate))
    return Group(
        Text(f"Of an export made {export.taken:%Y-%m-%d %H:%M}Z"),
        Text(),
        table,
        Text(),
        *_listed("To do", list(_to_do(restored))),
    )


def _to_do(restored: Sequence[Restored]) -> Iterator[str]:
    for one in restored:
        kept = one.kept
        if besides := kept.secret.besides if kept.secret is not None else ():
            yield f"{kept.secret_key} also had keys that Keyturn does not manage; put them back: {', '.join(besides)}"
        others = sorted(kept.values.keys() - {one.holds})
        if others:
            yield (
                f"should the backend refuse it, {kept.key} had more credentials in escrow: delete the Secret, then "
                + " or ".join(f"--credential {kept.key}={other}" for other in others)
            )
    yield "make the providers' admin Secrets: a rotator's credential is in an export only where a plan rotates it"
    yield "apply providers and plans from Git, or what --manifests wrote: each plan adopts its Secret's credential"


def _listed(title: str, lines: Sequence[str]) -> list[RenderableType]:
    return [Text(title, style="bold"), *map(bullet, lines), Text()] if lines else []
