"""What wakes somebody up, and whom: a migration's alarms, the approval that is wanted, and the topic they go to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from infra.measured import Measured
from infra.migration_stack import PAGES_KEPT_HOURS, MigrationStack, acknowledge
from tasks.core import metrics

HALF_AN_HOUR = 6
TWO_HOURS = 24
"""Periods of five minutes."""

WAITS_FOR_AWS = tuple(
    state for state in metrics.PROGRESS_OF if state not in {"DrainBackfill", "FenceSource", "DrainChanges", "CutOver"}
)
"""Waits for AWS, for a time to pass, or for the last writer; of these only the length tells."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: when `expression` is above zero for so many periods of five minutes."""

    name: str
    means: str
    """What happened and what to do: it stands in the mail."""
    expression: str
    uses: Mapping[str, cloudwatch.Metric]
    periods: int = 1


def plan_alarms(stack: MigrationStack, given_up: events.Rule) -> Sequence[Alarm]:
    """Return the alarms of a migration.

    Args:
        stack: its stack.
        given_up: the rule that sees what Lambda gave up on.
    """
    measured = Measured(stack.settings.migration.migration)
    own = measured.own
    function = {state: {"FunctionName": stack.names.function(state)} for state in ("WritePages", "ReplicateChanges")}
    machine = {"StateMachineArn": stack.machine.state_machine_arn}
    limit = stack.settings.migration.lag_limit_seconds

    def age(state: str) -> cloudwatch.Metric:
        return measured.of_service("Lambda", "IteratorAge", function[state], statistic="Maximum")

    def waits(*states: str) -> dict[str, cloudwatch.Metric]:
        return {f"w{number}": own(metrics.WAITS, state) for number, state in enumerate(states)}

    def any_of(ids: Mapping[str, object]) -> str:
        return " + ".join(f"FILL({name}, 0)" for name in ids)

    ends = {
        f"e{number}": measured.of_service("States", name, machine)
        for number, name in enumerate(("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"))
    }
    rejects = {
        "r0": own(metrics.ITEMS_REJECTED),
        "r1": own(metrics.CHANGES_REJECTED),
        "r2": own(metrics.CHANGES_OVERRULED),
    }
    throttled = {
        f"t{number}": own(metrics.THROTTLES, state) for number, state in enumerate(metrics.THROTTLES.emitted_by)
    }
    lambda_throttled = {
        f"l{number}": measured.of_service("Lambda", "Throttles", names)
        for number, names in enumerate(function.values())
    }
    failing = {
        f"f{number}": measured.of_service("Lambda", "Errors", names) for number, names in enumerate(function.values())
    } | {
        "f2": own(metrics.FAILURES, "WritePages"),
        "f3": own(metrics.FAILURES, "ReplicateChanges"),
    }
    drain = {
        "waits": own(metrics.WAITS, "DrainBackfill"),
        "written": own(metrics.PROGRESS, "WritePages"),
        "drained": own(metrics.PROGRESS, "DrainBackfill"),
    }
    replicator = waits("FenceSource", "DrainChanges", "CutOver")
    others = waits(*WAITS_FOR_AWS)
    return (
        Alarm(
            "ExecutionFailed",
            "The execution ended without success. Open it in the Step Functions console: the red state names the "
            "module, its cause says the way out; then redrive. The replicator stays attached, so the target stays "
            "current.",
            any_of(ends),
            ends,
        ),
        Alarm(
            "ReplicatorBehind",
            f"A change was more than {limit} s old and not applied. The stream keeps changes for 24 hours: what "
            "leaves it unapplied is lost to the target, and the migration has to begin anew. Look at the log of "
            "ReplicateChanges, and raise the target's capacity if it is throttled.",
            f"IF(MAX([FILL(age, 0) / 1000, FILL(oldest, 0)]) > {limit}, 1, 0)",
            {"age": age("ReplicateChanges"), "oldest": own(metrics.OLDEST_UNAPPLIED)},
        ),
        Alarm(
            "PagesOld",
            f"A page has been in Kinesis for half of the {PAGES_KEPT_HOURS} hours that it is kept. What leaves it "
            "unwritten is missed by DrainBackfill and has to be scanned again. Look at the log of WritePages.",
            f"IF(FILL(age, 0) > {PAGES_KEPT_HOURS * 3_600_000 // 2}, 1, 0)",
            {"age": age("WritePages")},
        ),
        Alarm(
            "Rejects",
            "The target refused an item, or a late write to the source was overruled. Each is kept with its reason in "
            "the bucket, under rejects/. Before the cut-over the proof will stop on it; mend it first.",
            any_of(rejects),
            rejects,
        ),
        Alarm(
            "PagesGivenUp",
            "Lambda gave up on a batch of pages after its last retry and kept it in the bucket, under aws/lambda/. "
            "DrainBackfill will stop on it. The log of WritePages has the reason.",
            "FILL(matched, 0)",
            {"matched": measured.of_service("Events", "MatchedEvents", {"RuleName": given_up.rule_name})},
        ),
        Alarm(
            "Throttled",
            "Calls have been throttled for half an hour without a pause. Nothing is lost, but it takes longer: raise "
            "the capacity of the table that the dashboard shows, or the account's Lambda concurrency.",
            any_of(throttled | lambda_throttled),
            throttled | lambda_throttled,
            HALF_AN_HOUR,
        ),
        Alarm(
            "StreamFunctionFails",
            "WritePages or ReplicateChanges has failed for a quarter of an hour without a pause. ReplicateChanges "
            "tries a batch for ever, and its shard waits: its log has the reason.",
            any_of(failing),
            failing,
            3,
        ),
        Alarm(
            "DrainStuck",
            "DrainBackfill has waited for half an hour in which no page was written and no segment drained. Look at "
            "the mapping and the log of WritePages.",
            "IF(FILL(waits, 0) > 0 AND FILL(written, 0) + FILL(drained, 0) == 0, 1, 0)",
            drain,
            HALF_AN_HOUR,
        ),
        Alarm(
            "ReplicatorStuck",
            "A state has waited for the replicator for half an hour in which no change was applied. Look at the "
            "mapping and the log of ReplicateChanges.",
            f"IF({any_of(replicator)} > 0 AND FILL(applied, 0) == 0, 1, 0)",
            replicator | {"applied": own(metrics.PROGRESS, "ReplicateChanges")},
            HALF_AN_HOUR,
        ),
        Alarm(
            "WaitLong",
            "A state has waited for two hours without a pause: for AWS, for keys that keep changing, or, in "
            "DrainLateWrites, for the last application that still writes to the source. Its reason is in the "
            "execution's history, and in `python -m workflow status`.",
            any_of(others),
            others,
            TWO_HOURS,
        ),
    )


def add_alarms(stack: MigrationStack) -> list[cloudwatch.Alarm]:
    """Add the topic, what is sent to it, and the alarms; return these."""
    topic = _topic(stack)
    given_up = _rule(
        stack,
        "GivenUp",
        "Lambda gave up on a batch of pages and kept it",
        events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={
                "bucket": {"name": [stack.bucket.bucket_name]},
                "object": {"key": [{"prefix": "aws/lambda/"}]},
            },
        ),
        topic,
    )
    _rule(
        stack,
        "ApprovalWanted",
        "the proof is green, and somebody has to approve the cut-over",
        events.EventPattern(
            source=["tableferry"],
            detail_type=["Cut-over Approval Wanted"],
            detail={"migration": [stack.settings.migration.migration]},
        ),
        topic,
    )
    made = []
    for alarm in plan_alarms(stack, given_up):
        measured = Measured(stack.settings.migration.migration)
        added = cloudwatch.Alarm(
            stack,
            f"{alarm.name}Alarm",
            alarm_name=f"{stack.names.state_machine}-{alarm.name}",
            alarm_description=alarm.means,
            metric=measured.summed(alarm.uses, alarm.expression, label=alarm.name),
            threshold=0,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=alarm.periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        added.add_alarm_action(actions.SnsAction(topic))
        made.append(added)
    return made


def _topic(stack: MigrationStack) -> sns.Topic:
    topic = sns.Topic(stack, "Alarms", topic_name=f"{stack.names.state_machine}-alarms", enforce_ssl=True)
    # A topic that has a policy at all lets only those in whom it names.
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sns:Publish"],
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
        )
    )
    email = stack.settings.deployment.alarm_email
    if email is not None:
        topic.add_subscription(subscriptions.EmailSubscription(email))
    acknowledge(
        topic,
        "AwsSolutions-SNS2",
        "alarms say names and numbers, never data of items; CloudWatch can not publish to a topic under AWS's own key, "
        "and a key of our own would cost more than all the rest of an idle stack",
    )
    return topic


def _rule(stack: MigrationStack, name: str, means: str, pattern: events.EventPattern, topic: sns.Topic) -> events.Rule:
    rule = events.Rule(
        stack,
        name,
        rule_name=f"{stack.names.state_machine}-{name}",
        description=f"tableferry: {means}",
        event_pattern=pattern,
    )
    rule.add_target(targets.SnsTopic(topic))
    return rule
