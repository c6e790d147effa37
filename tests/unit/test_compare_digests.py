"""The proof's second half: only keys that really differ are looked at again, in groups that fit the memory."""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import compare_digests
from tasks.aws import digests, moments, recheck
from tasks.core.digest import Digest, bucket_of, item_hash, key_hash
from tasks.core.errors import DriftFound, VerifyPending
from tasks.core.item import Item
from tasks.core.verification import Verification
from tests.unit.aws_fakes import PLAN, RUN, Context, FakeAws

VERIFY = "v1"
STREAM = "arn:aws:dynamodb:eu-central-1:123456789012:table/source/stream/1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: True)
    monkeypatch.setattr(recheck, "BETWEEN_LOOKS_SECONDS", 0.0)
    return fake


def item(number: int, content: str = "x") -> Item:
    return {"pk": {"S": f"key-{number}"}, "content": {"S": content}}


def list_suspects(table: str, *items: Item, page: int = 0) -> None:
    suspects = [
        (bucket_of(key_hash(PLAN.key.key_of(entry)), PLAN.buckets), PLAN.key.key_of(entry), item_hash(entry).hex())
        for entry in items
    ]
    digests.put_suspects(RUN, VERIFY, f"{table}#0000", page, suspects)
    unequal = {*digests.read_unequal_buckets(RUN, VERIFY), *(bucket for bucket, _, _ in suspects)}
    digests.put_unequal_buckets(RUN, VERIFY, sorted(unequal))


def compare() -> Verification:
    verify = Verification(id=VERIFY, stage="suspects", source_items=9, target_items=9).model_dump(mode="json")
    payload = {"plan": PLAN.model_dump(mode="json"), "verify": verify, "stream_arn": STREAM}
    return Verification.model_validate(compare_digests.handler(payload, Context()))


def keys_read(aws: FakeAws) -> list[str]:
    found = [
        key["pk"]["S"]
        for operation, request in aws.dynamodb.calls
        if operation == "BatchGetItem"
        for wanted in request["RequestItems"].values()
        for key in wanted["Keys"]
    ]
    return sorted(set(found))


def test_equal_sums_are_equal_tables_and_one_differing_bucket_is_a_suspect() -> None:
    one, other = Digest(1024), Digest(1024)
    for digest in (one, other):
        digest.add(key_hash({"pk": {"S": "a"}}), item_hash(item(1)))
    assert one.unequal_buckets(other) == []
    other.add(key_hash({"pk": {"S": "b"}}), item_hash(item(2)))
    assert len(one.unequal_buckets(other)) == 1


def test_of_many_suspects_only_those_that_differ_are_read_again(aws: FakeAws) -> None:
    alike = [item(number) for number in range(300)]
    list_suspects("source", *alike, item(900, "new"), item(901))
    list_suspects("target", *alike, item(900, "old"), item(902))
    aws.dynamodb.seed("source", *alike, item(900, "new"), item(901))
    aws.dynamodb.seed("target", *alike, item(900, "new"), item(901))  # the replicator has brought it all by now
    found = compare()
    assert (found.verdict, found.rechecked, found.followed) == ("equal", 3, 0)
    assert keys_read(aws) == ["key-900", "key-901", "key-902"]


def test_a_page_that_was_listed_twice_does_not_confuse_the_comparison(aws: FakeAws) -> None:
    for page in range(3):
        list_suspects("source", item(1), page=page)
        list_suspects("target", item(1), page=page)
    aws.dynamodb.seed("source", item(1))
    aws.dynamodb.seed("target", item(1))
    assert compare().verdict == "equal"


def test_drift_of_all_groups_is_summed_and_named(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_digests, "KEYS_AT_ONCE", 10)
    missing = [item(number) for number in range(35)]
    list_suspects("source", *missing)
    aws.dynamodb.seed("source", *missing)
    with pytest.raises(DriftFound, match="35 missing, 0 extra, 0 mismatched"):
        compare()


def changing_all_the_time(aws: FakeAws) -> Callable[[str, dict[str, Any]], None]:
    count = iter(range(10**6))

    def change(operation: str, request: dict[str, Any]) -> None:
        if operation == "BatchGetItem" and "source" in request["RequestItems"]:
            aws.dynamodb.seed("source", item(1, f"count {next(count)}"))

    return change


def test_a_counter_that_never_rests_does_not_keep_a_table_from_being_proven(aws: FakeAws) -> None:
    list_suspects("source", item(1, "a"), item(2))
    list_suspects("target", item(1, "b"), item(2, "y"))
    aws.dynamodb.seed("source", item(1), item(2))
    aws.dynamodb.seed("target", item(1), item(2))
    aws.dynamodb.before = changing_all_the_time(aws)
    found = compare()
    assert (found.verdict, found.rechecked, found.followed) == ("equal", 1, 1)


def test_what_one_call_has_settled_the_next_does_not_read_again(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck, "KEYS_AT_ONCE", 1)
    list_suspects("source", item(1, "a"), item(2, "a"))
    aws.dynamodb.seed("source", item(1), item(2))
    aws.dynamodb.seed("target", item(1), item(2))
    looks = iter([True, False])
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: next(looks))
    with pytest.raises(VerifyPending):
        compare()
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: True)
    aws.dynamodb.calls.clear()
    assert compare().rechecked == 2
    assert len(keys_read(aws)) == 1


def test_a_call_that_has_no_time_to_list_all_suspects_settles_what_it_has_listed(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item(number, "a") for number in range(40)]
    list_suspects("source", *items)
    aws.dynamodb.seed("source", *items)
    aws.dynamodb.seed("target", *items)
    groups = len(digests.read_unsettled_groups(RUN, VERIFY))
    assert groups > 20
    seconds = iter(range(10**6))
    clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None)
    monkeypatch.setattr(compare_digests, "time", clock)
    monkeypatch.setattr(recheck, "time", clock)
    monkeypatch.setattr(compare_digests, "deadline_of", lambda _: next(seconds) + 20)
    left = [groups]
    while left[-1]:
        with suppress(VerifyPending):
            assert compare().rechecked == 40
        left.append(len(digests.read_unsettled_groups(RUN, VERIFY)))
        assert left[-1] < left[-2], "no call may end without having settled anything"
    assert len(left) > 3
    assert len(keys_read(aws)) == 40
    reads = [
        key
        for operation, request in aws.dynamodb.calls
        if operation == "BatchGetItem" and "target" in request["RequestItems"]
        for key in request["RequestItems"]["target"]["Keys"]
    ]
    assert len(reads) == 40, "what is settled is not read again"


def test_groups_with_drift_are_read_again_by_a_redrive_and_others_are_not(aws: FakeAws) -> None:
    list_suspects("source", item(1), item(2))
    aws.dynamodb.seed("source", item(1), item(2))
    for _ in range(2):
        with pytest.raises(DriftFound, match="2 missing"):
            compare()
    aws.dynamodb.seed("target", item(1), item(2))  # mended by hand
    assert (compare().verdict, digests.read_unsettled_groups(RUN, VERIFY)) == ("equal", [])


def test_drift_that_is_found_before_the_time_is_over_is_told_and_not_looked_for_anew(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "KEYS_AT_ONCE", 1)
    list_suspects("source", item(1), item(2))
    aws.dynamodb.seed("source", item(1), item(2))
    looks = iter(range(11))  # six of the one key, five of the other
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: next(looks, None) is not None)
    with pytest.raises(DriftFound, match=r"differ \(so far\): 1 missing"):
        compare()
    assert digests.read_unsettled_groups(RUN, VERIFY)


def test_a_group_of_more_keys_than_fit_a_lot_is_settled_only_behind_its_last(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_digests, "KEYS_AT_ONCE", 3)
    monkeypatch.setattr(digests, "SUSPECT_GROUPS", 1)
    items = [item(number, "a") for number in range(8)]
    list_suspects("source", *items)
    aws.dynamodb.seed("source", *items)
    aws.dynamodb.seed("target", *items[:-1])
    looks = iter(range(1))
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: next(looks, None) is not None)
    with pytest.raises(VerifyPending):
        compare()
    assert digests.read_unsettled_groups(RUN, VERIFY) == [0], "five of its keys were not looked at"
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: True)
    with pytest.raises(DriftFound, match="1 missing"):
        compare()
