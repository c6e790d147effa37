"""cdk-nag's AwsSolutions: clean, each exception with its reason, and a check that can fail."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.aws.synth import use_our_node
from tests.infra.synthesized import TASKS, example

use_our_node()

import infra.aws.app  # noqa: E402 — CDK starts the Node.js that was chosen above
from infra.aws import migration_stack  # noqa: E402

if TYPE_CHECKING:
    from constructs import Construct  # which starts a Node.js when it is imported


def synthesize_checked(folder: Path) -> str:
    app, stack = infra.aws.app.build(example(), code=TASKS, folder=folder)
    infra.aws.app.check(app)
    app.synth()
    return (folder / f"{stack.stack_name}.template.json").read_text(encoding="utf-8")


def test_every_exception_stands_in_the_template_with_its_reason(tmp_path: Path) -> None:
    text = synthesize_checked(tmp_path)
    assert "a stream's ARN ends in the time at which it was turned on" in text


def test_a_wildcard_without_a_reason_stops_the_synthesis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = migration_stack.acknowledge

    def forget_one(construct: "Construct", rule: str, reason: str) -> None:
        if "table/orders/stream/*" not in rule:
            real(construct, rule, reason)

    monkeypatch.setattr(migration_stack, "acknowledge", forget_one)
    with pytest.raises(RuntimeError, match="wildcard permissions"):
        synthesize_checked(tmp_path)
