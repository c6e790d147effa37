"""`python -m infra.aws.cdk synth|diff|bootstrap|deploy|destroy`: CDK's command line, pinned, on our own Node.js.

`make synth`, `make deploy` and `make destroy` call it. It talks to whatever account the AWS SDK is pointed at; `synth`
needs none.
"""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import boto3
import typer

from infra.aws.destroy import check_destroyable, lift_protection, what_stays
from infra.aws.package import build
from infra.install import PROJECT_ROOT, EngineMissing, locate
from workflow.machine import Names
from workflow.refusals import CommandRefused, in_words
from workflow.settings import EXAMPLE, Settings, read_settings

EXIT_REFUSED = 2
OUTPUT = PROJECT_ROOT / "build" / "cdk.out"
LOG = PROJECT_ROOT / "build" / "synth.log"

SettingsFile = Annotated[Path, typer.Option("--settings", help="the settings file of the migration")]

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Deploy a migration to AWS, and remove it again.")


@app.command()
def synth(settings: SettingsFile = EXAMPLE) -> None:
    """Check the settings, build the Lambda package, and write the template to build/cdk.out."""
    names = Names(read_settings(settings).migration.migration)
    build()
    _run("synth", "--quiet", settings=settings, log=LOG)
    template = OUTPUT / f"{names.state_machine}.template.json"
    print(f"synthesized to {template.relative_to(PROJECT_ROOT)}")


@app.command()
def diff(settings: SettingsFile) -> None:
    """Show what a deployment would change."""
    read_settings(settings)
    build()
    _run("diff", settings=settings)


@app.command()
def bootstrap(settings: SettingsFile) -> None:
    """Prepare account and Region for CDK, once: a bucket for packages, and roles."""
    session, account = _session(read_settings(settings))
    _run("bootstrap", f"aws://{account}/{session.region_name}", settings=None)


@app.command()
def deploy(settings: SettingsFile) -> None:
    """Deploy the migration's stack; new or wider permissions are shown and asked for."""
    read_settings(settings)
    build()
    _run("deploy", "--all", "--require-approval=broadening", settings=settings)


@app.command()
def destroy(
    settings: SettingsFile,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Remove the migration's stack, if no execution runs and nothing is attached any more."""
    deployment = read_settings(settings)
    session, _ = _session(deployment)
    check_destroyable(session, deployment.migration.migration)
    print(what_stays(session, deployment.migration))
    if not yes:
        typer.confirm(f"Remove the stack of {deployment.migration.migration}?", abort=True)
    lift_protection(session, deployment.migration.migration)
    build()
    _run("destroy", "--all", "--force", settings=settings)


def _session(settings: Settings) -> tuple[boto3.Session, str]:
    """Return a session of the stack's Region, and the account that it is of.

    Raises:
        CommandRefused: it is another one than the settings name.
    """
    session = boto3.Session(region_name=settings.deployment.region)
    with in_words("asking AWS whose credentials these are"):
        account = session.client("sts").get_caller_identity()["Account"]
    if settings.deployment.account not in {None, account}:
        raise CommandRefused(
            f"the credentials at hand are of account {account}, and the settings name {settings.deployment.account}; "
            "choose the profile that belongs to it"
        )
    return session, account


def _run(command: str, *arguments: str, settings: Path | None, log: Path | None = None) -> None:
    """Run CDK's command line.

    Args:
        command: its name.
        arguments: of the command.
        settings: the settings file of what is synthesized; None: nothing is.
        log: where all that it says goes, to be shown only if it fails; None: it says it to the operator.
    """
    engines = locate()
    about = ["--app", f"{sys.executable} -m infra.aws.app", "--output", str(OUTPUT)]
    context = [] if settings is None else [*about, "--context", f"settings={settings.resolve()}"]
    if settings is not None:
        shutil.rmtree(OUTPUT, ignore_errors=True)  # the template of another migration would be read in its place
    with ExitStack() as stack:
        said = None if log is None else stack.enter_context(log.open("w+", encoding="utf-8"))
        done = subprocess.run(
            [str(engines.node), str(engines.aws_cdk / "bin" / "cdk"), command, *arguments, *context, "--no-notices"],
            cwd=PROJECT_ROOT,
            env={
                **os.environ,
                "JSII_NODE": str(engines.node),
                "CDK_DISABLE_VERSION_CHECK": "1",
                "CDK_DISABLE_CLI_TELEMETRY": "1",
            },
            stdout=said,
            stderr=said,
            check=False,
        )
        if done.returncode and said is not None:
            said.seek(0)
            print(f"{said.read().rstrip()}\ncdk {command} failed; all that it said is in {log}", file=sys.stderr)
    if done.returncode:
        raise typer.Exit(done.returncode)


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        app(prog_name="python -m infra.aws.cdk")
    except (CommandRefused, EngineMissing) as refusal:
        typer.echo(f"refused: {refusal}", err=True)
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
