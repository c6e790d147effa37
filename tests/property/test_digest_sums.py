"""Digests do not depend on order or segments, and agree exactly when the tables do."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tasks.core.model.item import Item, KeySchema, canonical
from tasks.core.prove.digest import Digest, item_hash, key_hash, merged
from tasks.core.prove.hash_list import Comparing, Index, Writing
from tasks.core.prove.passes import Step
from tasks.core.prove.verification import DONE, chain
from tests.property.typed_json import BOUNDED

SCHEMA = KeySchema("pk", "S")
BUCKETS = 8

table_items = st.builds(
    lambda pk, content: {"pk": {"S": pk}, "c": {"N": content}},
    st.sampled_from("abcdef"),
    st.sampled_from(["1", "1.0", "2", "3"]),
)
tables = st.lists(table_items, max_size=8, unique_by=lambda item: item["pk"]["S"])


def digest_of(items: list[Item]) -> Digest:
    digest = Digest(BUCKETS)
    for item in items:
        digest.add(key_hash(SCHEMA.key_of(item)), item_hash(item))
    return digest


@BOUNDED
@given(st.data(), tables)
def test_order_and_segments_never_change_a_digest(data: st.DataObject, table: list[Item]) -> None:
    shuffled = data.draw(st.permutations(table))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=3)))
    segments = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(table)], strict=True)]
    parts = [Digest.from_bytes(digest_of(segment).to_bytes()) for segment in data.draw(st.permutations(segments))]
    whole = merged(BUCKETS, parts)
    assert whole.unequal_buckets(digest_of(table)) == []
    assert whole.items == len(table)


@BOUNDED
@given(tables, tables)
def test_digests_agree_exactly_when_the_tables_do(one: list[Item], other: list[Item]) -> None:
    are_equal = Counter(map(canonical, one)) == Counter(map(canonical, other))
    assert (digest_of(one).unequal_buckets(digest_of(other)) == []) == are_equal


@BOUNDED
@given(tables, tables)
def test_every_key_that_differs_is_in_a_bucket_that_is_looked_at(one: list[Item], other: list[Item]) -> None:
    unequal = set(digest_of(one).unequal_buckets(digest_of(other)))
    contents = [{item["pk"]["S"]: canonical(item) for item in table} for table in (one, other)]
    for pk in contents[0].keys() | contents[1].keys():
        if contents[0].get(pk) != contents[1].get(pk):
            bucket = digest_of([{"pk": {"S": pk}}]).counts.index(1)
            assert bucket in unequal


def lists_of(tables_parts: list[list[Item]]) -> list[bytes]:
    """Return each part of a table as a list's rows, over all buckets."""
    found = []
    for part in tables_parts:
        writing = Writing(BUCKETS)
        for item in part:
            key = SCHEMA.key_of(item)
            writing.add(key_hash(key), item_hash(item), key)
        if body := writing.take():
            begin, end = Index.place(0, BUCKETS)
            found.append(body[slice(*Index(0, body[begin:end]).hashes(0, BUCKETS))])
    return found


def parted(data: st.DataObject, table: list[Item]) -> list[list[Item]]:
    shuffled = data.draw(st.permutations(table))
    cut = data.draw(st.integers(0, len(table)))
    return [shuffled[:cut], shuffled[cut:]]


@BOUNDED
@given(st.data(), tables, tables)
def test_lists_name_exactly_the_keys_that_differ_whatever_their_order_and_parts(
    data: st.DataObject, one: list[Item], other: list[Item]
) -> None:
    parts = data.draw(st.integers(1, 3))
    here, there = lists_of(parted(data, one)), lists_of(parted(data, other))
    differing: set[bytes] = set()
    for part in range(parts):
        comparing = Comparing(Step(first=0, end=BUCKETS, part=part, parts=parts))
        for rows in here:
            comparing.add_source(rows)
        for rows in there:
            comparing.add_other(rows)
        found = comparing.differing()
        assert not found & differing, "a key is in one part only"
        differing |= found
    contents = [{item["pk"]["S"]: canonical(item) for item in table} for table in (one, other)]
    expected = {pk for pk in contents[0].keys() | contents[1].keys() if contents[0].get(pk) != contents[1].get(pk)}
    assert differing == {key_hash({"pk": {"S": pk}}) for pk in expected}


@dataclass(frozen=True, slots=True)
class Call:
    begun: str
    reached: str


@BOUNDED
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=12))
def test_calls_make_a_whole_exactly_where_they_lead_from_the_beginning_to_the_end(steps: list[tuple[int, int]]) -> None:
    calls = [Call(str(begun), DONE if reached == 5 else str(reached)) for begun, reached in steps]
    reachable, grown = {"0"}, True
    while grown:
        more = {call.reached for call in calls if call.begun in reachable}
        grown = not more <= reachable
        reachable |= more
    found = chain(calls, "0")
    assert (found is not None) == (DONE in reachable)
    if found is not None:
        assert [call.begun for call in found] == ["0", *[call.reached for call in found[:-1]]]
        assert found[-1].reached == DONE
        assert len({call.begun for call in found}) == len(found)
