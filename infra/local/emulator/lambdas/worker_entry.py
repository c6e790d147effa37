"""What a Lambda worker's process runs: AWS's own runtime client, tied to the life of the host.

Started by path, never imported, so that it may not import anything of this project: a function must run from its zip
alone. Arguments: the host's process id, the handler.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def _die_with(host: int) -> None:
    """End this process when the host ends, even if the host was killed with no time to tell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:

        def watch() -> None:
            while os.getppid() == host:
                time.sleep(0.5)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
    # The host may have died before the line above took effect.
    if os.getppid() != host:
        os._exit(1)


def _run(handler: str) -> None:
    project = Path(__file__).resolve().parents[4]
    # An editable install would put the project on the path; on AWS it is not there either.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != project]
    from awslambdaric.__main__ import main  # noqa: PLC0415 — only once this process is bound to its host

    main(["awslambdaric", handler])


if __name__ == "__main__":
    _die_with(int(sys.argv[1]))
    _run(sys.argv[2])
