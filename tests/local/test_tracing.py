"""Tracing on this machine: off, for a worker looks like Lambda and has no daemon to send to."""

import subprocess
import sys

from infra.local.emulator.lambdas.lambda_function import LambdaFunction
from infra.local.emulator.lambdas.lambda_worker import worker_environment
from tests.contract.call_graph import ROOT

IS_TRACED = (
    "from tasks.aws.session.trace import tracer; import sys; print(tracer() is not None, 'aws_xray_sdk' in sys.modules)"
)


def is_traced(environment: dict[str, str]) -> bool:
    """Whether a function with this environment traces; if it does not, X-Ray's SDK must not be in its way."""
    done = subprocess.run(  # noqa: S603 — our own interpreter and text
        [sys.executable, "-P", "-c", IS_TRACED], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    traced, loaded = done.stdout.split()
    assert traced == loaded
    return traced == "True"


def test_no_worker_traces_to_a_daemon_that_is_not_there() -> None:
    function = LambdaFunction(
        "f", "eu-west-1", "123456789012", "tasks.f.handler", "python3.13", "arn", code_folder=ROOT
    )
    environment = worker_environment(function, "http://127.0.0.1:1", "127.0.0.1:2", "worker-1")
    assert not is_traced(environment)
    on_aws = {**environment, "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000"}
    assert is_traced(on_aws)
    assert not is_traced({**on_aws, "POWERTOOLS_TRACE_DISABLED": "true"})
