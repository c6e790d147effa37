"""Guards of moving traffic, and of what is cleared away afterwards."""

from tests.guards.guard import Guard
from tests.guards.ways import Always, Drop, LeaveOut, Never, Omit, Put

GUARDS_OF_CUT_OVER = (
    Guard(without="cut over without the late rule", at="cut_over._check_rule", by=LeaveOut("run", "TARGET_WINS")),
    Guard(without="cut over while an old batch is under way", at="cut_over._check_rule", by=Never("is_in_force")),
    Guard(without="cut over without proof", at="cut_over.CutOverRequest.verdict", by=Put("str", "Literal", "'equal'")),
    Guard(without="cut over while the replicator is behind", at="cut_over._check_all", by=Never("await_passed")),
    Guard(without="cut over over rejected changes", at="cut_over._check_all", by=Drop("check_none_stands")),
    Guard(without="cut over over lost changes", at="lag.check_nothing_lost", by=Never("shards_that_lost_since")),
    Guard(without="TTL before the proof", at="cut_over._check_all", by=Drop("_expire_as_source")),
    Guard(
        without="a cut-over that died behind its flip looks at the route",
        at="cut_over.handler",
        by=Always("_was_flipped"),
    ),
    Guard(without="traffic moves from where nobody writes", at="cut_over._check_pointer", by=Never("pointer_reasons")),
    Guard(
        without="items vanish at the target and not at the source",
        at="cut_over._expire_as_source",
        by=Never("'DISABLING'"),
    ),
    Guard(
        without="a stream that others read is turned off",
        at="detach_replicator._reason_to_keep_stream",
        by=Never("find_mappings"),
    ),
    Guard(
        without="somebody else's stream is turned off",
        at="detach_replicator._reason_to_keep_stream",
        by=Never("stream_arn"),
    ),
    Guard(without="rejected changes that differ are ignored", at="rejected_changes._are_equal", by=Never("total")),
    Guard(
        without="a rejected key that never rests is left to the replicator",
        at="rejected_changes.MANNER",
        by=Omit("may_follow"),
    ),
    Guard(
        without="a pointer that was moved by hand is taken for our own flip",
        at="cut_over._was_flipped",
        by=LeaveOut("is_flip_begun"),
    ),
    Guard(
        without="rejects that were put right are read again by every call",
        at="rejected_changes.check_none_stands",
        by=Always("read_settled"),
    ),
    Guard(
        without="queries by an index fail behind the cut-over",
        at="cut_over._indexes_being_made",
        by=Put("[]", "check_indexes"),
    ),
    Guard(
        without="traffic moves over an index that is still being made",
        at="cut_over._check_all",
        by=Never("_indexes_being_made"),
    ),
)
