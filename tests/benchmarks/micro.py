"""What the pieces of the data path take, by pyperf: `python -m tests.benchmarks.micro`, as `measured` starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from infra.local.emulator.client import PROJECT_ROOT
from tasks.aws.dynamodb.target import WRITES_AT_ONCE, insert_statement, statements_body
from tasks.core.copy.page import encode_page, split_items, take_apart
from tests.benchmarks.canned import NullEngine
from tests.benchmarks.install import FOLDER, Installed
from tests.benchmarks.results import Micro
from tests.benchmarks.shapes import Shape, shape_of

TIMED: Final = (Shape("500 B"), Shape("1 KB", "many"), Shape("100 KB", "few", "noise"))
ITEMS: Final = 500
"""At most; a page's, where they are fewer."""
SWIFT: Final = ("--processes", "2", "--values", "5", "--warmups", "1", "--min-time", "0.05")
WITHIN_SECONDS: Final = 300.0


def measured(installed: Installed) -> list[Micro]:
    """Time the pieces, and return what they take."""
    with TemporaryDirectory(dir=FOLDER) as folder:
        path = str(Path(folder) / "micro.json")
        options = [*SWIFT, "--inherit-environ", "PYTHONPATH", "--quiet", "-o", path]
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.micro", *options],
            cwd=PROJECT_ROOT,
            env={**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}{os.pathsep}{installed.tools}"},
            check=True,
            timeout=WITHIN_SECONDS,
            stdout=subprocess.DEVNULL,
        )
        sys.path.append(str(installed.tools))
        import pyperf  # noqa: PLC0415 — it has just been installed

        suite = pyperf.BenchmarkSuite.load(path)
    found = []
    for benchmark in suite:
        name, _, shape = benchmark.get_name().rpartition(": ")
        found.append(Micro(name, shape, benchmark.mean() * 1e6, benchmark.stdev() * 1e6))
    return found


def pieces(shape: Shape) -> Iterator[tuple[str, Callable[[], Any], int]]:
    """Yield the pieces: a name, what is done, and for how many items."""
    items = shape.items(min(ITEMS, shape.items_a_page))
    count = len(items)
    body = NullEngine(shape).answer("Scan", json.dumps({"TableName": f"source-{count}"}).encode())
    page = take_apart(body)
    records = encode_page(page, run="bench", segment=0, number=0)
    texts = [item for record in records for item in split_items(record)]
    lots = [texts[start : start + WRITES_AT_ONCE] for start in range(0, count, WRITES_AT_ONCE)]

    def bodies() -> None:
        for lot in lots:
            statements_body([statement for item in lot if (statement := insert_statement("target", item))])

    yield "scan: find a page's items", lambda: take_apart(body), count
    yield "scan: compress and frame them", lambda: encode_page(page, run="bench", segment=0, number=0), count
    yield "write: take them out again", lambda: [split_items(record) for record in records], count
    yield "write: build statements of 25", bodies, count


def main() -> None:
    import pyperf  # noqa: PLC0415 — it is there only in the process that `measured` starts

    runner = pyperf.Runner()
    for shape in TIMED:
        for name, piece, count in pieces(shape_of(shape.name)):
            runner.bench_func(f"{name}: {shape.name}", piece, inner_loops=count)


if __name__ == "__main__":
    main()
