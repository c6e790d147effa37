"""Guards of calls to AWS, whichever phase makes them, and of what is told of them."""

from tests.guards.guard import Guard
from tests.guards.ways import Always, LeaveOut, Never, Omit, Put

GUARDS_OF_CALLS = (
    Guard(
        without="a quota is asked for again for hours", at="clients.translated_errors", by=Never("THROTTLED_BY_LIMIT")
    ),
    Guard(
        without="a throttled key of Kinesis ends a migration",
        at="clients.THROTTLED_CODES",
        by=LeaveOut("'KMSThrottlingException'"),
    ),
    Guard(without="a run's name meets another book", at="control.pk_of_run", by=LeaveOut("'run'")),
    Guard(without="half of a surrogate pair is no text", at="item.json_bytes", by=Omit("errors")),
    Guard(without="a moment's tips in one entry", at="watermarks.TIPS_A_PIECE", by=Put("10**9")),
    Guard(without="AWS's sentence is repeated of a call with items", at="clients._told", by=Always("ABOUT_NO_ITEM")),
    Guard(
        without="a function that a stream drives fails with a bare error of the SDK",
        at="handler.driven_by_stream.handler",
        by=LeaveOut("translated_errors"),
    ),
)
