"""Attach the writer to the stream of pages, before the first page is put.

Done when: the writer's mapping on the stream of pages is Enabled.

Reads: the rule. Reads and writes: the writer's mapping. Run again it finds the mapping that it made. Once the door is
closed it stays closed: in a run that is resumed behind DetachWriter no page may come any more, and none is missing.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_record
from tasks.aws.replicate import mappings
from tasks.aws.session import deployment
from tasks.aws.session.handler import Request, task
from tasks.core.errors import WriterPending
from tasks.core.replicate.conflict import ReplicationRule

RECORDS_AT_ONCE = 4
"""A page takes seconds; a batch has to end well within the function's timeout."""
RETRIES = -1
"""For ever: a page that meets a throttled target, or a role that lacks a right, gets through once that is mended. One
that cannot be read is kept and passed over by the writer itself."""
SIDE_BY_SIDE = 2
"""Batches of one shard under way at the same time: pages need no order."""


@task(Request)
def handler(request: Request, _: LambdaContext) -> dict[str, object]:
    """Return the mapping's id once it is enabled, `None` behind a closed door; until then `WriterPending`."""
    record = open_record()
    record.check_run(request.plan)
    rule = record.read_rule()
    if rule is not None and rule.rule is not ReplicationRule.LEAVE_TOMBSTONES:
        # Deletes leave no tombstones any more: an old page that came now would bring deleted items back.
        return {"mapping": None}
    # Only before the mapping is there again: the moment is then taken anew when it is seen gone.
    record.forget_writer_gone()
    mapping = mappings.attach(
        deployment.pages_stream_arn(),
        deployment.writer_function(),
        BatchSize=RECORDS_AT_ONCE,
        MaximumRetryAttempts=RETRIES,
        BisectBatchOnFunctionError=True,
        ParallelizationFactor=SIDE_BY_SIDE,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{deployment.rejects_bucket()}"}},
    )
    if mapping.state != "Enabled":
        raise WriterPending(f"the writer's mapping is {mapping.state}")
    return {"mapping": mapping.uuid}
