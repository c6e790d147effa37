"""Guards of the door that is closed behind the backfill, of the purge, the late rule and what comes under it."""

from tests.guards.guard import Guard
from tests.guards.ways import Always, Drop, InTurn, LeaveOut, Never, Put, Rewrite

GUARDS_OF_LATE_CHANGES = (
    Guard(
        without="purge without the condition on the tombstone",
        at="tombstones.remove_statement",
        by=InTurn(LeaveOut("TOMBSTONE_ATTRIBUTE"), Rewrite("[*key.values(), {'BOOL': True}]", "[*key.values()]")),
    ),
    Guard(without="entries struck before tombstones go", at="tombstones.is_gone", by=Put("True")),
    Guard(without="a purge that was overtaken goes on", at="purge._Shelf.empty", by=Drop("_look")),
    Guard(without="traffic moves to a table with tombstones", at="cut_over._check_rule", by=Never("is_empty")),
    Guard(
        without="the last writer invocation is not waited for",
        at="detach_writer.handler",
        by=Never("writer_timeout_seconds"),
    ),
    Guard(
        without="purge under any rule",
        at="purge_tombstones.handler",
        by=InTurn(LeaveOut("run"), LeaveOut("RULE_ORDER")),
    ),
    Guard(without="purge while an old batch is under way", at="purge_tombstones.handler", by=Never("is_in_force")),
    Guard(
        without="the target is protected before the replicator has passed",
        at="protect_target.handler",
        by=Never("behind"),
    ),
    Guard(without="the drain of changes does not wait", at="drain_changes.handler", by=Never("behind")),
    Guard(
        without="a late change is always applied",
        at="conflict.judge_late_change",
        by=Put("LateChange.APPLY", "TARGET_WINS"),
    ),
    Guard(without="a late change is written without its condition", at="conflict.late_condition", by=Drop("append")),
    Guard(
        without="a late change is judged again when it comes again",
        at="late_changes.LateChanges.carry_over",
        by=Always("_is_dealt_with"),
    ),
    Guard(
        without="a late change without its entry",
        at="target.Target.transact",
        by=Put("{**_, 'ConditionExpression': 'attribute_not_exists(nothing)'}", key="Put"),
    ),
    Guard(
        without="an entry over whatever stands there",
        at="control.Unchanged.expression",
        by=Put("'attribute_exists(#revision) OR #revision = :since'", "'#revision = :since'"),
    ),
    Guard(
        without="an overruled change is kept though another call was here",
        at="late_changes.LateChanges._apply_one",
        by=Never("_entered"),
    ),
    Guard(
        without="a late change that wrote nothing is not entered",
        at="late_changes.LateChanges._apply_one",
        by=Drop("enter"),
    ),
    Guard(
        without="what is dealt with counts when the rest is merged",
        at="late_changes.LateChanges.carry_over",
        by=Put("changes", "last_per_key", "_is_dealt_with", argument=0),
    ),
)
