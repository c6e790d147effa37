"""The backfill's books in the control table: checkpoints, the send ledger and the writer's receipts."""

from collections.abc import Iterator, Sequence

from tasks.aws.control import ControlTable, control
from tasks.core.page import PageHeader
from tasks.core.receipts import Receipt, SegmentDrain, Sent, compare_receipts
from tasks.core.segment import Checkpoint


def put_sent(run: str, segment: int, sent: Sent) -> None:
    """Note that Kinesis took a page; a page that is sent again replaces its entry."""
    control().put(
        _pk(run, segment), f"sent#{sent.page:08}", {"digests": list(sent.digests), "count": sent.count}, expires=True
    )


def put_checkpoint(run: str, checkpoint: Checkpoint) -> None:
    """Note how far a segment has come, for progress and for the drain."""
    control().put(
        _pk(run, checkpoint.segment), "checkpoint", checkpoint.model_dump(mode="json", exclude={"cursor"}), expires=True
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


def read_segment_drain(run: str, checkpoint: Checkpoint) -> SegmentDrain:
    """Compare what a finished segment sent with its receipts."""
    pk = _pk(run, checkpoint.segment)
    return compare_receipts(checkpoint.pages, _iter_sent(pk), _iter_receipts(pk))


def _iter_sent(pk: str) -> Iterator[Sent]:
    for sk, document in control().iter_all(pk, "sent#"):
        yield Sent(int(sk.split("#")[1]), tuple(document["digests"]), document["count"])


def _iter_receipts(pk: str) -> Iterator[Receipt]:
    for sk, document in control().iter_all(pk, "receipt#"):
        _, page, part, digest = sk.split("#")
        yield Receipt(int(page), int(part), digest, **document)


def _pk(run: str, segment: int) -> str:
    return f"{run}#{segment}"


def _receipt_sk(header: PageHeader) -> str:
    return f"receipt#{header.page:08}#{header.part:04}#{header.digest}"
