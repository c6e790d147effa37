"""Streams of the local AWS, and their mappings in the Lambda of the test's own process."""

from __future__ import annotations

import functools
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from tests.local.lambda_in_tests import REGION, until

if TYPE_CHECKING:
    from infra.local.emulator.client import LocalAwsProcess, LocalSession
    from tests.local.lambda_in_tests import LambdaInTests

NOTES_WHAT_COMES: Final = """
import base64
def seen(event):
    return [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
def numbers(event):
    return [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
def handler(event, context):
    note(seen(event))
"""

# Partition keys whose hashes lie in the lower and in the upper half of the range.
LOW: Final = "a"
HIGH: Final = "b"


@functools.cache
def _client(aws: LocalAwsProcess, service: str) -> Any:  # noqa: ANN401 - of any service
    """Return a client that all tests share: each takes longer to make than some of them last."""
    return _session(aws).client(service)


@functools.cache
def _session(aws: LocalAwsProcess) -> LocalSession:
    return aws.session(REGION)


class Streams:
    """The test's Lambda with streams and buckets to map."""

    def __init__(self, aws: LambdaInTests, local_aws: LocalAwsProcess) -> None:
        self.aws = aws
        self.kinesis = _client(local_aws, "kinesis")
        self.dynamodb = _client(local_aws, "dynamodb")
        self.dynamodb_streams = _client(local_aws, "dynamodbstreams")
        self.s3 = _client(local_aws, "s3")
        self.name = f"s{uuid.uuid4().hex[:12]}"
        self.stream_arn = ""

    def open(self, shards: int = 1) -> None:
        """Make the test's Kinesis stream."""
        self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        until(lambda: self.describe()["StreamStatus"] == "ACTIVE")
        self.stream_arn = self.describe()["StreamARN"]

    def describe(self) -> dict[str, Any]:
        """Return the Kinesis stream's description."""
        description: dict[str, Any] = self.kinesis.describe_stream(StreamName=self.name)["StreamDescription"]
        return description

    def put(self, *data: str, key: str = "k") -> None:
        """Put records, in order."""
        for text in data:
            self.kinesis.put_record(StreamName=self.name, PartitionKey=key, Data=text.encode())

    def open_table(self) -> None:
        """Make the test's table, with a stream of both images."""
        description = self.dynamodb.create_table(
            TableName=self.name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]
        self.stream_arn = description["LatestStreamArn"]

    def describe_table_stream(self) -> dict[str, Any]:
        """Return the description of the table's stream."""
        answer = self.dynamodb_streams.describe_stream(StreamArn=self.stream_arn)
        description: dict[str, Any] = dict(answer["StreamDescription"])
        return description

    def put_item(self, name: str, **attributes: Any) -> None:  # noqa: ANN401 - typed JSON
        """Put an item into the table."""
        self.dynamodb.put_item(TableName=self.name, Item={"id": {"S": name}, **attributes})

    def map(self, source: str = NOTES_WHAT_COMES, *, function: dict[str, Any] | None = None, **settings: Any) -> str:  # noqa: ANN401 - the API's
        """Create the function and map the stream to it; return the mapping's UUID."""
        self.aws.function(source, **(function or {}))
        return self.map_again(**settings)

    def map_again(self, name: str = "f", **settings: Any) -> str:  # noqa: ANN401 - the API's
        """Map the stream to a function that exists."""
        arguments = {"StartingPosition": "TRIM_HORIZON", **settings}
        return self.aws.client.create_event_source_mapping(
            EventSourceArn=self.stream_arn, FunctionName=name, **arguments
        )["UUID"]

    def state(self, mapping: str) -> str:
        """Return a mapping's state."""
        return self.aws.client.get_event_source_mapping(UUID=mapping)["State"]

    def wait_until(self, mapping: str, state: str) -> None:
        """Wait for a mapping's state."""
        until(lambda: self.state(mapping) == state)

    def enable(self, mapping: str, *, enabled: bool) -> None:
        """Enable or disable a mapping and wait until it is."""
        self.aws.client.update_event_source_mapping(UUID=mapping, Enabled=enabled)
        self.wait_until(mapping, "Enabled" if enabled else "Disabled")

    def bucket(self) -> dict[str, Any]:
        """Make a bucket and return the DestinationConfig that names it."""
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return {"OnFailure": {"Destination": f"arn:aws:s3:::{self.name}"}}

    def discarded(self) -> dict[str, dict[str, Any]]:
        """Return the objects in the bucket."""
        found = self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {
            entry["Key"]: json.loads(self.s3.get_object(Bucket=self.name, Key=entry["Key"])["Body"].read())
            for entry in found
        }
