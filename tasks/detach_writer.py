"""Detach the writer, so that no page can come any more, and let deletes be deletes from then on.

Done when: the writer's mapping is gone and one timeout has gone by, so that no page can come any more; the rule is
DELETE.

Reads: the writer's mapping. Writes: deletes the mapping, remembers when it was seen gone, then sets the replication
rule. Close the door before sweeping: tombstones are purged only after this. Run again it finds everything done.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_record
from tasks.aws.replicate import mappings
from tasks.aws.session import deployment
from tasks.aws.session.handler import Request, task
from tasks.core.errors import WriterPending
from tasks.core.replicate.conflict import ReplicationRule


@task(Request)
def handler(request: Request, _: LambdaContext) -> dict[str, object]:
    """Return the rule set; until no page can come any more `WriterPending`."""
    record = open_record()
    record.check_run(request.plan)
    if not mappings.detach(deployment.pages_stream_arn(), deployment.writer_function()):
        raise WriterPending("the writer's mapping is on its way out")
    now = time.time()
    # The mapping is gone, but an invocation may still be under way: it ends within the function's timeout.
    over_at = record.writer_gone_at(request.plan.run, now=now) + deployment.writer_timeout_seconds()
    if now < over_at:
        raise WriterPending(f"a last writer invocation may be under way for {over_at - now:.0f} s", until=over_at)
    rule = record.set_rule(ReplicationRule.DELETE, run=request.plan.run, now=now)
    return {"rule": rule.rule, "since": rule.since}
