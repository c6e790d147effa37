"""What is attached is seen to work: nothing is waited for that never comes."""

import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import add_replicas, attach_replicator, create_replicas
from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings, moments, replicas, streams, tips
from tasks.aws.session import clients
from tasks.core.errors import PreconditionFailed, ReplicasPending, ReplicatorPending
from tasks.core.model.table_facts import TableFacts
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.replicate.lag import Unapplied
from tasks.core.replicate.route import Route
from tasks.core.replicate.watermark import Watermark
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, STREAM, Context, FakeAws


class FakeLambda:
    """One mapping, in the state that the test says."""

    def __init__(self, state: str | None) -> None:
        self.state = state
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def get_paginator(self, _: str) -> "FakeLambda":
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        mapping = {"UUID": "u", "State": self.state, "FunctionArn": "arn:aws:lambda:eu-central-1:1:function:replicator"}
        return [{"EventSourceMappings": [] if self.state is None else [mapping]}]

    def create_event_source_mapping(self, **settings: Any) -> None:  # noqa: ANN401 — boto3's
        self.calls.append(("create", settings))
        self.state = "Creating"

    def update_event_source_mapping(self, **settings: Any) -> None:  # noqa: ANN401 — boto3's
        self.calls.append(("update", settings))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


def attach(monkeypatch: pytest.MonkeyPatch, state: str | None) -> tuple[FakeLambda, mappings.EventSourceMapping]:
    fake = FakeLambda(state)
    monkeypatch.setattr(clients, "lambda_", lambda: fake)
    return fake, mappings.attach(STREAM, "replicator", BatchSize=500)


def test_a_mapping_that_was_switched_off_is_switched_on_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, mapping = attach(monkeypatch, "Disabled")
    assert fake.calls == [("update", {"UUID": "u", "Enabled": True})]
    assert mapping.state != "Enabled", "it has to be seen first"


@pytest.mark.parametrize("state", ["Creating", "Enabled", "Updating"])
def test_a_mapping_that_is_there_is_not_made_again(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    fake, mapping = attach(monkeypatch, state)
    assert (fake.calls, mapping.state) == ([], state)


def test_a_mapping_begins_where_no_change_can_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, _ = attach(monkeypatch, None)
    ((verb, settings),) = fake.calls
    assert (verb, settings["StartingPosition"]) == ("create", "TRIM_HORIZON")
    assert settings["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


WHOLE: dict[str, Any] = {
    "UUID": "u",
    "State": "Enabled",
    "FunctionArn": "arn:aws:lambda:eu-central-1:1:function:replicator",
    "StartingPosition": "TRIM_HORIZON",
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": -1,
}


@pytest.mark.parametrize(
    ("change", "skips_changes"),
    [
        ({}, False),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, True),
        ({"FilterCriteria": {"Filters": []}}, False),
        ({"MaximumRetryAttempts": 3}, True),
        ({"MaximumRecordAgeInSeconds": 3600}, True),
        ({"FunctionResponseTypes": []}, True),
        ({"KMSKeyArn": "arn:aws:kms:…"}, True),  # then Lambda does not show the filter
        ({"FilterCriteriaError": {"ErrorCode": "KMSDisabledException"}}, True),
        ({"FilterCriteria": None}, False),
    ],
)
def test_a_mapping_that_leaves_changes_out_is_told_from_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], *, skips_changes: bool
) -> None:
    fake = FakeLambda("Enabled")
    monkeypatch.setattr(clients, "lambda_", lambda: fake)
    monkeypatch.setattr(fake, "paginate", lambda **_: [{"EventSourceMappings": [WHOLE | change]}])
    (found,) = mappings.find_mappings(STREAM)
    assert (found.uuid, found.begins_at, found.skips_changes) == ("u", "TRIM_HORIZON", skips_changes)


Add = Callable[..., object]
BEFORE_AND_BEHIND = pytest.mark.parametrize(
    ("handler", "when"),
    [(create_replicas.handler, "first"), (add_replicas.handler, "after-backfill")],
    ids=["first", "after-backfill"],
)


def make_replicas(
    monkeypatch: pytest.MonkeyPatch, handler: Add, when: str, status: str | None, *, route: Route = ROUTE
) -> list[str]:
    """Call a state once, with one replica in that status, or none; return the Regions that were asked for."""
    described = {
        "TableId": "target-1",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "TableStatus": "ACTIVE",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "Replicas": [
            {"RegionName": "eu-west-1", "ReplicaStatus": status, "ReplicaStatusDescription": "the key is disabled"}
        ]
        if status
        else [],
    }
    asked: list[str] = []
    monkeypatch.setattr(tables, "describe", lambda _: described)
    monkeypatch.setattr(tables, "add_replica", lambda _, region: asked.append(region))
    plan = PLAN.model_copy(update={"replica_regions": ("eu-west-1",), "add_replicas": when})
    behind = {"route": route.model_dump(mode="json")} if handler is add_replicas.handler else {}
    try:
        handler({"plan": plan.model_dump(mode="json"), **behind}, Context())
    except ReplicasPending:
        if not asked:
            raise
    return asked


@pytest.mark.usefixtures("aws")
@BEFORE_AND_BEHIND
@pytest.mark.parametrize("status", sorted(replicas.NEVER_ACTIVE))
def test_a_replica_that_never_becomes_active_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, handler: Add, when: str, status: str
) -> None:
    with pytest.raises(PreconditionFailed, match=f"in eu-west-1 is {status}: the key is disabled; .* redrive"):
        make_replicas(monkeypatch, handler, when, status)


@pytest.mark.usefixtures("aws")
@BEFORE_AND_BEHIND
@pytest.mark.parametrize("status", ["CREATING", "UPDATING"])
def test_a_replica_that_is_on_its_way_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, handler: Add, when: str, status: str
) -> None:
    with pytest.raises(ReplicasPending):
        make_replicas(monkeypatch, handler, when, status)
    assert make_replicas(monkeypatch, handler, when, "ACTIVE") == []


@pytest.mark.usefixtures("aws")
def test_replicas_are_added_behind_the_backfill_and_not_before_where_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before it each write of the backfill would be made in each Region: several times the price."""
    assert make_replicas(monkeypatch, create_replicas.handler, "after-backfill", None) == []
    assert make_replicas(monkeypatch, add_replicas.handler, "after-backfill", None) == ["eu-west-1"]
    assert make_replicas(monkeypatch, create_replicas.handler, "first", None) == ["eu-west-1"]
    assert make_replicas(monkeypatch, add_replicas.handler, "first", None) == []


@pytest.mark.usefixtures("aws")
def test_no_replica_is_added_to_another_table_under_the_targets_name(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ROUTE.model_copy(update={"target": ROUTE.target.model_copy(update={"id": "another"})})
    with pytest.raises(PreconditionFailed, match="another table stands under its name"):
        make_replicas(monkeypatch, add_replicas.handler, "after-backfill", None, route=other)


NOW = 1_000_000.0
SOURCE = TableFacts(
    name="source",
    id="source-1",
    arn="arn:aws:dynamodb:eu-central-1:123456789012:table/source",
    status="ACTIVE",
    key=PLAN.source.key,
    item_count=0,
    size_bytes=0,
    stream_arn=STREAM,
    stream_view_type="NEW_AND_OLD_IMAGES",
)


class Replicator:
    """A source with its stream and the replicator's mapping, all at work; a test spoils one thing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.facts = SOURCE
        self.state = "Enabled"
        self.attached: dict[str, Any] = {}
        self.enabled: list[str] = []
        self.made: dict[str, Any] = {}
        """In what the mapping is not as this state makes it."""
        self.target_id = "target-1"
        self.without_records: list[str] = []
        self.is_attached = True
        self.target_has_items = False
        self.horizon: dict[str, str] = {"shard-1": "5"}
        self.looked_for_horizon = 0
        monkeypatch.setenv("REPLICATE_CHANGES_FUNCTION", "replicator")
        monkeypatch.setenv("REPLICATE_CHANGES_TIMEOUT_SECONDS", "60")
        monkeypatch.setenv("REPLICATE_CHANGES_WINDOW_SECONDS", "5")
        monkeypatch.setenv("WRITE_PAGES_TIMEOUT_SECONDS", "120")
        monkeypatch.setattr(tables, "has_items", lambda _: self.target_has_items)
        monkeypatch.setattr(tips, "look_for_horizon", self._horizon)
        clock = SimpleNamespace(time=lambda: self.now, monotonic=time.monotonic, sleep=time.sleep)
        for module in (attach_replicator, moments):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(tables, "describe", lambda _: {"TableStatus": self.facts.status, "TableId": self.target_id})
        monkeypatch.setattr(tables, "facts_of", lambda _: self.facts)
        monkeypatch.setattr(streams, "enable_stream", lambda table: self.enabled.append(table.name))
        monkeypatch.setattr(streams, "open_shards", lambda _: ["shard-1"])
        monkeypatch.setattr(tips, "look_for_oldest", self._oldest)
        monkeypatch.setattr(mappings, "find_mapping", self._mapping)
        monkeypatch.setattr(mappings, "attach", self._attach)

    def _mapping(self, *_: object) -> mappings.EventSourceMapping | None:
        return mappings.EventSourceMapping("u", self.state, "replicator") if self.is_attached else None

    def _horizon(self, *_: object, **__: object) -> dict[str, str]:
        self.looked_for_horizon += 1
        self.now += 7
        return self.horizon

    def _oldest(self, *_: object, only: list[str], **__: object) -> list[Unapplied]:
        return [Unapplied(shard, NOW, is_trimmed=False) for shard in only if shard not in self.without_records]

    def _attach(self, *_: object, **settings: Any) -> mappings.EventSourceMapping:  # noqa: ANN401 — Lambda's own
        self.attached, self.is_attached = settings, True
        return mappings.EventSourceMapping("u", self.state, "replicator", **self.made)

    def apply_a_change(self) -> None:
        open_books(RUN).watermarks.put(Watermark("shard-1", "7", self.now, self.now, rule_since=self.now))

    def attach(self) -> dict[str, Any]:
        answer: dict[str, Any] = attach_replicator.handler({"plan": PLAN.model_dump(mode="json")}, Context())
        return answer


@pytest.fixture
def replicator(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Replicator:
    aws.control.documents.clear()
    return Replicator(monkeypatch)


def test_no_page_is_read_before_the_stream_has_settled(replicator: Replicator) -> None:
    replicator.apply_a_change()
    with pytest.raises(ReplicatorPending, match="the stream settles for settle_seconds=1: 1 s to go"):
        replicator.attach()
    replicator.now += 0.9
    with pytest.raises(ReplicatorPending, match="settles"):
        replicator.attach()
    replicator.now += 0.1
    assert replicator.attach() == {"route": {**ROUTE.model_dump(), "mapping_id": "u"}, "settled_at": NOW + 1}


def test_a_stream_that_was_on_long_before_settles_anew_under_this_runs_rule(replicator: Replicator) -> None:
    replicator.without_records = ["shard-1"]
    with pytest.raises(ReplicatorPending, match="settles"):
        replicator.attach()
    replicator.now += 1
    replicator.attach()


def test_a_mapping_is_waited_for_until_it_is_enabled(replicator: Replicator) -> None:
    replicator.apply_a_change()
    replicator.state = "Creating"
    replicator.now += 100
    with pytest.raises(ReplicatorPending, match="mapping is Creating"):
        replicator.attach()
    assert replicator.attached["TumblingWindowInSeconds"] > 0, "or no event names its shard"
    assert replicator.attached["MaximumRetryAttempts"] == -1, "or a change would be given up"
    assert replicator.attached["MaximumBatchingWindowInSeconds"] == 5, "or it is called four times a second and shard"


def test_enabled_is_not_taken_for_at_work(replicator: Replicator) -> None:
    for _ in range(2):
        with pytest.raises(ReplicatorPending, match="has not applied a change of 1 of 1 open shards yet"):
            replicator.attach()
        replicator.now += 100
    replicator.apply_a_change()
    replicator.attach()


def test_a_batch_of_an_earlier_runs_rule_is_waited_for(replicator: Replicator) -> None:
    open_books(RUN).watermarks.put(Watermark("shard-1", "7", NOW, NOW, rule_since=NOW - 1))
    with pytest.raises(ReplicatorPending, match="a batch of an earlier rule under way"):
        replicator.attach()
    replicator.now += 65
    replicator.attach()


def test_changes_of_before_the_run_are_passed_over_and_the_scan_begins_once_they_have_settled(
    replicator: Replicator,
) -> None:
    replicator.is_attached = False
    with pytest.raises(ReplicatorPending):
        replicator.attach()
    assert open_books(RUN).horizon.of_shard(STREAM, "shard-1") == "5"
    replicator.apply_a_change()
    with pytest.raises(ReplicatorPending, match="the stream settles for settle_seconds=1: 1 s to go"):
        replicator.attach()
    replicator.now += 1
    assert replicator.attach()["settled_at"] == NOW + 7 + 1, "from when all that is passed over had been seen"


def test_the_horizon_is_taken_once_and_never_behind_a_mapping(replicator: Replicator) -> None:
    replicator.apply_a_change()
    with pytest.raises(ReplicatorPending):
        replicator.attach()
    replicator.is_attached = False  # somebody deletes it, and the next call makes another
    with pytest.raises(ReplicatorPending):
        replicator.attach()
    assert (replicator.looked_for_horizon, open_books(RUN).horizon.of_shard(STREAM, "shard-1")) == (0, None)


def test_nothing_is_passed_over_into_a_target_with_items(replicator: Replicator) -> None:
    replicator.is_attached, replicator.target_has_items = False, True
    with pytest.raises(ReplicatorPending):
        replicator.attach()
    replicator.target_has_items, replicator.is_attached = False, False
    with pytest.raises(ReplicatorPending):
        replicator.attach()
    assert (replicator.looked_for_horizon, open_books(RUN).horizon.of_shard(STREAM, "shard-1")) == (0, None)


def test_a_batch_of_an_earlier_run_has_ended_before_the_horizon_is_taken(replicator: Replicator) -> None:
    """It may put into the empty target what a change that is passed over has replaced since."""
    open_books("run-0").record.set_rule(ReplicationRule.LEAVE_TOMBSTONES, run="run-0", now=NOW - 9999)
    replicator.is_attached = False
    for seconds in (0, 60, 64.9):
        replicator.now += seconds
        with pytest.raises(ReplicatorPending, match="a batch of an earlier run may still be under way"):
            replicator.attach()
        assert not replicator.attached
    replicator.now += 0.1
    with pytest.raises(ReplicatorPending, match="has not applied"):
        replicator.attach()
    assert (replicator.looked_for_horizon, bool(replicator.attached)) == (1, True)


def test_a_source_without_a_stream_gets_one_and_it_is_waited_for(replicator: Replicator) -> None:
    replicator.facts = replace(SOURCE, stream_arn=None, stream_view_type=None)
    with pytest.raises(ReplicatorPending, match="is being enabled"):
        replicator.attach()
    assert replicator.enabled == ["source"]


def test_a_stream_that_lost_its_images_since_preflight_is_refused(replicator: Replicator) -> None:
    replicator.facts = replace(SOURCE, stream_view_type="KEYS_ONLY")
    with pytest.raises(PreconditionFailed, match="became KEYS_ONLY since Preflight"):
        replicator.attach()


@pytest.mark.parametrize("made", [{"begins_at": "LATEST"}, {"skips_changes": True}])
def test_a_mapping_that_may_have_passed_over_changes_is_never_taken_for_the_replicators_own(
    replicator: Replicator, made: dict[str, Any]
) -> None:
    replicator.apply_a_change()
    replicator.now += 100
    replicator.made = made
    with pytest.raises(PreconditionFailed, match=r"may skip some; delete it .*then redrive: this state makes its own"):
        replicator.attach()


def test_a_source_that_was_made_anew_since_preflight_is_not_streamed_from(replicator: Replicator) -> None:
    replicator.facts = replace(SOURCE, id="source-2", stream_arn=None)
    with pytest.raises(
        PreconditionFailed, match="source was deleted since Preflight, and another table stands under its name"
    ):
        replicator.attach()
    assert replicator.enabled == []


def test_a_target_that_was_made_anew_since_preflight_is_not_named_as_the_one_that_is_copied_to(
    replicator: Replicator,
) -> None:
    replicator.without_records = ["shard-1"]
    replicator.target_id = "target-2"
    with pytest.raises(ReplicatorPending):
        replicator.attach()
    replicator.now += 1
    with pytest.raises(PreconditionFailed, match="target was deleted since Preflight"):
        replicator.attach()


def test_a_mapping_that_is_on_its_way_out_is_waited_for_and_not_refused_again(replicator: Replicator) -> None:
    replicator.apply_a_change()
    replicator.made = {"begins_at": "LATEST"}
    replicator.state = "Deleting"
    with pytest.raises(ReplicatorPending, match="mapping is Deleting"):
        replicator.attach()


def test_every_mapping_of_the_replicator_goes_whichever_stream_it_was_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is left on a stream which was turned off would go on calling the function."""
    fake = FakeLambda("Enabled")
    deleted: list[str] = []
    entries = [{**WHOLE, "UUID": "on the old stream"}, {**WHOLE, "UUID": "gone soon", "State": "Deleting"}, WHOLE]
    asked: list[dict[str, Any]] = []

    def paginate(**where: Any) -> list[dict[str, Any]]:  # noqa: ANN401 — boto3's
        asked.append(where)
        return [{"EventSourceMappings": entries}]

    monkeypatch.setattr(clients, "lambda_", lambda: fake)
    monkeypatch.setattr(fake, "paginate", paginate)

    def delete(*, UUID: str) -> None:  # noqa: N803 — boto3's
        deleted.append(UUID)

    monkeypatch.setattr(fake, "delete_event_source_mapping", delete, raising=False)
    assert mappings.detach_from_all("replicator") is False
    assert (asked, deleted) == ([{"FunctionName": "replicator"}], ["on the old stream", "u"])
    entries.clear()
    assert mappings.detach_from_all("replicator") is True
