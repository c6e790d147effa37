"""The CDK app: one migration's stack from one settings file. `infra.aws.cdk` starts it, by CDK's command line.

cdk synth --app "python -m infra.aws.app" --context settings=orders.yaml
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.aws.alarms import add_alarms, add_watch
from infra.aws.dashboard import add_dashboard
from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS
from infra.aws.migration_stack import MigrationStack
from infra.aws.package import PACKAGE_FOLDER
from workflow.definition import Engine
from workflow.refusals import CommandRefused
from workflow.settings import Settings, read_settings

CONTEXT = {"@aws-cdk/core:validateAgainstDefaultRules": True}
"""CDK's own rules on the template stop the synthesis, as cdk-nag's do."""


def build(
    settings: Settings,
    *,
    code: Path,
    functions: Sequence[Function] = FUNCTIONS,
    engine: Engine = Engine.AWS,
    most_poll_seconds: int | None = None,
    folder: Path | None = None,
) -> tuple[cdk.App, MigrationStack]:
    """Return the app and its stack.

    Args:
        settings: of the deployment.
        code: the folder of the Lambda package.
        functions: what to deploy; the local AWS has shorter timeouts.
        engine: what runs the definition.
        most_poll_seconds: a bound for the definition's waits, for runs that are watched.
        folder: where the app is synthesized to; CDK's command line says it itself.
    """
    app = cdk.App(outdir=None if folder is None else str(folder), context=CONTEXT, analytics_reporting=False)
    stack = MigrationStack(
        app, settings, code=code, functions=functions, engine=engine, most_poll_seconds=most_poll_seconds
    )
    add_watch(stack)
    add_dashboard(stack, add_alarms(stack))
    return app, stack


def check(app: cdk.App) -> None:
    """Have the synthesis stop on what cdk-nag's AwsSolutions find and no reason stands for; reasons go along."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, write_suppressions_to_cloud_formation=True))


def main() -> int:
    """Synthesize for CDK's command line."""
    file = cdk.App(analytics_reporting=False).node.try_get_context("settings")
    if file is None:
        print("which migration? give its settings file as --context settings=FILE", file=sys.stderr)
        return 2
    try:
        app, _ = build(read_settings(Path(str(file))), code=PACKAGE_FOLDER)
    except CommandRefused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    check(app)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
