"""Digests do not depend on order or segments, and agree exactly when the tables do."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tasks.core.digest import Digest, item_hash, key_hash, merged
from tasks.core.item import Item, KeySchema, canonical
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
