"""Which of AWS's errors pass by themselves, and that AWS's own words reach whoever has to act."""

from collections.abc import Callable

import pytest
from botocore.exceptions import EndpointConnectionError, IncompleteReadError, NoRegionError, ParamValidationError

from tasks import replicate_changes, write_pages
from tasks.aws.books.record import Record
from tasks.aws.session.clients import translated_errors
from tasks.core.errors import AwsRefused, AwsUnavailable, QuotaReached
from tests.unit.aws_fakes import Context, FakeAws, client_error

SENTENCE = "Subscriber limit exceeded: There is a limit of 2500 tables per account."


def fail(code: str, operation: str, *, status: int = 400) -> None:
    error = client_error(code, SENTENCE, status)
    error.operation_name = operation
    with translated_errors("create_replicas"):
        raise error


@pytest.mark.parametrize("operation", ["CreateTable", "UpdateTable", "UpdateTimeToLive"])
def test_a_quota_that_lasts_is_not_asked_for_again_and_again_for_hours(operation: str) -> None:
    with pytest.raises(QuotaReached) as caught:
        fail("LimitExceededException", operation)
    assert f"AWS refuses {operation}: {SENTENCE.rstrip('.')}" in str(caught.value)
    assert "have that quota raised" in str(caught.value)


@pytest.mark.parametrize("operation", ["GetRecords", "DescribeStream", "GetShardIterator"])
def test_a_stream_that_was_read_too_often_is_only_throttled(operation: str) -> None:
    with pytest.raises(AwsUnavailable, match="LimitExceededException"):
        fail("LimitExceededException", operation)


@pytest.mark.parametrize("code", ["ThrottlingException", "KMSThrottlingException", "ResourceInUseException"])
def test_what_passes_by_itself_is_told_in_awss_own_words(code: str) -> None:
    with pytest.raises(AwsUnavailable, match=f"{code}: Subscriber limit exceeded"):
        fail(code, "PutRecords")


def test_words_that_nobody_knows_may_quote_an_item_and_are_not_told() -> None:
    with pytest.raises(AwsUnavailable) as caught:
        fail("SomethingNew", "PutItem", status=503)
    assert "Subscriber" not in str(caught.value)


@pytest.mark.parametrize("operation", ["CreateTable", "UpdateTable", "CreateEventSourceMapping", "PutParameter"])
def test_what_aws_refuses_for_good_comes_in_its_own_words_and_with_a_way_out(operation: str) -> None:
    with pytest.raises(AwsRefused) as caught:
        fail("ValidationException", operation)
    assert str(caught.value) == (
        f"create_replicas: AWS refuses {operation} with ValidationException: {SENTENCE.rstrip('.')}. "
        "Mend that; then redrive, if the execution has failed"
    )


@pytest.mark.parametrize("operation", ["Scan", "BatchWriteItem", "TransactWriteItems", "PutObject", "PutRecords"])
@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException"])
def test_what_aws_says_of_a_call_with_items_is_not_told(code: str, operation: str) -> None:
    with pytest.raises(AwsRefused) as caught:
        fail(code, operation)
    assert f"AWS refuses {operation} with {code} (its own words are kept back" in str(caught.value)
    assert "Subscriber" not in str(caught.value)


def test_of_a_denial_the_action_and_the_resource_are_told_and_nothing_else() -> None:
    error = client_error(
        "AccessDeniedException",
        "User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: dynamodb:Scan on resource: "
        "arn:aws:dynamodb:eu-central-1:123456789012:table/orders because of the item {secret}",
    )
    with pytest.raises(AwsRefused) as caught, translated_errors("scan_segment"):
        raise error
    assert "dynamodb:Scan on arn:aws:dynamodb:eu-central-1:123456789012:table/orders. Grant it" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), AwsUnavailable),
        (EndpointConnectionError(endpoint_url="https://kinesis"), AwsUnavailable),
        (ParamValidationError(report="Invalid type for secret"), AwsRefused),
        (NoRegionError(), AwsRefused),
    ],
)
def test_no_error_of_botos_own_goes_through_as_it_is(error: Exception, raised: type[Exception]) -> None:
    with pytest.raises(raised, match=type(error).__name__) as caught, translated_errors("scan_segment"):
        raise error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("driven", [write_pages.handler, replicate_changes.handler])
def test_what_a_stream_drives_says_refusals_in_words_too(
    monkeypatch: pytest.MonkeyPatch, driven: Callable[..., object]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise client_error("AccessDeniedException")

    FakeAws().install(monkeypatch)
    monkeypatch.setattr(Record, "required_plan", refuse)
    monkeypatch.setattr(Record, "required_rule", refuse)
    with pytest.raises(AwsRefused, match="AccessDeniedException"):
        driven({"Records": [{}]}, Context())


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        ("AccessDeniedException", "deploy again"),
        ("AccessDenied", "deploy again"),
        ("ResourceNotFoundException", "if it is the source or the target, restore it"),
    ],
)
def test_the_way_out_is_that_of_the_refusal(code: str, way_out: str) -> None:
    with pytest.raises(AwsRefused, match=way_out):
        fail(code, "DescribeTable")
