"""The input: every wrong setting is refused by name, with the reason and the way out."""

from typing import Any

import pytest

from tasks.core.errors import Refused
from tasks.core.settings.migration import (
    DEPLOYED_FIELDS,
    Knobs,
    Migration,
    Scope,
    apply_overrides,
    fields_of,
    parse_migration,
)

SETTINGS: dict[str, Any] = {"migration": "airports", "source_table": "old-airports", "target_table": "new-airports"}
DEPLOYED = parse_migration(SETTINGS)


def refusal(execution_input: object) -> str:
    with pytest.raises(Refused) as refused:
        apply_overrides(DEPLOYED, execution_input)
    return str(refused.value)


AS_DEPLOYED = DEPLOYED.model_dump(mode="json")


@pytest.mark.parametrize("execution_input", [{}, {"Comment": "Insert your JSON here"}, {"Comment": None}])
def test_the_consoles_own_sample_input_is_not_refused(execution_input: object) -> None:
    assert apply_overrides(DEPLOYED, execution_input) == DEPLOYED


@pytest.mark.parametrize("theirs", ["Comment", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"])
def test_what_step_functions_puts_into_an_input_swallows_no_override_and_is_no_reason_to_refuse(theirs: str) -> None:
    assert apply_overrides(DEPLOYED, {theirs: "faster", "total_segments": 64}).total_segments == 64
    assert apply_overrides(DEPLOYED, {theirs: "faster"}) == DEPLOYED
    assert "'total_segmets'" in refusal({theirs: "faster", "total_segmets": 64})


def test_an_override_is_not_ignored() -> None:
    changed = apply_overrides(
        DEPLOYED,
        {
            "total_segments": 64,
            "approval": "automatic",
            "max_concurrency": 7,
            "settle_seconds": 5,
            "quiet_seconds": 6,
        },
    )
    assert changed == Migration(
        **SETTINGS,
        total_segments=64,
        approval="automatic",
        max_concurrency=7,
        settle_seconds=5,
        quiet_seconds=6,
    )


@pytest.mark.parametrize("name", list(Migration.model_fields))
def test_each_setting_says_once_how_long_it_stands(name: str) -> None:
    """One that said nothing could be overridden, and would be lost on a resume."""
    assert sum(name in fields_of(Migration, scope) for scope in Scope) == 1
    assert (name in DEPLOYED_FIELDS) == (name in fields_of(Migration, Scope.MIGRATION, Scope.DEPLOYMENT))


def test_what_roles_mappings_and_the_conflict_rule_are_made_for_is_fixed_by_the_deployment() -> None:
    assert set(DEPLOYED_FIELDS) == {
        "migration",
        "source_table",
        "target_table",
        "replica_regions",
        "version_attribute",
    }
    assert fields_of(Migration, Scope.DEPLOYMENT) == ("replica_regions",), "the rest cannot differ between two of a run"


def test_every_default_could_be_given() -> None:
    assert Knobs(**Knobs().knobs()) == Knobs()


def test_a_misspelt_field_is_refused_by_name_and_never_ignored() -> None:
    message = refusal({"total_segmets": 64, "Approval": "automatic"})
    assert "unknown field 'total_segmets', 'Approval'" in message
    assert all(field in message for field in Migration.model_fields), "the way out: the names that there are"


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ({"total_segments": 0}, "total_segments"),
        ({"total_segments": 10_001}, "total_segments"),
        ({"total_segments": 1.5}, "total_segments"),
        ({"total_segments": "many"}, "total_segments"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": 10_001}, "max_concurrency"),
        ({"max_concurrency": None}, "max_concurrency"),
        ({"settle_seconds": 0}, "settle_seconds"),
        ({"settle_seconds": 3601}, "settle_seconds"),
        ({"quiet_seconds": -1}, "quiet_seconds"),
        ({"quiet_seconds": 86_401}, "quiet_seconds"),
        ({"approval": "yes"}, "approval"),
        ({"approval": ""}, "approval"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_fields_name(override: dict[str, Any], named: str) -> None:
    assert named in refusal(override)


def test_all_wrong_fields_are_named_at_once_and_not_one_per_attempt() -> None:
    message = refusal({"total_segments": 0, "approval": "yes", "nonsense": 1})
    assert "total_segments" in message
    assert "approval" in message
    assert "'nonsense'" in message


@pytest.mark.parametrize("field", DEPLOYED_FIELDS)
def test_an_override_can_not_leave_the_roles_and_mappings_that_were_deployed(field: str) -> None:
    message = refusal({field: "something-else"})
    assert repr(field) in message
    assert f"{field}={AS_DEPLOYED[field]!r}" in message, "why: what it was deployed for"
    assert "deploy a migration with the other value" in message, "the way out"


@pytest.mark.parametrize("field", DEPLOYED_FIELDS)
def test_naming_what_is_deployed_anyway_is_not_refused(field: str) -> None:
    assert apply_overrides(DEPLOYED, {field: AS_DEPLOYED[field]}) == DEPLOYED


@pytest.mark.parametrize(
    ("execution_input", "kind"),
    [([], "array"), ("{}", "string"), (3, "number"), (2.5, "number"), (True, "boolean"), (None, "null")],
)
def test_input_that_is_no_object_is_refused_and_not_taken_for_empty(execution_input: object, kind: str) -> None:
    message = refusal(execution_input)
    assert f"is a JSON {kind}" in message
    assert "start it with an object" in message


@pytest.mark.parametrize(
    "settings",
    [
        {**SETTINGS, "target_table": "old-airports"},
        {**SETTINGS, "source_table": "no"},
        {**SETTINGS, "source_table": "has a space"},
        {**SETTINGS, "migration": "Airports"},
        {**SETTINGS, "migration": "-airports"},
        {**SETTINGS, "migration": "a" * 37},
        {**SETTINGS, "version_attribute": ""},
        {**SETTINGS, "replica_regions": "ap-northeast-1"},
        {**SETTINGS, "replica_regions": [None]},
        {**SETTINGS, "replica_regions": ["eu-west-1", "eu-west-1"]},
        {key: value for key, value in SETTINGS.items() if key != "source_table"},
        {},
    ],
)
def test_settings_that_no_resource_could_be_named_after_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        parse_migration(settings)


def test_a_table_is_never_migrated_onto_itself() -> None:
    with pytest.raises(Refused, match="same table; name another target"):
        parse_migration({**SETTINGS, "target_table": SETTINGS["source_table"]})


def test_settings_can_not_change_under_a_running_task() -> None:
    with pytest.raises(ValueError, match="frozen"):
        DEPLOYED.source_table = "another"  # type: ignore[misc]  # that it is refused is the test
