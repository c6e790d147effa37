"""Everything that can go wrong, in one look. The state machine matches these class names.

A class's docstring is its meaning and `way_out` is what whoever is on call does: docs/errors.md is made of them.

TableferryError
├── Refused                 bad input or a bad moment, seen before anything was changed
├── Superseded              another execution, or another call, has taken over
├── OutOfOrder              a function was called before its turn, or by what is not the migration
├── VersionsDiffer          the state machine and the functions were not deployed together
├── PreconditionFailed      what the migration rests on is no longer as it was found
├── Pending                 not yet; the state's Retry asks again
│   ├── ReplicasPending
│   ├── ReplicatorPending
│   ├── WriterPending
│   ├── TurnPending
│   ├── ScanPending
│   ├── DrainPending
│   ├── VerifyPending
│   ├── ChangesPending
│   ├── TombstonesPending
│   ├── CutOverPending
│   ├── LateWritesPending
│   └── DetachPending
├── TipOutOfReach           the replicator is so far behind that the stream's tip cannot be read; asked again
├── AwsUnavailable          throttled or out of reach beyond our own retries; the state's Retry goes on
├── QuotaReached            a quota of the account is used up; the state's Retry goes on for half an hour
├── AwsRefused              AWS refuses a call until something is mended
├── ChangesLost             changes are, or may be, in no stream that is read; traffic does not move over that
│   └── LateChangesLost     the same once traffic has moved
├── PutRecordsIncomplete    Kinesis refused part of a page beyond our own retries
├── PageUnreadable          bytes from Scan or Kinesis are not what we wrote or expect
├── WritesUnfinished        the target took only part of what was sent, beyond our own retries
├── BackfillIncomplete      no page arrives any more, yet receipts are missing
├── RejectsFound            the target refused items of the backfill, and they are not put right
└── DriftFound              source and target differ
"""

from typing import ClassVar


class TableferryError(Exception):
    """The root: every error that a task raises on purpose.

    A message says what, why, and the way out, because it is all that the console shows.
    """

    way_out: ClassVar[str]
    """What to do about it, in a sentence: each class has one. What a message says besides never contradicts it."""


class Refused(TableferryError):
    """The input or the moment is wrong. It was seen beforehand: nothing was changed."""

    way_out = "Do what the message says, then start a new execution: the input of this one stays as it is."


class Superseded(TableferryError):
    """Another execution has taken over the migration, or another call the segment. What is there is the other's."""

    way_out = (
        "Go on with the execution that began last, and with no other: stop every earlier one and leave it; if the last "
        "one has failed, redrive or resume it."
    )


class OutOfOrder(TableferryError):
    """A function was called before its turn, or by something that is not the migration. It has done nothing."""

    way_out = (
        "Stop what called it (an execution that is over, or a mapping or a test event of somebody's), then start a new "
        "execution."
    )


class VersionsDiffer(TableferryError):
    """A payload, or the plan in the control table, has a form that the function does not know. It has done nothing."""

    way_out = (
        "Deploy the state machine and the functions together, then resume. A run that another version began goes on "
        "with that version only; to give it up, `make destroy`."
    )


class PreconditionFailed(TableferryError):
    """What the migration rests on is no longer as it was found, or is out of reach.

    A table, an index, its TTL, the stream, a replica, a mapping or the pointer. What earlier states did stays; the
    state that found it moves no traffic.
    """

    way_out = (
        "Mend what the message names, and go on as it says: redrive where things are as they were again, resume where "
        "the tables have to be proven anew, start a new execution where the copy is gone."
    )


class Pending(TableferryError):
    """Not yet. The state's Retry asks again; the message is the reason for the wait."""

    way_out = "Nothing: the state asks again by itself. Act only if the reason is none that passes."
    is_looked_at_again: ClassVar[bool] = True
    """Whether the call looks again itself, for some seconds, before it leaves the wait to the state machine."""

    def __init__(self, reason: str, *, until: float | None = None) -> None:
        """Make it.

        Args:
            reason: for the wait.
            until: when it will be over and not before, epoch seconds; `None` if nobody knows.
        """
        super().__init__(reason)
        self.until = until


class ReplicasPending(Pending):
    """The target or one of its replicas is not ACTIVE yet."""


class ReplicatorPending(Pending):
    """The stream is not settled, or the replicator has not been seen to apply its changes."""


class WriterPending(Pending):
    """The writer's mapping is still being made, or still on its way out."""


class TurnPending(Pending):
    """The migration is paused, or reads or writes are capped and others had their turn first. The call waits itself."""

    is_looked_at_again = False


class ScanPending(Pending):
    """Too many pages of the segment are in Kinesis that the writer has not come to: the scan waits for it."""

    is_looked_at_again = False


class DrainPending(Pending):
    """Pages are in Kinesis that have no receipt yet, or keys that the target refused are still read again."""


class VerifyPending(Pending):
    """Keys that looked different are still being written to, or the replicator is behind them."""


class ChangesPending(Pending):
    """The replicator has not yet applied what the source's stream held when the state was entered."""


class TombstonesPending(Pending):
    """Tombstones cannot be purged yet, or are not all purged."""


class CutOverPending(Pending):
    """The late-write rule is not yet seen on every shard, or the replicator is behind the source's tip."""


class LateWritesPending(Pending):
    """The source is still being written to, or was until a moment ago."""


class DetachPending(Pending):
    """The replicator's mapping is still on its way out."""


class TipOutOfReach(TableferryError):
    """The replicator is so far behind a shard's tip that the tip cannot even be read in one call."""

    way_out = "Nothing while its lag shrinks: the state asks again. If it does not, read the log of ReplicateChanges."


class ChangesLost(TableferryError):
    """Changes may have left the source's stream before they were applied, or never have come into it."""

    way_out = (
        "Find out what did it; then, unless the message says otherwise, delete the target or name another one, and "
        "start a new execution."
    )


class LateChangesLost(ChangesLost):
    """Writes to the source after the cut-over may be missing from the target. Traffic is at the target, and stays."""

    way_out = (
        "Leave the target alone. Compare what an application still wrote to the source and carry it over by hand, "
        "delete the replicator's mapping, and remove what is left with `make destroy`."
    )


class AwsUnavailable(TableferryError):
    """AWS throttled us or could not be reached, for longer than the task itself retries. Safe to run again."""

    way_out = (
        "Nothing while it is tried again. If the execution has failed with it, look at quotas and at AWS Health, then "
        "redrive."
    )


class QuotaReached(TableferryError):
    """AWS refuses to make or change something because a quota is used up. The message has AWS's own words."""

    way_out = "If it lasts for the half hour of its retries, have that quota raised (Service Quotas), then redrive."


class AwsRefused(TableferryError):
    """AWS refuses a call until something is mended, or boto3 could not make it. What was done before it stays done."""

    way_out = "Mend what the message names (a missing right by deploying again), then redrive."


class PutRecordsIncomplete(TableferryError):
    """Kinesis refused records of a page beyond our own retries. The cursor was not moved: the page is sent again."""

    way_out = (
        "Wait a quarter of an hour, in which a stream on demand grows by itself, or deploy more `pages_shards` where "
        "their number is fixed; then redrive."
    )


class PageUnreadable(TableferryError):
    """A Scan response or a Kinesis record does not have the form that this version writes and reads."""

    way_out = "Deploy functions that know the form, then redrive."


class WritesUnfinished(TableferryError):
    """The target took only part of what was sent. No receipt or watermark was written: all of it is sent again."""

    way_out = "Nothing: Lambda brings the records again. If it goes on, raise the target's capacity."


class BackfillIncomplete(TableferryError):
    """Pages were put into Kinesis, none arrives any more, and some have no receipt."""

    way_out = "Read the log of WritePages and mend what it says, then resume, which sends those pages again."


class RejectsFound(TableferryError):
    """The target refused items, and more of them than `max_rejects` differ still. The proof has not begun.

    The message has the reasons with counts, and some keys.
    """

    way_out = (
        "Where an index refuses them: delete that index at the target, write those items there, and redrive, which "
        "reads their keys again; where they are too many for that, start a new execution into a new target with the "
        "index in `without_indexes`. Add the index once the proof is green."
    )


class DriftFound(TableferryError):
    """The target, or one of its replicas, is not equal to the source. The message counts and shows samples of keys."""

    way_out = (
        "Look at the rejects and the logs, mend those keys at the target, never the source's items, then redrive: they "
        "are read again."
    )
