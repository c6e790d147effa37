"""The whole of `make demo`: a real table under live writes moves, and an independent judge proves it equal.

Knobs in the environment: ITEMS, SEGMENTS, WRITES_PER_SECOND, SEED. The exit code is not 0 if the execution failed, if
any item of source, target or Tokyo replica is not as the application's journal says, if the application's writes were
refused, or if a late write to the source was overruled by one to the target.
"""

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from infra.local.emulator.client import PROJECT_ROOT, LocalAwsProcess
from infra.local.emulator.scratch import scratch_folder
from infra.local.rehearsal.demo import progress
from infra.local.rehearsal.deploy import deploy
from infra.local.rehearsal.judge.judge import judge
from infra.local.rehearsal.owner import journal
from infra.local.rehearsal.owner.application import Application, Counted, Settings
from infra.local.rehearsal.scene import REGION, load_airports, migration_of_airports
from tasks.aws.run.pointer import pointer_name
from tasks.core.run.phases import BACKFILL, Standing
from tasks.core.settings.migration import Migration
from workflow import execution
from workflow.machine import Machine
from workflow.reading import read_status
from workflow.status import Status, duration

_KEPT = PROJECT_ROOT / "build" / "demo"
_INTERRUPTED = 130  # what a shell makes of Ctrl-C
_EXECUTION_SECONDS = 900.0
_AFTER_CUT_OVER_SECONDS = 3.0

_KINDS: dict[str, Callable[[str], Any]] = {"items": int, "segments": int, "writes_per_second": float, "seed": int}


@dataclass(frozen=True)
class Knobs:
    """What may be set from outside."""

    items: int = 28_000
    segments: int = 16
    writes_per_second: float = 100.0
    seed: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the knobs; what is not set, or empty as make hands it on, keeps its default.

        Raises:
            ValueError: one is no number.
        """
        given = {name: value for name in _KINDS if (value := environment.get(name.upper()))}
        return cls(**{name: _KINDS[name](value) for name, value in given.items()})


def main() -> int:
    """Run the demonstration and return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it in order, as Ctrl-C does
    knobs, console = Knobs.from_environment(os.environ), Console()
    console.print("starting the local AWS ...")
    with scratch_folder() as folder:
        try:
            with LocalAwsProcess(region=REGION, log=folder / "local-aws.log") as aws:
                succeeded = run(knobs, aws, folder / "journal.jsonl", console)
        except KeyboardInterrupt:
            return _INTERRUPTED
        except BaseException:
            _keep(folder, console)
            raise
        if not succeeded:
            _keep(folder, console)
    return 0 if succeeded else 1


def _keep(folder: Path, console: Console) -> None:
    shutil.rmtree(_KEPT, ignore_errors=True)
    shutil.copytree(folder, _KEPT)
    console.print(f"the application's journal and the log of the local AWS are kept in {_KEPT}", soft_wrap=True)


def run(knobs: Knobs, aws: LocalAwsProcess, journal_path: Path, console: Console) -> bool:
    """Load, migrate under writes, stop, compare; return whether all went well."""
    migration = migration_of_airports(segments=knobs.segments, approval="automatic")
    session = aws.session()
    started = time.monotonic()
    with journal.Journal(journal_path) as notes:
        loaded = load_airports(session, migration.source_table, items=knobs.items, seed=knobs.seed, notes=notes)
    console.print(f"loaded {loaded:,} airports in {duration(time.monotonic() - started)}")
    machine = Machine(deploy(session, migration).state_machine_arn)
    settings = Settings(
        source=migration.source_table,
        pointer=pointer_name(migration.migration),
        journal=str(journal_path),
        region=REGION,
        writes_per_second=knobs.writes_per_second,
        seed=knobs.seed,
    )
    with Application(settings, aws.environment()) as application:
        arn = execution.start(session, machine, {}, "demo")
        end = progress.follow(
            lambda previous: read_status(arn, previous, session=session),
            lambda: application.counted,
            console,
            timeout_seconds=_EXECUTION_SECONDS,
        )
        if end.state is Standing.DONE:
            time.sleep(_AFTER_CUT_OVER_SECONDS)  # it goes on writing to its new table
        counted = application.stop()
    _print_writes(console, counted, journal_path, end)
    if end.state is not Standing.DONE:
        return False
    late = end.course.document.late_writes
    overruled = 0 if late is None else late.overruled
    console.print(
        f"migration: of the backfill's items {end.inserted:,} inserted, {end.present:,} present already, "
        f"{end.rejected:,} rejected; of the late writes {overruled:,} batches overruled",
        highlight=False,
        soft_wrap=True,
    )
    comparison = judge(aws, migration, journal_path)
    console.print(comparison.table())
    for sample in comparison.samples():
        console.print(sample, highlight=False, soft_wrap=True)
    complaints = _complaints(counted, migration, overruled)
    for complaint in complaints:
        console.print(f"[bold red]{complaint}[/]")
    return comparison.equal and not complaints


def _print_writes(console: Console, counted: Counted, journal_path: Path, end: Status) -> None:
    """Say what the application did, in all and during the backfill."""
    console.print(progress.application_line(counted), highlight=False, soft_wrap=True)
    console.print(
        f"  accepted: {_listed(counted.accepted)}; errors: {_listed(counted.errors)}", highlight=False, soft_wrap=True
    )
    backfill = end.course.last_visit(BACKFILL)
    if backfill is not None and backfill.exited_at is not None:
        since, until = backfill.entered_at.timestamp() * 1000, backfill.exited_at.timestamp() * 1000
        during = Counter(
            entry.operation
            for entry in journal.read(journal_path)
            if entry.outcome == "accepted" and since <= entry.at < until
        )
        console.print(f"  while the backfill ran: {_listed(during)}", highlight=False, soft_wrap=True)


def _complaints(counted: Counted, migration: Migration, overruled: int) -> list[str]:
    """Return what the comparison does not tell: did the application's run prove anything, and was it never refused?"""
    complaints = [
        f"the application never wrote to {table}"
        for table in (migration.source_table, migration.target_table)
        if not counted.tables.get(table)
    ]
    if counted.refused:
        complaints.append(f"{counted.refused:,} writes of the application were refused")
    if overruled:
        complaints.append(f"{overruled:,} late writes were overruled by the target's own")
    return complaints


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"
