"""Guards of the route: what was named when the replicator was attached must be what stands there."""

from tests.guards.guard import Guard
from tests.guards.ways import Drop, LeaveOut, Never

GUARDS_OF_ROUTE = (
    Guard(
        without="another source under its name is the source", at="route.breaches", by=Never(paired_with="SOURCE_ANEW")
    ),
    Guard(without="a stream that is off is the stream", at="route.breaches", by=Never(paired_with="STREAM_OFF")),
    Guard(without="another stream is the stream", at="route.breaches", by=Never(paired_with="STREAM_ANEW")),
    Guard(without="another mapping is the mapping", at="route.breaches", by=Never(paired_with="MAPPING_ANEW")),
    Guard(
        without="a mapping with a filter brings everything",
        at="route.breaches",
        by=Never(paired_with="MAPPING_SKIPS"),
    ),
    Guard(
        without="a mapping that is switched off is waited for", at="route.breaches", by=Never(paired_with="MAPPING_OFF")
    ),
    Guard(without="a target that is gone is the target", at="route.breaches", by=Never(paired_with="TARGET_GONE")),
    Guard(
        without="another target under its name is the target", at="route.breaches", by=Never(paired_with="TARGET_ANEW")
    ),
    Guard(without="a wanted replica may be gone", at="route.breaches", by=Never(paired_with="REPLICA_GONE")),
    Guard(without="a target on its way out is the target", at="route._id_of", by=LeaveOut("'DELETING'")),
    Guard(without="tips without a look behind them", at="moments.await_passed", by=Drop("look")),
    Guard(without="remembered tips without a look behind them", at="moments.read_passing", by=Drop("look")),
    Guard(without="the pointer flips without a last look", at="cut_over._check_all", by=Drop("route.check", last=True)),
    Guard(
        without="the replicator goes without a last look",
        at="drain_late_writes.handler",
        by=Drop("route.check_late", last=True),
    ),
    Guard(without="the proof does not look", at="compare_digests.handler", by=Drop("route.check")),
    Guard(without="a lost copy is drained", at="drain_backfill.handler", by=Drop("route.check")),
    Guard(without="a person is asked about a lost copy", at="approve_cut_over.handler", by=Drop("route.check")),
    Guard(without="a day of scanning into a lost copy", at="scan_segment.handler", by=Drop("route.check_source")),
    Guard(without="a loss is forgotten when its cause is taken away", at="route._noting_losses", by=Drop("put_lost")),
    Guard(without="a route is looked at by an execution that was overtaken", at="route.check", by=Drop("check_latest")),
    Guard(without="somebody is told to delete the only copy", at="route.check_route", by=Never("SOURCE_IS_LOST")),
)
