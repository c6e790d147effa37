"""How far a scan may run ahead of the writer, and when it waits.

Kinesis takes pages faster than a target takes items, and keeps each for `PAGES_KEPT_HOURS`; a page that the writer has
not come to by then is gone. So a scan stops while too much of it has no receipt. Each segment counts its own pages
only: no counter is shared, and nothing is read that is not of the segment. Without a receipt, there are in Kinesis at
most

    max_concurrency x (`PARTS_AHEAD_MOST` + a page) + total_segments x `PARTS_AHEAD_AT_THE_END`

parts, and a part has 1 MB or 2,000 items at most.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from tasks.core.copy.receipts import Receipt, Sent

PAGES_KEPT_HOURS: Final = 72
"""By the pages' stream: a writer that fails on a Friday evening is mended on a Monday."""
PAGES_KEPT_SECONDS: Final = PAGES_KEPT_HOURS * 3600

PARTS_AHEAD_MOST: Final = 128
"""A call sends no further page while more parts of its segment have no receipt. With 40 segments at once that is some
5 GB: twenty minutes of a target that takes 4,000 units a second, and an eighth of a segment of a GiB."""

PARTS_AHEAD_TO_GO_ON: Final = PARTS_AHEAD_MOST // 2
"""A call sends nothing at all while there are more. So it waits seldom and long, and the writer does not run dry."""

PARTS_AHEAD_AT_THE_END: Final = 16
"""A segment is done, and the next one begins, only when there are no more: of very many and small segments the other
limits would hold none back."""

AGE_MOST_SECONDS: Final = PAGES_KEPT_SECONDS // 4
"""Nothing is sent while a page without a receipt is older: the writer stands still, and what comes would expire too."""

_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a segment has sent and has no receipt of."""

    parts: int = 0
    """That may still come."""
    oldest: float | None = None
    """When the first of their pages was sent, epoch seconds; `None` if that is not known, or there is none."""
    written: int = 0
    """Every page before this one is in the target."""

    def with_sent(self, parts: int, *, at: float) -> "Ahead":
        """Return it with one more page, as far as is known before receipts are looked at again.

        Args:
            parts: of the page.
            at: when it was sent, epoch seconds.
        """
        return replace(self, parts=self.parts + parts, oldest=at if self.oldest is None and parts else self.oldest)


def ahead_of(pages: int, sent: Iterable[Sent], receipts: Iterable[Receipt], *, written: int, now: float) -> Ahead:
    """Return what a segment has sent and has no receipt of.

    A page that Kinesis keeps no longer is not waited for here: the drain says that it is lost, and what is still to be
    scanned is wanted all the same.

    Args:
        pages: how many the segment has sent.
        sent: its send ledger, from page `written` on.
        receipts: its receipts, from page `written` on.
        written: every page before it is known to be in the target.
        now: epoch seconds.
    """
    got = {(receipt.page, receipt.part, receipt.digest) for receipt in receipts}
    without = [
        (entry, lacking)
        for entry in sent
        if entry.page < pages
        and (lacking := sum((entry.page, part, digest) not in got for part, digest in enumerate(entry.digests)))
    ]
    coming = [(entry, lacking) for entry, lacking in without if not is_expired(entry.at, now=now)]
    return Ahead(
        parts=sum(lacking for _, lacking in coming),
        oldest=min((entry.at for entry, _ in coming if entry.at is not None), default=None),
        written=min((entry.page for entry, _ in without), default=max(pages, written)),
    )


def why_wait(ahead: Ahead, *, parts_most: int, now: float) -> str:
    """Return why a segment sends no further page now; nothing if it may.

    Args:
        ahead: what it has sent and has no receipt of.
        parts_most: how much of that there may be.
        now: epoch seconds.
    """
    age = 0.0 if ahead.oldest is None else now - ahead.oldest
    since = f", the oldest for {in_words(age)}" if ahead.parts else ""
    if age > AGE_MOST_SECONDS:
        return (
            f"the writer stands still: {ahead.parts} parts of pages have no receipt{since}, and Kinesis keeps a page "
            f"for {PAGES_KEPT_HOURS} h; the log of WritePages has the reason"
        )
    if ahead.parts > parts_most:
        return f"the writer has to catch up: {ahead.parts} parts of pages have no receipt yet{since}"
    return ""


def is_expired(sent_at: float | None, *, now: float) -> bool:
    """Whether Kinesis keeps a page no longer. It was noted after Kinesis had taken it, so there is no doubt.

    Args:
        sent_at: when it was sent, epoch seconds; `None` if nothing is known of that.
        now: epoch seconds.
    """
    return sent_at is not None and now - sent_at >= PAGES_KEPT_SECONDS


def in_words(seconds: float) -> str:
    """Return an age as a person reads it."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"
