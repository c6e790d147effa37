"""Canonical bytes are equal exactly when two items are, by a definition of equality of the tests' own."""

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tasks.core.model.item import Item, canonical, canonical_number
from tasks.core.prove.digest import SOURCE, TARGET, item_hash
from tasks.core.prove.drift import Image, differ
from tests.property.typed_json import BOUNDED, items, names, numbers, respelt


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Compare two attribute values by meaning."""
    (((kind, value),), ((other_kind, other_value),)) = (one.items(), other.items())
    if kind != other_kind:
        return False
    if kind == "N":
        return Fraction(value) == Fraction(other_value)
    if kind == "NS":
        return {Fraction(number) for number in value} == {Fraction(number) for number in other_value}
    if kind == "L":
        return len(value) == len(other_value) and all(map(same, value, other_value))
    if kind == "M":
        return same_item(value, other_value)
    return set(value) == set(other_value) if kind in {"SS", "BS"} else bool(value == other_value)


def same_item(one: Item, other: Item) -> bool:
    return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)


small_numbers = st.builds(respelt, st.integers(-3, 3), st.integers(-1, 1), st.integers(0, 3))
small_values: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.one_of(
        small_numbers.map(lambda value: {"N": value}),
        st.sampled_from(["", "a", "1", "1.0", "e\u0301", "\u00e9", "AA=="]).map(lambda value: {"S": value}),
        st.sampled_from(["", "AA=="]).map(lambda value: {"B": value}),
        st.booleans().map(lambda value: {"BOOL": value}),
        st.just({"NULL": True}),
        st.permutations(["a", "b"]).map(lambda value: {"SS": value}),
        st.permutations(["AA==", "/w=="]).map(lambda value: {"BS": value}),
        st.lists(small_numbers, min_size=1, max_size=2, unique_by=Fraction).map(lambda value: {"NS": value}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda value: {"L": value}),
        st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2).map(lambda value: {"M": value}),
    ),
    max_leaves=4,
)
small_items = st.dictionaries(st.sampled_from(["a", "b"]), small_values, min_size=1, max_size=2)


@st.composite
def respelt_item(draw: st.DrawFn, item: Item) -> Item:
    """Draw an equal item: attributes and sets in another order, numbers in another spelling."""

    def again(value: dict[str, Any]) -> dict[str, Any]:
        ((kind, content),) = value.items()
        if kind == "N":
            return {"N": respell(content)}
        if kind == "NS":
            return {"NS": draw(st.permutations([respell(number) for number in content]))}
        if kind in {"SS", "BS"}:
            return {kind: draw(st.permutations(content))}
        if kind == "L":
            return {"L": [again(inner) for inner in content]}
        return {"M": whole(content)} if kind == "M" else value

    def respell(number: str) -> str:
        exact = Fraction(number)
        exponent = 0
        while exact.denominator != 1:
            exact, exponent = exact * 10, exponent - 1
        return respelt(exact.numerator, exponent, draw(st.integers(0, 3)))

    def whole(attributes: Item) -> Item:
        return {name: again(attributes[name]) for name in draw(st.permutations(sorted(attributes)))}

    return whole(item)


@BOUNDED
@given(st.data(), items)
def test_no_equal_item_is_called_drift_however_it_is_spelt(data: st.DataObject, item: Item) -> None:
    other = data.draw(respelt_item(item))
    assert same_item(item, other)
    assert canonical(item) == canonical(other)
    assert item_hash(item) == item_hash(other)


@BOUNDED
@given(small_items, small_items)
def test_items_are_called_equal_exactly_when_they_are(one: Item, other: Item) -> None:
    assert (canonical(one) == canonical(other)) == same_item(one, other)


@BOUNDED
@given(st.data(), items, names, small_values)
def test_one_changed_attribute_is_never_overlooked(
    data: st.DataObject, item: Item, name: str, value: dict[str, Any]
) -> None:
    chosen = data.draw(st.sampled_from([name, *sorted(item)]))
    changed = {**item, chosen: value}
    assert (canonical(item) == canonical(changed)) == same_item(item, changed)
    assert (differ(Image.of(item, SOURCE), Image.of(changed, TARGET)) is None) == same_item(item, changed)


@BOUNDED
@given(numbers(), numbers())
def test_numbers_are_compared_by_value_to_the_last_of_38_digits(one: str, other: str) -> None:
    assert (canonical_number(one) == canonical_number(other)) == (Fraction(one) == Fraction(other))
    assert Fraction(canonical_number(one)) == Fraction(one), "no digit is lost on the way"
    assert canonical_number(canonical_number(one)) == canonical_number(one)
