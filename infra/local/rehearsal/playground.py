"""`python -m infra.local.rehearsal.playground`, or `make local`: a local AWS with a migration, to be used by hand.

It loads a table, says how to start its migration, to watch it and to answer its question, and stays until Ctrl-C.
ITEMS in the environment is the size of the table.
"""

import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from infra.local.emulator.client import PROJECT_ROOT, LocalAwsFailed, LocalAwsProcess
from infra.local.rehearsal.deploy import Deployment, deploy
from infra.local.rehearsal.scene import REGION, load_airports, migration_of_airports

ITEMS = 2000
SEGMENTS = 8
SEED = 1
_ENDS = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Serve until Ctrl-C, and return the exit code."""
    for number in _ENDS:
        signal.signal(number, _end)
    items = int(os.environ.get("ITEMS") or ITEMS)  # make hands on an empty one
    try:
        with LocalAwsProcess(region=REGION) as aws:
            migration = migration_of_airports(segments=SEGMENTS, approval="required")
            loaded = load_airports(aws.session(), migration.source_table, items=items, seed=SEED)
            print(instructions(aws, deploy(aws.session(), migration), loaded), flush=True)
            aws.wait()
    except LocalAwsFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    """Stop in order; whoever is impatient and presses Ctrl-C again does not disturb that."""
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def instructions(aws: LocalAwsProcess, deployment: Deployment, items: int) -> str:
    """Return what there is, and the commands that use it."""
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in aws.environment().items())
    by_aws = "aws stepfunctions start-execution"
    ours, which = f"{_python()} -m workflow", f"--migration {deployment.migration}"
    return f"""\
The local AWS is at {aws.endpoint_url}, with a table of {items:,} items and its migration deployed:
{deployment.state_machine_arn}

In another terminal, in {PROJECT_ROOT}, let every AWS command and SDK find it:

  export {exports}

Start the migration, by AWS's command line or by tableferry's:

  {by_aws} --state-machine-arn {deployment.state_machine_arn} --name first --input '{{}}'
  {ours} start {which}

Watch it, and approve the cut-over when it asks:

  {ours} status --watch {which}
  {ours} approve {which}

Ctrl-C here ends it all, and nothing of it is kept."""


def _python() -> str:
    """Return the running interpreter as one types it in the project's folder."""
    python = Path(sys.executable)
    return shlex.quote(str(python.relative_to(PROJECT_ROOT) if python.is_relative_to(PROJECT_ROOT) else python))


if __name__ == "__main__":
    sys.exit(main())
