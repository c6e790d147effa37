"""Who wins on one key: the clauses of the conflict rule, each by the danger that it keeps out."""

import pytest

from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, Item, KeySchema
from tasks.core.replicate.conflict import (
    RULE_ORDER,
    Change,
    LateChange,
    PageCondition,
    ReplicationRule,
    judge_late_change,
    last_per_key,
    late_condition,
    tombstone_of,
)

SCHEMA = KeySchema("pk", "S")
KEY: Item = {"pk": {"S": "a"}}
ABSENT = PageCondition("pk")
NEWER = PageCondition("pk", "updatedAt")


def item(content: str = "x", version: str | None = None, pk: str = "a") -> Item:
    versioned: Item = {} if version is None else {"updatedAt": {"N": version}}
    return {"pk": {"S": pk}, "content": {"S": content}, **versioned}


def change(old: Item | None, new: Item | None, number: int = 1, pk: str = "a") -> Change:
    return Change({"pk": {"S": pk}}, old, new, str(number), deleted=old if new is None else None)


TOMBSTONE = tombstone_of(change(item(), None), version_attribute=None)


def test_a_page_never_overwrites_what_a_change_left() -> None:
    assert ABSENT.allows(item("stale"), None)
    assert not ABSENT.allows(item("stale"), item("fresh"))
    assert not ABSENT.allows(item("stale", "9"), item("fresh", "1")), "no version attribute was configured"


@pytest.mark.parametrize("condition", [ABSENT, NEWER])
def test_a_late_page_never_brings_back_a_deleted_item(condition: PageCondition) -> None:
    deleted = item("deleted", "5")
    tombstone = tombstone_of(change(deleted, None), version_attribute=condition.version_attribute)
    assert not condition.allows(deleted, tombstone)
    assert not condition.allows(item("before that", "4"), tombstone)
    assert not condition.allows(item("without a version"), tombstone)


def test_a_late_page_never_brings_back_an_item_that_was_updated_and_deleted_in_one_batch() -> None:
    updated = item("read by the page", "5")
    (merged,) = last_per_key([change(item("before", "1"), updated, 1), change(updated, None, 2)], SCHEMA)
    assert merged.old == item("before", "1"), "what the target may still hold"
    assert not NEWER.allows(updated, tombstone_of(merged, version_attribute="updatedAt"))


@pytest.mark.parametrize(
    ("new", "old", "wins"),
    [
        ("2", "1", True),
        ("1", "1", False),
        ("1", "2", False),
        ("10", "9", True),
        ("1E1", "9", True),
        ("-1", "-2", True),
        ("0", "-1", True),
        ("-0", "0", False),
        ("1.50", "1.5", False),
        ("12345678901234567890123456789012345679", "12345678901234567890123456789012345678", True),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345679", False),
        (None, "1", False),
        ("1", None, False),
        (None, None, False),
    ],
)
def test_a_version_wins_by_value_and_never_by_spelling(new: str | None, old: str | None, wins: bool) -> None:  # noqa: FBT001 — a case
    assert NEWER.allows(item("page", new), item("present", old)) is wins


def test_a_version_that_is_no_number_never_wins() -> None:
    text: Item = {"pk": {"S": "a"}, "updatedAt": {"S": "2026-01-01"}}
    assert not NEWER.allows(text, item("present", "1"))
    assert not NEWER.allows(item("page", "2"), text)
    assert NEWER.allows(text, None)
    assert not NEWER.replaces(text)


def test_the_condition_sent_to_dynamodb_says_what_the_rule_says() -> None:
    assert ABSENT.expression(item("x", "3")) == {
        "ConditionExpression": "attribute_not_exists(#hash)",
        "ExpressionAttributeNames": {"#hash": "pk"},
    }
    assert NEWER.expression(item("x", "3")) == {
        "ConditionExpression": "attribute_not_exists(#hash) OR #version < :version",
        "ExpressionAttributeNames": {"#hash": "pk", "#version": "updatedAt"},
        "ExpressionAttributeValues": {":version": {"N": "3"}},
    }
    assert NEWER.expression(item("x")) == ABSENT.expression(item("x"))


def test_a_duplicate_is_put_alone_only_where_a_version_could_win() -> None:
    assert not ABSENT.replaces(item("x", "3"))
    assert NEWER.replaces(item("x", "3"))
    assert not NEWER.replaces(item("x"))


def test_only_the_last_image_of_a_key_is_written() -> None:
    changes = [
        change(None, item("1"), 1),
        change(None, item("b1", pk="b"), 2, "b"),
        change(item("1"), None, 3),
        change(None, item("2"), 4),
        change(item("b1", pk="b"), None, 5, "b"),
    ]
    merged = last_per_key(changes, SCHEMA)
    assert [(entry.key["pk"]["S"], entry.new, entry.sequence_number) for entry in merged] == [
        ("a", item("2"), "4"),
        ("b", None, "5"),
    ]
    assert [entry.old for entry in merged] == [None, None], "from what the first one found"


def test_two_spellings_of_one_key_are_not_taken_for_two_items() -> None:
    numbers = KeySchema("n", "N")
    one, other = {"n": {"N": "1.0"}}, {"n": {"N": "1"}}
    merged = last_per_key([Change(one, None, one, "1"), Change(other, one, None, "2")], numbers)
    assert [(entry.new, entry.sequence_number) for entry in merged] == [(None, "2")]


def test_keys_that_differ_only_in_case_or_normal_form_are_never_merged() -> None:
    names = ["a", "A", "\u00e9", "e\u0301"]
    changes = [change(None, item(pk=name), number, name) for number, name in enumerate(names)]
    assert len(last_per_key(changes, SCHEMA)) == 4


def test_a_tombstone_holds_nothing_of_the_deleted_item_but_key_and_version() -> None:
    deleted = {**item("secret", "7"), "more": {"S": "secret"}}
    tombstone = {TOMBSTONE_ATTRIBUTE: {"BOOL": True}}
    assert tombstone_of(change(deleted, None), version_attribute=None) == {**KEY, **tombstone}
    assert tombstone_of(change(deleted, None), version_attribute="updatedAt") == {
        **KEY,
        **tombstone,
        "updatedAt": {"N": "7"},
    }
    assert tombstone_of(change(item("x"), None), version_attribute="updatedAt") == {**KEY, **tombstone}
    assert tombstone_of(change(None, None), version_attribute="updatedAt") == {**KEY, **tombstone}


@pytest.mark.parametrize(
    ("old", "new", "present", "verdict"),
    [
        (item("1"), item("2"), item("1"), LateChange.APPLY),
        (item("1"), item("2"), item("2"), LateChange.APPLIED),
        (item("1"), item("2"), item("the application's"), LateChange.TARGET_WINS),
        (item("1"), item("2"), None, LateChange.TARGET_WINS),
        (item("1"), None, item("1"), LateChange.APPLY),
        (item("1"), None, None, LateChange.APPLIED),
        (item("1"), None, item("the application's"), LateChange.TARGET_WINS),
        (None, item("1"), None, LateChange.APPLY),
        (None, item("1"), item("1"), LateChange.APPLIED),
        (None, item("1"), item("the application's"), LateChange.TARGET_WINS),
        (None, item("1"), TOMBSTONE, LateChange.APPLY),
        (item("1"), None, TOMBSTONE, LateChange.APPLIED),
        (item("1", "2.50"), item("2"), item("1", "2.5"), LateChange.APPLY),
        (None, None, None, LateChange.APPLIED),
    ],
)
def test_a_late_write_to_the_source_never_undoes_a_write_to_the_target(
    old: Item | None, new: Item | None, present: Item | None, verdict: LateChange
) -> None:
    assert judge_late_change(change(old, new), present) is verdict


def test_a_late_change_is_written_only_over_exactly_what_was_seen() -> None:
    present: Item = {"pk": {"S": "a"}, "n": {"NS": ["1", "2"]}, "#odd :name": {"NULL": True}}
    assert late_condition(change(present, None), present) == {
        "ConditionExpression": "attribute_exists(#0) AND #1 = :1 AND #2 = :2",
        "ExpressionAttributeNames": {"#0": "pk", "#1": "n", "#2": "#odd :name"},
        "ExpressionAttributeValues": {":1": {"NS": ["1", "2"]}, ":2": {"NULL": True}},
    }
    assert late_condition(change(None, item()), None) == {
        "ConditionExpression": "attribute_not_exists(#0)",
        "ExpressionAttributeNames": {"#0": "pk"},
    }
    assert late_condition(change(KEY, item()), KEY) == {
        "ConditionExpression": "attribute_exists(#0)",
        "ExpressionAttributeNames": {"#0": "pk"},
    }


def test_the_rules_only_ever_move_on() -> None:
    assert RULE_ORDER == (ReplicationRule.LEAVE_TOMBSTONES, ReplicationRule.DELETE, ReplicationRule.TARGET_WINS)
