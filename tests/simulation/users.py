"""The source's users: they read and write evenly over its keys, and are refused where a partition is asked too much."""

from dataclasses import dataclass

from tests.simulation.table import Load


@dataclass(slots=True)
class Users:
    """Requests a second, and how many were refused so far. A client tries a refused one again: each refusal counts.

    Args:
        reads: a second, of one read unit each.
        writes: a second, of `write_units` each.
    """

    reads: float
    writes: float
    write_units: float = 1.0
    refused_reads: float = 0.0
    refused_writes: float = 0.0

    @property
    def load(self) -> Load:
        """What they ask of the source, in units a second."""
        return Load(writes=self.writes * self.write_units, reads=self.reads)

    def refuse(self, share_of_keys: float, granted: float, seconds: float) -> float:
        """Count what is refused on a share of all keys, and return how many requests a second that is."""
        refused = share_of_keys * max(0.0, 1.0 - granted)
        self.refused_reads += self.reads * refused * seconds
        self.refused_writes += self.writes * refused * seconds
        return (self.reads + self.writes) * refused

    @property
    def refused(self) -> float:
        """All requests that were refused."""
        return self.refused_reads + self.refused_writes
