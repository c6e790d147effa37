"""The replicator: in order, up to the first failure; no watermark over a change that is not applied."""

import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import replicate_changes
from tasks.aws.books.books import open_books
from tasks.aws.books.watermarks import shelf_of
from tasks.aws.replicate import known_plan
from tasks.aws.replicate.known_plan import KEPT_SECONDS
from tasks.core.errors import OutOfOrder
from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, Item, canonical
from tasks.core.replicate.route import FORWARD
from tests.unit.aws_fakes import PLAN, RUN, STREAM, Context, Crash, FakeAws, cancelled, client_error

SHELF = f"watermarks#forward#{shelf_of('shard-1')}"
WATERMARK = ("control.put", f"{SHELF}/shard-1")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    fake.put_rule("leave-tombstones")
    return fake


def item(pk: object, content: object = "x", /, **more: Any) -> Item:  # noqa: ANN401 — any attributes
    return {"pk": {"S": str(pk)}, "content": {"S": str(content)}, **more}


def change(number: int, pk: object, old: Item | None, new: Item | None) -> dict[str, Any]:
    images = {"OldImage": old, "NewImage": new}
    return {
        "eventID": str(number),
        "eventSourceARN": STREAM,
        "dynamodb": {
            "Keys": {"pk": {"S": str(pk)}},
            "SequenceNumber": str(number),
            "ApproximateCreationDateTime": 1_700_000_000.0 + number,
            **{name: image for name, image in images.items() if image is not None},
        },
    }


def put(number: int, pk: object, content: object = "x") -> dict[str, Any]:
    return change(number, pk, None, item(pk, content))


def delete(number: int, pk: object, **more: dict[str, Any]) -> dict[str, Any]:
    return change(number, pk, item(pk, **more), None)


def event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records), "shardId": "shard-1", "state": {}, "window": {}, "isFinalInvokeForWindow": False}


def run(*records: dict[str, Any]) -> list[dict[str, str]]:
    answer = replicate_changes.handler(event(*records), Context())
    assert set(answer) == {"state", "batchItemFailures"}, "a window's answer needs a state"
    failures: list[dict[str, str]] = answer["batchItemFailures"]
    return failures


def put_of(request: dict[str, Any]) -> Item | None:
    """Return the item that a late change's transaction puts."""
    new: Item | None = request["TransactItems"][0].get("Put", {}).get("Item")
    return new


def contents(aws: FakeAws) -> dict[str, str]:
    return {
        entry["pk"]["S"]: "TOMBSTONE" if TOMBSTONE_ATTRIBUTE in entry else entry["content"]["S"]
        for entry in aws.dynamodb.items("target")
    }


def watermark(aws: FakeAws) -> dict[str, Any] | None:
    return aws.control.read(SHELF, "shard-1")


def test_changes_arrive_and_the_watermark_names_the_last(aws: FakeAws) -> None:
    assert run(put(11, "a", 1), put(12, "b", 1), change(13, "a", item("a", 1), item("a", 2))) == []
    assert contents(aws) == {"a": "2", "b": "1"}
    written = watermark(aws)
    assert written is not None
    assert (written["sequence_number"], written["changed_at"], written["rule_since"]) == ("13", 1_700_000_013.0, 1000.0)
    assert written["applied_at"] > 0


@pytest.mark.parametrize("records", [{"Records": []}, {}], ids=["empty", "absent"])
def test_the_end_of_a_window_is_no_failure_that_comes_again_for_ever(aws: FakeAws, records: dict[str, Any]) -> None:
    ended = {**event(), "isFinalInvokeForWindow": True}
    del ended["Records"]
    assert replicate_changes.handler(ended | records, Context()) == {"state": {}, "batchItemFailures": []}
    assert aws.log == []


def test_a_batch_that_has_nothing_new_leaves_nothing_behind(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    """Hundreds of them come a second, for weeks: each line and each write would be paid for."""
    run(put(1, "a"), put(2, "b"))
    capsys.readouterr()
    before = list(aws.log)
    run(put(1, "a"), put(2, "b"))
    replicate_changes.handler({**event(), "isFinalInvokeForWindow": True}, Context())
    assert (capsys.readouterr().out, aws.log) == ("", before)


def test_a_large_batch_writes_its_watermark_once_and_a_slow_one_each_second(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(replicate_changes, "time", SimpleNamespace(monotonic=lambda: now, time=time.time))
    run(*[put(number, number) for number in range(1, 951)])
    assert aws.log.count(WATERMARK) == 1

    def slow(*_: object) -> None:
        nonlocal now
        now += 0.03

    aws.dynamodb.before = slow  # 0.12 s for a hundred changes
    aws.log.clear()
    run(*[put(number + 1000, number) for number in range(1, 951)])
    assert aws.log.count(WATERMARK) == 2
    assert watermark(aws)["sequence_number"] == "1950"  # type: ignore[index] # it was written


def test_what_was_applied_before_a_failure_is_under_the_watermark(aws: FakeAws) -> None:
    """Else a change that was about to leave the stream, and one that was no expiry, would not be known to have been."""

    def fail(name: str, request: dict[str, Any]) -> None:
        del name
        if any(entry["PutRequest"]["Item"]["pk"]["S"] == "150" for entry in request["RequestItems"]["target"]):
            raise client_error("InternalServerError", status=500)

    aws.dynamodb.before = fail
    failed = run(*[put(number, number) for number in range(1, 201)])
    assert 101 <= int(failed[0]["itemIdentifier"]) <= 150
    assert watermark(aws)["sequence_number"] == "100"  # type: ignore[index] # as above


# The plan


def control_reads(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reads: list[str] = []
    read = aws.control.read

    def read_and_count(pk: str, sk: str) -> dict[str, Any] | None:
        reads.append(sk)
        return read(pk, sk)

    monkeypatch.setattr(aws.control, "read", read_and_count)
    return reads


def test_the_plan_is_read_once_for_many_batches_and_the_rule_for_each(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = control_reads(aws, monkeypatch)
    for number in range(1, 6):
        run(put(number, number))
    assert (reads.count("plan"), reads.count(f"rule#{FORWARD}"), reads.count("shard-1")) == (1, 5, 5)


def test_a_plan_of_an_earlier_run_is_never_gone_by(aws: FakeAws) -> None:
    run(put(1, "a"))
    document = {"plan": PLAN.model_copy(update={"run": "run-2"}).model_dump(mode="json"), "stream_arn": "another"}
    aws.control.documents["migration", "plan"] = json.dumps(document)
    run(put(2, "b"))  # before the rule of the new run is set: like a batch that began before its plan was put
    aws.control.documents["migration", f"rule#{FORWARD}"] = json.dumps(
        {"rule": "leave-tombstones", "since": 2000.0, "run": "run-2"}
    )
    assert run(put(3, "c")) == []
    assert set(contents(aws)) == {"a", "b"}, "its stream is another one"


@pytest.mark.usefixtures("aws")
def test_a_migration_that_has_ended_is_found_to_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    run(put(1, "a"))
    open_books(RUN).record.end_plan()
    later = time.time() + KEPT_SECONDS
    monkeypatch.setattr(known_plan, "time", SimpleNamespace(time=lambda: later))
    with pytest.raises(OutOfOrder, match="no plan"):
        run(put(2, "b"))


def test_what_the_scan_sees_anyway_is_passed_over_and_what_came_since_is_applied(aws: FakeAws) -> None:
    open_books(RUN).horizon.decide(STREAM, {"shard-1": "12"}, at=1.0)
    assert run(put(11, "a", 1), put(12, "b", 1)) == []
    written = watermark(aws)
    assert contents(aws) == {}
    assert written is not None
    assert (written["sequence_number"], written["rule_since"]) == ("12", 1000.0), "so AttachReplicator sees it work"
    writes = aws.log.count(WATERMARK)
    assert run(put(12, "b", 1), put(13, "c", 1)) == []
    assert contents(aws) == {"c": "1"}
    assert (writes, aws.log.count(WATERMARK)) == (1, 2), "one for each shard, and not for each batch"


def test_the_first_batch_is_passed_over_as_far_as_the_horizon_and_no_farther(aws: FakeAws) -> None:
    open_books(RUN).horizon.decide(STREAM, {"shard-1": "12"}, at=1.0)
    run(put(11, "a", 1), delete(12, "a"), put(13, "b", 1), delete(14, "c"))
    assert contents(aws) == {"b": "1", "c": "TOMBSTONE"}


@pytest.mark.parametrize(
    ("shard", "stream"), [("shard-2", STREAM), ("shard-1", STREAM.replace("/stream/1", "/stream/2"))]
)
def test_nothing_is_passed_over_of_a_shard_or_a_stream_that_the_run_has_no_horizon_of(
    aws: FakeAws, shard: str, stream: str
) -> None:
    open_books(RUN).horizon.decide(stream, {shard: "12"}, at=1.0)
    run(put(11, "a", 1))
    assert contents(aws) == {"a": "1"}


def test_a_horizon_that_is_decided_later_changes_nothing(aws: FakeAws) -> None:
    """Of what the replicator has applied, nothing that comes behind it may be passed over."""
    books = open_books(RUN)
    books.horizon.decide(STREAM, {}, at=1.0)
    books.horizon.decide(STREAM, {"shard-1": "99"}, at=2.0)
    run(put(11, "a", 1))
    assert contents(aws) == {"a": "1"}


def test_only_the_last_image_of_a_key_is_written(aws: FakeAws) -> None:
    run(put(1, "a", 1), put(2, "a", 2), put(3, "b", 1), put(4, "a", 3))
    ((_, request),) = aws.dynamodb.calls
    assert [entry["PutRequest"]["Item"]["content"]["S"] for entry in request["RequestItems"]["target"]] == ["1", "3"]


def test_the_watermark_moves_only_after_the_last_write(aws: FakeAws) -> None:
    run(*[put(number, number) for number in range(1, 60)], delete(60, "gone"))
    assert aws.log.count(WATERMARK) == 1
    assert aws.log[-1] == WATERMARK
    assert [name for name, _ in aws.log].count("dynamodb.BatchWriteItem") == 3


@pytest.mark.parametrize("dies_at", [0, 1, 2])
def test_a_crash_before_the_last_write_leaves_no_watermark(aws: FakeAws, dies_at: int) -> None:
    def die(operation: str, _: object) -> None:
        if aws.dynamodb.operations().count(operation) == dies_at + 1:
            raise Crash

    aws.dynamodb.before = die
    with pytest.raises(Crash):
        run(*[put(number, number) for number in range(1, 76)])
    assert watermark(aws) is None


def test_a_target_that_is_slow_does_not_make_the_same_changes_come_again_and_again(aws: FakeAws) -> None:
    records = [put(number, number) for number in range(1, 251)]
    # Asked once at the start, and before each further hundred.
    answer = replicate_changes.handler(event(*records), Context(60_000, 45_000, 29_999))
    assert answer["batchItemFailures"] == [{"itemIdentifier": "201"}]
    written = watermark(aws)
    assert written is not None
    assert written["sequence_number"] == "200"
    assert run(*records) == []
    assert len(aws.dynamodb.items("target")) == 250
    assert aws.dynamodb.operations().count("BatchWriteItem") == 10, "what was applied is not written again"


def test_a_failure_later_in_a_batch_keeps_what_came_before_it(aws: FakeAws) -> None:
    def fail(_: str, request: dict[str, Any]) -> None:
        if "150" in str(request):
            raise client_error("ThrottlingException")

    aws.dynamodb.before = fail
    assert run(*[put(number, f"k{number}") for number in range(1, 201)]) == [{"itemIdentifier": "126"}]
    written = watermark(aws)
    assert written is not None
    assert written["sequence_number"] == "100"


def test_nothing_behind_a_failure_is_applied_however_long_the_batch(aws: FakeAws) -> None:
    def fail(_: str, request: dict[str, Any]) -> None:
        if "poison" in str(request):
            raise client_error("ThrottlingException")

    aws.dynamodb.before = fail
    records = [put(number, "poison" if number == 30 else f"k{number}") for number in range(1, 251)]
    assert run(*records) == [{"itemIdentifier": "26"}]
    assert {entry["pk"]["S"] for entry in aws.dynamodb.items("target")} == {f"k{number}" for number in range(1, 26)}
    assert watermark(aws) is None


def test_a_tombstone_is_in_the_ledger_before_it_is_at_the_target(aws: FakeAws) -> None:
    run(put(1, "a"), delete(2, "b"), delete(3, "c"))
    entered = [number for number, (_, what) in enumerate(aws.log) if what.startswith("tombstones#")]
    written = [number for number, (name, _) in enumerate(aws.log) if name == "dynamodb.BatchWriteItem"]
    assert len(entered) == 2
    assert max(entered) < min(written)
    assert contents(aws) == {"a": "x", "b": "TOMBSTONE", "c": "TOMBSTONE"}
    assert sorted(key["pk"]["S"] for _, key in open_books(RUN).tombstones.iter_entered()) == ["b", "c"]


def test_a_ledger_that_can_not_be_written_leaves_no_tombstone_behind(aws: FakeAws) -> None:
    def fail(_: str, pk: str, __: str) -> None:
        if pk.startswith("tombstones#"):
            raise client_error("ProvisionedThroughputExceededException")

    aws.control.before = fail
    assert run(delete(5, "a")) == [{"itemIdentifier": "5"}]
    assert contents(aws) == {}
    assert watermark(aws) is None


def test_every_tombstone_that_is_ever_put_is_in_the_ledger_even_if_a_later_batch_fails(aws: FakeAws) -> None:
    def fail(operation: str, _: object) -> None:
        if aws.dynamodb.operations().count(operation) == 3:
            raise client_error("InternalServerError", status=500)

    aws.dynamodb.before = fail
    run(*[delete(number, number) for number in range(1, 76)])
    dead = {entry["pk"]["S"] for entry in aws.dynamodb.items("target")}
    assert len(dead) == 50
    assert dead <= {key["pk"]["S"] for _, key in open_books(RUN).tombstones.iter_entered()}


def test_the_tombstone_of_an_update_and_delete_in_one_batch_remembers_the_newest_version(aws: FakeAws) -> None:
    aws.put_plan(PLAN.model_copy(update={"version_attribute": "v"}))
    run(
        change(1, "a", item("a", v={"N": "1"}), item("a", v={"N": "5"})),
        delete(2, "a", v={"N": "5"}),
    )
    (tombstone,) = aws.dynamodb.items("target")
    assert tombstone["v"] == {"N": "5"}


def test_the_first_failure_is_reported_and_nothing_newer_overtakes_it(aws: FakeAws) -> None:
    def fail(operation: str, _: object) -> None:
        if aws.dynamodb.operations().count(operation) == 2:
            raise client_error("ProvisionedThroughputExceededException")

    aws.dynamodb.before = fail
    assert run(*[put(number, number) for number in range(1, 61)]) == [{"itemIdentifier": "26"}]
    assert set(contents(aws)) == {str(number) for number in range(1, 26)}
    assert watermark(aws) is None


def test_a_key_that_changes_again_after_the_failure_is_taken_up_from_its_first_change(aws: FakeAws) -> None:
    def fail(operation: str, _: object) -> None:
        if aws.dynamodb.operations().count(operation) == 2:
            raise client_error("ProvisionedThroughputExceededException")

    aws.dynamodb.before = fail
    # "early" changes first and last: its last image is in the second call, so its first change has to come again too.
    records = [put(1, "early", "old"), *[put(number, number) for number in range(2, 31)], put(31, "early", "new")]
    assert run(*records) == [{"itemIdentifier": "1"}]


def test_a_batch_that_comes_again_leaves_the_same(aws: FakeAws) -> None:
    records = [put(1, "a", 1), delete(2, "b"), change(3, "a", item("a", 1), item("a", 2)), put(4, "c")]
    run(*records)
    once = contents(aws)
    run(*records)
    run(*records[2:])
    assert contents(aws) == once
    assert sorted(key["pk"]["S"] for _, key in open_books(RUN).tombstones.iter_entered()) == ["b"]


def test_a_watermark_that_could_not_be_written_is_not_passed_over(aws: FakeAws) -> None:
    def fail(_: str, pk: str, __: str) -> None:
        if pk == SHELF:
            raise client_error("InternalServerError", status=500)

    aws.control.before = fail
    assert run(put(7, "a"), put(8, "b")) == [{"itemIdentifier": "7"}]


def test_a_delete_deletes_once_no_page_can_come_any_more(aws: FakeAws) -> None:
    aws.put_rule("delete")
    aws.dynamodb.seed("target", item("a"), item("b"))
    run(delete(1, "a"), put(2, "c"))
    assert contents(aws) == {"b": "x", "c": "x"}
    assert list(open_books(RUN).tombstones.iter_entered()) == []


def test_a_change_that_the_target_refuses_is_kept_before_the_watermark_passes_it(aws: FakeAws) -> None:
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "b"
    assert run(put(1, "a"), put(2, "b"), put(3, "c")) == []
    assert contents(aws) == {"a": "x", "c": "x"}
    (reject,) = aws.bucket.lines()
    assert reject["key"] == {"pk": {"S": "b"}}
    assert reject["item"] == item("b")
    assert reject["reason"].startswith("ValidationException: ")
    kept = [number for number, (name, _) in enumerate(aws.log) if name == "s3.PutObject"]
    assert kept
    assert max(kept) < aws.log.index(WATERMARK)
    assert all(name.startswith(f"rejects/{RUN}/changes/") for name in aws.bucket.objects), "where DrainChanges looks"


def test_a_refused_change_is_not_forgotten_where_a_later_one_fails(aws: FakeAws) -> None:
    def fail(operation: str, request: dict[str, Any]) -> None:
        writes = request.get("RequestItems", {}).get("target", [])
        if operation == "BatchWriteItem" and any(w["PutRequest"]["Item"]["pk"]["S"] == "40" for w in writes):
            raise client_error("ProvisionedThroughputExceededException")

    aws.dynamodb.before = fail
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "2"
    # Lambda sends again from 26 on: the refused change 2 never comes again.
    assert run(*[put(number, number) for number in range(1, 60)]) == [{"itemIdentifier": "26"}]
    assert [reject["key"]["pk"]["S"] for reject in aws.bucket.lines()] == ["2"]


def test_an_event_that_names_no_shard_is_refused_and_not_applied_without_a_watermark(aws: FakeAws) -> None:
    nameless = event(put(1, "a"))
    del nameless["shardId"]
    with pytest.raises(OutOfOrder, match="TumblingWindowInSeconds"):
        replicate_changes.handler(nameless, Context())
    assert aws.dynamodb.calls == []


def test_the_end_of_a_window_without_records_moves_nothing(aws: FakeAws) -> None:
    answer = replicate_changes.handler(
        {"Records": [], "shardId": "shard-1", "isWindowTerminatedEarly": False}, Context()
    )
    assert answer == {"state": {}, "batchItemFailures": []}
    assert watermark(aws) is None


@pytest.mark.parametrize("missing", ["plan", f"rule#{FORWARD}"], ids=["plan", "rule"])
def test_a_replicator_without_plan_or_rule_guesses_neither(aws: FakeAws, missing: str) -> None:
    del aws.control.documents["migration", missing]
    with pytest.raises(OutOfOrder):
        replicate_changes.handler(event(put(1, "a")), Context())
    assert aws.dynamodb.calls == []


def test_legacy_attributes_never_reach_the_target(aws: FakeAws) -> None:
    run(change(1, "a", None, item("a", **{"aws:rep:updatetime": {"N": "1"}})))
    assert aws.dynamodb.items("target") == [item("a")]


# ---------------------------------------------------------------- under the late rule


@pytest.fixture
def protected(aws: FakeAws) -> FakeAws:
    aws.put_rule("target-wins")
    return aws


def test_a_late_change_is_carried_over_where_the_target_is_as_the_source_was(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1), item("b", 1))
    assert run(change(1, "a", item("a", 1), item("a", 2)), change(2, "b", item("b", 1), None), put(3, "c", 1)) == []
    assert contents(protected) == {"a": "2", "c": "1"}
    assert watermark(protected) is not None
    assert protected.bucket.lines() == []


def test_a_late_change_never_undoes_a_write_to_the_target_and_is_kept(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", "the application's"), item("c", "the application's"))
    assert (
        run(change(1, "a", item("a", 1), item("a", 2)), change(2, "b", item("b", 1), item("b", 2)), put(3, "c")) == []
    )
    assert contents(protected) == {"a": "the application's", "c": "the application's"}
    rejects = {reject["key"]["pk"]["S"]: reject for reject in protected.bucket.lines()}
    assert set(rejects) == {"a", "b", "c"}
    assert rejects["a"]["item"] == item("a", 2)
    assert "neither what the source had before it nor after" in rejects["a"]["reason"]
    assert all(name.startswith(f"rejects/{RUN}/late/") for name in protected.bucket.objects), (
        "where DrainLateWrites looks"
    )


@pytest.mark.parametrize("new", [item("a", 2), None])
def test_a_write_to_the_target_between_our_read_and_our_write_is_not_undone(
    protected: FakeAws, new: Item | None
) -> None:
    protected.dynamodb.seed("target", item("a", 1))

    def application_writes_first(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            protected.dynamodb.before = lambda *_: None
            protected.dynamodb.seed("target", item("a", "the application's"))

    protected.dynamodb.before = application_writes_first
    assert run(change(1, "a", item("a", 1), new)) == []
    assert contents(protected) == {"a": "the application's"}
    assert [reject["key"]["pk"]["S"] for reject in protected.bucket.lines()] == ["a"]


def test_a_late_batch_that_comes_again_is_not_taken_for_the_applications_writes(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1))
    records = [change(1, "a", item("a", 1), item("a", 2)), put(2, "b"), change(3, "a", item("a", 2), item("a", 3))]
    run(*records)
    assert run(*records) == []
    assert contents(protected) == {"a": "3", "b": "x"}
    assert protected.bucket.lines() == []


def test_an_expiry_at_the_source_neither_deletes_nor_disputes_what_the_application_wrote_since(
    protected: FakeAws,
) -> None:
    protected.dynamodb.seed("target", item("a", "prolonged"), item("b", "as it was"))
    expired = [delete(number, pk) for number, pk in ((1, "a"), (2, "b"))]
    for record in expired:
        record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        record["dynamodb"]["OldImage"]["content"] = {"S": "as it was"}
    assert run(*expired) == []
    assert contents(protected) == {"a": "prolonged"}
    assert protected.bucket.objects == {}, "nobody's write is lost"


def test_an_overruled_late_change_is_not_forgotten_where_another_fails(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", "the application's"))

    def fail(operation: str, request: dict[str, Any]) -> None:
        if operation == "TransactWriteItems" and put_of(request) == item("b"):
            raise client_error("ProvisionedThroughputExceededException")

    protected.dynamodb.before = fail
    # Lambda sends again from 2 on: the overruled change 1 never comes again.
    assert run(change(1, "a", item("a", 1), item("a", 2)), put(2, "b"), put(3, "c")) == [{"itemIdentifier": "2"}]
    assert [reject["key"]["pk"]["S"] for reject in protected.bucket.lines()] == ["a"]
    assert watermark(protected) is None


def test_a_late_change_may_replace_a_tombstone_that_is_not_purged_yet(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", {"pk": {"S": "a"}, TOMBSTONE_ATTRIBUTE: {"BOOL": True}})
    assert run(put(1, "a", 5)) == []
    assert contents(protected) == {"a": "5"}


def test_a_late_change_of_very_many_attributes_is_still_compared_whole(protected: FakeAws) -> None:
    many = {f"attribute-{number}": {"N": str(number)} for number in range(250)}
    protected.dynamodb.seed("target", item("a", 1, **many))
    assert run(change(1, "a", item("a", 1, **many), item("a", 2, **many))) == []
    (_, request) = protected.dynamodb.calls[-1]
    assert len(request["TransactItems"][0]["Put"]["ConditionExpression"]) <= 4096, "DynamoDB takes no more"
    assert protected.dynamodb.tables["target"][canonical({"pk": {"S": "a"}})]["content"] == {"S": "2"}


def test_a_page_that_was_newer_than_the_replicator_at_the_late_rule_does_not_lose_the_next_write(
    protected: FakeAws,
) -> None:
    protected.dynamodb.seed("target", item("a", 1))  # put there by a page; the replicator is still behind it
    assert run(put(1, "a", 1), change(2, "a", item("a", 1), item("a", 2))) == []
    assert contents(protected) == {"a": "2"}


def test_a_late_batch_that_comes_again_larger_does_not_lose_the_next_write(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1))
    first = change(1, "a", item("a", 1), item("a", 2))
    run(first)
    assert run(first, change(2, "a", item("a", 2), item("a", 3))) == []
    assert contents(protected) == {"a": "3"}


def test_an_item_the_application_deleted_after_the_cut_over_does_not_come_back_with_a_second_delivery(
    protected: FakeAws,
) -> None:
    run(put(1, "a", 5))
    assert contents(protected) == {"a": "5"}
    protected.dynamodb.tables["target"].clear()  # the application deletes it at the target
    assert run(put(1, "a", 5)) == []
    assert contents(protected) == {}


def lose_watermarks(aws: FakeAws) -> None:
    """Let batches end before their watermark is written, so that they come again."""

    def fail(_: str, pk: str, __: str) -> None:
        if pk == SHELF:
            raise client_error("InternalServerError", status=500)

    aws.control.before = fail


def test_an_insert_the_application_deleted_does_not_come_back_where_no_watermark_was_written(
    protected: FakeAws,
) -> None:
    lose_watermarks(protected)
    assert run(put(1, "a", 5)) == [{"itemIdentifier": "1"}]
    protected.dynamodb.tables["target"].clear()  # the application deletes it at the target
    assert run(put(1, "a", 5)) == [{"itemIdentifier": "1"}]
    assert contents(protected) == {}
    assert protected.bucket.lines() == []


def test_an_insert_the_application_deleted_does_not_come_back_where_the_worker_died_behind_it(
    protected: FakeAws,
) -> None:
    carry_out = protected.dynamodb.call

    def die_behind(operation: str, body: bytes) -> bytes:
        answer = carry_out(operation, body)
        if operation == "TransactWriteItems":
            raise Crash
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protected.dynamodb, "call", die_behind)
        with pytest.raises(Crash):
            run(put(1, "a", 5))
    assert contents(protected) == {"a": "5"}
    protected.dynamodb.tables["target"].clear()
    assert run(put(1, "a", 5)) == []
    assert contents(protected) == {}


def test_what_the_target_had_already_is_not_brought_back_either(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 5))  # an earlier delivery, of before the late rule
    lose_watermarks(protected)
    run(put(1, "a", 5))
    protected.dynamodb.tables["target"].clear()
    run(put(1, "a", 5))
    assert contents(protected) == {}


def test_a_change_that_was_overruled_is_not_carried_over_once_the_application_deletes(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", "the application's"))
    lose_watermarks(protected)
    run(put(1, "a", 5))
    protected.dynamodb.tables["target"].clear()
    run(put(1, "a", 5))
    assert contents(protected) == {}
    assert [reject["item"] for reject in protected.bucket.lines()] == [item("a", 5)]


def test_an_overruled_change_is_kept_before_it_counts_as_dealt_with(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", "the application's"))
    run(put(1, "a", 5))
    names = [name if name == "s3.PutObject" else what.split("/")[0][:-2] for name, what in protected.log]
    assert names.index("s3.PutObject") < names.index(f"run#{RUN}#late"), "a crash in between would forget it"


def test_an_older_change_that_comes_without_the_newer_one_is_not_called_overruled(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1))
    first = change(1, "a", item("a", 1), item("a", 2))
    lose_watermarks(protected)
    run(first, change(2, "a", item("a", 2), item("a", 3)))
    run(first)
    assert contents(protected) == {"a": "3"}
    assert protected.bucket.lines() == []


def test_what_is_dealt_with_does_not_hide_the_next_change_of_its_key(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1))
    records = [change(1, "a", item("a", 1), item("a", 2)), change(2, "a", item("a", 2), item("a", 3)), put(3, "b")]
    lose_watermarks(protected)
    run(records[0])

    def fail(operation: str, request: dict[str, Any]) -> None:
        if operation == "TransactWriteItems" and put_of(request) in (item("a", 3), item("b")):
            raise client_error("ProvisionedThroughputExceededException")

    protected.dynamodb.before = fail
    assert run(*records) == [{"itemIdentifier": "1"}], "from 3 on, change 2 would be lost"
    protected.dynamodb.before = lambda *_: None
    run(*records)
    assert contents(protected) == {"a": "3", "b": "x"}


def test_an_entry_of_the_parent_shard_does_not_hide_a_change_of_its_child(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1))
    run(change(900, "a", item("a", 1), item("a", 2)))
    child = event(change(7, "a", item("a", 2), item("a", 3))) | {"shardId": "shard-2"}
    assert replicate_changes.handler(child, Context())["batchItemFailures"] == []
    assert contents(protected) == {"a": "3"}


def test_numbers_of_changes_are_compared_as_numbers_and_not_as_texts(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1))
    run(change(9, "a", item("a", 1), item("a", 2)))
    run(change(10, "a", item("a", 2), item("a", 3)))
    assert contents(protected) == {"a": "3"}


def test_a_second_call_for_the_same_change_at_the_same_time_writes_it_once(protected: FakeAws) -> None:
    def other_call_is_first(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            protected.dynamodb.before = lambda *_: None
            run(put(1, "a", 5))
            protected.dynamodb.tables["target"].clear()  # and the application deletes it

    protected.dynamodb.before = other_call_is_first
    assert run(put(1, "a", 5)) == []
    assert contents(protected) == {}
    assert protected.bucket.lines() == []


def before_the_first(aws: FakeAws, operation: str, act: Callable[[], object]) -> None:
    """Let something happen right before the first call of an operation."""

    def before(called: str, _: object) -> None:
        if called == operation:
            aws.dynamodb.before = lambda *_: None
            act()

    aws.dynamodb.before = before


def test_a_call_that_was_given_up_does_not_make_room_for_what_the_application_has_deleted(protected: FakeAws) -> None:
    first, second = put(1, "a", 1), change(2, "a", item("a", 1), item("a", 2))

    def other_call_and_then_the_application() -> None:
        run(first)
        protected.dynamodb.tables["target"].clear()

    # The ledger is read, and then the target: in between the other call carries change 1 over.
    before_the_first(protected, "BatchGetItem", other_call_and_then_the_application)
    assert run(first, second) == [{"itemIdentifier": "1"}], "what was read is out of date"
    assert contents(protected) == {}
    assert run(first, second) == []
    assert contents(protected) == {}
    assert [reject["item"] for reject in protected.bucket.lines()] == [item("a", 2)]


def test_a_call_that_was_given_up_does_not_undo_what_the_application_has_restored(protected: FakeAws) -> None:
    lose_watermarks(protected)
    run(put(1, "a", 1))
    second = change(2, "a", item("a", 1), item("a", 2))

    def other_call_and_then_the_application() -> None:
        run(second)
        protected.dynamodb.seed("target", item("a", 1))

    before_the_first(protected, "BatchGetItem", other_call_and_then_the_application)
    run(second)
    assert contents(protected) == {"a": "1"}


def test_a_call_for_the_parent_shard_that_wakes_late_undoes_nothing_of_its_child(protected: FakeAws) -> None:
    child = event(change(7, "a", item("a", 1), None)) | {"shardId": "shard-2"}

    def again_and_then_the_child() -> None:
        run(put(900, "a", 1))
        replicate_changes.handler(child, Context())

    before_the_first(protected, "TransactWriteItems", again_and_then_the_child)
    run(put(900, "a", 1))
    assert contents(protected) == {}


def test_what_another_call_has_carried_over_is_not_called_the_applications(protected: FakeAws) -> None:
    protected.dynamodb.seed("target", item("a", 1))
    first, second = change(1, "a", item("a", 1), item("a", 2)), change(2, "a", item("a", 2), item("a", 3))
    before_the_first(protected, "BatchGetItem", lambda: run(first, second))
    run(first)
    assert contents(protected) == {"a": "3"}
    assert protected.bucket.lines() == []


def test_a_watermark_is_not_set_back_by_a_call_that_was_given_up(aws: FakeAws) -> None:
    before_the_first(aws, "BatchWriteItem", lambda: run(put(8, "a", 1), put(9, "b"), put(10, "c")))
    run(put(8, "a", 1))
    written = watermark(aws)
    assert written is not None
    assert written["sequence_number"] == "10"


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_late_change_is_tried_again_where_the_application_writes_at_the_same_time(
    protected: FakeAws, code: str
) -> None:
    def once(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            protected.dynamodb.before = lambda *_: None
            raise cancelled(code, None)

    protected.dynamodb.before = once
    assert run(put(1, "a", 5)) == []
    assert contents(protected) == {"a": "5"}


def test_a_late_change_that_is_never_taken_comes_again_and_holds_the_watermark(protected: FakeAws) -> None:
    def never(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            raise cancelled("TransactionConflict", None)

    protected.dynamodb.before = never
    assert run(put(1, "a", 5)) == [{"itemIdentifier": "1"}]
    assert watermark(protected) is None
    assert protected.bucket.lines() == []


def test_a_cancelled_transaction_of_an_unknown_reason_is_no_reject(protected: FakeAws) -> None:
    def never(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            raise cancelled("AccessDenied", None)

    protected.dynamodb.before = never
    assert run(put(1, "a", 5)) == [{"itemIdentifier": "1"}]
    assert protected.bucket.lines() == []


def test_a_target_that_knows_no_transactions_still_gets_late_changes_each_once(protected: FakeAws) -> None:
    def knows_none(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            raise client_error("ValidationException", "the table is strongly consistent over Regions")

    protected.dynamodb.before = knows_none
    protected.dynamodb.seed("target", item("b", 1))
    lose_watermarks(protected)
    records = [put(1, "a", 5), change(2, "b", item("b", 1), None), put(3, "c", 1)]
    protected.dynamodb.reject = lambda entry: entry["pk"]["S"] == "c"
    run(*records)
    assert contents(protected) == {"a": "5"}
    assert [reject["key"]["pk"]["S"] for reject in protected.bucket.lines()] == ["c"]
    protected.dynamodb.tables["target"].clear()  # the application deletes it
    run(*records)
    assert contents(protected) == {}


def test_an_older_batch_that_comes_again_does_not_leave_an_older_image(aws: FakeAws) -> None:
    run(put(1, "a", 1))
    run(change(2, "a", item("a", 1), item("a", 2)))
    run(put(1, "a", 1))
    assert contents(aws) == {"a": "2"}


# ---------------------------------------------------------------- a defect of our own


def break_on(aws: FakeAws, content: str, times: int = 10**6) -> None:
    """Let whatever has to do with this content bring out a defect of ours, so many times."""
    left = iter(range(times))

    def fail(_: str, request: dict[str, Any]) -> None:
        if content in str(request) and next(left, None) is not None:
            raise UnicodeError(f"a message that quotes {content}")

    aws.dynamodb.before = fail


@pytest.mark.parametrize("rule", ["leave-tombstones", "delete", "target-wins"])
def test_a_change_that_this_code_can_not_carry_does_not_hold_up_its_shard_without_a_word(
    aws: FakeAws, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    aws.put_rule(rule)
    break_on(aws, "s3cr3t")
    assert run(put(1, "a", 1), put(2, "b", "s3cr3t"), put(3, "c", 3), put(4, "a", 4)) == []
    assert contents(aws) == {"a": "4", "c": "3"}
    (reject,) = aws.bucket.lines()
    assert (reject["key"], reject["item"]) == ({"pk": {"S": "b"}}, item("b", "s3cr3t"))
    assert "a defect of tableferry (UnicodeError)" in reject["reason"]
    assert next(iter(aws.bucket.objects)).startswith(f"rejects/{RUN}/{'late' if rule == 'target-wins' else 'changes'}/")
    written = watermark(aws)
    assert written is not None
    assert written["sequence_number"] == "4", "and what comes behind it is applied"
    assert "s3cr3t" not in caplog.text, "item data is not for the log"


def test_a_defect_that_passes_by_itself_rejects_nothing(aws: FakeAws) -> None:
    break_on(aws, "x", times=3)
    assert run(put(1, "a"), put(2, "b")) == []
    assert contents(aws) == {"a": "x", "b": "x"}
    assert aws.bucket.lines() == []


def test_an_error_of_aws_is_no_defect_and_comes_again(aws: FakeAws) -> None:
    def fail(*_: object) -> None:
        raise client_error("AccessDeniedException")

    aws.dynamodb.before = fail
    assert run(put(1, "a")) == [{"itemIdentifier": "1"}]
    assert aws.bucket.lines() == []


def test_changes_of_a_stream_that_an_earlier_run_read_do_not_come_over_newer_items(aws: FakeAws) -> None:
    """The mapping of a stream that was turned off stays, and its backlog may come while another run copies anew."""
    aws.dynamodb.seed("target", item("a", "newer"))
    old = put(1, "a", "older") | {"eventSourceARN": STREAM.replace("/stream/1", "/stream/0")}
    assert run(old) == []
    assert contents(aws) == {"a": "newer"}
    assert watermark(aws) is None
