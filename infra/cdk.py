"""`python -m infra.cdk synth|diff|bootstrap|deploy|destroy`: CDK's command line, pinned, on the project's own Node.js.

`make synth`, `make deploy` and `make destroy` call it. It talks to whatever account the AWS SDK is pointed at; `synth`
needs none.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import boto3
import typer

from infra.destroy import check_destroyable, lift_protection, what_stays
from infra.install import PROJECT_ROOT, EngineMissing, locate
from infra.package import build
from infra.settings import EXAMPLE, Settings, read_settings
from tasks.core.errors import Refused
from workflow.refusals import in_words

EXIT_REFUSED = 2
OUTPUT = PROJECT_ROOT / "build" / "cdk.out"

SettingsFile = Annotated[Path, typer.Option("--settings", help="the settings file of the migration")]

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Deploy a migration to AWS, and remove it again.")


@app.command()
def synth(settings: SettingsFile = EXAMPLE) -> None:
    """Check the settings, build the Lambda package, and write the template to build/cdk.out."""
    read_settings(settings)
    build()
    _run("synth", "--quiet", settings=settings)
    print(f"synthesized to {OUTPUT.relative_to(PROJECT_ROOT)}")


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
        Refused: it is another one than the settings name.
    """
    session = boto3.Session(region_name=settings.deployment.region)
    with in_words("asking AWS whose credentials these are"):
        account = session.client("sts").get_caller_identity()["Account"]
    if settings.deployment.account not in {None, account}:
        raise Refused(
            f"the credentials at hand are of account {account}, and the settings name {settings.deployment.account}; "
            "choose the profile that belongs to it"
        )
    return session, account


def _run(command: str, *arguments: str, settings: Path | None) -> None:
    engines = locate()
    about = ["--app", f"{sys.executable} -m infra.app", "--output", str(OUTPUT)]
    context = [] if settings is None else [*about, "--context", f"settings={settings.resolve()}"]
    done = subprocess.run(
        [str(engines.node), str(engines.aws_cdk / "bin" / "cdk"), command, *arguments, *context, "--no-notices"],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            "JSII_NODE": str(engines.node),
            "CDK_DISABLE_VERSION_CHECK": "1",
            "CDK_DISABLE_CLI_TELEMETRY": "1",
        },
        check=False,
    )
    if done.returncode:
        raise typer.Exit(done.returncode)


def main() -> int:
    """Run the command line and return the exit code."""
    try:
        app(prog_name="python -m infra.cdk")
    except (Refused, EngineMissing) as refusal:
        typer.echo(f"refused: {refusal}", err=True)
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
