"""A target made beforehand: what queries or the backfill would break on is refused before anything is changed."""

from dataclasses import replace

import pytest

from tasks.core.errors import PreconditionFailed
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.run.target_fit import check_indexes, target_reasons
from tests.unit.test_plan import FACTS, STREAMING, TARGET, plan_of, refusal, settings

BY_CITY = Index("by-city", ("city", "icao"), ("HASH S", "RANGE S"))
BY_IATA = Index("by-iata", ("country", "iata"), ("HASH S", "RANGE S"), is_global=False)
INDEXED = replace(STREAMING, indexes=(BY_CITY, BY_IATA))


def said(target: TableFacts, source: TableFacts = INDEXED, *, without: tuple[str, ...] = ()) -> str:
    return refusal(replace(FACTS, source=source, target=target), without_indexes=without)


def taken(target: TableFacts, source: TableFacts = INDEXED, *, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    return plan_of(replace(FACTS, source=source, target=target), without_indexes=without).notices


# Indexes


def test_a_target_without_an_index_that_queries_use_is_refused() -> None:
    message = said(replace(TARGET, indexes=(BY_IATA,)))
    assert (
        "target_table new-airports does not have by-city (global, by city HASH S and icao RANGE S, with ALL)" in message
    )
    assert "add it there, or name it in without_indexes" in message


def test_a_local_index_can_not_be_added_later_and_its_ways_out_are_others() -> None:
    target = replace(TARGET, indexes=(BY_CITY,))
    message = said(target)
    assert "does not have by-iata (local, " in message
    assert "delete the target (it is then made with it: a local index cannot be added later)" in message
    assert "or name it in without_indexes if no query needs it" in message
    taken(target, without=("by-iata",))


BY_MEANING = Index("by-meaning", ("embedding", "city"), ("COSINE 768", "HASH"), is_vector=True)


def test_a_vector_index_is_never_dropped_in_silence() -> None:
    source = replace(STREAMING, indexes=(BY_MEANING,))
    made_for = replace(FACTS, source=source)
    message = refusal(made_for)
    assert "old-airports has by-meaning (vector, by embedding COSINE 768 and city HASH, with ALL)" in message
    assert "name it in without_indexes" in message
    assert plan_of(made_for, without_indexes=("by-meaning",)).without_indexes == ("by-meaning",)
    assert "does not have by-meaning (vector, " in said(TARGET, source)
    taken(replace(TARGET, indexes=(BY_MEANING,)), source)
    with pytest.raises(PreconditionFailed, match="by-meaning"):
        check_indexes(source, TARGET, ())


def test_a_vector_index_of_other_vectors_is_not_taken_for_it() -> None:
    of_others = replace(BY_MEANING, key_kinds=("COSINE 512", "HASH"))
    message = said(replace(TARGET, indexes=(of_others,)), replace(STREAMING, indexes=(BY_MEANING,)))
    assert "index by-meaning of target_table new-airports is vector, by embedding COSINE 512" in message


@pytest.mark.parametrize(
    "other",
    [
        replace(BY_CITY, key_names=("icao", "city")),
        replace(BY_CITY, key_kinds=("HASH S", "RANGE N")),
        replace(BY_CITY, key_kinds=("HASH S", "HASH S")),
        replace(BY_CITY, projection=("KEYS_ONLY",)),
        replace(BY_CITY, projection=("INCLUDE", "name")),
        replace(BY_CITY, is_global=False),
    ],
)
def test_another_index_of_the_same_name_is_not_taken_for_it(other: Index) -> None:
    message = said(replace(TARGET, indexes=(other, BY_IATA)))
    assert f"index by-city of target_table new-airports is {other.in_words()}, and that of old-airports is" in message


@pytest.mark.parametrize(
    ("of_source", "of_target", "is_told"),
    [
        (("KEYS_ONLY",), ("ALL",), True),
        (("KEYS_ONLY",), ("INCLUDE", "name"), True),
        (("INCLUDE", "name"), ("INCLUDE", "kind", "name"), True),
        (("INCLUDE", "name"), ("ALL",), True),
        (("INCLUDE", "kind", "name"), ("INCLUDE", "kind", "name"), False),
        (("ALL",), ("ALL",), False),
    ],
)
def test_an_index_that_holds_more_serves_all_queries_and_costs_more(
    of_source: tuple[str, ...], of_target: tuple[str, ...], *, is_told: bool
) -> None:
    source = replace(STREAMING, indexes=(replace(BY_CITY, projection=of_source),))
    notices = taken(replace(TARGET, indexes=(replace(BY_CITY, projection=of_target),)), source)
    assert any("by-city of new-airports hold more of each item" in notice for notice in notices) == is_told
    narrow = replace(BY_CITY, projection=of_source)
    if is_told:
        wide = replace(source, indexes=(replace(BY_CITY, projection=of_target),))
        assert "index by-city of target_table" in said(replace(TARGET, indexes=(narrow,)), wide)


def test_the_same_indexes_in_any_order_are_taken() -> None:
    taken(replace(TARGET, indexes=(BY_IATA, BY_CITY)))


def test_an_index_that_is_added_once_the_proof_is_green_is_not_asked_for_and_not_taken_early() -> None:
    taken(replace(TARGET, indexes=(BY_IATA,)), without=("by-city",))
    message = said(replace(TARGET, indexes=(BY_IATA, BY_CITY)), without=("by-city",))
    assert "target_table new-airports has by-city, which without_indexes names; delete that index there" in message


def test_an_owner_who_added_the_index_as_told_can_resume() -> None:
    target = replace(TARGET, indexes=(BY_IATA, BY_CITY))
    early = settings(without_indexes=["by-city"])
    assert target_reasons(early, INDEXED, target, keeps_items=True) == []
    assert len(target_reasons(early, INDEXED, target)) == 1


def test_an_index_on_its_way_out_counts_as_gone_at_the_target_and_is_not_wanted_of_the_source() -> None:
    dying = replace(BY_CITY, status="DELETING")
    assert "does not have by-city" in said(replace(TARGET, indexes=(dying, BY_IATA)))
    taken(replace(TARGET, indexes=(BY_IATA,)), replace(INDEXED, indexes=(dying, BY_IATA)))


def test_an_index_that_only_the_target_has_may_refuse_items_and_is_told() -> None:
    notices = taken(replace(TARGET, indexes=(Index("by-name", ("name",)),)), STREAMING)
    assert any("new-airports has by-name, which old-airports has not: an item" in notice for notice in notices)


@pytest.mark.parametrize("without", [(), ("by-city",)])
@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        ((BY_CITY, BY_IATA), []),
        ((replace(BY_CITY, status="UPDATING"), BY_IATA), []),
        ((replace(BY_CITY, status="CREATING"), BY_IATA), ["by-city"]),
        ((replace(BY_CITY, status="DELETING"), BY_IATA), None),
        ((BY_IATA,), None),
    ],
)
def test_traffic_never_moves_to_a_table_that_misses_an_index_or_is_still_being_given_it(
    there: tuple[Index, ...], outcome: list[str] | None, without: tuple[str, ...]
) -> None:
    target = replace(TARGET, indexes=there)
    if outcome is not None or without:
        assert check_indexes(INDEXED, target, without) == (outcome or [])
    else:
        with pytest.raises(PreconditionFailed, match=r"new-airports does not have by-city \(global, by city"):
            check_indexes(INDEXED, target, without)


@pytest.mark.parametrize("status", ["CREATING", "DELETING"])
def test_an_index_that_no_query_of_the_source_can_use_is_not_missed(status: str) -> None:
    source = replace(INDEXED, indexes=(replace(BY_CITY, status=status), BY_IATA))
    assert check_indexes(source, replace(TARGET, indexes=(BY_IATA,)), ()) == []


# Capacity


def test_units_are_told_since_traffic_will_need_them_too() -> None:
    notices = taken(replace(TARGET, write_units=500), STREAMING)
    assert any("new-airports takes 500 write units a second" in notice for notice in notices)


def test_a_replica_is_not_added_where_dynamodb_would_refuse_it() -> None:
    facts = replace(FACTS, target=replace(TARGET, write_units=500, is_provisioned=True))
    message = refusal(facts, replica_regions=["us-east-1"])
    assert "DynamoDB adds a replica only where they are scaled automatically" in message
    there = replace(facts, target=replace(TARGET, is_provisioned=True, replica_regions=("us-east-1",)))
    plan_of(there, replica_regions=["us-east-1"])
    plan_of(replace(facts, target=replace(TARGET, write_units=500)), replica_regions=["us-east-1"])


# Deletion protection


def test_a_target_that_anybody_may_delete_is_told() -> None:
    words = "new-airports has no deletion protection; turn it on"
    assert any(words in notice for notice in taken(TARGET, STREAMING))
    assert not any(words in notice for notice in taken(replace(TARGET, is_protected=True), STREAMING))
