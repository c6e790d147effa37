import json
from collections.abc import Callable
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from tasks.core.errors import AwsUnavailable
from tests.workflow.recorded_histories import recorded, until, with_something_to_move
from workflow import execution
from workflow.execution import Events, approve, check_input, check_name, check_nothing_runs, deny, read_events
from workflow.machine import Machine
from workflow.refusals import CommandRefused, in_words

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:tableferry-orders"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-orders:first"


class InvalidToken(ClientError):  # noqa: N818 — boto3's name
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "InvalidToken", "Message": ""}}, "GetExecutionHistory")


class History:
    """Step Functions and DynamoDB, as far as an execution's history and its question go."""

    def __init__(self, pages: list[list[dict[str, Any]]], asking: str = EXECUTION) -> None:
        self.pages = pages
        self.asking = asking
        self.reads: list[str | None] = []
        self.answers: list[dict[str, Any]] = []
        self.expired = False
        self.exceptions = type("Exceptions", (), {"InvalidToken": InvalidToken})

    @property
    def session(self) -> boto3.Session:
        return cast("boto3.Session", self)

    def client(self, *_: object, **__: object) -> "History":
        return self

    def get_execution_history(self, *, nextToken: str | None = None, **_: object) -> dict[str, Any]:  # noqa: N803 — boto3's name
        self.reads.append(nextToken)
        if nextToken and self.expired:
            raise InvalidToken
        page = int(nextToken or 0)
        more = {"nextToken": str(page + 1)} if page + 1 < len(self.pages) else {}
        return {"events": self.pages[page], **more}

    def call(self, operation: str, _: bytes) -> bytes:
        assert operation == "GetItem"
        document = f'{{"execution_arn": "{self.asking}", "task_token": "the token"}}'
        return json.dumps({"Item": {"document": {"S": document}}}).encode()

    def send_task_success(self, **answer: str) -> None:
        self.answers.append(answer)

    def send_task_failure(self, **answer: str) -> None:
        self.answers.append(answer)


@pytest.fixture(autouse=True)
def no_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_wire", lambda session, _: session)


def numbered(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in numbers]


def ids(events: Events) -> list[int]:
    return [event["id"] for event in events.all]


def test_a_second_reading_reads_only_the_last_page_again() -> None:
    history = History([numbered(1, 2), numbered(3, 4), numbered(5)])
    first = read_events(history.session, EXECUTION)
    history.pages[2] = numbered(5, 6)
    history.pages.append(numbered(7))
    history.reads.clear()
    second = read_events(history.session, EXECUTION, first)
    assert (ids(first), ids(second)) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7])
    assert history.reads == ["2", "3"]


def test_a_page_token_that_expired_makes_the_history_be_read_from_its_beginning() -> None:
    history = History([numbered(1, 2), numbered(3)])
    first = read_events(history.session, EXECUTION)
    history.expired = True
    history.pages = [numbered(1, 2, 3, 4)]
    assert ids(read_events(history.session, EXECUTION, first)) == [1, 2, 3, 4]


def test_approval_hands_over_the_token_and_tells_the_proof() -> None:
    history = History([until(recorded("succeeded"), "TaskSubmitted")])
    proof, _ = approve(history.session, EXECUTION)
    assert history.answers == [{"taskToken": "the token", "output": "{}"}]
    assert proof is not None
    assert (proof.verdict, proof.source_items) == ("equal", 20)


def test_whoever_approves_is_told_what_falls_silent_at_the_source() -> None:
    trigger = "the trigger search-index reads the source's stream"
    events = until(with_something_to_move(recorded("succeeded"), trigger), "TaskSubmitted")
    _, to_move = approve(History([events]).session, EXECUTION)
    assert to_move == (trigger,)


def test_denial_hands_over_the_reason() -> None:
    history = History([until(recorded("succeeded"), "TaskSubmitted")])
    deny(history.session, EXECUTION, "not today")
    assert history.answers == [{"taskToken": "the token", "error": "ApprovalDenied", "cause": "not today"}]


@pytest.mark.parametrize("answer", [approve, lambda session, arn: deny(session, arn, "no")])
@pytest.mark.parametrize(
    ("events", "asking", "words"),
    [
        (recorded("succeeded"), EXECUTION, r"is over \(done\)"),
        (
            until(recorded("succeeded"), "TaskScheduled", "VerifySegment"),
            EXECUTION,
            "asks nothing now: it is in Verify",
        ),
        (until(recorded("succeeded"), "TaskScheduled", "ApproveCutOver"), EXECUTION, "asks nothing now"),
        (until(recorded("succeeded"), "TaskSubmitted"), f"{EXECUTION}-other", "is that of arn:.*-other, not of"),
        ([], EXECUTION, "in no state yet"),
    ],
    ids=["over", "not yet", "being asked", "another one asks", "just started"],
)
def test_a_question_that_is_not_asked_is_never_answered(
    events: list[dict[str, Any]], asking: str, words: str, answer: Callable[[boto3.Session, str], object]
) -> None:
    history = History([events], asking)
    with pytest.raises(CommandRefused, match=words):
        answer(history.session, EXECUTION)
    assert history.answers == []


def test_all_names_follow_from_the_state_machines() -> None:
    machine = Machine.of_execution(EXECUTION)
    assert machine == Machine.of(MACHINE)
    assert (machine.region, machine.migration, machine.control_table) == (
        "eu-west-1",
        "orders",
        "tableferry-orders-control",
    )


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("orders", "is no execution's ARN"),
        (MACHINE, "is no execution's ARN"),
        (EXECUTION.replace("tableferry-orders", "payroll"), "payroll is not one of tableferry's"),
        (EXECUTION.replace("tableferry-orders", "tableferry-orders/Backfill"), "one child of the Map Backfill"),
    ],
)
def test_an_arn_that_is_no_migrations_execution_is_refused_in_words(arn: str, words: str) -> None:
    with pytest.raises(CommandRefused, match=words):
        Machine.of_execution(arn)


@pytest.mark.parametrize("arn", ["tableferry-orders", EXECUTION, MACHINE.replace("tableferry-", "")])
def test_an_arn_that_is_no_migrations_state_machine_is_refused_in_words(arn: str) -> None:
    with pytest.raises(CommandRefused, match=r"is no state machine's ARN|is not one of tableferry's"):
        Machine.of(arn)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"quiet_seconds": 5}',
        '{"migration": "orders", "source_table": "orders", "target_table": "orders-2", "replica_regions": []}',
        '{"total_segments": null, "version_attribute": "updatedAt"}',
        '{"Comment": "Insert your JSON here"}',
        '{"Comment": "x", "quiet_seconds": 5, "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn"}',
    ],
)
def test_input_that_a_migration_may_have_is_taken(text: str) -> None:
    assert isinstance(check_input(text), dict)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "is a JSON array, which holds no settings"),
        ('"orders"', "is a JSON string, which holds no settings"),
        ("null", "is a JSON null, which holds no settings"),
        ('{"segments": 4}', "unknown field 'segments'; the fields are migration, "),
        ('{"approval": "required", "approval": "automatic"}', "the input has 'approval' twice; keep one of them"),
        ('{"total_segments": 0}', "^total_segments: Input should be greater than or equal to 1$"),
        (
            '{"max_concurrency": 0, "approval": "auto"}',
            "approval: Input should be 'required' or 'automatic'; max_concurrency: Input should be greater than",
        ),
        ('{"source_table": "or ders"}', "source_table: String should match"),
        ('{"source_table": "orders", "target_table": "orders"}', "are the same table; name another target"),
        ('{"resume_from": "yesterday\'s"}', "is no execution's ARN"),
    ],
)
def test_input_that_no_migration_has_is_refused_before_anything_starts(text: str, words: str) -> None:
    with pytest.raises(CommandRefused, match=words):
        check_input(text)


@pytest.mark.parametrize("name", [None, "2026-01-31T10-00-00Z", "again!", "x" * 80])
def test_a_name_that_step_functions_takes_is_taken(name: str | None) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bad name!", r"it has ' ', "),
        ("2026/11/29 10:00", r"it has ' ', '/', ':', "),
        ("a]b", r"it has '\]', "),
        ("a\\b", r"it has '\\\\', "),
        ("a\nb", r"it has '\\n', "),
        ("a\x85b", r"it has '\\x85', "),
        ("a\udc80b", r"it has '\\udc80', "),
        ("", "it has 0 characters, "),
        ("x" * 81, "it has 81 characters, "),
    ],
)
def test_a_name_that_step_functions_does_not_take_is_refused_before_anything_starts(name: str, why: str) -> None:
    with pytest.raises(CommandRefused, match=f"is no execution's name: {why}and Step Functions takes 1 to 80"):
        check_name(name)


def test_beside_a_running_execution_none_is_started_and_the_running_one_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = History([]).session
    monkeypatch.setattr(execution, "running_executions", lambda *_: [])
    check_nothing_runs(session, Machine(MACHINE))
    monkeypatch.setattr(execution, "running_executions", lambda *_: [EXECUTION])
    with pytest.raises(
        CommandRefused, match=rf"is running \({EXECUTION}\).* wait for it, or stop it first: `python -m"
    ):
        check_nothing_runs(session, Machine(MACHINE))


def answered(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "what AWS says."}}, "DescribeExecution")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError(), "no usable AWS credentials"),
        (NoRegionError(), "give --region, or set AWS_DEFAULT_REGION"),
        (EndpointConnectionError(endpoint_url="https://states.eu-nowhere-1.amazonaws.com"), "Region's name right"),
        (answered("ExpiredTokenException"), "does not accept the credentials .* sign in again"),
        (answered("AccessDeniedException"), "have that permission granted"),
        (answered("ExecutionDoesNotExist"), "Region, account and name must be right"),
        (answered("InvalidArn"), "copy the whole ARN"),
        (answered("TaskTimedOut"), "the question was taken back"),
        (AwsUnavailable("control table orders: 3 keys not read"), "orders: 3 keys not read$"),
        (answered("SomethingNew"), "SomethingNew: what AWS says; try again"),
    ],
)
def test_what_goes_wrong_with_aws_is_told_in_words_with_a_way_out(error: Exception, words: str) -> None:
    def call() -> None:
        with in_words("reading execution first"):
            raise error

    with pytest.raises(CommandRefused, match=f"^reading execution first: .*{words}"):
        call()
