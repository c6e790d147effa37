"""A migration under live writes and faults, and what became of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.judge.comparer import Comparison
from infra.local.rehearsal.judge.judge import judge
from infra.local.rehearsal.owner.application import Application, Counted, Settings
from infra.local.rehearsal.owner.journal import Journal
from infra.local.rehearsal.scene import load_airports
from tasks.aws.run.pointer import pointer_name
from tests.faults.faulty import Faulty, RuleJson
from tests.faults.redrive import redrive
from tests.workflow.running import REGION, TOKYO, Ended, Running

EXECUTIONS_MOST = 3
WRITES_AT_TARGET = 20
SEED = 7
TIMEOUTS = {"WritePages": 12, "ReplicateChanges": 12}
"""Timeouts in seconds. Calls are tried again and again here: a batch that its timeout ends each time never gets
through, and the replicator falls behind for good."""


@dataclass(frozen=True)
class Ordeal:
    """What a migration is put through.

    Attributes:
        rules: Made for the migration under test: other migrations' calls have to be left alone.
        during: Called about twice a second with the migration, its execution's ARN and the faults.
        timeouts: Seconds by function.
        settings: Of the migration.
        items: How many the source begins with.
        writes_per_second: The application's.
    """

    rules: Callable[[Running], Sequence[RuleJson]]
    during: Callable[[Running, str, Faulty], object] | None = None
    timeouts: Mapping[str, int] = field(default_factory=TIMEOUTS.copy)
    settings: Mapping[str, Any] | None = None
    items: int = 500
    writes_per_second: float = 10


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Attributes:
        ended: How each execution ended; each after the first resumes the one before.
        fired: How often each rule fired.
        counted: What the application did.
        comparison: The independent comparer's verdict on source, target and replica.
        seconds: How long all of it took.
    """

    ended: list[Ended]
    fired: dict[str, int]
    counted: Counted
    comparison: Comparison
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether the last execution did."""
        return self.ended[-1].status == "SUCCEEDED"

    def __str__(self) -> str:
        """Return it in words."""
        if self.ended[0].status == "SUCCEEDED":
            return "recovered by itself"
        failures = ", then ".join(ended.error for ended in self.ended if ended.status != "SUCCEEDED")
        return f"failed visibly as {failures}" + (" and completed by a resume" if self.succeeded else "; not completed")


def callers(running: Running, state: str = "*") -> str:
    """Return the pattern of a migration's function, of all of them by default."""
    return f"tableferry-{running.migration.migration}-{state}"


def put_through(ordeal: Ordeal, aws: LocalAwsProcess, folder: Path) -> Outcome:
    """Migrate a table of airports under faults and live writes, then compare."""
    began = time.monotonic()
    running = Running(aws, replica_regions=(TOKYO,), **(ordeal.settings or {}))
    migration, journal_path, faulty = running.migration, folder / f"{running.migration.migration}.jsonl", Faulty(aws)
    with Journal(journal_path) as notes:
        load_airports(running.session, migration.source_table, items=ordeal.items, seed=SEED, notes=notes)
    settings = Settings(
        source=migration.source_table,
        pointer=pointer_name(migration.migration),
        journal=str(journal_path),
        region=REGION,
        writes_per_second=ordeal.writes_per_second,
        seed=SEED,
        writers=4,
    )
    running.deploy(ordeal.timeouts)
    faults = faulty.faults(migration.migration, ordeal.rules(running))
    with faults, Application(settings, aws.environment()) as application:
        ended = _run_to_its_end(running, ordeal, faulty)
        if ended[-1].status == "SUCCEEDED":
            application.wait_for(lambda counted: counted.tables.get(migration.target_table, 0) > WRITES_AT_TARGET)
        else:
            running.detach()
        counted = application.stop()
        fired = faulty.fired(migration.migration)
    return Outcome(
        ended=ended,
        fired=fired,
        counted=counted,
        comparison=judge(aws, migration, journal_path),
        seconds=time.monotonic() - began,
    )


def _run_to_its_end(running: Running, ordeal: Ordeal, faulty: Faulty) -> list[Ended]:
    """Run; what fails visibly is resumed in the two ways there are, the latter the only one after the cut-over.

    A new execution keeps what is in the target; a redrive goes on where the failed one stood.
    """

    def during(arn: str) -> None:
        if ordeal.during is not None:
            ordeal.during(running, arn, faulty)

    ended = [running.run(during=during)]
    while ended[-1].status != "SUCCEEDED" and len(ended) < EXECUTIONS_MOST:
        begins_anew = len(ended) == 1 and running.pointer() is None
        ended.append(running.wait(running.start() if begins_anew else redrive(running, ended[-1]), during))
    return ended
