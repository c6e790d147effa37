"""What is equal in DynamoDB's typed JSON, and what is not."""

import json

import pytest

from tasks.core.model.item import (
    TOMBSTONE_ATTRIBUTE,
    Item,
    KeySchema,
    canonical,
    canonical_number,
    is_tombstone,
    without_legacy_attributes,
)

DIGITS_38 = "12345678901234567890123456789012345678"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2.50", "2.5"),
        ("2.5", "25e-1"),
        ("100", "1E2"),
        ("100", "1e+2"),
        ("0", "-0"),
        ("0", "0.000"),
        ("-0", "0E-130"),
        ("007", "7"),
        (".5", "0.5"),
        ("+1", "1"),
        (DIGITS_38, f"{DIGITS_38}.00"),
        (f"-{DIGITS_38}", f"-0{DIGITS_38}"),
        ("9.9999999999999999999999999999999999999E+125", "99999999999999999999999999999999999999E+88"),
        ("1E-130", "0.1E-129"),
    ],
)
def test_two_spellings_of_one_number_are_not_called_drift(one: str, other: str) -> None:
    assert canonical_number(one) == canonical_number(other)
    assert canonical({"n": {"N": one}}) == canonical({"n": {"N": other}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DIGITS_38, "12345678901234567890123456789012345679"),
        (f"0.{DIGITS_38}", "0.12345678901234567890123456789012345679"),
        ("1", "-1"),
        ("1E-130", "0"),
        ("-1E-130", "0"),
        ("1E+125", "1E+124"),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.1000000000000000055511151231257827"),
    ],
)
def test_a_number_that_lost_a_digit_is_never_called_equal(one: str, other: str) -> None:
    assert canonical_number(one) != canonical_number(other)
    assert canonical({"n": {"NS": [one]}}) != canonical({"n": {"NS": [other]}})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"s": {"SS": ["b", "a", "c"]}}, {"s": {"SS": ["c", "b", "a"]}}),
        ({"s": {"NS": ["1.0", "20"]}}, {"s": {"NS": ["2E1", "1"]}}),
        ({"s": {"NS": ["10", "9"]}}, {"s": {"NS": ["9.0", "1e1"]}}),
        ({"s": {"BS": ["/w==", "AA=="]}}, {"s": {"BS": ["AA==", "/w=="]}}),
        ({"a": {"S": "1"}, "b": {"S": "2"}}, {"b": {"S": "2"}, "a": {"S": "1"}}),
        ({"m": {"M": {"x": {"N": "1"}, "y": {"L": []}}}}, {"m": {"M": {"y": {"L": []}, "x": {"N": "1.0"}}}}),
        ({"l": {"L": [{"SS": ["a", "b"]}]}}, {"l": {"L": [{"SS": ["b", "a"]}]}}),
    ],
)
def test_the_order_of_sets_and_attributes_is_not_called_drift(one: Item, other: Item) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"l": {"L": [{"N": "1"}, {"N": "2"}]}}, {"l": {"L": [{"N": "2"}, {"N": "1"}]}}),
        ({"l": {"SS": ["a"]}}, {"l": {"L": [{"S": "a"}]}}),
        ({"l": {"SS": ["1"]}}, {"l": {"NS": ["1"]}}),
        ({"a": {"S": "1"}}, {"a": {"N": "1"}}),
        ({"a": {"S": "AA=="}}, {"a": {"B": "AA=="}}),
        ({"a": {"S": ""}}, {}),
        ({"a": {"B": ""}}, {"a": {"S": ""}}),
        ({"a": {"NULL": True}}, {}),
        ({"a": {"NULL": True}}, {"a": {"BOOL": True}}),
        ({"a": {"BOOL": True}}, {"a": {"BOOL": False}}),
        ({"a": {"M": {}}}, {"a": {"L": []}}),
        ({"a": {"M": {"b": {"S": "c"}}}}, {"a": {"M": {"b": {"S": "C"}}}}),
        ({"a": {"S": "1.0"}}, {"a": {"S": "1"}}),
        ({"a": {"S": "A"}}, {"A": {"S": "A"}}),
        ({"a": {"S": "\ud83d"}}, {"a": {"S": "\\ud83d"}}),
        ({"a": {"S": "\ud83d"}}, {"a": {"S": "\ud83e"}}),
        ({"a": {"S": "\ud83d"}, "b": {"S": "é"}}, {"a": {"S": "\ud83d"}, "b": {"S": "e"}}),
        ({"\ud83d": {"S": "a"}}, {"\\ud83d": {"S": "a"}}),
    ],
)
def test_a_damaged_type_is_never_called_equal(one: Item, other: Item) -> None:
    assert canonical(one) != canonical(other)


def test_strings_that_only_look_alike_are_never_called_equal() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    assert canonical({"s": {"S": composed}}) != canonical({"s": {"S": decomposed}})
    assert canonical({composed: {"S": "x"}}) != canonical({decomposed: {"S": "x"}})
    assert canonical({"s": {"SS": ["\ufb01"]}}) != canonical({"s": {"SS": ["fi"]}})


def test_the_same_string_written_with_another_escape_is_not_called_drift() -> None:
    one, other = json.loads('{"s":{"S":"\\u00e9\\/"}}'), json.loads('{"s":{"S":"é/"}}')
    assert canonical(one) == canonical(other)


def test_comparing_an_item_does_not_change_it() -> None:
    item: Item = {"n": {"NS": ["2.50", "1"]}, "l": {"L": [{"N": "1.0"}]}}
    before = json.dumps(item)
    canonical(item)
    assert json.dumps(item) == before


def test_a_key_is_taken_whole_and_in_its_own_order() -> None:
    schema = KeySchema("pk", "S", "sk", "N")
    item: Item = {"sk": {"N": "1.0"}, "x": {"S": "y"}, "pk": {"S": "a"}}
    assert schema.names == ("pk", "sk")
    assert list(schema.key_of(item).items()) == [("pk", {"S": "a"}), ("sk", {"N": "1.0"})]
    assert KeySchema("pk", "S").key_of(item) == {"pk": {"S": "a"}}


def test_an_owners_item_is_not_taken_for_a_tombstone() -> None:
    assert is_tombstone({"pk": {"S": "a"}, TOMBSTONE_ATTRIBUTE: {"BOOL": True}})
    assert not is_tombstone({"pk": {"S": TOMBSTONE_ATTRIBUTE}, "m": {"M": {TOMBSTONE_ATTRIBUTE: {"BOOL": True}}}})


def test_legacy_replication_attributes_stay_behind_and_nothing_else_does() -> None:
    item: Item = {
        "pk": {"S": "a"},
        "aws:rep:deleting": {"BOOL": False},
        "aws:rep:updatetime": {"N": "1"},
        "aws:replica": {"S": "the owner's"},
        "m": {"M": {"aws:rep:updatetime": {"N": "1"}}},
    }
    assert set(without_legacy_attributes(item)) == {"pk", "aws:replica", "m"}
    assert without_legacy_attributes(item)["m"] == item["m"]
    assert "aws:rep:deleting" in item, "the original is left alone"
