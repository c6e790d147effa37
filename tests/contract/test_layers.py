"""Imports run one way: infra, workflow, one task, tasks.aws, tasks.core."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.call_graph import ROOT, modules, task_modules


def imports(tree: ast.AST) -> set[str]:
    """Return every module that is imported, also inside functions; of `from a import b` both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports_of_folder(folder: str) -> dict[str, set[str]]:
    return {
        str(path.relative_to(ROOT)): imports(ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def test_the_contracts_of_the_import_linter_hold(tmp_path: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    command = str(linter) if linter.exists() else shutil.which("lint-imports")
    assert command, "import-linter is not installed: run `make setup`"
    done = subprocess.run(  # noqa: S603 — a tool of our own set-up
        [command, "--cache-dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", task_modules())
def test_no_task_imports_another_task(name: str) -> None:
    others = {f"tasks.{other}" for other in task_modules()}
    assert not imports(modules()[f"tasks.{name}"].tree) & others


def test_no_lower_layer_imports_a_higher_one() -> None:
    tasks = {f"tasks.{name}" for name in task_modules()}
    for name, module in modules().items():
        found = imports(module.tree)
        assert not {top for top in found if top.split(".")[0] in {"workflow", "infra", "tests"}}, name
        if name.startswith("tasks.core"):
            assert not {top for top in found if top.startswith("tasks.aws") or top in tasks}, name
            assert not {top.split(".")[0] for top in found} & {"boto3", "botocore", "os", "time", "random"}, name
        if name.startswith("tasks.aws"):
            assert not found & tasks, name


def test_all_of_boto3_is_in_one_place() -> None:
    for name in task_modules():
        assert not {top for top in imports(modules()[f"tasks.{name}"].tree) if top.split(".")[0] == "boto3"}, name


def test_the_operators_side_runs_no_task() -> None:
    tasks = {f"tasks.{name}" for name in task_modules()}
    for path, found in imports_of_folder("workflow").items():
        assert not found & tasks, path
        assert not {top for top in found if top.split(".")[0] == "infra"}, path


def test_the_product_knows_of_no_emulator() -> None:
    for folder in ("tasks", "workflow"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            # Step Functions Local is named where the definition is rendered for it.
            words = ["localhost", "127.0.0.1", "moto", "AWS_ENDPOINT"]
            if path.name not in {"wire.py", "connections.py"}:  # which ask botocore where a service is
                words.append("endpoint_url")
            assert not [word for word in words if word in text.replace("remote", "").replace("promote", "")], path
