"""What wakes somebody up, and whom: a migration's alarms, the approval that is wanted, and the topic they go to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from infra.aws.functions.function import Function, WaitAlarm
from infra.aws.functions.registry import FUNCTIONS
from infra.aws.functions.streams import REPLICATE_CHANGES, STREAMS, WRITE_PAGES
from infra.aws.functions.watch import WATCH_MINUTES, WATCH_REPLICATOR
from infra.aws.measured import Measured
from infra.aws.migration_stack import MigrationStack, acknowledge
from tasks.core import metrics
from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS

PROMPT_MINUTES = 5
"""One period of an alarm on a single event. Such an alarm looks at the last three: metrics that come by way of a log
may be late, and a period that was judged before they came is judged again."""
LONG_MINUTES = 15
"""One period of an alarm on what goes on and on. A wait counts at the end of the call that said so, of up to ten
minutes, and the next call may begin five minutes later."""

NO_PROGRESS_WEIGHS = 1_000_000
"""More than there are waits in a period: one step of progress outweighs them all."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm: in so many of the last periods, `expression` was above the threshold.

    Every metric stands in FILL, which gives it 0 where it has no value: what a sum is of which only a part has one,
    CloudWatch does not say, and who met it tells of both, of nothing and of the rest.
    """

    name: str
    means: str
    """What happened and what to do: it stands in the mail."""
    expression: str
    uses: Mapping[str, cloudwatch.Metric]
    threshold: float = 0
    minutes: int = PROMPT_MINUTES
    needed: int = 1
    looked_at: int = 3
    is_told: bool = True
    """Whether a mail is sent."""


def plan_alarms(stack: MigrationStack, given_up: events.Rule) -> Sequence[Alarm]:
    """Return the alarms of a migration.

    Args:
        stack: its stack.
        given_up: the rule that sees what Lambda gave up on.
    """
    prompt, long = _measured(stack, PROMPT_MINUTES), _measured(stack, LONG_MINUTES)
    streams = [{"FunctionName": stack.names.function(function.state)} for function in STREAMS]
    machine = {"StateMachineArn": stack.machine.state_machine_arn}
    limit = stack.settings.migration.lag_limit_seconds

    def age(function: Function) -> cloudwatch.Metric:
        names = {"FunctionName": stack.names.function(function.state)}
        return prompt.of_service("Lambda", "IteratorAge", names, statistic="Maximum")

    def waits(alarm: WaitAlarm) -> list[cloudwatch.Metric]:
        watched = [function.state for function in FUNCTIONS if function.wait and function.wait.alarm == alarm]
        return [long.own(metrics.WAITS, state) for state in watched]

    ends = [
        prompt.of_service("States", name, machine)
        for name in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
    ]
    rejects = [
        prompt.own(metric) for metric in (metrics.ITEMS_REJECTED, metrics.CHANGES_REJECTED, metrics.CHANGES_OVERRULED)
    ]
    throttled = [
        *(
            long.own(metrics.THROTTLES, function.state)
            for function in FUNCTIONS
            if function.puts_out(metrics.THROTTLES) and function.throttles_alarm
        ),
        *(long.of_service("Lambda", "Throttles", names) for names in streams),
    ]
    watcher = {"FunctionName": stack.names.function(WATCH_REPLICATOR.state)}
    failing = [
        *(long.of_service("Lambda", "Errors", names) for names in (*streams, watcher)),
        *(long.own(metrics.FAILURES, function.state) for function in STREAMS),
    ]
    replicator = _numbered(waits("ReplicatorStuck"))
    return (
        Alarm(
            "ExecutionFailed",
            "The execution ended without success. Open it in the Step Functions console: the red state names the "
            "module, its cause says the way out; then redrive. The replicator stays attached, so the target stays "
            "current.",
            *_sum(ends),
        ),
        Alarm(
            "ReplicatorBehind",
            f"The replicator works on changes that are more than {limit} s old. The stream keeps changes for 24 hours: "
            "what leaves it unapplied is lost to the target, and the migration has to begin anew. Look at the log of "
            "ReplicateChanges, and raise the target's capacity if it is throttled.",
            *_sum([age(REPLICATE_CHANGES)]),
            threshold=limit * 1000,
        ),
        Alarm(
            "ChangesUnapplied",
            f"A change has waited for more than {limit} s to be applied; that is looked at every {WATCH_MINUTES} "
            "minutes while a replicator is attached. The stream keeps changes for 24 hours: what "
            "leaves it unapplied is lost to the target, and the migration has to begin anew. See that the mapping of "
            "ReplicateChanges is Enabled, and read its log.",
            *_sum([prompt.own(metrics.OLDEST_UNAPPLIED)]),
            threshold=limit,
        ),
        Alarm(
            "StreamUnread",
            "A stream drives no function any more, or the source has another stream: somebody switched a mapping or "
            "the stream off. What the source takes meanwhile is in no target, and after 24 hours it is lost. The log "
            "of WatchReplicator says which: switch the mapping on again; without the mapping or the stream, resume, "
            "which says what can be saved.",
            *_sum([prompt.own(metrics.MAPPINGS_DOWN)]),
            needed=2,
        ),
        Alarm(
            "PagesOld",
            f"A page has been in Kinesis for half of the {PAGES_KEPT_HOURS} hours that it is kept. What leaves it "
            "unwritten is missed by DrainBackfill and has to be scanned again. Look at the log of WritePages.",
            *_sum([age(WRITE_PAGES)]),
            threshold=PAGES_KEPT_HOURS * 3_600_000 // 2,
        ),
        Alarm(
            "Rejects",
            "The target refused an item, or a late write to the source was overruled. Each is kept with its reason in "
            "the bucket, under rejects/. Before the cut-over the proof will stop on it; mend it first.",
            *_sum(rejects),
        ),
        Alarm(
            "PagesGivenUp",
            "A page could not be read and is kept in the bucket, under aws/lambda/; or somebody set a limit of the "
            "writer's mapping, and Lambda gave up on a batch. DrainBackfill will stop on it. The log of WritePages has "
            "the reason.",
            *_sum([prompt.of_service("Events", "MatchedEvents", {"RuleName": given_up.rule_name})]),
            is_told=False,  # the rule itself sends a mail, which names the object
        ),
        Alarm(
            "Throttled",
            "Calls have been throttled in two quarters of an hour on end. Nothing is lost, but it takes longer: raise "
            "the capacity of the table that the dashboard shows, or the account's Lambda concurrency.",
            *_sum(throttled),
            minutes=LONG_MINUTES,
            needed=2,
        ),
        Alarm(
            "StreamFunctionFails",
            "WritePages, ReplicateChanges or WatchReplicator has failed in two quarters of an hour on end. The first "
            "two try a batch for ever, and its shard waits; without WatchReplicator nobody looks while an approval is "
            "waited for. The function's log has the reason.",
            *_sum(failing),
            minutes=LONG_MINUTES,
            needed=2,
        ),
        Alarm(
            "ReplicatorStuck",
            "A state has waited for the replicator in two quarters of an hour in which no change was applied. Look at "
            "the mapping and the log of ReplicateChanges.",
            f"{_filled(replicator)} - {NO_PROGRESS_WEIGHS} * {_filled(['applied'])}",
            {**replicator, "applied": long.own(metrics.PROGRESS, REPLICATE_CHANGES.state)},
            minutes=LONG_MINUTES,
            needed=2,
        ),
        Alarm(
            "CostExceeded",
            "By what is counted of it, the run has cost more than max_cost_usd. Nothing was stopped. `python -m "
            "workflow report --plan FILE` shows which line of the bill has grown; `python -m workflow pause` lets "
            "scan, proof and pages rest while you look, and a resume with a higher max_cost_usd ends the alarm.",
            *_sum([prompt.own(metrics.OVER_COST_USD)]),
        ),
        Alarm(
            "WaitLong",
            "A state has waited for two hours: for AWS, for keys that keep changing, or, in DrainLateWrites, for the "
            "last application that still writes to the source. Its reason is in the execution's history, and in "
            "`python -m workflow status`.",
            *_sum(waits("WaitLong")),
            minutes=LONG_MINUTES,
            needed=8,
            looked_at=9,
        ),
    )


def _measured(stack: MigrationStack, minutes: int) -> Measured:
    return Measured(stack.settings.migration.migration, cdk.Duration.minutes(minutes))


def _numbered(used: Sequence[cloudwatch.Metric]) -> dict[str, cloudwatch.Metric]:
    return {f"m{number}": metric for number, metric in enumerate(used)}


def _sum(used: Sequence[cloudwatch.Metric]) -> tuple[str, dict[str, cloudwatch.Metric]]:
    """Return the expression that adds metrics up, and these by their ids in it."""
    by_id = _numbered(used)
    return _filled(by_id), by_id


def _filled(ids: Iterable[str]) -> str:
    return " + ".join(f"FILL({one}, 0)" for one in ids)


def add_watch(stack: MigrationStack) -> events.Rule:
    """Let WatchReplicator look at both streams every few minutes, whichever state the execution is in."""
    rule = events.Rule(
        stack,
        "Watch",
        rule_name=f"{stack.names.state_machine}-Watch",
        description="tableferry: somebody looks at the replicator, also while an approval is waited for",
        schedule=events.Schedule.rate(cdk.Duration.minutes(WATCH_MINUTES)),
    )
    # Asked once: the next look is a few minutes away.
    rule.add_target(
        targets.LambdaFunction(
            stack.functions[WATCH_REPLICATOR.state], event=events.RuleTargetInput.from_object({}), retry_attempts=0
        )
    )
    return rule


def add_alarms(stack: MigrationStack) -> list[cloudwatch.Alarm]:
    """Add the topic, what is sent to it, and the alarms; return these."""
    topic = _topic(stack)
    given_up = _rule(
        stack,
        "GivenUp",
        "a batch of pages was given up and kept",
        events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={
                "bucket": {"name": [stack.bucket.bucket_name]},
                "object": {"key": [{"prefix": "aws/lambda/"}]},
            },
        ),
        topic,
        "A batch of pages could not be read, and is kept as "
        f"s3://{stack.bucket.bucket_name}/{events.EventField.from_path('$.detail.object.key')}: DrainBackfill will "
        "stop on it. The log of WritePages has the reason.",
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
        f"The proof is green, and {events.EventField.from_path('$.detail.execution')} asks whether to cut over. "
        f"To be moved or made anew with the table: {events.EventField.from_path('$.detail.to_move')}. "
        f"Look at it, then: python -m workflow approve --migration {stack.settings.migration.migration}, or deny; or "
        "from the console, as docs/console.md says.",
    )
    made = []
    for alarm in plan_alarms(stack, given_up):
        measured = _measured(stack, alarm.minutes)
        added = cloudwatch.Alarm(
            stack,
            f"{alarm.name}Alarm",
            alarm_name=f"{stack.names.state_machine}-{alarm.name}",
            alarm_description=alarm.means,
            metric=measured.summed(alarm.uses, alarm.expression, label=alarm.name),
            threshold=alarm.threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=alarm.looked_at,
            datapoints_to_alarm=alarm.needed,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if alarm.is_told:
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
        "alarms say names and numbers, never data of items; CloudWatch cannot publish to a topic under AWS's own key, "
        "and a key of our own would cost more than all the rest of an idle stack",
    )
    return topic


def _rule(
    stack: MigrationStack, name: str, means: str, pattern: events.EventPattern, topic: sns.Topic, mail: str
) -> events.Rule:
    rule = events.Rule(
        stack,
        name,
        rule_name=f"{stack.names.state_machine}-{name}",
        description=f"tableferry: {means}",
        event_pattern=pattern,
    )
    rule.add_target(targets.SnsTopic(topic, message=events.RuleTargetInput.from_text(mail)))
    return rule
