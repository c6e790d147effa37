"""Guards of tips: what is taken for the last record of a shard."""

from tests.guards.guard import Guard
from tests.guards.ways import LeaveOut, Never, Put, Rewrite

GUARDS_OF_TIPS = (
    Guard(without="three empty answers are a tip", at="tip_search.EMPTY_READS", by=Put("3")),
    Guard(
        without="empty answers are counted past records that came between them",
        at="tip_search.ShardSearch._take_next",
        by=Rewrite("0 if any_answer.first else any_count", "any_count"),
    ),
    Guard(
        without="a closed shard is left before its end",
        at="tip_search.ShardSearch._take_next",
        by=Rewrite("any_shard.is_open and any_count >= any_enough", "any_count >= any_enough"),
    ),
    Guard(
        without="children of a shard that closed meanwhile are not read",
        at="tip_search.TipSearch.is_list_outdated",
        by=Put("False"),
    ),
    Guard(without="a list of shards in which one has closed is kept", at="streams.read_shards", by=LeaveOut("anew")),
    Guard(
        without="a shard that is written to all the time has no tip",
        at="tip_search.ShardSearch._take_next",
        by=Never("_is_newest_over"),
    ),
    Guard(
        without="what one call has reached is read again by the next",
        at="moments.read_passing",
        by=Rewrite("any_books.tips.reached(any_moment)", "{}"),
    ),
    Guard(without="a shard is read as fast as it answers", at="tip_search.Pace.pause_seconds", by=Put("0.0")),
    Guard(without="a tip that was not reached is taken for one", at="tips._check_time", by=Never("deadline")),
)
