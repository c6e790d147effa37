"""Runs the local AWS as a child process, and makes boto3 sessions for it: what the demo and the tests use.

`with LocalAwsProcess() as aws: aws.session("eu-west-1").client("dynamodb").list_tables()`
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

import boto3

PROJECT_ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "123456789012"
DEFAULT_REGION = "eu-west-1"
FAKE_KEY = "local"  # nobody checks it; both halves of the credentials
READY_WITHIN_SECONDS = 90.0
STOP_WITHIN_SECONDS = 15.0


class LocalAwsFailed(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """The local AWS did not start, or is gone; the message carries what it last said."""


class LocalSession(boto3.Session):
    """A boto3 session whose clients and resources talk to one endpoint unless told otherwise."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        super().__init__(aws_access_key_id=FAKE_KEY, aws_secret_access_key=FAKE_KEY, region_name=region)
        self._endpoint_url = endpoint_url

    # One signature in place of the stubs' four hundred overloads, hence the ignores.
    def client(self, service_name: str, **arguments: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 — see above
        """Return a client of the local AWS."""
        return super().client(service_name, **{"endpoint_url": self._endpoint_url, **arguments})  # type: ignore[call-overload]

    def resource(self, service_name: str, **arguments: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 — see above
        """Return a resource of the local AWS."""
        return super().resource(service_name, **{"endpoint_url": self._endpoint_url, **arguments})  # type: ignore[call-overload]


def environment(endpoint_url: str, region: str = DEFAULT_REGION) -> dict[str, str]:
    """Return the variables by which any AWS SDK or command line finds the local AWS, and nothing of its user's."""
    return {
        "AWS_ACCESS_KEY_ID": FAKE_KEY,
        "AWS_SECRET_ACCESS_KEY": FAKE_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class LocalAwsProcess:
    """The local AWS in a child process, for the time of a `with` block.

    Args:
        region: the default region of `environment()` and `session()`.
        log: where its log goes; by default a temporary file that is shown when it fails and removed in the end.
        options: further arguments of `python -m infra.local.emulator serve`.
    """

    def __init__(self, *, region: str = DEFAULT_REGION, log: Path | None = None, options: tuple[str, ...] = ()) -> None:
        self.region = region
        self.endpoint_url = ""
        self._options = options
        self._log_path = log
        self._log: IO[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The serving process."""
        return self._running().pid

    def start(self) -> None:
        """Start it and wait until it serves.

        Raises:
            LocalAwsFailed: it ended or stayed silent.
        """
        # Open as long as the child runs; `stop` closes it.
        self._log = self._log_path.open("w+b") if self._log_path else tempfile.TemporaryFile()  # noqa: SIM115 — see above
        self._child = subprocess.Popen(
            [sys.executable, "-m", "infra.local.emulator", "serve", "--region", self.region, *self._options],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,  # its end is how the child learns that we are gone
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C goes to us, and we stop it in order
        )
        try:
            self.endpoint_url = json.loads(self._ready_line())["endpoint_url"]
        except BaseException:
            self.stop()
            raise

    def environment(self, region: str | None = None) -> dict[str, str]:
        """Return the variables for a child process that is to use this local AWS; lay them over its other ones."""
        return environment(self.endpoint_url, region or self.region)

    def session(self, region: str | None = None) -> LocalSession:
        """Return a boto3 session of one region whose clients use this local AWS."""
        return LocalSession(self.endpoint_url, region or self.region)

    def lose_item(self, table: str, region: str, key: dict[str, Any]) -> None:
        """Let one replica of a global table lose an item, which AWS promises never to do.

        Args:
            table: its name.
            region: of the replica.
            key: in typed JSON.
        """
        lost = json.dumps({"table": table, "region": region, "key": key}).encode()
        call = urllib.request.Request(f"{self.endpoint_url}/_tableferry/lost-items", data=lost, method="POST")  # noqa: S310 — our own http address
        urllib.request.urlopen(call, timeout=READY_WITHIN_SECONDS).close()  # noqa: S310 — our own http address

    def wait(self) -> NoReturn:
        """Wait as long as it runs.

        Raises:
            LocalAwsFailed: it ended, which it does not do by itself.
        """
        code = self._running().wait()
        raise LocalAwsFailed(f"the local AWS ended with code {code}; its log ends:\n{self._log_end()}")

    def stop(self) -> None:
        """Stop it and everything it started; doing so again does nothing."""
        child, self._child = self._child, None
        if child is not None:
            if child.stdin:
                child.stdin.close()
            for number in (None, signal.SIGTERM, signal.SIGKILL):
                if number is not None:
                    child.send_signal(number)
                try:
                    child.wait(STOP_WITHIN_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
            if child.stdout:
                child.stdout.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise LocalAwsFailed("the local AWS is not running; use it inside its `with` block")
        return self._child

    def _ready_line(self) -> bytes:
        child = self._running()
        if child.stdout is None:
            raise LocalAwsFailed("the local AWS has no standard output to report on")
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(child.stdout.fileno(), 65536) if readable else b""
            if not part:
                why = "it ended" if readable else f"it was silent for {READY_WITHIN_SECONDS:.0f} s"
                raise LocalAwsFailed(f"the local AWS did not start: {why}; its log ends:\n{self._log_end()}")
            line += part
        return line

    def _log_end(self) -> str:
        if self._log is None:
            return ""
        self._log.flush()
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")[-4000:].strip()
