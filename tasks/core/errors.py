"""Everything that can go wrong, in one look. The state machine matches these class names.

TableferryError
├── Refused                 bad input or a bad moment; nothing was changed
├── Pending                 not yet; the state's Retry asks again
│   ├── ReplicasPending
│   ├── ReplicatorPending
│   ├── WriterPending
│   ├── DrainPending
│   ├── VerifyPending
│   ├── ChangesPending
│   ├── TombstonesPending
│   ├── CutOverPending
│   ├── LateWritesPending
│   └── DetachPending
├── TipOutOfReach           the replicator is so far behind that the stream's tip can not be read; asked again
├── AwsUnavailable          throttled or out of reach beyond our own retries; the state's Retry goes on
├── ChangesLost             changes left the stream before they were applied; traffic does not move over that
├── PutRecordsIncomplete    Kinesis refused part of a page beyond our own retries
├── PageUnreadable          bytes from Scan or Kinesis are not what we wrote or expect
├── WritesUnfinished        the target took only part of what was sent, beyond our own retries
├── BackfillIncomplete      no page arrives any more, yet receipts are missing
└── DriftFound              source and target differ, or items were rejected
"""


class TableferryError(Exception):
    """The root: every error that a task raises on purpose.

    A message says what, why, and the way out, because it is all that the console shows.
    """


class Refused(TableferryError):
    """The input or the moment is wrong. The task that says so has changed nothing; the message says what to change."""


class Pending(TableferryError):
    """Not yet. The state's Retry asks again; the message is the reason for the wait."""


class ReplicasPending(Pending):
    """The target or one of its replicas is not ACTIVE yet."""


class ReplicatorPending(Pending):
    """The stream is not settled, or the replicator has not been seen to apply its changes."""


class WriterPending(Pending):
    """The writer's mapping is still being made, or still on its way out."""


class DrainPending(Pending):
    """Pages are in Kinesis that have no receipt yet."""


class VerifyPending(Pending):
    """Keys that looked different are still being written to, or the replicator is behind them."""


class ChangesPending(Pending):
    """The replicator has not yet applied what the source's stream held when the state was entered."""


class TombstonesPending(Pending):
    """Tombstones can not be purged yet, or are not all purged."""


class CutOverPending(Pending):
    """The late-write rule is not yet seen on every shard, or the replicator is behind the source's tip."""


class LateWritesPending(Pending):
    """The source is still being written to, or was until a moment ago."""


class DetachPending(Pending):
    """The replicator's mapping is still on its way out."""


class TipOutOfReach(TableferryError):
    """The replicator is so far behind a shard's tip that the tip can not even be read in one call."""


class ChangesLost(TableferryError):
    """Changes may have left the source's stream before they were applied, after the proof had read its share."""


class AwsUnavailable(TableferryError):
    """AWS throttled us or could not be reached, for longer than the task itself retries. Safe to run again."""


class PutRecordsIncomplete(TableferryError):
    """Kinesis refused records of a page beyond our own retries. The cursor was not moved: the page is sent again."""


class PageUnreadable(TableferryError):
    """A Scan response or a Kinesis record does not have the form that this version writes and reads."""


class WritesUnfinished(TableferryError):
    """The target took only part of what was sent. No receipt or watermark was written: all of it is sent again."""


class BackfillIncomplete(TableferryError):
    """Pages were put into Kinesis, none arrives any more, and some have no receipt."""


class DriftFound(TableferryError):
    """Source and target are not equal. The message counts the differences and shows samples of keys."""
