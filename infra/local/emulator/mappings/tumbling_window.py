"""Tumbling windows: with one, a batch is of one stretch of time, and its event names the shard and carries a state.

The rules are those of the Lambda guide: windows are as long as the mapping says, a record belongs to one of them by the
time that it came into the stream, the function's answer must have a `state`, which the next batch of the window gets,
and when a window is over the function is called once more, without records, until it succeeds. A state over 1 MB ends
the window early; what follows in it starts with an empty one.

The guide leaves some things open. Here windows begin at whole multiples of their length since the epoch, a record that
comes after its window has ended counts into the next, and the window of a closed shard ends with the shard's last
record. A window lives as long as its mapping reads: disabled, or given other settings, the mapping goes on with an
empty state, and without the call that would have ended the window.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Final

from infra.local.emulator.mappings.stream_source import StreamRecord

_MAX_STATE_BYTES: Final = 1_048_576


@dataclass
class TumblingWindow:
    """One window of one shard.

    Attributes:
        start: seconds since the epoch.
        end: the first second that is not in it.
        state: what the function's last successful answer said.
    """

    shard_id: str
    source_arn: str
    start: float
    end: float
    state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, moment: float, seconds: int, shard_id: str, source_arn: str) -> "TumblingWindow":
        """Return the window that a moment is in, given in seconds since the epoch."""
        start = moment // seconds * seconds
        return cls(shard_id, source_arn, start, start + seconds)

    def count_first(self, records: Sequence[StreamRecord]) -> int:
        """Return how many of the first records are in this window; older ones that come late count in."""
        return sum(1 for _ in takewhile(lambda record: record.arrived < self.end, records))

    @property
    def is_too_large(self) -> bool:
        """Whether the state is over 1 MB of JSON."""
        return len(_json(self.state)) > _MAX_STATE_BYTES

    def envelope(self, *, is_final: bool) -> bytes:
        """Return what the event has besides its records, as the inside of a JSON object."""
        fields = {
            "window": {"start": _iso(self.start), "end": _iso(self.end)},
            "state": self.state,
            "shardId": self.shard_id,
            "eventSourceARN": self.source_arn,
            "isFinalInvokeForWindow": is_final,
            "isWindowTerminatedEarly": self.is_too_large,
        }
        return _json(fields)[1:-1]


def state_of(answer: bytes) -> dict[str, Any] | None:
    """Return the state in a function's answer; None if it has none, which makes the call a failure."""
    try:
        report = json.loads(answer or b"null")
    except ValueError:
        return None
    state = report.get("state") if isinstance(report, dict) else None
    return state if isinstance(state, dict) else None


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
