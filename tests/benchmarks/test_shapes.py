"""The items of the benchmarks are what their names say."""

import base64
import json
import zlib

import pytest

from infra.local.emulator.limits.sizes import item_bytes
from tests.benchmarks.shapes import PAGE_BYTES, SHAPES, SIZES, Shape, shape_of


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_item_is_exactly_as_large_as_its_shape_says(shape: Shape) -> None:
    items = shape.items(min(30, shape.items_a_page))
    assert {item_bytes(item) for item in items} == {shape.bytes}
    assert len({item["pk"]["S"] for item in items}) == len(items)


def test_few_and_many_attributes_are_that() -> None:
    for size in SIZES:
        (few,), (many,) = Shape(size, "few").items(1), Shape(size, "many").items(1)
        assert len(few) == 4
        assert len(many) >= 11


@pytest.mark.parametrize("size", ["1 KB", "100 KB"])
def test_text_compresses_and_noise_does_not(size: str) -> None:
    (text,), (noise,) = Shape(size).items(1), Shape(size, content="noise").items(1)
    of_text = text["a00"]["S"].encode()
    of_noise = base64.b64decode(noise["a00"]["B"])
    assert len(zlib.compress(of_text, 1)) < 0.6 * len(of_text)
    assert len(zlib.compress(of_noise, 1)) > 0.99 * len(of_noise)


def test_a_shape_has_the_same_items_in_every_process() -> None:
    shape = Shape("500 B", "many", "noise")
    assert json.dumps(shape.items(5)) == json.dumps(shape_of(shape.name).items(5))
    assert shape.items(1, first=7) != shape.items(1)


def test_a_page_is_what_one_scan_call_returns_at_most() -> None:
    for shape in SHAPES:
        assert PAGE_BYTES - shape.bytes < shape.items_a_page * shape.bytes <= PAGE_BYTES
