"""The Lambda package: what the functions import, built for the machine that they run on."""

from pathlib import Path

import pytest

from infra.aws import package
from infra.install import PROJECT_ROOT
from workflow.refusals import CommandRefused

AARCH64 = 0xB7
"""`e_machine` of an ELF file."""


@pytest.fixture(scope="module")
def built() -> Path:
    return package.build()


def test_what_is_compiled_is_compiled_for_lambdas_processor(built: Path) -> None:
    """A wheel of this machine's own would be found out by the first call on AWS only."""
    libraries = [*built.rglob("*.so"), *built.rglob("*.so.*")]
    assert any("pydantic_core" in str(library) for library in libraries)
    for library in libraries:
        head = library.read_bytes()[:20]
        assert int.from_bytes(head[18:20], "little") == AARCH64, library
        assert "x86_64" not in library.name


def test_it_holds_the_tasks_as_they_are_and_no_other_part_of_the_project(built: Path) -> None:
    def sources(root: Path) -> dict[str, bytes]:
        files = [*root.rglob("*.py"), *root.rglob("*.json")]
        return {str(file.relative_to(root)): file.read_bytes() for file in files}

    assert sources(built / "tasks") == sources(PROJECT_ROOT / "tasks")
    assert "core/forecast/prices.json" in sources(built / "tasks"), "which Preflight goes by"
    assert not (built / "workflow").exists()
    assert not (built / "infra").exists()


def test_what_is_locked_is_what_is_packed(built: Path) -> None:
    locked = {}
    for line in package.LOCK.read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        locked[name.lower().replace("-", "_")] = version
    packed = {
        folder.name.removesuffix(".dist-info").rpartition("-")[0].lower().replace("-", "_"): folder.name.removesuffix(
            ".dist-info"
        ).rpartition("-")[2]
        for folder in built.glob("*.dist-info")
    }
    assert {name: locked[name] for name in packed} == packed
    assert {"boto3", "botocore", "pydantic", "aws_lambda_powertools", "aws_xray_sdk"} <= set(packed)


def test_it_is_small_enough_for_lambda(built: Path) -> None:
    size = sum(file.stat().st_size for file in built.rglob("*") if file.is_file())
    assert size < 200 * 1024 * 1024, "Lambda takes 250 MB unpacked"


def test_a_registry_that_is_out_of_reach_is_reported_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(CommandRefused, match="check that this machine reaches its package registry"):
        package.build(tmp_path / "package")
    assert not (tmp_path / "package").exists(), "half a package is none"
