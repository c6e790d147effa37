"""Up to where the replicator passes over the changes of a run, in the control table."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.aws.books.control import Absent, ControlTable, pk_of_run


@dataclass(frozen=True, slots=True)
class Horizon:
    """What was decided for the run."""

    by: str
    """Names its entries; empty where nothing is passed over."""
    stream_arn: str
    at: float
    """When all that is passed over had been seen, epoch seconds; 0 where nothing is."""


class HorizonBook:
    """The horizon of one run. The first one that is decided on stays."""

    def __init__(self, table: ControlTable, run: str) -> None:
        self._table = table
        self._pk = pk_of_run(run, "horizon")

    def begin(self, *, follows_a_run: bool) -> bool:
        """Note, once, whether an earlier run has been here when this one began, and return what is noted."""
        self._table.put(self._pk, "begun", {"follows": follows_a_run}, when=Absent(), expires=True)
        begun = self._table.read(self._pk, "begun")
        return follows_a_run if begun is None else bool(begun["follows"])

    def read(self) -> Horizon | None:
        """Return what was decided, `None` before that."""
        document = self._table.read(self._pk, "decided")
        return None if document is None else Horizon(**document)

    def decide(self, stream_arn: str, horizon: Mapping[str, str], *, at: float) -> Horizon:
        """Decide up to where changes are passed over, and return what stands: another call may have been quicker.

        Args:
            stream_arn: of the source's stream.
            horizon: by shard a sequence number; empty if nothing is passed over.
            at: when all of it had been seen, epoch seconds.
        """
        decided = Horizon(uuid.uuid4().hex if horizon else "", stream_arn, at if horizon else 0.0)
        # An entry for each shard, under a key of its own: each is read once, by whoever begins with the shard.
        self._table.put_all(
            [(self._pk_of(decided.by, shard), shard, {"sequence_number": number}) for shard, number in horizon.items()],
            expires=True,
        )
        # Only now: whichever head stands has all its entries.
        document = {"by": decided.by, "stream_arn": stream_arn, "at": decided.at}
        self._table.put(self._pk, "decided", document, when=Absent(), expires=True)
        return self.read() or decided

    def of_shard(self, stream_arn: str, shard: str) -> str | None:
        """Return the sequence number up to which a shard's changes are passed over, `None` if none are."""
        decided = self.read()
        if decided is None or not decided.by or decided.stream_arn != stream_arn:
            return None
        document = self._table.read(self._pk_of(decided.by, shard), shard)
        return None if document is None else str(document["sequence_number"])

    def _pk_of(self, by: str, shard: str) -> str:
        return f"{self._pk}#{by}#{shard}"
