"""The CDK app: one migration's stack from one settings file. `infra.cdk` starts it, with CDK's command line around it.

cdk synth --app "python -m infra.app" --context settings=orders.yaml
"""

import sys
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.migration_stack import MigrationStack
from infra.package import PACKAGE_FOLDER
from infra.settings import Settings, read_settings
from tasks.core.errors import Refused

CONTEXT = {"@aws-cdk/core:validateAgainstDefaultRules": True}
"""CDK's own rules on the template stop the synthesis, as cdk-nag's do."""


def build(settings: Settings, *, code: Path, folder: Path | None = None) -> tuple[cdk.App, MigrationStack]:
    """Return the app and its stack, with the rules that its synthesis has to pass.

    Args:
        settings: of the deployment.
        code: the folder of the Lambda package.
        folder: where the app is synthesized to; CDK's command line says it itself.
    """
    app = cdk.App(outdir=None if folder is None else str(folder), context=CONTEXT, analytics_reporting=False)
    stack = MigrationStack(app, settings, code=code)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app, write_suppressions_to_cloud_formation=True))
    return app, stack


def main() -> int:
    """Synthesize for CDK's command line."""
    file = cdk.App(analytics_reporting=False).node.try_get_context("settings")
    if file is None:
        print("which migration? give its settings file as --context settings=FILE", file=sys.stderr)
        return 2
    try:
        app, _ = build(read_settings(Path(str(file))), code=PACKAGE_FOLDER)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 1
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
