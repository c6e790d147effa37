"""Sums of hashes: equal exactly when the tables are."""

import pytest

from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, Item, KeySchema
from tasks.core.prove.digest import (
    LEAST_BUCKETS,
    MODULUS,
    MOST_BUCKETS,
    Digest,
    bucket_of,
    comparable,
    item_hash,
    key_hash,
    merged,
    plan_buckets,
    plan_sums,
)

SCHEMA = KeySchema("pk", "S")
BUCKETS = 16


def item(pk: str, content: str = "x") -> Item:
    return {"pk": {"S": pk}, "content": {"S": content}}


def digest_of(items: list[Item], buckets: int = BUCKETS) -> Digest:
    digest = Digest(buckets)
    for entry in items:
        digest.add(key_hash(SCHEMA.key_of(entry)), item_hash(entry))
    return digest


ITEMS = [item(f"key-{number}") for number in range(50)]


def bucket(pk: str) -> int:
    return bucket_of(key_hash({"pk": {"S": pk}}), BUCKETS)


@pytest.mark.parametrize(
    "other",
    [
        ITEMS[1:],
        [*ITEMS, item("extra")],
        [*ITEMS[1:], item("key-0", "y")],
        [*ITEMS, ITEMS[0]],
        [*ITEMS[1:], item("Key-0")],
    ],
)
def test_a_lost_added_or_changed_item_never_cancels_out(other: list[Item]) -> None:
    assert digest_of(ITEMS).unequal_buckets(digest_of(other))


def test_two_items_that_swapped_their_contents_are_not_called_equal() -> None:
    one = [item("a", "1"), item("b", "2")]
    swapped = [item("a", "2"), item("b", "1")]
    for buckets in (1, BUCKETS):
        assert digest_of(one, buckets).unequal_buckets(digest_of(swapped, buckets))


def test_only_the_buckets_that_differ_are_named() -> None:
    changed = [*ITEMS[:7], item("key-7", "y"), *ITEMS[8:]]
    assert digest_of(ITEMS).unequal_buckets(digest_of(changed)) == [bucket("key-7")]
    assert digest_of(ITEMS).unequal_buckets(digest_of(ITEMS[::-1])) == []


def test_equal_sums_with_another_count_are_not_called_equal() -> None:
    two, one = Digest(1), Digest(1)
    two.add(b"\0" * 16, (3).to_bytes(16, "big"))
    two.add(b"\0" * 16, (4).to_bytes(16, "big"))
    one.add(b"\0" * 16, (7).to_bytes(16, "big"))
    assert two.sums == one.sums
    assert two.unequal_buckets(one) == [0]


def test_sums_wrap_and_never_overflow() -> None:
    digest = Digest(1)
    for _ in range(3):
        digest.add(b"\xff" * 16, b"\xff" * 16)
    assert digest.sums == [(3 * (MODULUS - 1)) % MODULUS]
    assert Digest.from_bytes(digest.to_bytes()).sums == digest.sums


def test_segments_add_up_to_the_whole_table() -> None:
    parts = [digest_of(ITEMS[:20]), digest_of(ITEMS[20:21]), digest_of([]), digest_of(ITEMS[21:])]
    whole = merged(BUCKETS, parts)
    assert whole.unequal_buckets(digest_of(ITEMS)) == []
    assert whole.items == 50


def test_digests_of_another_number_of_buckets_are_never_added_up() -> None:
    with pytest.raises(ValueError, match="cannot be merged"):
        Digest(16).merge(Digest(32))


def test_a_digest_comes_back_from_the_control_table_as_it_went() -> None:
    digest = digest_of(ITEMS)
    back = Digest.from_bytes(digest.to_bytes())
    assert (back.buckets, back.sums, back.counts) == (digest.buckets, digest.sums, digest.counts)
    assert len(digest.to_bytes()) == 20 * BUCKETS


def test_a_new_digest_does_not_share_its_sums_with_another() -> None:
    one, other = Digest(4), Digest(4)
    one.add(b"\0" * 16, b"\1" * 16)
    assert other.items == 0


@pytest.mark.parametrize("count", [0, 1, 70_000, 1_000_000, 10_000_000_000, 10**13])
def test_the_buckets_are_a_power_of_two_or_keys_would_fall_outside(count: int) -> None:
    buckets = plan_buckets(count)
    assert buckets & (buckets - 1) == 0
    assert LEAST_BUCKETS <= buckets <= MOST_BUCKETS
    assert all(0 <= bucket_of(key_hash({"pk": {"S": f"{number}"}}), buckets) < buckets for number in range(100))


def test_buckets_grow_with_the_table() -> None:
    assert [plan_buckets(count) for count in (0, 64 << 20, 65 << 20, 10**9)] == [64, 64, 128, 1024]


def test_a_key_is_in_the_sum_that_its_bucket_is_in() -> None:
    for number in range(1000):
        key = key_hash({"pk": {"S": f"{number}"}})
        assert bucket_of(key, 1024) // 16 == bucket_of(key, plan_sums(1024))


def test_a_key_falls_into_the_same_bucket_however_its_number_is_spelt() -> None:
    assert key_hash({"n": {"N": "1.0"}}) == key_hash({"n": {"N": "1"}})
    assert item_hash({"n": {"N": "1.0"}}) != item_hash({"n": {"S": "1"}})


def test_a_tombstone_is_not_counted_and_legacy_attributes_are_not_compared() -> None:
    tombstone: Item = {"pk": {"S": "a"}, TOMBSTONE_ATTRIBUTE: {"BOOL": True}}
    assert comparable(tombstone, "target") is None
    assert comparable(tombstone, "source") == tombstone, (
        "an owner's item with our attribute must not vanish from the proof"
    )
    assert comparable({"pk": {"S": "a"}, "aws:rep:updatetime": {"N": "1"}}, "target") == {"pk": {"S": "a"}}
