"""boto3 clients, made once per execution environment, and which of their errors pass by themselves."""

import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 — botocore's own name
    HTTPClientError,
    IncompleteReadError,
)
from botocore.httpsession import get_cert_path

from tasks.core.errors import AwsRefused, AwsUnavailable, QuotaReached
from tasks.core.model.table_ref import TableAddress

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient


class CloudWatchClient(Protocol):
    """As much of it as is used: one call needs no stubs of its own."""

    def get_paginator(self, operation_name: str, /) -> Any:  # noqa: ANN401 — as boto3 has it
        """Return what brings all answers of a call."""


CONNECTIONS_MOST = 32

TRIES_OF_A_CALL = 6
CONNECT_SECONDS = 3
READ_SECONDS = 15

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": TRIES_OF_A_CALL},
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    max_pool_connections=CONNECTIONS_MOST,
    tcp_keepalive=True,
)

THROTTLED_CODES = frozenset(
    {
        "KMSThrottlingException",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Error codes that say: too much."""

TRANSIENT_CODES = THROTTLED_CODES | {
    "ExpiredIteratorException",
    "InternalFailure",
    "InternalServerError",
    "InternalServerErrorException",
    "PriorRequestNotComplete",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ResourceConflictException",
    "ResourceInUseException",
    "ServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "TooManyUpdates",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
}
"""Error codes, of calls and of single statements, after which the same task may well succeed. An iterator that is too
old is one: the task takes a new one."""

LIMIT_CODE = "LimitExceededException"
THROTTLED_BY_LIMIT = frozenset({"DescribeStream", "GetRecords", "GetShardIterator"})
"""Calls of DynamoDB Streams, which says by LIMIT_CODE that there were too many of them. Of every other call it means a
quota of the account: some are free again in a minute, others only once somebody raises them."""

ABOUT_NO_ITEM = frozenset(
    {
        "CreateEventSourceMapping",
        "CreateTable",
        "DeleteEventSourceMapping",
        "DescribeExecution",
        "DescribeKinesisStreamingDestination",
        "DescribeLimits",
        "DescribeStream",
        "DescribeStreamSummary",
        "DescribeTable",
        "DescribeTimeToLive",
        "GetAccountSettings",
        "GetExecutionHistory",
        "GetMetricData",
        "GetParameter",
        "GetRecords",
        "GetShardIterator",
        "ListEventSourceMappings",
        "ListExecutions",
        "ListObjectsV2",
        "ListShards",
        "PutParameter",
        "TagResource",
        "UpdateEventSourceMapping",
        "UpdateTable",
        "UpdateTimeToLive",
    }
)
"""Calls whose requests have no item and no key: what AWS says of them can be repeated. Of every other call only the
code is, since AWS may quote what it was given."""

WAYS_OUT = {
    "AccessDenied": "Grant it: roles come with the deployment, so deploy again, and find out what had changed",
    "NoSuchBucket": "The bucket of the migration is gone: deploy again",
    "ResourceNotFoundException": (
        "If it is the migration's own (its control table, the stream of pages, a function) deploy again; if it is the "
        "source or the target, restore it"
    ),
}
WAYS_OUT["AccessDeniedException"] = WAYS_OUT["AccessDenied"]
"""By error code."""

_DENIED = re.compile(r"perform: ([a-z0-9-]+:[A-Za-z]+)(?: on resource: (arn:[\w:/.-]+))?")
"""What IAM says in a denial, and no more of it: the action, and the ARN of what it is about."""


@contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Turn throttling and lost connections into `AwsUnavailable`, which the state machine retries.

    Args:
        doing: what was being done, for the message.

    Raises:
        AwsUnavailable: the error passes by itself.
        QuotaReached: a quota is used up.
        AwsRefused: AWS refuses the call until something is mended, in its own words where they cannot quote an item;
            or boto3 could not make it.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        if code == LIMIT_CODE and error.operation_name not in THROTTLED_BY_LIMIT:
            raise QuotaReached(
                f"{doing}: AWS refuses {error.operation_name}: {_said(error)}; nothing is lost. It is tried again for "
                "half an hour, since some quotas are free again by themselves; if it lasts, have that quota raised "
                "(Service Quotas), then redrive"
            ) from error
        if code in TRANSIENT_CODES or code == LIMIT_CODE:
            # What AWS says with these codes is about rates and states, never about an item.
            raise AwsUnavailable(f"{doing}: {code}: {_said(error)}; it is tried again, nothing is lost") from error
        if status >= 500 or status == 429:  # noqa: PLR2004 — HTTP
            raise AwsUnavailable(f"{doing}: {code}; it is tried again, nothing is lost") from error
        raise AwsRefused(
            f"{doing}: AWS refuses {error.operation_name} with {code}{_told(error)}. "
            f"{WAYS_OUT.get(code, 'Mend that')}; then redrive, if the execution has failed"
        ) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise AwsUnavailable(f"{doing}: {type(error).__name__}; it is tried again, nothing is lost") from error
    except BotoCoreError as error:
        # Its message may have the parameters of the call in it.
        raise AwsRefused(
            f"{doing}: boto3 could not make a call ({type(error).__name__}); look at the function's settings and code, "
            "then redrive, if the execution has failed"
        ) from error


def _told(error: ClientError) -> str:
    """Return what may be repeated of AWS's sentence, as the end of ours."""
    if error.operation_name in ABOUT_NO_ITEM:
        return f": {_said(error)}"
    if denied := _DENIED.search(error.response["Error"].get("Message", "")):
        return f": {' on '.join(filter(None, denied.groups()))}"
    return " (its own words are kept back: they may quote an item)"


def _said(error: ClientError) -> str:
    return error.response["Error"].get("Message", "").strip().rstrip(".") or "it does not say why"


def error_code(error: ClientError) -> str:
    """Return AWS's name of the error, such as `ResourceNotFoundException`."""
    return error.response["Error"]["Code"]


def credentials() -> "Credentials | None":
    """Return the credentials that the clients here are made with, `None` where boto3 finds none."""
    return (boto3.DEFAULT_SESSION or boto3.Session()).get_credentials()


def trusted_certificates() -> str:
    """Return the file of those that boto3 trusts: that of its configuration or of the environment, or its own."""
    configured = botocore.session.Session().get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return str(configured or get_cert_path(verify=True))


def own_region() -> str:
    """Return the Region that this function runs in."""
    return os.environ["AWS_REGION"]


@functools.cache
def dynamodb(region: str | None = None) -> "DynamoDBClient":
    """Return the DynamoDB client of a Region, by default of the function's own."""
    return boto3.client("dynamodb", region_name=region, config=_CONFIG)


def dynamodb_of(table: TableAddress) -> "DynamoDBClient":
    """Return the client for a table, made once for its Region."""
    return dynamodb(table.region)


@functools.cache
def dynamodb_streams() -> "DynamoDBStreamsClient":
    """Return the DynamoDB Streams client."""
    return boto3.client("dynamodbstreams", config=_CONFIG)


@functools.cache
def kinesis() -> "KinesisClient":
    """Return the Kinesis client."""
    return boto3.client("kinesis", config=_CONFIG)


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
def cloudwatch() -> CloudWatchClient:
    """Return the CloudWatch client."""
    client: CloudWatchClient = boto3.client("cloudwatch", config=_CONFIG)
    return client


@functools.cache
def stepfunctions() -> "SFNClient":
    """Return the Step Functions client."""
    return boto3.client("stepfunctions", config=_CONFIG)


def known_regions() -> frozenset[str]:
    """Return the Regions of this partition in which the installed SDK knows DynamoDB to be."""
    session = boto3.Session()
    partition = session.get_partition_for_region(own_region())
    return frozenset(session.get_available_regions("dynamodb", partition_name=partition))
