"""From settings to a CloudFormation template, in this process."""

import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS
from infra.install import locate
from workflow.definition import Engine
from workflow.settings import Settings

Template = dict[str, Any]

_ONE_AT_A_TIME = threading.Lock()
"""CDK talks to its Node.js over one pipe, whatever thread asks."""


def synthesize(
    settings: Settings,
    *,
    code: Path,
    functions: Sequence[Function] = FUNCTIONS,
    engine: Engine = Engine.AWS,
    most_poll_seconds: int | None = None,
) -> Template:
    """Return the template of a migration's stack.

    Args:
        settings: of the deployment.
        code: the folder of the Lambda package.
        functions: what to deploy.
        engine: what runs the definition.
        most_poll_seconds: a bound for the definition's waits.
    """
    use_our_node()
    # Only now: CDK starts Node.js when it is imported.
    from infra.aws.app import build  # noqa: PLC0415

    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="tableferry-synth-") as folder:
        app, stack = build(
            settings,
            code=code,
            functions=functions,
            engine=engine,
            most_poll_seconds=most_poll_seconds,
            folder=Path(folder),
        )
        template: Template = app.synth().get_stack_by_name(stack.stack_name).template
        return template


def use_our_node() -> None:
    """Let CDK run on the Node.js that set-up found or installed."""
    if "JSII_NODE" not in os.environ:  # looking for it starts processes
        os.environ["JSII_NODE"] = str(locate().node)
