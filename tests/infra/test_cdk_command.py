"""`python -m infra.aws.cdk`, and so `make synth`, as a new user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from infra.aws import cdk
from infra.aws.cdk import OUTPUT
from infra.install import PROJECT_ROOT
from workflow.settings import EXAMPLE


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    no_aws = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(  # noqa: S603 — our own interpreter
        [sys.executable, "-m", "infra.aws.cdk", *arguments],
        cwd=PROJECT_ROOT,
        env={**no_aws, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_template_is_synthesized_without_an_account_and_nothing_else_is_said_or_there() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "tableferry-another.template.json").touch()
    done = command("synth")
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if not line.startswith("fetching")]
    assert (said, done.stderr) == (["synthesized to build/cdk.out/tableferry-orders.template.json"], "")
    assert [path.name for path in OUTPUT.glob("*.template.json")] == ["tableferry-orders.template.json"]
    template = json.loads((OUTPUT / "tableferry-orders.template.json").read_text(encoding="utf-8"))
    assets = json.loads((OUTPUT / "tableferry-orders.assets.json").read_text(encoding="utf-8"))
    keys = {
        resource["Properties"]["Code"]["S3Key"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    }
    (key,) = keys
    (folder,) = (
        OUTPUT / file["source"]["path"]
        for file in assets["files"].values()
        if any(destination["objectKey"] == key for destination in file["destinations"].values())
    )
    assert (folder / "tasks" / "scan_segment.py").is_file()
    assert (folder / "pydantic_core").is_dir()


def test_a_synthesis_that_failed_says_why_and_where_all_of_it_stands(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(cdk, "OUTPUT", tmp_path / "cdk.out")
    with pytest.raises(typer.Exit) as ended:
        cdk._run("no-such-command", settings=EXAMPLE, log=tmp_path / "log")  # noqa: SLF001 — no settings make CDK fail
    assert ended.value.exit_code != 0
    said = capfd.readouterr()
    assert said.out == ""
    assert "no-such-command" in said.err
    assert str(tmp_path / "log") in said.err
    assert (tmp_path / "log").read_text(encoding="utf-8").strip() in said.err


def test_a_wrong_settings_file_is_refused_in_one_line_and_not_by_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("migration: m\ndeployment: {region: eu-west-1}\n", encoding="utf-8")
    done = command("synth", "--settings", str(file))
    assert done.returncode == 2
    assert "source_table" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_deployed_or_removed_without_a_settings_file() -> None:
    for name in ("deploy", "destroy", "bootstrap", "diff"):
        done = command(name)
        assert done.returncode == 2
        assert "--settings" in done.stderr
