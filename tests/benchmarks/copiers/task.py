"""What a copier is to do, as the bench tells it."""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, Self

REGION = "eu-west-1"
ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Task:
    """One copy."""

    source: str
    target: str
    warm: str
    """A small table that is copied first, unmeasured: the first calls load what all the others find loaded."""
    warm_target: str
    shape: str = ""
    """Of the null engine's items; empty against a real table."""
    stream_arn: str = ""
    """Of the Kinesis stream, where there is one."""
    follows: bool = False
    """Whether the source is written to, and a copier that can follows its changes until its standard input ends."""
    scratch: str = ""
    """A folder for files."""
    sides: str = "both"
    """`scan` or `write` for one side of a copier that has two."""

    @property
    def is_real(self) -> bool:
        """Whether its tables are real ones, and not the null engine's."""
        return not self.shape

    def items_of(self, table: str) -> int:
        """Return how many items a table of the null engine has: its name says it. Of a real one 0: it is not known."""
        return 0 if self.is_real else int(table.rpartition("-")[2])

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def given(cls) -> Self:
        """Return the one that this process was started with."""
        return cls(**json.loads(sys.argv[-1]))
