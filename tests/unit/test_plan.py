"""Preflight's decisions: what cannot work is refused in words, all at once, before anything is changed."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.core.copy.segment import GIBIBYTE
from tasks.core.errors import Refused, VersionsDiffer
from tasks.core.forecast.replicas import replica_costs
from tasks.core.model.capacity import WarmThroughput
from tasks.core.model.item import KeySchema
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.model.table_ref import TableRef
from tasks.core.run.plan import Facts, Plan, make_plan, parse_plan
from tasks.core.settings.migration import Knobs, Migration, parse_migration

KEY = KeySchema("country", "S", "icao", "S")
SOURCE = TableFacts(
    name="old-airports",
    id="old-1",
    arn="arn:aws:dynamodb:eu-central-1:123456789012:table/old-airports",
    status="ACTIVE",
    key=KEY,
    item_count=28_000,
    size_bytes=3 * 1024**2,
)
STREAMING = replace(SOURCE, stream_arn=f"{SOURCE.arn}/stream/1", stream_view_type="NEW_AND_OLD_IMAGES")
TARGET = replace(SOURCE, name="new-airports", id="new-1", item_count=0, size_bytes=0)
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

QUIET = replace(FACTS, source=STREAMING)
"""Of which there is nothing to say."""


BY_STATUS = Index("by-status", ("status",))
INDEXED = replace(
    QUIET,
    source=replace(
        STREAMING,
        indexes=(BY_STATUS, Index("by-update", ("aws:rep:updatetime",)), Index("local", ("country",), is_global=False)),
    ),
)


def renamed(table: TableRef, name: str) -> TableRef:
    return table.model_copy(update={"name": name})


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


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "ARCHIVED"])
def test_a_source_that_is_not_active_is_refused(status: str) -> None:
    message = refusal(replace(FACTS, source=replace(SOURCE, status=status)))
    assert message == f"source_table old-airports is {status}; start again when it is ACTIVE"


def test_a_target_with_items_of_somebody_elses_is_refused() -> None:
    message = refusal(replace(FACTS, target=TARGET, target_has_items=True))
    assert "target_table new-airports has items" in message
    assert "would stay for ever" in message
    assert "empty it, or name another target" in message


def test_an_empty_target_of_the_right_shape_is_not_refused() -> None:
    assert plan_of(replace(FACTS, target=TARGET)).target.name == "new-airports"


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
            source=replace(STREAMING, status="ARCHIVED", stream_view_type="KEYS_ONLY"),
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
        (earlier(source=renamed(earlier().source, "another-source")), True),
        (earlier(target=renamed(earlier().target, "another-target")), True),
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
    given: dict[str, Any] = {
        "replica_regions": ("us-east-1", "ap-northeast-1"),
        "add_replicas": "after-backfill",
        "without_indexes": ("by-status",),
        "version_attribute": "updatedAt",
        "approval": "automatic",
        "total_segments": 8,
        "max_concurrency": 9,
        "read_units_per_second": 500,
        "write_units_per_second": 200,
        "warm_throughput": WarmThroughput(read_units=20_000, write_units=10_000),
        "settle_seconds": 11,
        "lag_limit_seconds": 120,
        "quiet_seconds": 12,
        "max_rejects": 3,
        "max_cost_usd": 1000.0,
        "resume_from": "arn:aws:states:eu-central-1:123456789012:execution:tableferry-airports:first",
    }
    assert given.keys() == Knobs.model_fields.keys()
    plan = plan_of(INDEXED, **given)
    assert plan.knobs() == given
    assert (plan.run, plan.target.region, plan.target.key) == ("run-1", "eu-central-1", KEY)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan, "it travels from state to state as JSON"


@pytest.mark.parametrize("name", list(Knobs.model_fields))
def test_a_plan_that_leaves_a_setting_out_is_not_filled_up_by_the_defaults_of_this_version(name: str) -> None:
    stored = plan_of(FACTS).model_dump(mode="json")
    assert parse_plan(stored) == plan_of(FACTS)
    del stored[name]
    with pytest.raises(VersionsDiffer, match=rf"another version of tableferry began, .* \({name}: Field required\)"):
        parse_plan(stored)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"source": "old-airports"}, "source: Input should be"),
        ({"source_table": "old-airports"}, "source_table: Extra inputs"),
        ({"source": {"name": "old-airports"}}, r"source\.region: Field required"),
        ({"total_segments": None}, "total_segments: Input should be"),
        ({"settle_seconds": 0}, "settle_seconds: Input should be"),
        ({"approval": "asked"}, "approval: Input should be"),
    ],
)
def test_a_plan_of_another_form_is_refused_by_name_and_never_misread(change: dict[str, Any], where: str) -> None:
    with pytest.raises(VersionsDiffer, match=rf"\({where}") as refused:
        parse_plan({**plan_of(FACTS).model_dump(mode="json"), **change})
    assert "deploy the version that it began with" in str(refused.value), "the way out"


@pytest.mark.parametrize("stored", [None, [], "{}", {}])
def test_what_is_no_plan_at_all_is_refused_in_words_too(stored: object) -> None:
    with pytest.raises(VersionsDiffer, match="cannot read it"):
        parse_plan(stored)


def test_who_only_wants_replicas_is_told_that_no_copy_is_needed() -> None:
    notice, _ = plan_of(QUIET, replica_regions=["us-east-1"]).notices
    assert "aws dynamodb update-table --table-name old-airports" in notice
    assert "Create={RegionName=us-east-1}" in notice
    assert not any(
        "no copy" in told for told in plan_of(replace(QUIET, target=TARGET), replica_regions=["us-east-1"]).notices
    )
    assert plan_of(QUIET).notices == ()


def test_the_plan_says_where_the_replicas_are_cheaper() -> None:
    """A terabyte of items of a kilobyte: a restore costs a sixth of what the backfill's writes would."""
    large = replace(QUIET, source=replace(STREAMING, item_count=10**9, size_bytes=10**9 * 1024))
    regions = ["us-east-1", "ap-northeast-1"]

    def said(facts: Facts, **changes: Any) -> list[str]:  # noqa: ANN401 — any setting
        return [told for told in plan_of(facts, replica_regions=regions, **changes).notices if "as a restore" in told]

    (before,) = said(large)
    assert before.startswith("the replicas in us-east-1, ap-northeast-1 cost about 1,250 USD if they are there first")
    assert "about 286 USD if they are added after the backfill" in before
    assert before.endswith("add_replicas is first: after-backfill is cheaper")
    (behind,) = said(large, add_replicas="after-backfill")
    assert behind.endswith("add_replicas is after-backfill, the cheaper one")
    there = replace(TARGET, replica_regions=("us-east-1", "ap-northeast-1"))
    assert said(replace(large, target=there)) == [], "nothing is to be added"
    assert said(QUIET) == [], "some cents"


def test_the_replicas_of_indexes_cost_too() -> None:
    (indexed,) = [replace(INDEXED.source, item_count=10**8, size_bytes=10**8 * 3000)] if INDEXED.source else []
    plain = replace(indexed, indexes=())
    with_index, without = replica_costs(indexed, ["us-east-1"]), replica_costs(plain, ["us-east-1"])
    assert without.first == pytest.approx(10**8 * 3 * 0.625e-6)
    assert with_index.first > 1.9 * without.first
    assert replica_costs(plain, ["us-east-1"] * 2).after_backfill == pytest.approx(2 * without.after_backfill)


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
    huge = replace(FACTS, source=replace(STREAMING, item_count=1_000_000_000, size_bytes=10**12))
    (notice,) = plan_of(huge).notices
    assert "1000000000 items of 1 write units each. It takes about 11 h, most of the time bound by single" in notice
    assert "partitions of the target, of 1000 units a second each: several of 40 segments at once come" in notice
    (notice,) = plan_of(replace(huge, table_write_limit=1000)).notices
    assert "It takes about 278 h, most of the time bound by the 1000 units a second which the table of a new" in notice


def test_a_table_of_few_segments_is_not_said_to_be_copied_as_fast_as_its_target_could_take_it() -> None:
    tiny_items = replace(FACTS, source=replace(STREAMING, item_count=1_000_000_000))
    (notice,) = plan_of(tiny_items).notices
    assert "It takes about 18 h" in notice
    assert "total_segments: 32 makes that 9.7 h" in notice
    more = plan_of(tiny_items, total_segments=32).notices
    assert "It takes about 9.7 h" in more[-1]


def test_a_copy_takes_as_long_as_its_bytes_and_indexes_and_not_its_items_say() -> None:
    few_but_large = replace(STREAMING, item_count=1_000_000, size_bytes=100 * GIBIBYTE)
    (notice,) = plan_of(replace(FACTS, source=few_but_large)).notices
    assert "1000000 items of 105 write units each. It takes about 2.4 h" in notice
    by_city = Index("by-city", ("city",), item_count=2_000_000, size_bytes=2_000_000 * 90 * 1024)
    indexed = replace(few_but_large, indexes=(by_city, Index("by-iata", ("country", "iata"), is_global=False)))
    (notice,) = plan_of(replace(FACTS, source=indexed)).notices
    assert "of 210 write units each, and 180000000 write units in its 1 global indexes. It takes about" in notice
    large = replace(indexed, indexes=(replace(by_city, item_count=40_000_000, size_bytes=40_000_000 * 90 * 1024),))
    (notice,) = plan_of(replace(FACTS, source=large)).notices
    assert "bound by the 4000 units a second which index by-city of a new target takes at once, and up to" in notice
    dying = replace(indexed, indexes=(replace(by_city, status="DELETING"),))
    assert "of 105 write units each. It takes about 2.4 h" in plan_of(replace(FACTS, source=dying)).notices[-1]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            replace(TARGET, write_units=100),
            "It takes about 200 h, most of the time bound by the 100 units a second which the table of the target",
        ),
        (
            replace(TARGET, indexes=(Index("by-name", ("name",), write_units=200),)),
            "about 100 h, most of the time bound by the 200 units a second which index by-name of the target is set to",
        ),
        (TARGET, "It takes about 1.9 h, most of the time bound by the 4000 units a second which the table of the"),
        (replace(TARGET, warm_write_units=10_000), "It takes about 1.5 h, most of the time bound by single partitions"),
    ],
)
def test_a_target_that_is_there_takes_as_long_as_its_units_say(target: TableFacts, words: str) -> None:
    source = replace(STREAMING, item_count=72_000_000)
    assert words in plan_of(replace(FACTS, source=source, target=target)).notices[-1]


# What hangs on the source


def test_what_falls_silent_behind_the_cut_over_is_known_beforehand() -> None:
    kinesis = "arn:aws:kinesis:eu-central-1:123456789012:stream/analytics"
    facts = replace(FACTS, other_stream_readers=("search-indexer",), kinesis_destinations=(kinesis,))
    assert plan_of(facts).to_move == (
        "the trigger search-indexer reads the source's stream",
        f"the source's changes go to the Kinesis stream {kinesis}",
    )
    assert plan_of(FACTS).to_move == ()
    (unknown,) = plan_of(replace(FACTS, kinesis_destinations=None)).to_move
    assert "it could not be asked for" in unknown


@pytest.mark.parametrize("is_protected", [False, True])
def test_a_target_that_is_there_is_told_to_be_less_than_its_source(*, is_protected: bool) -> None:
    source = replace(STREAMING, is_protected=True, table_class="STANDARD_INFREQUENT_ACCESS")
    target = replace(TARGET, is_protected=is_protected)
    things = plan_of(replace(FACTS, source=source, target=target)).to_move
    protection = "the source has deletion protection, and the target has none"
    table_class = "the source is of table class STANDARD_INFREQUENT_ACCESS, and the target of STANDARD"
    assert things == ((table_class,) if is_protected else (protection, table_class))
    made_for_it = plan_of(replace(FACTS, source=source)).to_move
    assert made_for_it == (table_class,), "CreateReplicas protects what it makes"
    same = replace(target, table_class=source.table_class, is_protected=True)
    assert plan_of(replace(FACTS, source=source, target=same)).to_move == ()


def test_a_source_that_autoscaling_is_changing_is_not_refused() -> None:
    assert plan_of(replace(FACTS, source=replace(SOURCE, status="UPDATING"))).source.name == "old-airports"


def test_the_plan_names_both_tables_by_identity_and_not_only_by_name() -> None:
    assert (plan_of(FACTS).source.id, plan_of(FACTS).target.id) == ("old-1", None)
    assert plan_of(replace(FACTS, target=TARGET)).target.id == "new-1"


@pytest.mark.parametrize("status", ["ENABLED", "ENABLING", "DISABLING"])
@pytest.mark.parametrize("source_expires", [False, True])
def test_a_target_whose_items_expire_while_they_are_compared_is_refused_in_words(
    status: str, *, source_expires: bool
) -> None:
    source = replace(SOURCE, ttl_status="ENABLED", ttl_attribute="gone_at") if source_expires else SOURCE
    target = replace(TARGET, ttl_status=status, ttl_attribute="gone_at")
    message = refusal(replace(FACTS, source=source, target=target))
    assert f"items of target_table new-airports expire by gone_at (TTL is {status})" in message
    assert "--time-to-live-specification Enabled=false,AttributeName=gone_at" in message
    assert "CutOver turns on what the source has" in message


def test_a_pointer_that_says_a_third_table_is_no_place_to_move_traffic_from() -> None:
    message = refusal(replace(FACTS, active_table="airports-eu"))
    assert "the pointer says airports-eu, which is neither old-airports nor new-airports" in message
    assert "deploy a migration whose source is airports-eu" in message
    assert plan_of(replace(FACTS, active_table="old-airports")).target.name == "new-airports"


def test_an_owner_is_told_that_the_next_deployment_may_undo_what_was_turned_on() -> None:
    (notice,) = plan_of(FACTS).notices
    assert "the stream of old-airports is turned on for the time of the migration" in notice
    assert "its next deployment may turn it off again, and the migration then ends with ChangesLost" in notice
    assert "StreamViewType NEW_AND_OLD_IMAGES into the template" in notice


def test_a_target_without_deletion_protection_is_named() -> None:
    assert any(
        "new-airports has no deletion protection" in told for told in plan_of(replace(QUIET, target=TARGET)).notices
    )
    assert plan_of(replace(QUIET, target=replace(TARGET, is_protected=True))).notices == ()


def test_an_index_over_what_is_never_copied_does_not_stay_empty_in_silence() -> None:
    (notice,) = plan_of(INDEXED).notices
    assert "new-airports is made without by-update" in notice
    assert "aws:rep:… attributes, which are never copied" in notice


def test_an_index_can_be_left_for_later_and_nobody_forgets_to_add_it() -> None:
    plan = plan_of(INDEXED, without_indexes=["by-status"])
    assert plan.without_indexes == ("by-status",)
    assert any("add them while ApproveCutOver waits" in notice for notice in plan.notices)


@pytest.mark.parametrize("name", ["by-stats", "local"])
def test_an_index_that_can_not_be_left_for_later_is_refused_by_name(name: str) -> None:
    message = refusal(INDEXED, without_indexes=[name])
    assert f"without_indexes names {name}, and the global indexes of old-airports are by-status, by-update" in message
