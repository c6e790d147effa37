"""Guards of the comparison of both tables."""

from tests.guards.guard import Guard
from tests.guards.ways import Always, Drop, LeaveOut, Never, Omit, Put, Rewrite

GUARDS_OF_PROOF = (
    Guard(
        without="stretches with drift are settled",
        at="compare_digests._read_again",
        by=Always(over="put_settled_slices"),
    ),
    Guard(
        without="a stretch is settled before its last key",
        at="compare_digests._iter_lots",
        by=Drop("append", beside="monotonic"),
    ),
    Guard(
        without="what was cut short is equal",
        at="verification.Verification.settled",
        by=Always(over="model_copy"),
    ),
    Guard(
        without="equal sums are enough whatever the counts", at="digest.Digest.unequal_buckets", by=LeaveOut("counts")
    ),
    Guard(without="a slice that was not read is empty", at="digests.Digests._whole", by=Never("chain")),
    Guard(
        without="calls that do not follow one another make a whole",
        at="verification.VerifySlice.place",
        by=Rewrite("item_hash(self.cursor).hex()", "str(self.pages)"),
    ),
    Guard(
        without="a call that ends late takes another one's place",
        at="digests.Digests._put",
        by=Rewrite("reached.place", "reached.state"),
    ),
    Guard(without="what one side alone has is equal", at="hash_list.Comparing.differing", by=Drop("update")),
    Guard(without="a key that was not read is absent", at="recheck._Reads.images", by=Never("monotonic")),
    Guard(without="one differing look is drift", at="drift.LOOKS_DRIFTED", by=Put("1")),
    Guard(without="replicas are not compared", at="plan.Plan.proven", by=Rewrite("self.replicas.items()", "()")),
    Guard(without="a replica that was made anew was proven", at="replicas.check_ids", by=Never("proven")),
    Guard(
        without="a replica that has stopped is followed",
        at="drift.LooksAtReplica.look",
        by=Rewrite("bool(self.same) and _stored(before) != _stored(after)", "_stored(before) != _stored(after)"),
    ),
    Guard(without="a tombstone at a replica is nothing", at="digest.comparable", by=LeaveOut("TARGET")),
    Guard(
        without="drift of an earlier lot is forgotten where a tip cannot be reached",
        at="compare_digests._compare_suspects",
        by=Always(over="isinstance"),
    ),
    Guard(
        without="a replica that lags has drifted",
        at="drift.DRIFTED_AT_A_REPLICA_SECONDS",
        by=Put("0.0"),
    ),
    Guard(
        without="a key that is settled at the target is settled at its replicas",
        at="verification.Verification.id_of_looks",
        by=Put("self.id_of_round"),
    ),
    Guard(
        without="a replica is read in the Region of the target",
        at="plan.Plan.replicas",
        by=Omit("region"),
    ),
    Guard(without="a pause does not hold what is read again", at="recheck._Reads.__init__", by=Never("is_capped")),
)
