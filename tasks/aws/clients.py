"""boto3 clients, made once per execution environment, and which of their errors pass by themselves."""

import functools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 — botocore's own name

from tasks.aws import measure
from tasks.core.errors import AwsUnavailable
from tasks.core.metrics import THROTTLES

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

CONNECTIONS_MOST = 32

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=3,
    read_timeout=15,
    max_pool_connections=CONNECTIONS_MOST,
    tcp_keepalive=True,
)

THROTTLED_CODES = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Error codes that say: too much."""

PASSING_CODES = THROTTLED_CODES | {
    "ExpiredIteratorException",
    "InternalFailure",
    "InternalServerError",
    "InternalServerErrorException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "RequestTimeout",
    "ResourceInUseException",
    "ServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TransactionConflict",
    "TransactionConflictException",
}
"""Error codes, of calls and of single statements, after which the same task may well succeed. An iterator that is too
old is one: the task takes a new one."""


@contextmanager
def passing_errors(doing: str) -> Iterator[None]:
    """Turn throttling and lost connections into `AwsUnavailable`, which the state machine retries.

    Args:
        doing: what was being done, for the message.

    Raises:
        AwsUnavailable: the error passes by itself. Every other error of AWS goes through as it is.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        if code in PASSING_CODES or status >= 500:  # noqa: PLR2004 — HTTP
            raise AwsUnavailable(f"{doing}: {code}; it is tried again, nothing is lost") from error
        raise
    except (ConnectionError, HTTPClientError) as error:
        raise AwsUnavailable(f"{doing}: {type(error).__name__}; it is tried again, nothing is lost") from error


def count_throttles(client: "DynamoDBClient | KinesisClient", operations: Iterable[str]) -> None:
    """Count every throttled answer to a client's calls of these operations, those too that boto3 itself tries again."""

    def count(response: tuple[object, dict[str, Any]] | None, **_: object) -> None:
        # `None` without an answer. What this returns decides on no retry: boto3's own handler does.
        if response is not None and response[1].get("Error", {}).get("Code") in THROTTLED_CODES:
            measure.add(THROTTLES)

    service = client.meta.service_model.service_id.hyphenize()
    for operation in operations:
        client.meta.events.register(f"needs-retry.{service}.{operation}", count)


def error_code(error: ClientError) -> str:
    """Return AWS's name of the error, such as `ResourceNotFoundException`."""
    return error.response["Error"]["Code"]


def own_region() -> str:
    """Return the Region that this function runs in."""
    return os.environ["AWS_REGION"]


def new_dynamodb(region: str | None = None) -> "DynamoDBClient":
    """Make a DynamoDB client of a Region, by default of the function's own."""
    return boto3.client("dynamodb", region_name=region, config=_CONFIG)


dynamodb = functools.cache(new_dynamodb)
"""The DynamoDB client of a Region, made once."""


@functools.cache
def dynamodb_streams() -> "DynamoDBStreamsClient":
    """Return the DynamoDB Streams client."""
    return boto3.client("dynamodbstreams", config=_CONFIG)


@functools.cache
def kinesis() -> "KinesisClient":
    """Return the Kinesis client."""
    client = boto3.client("kinesis", config=_CONFIG)
    count_throttles(client, ["PutRecords"])
    return client


@functools.cache
def lambda_() -> "LambdaClient":
    """Return the Lambda client."""
    return boto3.client("lambda", config=_CONFIG)


@functools.cache
def s3() -> "S3Client":
    """Return the S3 client."""
    return boto3.client("s3", config=_CONFIG)


@functools.cache
def ssm() -> "SSMClient":
    """Return the Systems Manager client."""
    return boto3.client("ssm", config=_CONFIG)


@functools.cache
def events() -> "EventBridgeClient":
    """Return the EventBridge client."""
    return boto3.client("events", config=_CONFIG)


@functools.cache
def stepfunctions() -> "SFNClient":
    """Return the Step Functions client."""
    return boto3.client("stepfunctions", config=_CONFIG)


def known_regions() -> frozenset[str]:
    """Return the Regions of this partition in which the installed SDK knows DynamoDB to be."""
    session = boto3.Session()
    partition = session.get_partition_for_region(own_region())
    return frozenset(session.get_available_regions("dynamodb", partition_name=partition))
