"""Guards of an execution that is redriven, overtaken or resumed."""

from tests.guards.guard import Guard
from tests.guards.ways import Drop, LeaveOut, Never, Put, Rewrite

GUARDS_OF_RESUME = (
    Guard(without="an old execution goes on", at="record.check_run", by=Never("run")),
    Guard(
        without="an execution that was resumed goes on beside the one that resumes it",
        at="record.check_latest",
        by=Never("begun_at"),
    ),
    Guard(
        without="a redriven ProtectTarget falls into a resumed backfill",
        at="protect_target.handler",
        by=Drop("check_latest"),
    ),
    Guard(without="a redriven purge beside a resumed backfill", at="purge_tombstones.handler", by=Drop("check_latest")),
    Guard(without="a redriven cut-over beside a resumed backfill", at="cut_over.handler", by=Drop("check_latest")),
    Guard(
        without="a child that outlives its execution claims its segment back",
        at="scan_segment.handler",
        by=Drop("check_latest"),
    ),
    Guard(
        without="the writer is attached again behind a closed door",
        at="attach_writer.handler",
        by=Never("LEAVE_TOMBSTONES"),
    ),
    Guard(
        without="a writer that is attached again is not waited for again",
        at="attach_writer.handler",
        by=Drop("forget_writer_gone"),
    ),
    Guard(
        without="pages are sent behind a closed door",
        at="segment_reading.read_unfinished",
        by=Never("LEAVE_TOMBSTONES"),
    ),
    Guard(
        without="an older history is believed where it had come further",
        at="checkpoints.Search.look_at",
        by=LeaveOut("_found"),
    ),
    Guard(
        without="a segment is scanned on behind a page that was given up",
        at="checkpoints.Search.look_at",
        by=LeaveOut("pages", "None"),
    ),
    Guard(without="a copy that lacks changes is resumed", at="resume._reasons_by_replication", by=Put("[]")),
    Guard(without="a run is resumed after another one", at="resume._reasons_by_course", by=Never("begun_at")),
    Guard(without="another number of segments", at="resume._reasons_by_course", by=Never("total_segments")),
    Guard(
        without="a wait that was given up is given up again at once",
        at="plan_segments._unfinished",
        by=Drop("begin_anew"),
    ),
    Guard(
        without="a resume takes a target that was made anew",
        at="resume._reasons_by_replication",
        by=Never("route", "target", "id"),
    ),
    Guard(
        without="a mapping made anew counts as attached all the while",
        at="resume._reasons_by_replication",
        by=Rewrite("any_replication.mapping_id != any_route.mapping_id", "any_replication.mapping_id is None"),
    ),
    Guard(
        without="a lost run is resumed because its Map's child failed",
        at="resume._reasons_by_course",
        by=LeaveOut("lost", "None"),
    ),
)
