"""Guards of the horizon: what is passed over is in what the scan reads."""

from tests.guards.guard import Guard
from tests.guards.ways import LeaveOut, MoveBehind, Never, Omit, Rewrite

GUARDS_OF_HORIZON = (
    Guard(
        without="the scan begins before what is passed over has settled",
        at="attach_replicator.handler",
        by=Rewrite("max(any_seen, any_since, any_horizon.at)", "max(any_seen, any_since)"),
    ),
    Guard(
        without="the horizon is taken behind the mapping",
        at="attach_replicator.handler",
        by=MoveBehind("_horizon", "attach"),
    ),
    Guard(
        without="changes are passed over behind what is applied",
        at="attach_replicator._horizon",
        by=Rewrite("any_attached or any_tables.has_items(any_target)", "any_tables.has_items(any_target)"),
    ),
    Guard(
        without="changes are passed over into a target with items",
        at="attach_replicator._horizon",
        by=LeaveOut("has_items"),
    ),
    Guard(
        without="the horizon is taken while a batch of an earlier run is under way",
        at="attach_replicator._horizon",
        by=Never(over="ReplicatorPending"),
    ),
    Guard(without="a horizon is decided twice", at="horizon.HorizonBook.decide", by=Omit("when")),
    Guard(
        without="the horizon of another stream is gone by",
        at="horizon.HorizonBook.of_shard",
        by=LeaveOut("stream_arn"),
    ),
    Guard(without="a day of changes is replayed", at="replicate_changes.handler", by=LeaveOut("pass_over")),
)
