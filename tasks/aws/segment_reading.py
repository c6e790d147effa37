"""Which segments of a run are not done, and the last checkpoint of each: from histories and the control table.

The control table says what is done, at the price of one read for 100 segments. Histories say where the others stand:
the parent's own, and those of children that did not succeed, of which a Map leaves few (max_concurrency, as a rule).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.aws import backfill_drain, migration_record, receipts
from tasks.aws.control import ControlTable
from tasks.aws.execution_history import iter_chain, iter_events, iter_unsuccessful
from tasks.core.checkpoints import Search
from tasks.core.conflict import ReplicationRule
from tasks.core.history import Told, read_told
from tasks.core.plan import Plan
from tasks.core.segment import Checkpoint

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


def read_unfinished(
    client: "SFNClient", table: ControlTable, plan: Plan, resume_from: str, *, deadline: float
) -> list[Checkpoint]:
    """Return the checkpoint of each segment that has to be scanned on, in the order of the segments.

    Histories are read no further back than is needed.

    Args:
        client: of Step Functions.
        table: the control table.
        plan: of the run.
        resume_from: ARN of the execution to go on from.
        deadline: by `time.monotonic`; receipts that could not be looked at until then are left to DrainBackfill.
    """
    rule = migration_record.read_rule(table)
    if rule is not None and rule.run == plan.run and rule.rule is not ReplicationRule.LEAVE_TOMBSTONES:
        # The backfill was drained and the writer detached: a page that is sent now would never arrive.
        return []
    chain = list(iter_chain(client, read_told(iter_events(client, resume_from))))
    every = range(plan.total_segments)
    noted = receipts.read_checkpoints(table, plan.run, every)
    gave_up = any(told.error == "BackfillIncomplete" for told in chain)
    missing = _first_missing(table, plan, noted, deadline=deadline) if gave_up else {}
    search = Search(plan.total_segments, noted, missing, receipts.read_kept(table, plan.run, every))
    for told in chain:
        for reached in _iter_scans(client, told):
            if search.is_complete:
                return search.result()
            search.look_at(reached)
    return search.result()


def _iter_scans(client: "SFNClient", told: Told) -> Iterator[Mapping[int, Sequence[Checkpoint]]]:
    """Yield what each scan of an execution reached: one of an inline Map, one for each Map Run, the newest first.

    A redrive goes on with the Map Run that there is. Where it has to make a new one, that begins where the first began.
    """
    if not told.map_runs:
        yield told.checkpoints
    for map_run in reversed(told.map_runs):
        reached = {segment: list(planned) for segment, planned in told.checkpoints.items()}
        for child in iter_unsuccessful(client, map_run):
            for segment, checkpoints in read_told(iter_events(client, child)).checkpoints.items():
                reached.setdefault(segment, []).extend(checkpoints)
        yield reached


def _first_missing(
    table: ControlTable, plan: Plan, noted: Mapping[int, Checkpoint], *, deadline: float
) -> dict[int, int]:
    """Return the first page without a receipt of each scanned segment that has one, after the writer gave up."""
    missing = {}
    for segment in range(backfill_drain.read_progress(plan.run, table).segments, plan.total_segments):
        if time.monotonic() > deadline:
            break
        checkpoint = noted.get(segment)
        if checkpoint is not None and checkpoint.state == "done":
            drain = receipts.read_segment_drain(plan.run, checkpoint, table)
            if drain.missing:
                missing[segment] = drain.missing[0]
    return missing
