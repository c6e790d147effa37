"""PyPI's dynamodump: its backup into files, and its restore from them into the target.

A script for the virtual environment that dynamodump has for itself: it pins a boto3 of its own, so nothing of this
project is imported here. Its own functions are called, as its `main` calls them; that one would first sleep a second
for each of 25 threads.
"""

import argparse
import datetime as dt
import json
import queue
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
from dynamodump import dynamodump


def main() -> None:
    task = json.loads(sys.argv[-1])
    client = boto3.client("dynamodb")
    with tempfile.TemporaryDirectory(dir=task["scratch"]) as folder:
        dynamodump.args = argparse.Namespace(
            dumpPath=folder, schemaOnly=False, dataOnly=True, skipThroughputUpdate=True
        )
        copy(client, task["warm"], task["warm_target"])
        cpu, clock = cpu_seconds(), time.perf_counter()
        copy(client, task["source"], task["target"])
        cpu, seconds = cpu_seconds() - cpu, time.perf_counter() - clock
        items = sum(len(json.loads(file.read_bytes())["Items"]) for file in dumped(folder, task["source"]))
    measured = {"items": items, "cpu_seconds": cpu, "seconds": seconds, "peak_bytes": peak_bytes(), "parts": {}}
    sys.stdout.write(json.dumps(measured) + "\n")
    sys.stdout.flush()


def copy(client: Any, source: str, target: str) -> None:  # noqa: ANN401 — boto3's own
    """Copy a table by way of files."""
    dynamodump.start_time = dt.datetime.now().replace(microsecond=0)  # noqa: DTZ005 — as its main does
    tables: queue.Queue[str | None] = queue.Queue()
    tables.put(source)
    tables.put(None)
    dynamodump.do_backup(client, None, table_queue=tables)
    dynamodump.do_restore(client, 1, source, target, None, "PAY_PER_REQUEST")


def dumped(folder: str, table: str) -> list[Path]:
    """Return the files that a table's items are in."""
    return sorted((Path(folder) / table / "data").glob("*.json"))


def cpu_seconds() -> float:
    """Return what this process has used so far, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_bytes() -> int:
    """Return the most memory that this process has held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
