"""`python -m tests.benchmarks`, or `make bench`: copy by every copier, in turn, and write down what came of it.

Puts the tables into `docs/benchmarks.md`, and draws `docs/benchmarks-*.svg`. `--short` copies little, once, and writes
into `build/bench/` only, to see that all of it runs; `--report` writes the last run's results again.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from infra.install import DYNAMODB_LOCAL, KINESIS_LOCAL
from infra.local.emulator.client import PROJECT_ROOT, LocalAwsProcess
from tests.benchmarks import micro, on_local, on_null
from tests.benchmarks.engine_limit import LIMIT_SECONDS, Limit, limits
from tests.benchmarks.goals import MINUTES_MOST
from tests.benchmarks.install import COPY_DYNAMODB_TABLE, DYNAMODUMP, FOLDER, Installed, install
from tests.benchmarks.null_engine import null_engine
from tests.benchmarks.on_local import OnLocal
from tests.benchmarks.on_null import LeftOut, OnNull
from tests.benchmarks.report import placed, reached
from tests.benchmarks.results import KEPT_IN, Results
from tests.benchmarks.shapes import SHAPES, Shape

DOCS = PROJECT_ROOT / "docs"
ROUNDS = 3
HOSTILE_ROUNDS = 2
"""Whether a copy is exact does not vary, and this table says nothing of a rate."""
LIVE_ROUNDS = 3
SHAPES_SECONDS = 230.0
LIVE_BEFORE_SECONDS = 600.0
"""So long after the beginning a third round ends for the one, and is begun for the other, at the latest. The growth
comes last: four minutes of it are ten million items that our writer writes, which say more than a third round."""
RESERVED_SECONDS = 30.0
"""The growth takes what is left of the time but for this."""
SHORT_SHAPES = (Shape("500 B"), Shape("400 KB", "many", "noise"))
ResultT = TypeVar("ResultT")


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="copy little, once")
    parser.add_argument("--report", action="store_true", help="write the last run's results again")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    begun = time.monotonic()
    installed = install()
    results = Results.load() if asked.report else _measured(installed, console, begun, is_short=asked.short)
    for line in reached(results):
        console.print(line)
    if not asked.short:
        _write_down(results, installed, console)
    return 0


def _write_down(results: Results, installed: Installed, console: Console) -> None:
    document = DOCS / "benchmarks.md"
    document.write_text(placed(document.read_text(encoding="utf-8"), results), encoding="utf-8")
    console.print(f"written: {document}")
    sys.path.append(str(installed.tools))
    from tests.benchmarks.draw import draw  # noqa: PLC0415 — only now: it imports what has just been installed

    for path in draw(results, DOCS):
        console.print(f"drawn: {path}")


def _measured(installed: Installed, console: Console, begun: float, *, is_short: bool) -> Results:
    results = Results(machine=_machine(installed))
    rounds, live_rounds = (1, 1) if is_short else (ROUNDS, LIVE_ROUNDS)
    shapes = SHORT_SHAPES if is_short else SHAPES
    most = on_null.GROWTH[0 if is_short else -1]
    plain_items = 1000 if is_short else on_local.PLAIN_ITEMS
    kept_in = FOLDER / "short.json" if is_short else KEPT_IN

    def passed() -> float:
        return time.monotonic() - begun

    def seconds_left() -> float:
        return MINUTES_MOST * 60 - RESERVED_SECONDS - passed()

    def told(results: Iterable[ResultT], tell: Callable[[ResultT], str]) -> list[ResultT]:
        kept = []
        for result in results:
            console.print(f"{passed():6.0f} s  {tell(result)}", highlight=False)
            kept.append(result)
        return kept

    with null_engine() as engine:
        copies = on_null.every_shape(
            engine, installed, rounds=rounds, has_time=lambda: passed() < SHAPES_SECONDS, shapes=shapes
        )
        results.shapes = told(copies, _of_shape)
        results.besides = told(on_null.besides(engine, installed, rounds=rounds), _of_sides)
    results.save(kept_in)
    with LocalAwsProcess() as aws:
        tables = on_local.LocalTables(aws)
        results.limits = told(limits(tables, seconds=0.2 if is_short else LIMIT_SECONDS), _of_limit)
        results.local = told(on_local.counted(tables, installed), _of_local)
        results.local += told(on_local.at_rest(tables, installed, rounds=min(rounds, HOSTILE_ROUNDS)), _of_local)
    with LocalAwsProcess() as aws:
        tables = on_local.LocalTables(aws)
        results.local += told(on_local.at_rest_plain(tables, installed, rounds=rounds, items=plain_items), _of_local)
    results.save(kept_in)
    live = on_local.live(installed, rounds=live_rounds, has_time=lambda: passed() < LIVE_BEFORE_SECONDS)
    results.local += told(live, _of_local)
    results.save(kept_in)
    console.print(f"{passed():6.0f} s  the pieces of the data path, by pyperf", highlight=False)
    results.micro = micro.measured(installed)
    results.save(kept_in)
    with null_engine() as engine:
        points = told(on_null.growth(engine, installed, seconds_left=seconds_left, most=most), _of_growth)
    results.growth = [point for point in points if isinstance(point, OnNull)]
    results.left_out = [point for point in points if isinstance(point, LeftOut)]
    results.machine["took"] = f"{passed() / 60:.1f} minutes"
    results.machine["load average at the end"] = _load()
    results.save(kept_in)
    return results


def _of_shape(copy: OnNull) -> str:
    measured = copy.measured
    return (
        f"{copy.shape.name}: {copy.copier}: {measured.cpu_microseconds_an_item:,.1f} CPU µs an item, "
        f"{measured.items_a_second:,.0f} items/s, {measured.peak_bytes >> 20} MB"
        f"{'' if copy.is_exact else ', NOT EXACT'}"
    )


def _of_sides(copy: OnNull) -> str:
    return f"{copy.measured.items:,} items, {copy.sides}: {_of_shape(copy)}"


def _of_growth(point: OnNull | LeftOut) -> str:
    if isinstance(point, LeftOut):
        return f"{point.items:,} items, {point.sides}: {point.copier}: left out: {point.seconds:,.0f} s"
    return _of_sides(point)


def _of_limit(limit: Limit) -> str:
    return f"{limit.way}, {limit.shape}, {limit.lanes} side by side: {limit.items_a_second:,.0f} items/s"


def _of_local(copy: OnLocal) -> str:
    how = f"{copy.writes} writes meanwhile" if copy.is_live else f"at rest, {copy.table}"
    if copy.measured:
        how += f", {copy.measured.items_a_second:,.0f} items/s"
    told = copy.verdict.in_words() if copy.verdict else f"failed: {copy.failed}"
    return f"{copy.copier}, {how}: {told}, {copy.seconds:.0f} s"


def _machine(installed: Installed) -> dict[str, str]:
    """Return what it is measured on, and with."""
    node = [str(installed.node), "--version"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {memory / 2**30:.0f} GB, {platform.system()} "
        f"{platform.release()}",
        "versions": f"Python {platform.python_version()}, boto3 {version('boto3')}, botocore {version('botocore')}, "
        f"{DYNAMODUMP.replace('==', ' ')}, {COPY_DYNAMODB_TABLE.replace('@', ' ')} on Node.js {_said(node)}",
        "engines": f"DynamoDB Local of {DYNAMODB_LOCAL.package} {DYNAMODB_LOCAL.version}, "
        f"{KINESIS_LOCAL.package} {KINESIS_LOCAL.version}",
        "load average at the beginning": _load(),
    }


def _commit() -> str:
    """Return the commit that is measured, and whether anything of it was changed since."""
    return _said(["git", "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty"]) or "none: this is no clone"


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} over the last minute"


if __name__ == "__main__":
    sys.exit(main())
