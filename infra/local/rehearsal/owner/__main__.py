"""The application's process: several writers who own the table. Started by `infra.local.rehearsal.owner.application`.

It takes its settings as one argument of JSON, prints one line of counts when it is ready, one a second and one at its
end, and stops when its standard input ends, that is also when its parent dies. The journal is its memory: started again
on the same one, it goes on where it stood.
"""

import json
import os
import random
import select
import signal
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.config import Config

from infra.local.rehearsal.owner import airports, journal
from infra.local.rehearsal.owner.application import Settings
from infra.local.rehearsal.owner.holdings import Holdings, Key, Known
from infra.local.rehearsal.owner.pointer import Pointer
from infra.local.rehearsal.owner.wire import Wire
from infra.local.rehearsal.owner.writer import FOR_EVER, Counts, Writer

_REPORT_SECONDS = 1.0
_LAST_WRITES_SECONDS = 30.0
_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})


def main(argument: str) -> int:
    """Run until standard input ends; return 1 if a writer failed."""
    # Ctrl-C reaches every process of the terminal; this one ends when its parent closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings(**json.loads(argument))
    session = boto3.Session(region_name=settings.region)
    wire = Wire(session)
    pointer = Pointer(session.client("ssm", config=_CONFIG), settings.pointer, settings.source)
    path, counts, stop = Path(settings.journal), Counts(), threading.Event()
    failures: list[BaseException] = []

    def run(writer: Writer) -> None:
        try:
            writer.run(settings.writers / settings.writes_per_second)
        except BaseException as error:  # whatever it was, the application is not whole any more and must say so
            failures.append(error)
            stop.set()
            raise

    with journal.Journal(path) as notes:
        writers = [
            Writer(wire, pointer, holdings, notes, counts, random.Random(f"{settings.seed}/{number}"), stop)
            for number, holdings in enumerate(_deal_out(path, settings.writers))
        ]
        threads = [threading.Thread(target=run, args=(writer,), daemon=True) for writer in writers]
        started = time.monotonic()
        print(counts.line(0.0), flush=True)
        for thread in threads:
            thread.start()
        while not stop.is_set() and not _standard_input_ended(_REPORT_SECONDS):
            print(counts.line(time.monotonic() - started), flush=True)
        stop.set()
        deadline = time.monotonic() + _LAST_WRITES_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        print(counts.line(time.monotonic() - started), flush=True)
    return 1 if failures or any(thread.is_alive() for thread in threads) else 0


def _standard_input_ended(wait_seconds: float) -> bool:
    """Wait for the end of standard input; anything written to it is ignored."""
    readable, _, _ = select.select([0], [], [], wait_seconds)
    return bool(readable) and not os.read(0, 1024)


def _deal_out(path: Path, writers: int) -> Sequence[Holdings]:
    """Return each writer's holdings as the journal tells them."""
    dealt = [
        Holdings([row for row in airports.rows() if _writer_of(row["icao"], writers) == number])
        for number in range(writers)
    ]
    unsettled: set[Key] = set()
    for entry in journal.read(path):
        key = (entry.key["icao"]["S"], int(entry.key["cycle"]["N"]))
        (unsettled.add if entry.outcome == "uncertain" else unsettled.discard)(key)
        if entry.outcome == "accepted":
            image = None if entry.image is None else json.dumps(entry.image, separators=(",", ":")).encode()
            updated_at = entry.at if entry.image is None else int(entry.image["updatedAt"]["N"])
            dealt[_writer_of(key[0], writers)].note(key, Known(image, updated_at, entry.table, 0.0))
    for key in unsettled:
        dealt[_writer_of(key[0], writers)].rest(key, FOR_EVER)
    return dealt


def _writer_of(icao: str, writers: int) -> int:
    """Return the number of the writer who owns an airport's items."""
    return zlib.crc32(icao.encode()) % writers


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
