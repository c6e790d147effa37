"""Strategies for DynamoDB's typed JSON: all ten types, nested, with hostile names and values among them."""

import base64
from decimal import Context, Decimal

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tasks.core.model.item import Item

BOUNDED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=(HealthCheck.too_slow,),  # two cores are shared with the engines
)
"""The same examples in every run, so that `make test` passes twice or fails twice."""

HOSTILE = [
    "Items",
    "LastEvaluatedKey",
    "Count",
    "ScannedCount",
    '"],"LastEvaluatedKey":{',
    '],"Count":0,"ScannedCount":0}',
    "]",
    "]}",
    '"',
    "\\",
    '\\"]',
    '"Items":[',
    "e\u0301",
    "\u00e9",
    "'",
    "\U0001f600",
    "\x00",
]

texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8))
names = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=6))
binaries = st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode())

_DIGITS_38 = 10**38


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Draw a number in one of its spellings: up to 38 digits, exponents from -130 to 125."""
    digits = draw(st.one_of(st.integers(-20, 20), st.integers(1 - _DIGITS_38, _DIGITS_38 - 1)))
    return respelt(digits, draw(st.sampled_from([0, 0, 0, -1, -2, 3, -80, 60])), draw(st.integers(0, 3)))


def respelt(digits: int, exponent: int, spelling: int) -> str:
    """Spell `digits` x 10^`exponent` in one of four ways, all of the same value."""
    if spelling == 0:
        return f"{digits}E{exponent}"
    if spelling == 1:
        return f"{digits}0e{exponent - 1:+d}"
    number = Decimal(digits).scaleb(exponent, Context(prec=400))
    plain = f"{number:f}"
    if spelling == 2:
        return plain
    return f"{plain}.00" if "." not in plain else f"{plain}0"


def _unique(elements: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(elements, min_size=1, max_size=4, unique=True)


scalars: st.SearchStrategy[dict[str, object]] = st.one_of(
    texts.map(lambda value: {"S": value}),
    numbers().map(lambda value: {"N": value}),
    binaries.map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    _unique(texts).map(lambda value: {"SS": value}),
    st.lists(numbers(), min_size=1, max_size=3, unique_by=Decimal).map(lambda value: {"NS": value}),
    _unique(binaries).map(lambda value: {"BS": value}),
)
values: st.SearchStrategy[dict[str, object]] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda value: {"L": value}),
        st.dictionaries(names, inner, max_size=2).map(lambda value: {"M": value}),
    ),
    max_leaves=5,
)
items: st.SearchStrategy[Item] = st.dictionaries(names, values, min_size=1, max_size=3)
keys: st.SearchStrategy[Item] = st.dictionaries(
    names,
    st.one_of(
        texts.map(lambda value: {"S": value}),
        numbers().map(lambda value: {"N": value}),
        binaries.map(lambda value: {"B": value}),
    ),
    min_size=1,
    max_size=2,
)
