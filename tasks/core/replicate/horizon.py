"""Up to where changes are passed over: what the source had taken before the run, the scan sees anyway.

The replicator begins at the stream's beginning, since a mapping that begins at LATEST can miss records while it starts.
Where the stream was on already that is up to 24 hours of changes, none of which the run needs. So a run that begins
takes a **horizon** before the replicator is attached: of each shard a record that the stream has already given. The
replicator passes over a shard's changes up to it.

Explored exhaustively (`tests/model`); it is right as long as

- the horizon is a record that was **seen**: whatever comes up to it was taken by then. A time would not do: times are
  whole seconds, and clocks differ;
- the first page is read `settle_seconds` after the horizon was taken: a stale page could lack what was passed over;
- the target has no item then, and nobody but this run writes to it from then on: what a change that is passed over
  would have replaced or deleted would stay. A batch of an earlier run that is under way has to have ended;
- it is taken once, before the replicator begins. Of what is applied already, nothing that comes behind it may be passed
  over.

A horizon that is too early, or of some shards only, costs writes and no more.
"""

from collections.abc import Mapping, Sequence

from tasks.core.replicate.watermark import Shard, Tips

READS = 10
"""So often an open shard's newest records are asked for. One at which nothing comes in that time has few changes to
apply: a shard is open for some four hours."""


def horizon_of(shards: Sequence[Shard], seen: Mapping[str, str]) -> Tips:
    """Return the horizon by shard; a shard of which nothing was seen has none.

    Args:
        shards: as they are listed once everything is seen. Of a closed one all changes lie before that.
        seen: by open shard the last record that was read of it.
    """
    ends = {shard.id: shard.ends_at for shard in shards if not shard.is_open and shard.ends_at is not None}
    return {**{shard.id: seen[shard.id] for shard in shards if shard.is_open and shard.id in seen}, **ends}
