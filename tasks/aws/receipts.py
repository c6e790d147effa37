"""The backfill's books in the control table: checkpoints, the send ledger and the writer's receipts.

Two calls may scan one segment at the same time: a stopped execution does not stop its functions, and a call whose
answer was lost is made again. Both number their pages alike, and with both of their entries mixed the ledger would
prove nothing. So a call first **claims** the segment, and each entry bears its writer's claim: what a later claim has
written, or may have, an earlier one does not write over. The last call to begin has all pages from its beginning on.
"""

from collections.abc import Iterator, Sequence

from tasks.aws.control import ControlTable, Document, control
from tasks.core.errors import Refused
from tasks.core.page import PageHeader
from tasks.core.receipts import Receipt, SegmentDrain, Sent, compare_receipts
from tasks.core.segment import Checkpoint

CLAIM_TRIES = 5


def claim_segment(run: str, checkpoint: Checkpoint) -> int:
    """Claim a segment for a call that begins at this checkpoint, and return the claim's number.

    The checkpoint is written with it: what an earlier call has noted, even that the segment was done, ends to count
    here, since its pages may be replaced from now on.

    Raises:
        Refused: other calls are claiming the same segment at the same time.
    """
    for _ in range(CLAIM_TRIES):
        _, last = control().read_claimed(_pk(run, checkpoint.segment), "checkpoint")
        # Over `last` only: of two calls that read the same number one has to try again.
        if control().put_claimed(
            _pk(run, checkpoint.segment), "checkpoint", _noted(checkpoint), claim=last + 1, over=last
        ):
            return last + 1
    raise _taken(run, checkpoint.segment)


def put_sent(run: str, segment: int, sent: Sent, *, claim: int) -> None:
    """Note that Kinesis took a page; a page that is sent again replaces its entry.

    Raises:
        Refused: a call that claimed the segment later has sent a page of this number.
    """
    entry = {"digests": list(sent.digests), "count": sent.count}
    if not control().put_claimed(_pk(run, segment), f"sent#{sent.page:08}", entry, claim=claim, over=claim):
        raise _taken(run, segment)


def put_checkpoint(run: str, checkpoint: Checkpoint, *, claim: int) -> None:
    """Note how far a segment has come, for progress and for the drain.

    Raises:
        Refused: another call has claimed the segment since.
    """
    if not control().put_claimed(
        _pk(run, checkpoint.segment), "checkpoint", _noted(checkpoint), claim=claim, over=claim
    ):
        raise _taken(run, checkpoint.segment)


def put_kept(run: str, checkpoints: Sequence[Checkpoint]) -> None:
    """Keep whole checkpoints whose cursors do not fit into the state machine's data."""
    control().put_all(
        [(_pk(run, kept.segment), "kept", kept.model_dump(mode="json")) for kept in checkpoints], expires=True
    )


def read_kept(table: ControlTable, run: str, segments: Sequence[int]) -> dict[int, Checkpoint]:
    """Return the kept checkpoints of those segments that have one."""
    found = table.read_all([(_pk(run, segment), "kept") for segment in segments])
    kept = [Checkpoint.model_validate(document) for document in found.values()]
    return {checkpoint.segment: checkpoint for checkpoint in kept}


def _noted(checkpoint: Checkpoint) -> Document:
    return checkpoint.model_dump(mode="json", exclude={"cursor", "kept"})


def _taken(run: str, segment: int) -> Refused:
    return Refused(
        f"another call has claimed segment {segment} of run {run} since this one began, and sends its pages again; "
        "if the execution of this call is the one you want to go on with, stop the other one and redrive this"
    )


def read_checkpoint(run: str, segment: int) -> Checkpoint | None:
    """Return a segment's last noted checkpoint, without its cursor."""
    document = control().read(_pk(run, segment), "checkpoint")
    return None if document is None else Checkpoint.model_validate(document)


def read_checkpoints(table: ControlTable, run: str, segments: Sequence[int]) -> dict[int, Checkpoint]:
    """Return the last noted checkpoints of those segments that have one, without their cursors."""
    found = table.read_all([(_pk(run, segment), "checkpoint") for segment in segments])
    checkpoints = [Checkpoint.model_validate(document) for document in found.values()]
    return {checkpoint.segment: checkpoint for checkpoint in checkpoints}


def count_receipts(table: ControlTable, run: str, segment: int) -> int:
    """Return how many receipts a segment has; for progress only: those of earlier sendings are among them."""
    return table.count(_pk(run, segment), "receipt#")


def has_receipt(header: PageHeader) -> bool:
    """Whether these very bytes are already in the target."""
    return control().read(_pk(header.run, header.segment), _receipt_sk(header)) is not None


def put_receipt(header: PageHeader, *, inserted: int, present: int, rejected: int) -> None:
    """Write the receipt of one part. Called only after its last item is in the target or among the rejects."""
    control().put(
        _pk(header.run, header.segment),
        _receipt_sk(header),
        {"inserted": inserted, "present": present, "rejected": rejected},
        expires=True,
    )


def read_segment_drain(run: str, checkpoint: Checkpoint, table: ControlTable | None = None) -> SegmentDrain:
    """Compare what a finished segment sent with its receipts, in the function's own control table by default."""
    table, pk = table or control(), _pk(run, checkpoint.segment)
    return compare_receipts(checkpoint.pages, _iter_sent(table, pk), _iter_receipts(table, pk))


def _iter_sent(table: ControlTable, pk: str) -> Iterator[Sent]:
    for sk, document in table.iter_all(pk, "sent#"):
        yield Sent(int(sk.split("#")[1]), tuple(document["digests"]), document["count"])


def _iter_receipts(table: ControlTable, pk: str) -> Iterator[Receipt]:
    for sk, document in table.iter_all(pk, "receipt#"):
        _, page, part, digest = sk.split("#")
        yield Receipt(int(page), int(part), digest, **document)


def _pk(run: str, segment: int) -> str:
    return f"{run}#{segment}"


def _receipt_sk(header: PageHeader) -> str:
    return f"receipt#{header.page:08}#{header.part:04}#{header.digest}"
