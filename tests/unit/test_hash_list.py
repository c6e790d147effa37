"""Lists of hashes: what they keep comes back, and comparing them finds exactly the keys that differ, in flat memory."""

import tracemalloc

import pytest

from tasks.core.errors import PreconditionFailed
from tasks.core.model.item import Item
from tasks.core.prove.digest import bucket_of, item_hash, key_hash
from tasks.core.prove.hash_list import Comparing, Index, Writing, iter_differing_keys, iter_keys, iter_rows, pass_over
from tasks.core.prove.passes import Step

BUCKETS = 16
WHOLE = Step(first=0, end=BUCKETS, part=0, parts=1)


def key(number: int) -> Item:
    return {"pk": {"S": f"key-{number}\n\ud83d"}}


def row(number: int, content: str = "x") -> tuple[bytes, bytes]:
    return key_hash(key(number)), item_hash({**key(number), "content": {"S": content}})


def written(rows: dict[int, str], buckets: int = BUCKETS) -> bytes:
    writing = Writing(buckets)
    for number, content in rows.items():
        writing.add(*row(number, content), key(number))
    return writing.take()


def index_of(body: bytes, first: int = 0, end: int = BUCKETS) -> Index:
    begin, stop = Index.place(first, end)
    return Index(first, body[begin:stop])


def cut(body: bytes, first: int = 0, end: int = BUCKETS) -> tuple[bytes, bytes]:
    index = index_of(body, first, end)
    return body[slice(*index.hashes(first, end))], body[slice(*index.keys(first, end))]


def test_any_stretch_of_a_list_has_its_buckets_rows_and_their_keys_in_one_order() -> None:
    numbers = dict.fromkeys(range(200), "x")
    body = written(numbers)
    seen = []
    for first, end in ((0, 5), (5, 6), (6, BUCKETS)):
        hashes, packed = cut(body, first, end)
        rows, keys = list(iter_rows(hashes)), list(iter_keys(packed))
        assert len(rows) == len(keys)
        assert all(first <= bucket_of(found, BUCKETS) < end for found, _ in rows)
        seen += list(iter_differing_keys(hashes, packed, {found for found, _ in rows}))
    assert sorted(map(str, seen)) == sorted(str(key(number)) for number in numbers)


def test_a_list_that_was_taken_begins_anew_and_an_empty_one_is_nothing() -> None:
    writing = Writing(BUCKETS)
    assert writing.take() == b""
    writing.add(*row(1), key(1))
    first = writing.take()
    assert (writing.bytes, writing.take()) == (0, b"")
    writing.add(*row(1), key(1))
    assert writing.take() == first


def differing(source: list[bytes], other: list[bytes], step: Step = WHOLE) -> set[bytes]:
    comparing = Comparing(step)
    for body in source:
        comparing.add_source(cut(body)[0])
    for body in other:
        comparing.add_other(cut(body)[0])
    return comparing.differing()


def test_a_missing_an_extra_and_a_changed_item_differ_and_nothing_else() -> None:
    source = [written(dict.fromkeys(range(50), "x")), written({60: "new", 61: "x"})]
    other = [written({60: "old", 62: "x"}), written(dict.fromkeys(range(50), "x"))]
    assert differing(source, other) == {row(60)[0], row(61)[0], row(62)[0]}


def test_what_was_read_twice_hides_no_difference() -> None:
    """A scan may meet a key twice that is written meanwhile; a side that has it twice still has to agree once."""
    assert differing([written({1: "x"})] * 2, [written({1: "x"})]) == set()
    assert differing([written({1: "x"})] * 2, []) == {row(1)[0]}
    assert differing([], [written({1: "x"})] * 2) == {row(1)[0]}
    assert differing([written({1: "new"})], [written({1: "new"}), written({1: "old"})]) == {row(1)[0]}


def test_a_bucket_in_parts_has_every_key_in_exactly_one() -> None:
    source = [written(dict.fromkeys(range(100), "new"))]
    parts = [differing(source, [], Step(first=0, end=BUCKETS, part=part, parts=3)) for part in range(3)]
    assert all(parts)
    assert sum(map(len, parts)) == 100
    assert set.union(*parts) == {row(number)[0] for number in range(100)}


def test_each_key_that_differs_is_looked_at_once_though_both_sides_have_it() -> None:
    left = {row(1)[0], row(2)[0]}
    one, other = cut(written({1: "new", 5: "x"})), cut(written({1: "old", 2: "x"}))
    assert list(iter_differing_keys(*one, left)) == [key(1)]
    assert list(iter_differing_keys(*other, left)) == [key(2)]


def test_a_call_that_goes_on_passes_over_exactly_what_was_looked_at() -> None:
    hashes, packed = cut(written(dict.fromkeys(range(30), "x")))
    every = {found for found, _ in iter_rows(hashes)}
    all_keys = list(iter_differing_keys(hashes, packed, set(every)))
    for ahead in (0, 1, 7, 30, 99):
        left = set(every)
        assert pass_over(hashes, left, ahead) == min(ahead, 30)
        assert list(iter_differing_keys(hashes, packed, left)) == all_keys[ahead:]


@pytest.mark.parametrize("damage", [lambda packed: packed[:-3], lambda packed: b"no zlib" + packed, lambda _: b""])
def test_keys_that_are_damaged_are_never_taken_for_fewer(damage: object) -> None:
    hashes, packed = cut(written(dict.fromkeys(range(30), "x")))
    with pytest.raises(PreconditionFailed, match="resume"):
        list(iter_differing_keys(hashes, damage(packed), {row(29)[0]}))  # type: ignore[operator]


def test_the_memory_of_a_comparison_is_the_sources_rows_and_no_more() -> None:
    """ITEMS_AT_ONCE rests on it: 2²¹ items take some 400 MB of the function's 1,769."""
    source, other = [written(dict.fromkeys(range(start, start + 2000), "x")) for start in range(0, 8000, 2000)], []
    other = list(source)
    tracemalloc.start()
    comparing = Comparing(WHOLE)
    for body in source:
        comparing.add_source(cut(body)[0])
    of_source = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in range(5):  # however often the other side comes
        for body in other:
            comparing.add_other(cut(body)[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert of_source / 8000 < 220, "bytes an item"
    assert peak < 2 * of_source + 32 * 8000


def test_a_list_that_is_written_holds_bytes_and_no_items() -> None:
    tracemalloc.start()
    writing = Writing(BUCKETS)
    for number in range(5000):
        writing.add(*row(number), key(number))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 1.3 * writing.bytes + 16 * 1024
