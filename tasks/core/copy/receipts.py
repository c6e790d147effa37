"""Exact proof that every page is in the target: what was sent, against the writer's receipts.

ScanSegment notes each page it has sent in the **send ledger**: the parts and the digests of their bytes. A crash
between PutRecords and the cursor's return sends the page again, perhaps with other items and another end, under the
same number; the ledger then names the later sending. A receipt names the digest it is for. So a receipt for the first
sending never stands in for the second, and no key between their ends can get lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """One page as it was last put into Kinesis."""

    page: int
    digests: tuple[str, ...]
    """One per part, in order; none for a page without items."""
    count: int
    """Items in the page."""
    at: float | None = None
    """When Kinesis had taken it, epoch seconds; `None` if that is not known."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The writer's word that one part of a page is in the target. It is written after the part's last item."""

    page: int
    part: int
    digest: str
    inserted: int
    """Items that were absent, or older with a version attribute."""
    present: int
    """Items whose key was taken: by a change, a tombstone, or an earlier delivery."""
    rejected: int
    """Items that the target refused; they are kept with the reason."""


@dataclass(frozen=True, slots=True)
class SegmentDrain:
    """What the writer has done of one segment."""

    missing: tuple[int, ...]
    """Pages of which a part has no receipt, and pages that were never sent."""
    inserted: int
    present: int
    rejected: int
    oldest: float | None = None
    """When the first of the missing pages was sent, epoch seconds; `None` if there is none, or it is not known."""


def compare_receipts(pages: int, sent: Iterable[Sent], receipts: Iterable[Receipt]) -> SegmentDrain:
    """Compare a finished segment's ledger with its receipts.

    Args:
        pages: how many pages the segment's last checkpoint counts.
        sent: the segment's send ledger.
        receipts: the segment's receipts, those of earlier sendings included.
    """
    ledger: Mapping[int, Sent] = {entry.page: entry for entry in sent}
    got = {(receipt.page, receipt.part, receipt.digest): receipt for receipt in receipts}
    missing, counted = [], []
    ages: list[float | None] = []
    for page in range(pages):
        entry = ledger.get(page)
        if entry is None:
            missing.append(page)
            continue
        parts = [got.get((page, part, digest)) for part, digest in enumerate(entry.digests)]
        if None in parts:
            missing.append(page)
            ages.append(entry.at)
        counted += [receipt for receipt in parts if receipt is not None]
    return SegmentDrain(
        missing=tuple(missing),
        inserted=sum(receipt.inserted for receipt in counted),
        present=sum(receipt.present for receipt in counted),
        rejected=sum(receipt.rejected for receipt in got.values()),
        oldest=min((at for at in ages if at is not None), default=None),
    )
