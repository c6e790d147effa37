"""The backfill's books in the control table: checkpoints, the send ledger and the writer's receipts.

Two calls may scan one segment at the same time: a stopped execution does not stop its functions, and a call whose
answer was lost is made again. Both number their pages alike, and with both of their entries mixed the ledger would
prove nothing. So a call first **claims** the segment, and each entry bears its writer's claim: what a later claim has
written, or may have, an earlier one does not write over. The last call to begin has all pages from its beginning on.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Literal

from tasks.aws.books.control import Claimed, ControlTable, Document, pk_of_run
from tasks.core.copy.back_pressure import Ahead, ahead_of
from tasks.core.copy.insertion import Progress
from tasks.core.copy.page import PageHeader
from tasks.core.copy.receipts import Receipt, SegmentDrain, Sent, compare_receipts
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import Superseded

CLAIM_TRIES = 5


class Receipts:
    """The books of one run's backfill."""

    def __init__(self, table: ControlTable, run: str) -> None:
        self._table = table
        self._run = run

    def claim_segment(self, checkpoint: Checkpoint) -> int:
        """Claim a segment for a call that begins at this checkpoint, and return the claim's number.

        The checkpoint is written with it: what an earlier call has noted, even that the segment was done, ends to count
        here, since its pages may be replaced from now on.

        Raises:
            Superseded: other calls are claiming the same segment at the same time.
        """
        claimer = secrets.token_hex(8)
        for _ in range(CLAIM_TRIES):
            last = self._table.read_claim(self._pk(checkpoint.segment), "checkpoint")
            # Over `last` only: of two calls that read the same number one has to try again.
            claim = Claimed(by=last + 1, over=last, claimer=claimer)
            if self._put_claimed(checkpoint.segment, "checkpoint", _noted(checkpoint), claim):
                return last + 1
        raise _taken(self._run, checkpoint.segment)

    def put_sent(self, segment: int, sent: Sent, *, claim: int) -> None:
        """Note that Kinesis took a page; a page that is sent again replaces its entry.

        Raises:
            Superseded: a call that claimed the segment later has sent a page of this number.
        """
        entry = {"digests": list(sent.digests), "count": sent.count, "at": sent.at}
        if not self._put_claimed(segment, f"sent#{sent.page:08}", entry, Claimed(by=claim, over=claim)):
            raise _taken(self._run, segment)

    def put_checkpoint(self, checkpoint: Checkpoint, *, claim: int, waiting: str = "") -> None:
        """Note how far a segment has come, for progress and for the drain.

        Args:
            checkpoint: how far.
            claim: of the call.
            waiting: why it sent nothing.

        Raises:
            Superseded: another call has claimed the segment since.
        """
        noted = Claimed(by=claim, over=claim)
        document = _noted(checkpoint.model_copy(update={"waiting": waiting}))
        if not self._put_claimed(checkpoint.segment, "checkpoint", document, noted):
            raise _taken(self._run, checkpoint.segment)

    def put_kept(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Keep whole checkpoints whose cursors do not fit into the state machine's data."""
        self._table.put_all(
            [(self._pk(kept.segment), "kept", kept.model_dump(mode="json")) for kept in checkpoints], expires=True
        )

    def read_kept(self, segments: Sequence[int]) -> dict[int, Checkpoint]:
        """Return the kept checkpoints of those segments that have one."""
        found = self._table.read_all([(self._pk(segment), "kept") for segment in segments])
        kept = [Checkpoint.model_validate(document) for document in found.values()]
        return {checkpoint.segment: checkpoint for checkpoint in kept}

    def read_checkpoint(self, segment: int) -> Checkpoint | None:
        """Return a segment's last noted checkpoint, without its cursor."""
        document = self._table.read(self._pk(segment), "checkpoint")
        return None if document is None else Checkpoint.model_validate(document)

    def read_checkpoints(self, segments: Sequence[int]) -> dict[int, Checkpoint]:
        """Return the last noted checkpoints of those segments that have one, without their cursors."""
        found = self._table.read_all([(self._pk(segment), "checkpoint") for segment in segments])
        checkpoints = [Checkpoint.model_validate(document) for document in found.values()]
        return {checkpoint.segment: checkpoint for checkpoint in checkpoints}

    def count_receipts(self, segment: int) -> int:
        """Return how many receipts a segment has, those of earlier sendings among them; for a backlog in words only."""
        return self._table.count(self._pk(segment), "receipt#")

    def count_done(self, segment: int) -> int:
        """Return how many receipts a segment has, and how many items are noted of parts that came again.

        For progress only: those of earlier sendings are among them. Where a target takes little, no part may get its
        receipt for long, and yet the writer goes on.
        """
        noted = (_progress(document) for _, document in self._table.iter_all(self._pk(segment), "progress#"))
        return self.count_receipts(segment) + sum(each.done.bit_count() for each in noted)

    def read_progress(self, header: PageHeader) -> Progress | None:
        """Return how far these very bytes have come into the target; `None` if all of them are, by their receipt."""
        receipt, progress = (
            (self._pk(header.segment), sk) for sk in (_part_sk("receipt", header), _part_sk("progress", header))
        )
        found = self._table.read_all([receipt, progress])
        return None if receipt in found else _progress(found.get(progress))

    def put_progress(self, header: PageHeader, progress: Progress) -> None:
        """Note how far one part has come. Called only once the target has answered for each item that it names.

        Two calls may have the same part, and the later to note may have done less: what each notes is true, and what is
        not noted is only tried again.
        """
        document = {**asdict(progress), "done": f"{progress.done:x}"}
        self._table.put(self._pk(header.segment), _part_sk("progress", header), document, expires=True)

    def put_receipt(self, header: PageHeader, *, inserted: int, present: int, rejected: int) -> None:
        """Write the receipt of one part. Called only after its last item is in the target or among the rejects."""
        self._table.put(
            self._pk(header.segment),
            _part_sk("receipt", header),
            {"inserted": inserted, "present": present, "rejected": rejected},
            expires=True,
        )

    def read_segment_drain(self, checkpoint: Checkpoint) -> SegmentDrain:
        """Compare what a finished segment sent with its receipts."""
        table, pk = self._table, self._pk(checkpoint.segment)
        return compare_receipts(checkpoint.pages, _iter_sent(table, pk), _iter_receipts(table, pk))

    def read_ahead(self, checkpoint: Checkpoint, *, written: int, now: float) -> Ahead:
        """Return what a segment has sent and has no receipt of.

        Args:
            checkpoint: how far the segment is.
            written: every page before it is known to be in the target: they are not read again.
            now: epoch seconds.
        """
        table, pk = self._table, self._pk(checkpoint.segment)
        sent, receipts = _iter_sent(table, pk, written), _iter_receipts(table, pk, written)
        return ahead_of(checkpoint.pages, sent, receipts, written=written, now=now)

    def _put_claimed(self, segment: int, sk: str, document: Document, when: Claimed) -> bool:
        return self._table.put(self._pk(segment), sk, document, when=when, expires=True)

    def _pk(self, segment: int) -> str:
        return pk_of_run(self._run, str(segment))


def _noted(checkpoint: Checkpoint) -> Document:
    return checkpoint.model_dump(mode="json", exclude={"cursor", "kept"})


def _taken(run: str, segment: int) -> Superseded:
    return Superseded(
        f"another call has claimed segment {segment} of run {run} since this one began, and sends its pages again; "
        "if the execution of this call is the one you want to go on with, stop the other one and redrive this"
    )


def _iter_sent(table: ControlTable, pk: str, first: int = 0) -> Iterator[Sent]:
    for sk, document in table.iter_all(pk, "sent#", first=f"{first:08}"):
        yield Sent(int(sk.split("#")[1]), tuple(document["digests"]), document["count"], document.get("at"))


def _iter_receipts(table: ControlTable, pk: str, first: int = 0) -> Iterator[Receipt]:
    for sk, document in table.iter_all(pk, "receipt#", first=f"{first:08}"):
        _, page, part, digest = sk.split("#")
        yield Receipt(int(page), int(part), digest, **document)


def _part_sk(kind: Literal["receipt", "progress"], header: PageHeader) -> str:
    return f"{kind}#{header.page:08}#{header.part:04}#{header.digest}"


def _progress(document: Document | None) -> Progress:
    return Progress() if document is None else Progress(**{**document, "done": int(document["done"], 16)})
