"""The settings file: what is wrong in it is refused by name, before anything is deployed."""

import re
from pathlib import Path

import pytest
import yaml

from tasks.core.settings.migration import DEPLOYED_FIELDS, Migration
from workflow.refusals import CommandRefused
from workflow.settings import EXAMPLE, OF_AN_EXECUTION, Placement, parse_settings, read_settings

MINIMAL = "migration: m\nsource_table: old\ntarget_table: new\ndeployment:\n  region: eu-west-1\n"


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "m.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CommandRefused) as caught:
        read_settings(file)
    assert str(file) in str(caught.value), "which file"
    return str(caught.value)


def test_the_least_file_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(MINIMAL, encoding="utf-8")
    settings = read_settings(file)
    assert settings.migration == Migration(migration="m", source_table="old", target_table="new")
    assert settings.deployment == Placement(region="eu-west-1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("source_tabel: x\n", "unknown field 'source_tabel'"),
        ("max_concurrency: many\n", "max_concurrency"),
        ("migration: n\n", "migration stands there twice"),
        ("replica_regions: [eu-west-1]\n", "where the target itself is"),
        ("- a\n", "is no YAML"),
        ("resume_from: arn:aws:states:eu-west-1:123456789012:execution:tableferry-m:one\n", "an execution's input"),
    ],
)
def test_a_wrong_field_of_the_migration_is_refused_by_name(tmp_path: Path, change: str, words: str) -> None:
    assert words in refusal(tmp_path, change + MINIMAL)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("  acount: '1'\n", "unknown field 'acount'"),
        ("  account: 123456789012\n", "account"),
        ("  alarm_email: nobody\n", "alarm_email"),
        ("  pages_shards: 0\n", "pages_shards"),
        ("  log_retention_days: 8\n", "log_retention_days"),
        ("  region: Ireland\n", "region"),
        ("  region: cn-north-1\n", "region"),
        ("  region: us-gov-west-1\n", "region"),
    ],
)
def test_a_wrong_field_of_the_deployment_is_refused_by_name(tmp_path: Path, change: str, words: str) -> None:
    text = MINIMAL.replace("  region: eu-west-1\n", "") if "region" in change else MINIMAL
    message = refusal(tmp_path, text + change)
    assert words in message
    assert "deployment" in message


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n"])
def test_a_file_that_holds_no_fields_is_refused(tmp_path: Path, text: str) -> None:
    assert EXAMPLE.name in refusal(tmp_path, text), "the way out"


def test_a_file_without_a_region_is_refused_and_none_is_guessed(tmp_path: Path) -> None:
    assert "deployment is missing" in refusal(tmp_path, MINIMAL.partition("deployment")[0])


def test_a_file_that_is_not_there_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match="SETTINGS="):
        read_settings(tmp_path / "none.yaml")


def test_the_example_shows_every_field_and_its_default() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    uncommented = "\n".join(
        line.replace("# ", "", 1) if _is_a_field_in_a_comment(line) else line for line in text.splitlines()
    )
    shown = yaml.safe_load(uncommented)
    assert set(shown) == {*Migration.model_fields, "deployment"} - {*OF_AN_EXECUTION}
    assert set(shown["deployment"]) == set(Placement.model_fields)
    parse_settings(shown, name=EXAMPLE.name)
    examples = {
        "version_attribute",
        "without_indexes",
        "total_segments",
        "account",
        "alarm_email",
        "pages_shards",
        "kms_key_arns",
        "read_units_per_second",
        "write_units_per_second",
        "warm_throughput",
        "max_cost_usd",
        "reserved_concurrency",
    }
    for model, fields in ((Migration, shown), (Placement, shown["deployment"])):
        for name, field in model.model_fields.items():
            if f"# {name}:" in text and name not in examples:
                assert fields[name] == field.default, f"{name} is shown with another value than its default"


def test_the_example_says_which_fields_an_execution_may_override() -> None:
    fixed, _, free = EXAMPLE.read_text(encoding="utf-8").partition("# The fields above are fixed by the deployment.")
    for name in {*Migration.model_fields} - {*OF_AN_EXECUTION}:
        shown_in = [text for text in (fixed, free) if re.search(rf"^(# )?{name}:", text, re.MULTILINE)]
        assert shown_in == [fixed if name in DEPLOYED_FIELDS else free], name


def _is_a_field_in_a_comment(line: str) -> bool:
    bare = line.strip().removeprefix("# ")
    return line.strip().startswith("# ") and (
        bare.split(":")[0] in {*Migration.model_fields, *Placement.model_fields} or bare.strip().startswith("- arn:")
    )
