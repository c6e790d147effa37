"""Preflight's decisions: what can not work is refused in words, all at once, before anything is changed."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.core.errors import Refused
from tasks.core.item import KeySchema
from tasks.core.migration import Migration, parse_migration
from tasks.core.plan import Facts, Plan, TableFacts, make_plan
from tasks.core.segment import GIBIBYTE

KEY = KeySchema("country", "S", "icao", "S")
SOURCE = TableFacts(
    name="old-airports",
    arn="arn:aws:dynamodb:eu-central-1:123456789012:table/old-airports",
    status="ACTIVE",
    key=KEY,
    item_count=28_000,
    size_bytes=3 * 1024**2,
)
STREAMING = replace(SOURCE, stream_arn=f"{SOURCE.arn}/stream/1", stream_view_type="NEW_AND_OLD_IMAGES")
TARGET = replace(SOURCE, name="new-airports", item_count=0, size_bytes=0)
FACTS = Facts(
    region="eu-central-1",
    known_regions=frozenset({"eu-central-1", "ap-northeast-1", "us-east-1"}),
    source=SOURCE,
    target=None,
    target_has_items=False,
    earlier_plan=None,
    replicator_attached=False,
    other_stream_readers=(),
    active_table=None,
)


def settings(**changes: Any) -> Migration:  # noqa: ANN401 — any setting
    return parse_migration(
        {"migration": "airports", "source_table": "old-airports", "target_table": "new-airports", **changes}
    )


def plan_of(facts: Facts, **changes: Any) -> Plan:  # noqa: ANN401 — any setting
    return make_plan(settings(**changes), facts, run="run-1", begun_at=2.0)


def refusal(facts: Facts, **changes: Any) -> str:  # noqa: ANN401 — any setting
    with pytest.raises(Refused) as refused:
        plan_of(facts, **changes)
    return str(refused.value)


def test_a_source_that_does_not_exist_is_refused() -> None:
    message = refusal(replace(FACTS, source=None))
    assert message == "source_table old-airports does not exist in eu-central-1; correct its name"


@pytest.mark.parametrize("status", ["CREATING", "UPDATING", "DELETING", "ARCHIVED"])
def test_a_source_that_is_not_active_is_refused(status: str) -> None:
    message = refusal(replace(FACTS, source=replace(SOURCE, status=status)))
    assert message == f"source_table old-airports is {status}; start again when it is ACTIVE"


def test_a_target_with_items_of_somebody_elses_is_refused() -> None:
    message = refusal(replace(FACTS, target=TARGET, target_has_items=True))
    assert "target_table new-airports has items" in message
    assert "would stay for ever" in message
    assert "empty it, or name another target" in message


def test_an_empty_target_of_the_right_shape_is_not_refused() -> None:
    assert plan_of(replace(FACTS, target=TARGET)).target_table == "new-airports"


@pytest.mark.parametrize(
    "key",
    [
        KeySchema("country", "S"),
        KeySchema("country", "N", "icao", "S"),
        KeySchema("icao", "S", "country", "S"),
        KeySchema("country", "S", "icao", "B"),
        KeySchema("Country", "S", "icao", "S"),
    ],
)
def test_a_target_with_another_key_schema_is_refused(key: KeySchema) -> None:
    message = refusal(replace(FACTS, target=replace(TARGET, key=key)))
    assert "target_table new-airports has the key" in message
    assert "country (S), icao (S)" in message
    assert "delete the target" in message


@pytest.mark.parametrize("view_type", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE"])
def test_a_stream_without_both_images_is_refused(view_type: str) -> None:
    message = refusal(replace(FACTS, source=replace(STREAMING, stream_view_type=view_type)))
    assert f"the stream of old-airports has view type {view_type}" in message
    assert "NEW_AND_OLD_IMAGES" in message
    assert "disable that stream" in message


def test_a_third_reader_on_the_stream_is_refused() -> None:
    message = refusal(replace(FACTS, source=STREAMING, other_stream_readers=("search", "audit")))
    assert "already has 2 readers (search, audit)" in message
    assert "detach one" in message


def test_a_second_reader_on_the_stream_is_not_refused() -> None:
    assert plan_of(replace(FACTS, source=STREAMING, other_stream_readers=("search",))).run == "run-1"


def test_a_region_that_does_not_exist_is_refused_by_name() -> None:
    message = refusal(FACTS, replica_regions=["ap-northeast-1", "eu-center-1", "mars-1"])
    assert "eu-center-1, mars-1" in message
    assert "ap-northeast-1" not in message
    assert "correct the name" in message


def test_the_targets_own_region_is_refused_as_a_replica() -> None:
    message = refusal(FACTS, replica_regions=["eu-central-1"])
    assert "eu-central-1, where the target itself is" in message


def test_a_second_run_after_the_cut_over_would_undo_writes_and_is_refused() -> None:
    message = refusal(replace(FACTS, active_table="new-airports"))
    assert "the pointer already says new-airports" in message
    assert plan_of(replace(FACTS, active_table="old-airports")).run == "run-1"


def test_two_executions_at_once_would_undo_each_others_steps_and_the_later_is_refused() -> None:
    message = refusal(replace(FACTS, other_executions=("arn:execution:one",)))
    assert "another execution of this migration is running (arn:execution:one)" in message
    assert "wait for it, or stop it first" in message


def test_every_reason_is_given_at_once_and_not_one_per_attempt() -> None:
    message = refusal(
        replace(
            FACTS,
            source=replace(STREAMING, status="UPDATING", stream_view_type="KEYS_ONLY"),
            target=replace(TARGET, key=KeySchema("id", "S")),
            target_has_items=True,
            other_stream_readers=("search", "audit"),
            active_table="new-airports",
            other_executions=("arn:execution:one",),
        ),
        replica_regions=["eu-central-1", "mars-1"],
    )
    assert len(message.split(" | ")) == 9


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, source=None, target=TARGET, target_has_items=True),
        replace(FACTS, source=replace(SOURCE, status="DELETING")),
        replace(FACTS, source=replace(STREAMING, stream_view_type="KEYS_ONLY")),
        replace(FACTS, source=STREAMING, other_stream_readers=("a", "b")),
        replace(FACTS, target=replace(TARGET, key=KeySchema("id", "S"))),
        replace(FACTS, target=TARGET, target_has_items=True),
        replace(FACTS, active_table="new-airports"),
    ],
)
def test_no_refusal_leaves_out_the_way_out(facts: Facts) -> None:
    for reason in refusal(facts).split(" | "):
        assert len(reason) > 40, "what and why"
        assert "; " in reason or ": " in reason, "the way out"


def earlier(**changes: Any) -> Plan:  # noqa: ANN401 — any field
    plan = make_plan(settings(), replace(FACTS, source=SOURCE), run="run-0", begun_at=1.0)
    return plan.model_copy(update=changes)


def test_items_of_this_migrations_own_unfinished_run_are_kept_and_told_of() -> None:
    plan = plan_of(
        replace(
            FACTS,
            source=STREAMING,
            target=TARGET,
            target_has_items=True,
            earlier_plan=earlier(),
            replicator_attached=True,
        )
    )
    assert any("keeps the items" in notice for notice in plan.notices)


@pytest.mark.parametrize(
    ("earlier_plan", "attached"),
    [
        (None, True),
        (earlier(), False),
        (earlier(source_table="another-source"), True),
        (earlier(target_table="another-target"), True),
    ],
)
def test_items_that_no_replicator_has_kept_current_are_never_taken_for_our_own(
    earlier_plan: Plan | None,
    attached: bool,  # noqa: FBT001 — a case
) -> None:
    message = refusal(
        replace(
            FACTS,
            source=STREAMING,
            target=TARGET,
            target_has_items=True,
            earlier_plan=earlier_plan,
            replicator_attached=attached,
        )
    )
    assert "has items that no unfinished run of this migration put there" in message


def test_the_owners_stream_is_not_turned_off_at_the_end() -> None:
    assert plan_of(replace(FACTS, source=STREAMING)).stream_was_enabled
    assert not plan_of(FACTS).stream_was_enabled


@pytest.mark.parametrize("was_enabled", [True, False])
def test_a_stream_that_our_earlier_run_turned_on_is_not_taken_for_the_owners(
    was_enabled: bool,  # noqa: FBT001 — a case
) -> None:
    facts = replace(
        FACTS, source=STREAMING, earlier_plan=earlier(stream_was_enabled=was_enabled), replicator_attached=True
    )
    assert plan_of(facts).stream_was_enabled is was_enabled


def test_segments_come_from_the_size_only_where_none_are_given() -> None:
    big = replace(FACTS, source=replace(SOURCE, size_bytes=100 * GIBIBYTE))
    assert plan_of(FACTS).total_segments == 16
    assert plan_of(big).total_segments == 100
    assert plan_of(big).verify_segments == 64
    assert plan_of(big, total_segments=3).total_segments == 3
    assert plan_of(big, total_segments=3).verify_segments == 3


def test_the_plan_holds_every_setting_as_it_was_given() -> None:
    plan = plan_of(
        FACTS,
        replica_regions=["us-east-1", "ap-northeast-1"],
        version_attribute="updatedAt",
        approval="automatic",
        max_concurrency=9,
        settle_seconds=11,
        quiet_seconds=12,
    )
    assert plan.replica_regions == ("us-east-1", "ap-northeast-1")
    assert (plan.run, plan.region, plan.key) == ("run-1", "eu-central-1", KEY)
    assert (plan.version_attribute, plan.approval, plan.max_concurrency) == ("updatedAt", "automatic", 9)
    assert (plan.settle_seconds, plan.quiet_seconds) == (11, 12)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan, "it travels from state to state as JSON"


def test_who_only_wants_replicas_is_told_that_no_copy_is_needed() -> None:
    notice, _ = plan_of(FACTS, replica_regions=["us-east-1"]).notices
    assert "aws dynamodb update-table --table-name old-airports" in notice
    assert "Create={RegionName=us-east-1}" in notice
    assert not any(
        "no copy" in told for told in plan_of(replace(FACTS, target=TARGET), replica_regions=["us-east-1"]).notices
    )
    assert plan_of(FACTS).notices == ()


def test_a_write_in_another_region_that_a_late_change_would_undo_is_warned_of() -> None:
    notices = plan_of(replace(FACTS, target=TARGET), replica_regions=["us-east-1"]).notices
    assert any("write to new-airports in eu-central-1 only" in notice for notice in notices)


def test_a_second_reader_of_a_global_tables_stream_is_named() -> None:
    global_table = replace(STREAMING, replica_regions=("us-east-1",))
    facts = replace(FACTS, source=global_table, other_stream_readers=("search-index",))
    assert any("detach search-index" in notice for notice in plan_of(facts).notices)
    assert plan_of(replace(facts, source=STREAMING)).notices == ()


@pytest.mark.parametrize("status", ["DELETING", "ARCHIVED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS"])
def test_a_target_that_is_going_or_out_of_reach_is_not_waited_for(status: str) -> None:
    with pytest.raises(Refused, match=f"target_table new-airports is {status}"):
        plan_of(replace(FACTS, target=replace(TARGET, status=status)))
    for passing in ("ACTIVE", "CREATING", "UPDATING"):
        plan_of(replace(FACTS, target=replace(TARGET, status=passing)))


def test_a_copy_of_days_is_not_a_surprise() -> None:
    huge = replace(FACTS, source=replace(SOURCE, item_count=1_000_000_000))
    (notice,) = plan_of(huge).notices
    assert "1000000000 items take about 69 h at the 4000 writes/s" in notice
    (notice,) = plan_of(replace(huge, table_write_limit=1000)).notices
    assert "about 278 h at the 1000 writes/s" in notice
