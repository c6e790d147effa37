"""What each function's role allows: the calls that its task makes, on the resources that it makes them on.

A test holds this against the calls that the functions really make on the local AWS, which checks every one of them
against these roles: a role that lacks one fails a migration there, and one that nothing uses fails the test.

Resources are ARNs with holes; `migration_stack` fills them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from infra.settings import Settings

_TABLE = "arn:{partition}:dynamodb:{region}:{account}:table/"
SOURCE = _TABLE + "{source_table}"
SOURCE_STREAM = SOURCE + "/stream/*"
TARGET = _TABLE + "{target_table}"
CONTROL = _TABLE + "{control_table}"
PAGES = "arn:{partition}:kinesis:{region}:{account}:stream/{pages_stream}"
BUCKET = "arn:{partition}:s3:::{rejects_bucket}"
REJECTS = BUCKET + "/rejects/*"
GIVEN_UP = BUCKET + "/aws/lambda/*"
POINTER = "arn:{partition}:ssm:{region}:{account}:parameter/tableferry/{migration}/active-table"
BUS = "arn:{partition}:events:{region}:{account}:event-bus/default"
MACHINE = "arn:{partition}:states:{region}:{account}:stateMachine:{state_machine}"
_EXECUTION = "arn:{partition}:states:{region}:{account}:execution:{state_machine}"
EXECUTIONS = _EXECUTION + ":*"
CHILDREN = _EXECUTION + "/Backfill:*"
"""Of the Map `Backfill`: the names of children, and of Map Runs, begin with its label."""
MAP_RUNS = "arn:{partition}:states:{region}:{account}:mapRun:{state_machine}/Backfill:*"
_FUNCTION = "arn:{partition}:lambda:{region}:{account}:function:"
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
"""DynamoDB asks for these in the replica's Region of whoever adds a replica ("Using IAM with global tables")."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One statement of a role."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    wildcard: str = ""
    """Why a resource, or a part of its name, is `*`."""
    conditions: dict[str, dict[str, str]] = field(default_factory=dict)


def _control(*actions: str) -> Grant:
    return Grant(tuple(f"dynamodb:{action}" for action in actions), (CONTROL,))


_LABEL = "a stream's ARN ends in the time at which it was turned on"
_READ_STREAM = Grant(
    ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"), (SOURCE_STREAM,), _LABEL
)
_LIST_MAPPINGS = Grant(("lambda:ListEventSourceMappings",), ("*",), "Lambda knows no resource for this call")
_COUNT_REJECTS = Grant(("s3:ListBucket",), (BUCKET,), conditions={"StringLike": {"s3:prefix": "rejects/*"}})
_PUT_REJECTS = Grant(("s3:PutObject",), (REJECTS,), "an object for each page or batch with rejects")
_TELL = Grant(("events:PutEvents",), (BUS,), conditions={"StringEquals": {"events:source": "tableferry"}})


def _of(function: str) -> dict[str, dict[str, str]]:
    """Return the condition that a call is about the mappings of one function."""
    return {"ArnEquals": {"lambda:FunctionArn": _FUNCTION + "{" + function + "}"}}


def _attach(function: str) -> tuple[Grant, ...]:
    """Return the rights to make a mapping of one function, and to switch it on."""
    return (
        Grant(
            ("lambda:CreateEventSourceMapping",),
            ("*",),
            "what is made has no name yet; the condition names the function",
            _of(function),
        ),
        _change_mapping("Update", function),
    )


def _change_mapping(call: str, function: str) -> Grant:
    return Grant(
        (f"lambda:{call}EventSourceMapping",),
        (MAPPINGS,),
        "a mapping's id is known only once it is made; the condition names the function",
        _of(function),
    )


_GRANTS: dict[str, tuple[Grant, ...]] = {
    "Preflight": (
        Grant(("dynamodb:DescribeTable",), (SOURCE, TARGET)),
        Grant(("dynamodb:Scan",), (TARGET,)),  # one item at most: is the target empty?
        Grant(("dynamodb:DescribeLimits",), ("*",), "DynamoDB knows no resource for this call"),
        Grant(("states:ListExecutions",), (MACHINE,)),
        Grant(
            ("states:DescribeExecution", "states:GetExecutionHistory"),
            (EXECUTIONS,),
            "which execution is gone on from is said by the one that resumes it",
        ),
        Grant(("ssm:GetParameter",), (POINTER,)),
        _READ_STREAM,
        _LIST_MAPPINGS,
        _control("GetItem", "Query"),
    ),
    "CreateReplicas": (
        Grant(("dynamodb:DescribeTable",), (SOURCE, TARGET)),
        Grant(("dynamodb:CreateTable", "dynamodb:TagResource", "dynamodb:UpdateTable"), (TARGET,)),
    ),
    "AttachReplicator": (
        Grant(("dynamodb:DescribeTable", "dynamodb:UpdateTable"), (SOURCE,)),
        _READ_STREAM,
        _LIST_MAPPINGS,
        *_attach("ReplicateChanges"),
        _control("BatchWriteItem", "GetItem", "PutItem", "Query"),
    ),
    "AttachWriter": (_LIST_MAPPINGS, *_attach("WritePages"), _control("BatchWriteItem", "GetItem")),
    "PlanSegments": (
        Grant(
            ("states:GetExecutionHistory",),
            (EXECUTIONS, CHILDREN),
            "which execution is gone on from is said by the one that resumes it; children are named when they start",
        ),
        Grant(("states:ListExecutions",), (MAP_RUNS,), "a Map Run is named when it starts"),
        _control("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query"),
    ),
    "ScanSegment": (
        Grant(("dynamodb:Scan",), (SOURCE,)),
        Grant(("kinesis:PutRecords",), (PAGES,)),
        _control("BatchGetItem", "GetItem", "PutItem"),
    ),
    "DrainBackfill": (
        _READ_STREAM,
        Grant(("s3:ListBucket",), (BUCKET,), conditions={"StringLike": {"s3:prefix": "aws/lambda/*"}}),
        _control("GetItem", "PutItem", "Query"),
    ),
    "DetachWriter": (_LIST_MAPPINGS, _change_mapping("Delete", "WritePages"), _control("GetItem", "PutItem")),
    "PlanVerify": (),
    "VerifySegment": (Grant(("dynamodb:Scan",), (SOURCE, TARGET)), _control("BatchWriteItem", "GetItem", "PutItem")),
    "CompareDigests": (
        Grant(("dynamodb:BatchGetItem",), (SOURCE, TARGET)),
        _READ_STREAM,
        _control("GetItem", "PutItem", "Query"),
    ),
    "ApproveCutOver": (_TELL, _control("PutItem")),
    "FenceSource": (_READ_STREAM, _control("GetItem", "PutItem", "Query")),
    "DrainChanges": (_READ_STREAM, _COUNT_REJECTS, _control("GetItem", "PutItem", "Query")),
    "PurgeTombstones": (
        Grant(("dynamodb:DeleteItem",), (TARGET,)),
        Grant(("dynamodb:DescribeStream",), (SOURCE_STREAM,), _LABEL),
        _control("BatchWriteItem", "GetItem", "Query"),
    ),
    "CutOver": (
        Grant(("dynamodb:DescribeTimeToLive",), (SOURCE, TARGET)),
        Grant(("dynamodb:UpdateTimeToLive",), (TARGET,)),
        _READ_STREAM,
        _COUNT_REJECTS,
        Grant(("ssm:PutParameter",), (POINTER,)),
        _TELL,
        _control("GetItem", "PutItem", "Query"),
    ),
    "DrainLateWrites": (_READ_STREAM, _COUNT_REJECTS, _control("GetItem", "Query")),
    "DetachReplicator": (
        Grant(("dynamodb:DescribeTable", "dynamodb:UpdateTable"), (SOURCE,)),
        _LIST_MAPPINGS,
        _change_mapping("Delete", "ReplicateChanges"),
        _control("BatchWriteItem", "GetItem"),
    ),
    "WritePages": (
        Grant(("dynamodb:PartiQLInsert", "dynamodb:PutItem"), (TARGET,)),
        _PUT_REJECTS,
        _control("GetItem", "PutItem"),
        # The next two are used by the mapping, which works with the function's role.
        Grant(
            (
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
                "kinesis:SubscribeToShard",
            ),
            (PAGES,),
        ),
        Grant(("s3:PutObject",), (GIVEN_UP,), "Lambda names the objects of batches that it gave up on"),
        Grant(("s3:ListBucket",), (BUCKET,)),
    ),
    "ReplicateChanges": (
        Grant(
            ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem"), (TARGET,)
        ),
        _PUT_REJECTS,
        _control("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem"),
        # The mapping reads the stream with the function's role.
        _READ_STREAM,
        Grant(("dynamodb:ListStreams",), ("*",), "Lambda asks for it on no stream in particular"),
    ),
}

_OF_ITEMS = frozenset(
    f"dynamodb:{call}"
    for call in ("BatchGetItem", "BatchWriteItem", "DeleteItem", "GetRecords", "PartiQLInsert", "PutItem", "Scan")
)


def _is_of_items(grant: Grant) -> bool:
    """Whether a statement is about items of source or target, or records of the source's stream."""
    return not _OF_ITEMS.isdisjoint(grant.actions) and not {SOURCE, SOURCE_STREAM, TARGET}.isdisjoint(grant.resources)


def grants_of(state: str, settings: Settings) -> Iterator[Grant]:
    """Yield the statements of a function's role.

    Args:
        state: names the function.
        settings: of the deployment; some statements are needed only where it has replicas or keys of its own.
    """
    yield from _GRANTS[state]
    regions = settings.migration.replica_regions
    if state == "CreateReplicas" and regions:
        yield Grant(REPLICA_ACTIONS, tuple(TARGET.replace("{region}", region) for region in regions))
        yield Grant(
            ("iam:CreateServiceLinkedRole",),
            (REPLICATION_ROLE,),
            conditions={"StringEquals": {"iam:AWSServiceName": "replication.dynamodb.amazonaws.com"}},
        )
    if state == "CutOver" and regions:
        # The setting is one of all replicas.
        yield Grant(("dynamodb:UpdateTimeToLive",), tuple(TARGET.replace("{region}", region) for region in regions))
    keys = settings.deployment.kms_key_arns
    if keys and any(_is_of_items(grant) for grant in _GRANTS[state]):
        yield Grant(
            ("kms:Decrypt",),
            keys,
            conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{settings.deployment.region}.amazonaws.com"}},
        )
    yield Grant(("logs:CreateLogStream", "logs:PutLogEvents"), (LOGS,), "the function's own log group's streams")
    yield Grant(
        ("xray:PutTelemetryRecords", "xray:PutTraceSegments"), ("*",), "X-Ray knows no resource for these calls"
    )


def machine_grants(functions: tuple[str, ...], maps: tuple[str, ...]) -> Iterator[Grant]:
    """Yield the statements of the state machine's role.

    Args:
        functions: names of the functions that it calls.
        maps: labels of its distributed Maps, whose children are executions of the machine itself.
    """
    children = tuple(f"{_EXECUTION}/{label}:*" for label in maps)
    yield Grant(
        ("lambda:InvokeFunction",),
        tuple(_FUNCTION + name for name in functions),
    )
    yield Grant(("states:StartExecution",), (MACHINE,))
    yield Grant(
        ("states:DescribeExecution", "states:StopExecution"),
        (EXECUTIONS, *children),
        "children are named when they start",
    )
    yield Grant(("states:RedriveExecution",), children, "children are named when they start")
    yield Grant(
        (
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ),
        ("*",),
        "log deliveries know no resource",
    )
    yield Grant(
        (
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:PutTelemetryRecords",
            "xray:PutTraceSegments",
        ),
        ("*",),
        "X-Ray knows no resource for these calls",
    )
