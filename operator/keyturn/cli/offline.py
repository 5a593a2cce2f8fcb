"""The two verbs of the sealed offline export and their flags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from keyturn.cli.export import export, write
from keyturn.cli.exported import from_content
from keyturn.cli.restore import manifests, restore
from keyturn.cli.sealed_file import content_of, identity_of, recipient_of, unseal, write_new
from keyturn.cli.terminal import ASKED_WRONG, Context, Kubeconfig, Namespace, WallClock, run, show, target
from keyturn.cli.views.exported import restored_page, written_page
from keyturn.ports import Misconfigured


def export_verb(  # noqa: PLR0913, PLR0917 -- typer declares every flag as one
    recipient: Annotated[Path, typer.Option(help="PEM file with an X25519 public key.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to make; mode 0600, never over another.")],
    plan: Annotated[str | None, typer.Argument(help="One plan of the namespace.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All plans of the cluster.")] = False,
    operator_namespace: Annotated[str, typer.Option(help="Of the escrow; default: where the operator runs.")] = "",
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Seal every credential of the plans to an offline public key.

    Exit 1 when something is missing in the cluster; the file has the rest.
    """

    async def verb() -> int:
        if everything is (plan is not None):
            raise Misconfigured("OneScope", "name a plan, or say --all")
        key = recipient_of(recipient)
        async with target(namespace, context, kubeconfig).session() as session:
            found = await export(session, WallClock(), plan, operator_namespace)
        written = write(found, key, output)
        show(written_page(written))
        return 0 if written.whole else ASKED_WRONG

    run(verb())


def restore_verb(
    file: Annotated[Path, typer.Argument(help="What export made.")],
    identity: Annotated[Path, typer.Option(help="PEM file with the X25519 private key.")],
    credential: Annotated[
        list[str] | None,
        typer.Option(help="NAMESPACE/PLAN=ID: fill the Secret with this credential of the old escrow; repeat."),
    ] = None,
    manifest_file: Annotated[
        Path | None, typer.Option("--manifests", help="Also write providers and plans as YAML into this new file.")
    ] = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make the Secrets of a sealed export anew, where there are none.

    Exit 1 when one could not be made, or holds something else.
    """

    async def verb() -> int:
        key = identity_of(identity, lambda: typer.prompt("Passphrase", hide_input=True, err=True))
        found = from_content(unseal(content_of(file), key))
        chosen = _chosen(credential or ())
        if manifest_file is not None:
            write_new(manifest_file, manifests(found).encode())
        async with target(None, context, kubeconfig).session() as session:
            restored = await restore(session, found, chosen)
        show(restored_page(found, restored))
        return 0 if all(one.well for one in restored) else ASKED_WRONG

    run(verb())


def _chosen(words: Sequence[str]) -> dict[str, str]:
    if wrong := [word for word in words if not all(word.partition("="))]:
        raise Misconfigured("WhichCredential", f"{wrong[0]}: write --credential NAMESPACE/PLAN=ID")
    return {plan: id_ for plan, _, id_ in (word.partition("=") for word in words)}
