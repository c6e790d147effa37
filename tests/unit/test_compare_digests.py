"""The proof from its scans to its verdict: only keys that really differ are looked at, in lots that fit the memory."""

import itertools
import json
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import compare_digests, verify_segment
from tasks.aws.books import caps, hash_lists
from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import table_reads
from tasks.aws.dynamodb.table_reads import NoTurnError
from tasks.aws.prove import recheck, stretch
from tasks.aws.prove.recheck import Manner
from tasks.aws.replicate import moments
from tasks.core.errors import AwsUnavailable, DriftFound, PreconditionFailed, TipOutOfReach, TurnPending, VerifyPending
from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, Item, canonical
from tasks.core.prove import passes
from tasks.core.prove.drift import LOOKS_DRIFTED
from tasks.core.prove.verification import Verification, VerifySlice, plan_slices
from tasks.core.run.plan import Plan
from tasks.core.settings.caps import Caps, Throttle
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, Context, FakeAws, client_error

VERIFY = "2026-01-01T00:00:00Z"
TOKYO = "ap-northeast-1"
WITH_REPLICA = PLAN.model_copy(update={"replica_regions": (TOKYO,)})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    fake.stage.add_replica(TOKYO)
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: True)
    monkeypatch.setattr(recheck, "BETWEEN_LOOKS_SECONDS", 0.0)
    monkeypatch.setattr(recheck, "BETWEEN_LOOKS_AT_A_REPLICA_SECONDS", 0.0)
    return fake


def item(number: int, content: str = "x") -> Item:
    return {"pk": {"S": f"key-{number}"}, "content": {"S": content}}


def items(*numbers: int) -> list[Item]:
    return [item(number) for number in numbers]


def scan(aws: FakeAws, table: str, *pages: Sequence[Item]) -> None:
    """Let the first pass read a table's segment, page by page."""
    cursors = [{"pk": {"S": f"cursor-{number}"}} for number in range(1, len(pages))]
    engine = aws.dynamodb_in(WITH_REPLICA.proven[table].region)
    engine.pages = [(list(page), cursor) for page, cursor in zip(pages, [*cursors, None], strict=True)]
    verify(VerifySlice(table=table, segment=0), "digests")
    assert engine.pages == []


def verify(slice_: VerifySlice, stage: str = "suspects", context: Context | None = None) -> VerifySlice:
    """Call VerifySegment once."""
    payload = {
        "plan": WITH_REPLICA.model_dump(mode="json"),
        "verification": VERIFY,
        "stage": stage,
        "slice": slice_.model_dump(mode="json"),
    }
    return VerifySlice.model_validate(verify_segment.handler(payload, context or Context()))


def verify_all(verification: Verification) -> None:
    """Do what the Map does in the second pass."""
    for slice_ in verification.slices:
        reached = slice_
        while reached.state != "done":
            reached = verify(reached)


def compare(verification: Verification | None = None, plan: Plan = PLAN) -> Verification:
    """Call CompareDigests once."""
    ids = {region: f"{region}-1" for region in plan.replicas}
    document = (verification or Verification(id=VERIFY, replica_ids=ids)).model_dump(mode="json")
    payload = {"plan": plan.model_dump(mode="json"), "route": ROUTE.model_dump(), "verify": document}
    return Verification.model_validate(compare_digests.handler(payload, Context()))


def suspect(aws: FakeAws, source: Sequence[Item], target: Sequence[Item]) -> Verification:
    """Read both tables as given, compare, and look at the keys that differ."""
    scan(aws, "source", source)
    scan(aws, "target", target)
    verification = compare()
    assert verification.verdict == "suspect"
    verify_all(verification)
    return verification


def keys_read(aws: FakeAws) -> list[str]:
    found = [
        key["pk"]["S"]
        for operation, request in aws.dynamodb.calls
        if operation == "BatchGetItem"
        for wanted in request["RequestItems"].values()
        for key in wanted["Keys"]
    ]
    return sorted(set(found))


def test_equal_tables_are_equal_by_their_sums_alone(aws: FakeAws) -> None:
    scan(aws, "source", items(1, 2), items(3))
    scan(aws, "target", items(3), items(1, 2))
    found = compare()
    assert (found.verdict, found.source_items, found.target_items) == ("equal", 3, 3)
    assert not any(entry[0] == "s3.GetObject" for entry in aws.log), "no list was read"


def test_a_segment_that_was_not_read_is_never_taken_for_an_empty_one(aws: FakeAws) -> None:
    with pytest.raises(PreconditionFailed, match="not whole"):
        compare()
    scan(aws, "source", items(1))
    with pytest.raises(PreconditionFailed, match="target#0000 is not whole"):
        compare()


def test_of_many_suspects_only_those_that_differ_are_read_again(aws: FakeAws) -> None:
    alike = items(*range(300))
    aws.dynamodb.seed("source", *alike, item(900, "new"), item(901))
    aws.dynamodb.seed("target", *alike, item(900, "new"), item(901))  # the replicator has brought it all by now
    verification = suspect(aws, [*alike, item(900, "new"), item(901)], [*alike, item(900, "old"), item(902)])
    found = compare(verification)
    assert (found.verdict, found.rechecked, found.followed) == ("equal", 3, 0)
    assert keys_read(aws) == ["key-900", "key-901", "key-902"]
    reads = [operation for operation, _ in aws.dynamodb.calls if operation == "BatchGetItem"]
    assert len(reads) <= 4, "one look at each side was enough"
    assert "Scan" not in [operation for operation, _ in aws.dynamodb.calls[3:]], "no table is scanned again"


def test_a_tombstone_is_no_item_of_the_target_at_any_look(aws: FakeAws) -> None:
    tombstone: Item = {"pk": {"S": "key-1"}, TOMBSTONE_ATTRIBUTE: {"BOOL": True}}
    aws.dynamodb.seed("target", tombstone)
    verification = suspect(aws, items(1), [])  # it was deleted between the two readings
    assert compare(verification).verdict == "equal"


def test_a_call_that_was_made_again_is_counted_once_wherever_it_ended(aws: FakeAws) -> None:
    pages = [(items(1, 2), {"pk": {"S": "2"}}), (items(3), {"pk": {"S": "3"}}), (items(4), None)]
    begun = VerifySlice(table="source", segment=0)
    aws.dynamodb.pages = list(pages)
    verify(begun, "digests")  # the answer was lost
    aws.dynamodb.pages = list(pages)
    reached = verify(begun, "digests", Context(10_000, 1_000))
    assert reached.pages == 1
    assert verify(reached, "digests").state == "done"
    scan(aws, "target", items(1, 2, 3, 4))
    assert compare().verdict == "equal"


def test_a_call_that_was_given_up_and_ends_late_takes_no_other_calls_place(aws: FakeAws) -> None:
    """It began at the same place and came less far: what lies between, no entry would have."""
    begun = VerifySlice(table="source", segment=0)
    aws.dynamodb.pages = [(items(1), {"pk": {"S": "1"}}), (items(2), {"pk": {"S": "2"}}), (items(3), None)]
    reached = verify(begun, "digests", Context(10_000, 10_000, 1_000))
    assert reached.pages == 2
    assert verify(reached, "digests").state == "done"
    aws.dynamodb.pages = [(items(1), {"pk": {"S": "1"}})]
    verify(begun, "digests", Context(10_000, 1_000))
    scan(aws, "target", items(1, 3))
    aws.dynamodb.seed("source", *items(1, 2, 3))
    aws.dynamodb.seed("target", *items(1, 3))
    verification = compare()
    assert (verification.verdict, verification.source_items) == ("suspect", 3)
    verify_all(verification)
    with pytest.raises(DriftFound, match="1 missing, 0 extra, 0 mismatched"):
        compare(verification)


def test_drift_of_all_lots_is_summed_and_named(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_digests, "KEYS_AT_ONCE", 10)
    aws.dynamodb.seed("source", *items(*range(35)))
    with pytest.raises(DriftFound, match="35 missing, 0 extra, 0 mismatched"):
        compare(suspect(aws, items(*range(35)), []))


def changing_all_the_time(aws: FakeAws) -> Callable[[str, dict[str, Any]], None]:
    count = iter(range(10**6))

    def change(operation: str, request: dict[str, Any]) -> None:
        if operation == "BatchGetItem" and "source" in request["RequestItems"]:
            aws.dynamodb.seed("source", item(1, f"count {next(count)}"))

    return change


def test_a_counter_that_never_rests_does_not_keep_a_table_from_being_proven(aws: FakeAws) -> None:
    aws.dynamodb.seed("source", item(1), item(2))
    aws.dynamodb.seed("target", item(1), item(2))
    aws.dynamodb.before = changing_all_the_time(aws)
    found = compare(suspect(aws, [item(1, "a"), item(2)], [item(1, "b"), item(2, "y")]))
    assert (found.verdict, found.rechecked, found.followed) == ("equal", 1, 1)


def late(aws: FakeAws, *numbers: int) -> Verification:
    """Return a verification whose look found keys unequal that are equal by now."""
    aws.dynamodb.seed("source", *items(*numbers))
    verification = suspect(aws, items(*numbers), [])
    aws.dynamodb.seed("target", *items(*numbers))
    aws.dynamodb.calls.clear()
    return verification


def test_what_one_call_has_settled_the_next_does_not_read_again(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck, "KEYS_AT_ONCE", 1)
    verification = late(aws, 1, 2)
    looks = iter([True, False])
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: next(looks))
    with pytest.raises(VerifyPending):
        compare(verification)
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: True)
    aws.dynamodb.calls.clear()
    assert compare(verification).rechecked == 2
    assert len(keys_read(aws)) == 1


def in_stretches(monkeypatch: pytest.MonkeyPatch, *, listed_most: int = passes.LISTED_MOST) -> None:
    """Let each unequal sum be a stretch, as in a large table."""

    def plan(unequal: Sequence[int], _: object, buckets: int, **__: object) -> tuple[passes.Stretch, ...]:
        found = passes.plan_stretches(unequal, [10**9] * 64, buckets)
        return tuple(one.model_copy(update={"parts": 1, "listed_most": listed_most}) for one in found)

    monkeypatch.setattr(compare_digests, "plan_stretches", plan)


def unsettled(verification: Verification) -> set[str]:
    done = open_books(RUN).digests(verification.id_of_round).read_settled_slices()
    return {slice_.name for slice_ in verification.slices} - done


def test_a_call_that_has_no_time_to_list_all_suspects_settles_what_it_has_listed(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_stretches(monkeypatch)
    verification = late(aws, *range(40))
    assert len(verification.slices) > 20
    seconds = iter(range(10**6))
    clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None)
    monkeypatch.setattr(compare_digests, "time", clock)
    monkeypatch.setattr(recheck, "time", clock)
    monkeypatch.setattr(compare_digests, "deadline_of", lambda _: next(seconds) + 20)
    left = [len(unsettled(verification))]
    while left[-1]:
        with suppress(VerifyPending):
            assert compare(verification).rechecked == 40
        left.append(len(unsettled(verification)))
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


def test_stretches_with_drift_are_read_again_by_a_redrive_and_others_are_not(aws: FakeAws) -> None:
    aws.dynamodb.seed("source", item(1), item(2))
    verification = suspect(aws, items(1, 2), [])
    for _ in range(2):
        with pytest.raises(DriftFound, match="2 missing"):
            compare(verification)
    aws.dynamodb.seed("target", item(1), item(2))  # mended by hand
    assert (compare(verification).verdict, unsettled(verification)) == ("equal", set())


def test_drift_that_is_found_before_the_time_is_over_is_told_and_not_looked_for_anew(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "KEYS_AT_ONCE", 1)
    aws.dynamodb.seed("source", item(1), item(2))
    verification = suspect(aws, items(1, 2), [])
    looks = iter(range(11))  # six of the one key, five of the other
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: next(looks, None) is not None)
    with pytest.raises(DriftFound, match=r"differ \(so far\): 1 missing"):
        compare(verification)
    assert unsettled(verification)


def test_a_stretch_of_more_keys_than_fit_a_lot_is_settled_only_behind_its_last(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_digests, "KEYS_AT_ONCE", 3)
    verification = late(aws, *range(8))
    last = hash_lists.read_keys(suspects_of(verification))[-1]
    del aws.dynamodb.tables["target"][canonical(last)]
    looks = iter(range(1))
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: next(looks, None) is not None)
    with pytest.raises(VerifyPending):
        compare(verification)
    assert unsettled(verification), "five of its keys were not looked at"
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: True)
    with pytest.raises(DriftFound, match="1 missing"):
        compare(verification)


def suspects_of(verification: Verification) -> Any:  # noqa: ANN401 — names an object
    (slice_,) = verification.slices
    (look,) = open_books(RUN).digests(VERIFY).read_looks(slice_)
    return look.suspects[0]


def test_a_stretch_that_was_not_compared_to_its_end_is_never_equal(aws: FakeAws) -> None:
    scan(aws, "source", items(1))
    scan(aws, "target", [])
    verification = compare()
    with pytest.raises(PreconditionFailed, match="not whole"):
        compare(verification)


def test_more_unequal_keys_than_are_listed_at_once_are_looked_at_in_another_round(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replicator that is an hour behind, or a target that lacks everything: the memory stays flat."""
    monkeypatch.setattr(stretch, "KEYS_AT_ONCE", 2)
    in_stretches(monkeypatch, listed_most=4)
    numbers = range(2000)
    verification = late(aws, *numbers)
    cut = len(verification.slices)
    assert all(
        sum(one.bytes for look in open_books(RUN).digests(VERIFY).read_looks(slice_) for one in look.suspects) < 200
        for slice_ in verification.slices
    )
    again = compare(verification)
    assert (again.verdict, again.stage, again.round) == ("suspect", "suspects", 1)
    assert len(again.slices) == cut
    assert 4 * cut <= again.rechecked <= 5 * cut
    verify_all(again)
    found = compare(again)
    assert found.verdict == "equal"
    assert found.rechecked == again.rechecked + 2000, "the second round looks at all keys of what was cut"


def test_drift_beyond_what_is_listed_at_once_is_found_in_the_round_that_lists_it(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretch, "KEYS_AT_ONCE", 1)
    in_stretches(monkeypatch, listed_most=1)
    verification = late(aws, *range(200))
    aws.dynamodb.tables["target"].popitem()
    for _ in range(5):
        with suppress(DriftFound):
            verification = compare(verification)
            assert verification.verdict == "suspect", "a table that differs was called equal"
            verify_all(verification)
            continue
        return
    pytest.fail("the drift was never told")


def test_a_look_that_runs_out_of_time_goes_on_where_it_was(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "KEYS_AT_ONCE", 7)
    aws.dynamodb.seed("source", *items(*range(50)))
    aws.dynamodb.seed("target", *items(*range(49)))
    scan(aws, "source", items(*range(25)), items(*range(25, 50)))
    scan(aws, "target", [item(number, "old") for number in range(50)])
    verification = compare()
    (reached,) = verification.slices
    calls = 0
    while reached.state != "done":
        before, reached = reached, verify(reached, context=Context(10_000, 1_000))
        assert before.place != reached.place
        calls += 1
    assert calls >= 7
    assert reached.items == 50, "each key once"
    with pytest.raises(DriftFound, match="1 missing, 0 extra, 0 mismatched"):
        compare(verification)


def test_a_throttled_look_keeps_what_it_has_looked_at(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "KEYS_AT_ONCE", 5)
    aws.dynamodb.seed("source", *items(*range(20)))
    aws.dynamodb.seed("target", *items(*range(20)))
    scan(aws, "source", items(*range(20)))
    scan(aws, "target", [])
    verification = compare()
    reads = itertools.count()

    def throttle(operation: str, _: object) -> None:
        if operation == "BatchGetItem" and next(reads) >= 4:
            raise client_error("ProvisionedThroughputExceededException")

    aws.dynamodb.before = throttle
    reached = verify(verification.slices[0])
    assert (reached.items, reached.state) == (10, "reading")
    with pytest.raises(AwsUnavailable):
        verify(reached)
    aws.dynamodb.before = lambda *_: None
    assert verify(reached).state == "done"
    assert compare(verification).rechecked == 20


def test_lists_that_are_gone_are_named_with_their_way_out(aws: FakeAws) -> None:
    scan(aws, "source", items(1))
    scan(aws, "target", [])
    verification = compare()
    aws.bucket.objects = {name: body for name, body in aws.bucket.objects.items() if "/lists" in name}
    with pytest.raises(PreconditionFailed, match=r"gone or may not be read.*Resume"):
        verify(verification.slices[0])


def test_large_lists_are_read_in_parts_and_small_ones_once(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.dynamodb.seed("source", *items(*range(50)))
    aws.dynamodb.seed("target", *items(*range(50)))
    in_stretches(monkeypatch)
    scan(aws, "source", items(*range(50)))
    scan(aws, "target", items(*range(40)))
    verification = compare()
    got: list[list[str]] = []
    for most in (hash_lists.WHOLE_BYTES_MOST, 0):
        monkeypatch.setattr(hash_lists, "WHOLE_BYTES_MOST", most)
        aws.log.clear()
        verify(verification.slices[0])
        got.append([name for verb, name in aws.log if verb == "s3.GetObject" and "/lists" not in name])
    assert len(got[0]) == 2, "one of each side"
    largest = max(len(body) for body in aws.bucket.objects.values())
    spans = [[int(place) for place in name.rsplit("=", 1)[1].split("-")] for name in got[1]]
    assert max(end - begin for begin, end in spans) < largest / 10


def test_no_book_of_the_proof_has_a_partition_key_that_many_slices_write(aws: FakeAws) -> None:
    late(aws, *range(200))
    written = [entry.split("/")[0] for verb, entry in aws.log if verb == "control.put"]
    assert len(written) == 3, "one entry for each call"
    assert len(set(written)) == len(written)
    document = json.loads(next(iter(aws.control.documents.values())))
    assert len(json.dumps(document)) < 4096


def test_the_way_out_of_drift_is_never_to_change_the_sources_own_items(aws: FakeAws) -> None:
    """An index that came later leaves out what it cannot take; a table that is made with it refuses that."""
    aws.dynamodb.seed("source", item(1))
    with pytest.raises(DriftFound, match="1 missing") as caught:
        compare(suspect(aws, items(1), []))
    assert "leave the source's items as they are" in str(caught.value)
    assert "with the index in without_indexes. Add the index once the proof is green" in str(caught.value)
    assert "begin" not in str(caught.value), "no version decides here"


def test_a_version_that_began_again_is_named_with_its_way_out(aws: FakeAws) -> None:
    aws.dynamodb.seed("source", item(1, "made anew"))
    aws.dynamodb.seed("target", item(1, "of before"))
    verification = suspect(aws, [item(1, "made anew")], [item(1, "of before")])
    with pytest.raises(DriftFound, match="0 missing, 0 extra, 1 mismatched") as caught:
        compare(verification, PLAN.model_copy(update={"version_attribute": "updatedAt"}))
    assert "If updatedAt of those items began again at a lower number" in str(caught.value)
    assert "deploy the migration without version_attribute" in str(caught.value)
    with pytest.raises(DriftFound) as caught:
        compare(verification)
    assert "began again" not in str(caught.value)


def test_the_memory_of_a_look_is_hashes_however_large_the_items_are(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of keys are looked at together, of up to 400 KB each, three times."""
    monkeypatch.setattr(table_reads, "KEYS_AT_ONCE", 1)
    large = [item(number, "y" * 100_000) for number in range(60)]
    aws.dynamodb.seed("source", *large)
    aws.dynamodb.seed("target", *large)
    keys = [{"pk": one["pk"]} for one in large]
    tracemalloc.start()
    drift, is_whole = recheck.recheck(open_books(RUN), PLAN, ROUTE, keys, Manner(VERIFY), deadline=float("inf"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (drift.total, is_whole) == (0, True)
    assert peak < 60 * 100_000, "less than one reading of them"


def test_thousands_of_keys_are_looked_at_behind_one_reading_of_the_tips(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def wait(*_: object, **__: object) -> bool:
        waits.append(1)
        return True

    monkeypatch.setattr(moments, "await_passed", wait)
    aws.dynamodb.seed("source", *items(*range(3000)))
    aws.dynamodb.seed("target", *items(*range(3000)))
    keys = [{"pk": one["pk"]} for one in items(*range(3000))]
    recheck.recheck(open_books(RUN), PLAN, ROUTE, keys, Manner(VERIFY), deadline=float("inf"))
    assert len(waits) == 1


def test_keys_that_were_not_read_before_the_deadline_never_count_as_absent(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.dynamodb.seed("source", *items(*range(300)))
    seconds = iter(range(10**6))
    monkeypatch.setattr(recheck, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None))
    keys = [{"pk": one["pk"]} for one in items(*range(300))]
    for deadline in range(1, 40):
        drift, is_whole = recheck.recheck(
            open_books(RUN), PLAN, ROUTE, keys, Manner(VERIFY), deadline=next(seconds) + deadline
        )
        assert (drift.total, is_whole) == (0, False)


# ---------------------------------------------------------------- replicas


@pytest.fixture
def seconds_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second go by with each look at the clock."""
    seconds = itertools.count()
    monkeypatch.setattr(recheck, "time", SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None))


def prove_with_replica(aws: FakeAws, numbers: Sequence[int], *, there: Sequence[int]) -> Verification:
    """Seed source and target alike, and the replica with what is there; read all three, and look at what differs."""
    aws.dynamodb.seed("source", *items(*numbers))
    aws.dynamodb.seed("target", *items(*numbers))
    aws.dynamodb_in(TOKYO).seed("target", *items(*there))
    scan(aws, "source", items(*numbers))
    scan(aws, "target", items(*numbers))
    scan(aws, f"target@{TOKYO}", items(*there))
    verification = compare(plan=WITH_REPLICA)
    verify_all(verification)
    return verification


def test_replicas_are_read_in_their_own_region_and_counted(aws: FakeAws) -> None:
    found = prove_with_replica(aws, [1, 2], there=[1, 2])
    assert (found.verdict, found.target_items, found.replica_items) == ("equal", 2, {TOKYO: 2})
    parts = [slice_.table for slice_ in plan_slices(1, tuple(WITH_REPLICA.proven))]
    assert parts == ["source", "target", f"target@{TOKYO}"]


def test_a_replica_that_was_not_read_is_never_taken_for_an_equal_one(aws: FakeAws) -> None:
    scan(aws, "source", items(1))
    scan(aws, "target", items(1))
    with pytest.raises(PreconditionFailed, match=f"target@{TOKYO}#0000 is not whole"):
        compare(plan=WITH_REPLICA)


@pytest.mark.usefixtures("seconds_pass")
def test_an_item_that_a_replica_lost_is_drift_of_that_region_alone(aws: FakeAws) -> None:
    verification = prove_with_replica(aws, [1, 2, 3], there=[1, 3])
    with pytest.raises(DriftFound, match=f"its replica in {TOKYO} differ: 1 missing, .*key-2.*ReplicationLatency"):
        compare(verification, WITH_REPLICA)
    aws.dynamodb_in(TOKYO).seed("target", item(2))  # it was written to the target once more
    assert compare(verification, WITH_REPLICA).verdict == "equal"


@pytest.mark.usefixtures("seconds_pass")
def test_a_replica_that_lags_by_many_looks_is_waited_for(aws: FakeAws) -> None:
    verification = prove_with_replica(aws, [1, 2], there=[1])
    looks = itertools.count()

    def arrive(operation: str, _: object) -> None:
        if operation == "BatchGetItem" and next(looks) == LOOKS_DRIFTED:
            aws.dynamodb_in(TOKYO).seed("target", item(2))

    aws.dynamodb_in(TOKYO).before = arrive
    assert compare(verification, WITH_REPLICA).rechecked == 1


@pytest.mark.usefixtures("seconds_pass")
def test_a_key_that_is_settled_at_the_target_is_still_looked_at_in_the_replica(aws: FakeAws) -> None:
    aws.dynamodb.seed("source", item(1))
    aws.dynamodb_in(TOKYO).seed("target", item(1, "of another table"))
    scan(aws, "source", items(1))
    scan(aws, "target", [])
    scan(aws, f"target@{TOKYO}", [item(1, "of another table")])
    verification = compare(plan=WITH_REPLICA)
    verify_all(verification)
    aws.dynamodb.seed("target", item(1))
    for _ in range(2):
        with pytest.raises(DriftFound, match=f"^source and its replica in {TOKYO} differ: 0 missing, 0 extra, 1 mis"):
            compare(verification, WITH_REPLICA)


# ---------------------------------------------------------------- caps and pauses


def pause() -> None:
    open_books(RUN).caps.put(Throttle(caps=Caps(), is_paused=True, revision=1))


def point_reads(aws: FakeAws) -> int:
    return sum(operation == "BatchGetItem" for operation, _ in aws.dynamodb.calls)


def test_a_pause_stops_the_looks_at_keys_that_differ(aws: FakeAws) -> None:
    scan(aws, "source", items(1))
    scan(aws, "target", [])
    verification = compare()
    pause()
    with pytest.raises(TurnPending, match="paused by an operator"):
        verify(verification.slices[0], context=Context(1_000, 0))
    assert point_reads(aws) == 0


def test_a_pause_stops_what_is_read_again_and_settles_nothing(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    verification = late(aws, 1)
    pause()
    keys = [{"pk": item(1)["pk"]}]
    soon = time.monotonic() + 0.1
    with pytest.raises(NoTurnError, match="paused by an operator"):
        recheck.recheck(open_books(RUN), PLAN, ROUTE, keys, Manner(VERIFY), deadline=soon)
    monkeypatch.setattr(compare_digests, "deadline_of", lambda _: time.monotonic() + 0.1)
    with pytest.raises(TurnPending, match="paused by an operator"):
        compare(verification)
    assert point_reads(aws) == 0
    monkeypatch.setattr(compare_digests, "deadline_of", lambda _: time.monotonic() + 60)
    open_books(RUN).caps.put(Throttle(caps=Caps(), revision=2))
    assert compare(verification).rechecked == 1


def test_a_refused_key_is_read_in_a_pause_too(aws: FakeAws) -> None:
    """It stands between the answer and the moving of traffic."""
    late(aws, 1)
    pause()
    manner = Manner(VERIFY, may_follow=False, is_capped=False)
    soon = time.monotonic() + 60
    found = recheck.recheck(open_books(RUN), PLAN, ROUTE, [{"pk": item(1)["pk"]}], manner, deadline=soon)
    assert (found[1], point_reads(aws)) == (True, 3)


def capped(units: float) -> None:
    open_books(RUN).caps.put(Throttle(caps=Caps(source_reads=units, target_reads=units), revision=1))


def lots_read(aws: FakeAws) -> list[int]:
    return [
        len(wanted["Keys"])
        for operation, request in aws.dynamodb.calls
        if operation == "BatchGetItem"
        for wanted in request["RequestItems"].values()
    ]


@pytest.mark.parametrize(("units", "most"), [(90.0, 5), (1.0, 1), (None, 300)])
def test_under_a_small_cap_so_few_keys_are_read_again_together_that_a_call_settles_them(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, units: float | None, most: int
) -> None:
    """What a call has looked at and not settled the next one begins anew: it would never end."""
    late(aws, *range(20))
    aws.dynamodb.tables["target"].pop(canonical({"pk": item(7)["pk"]}))
    if units is not None:
        capped(units)
    monkeypatch.setattr(caps.CallTurns, "take", lambda *_, **__: 1.0)
    aws.dynamodb.calls.clear()
    keys = [{"pk": item(number)["pk"]} for number in range(20)]
    soon = time.monotonic() + 1.001
    drift, is_whole = recheck.recheck(open_books(RUN), PLAN, ROUTE, keys, Manner(VERIFY), deadline=soon)
    assert (drift.missing, is_whole) == (1, True)
    assert max(lots_read(aws)) <= most


def test_under_a_cap_few_keys_are_looked_at_together(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lot that had no turn in time is read anew, and so are those of forty calls side by side."""
    aws.dynamodb.seed("source", *items(*range(30)))
    aws.dynamodb.seed("target", *items(*range(30)))
    scan(aws, "source", items(*range(30)))
    scan(aws, "target", [])
    verification = compare()
    capped(2.0)
    monkeypatch.setattr(caps.CallTurns, "take", lambda *_, **__: 1.0)
    aws.dynamodb.calls.clear()
    verify_all(verification)
    assert max(lots_read(aws)) <= 8
    assert compare(verification).rechecked == 30


@pytest.mark.parametrize("lots", [recheck, compare_digests], ids=["in one lot", "in several"])
def test_drift_that_is_known_is_told_though_a_tip_cannot_be_reached(
    aws: FakeAws,
    monkeypatch: pytest.MonkeyPatch,
    lots: Any,  # noqa: ANN401 — one of these modules
) -> None:
    """A look with a shard at rest takes twenty seconds: the deadline mostly falls where tips are read."""
    monkeypatch.setattr(lots, "KEYS_AT_ONCE", 1)
    aws.dynamodb.seed("source", item(1), item(2))
    verification = suspect(aws, items(1, 2), [])
    looks = itertools.count(1)

    def await_passed(*_: object, **__: object) -> bool:
        if next(looks) > LOOKS_DRIFTED + 2:
            raise TipOutOfReach("not yet")
        return True

    monkeypatch.setattr(moments, "await_passed", await_passed)
    with pytest.raises(DriftFound, match=r"differ \(so far\): 1 missing"):
        compare(verification)
    with pytest.raises(TipOutOfReach):
        compare(verification)


def test_replicas_are_not_blamed_for_what_the_target_lacks(aws: FakeAws) -> None:
    aws.dynamodb.seed("source", *items(1))
    scan(aws, "source", items(1))
    scan(aws, "target", [])
    scan(aws, f"target@{TOKYO}", [])
    verification = compare(plan=WITH_REPLICA)
    verify_all(verification)
    with pytest.raises(DriftFound, match="source and target differ: 1 missing") as caught:
        compare(verification, WITH_REPLICA)
    assert TOKYO not in str(caught.value)


def test_a_replica_that_aws_refuses_to_read_is_named_with_its_way_out(aws: FakeAws) -> None:
    def refuse(operation: str, _: object) -> None:
        raise client_error("ResourceNotFoundException", operation)

    aws.dynamodb_in(TOKYO).before = refuse
    with pytest.raises(PreconditionFailed, match=f"replica of target in {TOKYO} cannot be read.*resume"):
        verify(VerifySlice(table=f"target@{TOKYO}", segment=0), "digests")
