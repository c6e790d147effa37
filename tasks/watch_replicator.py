"""Look at what replicates, while nobody else does: between two states, and for as long as an approval is waited for.

No state: a schedule calls it, every five minutes. Where no replicator is attached it reads one entry and ends.

Done when: it is measured how old the oldest change is that is not applied, whether anything brings the target
changes, and its pages, and what the run has cost so far.

Reads: the plan, watermarks, the source and its stream, the mappings of both functions that streams drive, the run's own
metrics, the stream of pages. Writes: nothing, so running it again is safe. Its metrics feed the alarms.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import Books, open_books, open_record
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings, tips
from tasks.aws.replicate.lag import lag_of
from tasks.aws.run.spending import fixed_shards, read_sums
from tasks.aws.session import clients, deployment, measure
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.call import call, logger
from tasks.aws.session.clients import translated_errors
from tasks.aws.session.handler import driven_by_schedule
from tasks.core import metrics
from tasks.core.errors import TipOutOfReach
from tasks.core.forecast.spent import spent
from tasks.core.forecast.taken import asked_of, taken_of
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.run.plan import Plan


@driven_by_schedule
def handler(_: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return what it saw, for whoever calls it by hand; nothing while no replicator is attached."""
    attached = open_record().read_replication()
    if attached is None:
        return {}
    plan, stream_arn = attached
    call.identify(plan.migration, run=plan.run)
    down = [words for words in (_replicator_in_words(plan, stream_arn), _writer_in_words()) if words is not None]
    for words in down:
        logger.warning("%s", words)
    measure.add(metrics.MAPPINGS_DOWN, len(down))
    oldest = _oldest_unapplied(open_books(plan.run), stream_arn, context)
    # The last: where it cannot be read the function fails, and what it has seen before is put out all the same.
    return {"down": down, "oldest_unapplied_seconds": oldest, "spent_usd": _spent_usd(plan)}


def _replicator_in_words(plan: Plan, stream_arn: str) -> str | None:
    """Return why the source's changes do not reach the target, `None` if they do."""
    source = tables.describe(plan.source)
    if source is None or tables.facts_of(source).stream_arn != stream_arn:
        return f"{plan.source.name} does not stream into {stream_arn} any more: what it takes now is lost to the target"
    mapping = mappings.find_mapping(stream_arn, deployment.replicator_function())
    if mapping is None or mapping.state != "Enabled":
        state = "gone" if mapping is None else mapping.state
        return f"the mapping of {deployment.replicator_function()} is {state}: no change reaches {plan.target.name}"
    return None


def _writer_in_words() -> str | None:
    """Return why pages are not written, `None` if they are, or if there is no mapping: then there are none."""
    mapping = mappings.find_mapping(deployment.pages_stream_arn(), deployment.writer_function())
    if mapping is None or mapping.state in {"Enabled", "Deleting"}:
        return None
    return f"the mapping of {deployment.writer_function()} is {mapping.state}: no page is written"


def _oldest_unapplied(books: Books, stream_arn: str, context: LambdaContext) -> float | None:
    rule = books.record.read_rule()
    # From here on states look at the tips all the time, and a shard takes few reads: they are not to be slowed down.
    is_glance = rule is not None and rule.rule is ReplicationRule.TARGET_WINS
    watermarks, deadline = books.watermarks.read_all(), deadline_of(context)
    try:
        unapplied = tips.look_for_oldest(stream_arn, watermarks, deadline=deadline, is_glance=is_glance)
    except TipOutOfReach as error:
        logger.warning("%s", error)  # the age of what is being applied is Lambda's own IteratorAge
        return None
    return lag_of(unapplied).oldest_seconds


def _spent_usd(plan: Plan) -> float:
    now = datetime.now(UTC)
    begun = datetime.fromtimestamp(plan.run_begun_at or plan.begun_at, UTC)
    with translated_errors("reading what the run has taken"):
        sums = read_sums(clients.cloudwatch(), asked_of(plan.migration), begun, now, now=now)
        shards = fixed_shards(deployment.pages_stream_arn())
    taken = taken_of(plan.migration, sums)
    usd = spent(taken, plan.basis, seconds=(now - begun).total_seconds(), pages_shards=shards).total
    measure.add(metrics.SPENT_USD, usd)
    if plan.max_cost_usd is not None:
        measure.add(metrics.OVER_COST_USD, max(0.0, usd - plan.max_cost_usd))
    return usd
