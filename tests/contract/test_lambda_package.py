"""`tasks/` zipped alone is the whole Lambda package."""

import json
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from infra.aws.functions.registry import FUNCTIONS
from infra.local.rehearsal.deploy import zip_tasks

ROOT = Path(__file__).resolve().parents[2]

IMPORT_ALL = """
import importlib, json, os, sys

package, root, handlers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
sys.path[:] = [package] + [path for path in sys.path if path and os.path.realpath(path) != os.path.realpath(root)]

NOT_IN_LAMBDA = {
    "workflow", "infra", "tests", "aiohttp", "airportsdata", "awslambdaric", "hypothesis", "jpype", "moto", "pytest",
    "_pytest", "rich", "typer",
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top in NOT_IN_LAMBDA or top.startswith("mypy_boto3"):
            raise ImportError(f"{name} is not in the Lambda package")

sys.meta_path.insert(0, Absent())
found = {}
for handler in handlers:
    module, entry = handler.rsplit(".", 1)
    found[handler] = callable(getattr(importlib.import_module(module), entry))
    assert sys.modules[module].__file__.startswith(package), sys.modules[module].__file__
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task-root")
    with zipfile.ZipFile(BytesIO(zip_tasks())) as archive:
        archive.extractall(folder)
    return folder


def test_no_handler_needs_anything_of_the_project_but_the_package(package: Path) -> None:
    handlers = [function.handler for function in FUNCTIONS]
    done = subprocess.run(  # noqa: S603 — our own interpreter and text
        [sys.executable, "-I", "-B", "-W", "error", "-c", IMPORT_ALL, str(package), str(ROOT), json.dumps(handlers)],
        cwd=package,
        env={"AWS_REGION": "eu-central-1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == dict.fromkeys(handlers, True)


def test_the_package_holds_tasks_and_nothing_else(package: Path) -> None:
    assert [path.name for path in package.iterdir()] == ["tasks"]
    data = [path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert data == [Path("tasks/core/forecast/prices.json")]
