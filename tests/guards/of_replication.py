"""Guards of the changes while the source has the say."""

from tests.guards.guard import Guard
from tests.guards.ways import Always, Drop, MoveBehind, Never, Put, Rewrite

GUARDS_OF_REPLICATION = (
    Guard(without="a delete leaves no tombstone", at="replicate_changes.apply_changes", by=Never("LEAVE_TOMBSTONES")),
    Guard(
        without="the tombstone before its ledger entry",
        at="replicate_changes.apply_changes",
        by=MoveBehind("enter_all", "write_all"),
    ),
    Guard(
        without="the tombstone carries an old version",
        at="conflict.tombstone_of",
        by=Rewrite("any_change.deleted", "any_change.old", everywhere=True),
    ),
    Guard(
        without="the watermark before the changes",
        at="replicate_changes.handler",
        by=MoveBehind("apply_all", "put_behind"),
    ),
    Guard(
        without="a plan of an earlier run is gone by",
        at="known_plan.KnownPlan.required",
        by=Never("rule.run"),
    ),
    Guard(
        without="a migration that has ended is still gone by",
        at="known_plan.KEPT_SECONDS",
        by=Put("10**9"),
    ),
    Guard(
        without="the replicator goes on past a failure",
        at="replicate_changes.handler",
        by=Drop("break", beside="first_unapplied"),
    ),
    Guard(
        without="what the watermark has passed is applied again",
        at="replicate_changes.handler",
        by=Rewrite("unapplied(any_changes, any_mark)", "any_changes"),
    ),
    Guard(
        without="the first image of a key is written",
        at="conflict.last_per_key",
        by=Rewrite("replace(any_change, old=any_first.old, between=any_images)", "any_first"),
    ),
    Guard(
        without="a watermark may be set back",
        at="control.NotAhead.expression",
        by=Put("'attribute_not_exists(#position) OR attribute_exists(#position)'", key="ConditionExpression"),
    ),
    Guard(
        without="a defect of ours holds up a shard for ever", at="replicate_changes.apply_all", by=Always("is_defect")
    ),
    Guard(
        without="the backlog of an old stream comes over a newer copy",
        at="replicate_changes.handler",
        by=Never("'eventSourceARN'"),
    ),
)
