"""One writer of the application: a careful owner of its own keys.

A key belongs to one writer, so its writes never overlap. A write whose answer was lost is noted as uncertain and
settled by a consistent read. After the cut-over, a write that the target refuses because the key's last write to the
source has not arrived yet is put off.
"""

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.rehearsal.owner import journal
from infra.local.rehearsal.owner.holdings import Holdings, Known
from infra.local.rehearsal.owner.pointer import Pointer
from infra.local.rehearsal.owner.wire import CallFailed, NoAnswer, Wire
from infra.local.rehearsal.owner.writes import NOT_AS_KNOWN, Write, key_item, plan_write, send, stands

HANDOVER_SECONDS = 30.0
"""A deletion made at the source is trusted to have reached the target after this, on a busy machine too."""
_BEHIND_SECONDS = 10.0  # a writer that was held up catches up with this much and lets the rest go
_REFUSED_RESTS_SECONDS = 1.0
_SETTLE_SECONDS = 15.0
_AGAIN_SECONDS = 0.25
FOR_EVER = float("inf")


@dataclass
class Counts:
    """What the application has done; one lock for all writers, held for a few additions only."""

    accepted: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    tables: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    put_off: int = 0
    uncertain: int = 0
    unsettled: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def accept(self, write: Write) -> None:
        """Count an accepted write by its operation and table."""
        with self._lock:
            self.accepted[write.operation] += 1
            self.tables[write.table] += 1

    def add(self, count: str, error: str | None = None) -> None:
        """Add one to a count by its name and, if there is one, to an error's."""
        with self._lock:
            setattr(self, count, getattr(self, count) + 1)
            if error:
                self.errors[error] += 1

    def add_error(self, error: str) -> None:
        """Count an error that was no write's."""
        with self._lock:
            self.errors[error] += 1

    def line(self, seconds: float) -> str:
        """Return the counts as one line of JSON."""
        with self._lock:
            return json.dumps(
                {name: value for name, value in vars(self).items() if name != "_lock"} | {"seconds": seconds}
            )


class Writer:
    """Writes to its own keys, one write at a time, until `stop` is set."""

    def __init__(
        self,
        wire: Wire,
        pointer: Pointer,
        holdings: Holdings,
        notes: journal.Journal,
        counts: Counts,
        rng: random.Random,
        stop: threading.Event,
    ) -> None:
        self._wire = wire
        self._pointer = pointer
        self._holdings = holdings
        self._journal = notes
        self._counts = counts
        self._rng = rng
        self._stop = stop

    def run(self, interval_seconds: float) -> None:
        """Write once per interval."""
        due = time.monotonic() + self._rng.random() * interval_seconds
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self.write_once()
            due = max(due + interval_seconds, time.monotonic() - _BEHIND_SECONDS)

    def write_once(self) -> None:
        """Make one write and note its outcome, before the next one to any of this writer's keys."""
        try:
            table = self._pointer.table()
        except (BotoCoreError, ClientError) as error:
            self._counts.add_error(f"pointer: {_name(error)}")
            self._stop.wait(_REFUSED_RESTS_SECONDS)
            return
        write = plan_write(self._holdings, self._rng, table)
        known = self._holdings.known.get(write.key)
        moved = known is not None and known.table != table
        if known and moved and known.image is None and time.monotonic() - known.written_at < HANDOVER_SECONDS:
            # Absent at the target may also mean that neither its last insert nor its deletion has arrived.
            self._put_off(write, "HandoverPending")
            return
        try:
            refusal = send(self._wire, write)
        except NoAnswer as lost:
            self._settle(write, lost.name)
            return
        if refusal is None:
            self._accept(write)
        elif refusal == NOT_AS_KNOWN and moved:
            self._put_off(write, refusal)
        else:
            self._refuse(write, refusal)

    def _accept(self, write: Write) -> None:
        self._note(write, "accepted")
        self._counts.accept(write)
        self._holdings.note(write.key, Known(write.image(), write.updated_at, write.table, time.monotonic()))

    def _refuse(self, write: Write, error: str) -> None:
        self._note(write, "refused", error)
        self._counts.add("refused", error)
        self._holdings.rest(write.key, _REFUSED_RESTS_SECONDS)

    def _put_off(self, write: Write, reason: str) -> None:
        self._note(write, "refused", reason)
        self._counts.add("put_off")
        self._holdings.rest(write.key, _REFUSED_RESTS_SECONDS)

    def _settle(self, write: Write, error: str) -> None:
        """Find out what became of a write without an answer; leave its key alone from then on in any case.

        A request may have lingered somewhere. Its condition makes it harmless, except to a key that was deleted and
        made again meanwhile, which is why the key rests.
        """
        self._note(write, "uncertain", error)
        self._counts.add("uncertain", error)
        self._holdings.rest(write.key, FOR_EVER)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            try:
                accepted = self._ask_again(write)
            except (BotoCoreError, ClientError, CallFailed) as again:
                self._counts.add_error(_name(again))
                accepted = None
            if accepted:
                self._accept(write)
                return
            if accepted is False:
                self._note(write, "refused", error)
                self._counts.add("refused")
                return
            time.sleep(_AGAIN_SECONDS)
        self._counts.add("unsettled")

    def _ask_again(self, write: Write) -> bool | None:
        """Return whether the write happened, repeating it where that is safe; None if it is still unknown."""
        if stands(self._wire, write):
            return True
        if self._pointer.table() != write.table:
            return None  # too late to repeat it: nobody may write to the source any more
        refusal = send(self._wire, write)
        if refusal is None:
            return True
        if refusal == NOT_AS_KNOWN:
            return stands(self._wire, write)  # the first request may have arrived between the two
        return None

    def _note(self, write: Write, outcome: journal.Outcome, error: str | None = None) -> None:
        image = None if outcome == "refused" else write.after
        at = time.time_ns() // 1_000_000
        self._journal.add_all(
            [journal.Entry(at, write.operation, write.table, key_item(write.key), outcome, image, error)]
        )


def _name(error: Exception) -> str:
    """Return the name under which an error is counted: the service's own, or the class's."""
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"]
    return error.name if isinstance(error, CallFailed) else type(error).__name__
