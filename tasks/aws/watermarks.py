"""The replicator's watermarks in the control table, and the tips that a state waits for."""

from tasks.aws.control import ControlTable, control
from tasks.core.watermark import Tips, Watermark

_PK = "watermarks"


def put_watermark(watermark: Watermark) -> None:
    """Record that everything up to here is applied. Called only after the last of it was.

    A call that was given up and comes late does not set it back.
    """
    control().put_ahead(
        _PK,
        watermark.shard,
        int(watermark.sequence_number),
        {
            "sequence_number": watermark.sequence_number,
            "changed_at": watermark.changed_at,
            "applied_at": watermark.applied_at,
            "rule_since": watermark.rule_since,
            "written_at": watermark.written_at,
            "late_at": watermark.late_at,
        },
    )


def read_watermarks(table: ControlTable | None = None) -> dict[str, Watermark]:
    """Return all watermarks by shard, from the function's own control table unless another is given."""
    return {shard: Watermark(shard=shard, **document) for shard, document in (table or control()).iter_all(_PK)}


def read_watermark(shard: str) -> Watermark | None:
    """Return one shard's watermark, `None` before its first batch."""
    document = control().read(_PK, shard)
    return None if document is None else Watermark(shard=shard, **document)


def forget_watermarks() -> None:
    """Drop all watermarks, before a new mapping begins: they would pass for what it has applied."""
    control().delete_all([(_PK, shard) for shard, _ in control().iter_all(_PK)])


def remembered_tips(moment: str) -> Tips | None:
    """Return the tips taken at a moment, `None` before they were taken.

    Args:
        moment: what the wait is for and the state's entered time, so that each entry of the state takes its own.
    """
    document = control().read("tips", moment)
    return None if document is None else dict(document)


def remember_tips(moment: str, tips: Tips) -> Tips:
    """Keep a moment's tips; if it has some already, those stay and are returned."""
    if control().put_new("tips", moment, dict(tips), expires=True):
        return tips
    return remembered_tips(moment) or {}
