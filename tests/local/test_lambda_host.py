"""The local Lambda against the documented behaviour of AWS Lambda. Needs no engine: workers need only Python."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.local.lambda_in_tests import ACCOUNT, REGION, LambdaInTests, lambda_in_tests, until, zip_of
from tests.local.process_tree import is_running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.emulator.client import LocalAwsProcess

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[LambdaInTests]:
    with lambda_in_tests(tmp_path, max_workers=2) as served:
        yield served


def error_code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def in_parallel(aws: LambdaInTests, payloads: list[Any], started: int, go: str) -> list[Any]:
    """Invoke with all payloads at once, let them go when some have noted their start, return their answers."""
    with ThreadPoolExecutor(len(payloads)) as threads:
        answers = [threads.submit(aws.invoke, payload) for payload in payloads]
        until(lambda: len(aws.notes()) >= started)
        aws.let_go(go)
        return [answer.result() for answer in answers]


# What a function sees and gives back


def test_a_payload_reaches_the_function_and_its_answer_the_caller_unchanged(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return {'got': event}")
    payload = {"text": "grüße 🦆", "number": 12345678901234567890, "none": None, "list": [1.5, True, ""]}
    assert aws.invoke(payload) == {"got": payload}


def test_the_context_tells_function_and_remaining_time(aws: LambdaInTests) -> None:
    arn = aws.function(
        "def handler(event, context): return [context.invoked_function_arn, context.function_name, "
        "context.memory_limit_in_mb, context.get_remaining_time_in_millis(), context.aws_request_id]",
        MemorySize=256,
        Timeout=7,
    )
    answer = aws.client.invoke(FunctionName="f")
    told_arn, name, memory, remaining, request_id = json.loads(answer["Payload"].read())
    assert (told_arn, name, memory) == (arn, "f", "256")
    assert 5_000 < remaining <= 7_000
    assert request_id == answer["ResponseMetadata"]["RequestId"]


def test_a_worker_sees_its_zip_and_its_own_variables_but_nothing_of_the_host(
    aws: LambdaInTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the operator's")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    aws.function(
        """
def handler(event, context):
    import importlib.util
    return {"cwd": os.getcwd(), "env": dict(os.environ), "path": sys.path,
            "infra": importlib.util.find_spec("infra") is not None}
""",
        variables={"MINE": "yes"},
    )
    seen = aws.invoke()
    assert not seen["infra"]
    assert str(PROJECT) not in seen["path"]
    assert seen["path"][0] == seen["cwd"] == seen["env"]["LAMBDA_TASK_ROOT"]
    assert seen["env"]["MINE"] == "yes"
    assert seen["env"]["AWS_REGION"] == REGION
    assert seen["env"]["AWS_ACCESS_KEY_ID"] == "local"
    assert "AWS_PROFILE" not in seen["env"]
    assert "HOME" not in seen["env"]


# What goes wrong in a function


def test_a_custom_exception_keeps_its_class_name(aws: LambdaInTests) -> None:
    aws.function(
        "class SegmentPending(Exception): pass\ndef handler(event, context): raise SegmentPending('3 of 8')",
    )
    error = aws.error_of()
    assert (error["errorType"], error["errorMessage"]) == ("SegmentPending", "3 of 8")
    assert "raise SegmentPending" in error["stackTrace"][-1]


def test_a_very_long_stack_trace_does_not_lose_the_error(aws: LambdaInTests) -> None:
    # Its X-Ray cause travels in a header of hundreds of KB.
    aws.function("def handler(event, context): raise ValueError('x' * 300_000)")
    assert aws.error_of()["errorType"] == "ValueError"


@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        ("import no_such_module", "Runtime.ImportModuleError", "No module named 'no_such_module'"),
        ("handlr = None", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("class NoTable(Exception): pass\nraise NoTable('at import')", "NoTable", "at import"),
        ("os._exit(7)", "Runtime.ExitError", "Runtime exited with error: exit status 7"),
    ],
)
def test_an_init_error_is_the_answer_to_the_invocation(
    aws: LambdaInTests, source: str, error_type: str, message: str
) -> None:
    aws.function(source)
    for _ in range(2):
        error = aws.error_of()
        assert error["errorType"] == error_type
        assert message in error["errorMessage"]


def test_an_init_error_answers_everybody_who_waits(aws: LambdaInTests) -> None:
    aws.function("import no_such_module")
    with ThreadPoolExecutor(5) as threads:
        errors = [error.result() for error in [threads.submit(aws.error_of) for _ in range(5)]]
    assert {error["errorType"] for error in errors} == {"Runtime.ImportModuleError"}


def test_a_function_that_runs_too_long_is_killed_and_the_next_call_gets_a_new_worker(aws: LambdaInTests) -> None:
    aws.function(
        """
import subprocess
def handler(event, context):
    if event:
        child = subprocess.Popen(["sleep", "600"])
        note([os.getpid(), child.pid])
        time.sleep(600)
    return os.getpid()
""",
        Timeout=1,
    )
    error = aws.error_of(payload=1)
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    [[worker, child]] = aws.notes()
    until(lambda: not is_running(worker) and not is_running(child))
    assert "Task timed out after 1.00 seconds" in aws.host.logs("f")
    assert aws.invoke() != worker


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: SIGKILL"),
    ],
)
def test_a_crashed_worker_fails_its_invocation_only(aws: LambdaInTests, end: str, message: str) -> None:
    aws.function(f"def handler(event, context):\n    if event: {end}\n    return 'well'")
    assert aws.invoke() == "well"
    error = aws.error_of(payload=1)
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith(message)
    assert aws.invoke() == "well"


def test_an_answer_that_is_no_json_is_an_error(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return {1, 2}")
    assert aws.error_of()["errorType"] == "Runtime.MarshalError"


# Payload limits


def test_a_request_over_6_mb_is_refused(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return len(event)")
    largest = 6_291_456 - len('""')
    assert aws.invoke("x" * largest) == largest
    with pytest.raises(ClientError) as caught:
        aws.invoke("x" * (largest + 1))
    assert error_code(caught) == "RequestEntityTooLargeException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_an_answer_over_6_mb_is_an_error_and_the_function_lives_on(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return 'x' * event")
    assert aws.error_of(payload=6_291_556)["errorType"] == "Function.ResponseSizeTooLarge"
    assert aws.invoke(3) == "xxx"


def test_a_payload_that_is_no_json_is_refused(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return event")
    with pytest.raises(ClientError) as caught:
        aws.client.invoke(FunctionName="f", Payload=b"{")
    assert error_code(caught) == "InvalidRequestContentException"


def test_no_payload_is_an_empty_object(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return event")
    assert json.loads(aws.client.invoke(FunctionName="f")["Payload"].read()) == {}


# Workers: warm, parallel, limited


def test_a_worker_starts_with_the_first_invocation_and_is_reused_while_it_is_warm(aws: LambdaInTests) -> None:
    aws.function("note('start')\ncalls = 0\ndef handler(e, c):\n    global calls\n    calls += 1\n    return calls")
    assert aws.notes() == []
    assert [aws.invoke() for _ in range(3)] == [1, 2, 3]
    assert aws.notes() == ["start"]


def test_a_worker_that_died_while_idle_is_replaced(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return os.getpid()")
    first = aws.invoke()
    os.kill(first, signal.SIGKILL)
    # Its main thread may be gone before the others are; only when all are, the process has ended.
    until(lambda: not Path(f"/proc/{first}").exists())
    assert aws.invoke() != first


def test_a_worker_that_nobody_needs_does_not_stay_for_ever(tmp_path: Path) -> None:
    with lambda_in_tests(tmp_path, idle_seconds=0.5) as aws:
        aws.function("def handler(event, context): return os.getpid()")
        first = aws.invoke()
        assert aws.invoke() == first, "it is kept for a while"
        until(lambda: not is_running(first))
        assert aws.invoke() != first


def test_invocations_run_at_once_in_workers_of_their_own(aws: LambdaInTests) -> None:
    aws.function("def handler(e, c):\n    note('in')\n    wait_for('go')\n    return os.getpid()")
    pids = in_parallel(aws, [0, 1], started=2, go="go")
    assert len(set(pids)) == 2


def test_more_invocations_than_workers_wait_their_turn(aws: LambdaInTests) -> None:
    aws.function("def handler(e, c):\n    note('in')\n    wait_for('go')\n    return os.getpid()")
    pids = in_parallel(aws, list(range(7)), started=2, go="go")
    assert len(pids) == 7
    assert len(set(pids)) == 2


def test_beyond_the_reserved_concurrency_invocations_are_throttled(aws: LambdaInTests) -> None:
    aws.function("def handler(e, c):\n    note('in')\n    wait_for('go')\n    return 1")
    aws.client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    assert aws.client.get_function_concurrency(FunctionName="f")["ReservedConcurrentExecutions"] == 1
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(aws.invoke)
        until(aws.notes)
        with pytest.raises(ClientError) as caught:
            aws.invoke()
        assert error_code(caught) == "TooManyRequestsException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        reason = dict(caught.value.response)["Reason"]
        assert reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
        aws.let_go("go")
        assert first.result() == 1
    assert aws.invoke() == 1


def test_a_reserved_concurrency_of_zero_switches_a_function_off(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return 1")
    aws.client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        aws.invoke()
    assert error_code(caught) == "TooManyRequestsException"
    limit = aws.client.get_account_settings()["AccountLimit"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1000, 1000)
    aws.client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=40)
    assert aws.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 960
    aws.client.delete_function_concurrency(FunctionName="f")
    assert aws.invoke() == 1


@pytest.mark.parametrize("kind", ["Event", "DryRun"])
def test_an_invocation_that_would_not_bring_the_answer_is_refused_and_not_run(aws: LambdaInTests, kind: Any) -> None:  # noqa: ANN401 — one of boto3's literals
    aws.function("def handler(event, context): note(event)")
    with pytest.raises(ClientError) as caught:
        aws.client.invoke(FunctionName="f", InvocationType=kind, Payload=b'"not"')
    assert error_code(caught) == "InvalidParameterValueException"
    aws.invoke("real")
    assert aws.notes() == ["real"]


# Logs


def test_what_a_function_prints_can_be_read(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context):\n    print('to stdout')\n    print('to stderr', file=sys.stderr)")
    answer = aws.client.invoke(FunctionName="f", LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    for line in (f"START RequestId: {request_id} Version: $LATEST", "to stdout", "to stderr", "REPORT RequestId: "):
        assert line in tail
        assert line in aws.host.logs("f")


# The life of a function


def test_new_code_is_used_from_the_next_invocation_on_and_the_old_one_finishes(aws: LambdaInTests) -> None:
    aws.function("def handler(e, c):\n    note(os.getpid())\n    wait_for('go')\n    return 'old'")
    with ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(aws.invoke)
        [worker] = until(aws.notes)
        before = aws.client.get_function_configuration(FunctionName="f")
        after = aws.client.update_function_code(FunctionName="f", ZipFile=zip_of("def handler(e, c): return 'new'"))
        assert before["CodeSha256"] != after["CodeSha256"]
        assert before["RevisionId"] != after["RevisionId"]
        assert aws.invoke() == "new"
        aws.let_go("go")
        assert under_way.result() == "old"
    until(lambda: not is_running(worker))


def test_new_settings_are_used_from_the_next_invocation_on(aws: LambdaInTests) -> None:
    aws.function("def handler(e, c): return os.environ['LEVEL'] + str(c.memory_limit_in_mb)", variables={"LEVEL": "a"})
    assert aws.invoke() == "a128"
    aws.client.update_function_configuration(
        FunctionName="f", MemorySize=512, Environment={"Variables": {"LEVEL": "b", "NOTES": ""}}
    )
    assert aws.invoke() == "b512"
    told = aws.client.get_function(FunctionName="f")["Configuration"]
    assert (told["MemorySize"], told["Timeout"]) == (512, 20)


def test_a_deleted_function_is_gone_with_its_workers(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return os.getpid()")
    worker = aws.invoke()
    aws.client.delete_function(FunctionName="f")
    until(lambda: not is_running(worker))
    with pytest.raises(ClientError) as caught:
        aws.invoke()
    assert error_code(caught) == "ResourceNotFoundException"


def test_a_function_answers_to_each_form_of_its_name(aws: LambdaInTests) -> None:
    arn = aws.function("def handler(event, context): return 1")
    for name in ("f", "f:$LATEST", arn, f"{arn}:$LATEST", f"{ACCOUNT}:function:f", "function:f"):
        assert aws.invoke(name=name) == 1
        assert aws.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"] == arn


def test_boto3_finds_the_function_active(aws: LambdaInTests) -> None:
    aws.function("def handler(event, context): return 1")
    aws.client.get_waiter("function_active_v2").wait(FunctionName="f")
    aws.client.get_waiter("function_updated_v2").wait(FunctionName="f")


def test_functions_are_listed_page_by_page_and_region_by_region(aws: LambdaInTests) -> None:
    for name in ("c", "a", "b"):
        aws.function("def handler(event, context): return 1", name)
    pages = aws.client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    assert [[function["FunctionName"] for function in page["Functions"]] for page in pages] == [["a", "b"], ["c"]]
    aws.client.meta.events.register("before-sign.lambda", _sign_for_tokyo)
    assert aws.client.list_functions()["Functions"] == []


def _sign_for_tokyo(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's own request
    request.context["signing"] = {**request.context.get("signing", {}), "region": "ap-northeast-1"}


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"FunctionName": "f"}, "ResourceConflictException"),
        ({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException"),
        ({"Code": {"S3Bucket": "bucket", "S3Key": "k"}}, "InvalidParameterValueException"),
        ({"Timeout": 901}, "InvalidParameterValueException"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException"),
        ({"Environment": {"Variables": {"LONG": "x" * 4_096}}}, "InvalidParameterValueException"),
    ],
)
def test_what_aws_refuses_is_refused(aws: LambdaInTests, settings: dict[str, Any], code: str) -> None:
    aws.function("def handler(event, context): return 1")
    good = {"Role": "r", "Handler": "app.handler", "Runtime": "python3.12", "Code": {"ZipFile": zip_of("")}}
    with pytest.raises(ClientError) as caught:
        aws.client.create_function(**{"FunctionName": "g", **good, **settings})
    assert error_code(caught) == code


def test_a_damaged_package_does_not_pass_for_a_whole_one_when_it_comes_again(aws: LambdaInTests) -> None:
    damaged = zip_of("def handler(event, context): return 'whole'").replace(b"whole", b"whale")
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            aws.client.create_function(
                FunctionName="f", Role="r", Handler="app.handler", Runtime="python3.12", Code={"ZipFile": damaged}
            )
        assert error_code(caught) == "InvalidParameterValueException"


# Nothing stays behind


def test_no_worker_outlives_the_host(tmp_path: Path) -> None:
    with lambda_in_tests(tmp_path) as aws:
        aws.function("def handler(event, context): return os.getpid()")
        worker = aws.invoke()
        assert is_running(worker)
    until(lambda: not is_running(worker))


def test_a_worker_dies_with_a_host_that_is_killed(tmp_path: Path) -> None:
    host = textwrap.dedent(f"""
        import sys
        import threading
        from pathlib import Path
        sys.path.insert(0, {str(PROJECT)!r})
        from tests.local.lambda_in_tests import lambda_in_tests
        with lambda_in_tests(Path({str(tmp_path)!r})) as aws:
            aws.function("def handler(event, context):\\n    note(os.getpid())\\n    time.sleep(600)", Timeout=600)
            threading.Thread(target=aws.client.invoke, kwargs=dict(FunctionName="f"), daemon=True).start()
            sys.stdin.read()
    """)
    notes = tmp_path / "notes"
    with subprocess.Popen([sys.executable, "-c", host], stdin=subprocess.PIPE) as child:  # noqa: S603 - the text above
        until(lambda: notes.exists() and notes.read_text().endswith("\n"))
        worker = int(notes.read_text())
        assert is_running(worker)
        child.kill()
    until(lambda: not is_running(worker))


# With Step Functions, which finds Lambda behind the gateway


@pytest.mark.engines
def test_step_functions_catches_a_function_s_error_by_its_class_name(local_aws: LocalAwsProcess) -> None:
    functions, machines = local_aws.session().client("lambda"), local_aws.session().client("stepfunctions")
    source = "class TableRefused(Exception): pass\ndef handler(event, context): raise TableRefused('no stream')"
    arn = functions.create_function(
        FunctionName="refuses",
        Role=f"arn:aws:iam::{ACCOUNT}:role/test",
        Runtime="python3.12",
        Handler="app.handler",
        Code={"ZipFile": zip_of(source)},
    )["FunctionArn"]
    definition = {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": arn, "Payload.$": "$"},
                "Catch": [{"ErrorEquals": ["TableRefused"], "Next": "Caught"}],
                "End": True,
            },
            "Caught": {"Type": "Pass", "End": True},
        },
    }
    machine = machines.create_state_machine(
        name="catches", definition=json.dumps(definition), roleArn=f"arn:aws:iam::{ACCOUNT}:role/test"
    )["stateMachineArn"]
    execution = machines.start_execution(stateMachineArn=machine, name="one", input="{}")["executionArn"]
    ended = until(
        lambda: (told := machines.describe_execution(executionArn=execution))["status"] != "RUNNING" and told,
    )
    assert ended["status"] == "SUCCEEDED"
    caught = json.loads(ended["output"])
    assert caught["Error"] == "TableRefused"
    assert json.loads(caught["Cause"])["errorMessage"] == "no stream"
