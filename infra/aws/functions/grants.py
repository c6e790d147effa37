"""What a role may allow: statements on resources, and the statements that several functions share.

Resources are ARNs with holes; `migration_stack` fills them.
"""

from dataclasses import dataclass, field

_TABLE = "arn:{partition}:dynamodb:{region}:{account}:table/"
SOURCE = _TABLE + "{source_table}"
SOURCE_STREAM = SOURCE + "/stream/*"
TARGET = _TABLE + "{target_table}"
REPLICAS = TARGET.replace("{region}", "{replica_region}")
CONTROL = _TABLE + "{control_table}"
PAGES = "arn:{partition}:kinesis:{region}:{account}:stream/{pages_stream}"
BUCKET = "arn:{partition}:s3:::{rejects_bucket}"
REJECTS = BUCKET + "/rejects/*"
PROOFS = BUCKET + "/proof/*"
GIVEN_UP = BUCKET + "/aws/lambda/*"
POINTER = "arn:{partition}:ssm:{region}:{account}:parameter/tableferry/{migration}/active-table"
BUS = "arn:{partition}:events:{region}:{account}:event-bus/default"
MACHINE = "arn:{partition}:states:{region}:{account}:stateMachine:{state_machine}"
EXECUTION = "arn:{partition}:states:{region}:{account}:execution:{state_machine}"
EXECUTIONS = EXECUTION + ":*"
CHILDREN = EXECUTION + "/Backfill:*"
"""Of the Map `Backfill`: the names of children, and of Map Runs, begin with its label."""
MAP_RUNS = "arn:{partition}:states:{region}:{account}:mapRun:{state_machine}/Backfill:*"
FUNCTION = "arn:{partition}:lambda:{region}:{account}:function:"
MAPPINGS = "arn:{partition}:lambda:{region}:{account}:event-source-mapping:*"
LOGS = "arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/{function}:*"
REPLICATION_ROLE = (
    "arn:{partition}:iam::{account}:role/aws-service-role/replication.dynamodb.amazonaws.com/"
    "AWSServiceRoleForDynamoDBReplication"
)

REPLICA_ACTIONS = (
    "dynamodb:CreateTable",
    "dynamodb:CreateTableReplica",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
)
"""DynamoDB asks for these of whoever adds a replica. Its guide ("DynamoDB global tables security") names them for the
replica's Region only; CDK's source calls that page incorrect and allows everything in both Regions, on AWS Support's
advice; CloudFormation's own type of a global table needs these and to describe. So they are allowed on the target in
both, which tasks write to anyway, and DescribeLimits, which DynamoDB has missed in the field (aws/aws-cdk#12113)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One statement of a role."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    wildcard: str = ""
    """Why a resource, or a part of its name, is `*`."""
    conditions: dict[str, dict[str, str]] = field(default_factory=dict, hash=False)
    for_replicas: bool = False
    """Whether it is needed only where the target has replicas; `REPLICAS` then stands for each of them."""


def control(*actions: str) -> Grant:
    """Return the right to calls of DynamoDB on the control table."""
    return Grant(tuple(f"dynamodb:{action}" for action in actions), (CONTROL,))


STREAM_LABEL = "a stream's ARN ends in the time at which it was turned on"
READ_STREAM = Grant(
    ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"), (SOURCE_STREAM,), STREAM_LABEL
)
LIST_MAPPINGS = Grant(("lambda:ListEventSourceMappings",), ("*",), "Lambda knows no resource for this call")
DESCRIBE = Grant(("dynamodb:DescribeTable",), (SOURCE, TARGET))
READ_AGAIN = (
    Grant(("dynamodb:BatchGetItem",), (SOURCE, TARGET)),
    Grant(("s3:GetObject",), (REJECTS,), "an object for each batch with rejects"),
)
COUNT_REJECTS = Grant(("s3:ListBucket",), (BUCKET,), conditions={"StringLike": {"s3:prefix": "rejects/*"}})
COUNT_GIVEN_UP = Grant(("s3:ListBucket",), (BUCKET,), conditions={"StringLike": {"s3:prefix": "aws/lambda/*"}})
PUT_REJECTS = Grant(("s3:PutObject",), (REJECTS,), "an object for each page or batch with rejects")
KEEP_PROOF = Grant(("s3:GetObject", "s3:PutObject"), (PROOFS,), "lists of hashes and of keys, some for each call")
TELL = Grant(("events:PutEvents",), (BUS,), conditions={"StringEquals": {"events:source": "tableferry"}})
DESCRIBE_REPLICAS = Grant(("dynamodb:DescribeTable",), (REPLICAS,), for_replicas=True)

ADD_REPLICAS = (
    Grant(REPLICA_ACTIONS, (TARGET, REPLICAS), for_replicas=True),
    DESCRIBE_REPLICAS,
    Grant(("dynamodb:DescribeLimits",), ("*",), "DynamoDB knows no resource for this call", for_replicas=True),
    Grant(
        ("iam:CreateServiceLinkedRole",),
        (REPLICATION_ROLE,),
        conditions={"StringEquals": {"iam:AWSServiceName": "replication.dynamodb.amazonaws.com"}},
        for_replicas=True,
    ),
)


def attach(state: str) -> tuple[Grant, ...]:
    """Return the rights to make a mapping of one function, and to switch it on."""
    return (
        Grant(
            ("lambda:CreateEventSourceMapping",),
            ("*",),
            "what is made has no name yet; the condition names the function",
            _of(state),
        ),
        _change_mapping("Update", state),
    )


def detach(state: str) -> Grant:
    """Return the right to delete a mapping of one function."""
    return _change_mapping("Delete", state)


def _change_mapping(call: str, state: str) -> Grant:
    return Grant(
        (f"lambda:{call}EventSourceMapping",),
        (MAPPINGS,),
        "a mapping's id is known only once it is made; the condition names the function",
        _of(state),
    )


def _of(state: str) -> dict[str, dict[str, str]]:
    """Return the condition that a call is about the mappings of one function."""
    return {"ArnEquals": {"lambda:FunctionArn": FUNCTION + "{" + state + "}"}}
