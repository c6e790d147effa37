"""`python -m infra.cdk`, and so `make synth`, as a new user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.cdk import OUTPUT
from infra.install import PROJECT_ROOT


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    no_aws = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(  # noqa: S603 — our own interpreter
        [sys.executable, "-m", "infra.cdk", *arguments],
        cwd=PROJECT_ROOT,
        env={**no_aws, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_template_is_synthesized_without_an_account() -> None:
    done = command("synth")
    assert done.returncode == 0, done.stdout + done.stderr
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
