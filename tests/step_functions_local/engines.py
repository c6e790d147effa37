"""Step Functions Local, twice: as a child process of the tests, and in a container. One interface for both."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest
from botocore.config import Config

from infra.local.emulator.client import ACCOUNT, FAKE_KEY, PROJECT_ROOT
from tests.step_functions_local.container import NoContainer, container_running

REGION = "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tableferry"
STOP_WITHIN_SECONDS = 10.0


@dataclass(frozen=True)
class StepFunctionsLocal:
    """One that runs."""

    name: str
    """As the summary of the tests shows it."""
    url: str
    client: Any = field(repr=False)


def environment(lambda_url: str, mock_file: str | None) -> dict[str, str]:
    """Return the variables that Step Functions Local is set by.

    Args:
        lambda_url: where it calls Lambda.
        mock_file: where it finds its mock configuration file.
    """
    variables = {
        "AWS_ACCOUNT_ID": ACCOUNT,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": FAKE_KEY,
        "AWS_SECRET_ACCESS_KEY": FAKE_KEY,
        "LAMBDA_ENDPOINT": lambda_url,
    }
    return variables if mock_file is None else {**variables, "SFN_MOCK_CONFIG": mock_file}


def client_of(url: str) -> Any:  # noqa: ANN401 - boto3's stubs have it only by its literal name
    """Return boto3's client of it; it does not try again, so that a test sees every answer."""
    return boto3.client(
        "stepfunctions",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=FAKE_KEY,
        aws_secret_access_key=FAKE_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )


@contextmanager
def embedded(lambda_url: str, mock_file: Path | None = None) -> Iterator[StepFunctionsLocal]:
    """Run moto's interpreter behind Step Functions Local's interface, as a child process."""
    with (
        tempfile.TemporaryFile("w+") as log,  # the interpreter tells each failed task at length
        subprocess.Popen(
            [sys.executable, "-m", "tests.step_functions_local.embedded_server", "--port", "0"],
            cwd=PROJECT_ROOT,
            env={**os.environ, **environment(lambda_url, None if mock_file is None else str(mock_file))},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as child,
    ):
        try:
            said = child.stdout.readline() if child.stdout else ""
            if "Starting server on port" not in said:
                code = child.wait()
                log.seek(0)
                raise RuntimeError(
                    f"the embedded Step Functions ended with code {code}; its log ends:\n{log.read()[-2000:]}"
                )
            url = f"http://127.0.0.1:{said.partition('port ')[2].split()[0]}"
            yield StepFunctionsLocal(f"embedded (moto {version('moto')})", url, client_of(url))
        finally:
            child.terminate()
            try:
                child.wait(STOP_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


@contextmanager
def contained(lambda_url: str, mock_file: Path | None = None) -> Iterator[StepFunctionsLocal]:
    """Run the image of Step Functions Local.

    Raises:
        NoContainer: there is no Docker, or no image.
    """

    def variables(lambda_url_there: str, mock_file_there: str | None) -> Mapping[str, str]:
        return environment(lambda_url_there, mock_file_there)

    with container_running(lambda_url, mock_file, variables, client_of) as (image, url):
        yield StepFunctionsLocal(f"container image {image}", url, client_of(url))


ENGINES: Mapping[str, Callable[[str, Path | None], AbstractContextManager[StepFunctionsLocal]]] = {
    "embedded": embedded,
    "container": contained,
}


@contextmanager
def engine_running(kind: str, lambda_url: str, mock_file: Path | None = None) -> Iterator[StepFunctionsLocal]:
    """Run one of ENGINES; where it cannot run, skip what needs it and say why."""
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(ENGINES[kind](lambda_url, mock_file))
        except NoContainer as reason:
            skip(reason)
        yield engine


def skip(reason: NoContainer) -> NoReturn:
    """Skip what needs the container, in words."""
    pytest.skip(f"Step Functions Local in a container: {reason}")
