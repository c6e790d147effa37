"""Whole migrations behind whose back something is taken away: none ends as a success, and no traffic moves.

Each of these ended SUCCEEDED once, and had lost writes.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from infra.local.emulator.client import LocalAwsProcess
from tests.workflow.running import TOKYO, Ended, Running, side_by_side

pytestmark = pytest.mark.engines

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
Ran = tuple[Running, Ended]


def source_of(running: Running) -> str:
    return running.migration.source_table


def turn_stream(running: Running, *, on: bool) -> None:
    specification: dict[str, Any] = STREAM if on else {"StreamEnabled": False}
    running.dynamodb.update_table(TableName=source_of(running), StreamSpecification=specification)


def write(running: Running) -> None:
    """Insert, overwrite and delete: what nobody hears of is then missing, stale and resurrected."""
    put = running.dynamodb.put_item
    put(TableName=source_of(running), Item={"pk": {"S": "new"}})
    put(TableName=source_of(running), Item={"pk": {"S": "key-1"}, "n": {"N": "1000"}})
    running.dynamodb.delete_item(TableName=source_of(running), Key={"pk": {"S": "key-2"}})


def once(running: Running, state: str, act: Callable[[Running], object]) -> Callable[[str], None]:
    """Return what acts once, as soon as a state has been left."""
    done: list[object] = []

    def during(arn: str) -> None:
        if not done and running.is_past(arn, state):
            done.append(act(running))

    return during


def when_asked(running: Running, act: Callable[[Running], object]) -> Callable[[str], None]:
    """Return what acts once the question is asked, and then says yes."""
    answered: list[str] = []

    def during(arn: str) -> None:
        if answered or not running.is_past(arn, "CompareDigests"):
            return
        assert running.deployment is not None
        asked = running.dynamodb.get_item(
            TableName=running.deployment.control_table, Key={"pk": {"S": "migration"}, "sk": {"S": "approval"}}
        )
        if "Item" in asked:
            act(running)
            answered.append(json.loads(asked["Item"]["document"]["S"])["task_token"])
            running.stepfunctions.send_task_success(taskToken=answered[0], output="{}")

    return during


def ended(running: Running, during: Callable[[str], None]) -> Ended:
    found = running.run(during=during)
    running.detach()
    return found


def the_stream_is_turned_off_while_the_question_waits(running: Running) -> Ended:
    running.create_source(items=20)

    def act(running: Running) -> None:
        turn_stream(running, on=False)
        write(running)

    return ended(running, when_asked(running, act))


def the_stream_is_turned_off_and_on_during_the_backfill(running: Running) -> Ended:
    running.create_source(items=20)

    def act(running: Running) -> None:
        turn_stream(running, on=False)
        write(running)
        turn_stream(running, on=True)

    return ended(running, once(running, "PlanSegments", act))


def the_stream_is_turned_off_after_the_cut_over(running: Running) -> Ended:
    running.create_source(items=20)

    def act(running: Running) -> None:
        turn_stream(running, on=False)
        write(running)

    return ended(running, once(running, "CutOver", act))


def the_target_is_made_anew_while_the_question_waits(running: Running) -> Ended:
    running.create_source(items=20)

    def act(running: Running) -> None:
        target = running.migration.target_table
        with pytest.raises(running.dynamodb.exceptions.ClientError, match="protected against deletion"):
            running.dynamodb.delete_table(TableName=target)
        running.dynamodb.update_table(TableName=target, DeletionProtectionEnabled=False)
        running.dynamodb.delete_table(TableName=target)
        running.create_table(target)

    return ended(running, when_asked(running, act))


def a_replica_is_removed_while_the_question_waits(running: Running) -> Ended:
    running.create_source(items=20)

    def act(running: Running) -> None:
        tokyo = running.aws.session(TOKYO).client("dynamodb")
        tokyo.delete_table(TableName=running.migration.target_table)

    return ended(running, when_asked(running, act))


def a_replica_loses_an_item_before_the_proof(running: Running) -> Ended:
    running.create_source(items=20)

    def act(running: Running) -> None:
        running.aws.lose_item(running.migration.target_table, TOKYO, {"pk": {"S": "key-7"}})

    return ended(running, once(running, "AddReplicas", act))


def two_migrations_of_one_source(running: Running) -> tuple[Ended, Running, Ended]:
    """The first turns the stream on, and is at its end while the second still needs it."""
    running.create_source(items=20)
    second = Running(running.aws, approval="required", source_table=source_of(running))
    second.deploy()
    others: list[str] = []
    first = running.run(during=once(running, "AttachReplicator", lambda _: others.append(second.start())))
    other = second.wait(others[0], during=when_asked(second, write))
    return first, second, other


SCENARIOS: tuple[Callable[[Running], Any], ...] = (
    the_stream_is_turned_off_while_the_question_waits,
    the_stream_is_turned_off_and_on_during_the_backfill,
    the_stream_is_turned_off_after_the_cut_over,
    the_target_is_made_anew_while_the_question_waits,
    a_replica_is_removed_while_the_question_waits,
    a_replica_loses_an_item_before_the_proof,
    two_migrations_of_one_source,
)
ASKED = {"approval": "required"}


@pytest.fixture(scope="module")
def ran(local_aws: LocalAwsProcess) -> Iterator[Mapping[str, Future[Any]]]:
    settings: dict[str, dict[str, Any]] = {
        "the_stream_is_turned_off_while_the_question_waits": ASKED,
        "the_target_is_made_anew_while_the_question_waits": ASKED,
        "a_replica_is_removed_while_the_question_waits": {**ASKED, "replica_regions": (TOKYO,)},
        "a_replica_loses_an_item_before_the_proof": {
            "replica_regions": (TOKYO,),
            "add_replicas": "after-backfill",
        },
        # Long enough that the stream is off before the replicator goes.
        "the_stream_is_turned_off_after_the_cut_over": {"quiet_seconds": 20},
    }
    with side_by_side(local_aws, SCENARIOS, settings, at_once=3) as futures:
        yield futures


def failed(ran: Mapping[str, Future[Any]], scenario: Callable[[Running], Ended], error: str) -> tuple[Running, str]:
    """Return what the failure says; the execution has ended by this error."""
    running, found = ran[scenario.__name__].result()
    assert (found.status, found.error) == ("FAILED", error), found.message
    return running, found.message


def test_writes_behind_a_stream_that_was_turned_off_are_never_left_behind_by_a_cut_over(
    ran: Mapping[str, Future[Any]],
) -> None:
    running, message = failed(ran, the_stream_is_turned_off_while_the_question_waits, "ChangesLost")
    assert "was turned off since AttachReplicator" in message
    assert "an owner's template" in message
    assert running.pointer() is None


def test_a_stream_that_was_turned_off_and_on_during_the_backfill_is_not_taken_for_the_one_that_is_read(
    ran: Mapping[str, Future[Any]],
) -> None:
    running, message = failed(ran, the_stream_is_turned_off_and_on_during_the_backfill, "ChangesLost")
    assert "was turned off and on again since AttachReplicator" in message
    assert running.pointer() is None


def test_late_writes_behind_a_stream_that_was_turned_off_do_not_end_as_a_success(
    ran: Mapping[str, Future[Any]],
) -> None:
    running, message = failed(ran, the_stream_is_turned_off_after_the_cut_over, "LateChangesLost")
    assert "Traffic has moved" in message
    assert running.pointer() == running.migration.target_table


def test_traffic_never_moves_to_a_table_that_is_not_the_one_that_was_proven(ran: Mapping[str, Future[Any]]) -> None:
    running, message = failed(ran, the_target_is_made_anew_while_the_question_waits, "PreconditionFailed")
    assert "another table stands under its name, without what was copied" in message
    assert running.pointer() is None


def test_traffic_never_moves_to_a_table_without_a_replica_that_was_wanted(ran: Mapping[str, Future[Any]]) -> None:
    running, message = failed(ran, a_replica_is_removed_while_the_question_waits, "PreconditionFailed")
    assert f"no usable replica in {TOKYO}" in message
    assert running.pointer() is None


def test_traffic_never_moves_to_a_table_of_which_a_replica_has_lost_an_item(ran: Mapping[str, Future[Any]]) -> None:
    running, message = failed(ran, a_replica_loses_an_item_before_the_proof, "DriftFound")
    assert f"its replica in {TOKYO} differ: 1 missing, 0 extra, 0 mismatched" in message
    assert "key-7" in message
    target = running.items(running.migration.target_table)
    assert len(target) == 20
    assert running.pointer() is None


def test_a_migration_that_ends_does_not_turn_off_the_stream_that_another_one_needs(
    ran: Mapping[str, Future[Any]],
) -> None:
    running, (first, second, other) = ran[two_migrations_of_one_source.__name__].result()
    assert (first.status, first.message) == ("SUCCEEDED", "")
    assert (
        first.output["detached"]["source_stream"]
        == f"kept: read by tableferry-{second.migration.migration}-ReplicateChanges"
    )
    assert (other.status, other.message) == ("SUCCEEDED", "")
    source = running.items(source_of(running))
    assert len(source) == 20
    assert second.items(second.migration.target_table) == source
