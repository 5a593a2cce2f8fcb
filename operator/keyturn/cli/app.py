"""The verbs of ``kubectl keyturn`` and their flags. What a verb does is in the file of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyturn.cli.abort import abort
from keyturn.cli.approve import approve, question, withdraw
from keyturn.cli.doctor import doctor
from keyturn.cli.freeze import Scope, freeze, unfreeze
from keyturn.cli.inject import documents_of, inject
from keyturn.cli.offline import export_verb, restore_verb
from keyturn.cli.rotate import rotate
from keyturn.cli.status import status
from keyturn.cli.terminal import (
    ASKED_WRONG,
    Context,
    Everywhere,
    Kubeconfig,
    Namespace,
    WallClock,
    run,
    screen,
    show,
    target,
    tell,
)
from keyturn.cli.views.diagnosis import diagnosis_page
from keyturn.cli.views.question import question_page
from keyturn.cli.watch import follow, rotation_named, succeeded
from keyturn.cli.why import why
from keyturn.cli.wishes import accept_loss, pause, resume, retry
from keyturn.core.model import Mode

app = typer.Typer(
    name="kubectl-keyturn",
    help="Rotations of credentials: how they stand, who is waited for, and what to do.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


@app.command("status")
def status_verb(
    plan: Annotated[str | None, typer.Argument(help="One plan; default: all of the namespace.")] = None,
    namespace: Namespace = None,
    everywhere: Everywhere = False,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Plans at a glance, or one plan with its rotations."""

    async def verb() -> int:
        async with target(namespace, context, kubeconfig).session() as session:
            show(await status(session, WallClock(), plan, everywhere=everywhere))
        return 0

    run(verb())


@app.command("why")
def why_verb(
    name: Annotated[str | None, typer.Argument(help="A plan or a rotation; default: every plan.")] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Who is waited for, pod by pod, and what to do."""

    async def verb() -> int:
        async with target(namespace, context, kubeconfig).session() as session:
            show(await why(session, WallClock(), name))
        return 0

    run(verb())


@app.command("rotate")
def rotate_verb(
    plan: Annotated[str, typer.Argument(help="The plan to rotate now.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "Requested",
    mode: Annotated[
        Mode, typer.Option(help="The others are for a credential that somebody else may know.", case_sensitive=False)
    ] = Mode.GRACEFUL,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it; exit 1 unless it is Complete.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Rotate now."""

    async def verb() -> int:
        async with target(namespace, context, kubeconfig).session() as session:
            record = await rotate(session, plan, reason, mode)
            typer.echo(f"{record.key.name} was asked for; follow it with: kubectl keyturn watch {record.key.name}")
            if not wait:
                return 0
            return 0 if succeeded(await follow(session, WallClock(), record, screen())) else ASKED_WRONG

    run(verb())


@app.command("abort")
def abort_verb(
    rotation: Annotated[str, typer.Argument(help="The rotation that shall go back.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Go back: the old credential serves again. Possible until the old one is deleted."""
    tell(target(namespace, context, kubeconfig), lambda session: abort(session, rotation))


@app.command("approve")
def approve_verb(
    rotation: Annotated[str, typer.Argument(help="The rotation that waits for approval.")],
    comment: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    stranger: Annotated[list[str] | None, typer.Option(help="Cut off this undeclared credential too; repeat.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """See what would be carried out, and agree to exactly that."""

    async def verb() -> int:
        async with target(namespace, context, kubeconfig).session() as session:
            asked = await question(session, rotation, stranger or ())
            show(question_page(asked, WallClock().now()))
            if not yes and not typer.confirm("\nApprove?", default=False):
                return ASKED_WRONG
            typer.echo(await approve(session, asked, comment))
        return 0

    run(verb())


@app.command("withdraw")
def withdraw_verb(
    rotation: Annotated[str, typer.Argument(help="The rotation that you approved.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Take your approval back. It counts until the moment of use."""
    tell(target(namespace, context, kubeconfig), lambda session: withdraw(session, rotation))


@app.command("doctor")
def doctor_verb(namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Do the admission policies stand? Who could evade them?

    Exit 1 when one does not stand.
    """

    async def verb() -> int:
        async with target(namespace, context, kubeconfig).session() as session:
            found = await doctor(session)
            show(diagnosis_page(found))
        return ASKED_WRONG if found.flaws else 0

    run(verb())


@app.command("pause")
def pause_verb(
    rotation: Annotated[str, typer.Argument(help="The rotation that shall stand still.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Stand still, with both credentials valid. Possible until the old one is deleted."""
    tell(target(namespace, context, kubeconfig), lambda session: pause(session, rotation))


@app.command("resume")
def resume_verb(
    rotation: Annotated[str, typer.Argument(help="The rotation that a person paused.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Go on after a pause of yours."""
    tell(target(namespace, context, kubeconfig), lambda session: resume(session, rotation))


@app.command("retry")
def retry_verb(
    rotation: Annotated[str, typer.Argument(help="The rotation that paused by itself.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Try again, after what made it pause was removed."""
    tell(target(namespace, context, kubeconfig), lambda session: retry(session, rotation))


@app.command("accept-loss")
def accept_loss_verb(
    rotation: Annotated[str, typer.Argument(help="The rotation that waits for the pod.")],
    pod: Annotated[str, typer.Argument(help="The pod that is lost with its node.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Wait no longer for a pod that is lost with its node."""
    tell(target(namespace, context, kubeconfig), lambda session: accept_loss(session, rotation, pod))


@app.command("freeze")
def freeze_verb(
    plan: Annotated[str | None, typer.Argument(help="One plan; default: the whole namespace.")] = None,
    reason: Annotated[str, typer.Option(help="Why: everybody who waits will read it.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="All namespaces.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Stop every change, but no way back to an old credential."""
    tell(target(namespace, context, kubeconfig), lambda session: freeze(session, Scope(plan, everything), reason))


@app.command("unfreeze")
def unfreeze_verb(
    plan: Annotated[str | None, typer.Argument(help="One plan; default: the whole namespace.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All namespaces.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Lift a freeze."""
    tell(target(namespace, context, kubeconfig), lambda session: unfreeze(session, Scope(plan, everything)))


@app.command("watch")
def watch_verb(
    name: Annotated[str, typer.Argument(help="A rotation, or a plan for its present or last one.")],
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Follow a rotation until it is over.

    Exit 1 unless it is Complete.
    """

    async def verb() -> int:
        async with target(namespace, context, kubeconfig).session() as session:
            record = await rotation_named(session, name)
            return 0 if succeeded(await follow(session, WallClock(), record, screen())) else ASKED_WRONG

    run(verb())


@app.command("inject")
def inject_verb(
    file: Annotated[Path, typer.Option("--filename", "-f", help="A manifest, or - for standard input.")],
    image: Annotated[str, typer.Option(help="The probe's image; default: the one this cluster's injector uses.")] = "",
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print a manifest with the probe put into its pods."""

    async def verb() -> int:
        documents = documents_of(file)
        async with target(namespace, context, kubeconfig).session() as session:
            made = await inject(session, documents, image)
        for warning in made.warnings:
            typer.echo(f"warning: {warning}", err=True)
        typer.echo(made.manifest, nl=False)
        return 0

    run(verb())


app.command("export")(export_verb)
app.command("restore")(restore_verb)
