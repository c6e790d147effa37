"""Guards of Preflight, of making the target and of attaching the replicator."""

from tests.guards.guard import Guard
from tests.guards.ways import Always, Drop, LeaveOut, Never, Omit, Put

GUARDS_OF_PREPARATION = (
    Guard(without="the stream is not given time to settle", at="attach_replicator.handler", by=Never("settle_seconds")),
    Guard(without="a mapping that is not enabled is enough", at="attach_replicator.handler", by=Never("'Enabled'")),
    Guard(without="Enabled is taken for proof", at="attach_replicator.handler", by=Drop("_see_it_work")),
    Guard(without="a target with TTL is taken", at="target_fit._ttl_reasons", by=Always("'DISABLED'")),
    Guard(
        without="a target that we make has no deletion protection",
        at="tables.create_like",
        by=Omit("DeletionProtectionEnabled"),
    ),
    Guard(
        without="an index that is empty for ever",
        at="table_facts.Index.can_be_copied",
        by=LeaveOut("LEGACY_REPLICATION_PREFIX"),
    ),
    Guard(
        without="an index is made that was to be left for later",
        at="tables.create_like",
        by=LeaveOut("without_indexes"),
    ),
    Guard(
        without="a target that was there is made again", at="create_replicas._create_target", by=Never("target", "id")
    ),
    Guard(without="another table is filled as the target", at="create_replicas._check_same", by=Never("target", "id")),
    Guard(without="another source is streamed from", at="attach_replicator._enabled_stream", by=Never("source", "id")),
    Guard(
        without="a mapping from LATEST is the replicator's",
        at="attach_replicator._check_mapping",
        by=Never("'TRIM_HORIZON'"),
    ),
    Guard(
        without="a filter on the mapping is not read",
        at="mappings._skips_changes",
        by=LeaveOut("'FilterCriteria'", "'Filters'"),
    ),
    Guard(
        without="what Step Functions puts into an input is refused", at="migration.overrides_in", by=Always("NOT_OURS")
    ),
    Guard(
        without="a plan is filled up by the defaults of another version",
        at="plan.Plan._says_every_knob",
        by=Drop("from_exception_data"),
    ),
    Guard(
        without="a source that autoscaling changes is refused",
        at="plan._source_reasons",
        by=Put("{'ACTIVE'}", "IN_USE"),
    ),
    Guard(without="a filter that is encrypted is not seen", at="mappings._skips_changes", by=LeaveOut("'KMSKeyArn'")),
    Guard(
        without="an index of other keys or types is taken for the source's",
        at="target_fit._index_reasons",
        by=Never("serves_as"),
    ),
    Guard(without="a target without an index is taken", at="target_fit.target_reasons", by=Drop("_index_reasons")),
    Guard(
        without="a target is taken under which pages would expire",
        at="plan.reasons_against",
        by=Drop("capacity_reasons"),
    ),
    Guard(
        without="a field that is given twice counts by its last",
        at="execution.check_input",
        by=Omit("object_pairs_hook"),
    ),
)
