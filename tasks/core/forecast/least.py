"""How much a target has to take at the least: with less, a run would end in pages that nobody has written.

A slow target is no reason by itself. The scan waits for the writer, what a call has put is not put again, and a copy
may take months. But what the scan has sent ahead has to be in the target before Kinesis drops it; and a writer of which
no page comes for a quarter of an hour is taken for one that stands still.
"""

from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS, PAGES_KEPT_SECONDS
from tasks.core.copy.segment import plan_total_segments
from tasks.core.forecast.duration import Part
from tasks.core.forecast.estimate import Estimate, estimate
from tasks.core.forecast.speed import SHARE_OF_PROVISIONED, parts_of, planned_caps
from tasks.core.model.table_facts import TableFacts
from tasks.core.settings.caps import STUCK_SECONDS, Throttle
from tasks.core.settings.migration import Migration

PAGES_BEFORE_IT_IS_STUCK = 4
"""So many are to come before the writer is taken for one that stands still: by chance fewer do."""


def capacity_reasons(settings: Migration, source: TableFacts, target: TableFacts | None) -> list[str]:
    """Return why the target, or the cap of writes, lets too little through, as what, why and the way out.

    Args:
        settings: of the execution.
        source: what is copied.
        target: `None` if it is still to be made: on demand, it takes enough.
    """
    copy = estimate(source)
    if not copy.items:
        return []
    segments = settings.total_segments or plan_total_segments(source.size_bytes)
    ahead = copy.items_ahead(segments=segments, max_concurrency=settings.max_concurrency)
    parts = parts_of(copy, target, None, None)
    return [
        *_cap_reasons(settings, ahead, parts, copy.items),
        *([] if target is None else _units_reasons(settings, source, target, ahead, parts)),
    ]


def _cap_reasons(settings: Migration, ahead: int, parts: list[Part], items: int) -> list[str]:
    cap = settings.write_units_per_second
    least = _in_time(sum(part.units for part in parts) * ahead / items)
    if cap is None or cap >= least:
        return []
    words = (
        f"write_units_per_second is {cap}, and {least} are needed: the scan sends up to {ahead} items ahead of the "
        f"writer, which has to put them before Kinesis drops them, {PAGES_KEPT_HOURS} h later; raise it, or lower "
        "max_concurrency: each segment under way sends its part ahead"
    )
    return [words]


def _units_reasons(
    settings: Migration, source: TableFacts, target: TableFacts, ahead: int, parts: list[Part]
) -> list[str]:
    copy = estimate(source)
    throttle = Throttle(caps=planned_caps(settings, source, target))
    is_shared = target.is_provisioned and settings.write_units_per_second is None
    few = []
    for part in parts:
        # Without a cap that is set the writer keeps to half of what is provisioned.
        written = _in_time(part.units * ahead / copy.items / (SHARE_OF_PROVISIONED if is_shared else 1.0))
        least = max(written, _seen_at_work(copy, part, throttle))
        if part.is_set and part.most < least:
            name = target.name if part.name == parts[0].name else part.name
            few.append(f"{name} takes {part.most:.0f} a second and needs {least}")
    if not few:
        return []
    words = (
        f"target_table {target.name} has too few write units ({', '.join(few)}): the scan sends up to {ahead} items "
        f"ahead of the writer, which has to put them before Kinesis drops them, {PAGES_KEPT_HOURS} h later, and one "
        "page of them in some minutes; switch the table to on demand without a maximum (aws dynamodb update-table "
        f"--table-name {target.name} --billing-mode PAY_PER_REQUEST), raise them, or lower max_concurrency: each "
        "segment under way sends its part ahead"
    )
    return [words]


def _in_time(units: float) -> int:
    """Return how many units a second put so many within the time that Kinesis keeps a page."""
    return -(-round(units) // PAGES_KEPT_SECONDS)


def _seen_at_work(copy: Estimate, part: Part, throttle: Throttle) -> int:
    """Return with how many units a second pages come often enough for the writer to be seen at work."""
    of_a_page = part.units * copy.part_items / copy.items
    return -(-round(PAGES_BEFORE_IT_IS_STUCK * of_a_page) // round(throttle.patience_seconds(STUCK_SECONDS)))
